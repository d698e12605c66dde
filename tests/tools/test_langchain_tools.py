"""LangChain's own tools, made with LangChain's own means, are tools like all others."""

from __future__ import annotations

import json
from typing import Annotated, Any

import pytest
from langchain_core.tools import BaseTool, InjectedToolArg, StructuredTool, ToolException
from langchain_core.tools import tool as lc_tool
from pydantic import BaseModel, Field

from convgraph import ConversableAgent, ConversationGraph, ScriptedModel, ToolCall, UserProxyAgent, langchain_tool, open_store
from convgraph.errors import DefinitionError
from convgraph.protocols import ModelReply, ModelRequest
from convgraph.tools import ToolSet

calls: list[Any] = []


@lc_tool
def multiply(a: int, b: int = 2) -> int:
    """Multiply two numbers."""
    calls.append((a, b))
    return a * b


class Route(BaseModel):
    """Where from and where to."""

    start: str = Field(description="Where it begins.")
    via: list[str] = []


async def plan(start: str, via: list[str]) -> dict[str, Any]:
    return {"start": start, "stops": len(via)}


planner = StructuredTool.from_function(coroutine=plan, name="plan", description="Plan a route.", args_schema=Route)


class Failing(BaseTool):
    name: str = "failing"
    description: str = "Fails."

    def _run(self, text: str) -> str:
        raise ToolException(f"cannot {text}")


remote = StructuredTool.from_function(
    lambda text: (text.upper(), object()),
    name="remote",
    description="Its schema is plain JSON, and it has something for the program beside what is for the model.",
    args_schema={"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]},
    response_format="content_and_artifact",
)


def asked(tools: list[Any], *wanted: tuple[str, dict[str, Any]], **options: Any) -> Any:
    """A chat in which a model makes these calls at once, and then says what came of them."""

    def answer(request: ModelRequest) -> Any:
        results = [message.text for message in request.messages if message.role == "tool"]
        made = tuple(ToolCall(f"c{number}", name, json.dumps(arguments)) for number, (name, arguments) in enumerate(wanted))
        return " | ".join(results) if results else ModelReply(tool_calls=made)

    agent = ConversableAgent("agent", model=ScriptedModel(answer), tools=tools)
    user = UserProxyAgent("user", human_input_mode="NEVER", code_execution_config=False)
    return user.initiate_chat(agent, message="go", max_turns=2, human="park", **options)


def test_a_model_is_told_what_langchain_says_of_a_tool() -> None:
    product = langchain_tool(multiply).schema()["function"]
    route = langchain_tool(planner).schema()["function"]

    assert (product["name"], product["description"]) == ("multiply", "Multiply two numbers.")
    assert product["parameters"]["properties"]["a"]["type"] == "integer"
    assert product["parameters"]["required"] == ["a"]
    assert route["parameters"]["properties"]["start"]["description"] == "Where it begins."


def test_agents_take_them_as_they_are_and_carry_them_out() -> None:
    """Sync and async ones, classes, and those with a schema in plain JSON; errors and misfits are told."""
    said = (
        asked(
            [multiply, planner, Failing(), remote],
            ("multiply", {"a": 6, "b": 7}),
            ("plan", {"start": "Bonn", "via": ["Köln"]}),
            ("failing", {"text": "fly"}),
            ("remote", {"text": "up"}),
            ("multiply", {"a": "six"}),
            ("remote", {}),
        )
        .messages[-1]
        .text
    )

    product, route, failed, upper, misfit, missing = said.split(" | ")
    assert (product, route, upper) == ("42", '{"start": "Bonn", "stops": 1}', "UP")
    assert failed == "Error: ToolException: cannot fly"
    assert misfit.startswith("Error: the arguments do not fit: a: ")
    assert missing.startswith("Error: the arguments do not fit: ")


def test_a_person_s_consent_is_asked_and_a_replay_calls_nothing() -> None:
    tools = [langchain_tool(multiply, name="times", approval=lambda arguments: arguments["a"] > 10, timeout=5)]
    calls.clear()
    with open_store(":memory:") as store:
        parked = asked(tools, ("times", {"a": 2}), ("times", {"a": 20}), store=store, run_id="r")
        assert (parked.status, calls) == ("waiting", [(2, 2)])
        result = asked(
            tools, ("times", {"a": 2}), ("times", {"a": 20}), store=store, run_id="r", answers={parked.questions[0].id: "approve"}
        )
        graph = ConversableAgent("agent", model=ScriptedModel(["x"]), tools=tools).chat_graph(
            UserProxyAgent("user", human_input_mode="NEVER", code_execution_config=False)
        )
        replayed = graph.replay("r", store=store)

    assert result.messages[-1].text == "4 | 40"
    assert [message.text for message in replayed.messages] == [message.text for message in result.messages]
    assert calls == [(2, 2), (20, 2)]


def test_sets_of_tools_take_them_too() -> None:
    assert ToolSet([multiply, planner]).names == ("multiply", "plan")


def test_a_document_that_names_one_is_refused() -> None:
    agent = ConversableAgent("agent", model=ScriptedModel(["x"]), tools=[multiply])
    text = agent.chat_graph(UserProxyAgent("user", human_input_mode="NEVER", code_execution_config=False)).to_yaml()

    with pytest.raises(DefinitionError, match="the tool comes from 'LangChain', which is in no document"):
        ConversationGraph.from_yaml(text, allow=["convgraph.chat.state"])


@lc_tool
def owned(text: str, owner: Annotated[str, InjectedToolArg]) -> str:
    """Needs what the model does not give."""
    return owner + text


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: langchain_tool(len), "takes a tool of LangChain's"),
        (lambda: langchain_tool(owned), "LangChain's runtime would inject owner"),
        (lambda: langchain_tool(multiply, name="two words"), "a tool's name is"),
        (lambda: langchain_tool(multiply, description=" "), "it has no description"),
        (lambda: langchain_tool(multiply, timeout=-1), "timeout=-1 is to be"),
    ],
)
def test_what_is_none_is_refused(make: Any, said: str) -> None:
    with pytest.raises(DefinitionError, match=said):
        make()
