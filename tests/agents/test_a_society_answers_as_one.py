"""A society of mind: others talk about what an agent is to reply to, inside its turn, and it says in one message what came of it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import convgraph as autogen
from convgraph import END, ConversationGraph, Message, ScriptedModel, SocietyOfMindAgent, open_store
from convgraph.errors import DefinitionError
from convgraph.journal.codec import encode_event
from convgraph.protocols import ModelReply, ModelRequest
from convgraph.testing import Answer, ScriptedServer

ROOT = Path(__file__).parents[2]


def silent(name: str, *lines: Any, **options: Any) -> autogen.ConversableAgent:
    return autogen.ConversableAgent(
        name, f"You are {name}.", human_input_mode="NEVER", model=ScriptedModel(list(lines), name=f"model of {name}"), **options
    )


def manager_of(*members: autogen.ConversableAgent, rounds: int = 3, name: str = "inner_manager") -> autogen.GroupChatManager:
    group = autogen.GroupChat(list(members), max_round=rounds, speaker_selection_method="round_robin")
    return autogen.GroupChatManager(group, name)


def asker(**options: Any) -> autogen.ConversableAgent:
    return autogen.ConversableAgent("asker", human_input_mode="NEVER", default_auto_reply="And then?", **options)


def test_the_reply_is_the_last_thing_said_inside_and_the_outer_chat_sees_nothing_else() -> None:
    society = SocietyOfMindAgent("society", manager_of(silent("thinker", "a thought"), silent("doubter", "a better one. TERMINATE")))
    result = asker().initiate_chat(society, message="Think.", max_turns=1, silent=True)

    assert [(each.sender, each.text) for each in result.messages] == [("asker", "Think."), ("society", "a better one.")]
    assert result.usage.calls == 2
    assert list(result.cost["usage_including_cached_inference"]) == ["total_cost", "model of thinker", "model of doubter"]


def test_each_inner_conversation_begins_with_the_outer_one_and_leaves_nothing_behind() -> None:
    """The second one is told what the society itself has said, and nothing of what was said inside the first."""
    shown: list[list[tuple[str, str]]] = []

    def think(request: ModelRequest) -> str:
        shown.append([(each.sender, each.text) for each in request.messages])
        return f"thought {len(shown)}"

    thinker = autogen.ConversableAgent("thinker", human_input_mode="NEVER", model=ScriptedModel(think))
    doubter = silent("doubter", "objection 1", "objection 2")
    society = SocietyOfMindAgent("society", manager_of(thinker, doubter))
    asker().initiate_chat(society, message="Think.", max_turns=2, silent=True)

    assert shown == [[("asker", "Think.")], [("asker", "Think."), ("society", "objection 1"), ("asker", "And then?")]]
    assert thinker.chat_messages == {}


def test_a_text_is_asked_of_the_agents_model_under_what_was_said_inside() -> None:
    asked: list[ModelRequest] = []
    preparer = ScriptedModel(lambda request: asked.append(request) or "in short: yes", name="preparer")
    society = SocietyOfMindAgent("society", manager_of(silent("a", "yes"), silent("b", "yes indeed")), "Say it in short.", model=preparer)
    result = asker().initiate_chat(society, message="Well?", max_turns=1, silent=True)

    assert result.summary == "in short: yes"
    assert [each.text for each in asked[0].messages] == ["yes", "yes indeed", "Say it in short."]
    assert "reads only what you say now" in asked[0].system


@pytest.mark.parametrize("returned", ["made of 2", {"content": "made of 2"}])
def test_a_function_is_given_what_was_said_inside_and_is_called_once(returned: Any) -> None:
    given: list[Any] = []

    def prepare(agent: Any, messages: list[dict[str, Any]]) -> Any:
        given.append((agent.name, [(each["name"], each["content"]) for each in messages]))
        return returned

    society = SocietyOfMindAgent("society", manager_of(silent("a", "one"), silent("b", "two")), prepare)
    graph = society.chat_graph(asker())
    with open_store(":memory:") as store:
        result = asker().initiate_chat(society, message="Well?", max_turns=1, silent=True, store=store)
        graph.replay(result.run_id, store=store)

    assert result.summary == "made of 2"
    assert given == [("society", [("a", "one"), ("b", "two")])]


def test_a_function_may_leave_the_society_silent() -> None:
    society = SocietyOfMindAgent("society", manager_of(silent("a", "one"), rounds=2), lambda agent, messages: None)
    result = asker().initiate_chat(society, message="Well?", silent=True)

    assert result.stop_reason == "society has nothing to say"
    assert len(result.messages) == 1


def test_an_inner_error_is_the_turns_error() -> None:
    """AutoGen answers with the error's text, or with nothing."""
    society = SocietyOfMindAgent("society", manager_of(silent("a", RuntimeError("the inner model is down")), rounds=2))
    result = asker().initiate_chat(society, message="Well?", max_turns=1, silent=True)

    assert result.status == "failed"
    assert "the inner model is down" in result.stop_reason
    assert "agent 'society': its inner conversation ended failed" in result.stop_reason
    with pytest.raises(autogen.errors.NodeFailed, match="inner conversation"):
        society.generate_reply([{"role": "user", "content": "Well?"}])


