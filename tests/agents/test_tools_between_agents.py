"""One agent's model calls a tool, another agent carries it out: AutoGen's division, and what becomes of what goes wrong."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated, Any

import pytest
from pydantic import BaseModel

import convgraph as autogen
from convgraph.errors import DefinitionError
from convgraph.protocols import ModelReply

pytestmark = pytest.mark.anyio


class Place(BaseModel):
    """A parameter that is more than a value."""

    city: str
    zip: int = 0


def call(name: str, arguments: Any = None, id: str = "c1") -> autogen.ToolCall:
    return autogen.ToolCall(id, name, arguments if isinstance(arguments, str) else json.dumps(arguments or {}))


def asked_for(*calls: autogen.ToolCall) -> ModelReply:
    return ModelReply("", tool_calls=calls)


def caller(*calls: autogen.ToolCall, then: str = "TERMINATE", seen: list[Any] | None = None) -> autogen.ConversableAgent:
    """An agent whose model makes these calls at first, and then says `then`."""

    def answer(request: Any) -> Any:
        if seen is not None:
            seen.append(request)
        return then if request.messages[-1].role == "tool" else asked_for(*calls)

    return autogen.ConversableAgent("caller", human_input_mode="NEVER", model=autogen.ScriptedModel(answer))


def executor(**options: Any) -> autogen.ConversableAgent:
    return autogen.ConversableAgent("executor", human_input_mode="NEVER", llm_config=False, **options)


def results(chat: autogen.ChatResult) -> dict[str, str]:
    """The tools' results in the chat, by the ids of their calls."""
    return {one["tool_call_id"]: one["content"] for message in chat.chat_history for one in message.get("tool_responses", ())}


def chat_of(asks: autogen.ConversableAgent, carries_out: autogen.ConversableAgent) -> autogen.ChatResult:
    return carries_out.initiate_chat(asks, message="go", silent=True)


# Registering


def test_a_function_is_told_to_one_and_carried_out_by_the_other() -> None:
    seen: list[Any] = []
    asks, carries_out = caller(call("convert", {"amount": 2, "to": "usd"}), seen=seen), executor()

    def convert(amount: Annotated[float, "how much"], to: Annotated[str, "the currency"] = "eur") -> str:
        return f"{amount * 2} {to}"

    autogen.register_function(convert, caller=asks, executor=carries_out, name="convert", description="Converts money.")
    chat = chat_of(asks, carries_out)
    assert results(chat) == {"c1": "4.0 usd"}
    function = seen[0].tools[0]["function"]
    assert (function["name"], function["description"]) == ("convert", "Converts money.")
    assert function["parameters"]["properties"]["amount"] == {"type": "number", "description": "how much"}
    assert function["parameters"]["required"] == ["amount"]
    assert asks.can_execute_function("convert") is False
    assert carries_out.can_execute_function(["convert"]) is True
    assert carries_out.can_execute_function(["convert", "other"]) is False


@pytest.mark.parametrize("execution_first", [False, True])
def test_decorators_can_be_stacked_in_both_orders(execution_first: bool) -> None:
    asks, carries_out = caller(call("times", {"a": 3, "b": 4})), executor()
    told, carried_out = asks.register_for_llm(name="times", description="Multiplies."), carries_out.register_for_execution(name="times")

    def multiply(a: int, b: int) -> int:
        return a * b

    multiply = told(carried_out(multiply)) if execution_first else carried_out(told(multiply))
    assert results(chat_of(asks, carries_out)) == {"c1": "12"}
    assert multiply(2, 3) == 6  # a decorated function is still the function


def test_one_function_may_be_told_to_several_agents_under_one_description() -> None:
    one, other, carries_out = caller(), caller(), executor()

    @carries_out.register_for_execution()
    @other.register_for_llm()
    @one.register_for_llm(description="Says hello.")
    def hello(name: str) -> str:
        return f"hello {name}"

    for agent in (one, other):
        assert agent.describe()["tools"][0]["function"]["description"] == "Says hello."
    assert hello("you") == "hello you"


def test_a_description_is_taken_from_the_docstring() -> None:
    agent = caller()

    @agent.register_for_llm()
    def hello(name: str) -> str:
        """Says hello."""
        return name

    assert agent.describe()["tools"][0]["function"]["description"] == "Says hello."


