"""An assistant whose endpoint remembers: the wire carries what is new, the endpoint knows what the conversation says, and nothing else."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

import convgraph as autogen
from convgraph import END, ConversationGraph, GPTAssistantAgent, Message, OpenAIChatModel, ScriptedModel, open_store
from convgraph.errors import DefinitionError, ModelConfigError, ResponseForgotten
from convgraph.journal.codec import encode_event
from convgraph.journal.events import EffectFinished
from convgraph.journal.store import Store
from convgraph.models.fallback import FallbackModel
from convgraph.models.openai_responses import OpenAIResponsesModel
from convgraph.plain_data import replaced
from convgraph.protocols import ModelReply, ModelRequest, Remembered
from convgraph.testing import Answer, ScriptedServer

ROOT = Path(__file__).parents[2]


def counts(request: dict[str, Any]) -> str:
    """What the model says: how much of the conversation it sees."""
    return f"I see {len(request['input'])} items"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedServer]:
    with ScriptedServer(counts) as served:
        monkeypatch.setenv("OPENAI_BASE_URL", served.base_url)
        yield served


@pytest.fixture
def store() -> Iterator[Store]:
    with open_store(":memory:") as opened:
        yield opened


def asker(**options: Any) -> autogen.ConversableAgent:
    return autogen.ConversableAgent("asker", human_input_mode="NEVER", default_auto_reply="And then?", **options)


def assistant(**options: Any) -> GPTAssistantAgent:
    return GPTAssistantAgent("assistant", "You count.", **{"llm_config": {"model": "scripted"}, **options})


def wire(server: ScriptedServer) -> list[Any]:
    """What was sent, in short: the texts (or kinds) of the input's items, and whether it goes on from something."""
    return [
        ([item.get("content") or item.get("output") or item["type"] for item in request["input"]], "previous_response_id" in request)
        for request in server.requests
    ]


def chat(recipient: GPTAssistantAgent | None = None, **options: Any) -> autogen.ChatResult:
    return asker().initiate_chat(recipient or assistant(), **{"message": "Begin.", "max_turns": 3, "silent": True, **options})


def test_the_wire_carries_what_is_new_and_the_server_sees_the_whole_conversation(server: ScriptedServer) -> None:
    result = chat()

    assert wire(server) == [(["asker: Begin."], False), (["asker: And then?"], True), (["asker: And then?"], True)]
    assert [len(exchange.conversation) for exchange in server.log] == [1, 3, 5]
    assert [each.text for each in result.messages[1::2]] == ["I see 1 items", "I see 3 items", "I see 5 items"]
    assert all(request["store"] is True and request["instructions"] == "You count." for request in server.requests)


def test_each_call_costs_what_the_server_counts_the_remembered_included(server: ScriptedServer, store: Store) -> None:
    result = chat(store=store)
    recorded = [each.event.usage for each in store.events(result.run_id) if isinstance(each.event, EffectFinished)]

    assert result.usage.calls == 3
    assert [(usage.input_tokens, usage.output_tokens) for usage in recorded] == [
        (exchange.input_tokens, exchange.output_tokens) for exchange in server.log
    ]
    assert recorded[0].input_tokens < recorded[1].input_tokens < recorded[2].input_tokens
    assert result.usage.tokens == server.usage.tokens


def test_what_it_says_carries_how_to_go_on(server: ScriptedServer) -> None:
    said = chat().messages[1].data

    assert set(said) == {"response_id", "seen"}
    assert server.requests[1]["previous_response_id"] == said["response_id"]


def test_one_agent_in_two_chats_goes_on_from_its_own_answers_in_each(server: ScriptedServer) -> None:
    """The agent holds nothing: the two go on at the same time, each from its own last answer."""
    one = assistant()

    async def both() -> list[Any]:
        chats = [asker().a_initiate_chat(one, message=f"Begin {number}.", max_turns=2, silent=True) for number in (1, 2)]
        return list(await asyncio.gather(*chats))

    for result in asyncio.run(both()):
        follow_up = [
            request for request in server.requests if request.get("previous_response_id") == result.messages[1].data["response_id"]
        ]
        assert len(follow_up) == 1
        assert result.messages[3].text == "I see 3 items"