def test_tools_are_called_and_carried_out_inside() -> None:
    counted: list[str] = []

    def count(word: str) -> int:
        """Count the letters of a word."""
        counted.append(word)
        return len(word)

    model = ScriptedModel([ModelReply(tool_calls=(autogen.ToolCall("1", "count", '{"word": "society"}'),)), "Seven letters."])
    caller = autogen.ConversableAgent("caller", human_input_mode="NEVER", model=model)
    executor = autogen.ConversableAgent("executor", human_input_mode="NEVER", default_auto_reply="Fine.")
    autogen.register_function(count, caller=caller, executor=executor)
    society = SocietyOfMindAgent("society", manager_of(caller, executor, rounds=4))
    result = asker().initiate_chat(society, message="How long is it?", max_turns=1, silent=True)

    assert counted == ["society"]
    assert result.summary == "Seven letters."


def test_any_graph_can_be_inside() -> None:
    graph = ConversationGraph("draft-and-check")
    graph.add_node(silent("drafter", "a draft"))
    graph.add_node(silent("checker", "a checked draft"))
    graph.add_edge("drafter", "checker")
    graph.add_edge("checker", END)
    graph.set_start("drafter")
    result = asker().initiate_chat(SocietyOfMindAgent("society", graph), message="Write.", max_turns=1, silent=True)

    assert result.summary == "a checked draft"


def test_it_is_drawn_with_the_agent_and_is_part_of_its_definition() -> None:
    two = SocietyOfMindAgent("society", manager_of(silent("a", "1"), silent("b", "2")), "In short.", model=ScriptedModel([]))
    three = SocietyOfMindAgent(
        "society", manager_of(silent("a", "1"), silent("b", "2"), silent("c", "3")), "In short.", model=ScriptedModel([])
    )
    drawn = two.chat_graph(asker()).to_mermaid()

    assert all(name in drawn for name in ("society", "a", "b"))
    assert two.chat_graph(asker()).fingerprint != three.chat_graph(asker()).fingerprint
    assert two.describe()["response_preparer"] == "In short."
    with pytest.raises(DefinitionError, match="give the agent: speakers="):
        ConversationGraph.from_yaml(two.chat_graph(asker()).to_yaml(), allow=["convgraph.chat.state"])


def test_it_sits_in_a_group_chat_like_anybody() -> None:
    society = SocietyOfMindAgent("society", manager_of(silent("a", "one"), silent("b", "two")))
    group = autogen.GroupChat([society, silent("judge", "I agree.")], max_round=3, speaker_selection_method="round_robin")
    result = asker().initiate_chat(autogen.GroupChatManager(group), message="Well?", silent=True)

    assert [(each.sender, each.text) for each in result.messages] == [("asker", "Well?"), ("society", "two"), ("judge", "I agree.")]
    assert result.usage.calls == 3


def test_a_limit_in_dollars_counts_the_models_inside() -> None:
    class Unpriced(ScriptedModel):
        priced = False

    thinker = autogen.ConversableAgent("thinker", human_input_mode="NEVER", model=Unpriced(["a thought"]))
    society = SocietyOfMindAgent("society", manager_of(thinker, rounds=2))
    with pytest.raises(autogen.errors.InputError, match="scripted"):
        asker().initiate_chat(society, message="Well?", max_turns=1, silent=True, limits=autogen.Limits(usd=1))


