"""The ways in which AutoGen's documentation has its users put agents together, with `import convgraph as autogen` and nothing else
changed. The models are real endpoints over HTTP, named by `config_list`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest

import convgraph as autogen
from convgraph.coding import LocalCommandLineCodeExecutor
from convgraph.testing import ScriptedServer

Script = list[Any] | Callable[[dict[str, Any]], Any]
Endpoint = Callable[[Script], dict[str, Any]]


@pytest.fixture
def servers() -> Iterator[list[ScriptedServer]]:
    started: list[ScriptedServer] = []
    yield started
    for server in started:
        server.stop()


@pytest.fixture
def endpoint(servers: list[ScriptedServer]) -> Endpoint:
    """An `llm_config` for a model that answers from a script."""

    def begin(script: Script) -> dict[str, Any]:
        server = ScriptedServer(script)
        server.start()
        servers.append(server)
        return {"config_list": [{"model": "gpt-4", "base_url": server.base_url, "api_key": "none"}]}

    return begin


@pytest.fixture
def types(monkeypatch: pytest.MonkeyPatch) -> Callable[[list[str]], list[str]]:
    """A person who types these lines, in order."""

    def typing(lines: list[str]) -> list[str]:
        asked: list[str] = []
        left = iter(lines)

        def read(prompt: str = "") -> str:
            asked.append(prompt)
            return next(left)

        monkeypatch.setattr("builtins.input", read)
        return asked

    return typing


def system_of(request: dict[str, Any]) -> str:
    return request["messages"][0]["content"]


def last_of(request: dict[str, Any]) -> str:
    return request["messages"][-1]["content"] or ""


def call_of(name: str, **arguments: Any) -> dict[str, Any]:
    """A model's answer that calls a tool."""
    return {"tool_calls": [{"name": name, "arguments": json.dumps(arguments)}]}


def texts(result: Any) -> list[str]:
    return [message["content"] for message in result.chat_history]


# Getting started


def test_an_assistant_and_a_user_proxy(endpoint: Endpoint, tmp_path: Path) -> None:
    llm_config = endpoint(["Here:\n```python\nprint(6 * 7)\n```", "The result is 42.\nTERMINATE"])
    assistant = autogen.AssistantAgent("assistant", llm_config=llm_config)
    user_proxy = autogen.UserProxyAgent(
        "user_proxy",
        human_input_mode="NEVER",
        max_consecutive_auto_reply=10,
        is_termination_msg=lambda x: x.get("content", "").rstrip().endswith("TERMINATE"),
        code_execution_config={"work_dir": str(tmp_path), "use_docker": False},
    )
    result = user_proxy.initiate_chat(assistant, message="What is six times seven?", summary_method="last_msg")
    assert texts(result)[2] == "exitcode: 0 (execution succeeded)\nCode output: 42\n"
    assert result.summary == "The result is 42."
    assert result.human_input == []
    assert result.cost["usage_including_cached_inference"].keys() >= {"total_cost"}
    assert assistant.last_message(user_proxy)["content"].endswith("TERMINATE")  # type: ignore[index]
    assert user_proxy.chat_messages[assistant] == result.chat_history


def test_a_single_reply_without_a_chat(endpoint: Endpoint) -> None:
    agent = autogen.ConversableAgent("chatbot", llm_config=endpoint(["Ants carry."]), code_execution_config=False, human_input_mode="NEVER")
    assert agent.generate_reply(messages=[{"content": "Tell me of ants.", "role": "user"}]) == "Ants carry."


def test_two_comedians_tell_as_many_jokes_as_there_are_turns(endpoint: Endpoint) -> None:
    def joke(request: dict[str, Any]) -> str:
        return f"{system_of(request).split()[3]} after: {last_of(request)}"

    llm_config = {**endpoint(joke), "temperature": 0.9}
    cathy = autogen.ConversableAgent("cathy", system_message="Your name is Cathy", llm_config=llm_config, human_input_mode="NEVER")
    joe = autogen.ConversableAgent("joe", system_message="Your name is Joe", llm_config=llm_config, human_input_mode="NEVER")
    result = joe.initiate_chat(cathy, message="Go.", max_turns=2)
    assert texts(result) == ["Go.", "Cathy after: Go.", "Joe after: Cathy after: Go.", "Cathy after: Joe after: Cathy after: Go."]
    assert result.stop_reason == "max_turns"
    assert [message["role"] for message in result.chat_history] == ["assistant", "user", "assistant", "user"]