@pytest.mark.parametrize("api_style", ["tool", "function"])
def test_both_api_styles_tell_the_model_of_a_tool(api_style: Any) -> None:
    """Functions as they were before tools are gone from the services; the tool is the same."""
    seen: list[Any] = []
    asks, carries_out = caller(call("f"), seen=seen), executor()
    carries_out.register_for_execution()(asks.register_for_llm(name="f", description="F.", api_style=api_style)(lambda: "x"))
    carries_out.register_function({"f": lambda: "done"})
    assert results(chat_of(asks, carries_out)) == {"c1": "done"}
    assert seen[0].tools[0]["type"] == "function"


def test_what_cannot_be_registered_is_refused_with_the_reason() -> None:
    def plain(a, b):  # type: ignore[no-untyped-def]
        return a + b

    with pytest.raises(DefinitionError, match="no model"):
        executor().register_for_llm(description="x")(lambda: "x")
    with pytest.raises(DefinitionError, match="api_style"):
        caller().register_for_llm(description="x", api_style="soap")  # type: ignore[arg-type]
    with pytest.raises(DefinitionError, match="annotat"):
        caller().register_for_llm(description="x")(plain)


def test_a_tool_of_the_same_name_is_replaced_and_can_be_taken_away() -> None:
    agent = caller()
    for description in ("first", "second"):
        agent.register_for_llm(name="f", description=description)(lambda: "x")
    assert [tool["function"]["description"] for tool in agent.describe()["tools"]] == ["second"]
    agent.update_tool_signature("f", is_remove=True)
    assert "tools" not in agent.describe()
    agent.update_tool_signature({"type": "function", "function": {"name": "g", "parameters": {}}})
    agent.update_function_signature({"name": "h", "parameters": {}})
    assert [tool["function"]["name"] for tool in agent.describe()["tools"]] == ["g", "h"]
    with pytest.raises(DefinitionError, match="no tool 'f'"):
        agent.update_tool_signature("f", is_remove=True)


# function_map


def test_a_function_map_takes_functions_as_they_are() -> None:
    def plain(a, b=2):  # type: ignore[no-untyped-def]
        return a * b

    carries_out = executor(function_map={"plain": plain, "any": lambda **given: sorted(given)})
    chat = chat_of(caller(call("plain", {"a": "x"}, "1"), call("any", {"p": 1, "q": 2}, "2")), carries_out)
    assert results(chat) == {"1": "xx", "2": '["p", "q"]'}
    assert set(carries_out.function_map) == {"plain", "any"}
    carries_out.register_function({"plain": None, "other": plain})
    assert set(carries_out.function_map) == {"any", "other"}
    with pytest.raises(DefinitionError, match="no function 'plain'"):
        carries_out.register_function({"plain": None})


def test_a_call_from_before_there_were_tools_is_carried_out_too() -> None:
    carries_out = executor(function_map={"add": lambda a, b: a + b})
    old = {"content": "", "function_call": {"name": "add", "arguments": '{"a": 1, "b": 2}'}}
    final, reply = carries_out.generate_function_call_reply([old])
    assert (final, reply["content"]) == (True, "3")


# Results


def test_results_are_told_as_text() -> None:
    class Money(BaseModel):
        amount: float
        currency: str = "eur"

    functions = {
        "text": lambda: "as it is",
        "model": lambda: Money(amount=1),
        "json": lambda: {"key": ["ä", 1, None]},
        "number": lambda: 3,
        "nothing": lambda: None,
    }
    calls = [call(name, id=name) for name in functions]
    assert results(chat_of(caller(*calls), executor(function_map=functions))) == {
        "text": "as it is",
        "model": '{"amount":1.0,"currency":"eur"}',
        "json": '{"key": ["ä", 1, null]}',
        "number": "3",
        "nothing": "null",
    }


def test_arguments_become_what_the_annotations_say() -> None:
    def visit(place: Place, times: int = 1) -> str:
        return f"{type(place).__name__} {place.city} {times}"

    assert results(chat_of(caller(call("visit", {"place": {"city": "Ulm"}})), executor(function_map={"visit": visit}))) == {
        "c1": "Place Ulm 1"
    }


# Several calls


async def test_several_calls_are_one_reply_with_all_results() -> None:
    def plain(n: int) -> str:
        return f"plain {n}"

    async def later(n: int) -> str:
        await asyncio.sleep(0)
        return f"later {n}"

    calls = [call("plain", {"n": 1}, "1"), call("later", {"n": 2}, "2"), call("plain", {"n": 3}, "3")]
    make = lambda: executor(function_map={"plain": plain, "later": later})  # noqa: E731
    asynchronous = await make().a_initiate_chat(caller(*calls), message="go", silent=True)
    synchronous = await asyncio.to_thread(chat_of, caller(*calls), make())
    assert asynchronous.chat_history == synchronous.chat_history
    assert results(asynchronous) == {"1": "plain 1", "2": "later 2", "3": "plain 3"}
    reply = asynchronous.chat_history[2]
    assert (reply["role"], reply["content"]) == ("tool", "plain 1\n\nlater 2\n\nplain 3")