def test_functions_are_carried_out_here_and_only_their_results_are_sent(server: ScriptedServer) -> None:
    def double(number: int) -> int:
        """Double a number."""
        return 2 * number

    server.script = ["Ready.", Answer(tool_calls=[{"name": "double", "arguments": {"number": 21}, "id": "c1"}]), "It is 42.", "Indeed."]
    result = chat(assistant(tools=[double]))

    assert wire(server) == [
        (["asker: Begin."], False),
        (["asker: And then?"], True),
        (["42"], True),
        (["asker: And then?"], True),
    ]
    assert server.requests[2]["input"] == [{"type": "function_call_output", "call_id": "c1", "output": "42"}]
    assert [each.text for each in result.messages] == ["Begin.", "Ready.", "And then?", "", "42", "It is 42.", "And then?", "Indeed."]


def test_functions_that_another_carries_out_are_answered_to_the_server(server: ScriptedServer) -> None:
    def double(number: int) -> int:
        """Double a number."""
        return 2 * number

    caller, executor = assistant(), asker()
    autogen.register_function(double, caller=caller, executor=executor)
    server.script = [Answer(tool_calls=[{"name": "double", "arguments": {"number": 21}, "id": "c1"}]), "It is 42."]
    result = executor.initiate_chat(caller, message="Double 21.", max_turns=2, silent=True)

    assert server.requests[1]["input"] == [{"type": "function_call_output", "call_id": "c1", "output": "42"}]
    assert result.summary == "It is 42."


def test_a_call_without_its_result_is_no_answer_to_go_on_from() -> None:
    """An endpoint refuses what leaves a call open."""
    call = autogen.ToolCall("c1", "double")
    history = [Message("asker", "Double."), Message("assistant", "", tool_calls=(call,)), Message("asker", "Never mind.")]
    history[1] = GPTAssistantAgent("assistant", model=ScriptedModel([])).answer_of_model(
        ModelReply(tool_calls=(call,), response_id="resp_1"), history[:1]
    )
    agent = assistant()

    assert agent.request(history).remembered is None
    assert agent.request([*history[:2], Message("asker", "4", "tool", tool_call_id="c1")]).remembered == Remembered("resp_1", 2)


def test_hosted_tools_are_passed_through_and_what_they_say_is_kept(server: ScriptedServer, store: Store) -> None:
    search = {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "moon"}}
    quoted = {"type": "url_citation", "url": "https://example.com/moon", "title": "Moon", "start_index": 0, "end_index": 4}
    server.script = [Answer("27.3 days.", extra={"output": [search], "annotations": [quoted]}), "Yes."]
    agent = assistant(tools=[{"type": "web_search"}, {"type": "code_interpreter"}])
    result = chat(agent, max_turns=2, store=store)
    searched, message = result.messages[1].data["items"]

    assert server.requests[0]["tools"] == [{"type": "web_search"}, {"type": "code_interpreter", "container": {"type": "auto"}}]
    assert searched == search
    assert message["content"][0]["annotations"] == [quoted]
    assert "items" not in result.messages[3].data
    assert agent.describe()["tools"][0] == {"type": "web_search"}
    agent.chat_graph(asker()).replay(result.run_id, store=store)


def test_secrets_do_not_reach_the_journal_by_what_hosted_tools_say(server: ScriptedServer, store: Store) -> None:
    server.script = [Answer("Found.", extra={"output": [{"type": "web_search_call", "action": {"query": "what is s3cret-token"}}]})]
    result = chat(assistant(tools=[{"type": "web_search"}]), max_turns=1, store=store, deps={"token": SecretStr("s3cret-token")})

    assert result.messages[1].data["items"][0]["type"] == "web_search_call"
    assert "s3cret-token" not in str([encode_event(each.event) for each in store.events(result.run_id)])