def test_another_chat_goes_on_where_the_first_has_stopped(endpoint: Endpoint, servers: list[ScriptedServer]) -> None:
    llm_config = endpoint(["one", "two"])
    assistant = autogen.AssistantAgent("assistant", llm_config=llm_config)
    user = autogen.UserProxyAgent("user", human_input_mode="NEVER", code_execution_config=False)
    user.initiate_chat(assistant, message="first", max_turns=1)
    again = user.initiate_chat(assistant, message="second", max_turns=1, clear_history=False)
    assert texts(again) == ["first", "one", "second", "two"]
    assert [message["content"] for message in servers[0].requests[1]["messages"][1:]] == ["first", "one", "second"]


# Termination


def test_a_chat_ends_when_a_reply_limit_is_reached(endpoint: Endpoint) -> None:
    def agent(name: str, **options: Any) -> autogen.ConversableAgent:
        return autogen.ConversableAgent(name, llm_config=endpoint(lambda _: f"{name} says"), human_input_mode="NEVER", **options)

    result = agent("joe").initiate_chat(agent("cathy", max_consecutive_auto_reply=1), message="Hi")
    assert texts(result) == ["Hi", "cathy says", "joe says"]
    assert result.stop_reason == "cathy: max_consecutive_auto_reply (1)"


def test_a_chat_ends_when_somebody_says_the_word(endpoint: Endpoint) -> None:
    joe = autogen.ConversableAgent(
        "joe",
        llm_config=endpoint(["More?"]),
        human_input_mode="NEVER",
        is_termination_msg=lambda message: "good bye" in message["content"].lower(),
    )
    cathy = autogen.ConversableAgent("cathy", llm_config=endpoint(["A joke.", "Good bye!"]), human_input_mode="NEVER")
    result = joe.initiate_chat(cathy, message="Tell me one.")
    assert texts(result)[-1] == "Good bye!"
    assert result.stop_reason == "joe: termination message"


# A person in the chat


def test_a_person_plays_a_guessing_game(endpoint: Endpoint, types: Callable[[list[str]], list[str]]) -> None:
    types(["25", "53"])
    has_number = autogen.ConversableAgent(
        "agent_with_number",
        system_message="The number is 53.",
        llm_config=endpoint(["too low", "That is it. 53"]),
        is_termination_msg=lambda message: "53" in message["content"],
        human_input_mode="NEVER",
    )
    human = autogen.ConversableAgent("human_proxy", llm_config=False, human_input_mode="ALWAYS")
    result = human.initiate_chat(has_number, message="10")
    assert texts(result) == ["10", "too low", "25", "That is it. 53", "53"]
    assert result.human_input == ["25", "53"]


def test_a_person_is_asked_at_the_end_and_may_go_on(endpoint: Endpoint, types: Callable[[list[str]], list[str]]) -> None:
    asked = types(["make it shorter", ""])
    assistant = autogen.AssistantAgent("assistant", llm_config=endpoint(["A long text. TERMINATE", "Short. TERMINATE"]))
    user = autogen.UserProxyAgent(
        "user",
        human_input_mode="TERMINATE",
        code_execution_config=False,
        is_termination_msg=lambda message: message["content"].endswith("TERMINATE"),
    )
    result = user.initiate_chat(assistant, message="Write.")
    assert texts(result) == ["Write.", "A long text. TERMINATE", "make it shorter", "Short. TERMINATE"]
    assert len(asked) == 2
    assert result.stop_reason == "user: a person ended the chat"


def test_a_face_of_ones_own_asks_the_person(endpoint: Endpoint) -> None:
    class Window(autogen.UserProxyAgent):
        def get_human_input(self, prompt: str) -> str:
            return "exit"

    user = Window("user", code_execution_config=False)
    result = user.initiate_chat(autogen.AssistantAgent("assistant", llm_config=endpoint(["Hello."])), message="Hi")
    assert texts(result) == ["Hi", "Hello."]
    assert result.human_input == ["exit"]


# Code