def test_several_calls_are_made_at_the_same_time() -> None:
    """Each waits for the other: one after another would wait for ever."""
    arrived: list[str] = []
    both = asyncio.Event()

    async def meet(name: str) -> str:
        arrived.append(name)
        if len(arrived) == 2:
            both.set()
        await asyncio.wait_for(both.wait(), 5)
        return name

    chat = chat_of(caller(call("meet", {"name": "a"}, "1"), call("meet", {"name": "b"}, "2")), executor(function_map={"meet": meet}))
    assert results(chat) == {"1": "a", "2": "b"}


# What goes wrong is told to the model


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (call("unknown"), "there is no tool 'unknown'"),
        (call("strict", "{not json"), "JSON"),
        (call("strict", {"n": "no number"}), "n"),
        (call("strict", {}), "n"),
        (call("strict", {"n": 1, "surplus": 2}), "surplus"),
        (call("fails", {}), "ValueError: broken"),
    ],
)
def test_errors_are_given_back_to_the_model_and_the_chat_goes_on(wrong: autogen.ToolCall, said: str) -> None:
    def strict(n: int) -> str:
        return str(n)

    def fails() -> str:
        raise ValueError("broken")

    seen: list[Any] = []
    chat = chat_of(caller(wrong, seen=seen), executor(function_map={"strict": strict, "fails": fails}))
    assert results(chat)["c1"].startswith("Error: ")
    assert said in results(chat)["c1"]
    assert seen[-1].messages[-1].role == "tool"
    assert chat.status == "finished"


def test_line_breaks_inside_of_texts_are_no_bad_json() -> None:
    """Models write them unescaped."""
    carries_out = executor(function_map={"say": lambda text: text})
    assert results(chat_of(caller(call("say", '{"text": "one\n\ttwo"}')), carries_out)) == {"c1": "one\n\ttwo"}


def test_a_tool_may_have_a_chat_of_its_own() -> None:
    """The student asks the expert in the middle of a tool call; the expert's chat is in the same journal."""
    expert = autogen.ConversableAgent("expert", human_input_mode="NEVER", model=autogen.ScriptedModel(["42. TERMINATE"], repeat=True))
    proxy = autogen.ConversableAgent("proxy", human_input_mode="NEVER")

    def ask_expert(question: str) -> str:
        return proxy.initiate_chat(expert, message=question, max_turns=1).summary

    carries_out = executor(function_map={"ask_expert": ask_expert})
    store = autogen.open_store(":memory:")
    chat = carries_out.initiate_chat(caller(call("ask_expert", {"question": "what?"})), message="go", silent=True, store=store)
    assert results(chat) == {"c1": "42."}
    assert [run.run_id for run in store.runs()] == [chat.run_id]
    assert chat.usage.calls == 3


# An agent that carries out its own calls


def test_an_agent_with_tools_of_its_own_carries_them_out_in_its_turn() -> None:
    def add(a: int, b: int) -> int:
        """Add two numbers."""
        return a + b

    lines = [asked_for(call("add", {"a": 1, "b": 2})), "It is 3."]
    agent = autogen.ConversableAgent("agent", human_input_mode="NEVER", model=autogen.ScriptedModel(lines), tools=[add])
    chat = executor().initiate_chat(agent, message="1 + 2?", max_turns=1, silent=True)
    assert [message["role"] for message in chat.chat_history] == ["assistant", "assistant", "tool", "user"]
    assert chat.summary == "It is 3."


def test_an_agent_with_tools_of_its_own_tells_its_model_of_those_that_it_has_made_up() -> None:
    """Nobody else has them either, and a call without a result is no request that an endpoint takes."""

    def add(a: int, b: int) -> int:
        """Add two numbers."""
        return a + b

    lines = [asked_for(call("add", {"a": 1, "b": 2}), call("subtract", {"a": 1, "b": 2})), "It is 3."]
    agent = autogen.ConversableAgent("agent", human_input_mode="NEVER", model=autogen.ScriptedModel(lines), tools=[add])
    chat = executor().initiate_chat(agent, message="1 + 2?", max_turns=1, silent=True)

    assert [message.text for message in chat.messages if message.role == "tool"] == [
        "3",
        "Error: there is no tool 'subtract'; there are: add",
    ]
    assert chat.summary == "It is 3."