def test_a_list_of_configurations_is_one_too(server: ScriptedServer) -> None:
    chat(assistant(llm_config=[{"model": "scripted"}]), max_turns=1)

    assert server.log[0].path.endswith("/responses")


@pytest.mark.parametrize("place", ["llm_config", "assistant_config"])
def test_tools_may_stand_where_autogen_has_them(server: ScriptedServer, place: str) -> None:
    function = {
        "type": "function",
        "function": {"name": "look", "description": "Look.", "parameters": {"type": "object", "properties": {}}},
    }
    tools = [{"type": "file_search", "vector_store_ids": ["vs_1"]}, function]
    given: dict[str, Any] = {place: {"tools": tools, **({"model": "scripted"} if place == "llm_config" else {})}}
    chat(assistant(**given), max_turns=1)

    assert [(tool["type"], tool.get("name")) for tool in server.requests[0]["tools"]] == [("file_search", None), ("function", "look")]


def test_a_forgotten_response_is_an_event_and_the_whole_conversation_is_sent(server: ScriptedServer, store: Store) -> None:
    def forget(agent: Any, messages: Any, sender: Any, config: Any) -> tuple[bool, None]:
        if len(messages) == 4:
            server.memory.forget()
        return False, None

    first = asker()
    first.register_reply(autogen.Agent, forget)
    result = first.initiate_chat(assistant(), message="Begin.", max_turns=3, silent=True, store=store)
    calls = [event for each in store.events(result.run_id) if isinstance(event := each.event, EffectFinished) and event.effect == "model"]

    assert [call.error.type if call.error else "" for call in calls] == ["", "", "ResponseForgotten", ""]
    assert [len(request["input"]) for request in server.requests] == [1, 1, 1, 5]
    assert "previous_response_id" not in server.requests[3]
    assert result.messages[-1].text == "I see 5 items"
    assert result.usage.calls == 3


def test_replayed_with_the_endpoint_down_it_is_the_same_the_forgetting_included(server: ScriptedServer, store: Store) -> None:
    def forget(agent: Any, messages: Any, sender: Any, config: Any) -> tuple[bool, None]:
        server.memory.forget()
        return False, None

    first, agent = asker(), assistant()
    first.register_reply(autogen.Agent, forget)
    result = first.initiate_chat(agent, message="Begin.", max_turns=3, silent=True, store=store)
    calls = len(server.log)
    server.stop()
    before = [encode_event(each.event) for each in store.events(result.run_id)]
    agent.chat_graph(first).replay(result.run_id, store=store)

    assert [encode_event(each.event) for each in store.events(result.run_id)] == before
    assert len(server.log) == calls == 5


def two(agent: GPTAssistantAgent) -> ConversationGraph:
    """Somebody who says what comes next, and the assistant."""

    def ask(ctx: Any) -> str:
        return f"Question {ctx.turn}."

    graph = ConversationGraph("two")
    graph.add_node(ask)
    graph.add_node(agent)
    graph.add_edge("ask", "assistant")
    graph.add_edge("assistant", END, when="turn >= 6")
    graph.add_edge("assistant", "ask")
    graph.set_start("ask")
    return graph


def test_a_fork_with_an_edited_message_goes_on_from_the_last_answer_that_is_still_there(server: ScriptedServer, store: Store) -> None:
    graph = two(assistant())
    run = graph.run("Hello.", store=store)
    sent = len(server.log)
    fork = graph.fork(run.run_id, store=store, at=3, message="Another question.")
    result = graph.resume(fork, store=store)

    assert server.requests[sent]["previous_response_id"] == run.messages[2].data["response_id"]
    assert wire(server)[sent] == (["ask: Another question."], True)
    assert result.messages[-1].text == "I see 6 items"
    assert [item.get("content") for item in server.log[sent].conversation][-1] == "ask: Another question."