def test_code_is_written_by_one_agent_and_run_by_another(endpoint: Endpoint, tmp_path: Path) -> None:
    executor = LocalCommandLineCodeExecutor(timeout=10, work_dir=str(tmp_path))
    runner = autogen.ConversableAgent("runner", llm_config=False, code_execution_config={"executor": executor}, human_input_mode="NEVER")
    writer = autogen.ConversableAgent(
        "writer",
        llm_config=endpoint(
            ["```python\n# filename: f.py\nraise SystemExit(3)\n```", "```sh\necho mended > out.txt; cat out.txt\n```", "TERMINATE"]
        ),
        code_execution_config=False,
        human_input_mode="NEVER",
    )
    result = runner.initiate_chat(writer, message="Write code.")
    assert texts(result)[2].startswith("exitcode: 3 (execution failed)\nCode output:")
    assert texts(result)[4] == "exitcode: 0 (execution succeeded)\nCode output: mended\n"
    assert (tmp_path / "out.txt").read_text() == "mended\n"
    assert result.stop_reason == "runner: termination message"


def test_code_in_a_given_message_is_run_directly(tmp_path: Path) -> None:
    runner = autogen.ConversableAgent(
        "runner",
        llm_config=False,
        code_execution_config={"executor": LocalCommandLineCodeExecutor(work_dir=tmp_path)},
        human_input_mode="NEVER",
    )
    assert runner.generate_reply(messages=[{"role": "user", "content": "```python\nprint('Hello')\n```"}]).endswith("Code output: Hello\n")


# Tools


def test_a_tool_is_told_to_one_agent_and_carried_out_by_another(endpoint: Endpoint, servers: list[ScriptedServer]) -> None:
    assistant = autogen.ConversableAgent(
        "assistant", system_message="You calculate.", llm_config=endpoint([call_of("calculator", a=44, b=2), "It is 22. TERMINATE"])
    )
    user = autogen.ConversableAgent(
        "user",
        llm_config=False,
        human_input_mode="NEVER",
        is_termination_msg=lambda m: m.get("content") is not None and "TERMINATE" in m["content"],
    )

    @user.register_for_execution()
    @assistant.register_for_llm(name="calculator", description="Divides whole numbers.")
    def calculator(a: Annotated[int, "what is divided"], b: Annotated[int, "by what"]) -> int:
        return a // b

    result = user.initiate_chat(assistant, message="What is 44 by 2?")
    assert [message.get("tool_responses", [{}])[0].get("content") for message in result.chat_history] == [None, None, "22", None]
    assert result.summary == "It is 22."
    (told,) = servers[0].requests[0]["tools"]
    assert told["function"]["parameters"]["properties"]["a"] == {"type": "integer", "description": "what is divided"}
    assert calculator(9, 3) == 3
    assert assistant.llm_config["tools"] == [told]  # type: ignore[index]


async def _slow(seconds: float) -> str:
    return f"waited {seconds}"


@pytest.mark.anyio
async def test_asynchronous_tools_and_chats(endpoint: Endpoint) -> None:
    assistant = autogen.AssistantAgent("assistant", llm_config=endpoint([call_of("wait", seconds=0.5), "Done. TERMINATE"]))
    user = autogen.UserProxyAgent(
        "user", human_input_mode="NEVER", code_execution_config=False, is_termination_msg=lambda m: "TERMINATE" in (m["content"] or "")
    )
    autogen.register_function(_slow, caller=assistant, executor=user, name="wait", description="Wait.")
    result = await user.a_initiate_chat(assistant, message="Wait half a second.")
    assert "waited 0.5" in texts(result)


def test_function_calls_of_the_old_kind(endpoint: Endpoint) -> None:
    llm_config = {
        **endpoint([call_of("ask_expert", question="why?"), "TERMINATE"]),
        "functions": [
            {
                "name": "ask_expert",
                "description": "Ask an expert.",
                "parameters": {"type": "object", "properties": {"question": {"type": "string"}}, "required": ["question"]},
            }
        ],
    }
    assistant = autogen.AssistantAgent("assistant", llm_config=llm_config)
    user = autogen.UserProxyAgent("user", human_input_mode="NEVER", code_execution_config=False)
    user.register_function(function_map={"ask_expert": lambda question: f"Because: {question}"})
    assert "Because: why?" in texts(user.initiate_chat(assistant, message="Ask."))