def test_sync_and_async_say_the_same_and_a_replay_calls_nobody() -> None:
    def society() -> SocietyOfMindAgent:
        return SocietyOfMindAgent(
            "society", manager_of(silent("a", "one"), silent("b", "two")), "In short.", model=ScriptedModel(["both"], name="preparer")
        )

    with open_store(":memory:") as store:
        one = asker().initiate_chat(society(), message="Well?", max_turns=1, silent=True, store=store)
        other = asyncio.run(asker().a_initiate_chat(society(), message="Well?", max_turns=1, silent=True, store=store))
        before = [encode_event(each.event) for each in store.events(one.run_id)]
        unasked = SocietyOfMindAgent("society", manager_of(silent("a"), silent("b")), "In short.", model=ScriptedModel([], name="preparer"))
        unasked.chat_graph(asker()).replay(one.run_id, store=store)
        after = [encode_event(each.event) for each in store.events(one.run_id)]

    assert one.messages == other.messages
    assert before == after
    assert one.usage.calls == 3


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"chat_manager": "a group"}, "GroupChatManager or a ConversationGraph"),
        ({"response_preparer": 3}, "response_preparer= is a text"),
        ({"response_preparer": "In short."}, "give llm_config= or model="),
    ],
)
def test_what_cannot_be_is_refused_when_it_is_made(given: dict[str, Any], said: str) -> None:
    with pytest.raises(DefinitionError, match=said):
        SocietyOfMindAgent("society", **{"chat_manager": manager_of(silent("a", "one")), **given})


CHAT = """
import os, sys
import openai  # so that the children need not
import convgraph as autogen
from tests.examples.chat_examples import OneStepStore

def member(name):
    return autogen.AssistantAgent(name, f"You are {name}.")

group = autogen.GroupChat([member("a"), member("b"), member("c")], max_round=4, speaker_selection_method="round_robin")
society = autogen.SocietyOfMindAgent("society", autogen.GroupChatManager(group), "In short.", llm_config={"model": "scripted"})
asker = autogen.ConversableAgent("asker", human_input_mode="NEVER", default_auto_reply="And then?")

deaths = 0
while True:
    pid = os.fork()
    if not pid:
        with OneStepStore(sys.argv[1], synchronous="NORMAL") as store:
            result = asker.initiate_chat(society, message="Think.", max_turns=2, silent=True, store=store, run_id="RUN")
        print([each.text for each in result.messages], result.usage.calls, flush=True)
        os._exit(0)
    if not os.WIFSIGNALED(os.waitpid(pid, 0)[1]):
        break
    deaths += 1
print(deaths)
"""


def test_killed_after_each_inner_step_it_goes_on_where_it_stood(tmp_path: Path) -> None:
    """Each process dies by kill -9 once it has recorded a step, inside or outside; no model is asked the same twice."""

    def script(request: dict[str, Any]) -> Answer:
        who = request["messages"][0]["content"][:9]
        return Answer(f"{who} says {sum(each['role'] == 'user' for each in request['messages'])}")

    with ScriptedServer(script) as server:
        done = subprocess.run(
            [sys.executable, "-c", CHAT, str(tmp_path / "runs.db")],
            env={**os.environ, "OPENAI_BASE_URL": server.base_url, "PYTHONPATH": str(ROOT)},
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    *_, said, deaths = done.stdout.strip().splitlines() or [done.stderr, "0"]

    assert said == "['Think.', 'Below is  says 4', 'And then?', 'Below is  says 4'] 8", done.stderr
    assert int(deaths) >= 8, "each inner step, and each outer one"
    assert len(server.log) == 8


def test_messages_that_are_no_text_are_handed_on() -> None:
    parts = [{"type": "text", "text": "a picture"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]

    def show(ctx: Any) -> Message:
        return Message(content=parts)

    graph = ConversationGraph("show")
    graph.add_node(show)
    graph.add_edge("show", END)
    graph.set_start("show")
    result = asker().initiate_chat(SocietyOfMindAgent("society", graph), message="Show.", max_turns=1, silent=True)

    assert result.messages[-1].content == parts