@pytest.mark.parametrize("keeps_data", [False, True])
def test_an_edited_answer_of_its_own_is_told_as_new(server: ScriptedServer, store: Store, keeps_data: bool) -> None:
    """Even where it still says that it is what the endpoint has answered."""
    graph = two(assistant())
    run = graph.run("Hello.", store=store)
    sent = len(server.log)
    edited = replaced(run.messages[4], content="I see nothing.") if keeps_data else Message("assistant", "I see nothing.")
    fork = graph.fork(run.run_id, store=store, at=4, message=edited)
    graph.resume(fork, store=store)

    assert server.requests[sent]["previous_response_id"] == run.messages[2].data["response_id"]
    assert wire(server)[sent] == (["ask: Question 3.", "I see nothing.", "ask: Question 5."], True)


def test_what_a_view_has_changed_is_not_taken_from_memory(server: ScriptedServer) -> None:
    """The endpoint would remember what the agent is not shown any more: so it is told what that is instead."""
    agent = assistant()
    agent.register_hook("process_all_messages_before_reply", lambda messages: messages[-1:])
    chat(agent)

    assert wire(server) == [(["asker: Begin."], False), (["asker: And then?"], False), (["asker: And then?"], False)]


def test_parsed_answers_stand_beside_how_to_go_on(server: ScriptedServer) -> None:
    server.script = ['{"days": 27}', '{"days": "many"}', '{"days": 28}', '{"days": 29}']
    schema = {"type": "object", "properties": {"days": {"type": "integer"}}, "required": ["days"]}
    result = chat(assistant(response_format=schema))

    assert [each.data["answer"] for each in result.messages[1::2]] == [{"days": 27}, {"days": 28}, {"days": 29}]
    assert "response_id" not in result.messages[3].data, "the endpoint has seen an answer that the conversation does not have"
    assert [len(request["input"]) for request in server.requests] == [1, 1, 3, 3]


def test_an_endpoint_that_gives_no_id_is_told_everything_each_time() -> None:
    seen: list[int] = []
    model = ScriptedModel(lambda request: seen.append(len(request.messages)) or "yes")
    chat(assistant(llm_config=None, model=model))

    assert seen == [1, 3, 5]


def test_of_several_models_one_that_has_forgotten_has_all_told_everything() -> None:
    with ScriptedServer(["never used"]) as one, ScriptedServer(["yes"]) as other:
        models = [OpenAIResponsesModel("scripted", base_url=each.base_url, api_key="k") for each in (one, other)]
        request = ModelRequest([Message("asker", "Well?")], remembered=Remembered("resp_of_another", 0))
        with pytest.raises(ResponseForgotten, match="does not know the response"):
            asyncio.run(FallbackModel(models).respond(request))

    assert [len(each.log) for each in (one, other)] == [1, 0]


def test_in_a_group_it_is_told_what_everybody_has_said_since(server: ScriptedServer) -> None:
    other = autogen.ConversableAgent("other", human_input_mode="NEVER", model=ScriptedModel(["I disagree.", "Still."]))
    group = autogen.GroupChat([assistant(), other], max_round=5, speaker_selection_method="round_robin")
    asker().initiate_chat(autogen.GroupChatManager(group), message="Well?", silent=True)

    assert wire(server) == [(["asker: Well?"], False), (["other: I disagree."], True)]


def test_streamed_answers_are_gone_on_from_as_well(server: ScriptedServer) -> None:
    search = {"type": "web_search_call", "id": "ws_1", "status": "completed"}
    server.script = [Answer("One.", extra={"output": [search]}), "Two."]
    result = chat(assistant(llm_config={"model": "scripted", "stream": True}), max_turns=2)

    assert result.messages[1].data["items"] == [search]
    assert wire(server) == [(["asker: Begin."], False), (["asker: And then?"], True)]


def test_a_cached_answer_is_gone_on_from(server: ScriptedServer, tmp_path: Path) -> None:
    config = {"model": "scripted", "cache": autogen.Cache.disk(cache_path_root=str(tmp_path))}
    one, other = chat(assistant(llm_config=config)), chat(assistant(llm_config=config))

    assert one.messages == other.messages
    assert len(server.log) == 3
    assert other.usage.tokens == 0