def test_a_call_of_tools_is_carried_out_directly() -> None:
    user = autogen.UserProxyAgent("user", human_input_mode="NEVER", code_execution_config=False, function_map={"double": lambda x: 2 * x})
    call = {"id": "c1", "type": "function", "function": {"name": "double", "arguments": '{"x": 4}'}}
    messages = [{"role": "user", "content": "Double 4."}, {"role": "assistant", "content": None, "tool_calls": [call]}]
    assert user.generate_reply(messages)["content"] == "8"
    final, reply = user.generate_tool_calls_reply(messages)
    assert final
    assert reply["tool_responses"] == [{"tool_call_id": "c1", "role": "tool", "content": "8"}]


def test_a_function_that_consults_another_agent_is_part_of_the_same_run(endpoint: Endpoint) -> None:
    planner = autogen.AssistantAgent("planner", llm_config=endpoint(["First this, then that."]))
    planner_user = autogen.UserProxyAgent(
        "planner_user", max_consecutive_auto_reply=0, human_input_mode="NEVER", code_execution_config=False
    )

    def ask_planner(message: str) -> str:
        planner_user.initiate_chat(planner, message=message)
        return planner_user.last_message()["content"]  # type: ignore[index]

    assistant = autogen.AssistantAgent("assistant", llm_config=endpoint([call_of("ask_planner", message="How?"), "So be it. TERMINATE"]))
    user = autogen.UserProxyAgent(
        "user",
        human_input_mode="NEVER",
        code_execution_config=False,
        is_termination_msg=lambda message: "TERMINATE" in (message["content"] or ""),
    )
    autogen.register_function(ask_planner, caller=assistant, executor=user, description="Ask a planner.")
    result = user.initiate_chat(assistant, message="Do it.")
    assert "First this, then that." in texts(result)
    assert result.usage.calls == 3


# Conversation patterns


def number_agent(name: str, how: str, llm_config: dict[str, Any]) -> autogen.ConversableAgent:
    return autogen.ConversableAgent(
        name, system_message=f"You {how} each number.", description=f"{how}s", llm_config=llm_config, human_input_mode="NEVER"
    )


def arithmetic(request: dict[str, Any]) -> str:
    how, numbers = system_of(request).split()[1], [int(word) for word in last_of(request).split() if word.lstrip("-").isdigit()]
    change = {"add": 1, "double": None}[how]
    return " ".join(str(number + change if change else number * 2) for number in numbers)


def test_chats_one_after_another_carry_their_summaries_over(endpoint: Endpoint, servers: list[ScriptedServer]) -> None:
    llm_config = endpoint(arithmetic)
    adder, doubler = number_agent("adder", "add", llm_config), number_agent("doubler", "double", llm_config)
    number = autogen.ConversableAgent("number", llm_config=False, human_input_mode="NEVER")
    results = number.initiate_chats(
        [
            {"recipient": adder, "message": "14", "max_turns": 2, "summary_method": "last_msg"},
            {"recipient": doubler, "message": "These are my numbers", "max_turns": 2, "summary_method": "last_msg"},
        ]
    )
    assert results[0].summary == ""  # the proxy's reply is empty, so there was nothing left to add to
    assert len(results) == 2
    results = number.initiate_chats(
        [
            {"recipient": adder, "message": "14", "max_turns": 1},
            {"recipient": doubler, "message": "These are my numbers", "max_turns": 1},
        ]
    )
    assert [result.summary for result in results] == ["15", "30"]
    assert last_of(servers[0].requests[-1]) == "These are my numbers\nContext: \n15"


def test_summaries_can_be_a_models(endpoint: Endpoint) -> None:
    assistant = autogen.AssistantAgent("assistant", llm_config=endpoint(["A lot of words.", "Words."]))
    user = autogen.UserProxyAgent("user", human_input_mode="NEVER", code_execution_config=False)
    result = user.initiate_chat(
        assistant,
        message="Talk.",
        max_turns=1,
        summary_method="reflection_with_llm",
        summary_args={"summary_prompt": "In a word."},
    )
    assert result.summary == "Words."


@pytest.mark.anyio
async def test_chats_wait_for_those_that_they_need(endpoint: Endpoint) -> None:
    llm_config = endpoint(arithmetic)
    number = autogen.ConversableAgent("number", llm_config=False, human_input_mode="NEVER")
    chats = [
        {"chat_id": 1, "recipient": number_agent("adder", "add", llm_config), "message": "1", "max_turns": 1},
        {"chat_id": 2, "recipient": number_agent("doubler", "double", llm_config), "message": "5", "max_turns": 1},
        {"chat_id": 3, "prerequisites": [1, 2], "recipient": number_agent("last", "add", llm_config), "message": "all", "max_turns": 1},
    ]
    results = await number.a_initiate_chats(chats)
    assert {chat_id: result.summary for chat_id, result in results.items()} == {1: "2", 2: "10", 3: "3 11"}


def test_a_manager_has_a_model_choose_who_speaks(endpoint: Endpoint, servers: list[ScriptedServer]) -> None:
    chosen = iter(["double", "adder", "doubler"])
    manager_config = endpoint(lambda _: next(chosen))
    llm_config = endpoint(arithmetic)
    adder, doubler = number_agent("adder", "add", llm_config), number_agent("doubler", "double", llm_config)
    group = autogen.GroupChat(agents=[adder, doubler], messages=[], max_round=3, send_introductions=True)
    manager = autogen.GroupChatManager(groupchat=group, llm_config=manager_config)
    result = adder.initiate_chat(manager, message="3", summary_method="last_msg")
    assert [message["name"] for message in result.chat_history][-3:] == ["adder", "adder", "doubler"]
    assert result.summary == "8"
    assert len(servers[0].requests) == 3  # 'double' is nobody: the model is asked again
    assert result.usage.calls == 5
    assert result.stop_reason == "max_round"


def test_transitions_say_who_may_follow(endpoint: Endpoint) -> None:
    members = [autogen.ConversableAgent(name, llm_config=endpoint(lambda _: "said"), human_input_mode="NEVER") for name in "abc"]
    a, b, c = members
    manager_config = endpoint(
        lambda request: json.dumps({"next": "c" if '"c"' in json.dumps(request) or "- c" in system_of(request) else "a"})
    )
    group = autogen.GroupChat(
        agents=members,
        max_round=6,
        allowed_or_disallowed_speaker_transitions={a: [b], b: [a, c], c: [a]},
        speaker_transitions_type="allowed",
    )
    manager = autogen.GroupChatManager(groupchat=group, llm_config=manager_config)
    result = a.initiate_chat(manager, message="go")
    names = [message["name"] for message in result.chat_history]
    assert names == ["a", "b", "c", "a", "b", "c"]


def test_a_state_machine_of_four(endpoint: Endpoint, tmp_path: Path) -> None:
    """StateFlow: a function says who is next, by who spoke last and what was said; None ends the chat."""
    init = autogen.UserProxyAgent("Init", human_input_mode="NEVER", code_execution_config=False)
    coder = autogen.AssistantAgent("Coder", llm_config=endpoint(["```sh\nexit 1\n```", "```sh\necho papers\n```"]))
    runner = autogen.UserProxyAgent(
        "Runner", human_input_mode="NEVER", code_execution_config={"executor": LocalCommandLineCodeExecutor(work_dir=tmp_path)}
    )
    scientist = autogen.AssistantAgent("Scientist", llm_config=endpoint(["A table."]))

    def state_transition(last_speaker: Any, groupchat: Any) -> Any:
        messages = groupchat.messages
        if last_speaker is init:
            return coder
        if last_speaker is coder:
            return runner
        if last_speaker is runner:
            return coder if "exitcode: 1" in messages[-1]["content"] else scientist
        return None

    group = autogen.GroupChat([init, coder, runner, scientist], messages=[], max_round=20, speaker_selection_method=state_transition)
    manager = autogen.GroupChatManager(groupchat=group, llm_config=False)
    result = init.initiate_chat(manager, message="Find papers.")
    assert [message["name"] for message in result.chat_history] == ["Init", "Coder", "Runner", "Coder", "Runner", "Scientist"]
    assert [message["name"] for message in group.messages] == ["Init", "Coder", "Runner", "Coder", "Runner", "Scientist"]