def test_a_document_holds_it(server: ScriptedServer) -> None:
    tools = [{"type": "file_search", "vector_store_ids": ["vs_1"]}]
    graph = two(assistant(llm_config=None, model=OpenAIResponsesModel("scripted"), tools=tools))
    text = graph.to_yaml()
    document = text.replace("tests.agents.test_endpoint_remembers_for_an_assistant:two.<locals>.ask", "builtins:repr")
    loaded = ConversationGraph.from_yaml(document, allow=["builtins"], speakers={"ask": lambda ctx: f"Question {ctx.turn}."})
    result = loaded.run("Hello.")

    assert loaded.definition.nodes["assistant"].detail == graph.definition.nodes["assistant"].detail
    assert [request["tools"] for request in server.requests] == [tools] * 3
    assert result.messages[-1].text == "I see 6 items"
    with pytest.raises(DefinitionError, match="executes: a GPTAssistantAgent has no such thing"):
        ConversationGraph.from_yaml(
            document.replace("system_message: You count.", "executes: []"), allow=["builtins"], speakers={"ask": repr}
        )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"llm_config": None, "model": OpenAIChatModel("m", api_key="k")}, "chat completions, which remember nothing"),
        ({"llm_config": {"config_list": [{"model": "m", "api_style": "chat"}]}}, "chat completions, which remember nothing"),
        ({"assistant_config": {"assistant_id": "asst_1"}}, "assistants are no more"),
        ({"assistant_config": ["web_search"]}, "assistant_config= is a mapping"),
        ({"tools": "web_search"}, "tools are a list"),
        ({"tools": [{"type": 3}]}, "a text such as 'web_search'"),
        ({"llm_config": {"model": "m", "tools": "web_search"}}, "tools are a list"),
        ({"tools": [{"type": "retrieval"}]}, "called 'file_search' now"),
        ({"tools": [{"type": "mcp", "server_url": "https://example.com", "headers": {"Authorization": "secret"}}]}, "stored with each run"),
    ],
)
def test_what_cannot_be_is_refused_when_it_is_made(options: dict[str, Any], said: str) -> None:
    with pytest.raises(DefinitionError, match=said):
        assistant(**options)


def test_chat_completions_refuse_what_relies_on_memory() -> None:
    request = ModelRequest([Message("asker", "Well?")], remembered=Remembered("resp_1", 0))
    with pytest.raises(ModelConfigError, match="remember nothing"):
        asyncio.run(OpenAIChatModel("m", api_key="k").respond(request))


CHAT = """
import os, sys
import openai  # so that the children need not
import convgraph as autogen
from tests.examples.chat_examples import OneStepStore

assistant = autogen.GPTAssistantAgent("assistant", "You count.", llm_config={"model": "scripted"})
asker = autogen.ConversableAgent("asker", human_input_mode="NEVER", default_auto_reply="And then?")
deaths = 0
while True:
    pid = os.fork()
    if not pid:
        with OneStepStore(sys.argv[1], synchronous="NORMAL") as store:
            result = asker.initiate_chat(assistant, message="Begin.", max_turns=3, silent=True, store=store, run_id="RUN")
        print([each.text for each in result.messages[1::2]], flush=True)
        os._exit(0)
    if not os.WIFSIGNALED(os.waitpid(pid, 0)[1]):
        break
    deaths += 1
print(deaths)
"""


def test_killed_after_each_step_it_goes_on_from_its_last_answer(server: ScriptedServer, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CHAT, str(tmp_path / "runs.db")],
        env={**os.environ, "OPENAI_BASE_URL": server.base_url, "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.stdout.splitlines()[-2:] == ["['I see 1 items', 'I see 3 items', 'I see 5 items']", "5"], done.stderr
    assert wire(server) == [(["asker: Begin."], False), (["asker: And then?"], True), (["asker: And then?"], True)]