def test_members_speak_in_turn(endpoint: Endpoint) -> None:
    members = [autogen.ConversableAgent(name, llm_config=endpoint(lambda _: "said"), human_input_mode="NEVER") for name in "abc"]
    group = autogen.GroupChat(agents=members, speaker_selection_method="round_robin", max_round=5)
    result = members[0].initiate_chat(autogen.GroupChatManager(groupchat=group, llm_config=False), message="go")
    assert [message["name"] for message in result.chat_history] == ["a", "b", "c", "a", "b"]


def test_an_agent_thinks_it_over_with_others_before_it_replies(endpoint: Endpoint) -> None:
    critic = autogen.AssistantAgent("critic", llm_config=endpoint(lambda request: f"Shorter than: {last_of(request)}"))
    writer = autogen.AssistantAgent("writer", llm_config=endpoint(["A draft.", "A better text."]))
    user = autogen.UserProxyAgent(
        "user", human_input_mode="NEVER", code_execution_config=False, is_termination_msg=lambda m: "better" in m["content"]
    )

    def reflection(recipient: Any, messages: Any, sender: Any, config: Any) -> str:
        return f"Reflect on: {recipient.chat_messages_for_summary(sender)[-1]['content']}"

    user.register_nested_chats([{"recipient": critic, "message": reflection, "summary_method": "last_msg", "max_turns": 1}], trigger=writer)
    result = user.initiate_chat(writer, message="Write.", max_turns=2)
    assert texts(result) == ["Write.", "A draft.", "Shorter than: Reflect on: A draft.", "A better text."]


def test_reply_functions_of_ones_own(endpoint: Endpoint) -> None:
    said: list[str] = []

    def note(recipient: Any, messages: Any = None, sender: Any = None, config: Any = None) -> tuple[bool, None]:
        said.append(f"{sender.name} to {recipient.name}: {messages[-1]['content']}")
        return False, None

    assistant = autogen.AssistantAgent("assistant", llm_config=endpoint(["Hi."]))
    user = autogen.UserProxyAgent("user", human_input_mode="NEVER", code_execution_config=False)
    for agent in (assistant, user):
        agent.register_reply([autogen.Agent, None], reply_func=note, config={"callback": None})
    user.initiate_chat(assistant, message="Hello.", max_turns=1)
    assert said == ["user to assistant: Hello."]


def test_a_person_joins_a_group(endpoint: Endpoint, types: Callable[[list[str]], list[str]]) -> None:
    types(["Use fewer words.", "exit"])
    user = autogen.UserProxyAgent("Admin", human_input_mode="ALWAYS", code_execution_config=False)
    writer = autogen.AssistantAgent("writer", llm_config=endpoint(lambda request: f"{len(request['messages'])} messages read"))
    group = autogen.GroupChat([user, writer], messages=[], max_round=10, speaker_selection_method="round_robin")
    result = user.initiate_chat(autogen.GroupChatManager(group, llm_config=False), message="Write.")
    assert [message["name"] for message in result.chat_history] == ["Admin", "writer", "Admin", "writer"]
    assert result.human_input == ["Use fewer words.", "exit"]


def test_an_endpoint_that_fails_is_followed_by_the_next(endpoint: Endpoint) -> None:
    good = endpoint(["from the second"])["config_list"]
    dead = {"model": "gpt-4", "base_url": "http://127.0.0.1:9/v1", "api_key": "none", "max_retries": 0}
    agent = autogen.ConversableAgent("a", llm_config={"config_list": [dead, *good]}, human_input_mode="NEVER")
    assert agent.generate_reply([{"role": "user", "content": "hi"}]) == "from the second"


def test_a_list_of_endpoints_from_a_file(endpoint: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "OAI_CONFIG_LIST").write_text(json.dumps([*endpoint(["hi"])["config_list"], {"model": "other", "tags": ["dear"]}]))
    monkeypatch.chdir(tmp_path)
    config_list = autogen.config_list_from_json("OAI_CONFIG_LIST", filter_dict={"model": ["gpt-4"]})
    assert [entry["model"] for entry in config_list] == ["gpt-4"]
    agent = autogen.AssistantAgent("a", llm_config={"config_list": config_list, "cache_seed": None})
    assert agent.generate_reply([{"role": "user", "content": "hi"}]) == "hi"
