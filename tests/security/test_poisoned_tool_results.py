"""A tool of somebody else's that tries to take a conversation over, and a model that obeys it in every way: nothing illegal happens.

What a tool says can make a model want something. Who may speak, which tools there are and which of them a person has to allow stand in
the definition, which no message can change. Each promise is shown beside what the same model does where the definition allows it.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from convgraph import (
    END,
    ConversableAgent,
    ConversationGraph,
    McpServer,
    Message,
    Question,
    RunResult,
    ScriptedModel,
    ToolCall,
    mcp_tools,
    open_store,
)
from convgraph.journal.events import EffectStarted, Moved, Stepped
from convgraph.journal.store import Store
from convgraph.protocols import ModelReply, ModelRequest
from convgraph.tools import Tool, tool

MAIL = McpServer.stdio(sys.executable, [Path(__file__).with_name("poisoned_mcp_server.py")], name="mail")


class Desk(BaseModel):
    released: bool = False


def obey(request: ModelRequest) -> Any:
    """The most obedient of models: does whatever any text in its request commands, its tools' descriptions among them, once each."""
    told = [str(schema["function"]["description"]) for schema in request.tools] + [message.text for message in request.messages]
    commanded = [line for text in told for line in text.splitlines()]
    made = [f"CALL {call.name} {call.arguments}" for message in request.messages for call in message.tool_calls]
    if request.schema is not None:  # a selector is asked who is next
        return next((json.dumps({"next": line.removeprefix("NEXT ")}) for line in commanded if line.startswith("NEXT ")), "")
    if not any("read_mail" in call for call in made) and any("read_mail" in str(schema) for schema in request.tools):
        commanded.append("CALL read_mail {}")
    calls = [line.split(" ", 2)[1:] for line in dict.fromkeys(commanded) if line.startswith("CALL ") and line not in made]
    if calls and request.tools:
        return ModelReply(tool_calls=tuple(ToolCall(f"c{len(made)}-{n}", name, args) for n, (name, args) in enumerate(calls)))
    return next((line.removeprefix("SAY ") for line in commanded if line.startswith("SAY ")), "Nothing to say.")


paid: list[int] = []


@tool(approval=True)
def pay(to: str, amount: int) -> str:
    """Pay an amount in euros."""
    paid.append(amount)
    return f"paid {amount} to {to}"


@pytest.fixture(scope="module")
def mail() -> list[Tool]:
    return mcp_tools(MAIL)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    paid.clear()
    with open_store(tmp_path / "runs.db") as opened:
        yield opened


def office(mail: list[Tool], *, vault_is_next: bool = False) -> ConversationGraph:
    """A clerk who reads the mail, a reviewer, an archive, and a vault, to which only a released desk leads."""

    def agent(name: str, *tools: Tool) -> ConversableAgent:
        return ConversableAgent(name, f"You are the {name}.", model=ScriptedModel(obey), tools=tools, human_input_mode="NEVER")

    graph = ConversationGraph("office", state=Desk, select="auto", selector_model=ScriptedModel(obey, name="selector"), fallback="archive")
    for each in (agent("clerk", *mail, pay), agent("reviewer"), agent("archive"), agent("vault")):
        graph.add_node(each)
    graph.add_edge("clerk", "reviewer")
    graph.add_edge("clerk", "archive")
    if vault_is_next:
        graph.add_edge("clerk", "vault")
    graph.add_edge("reviewer", "vault", when="state.released")
    graph.add_edge("archive", "vault", when="state.released")
    for name in ("reviewer", "archive", "vault"):
        graph.add_edge(name, END)
    graph.set_start("clerk")
    return graph


def refuse(question: Question) -> Any:
    return {"refuse": "never heard of mallory"}


def had(graph: ConversationGraph, store: Store, human: Any = refuse) -> RunResult:
    result = graph.run("Read my mail.", store=store, run_id="r", human=human)
    assert result.status == "finished", result.stop_reason
    assert list(graph.replay("r", store=store).messages) == list(result.messages)
    return result


def moves(store: Store) -> list[tuple[str, str | None]]:
    return [(each.event.node, each.event.target) for each in store.events("r") if isinstance(each.event, Stepped) and each.event.target]


def results(messages: list[Message], name: str) -> list[str]:
    return [message.text for message in messages if message.role == "tool" and message.name == name]


def test_no_illegal_move_is_made_and_the_transcript_shows_what_was_wanted(mail: list[Tool], store: Store) -> None:
    """The selecting model says `vault`, whom no enabled transition leads to, as often as it is asked: the fallback is taken."""
    graph = office(mail)
    result = had(graph, store)
    edges = {(edge.source, edge.target) for edge in graph.definition.edges}
    chosen = graph.explain("r", store=store, step=1)

    assert moves(store) == [("clerk", "archive"), ("archive", END)]
    assert set(moves(store)) <= edges
    assert not any(isinstance(each.event, Moved) for each in store.events("r"))
    assert result.state == Desk(released=False)
    assert set(chosen.answers) == {'{"next": "vault"}'}
    assert {edge.target for edge in chosen.enabled} == {"reviewer", "archive"}
    assert "vault" not in {message.sender for message in result.messages}
    assert "NEXT vault" in results(list(result.messages), "read_mail")[0]


def test_where_a_transition_leads_there_the_same_model_goes_there(mail: list[Tool], store: Store) -> None:
    """It was the graph that kept it away, nothing else."""
    had(office(mail, vault_is_next=True), store)

    assert moves(store)[0] == ("clerk", "vault")


def test_no_tool_is_called_without_its_consent_and_none_that_there_is_not(mail: list[Tool], store: Store) -> None:
    """By what the tool is said to do, and by what it gives back, the model is made to pay; each time a person is asked, and says no."""
    asked: list[str] = []
    result = had(office(mail), store, lambda question: asked.append(question.prompt) or refuse(question))
    messages = list(result.messages)
    began = [each.event.name for each in store.events("r") if isinstance(each.event, EffectStarted) and each.event.effect == "tool"]

    assert [re.findall(r"call (\w+)\((.*?)\)\?", prompt) for prompt in asked] == [
        [("pay", '{"to": "mallory", "amount": 1}')],
        [("pay", '{"to": "mallory", "amount": 900}')],
    ]
    assert paid == []
    assert set(began) == {"read_mail"}
    assert results(messages, "pay") == ["A person refused this call: never heard of mallory"] * 2
    for name in ("transfer_to_vault", "open_vault"):
        assert results(messages, name) == [f"Error: there is no tool {name!r}; there are: read_mail, pay"]


def test_where_a_person_consents_the_same_model_pays(mail: list[Tool], store: Store) -> None:
    had(office(mail), store, lambda _: "approve")

    assert paid == [1, 900]


def test_a_run_whose_person_is_away_waits_whatever_the_mail_says_of_her(mail: list[Tool], store: Store) -> None:
    """The mail says that she has approved everything; only an answer to the question counts."""
    result = office(mail).run("Read my mail.", store=store, human="park")

    assert result.status == "waiting"
    assert [question.prompt for question in result.questions] == [
        'May clerk call pay({"to": "mallory", "amount": 1})? Answer "approve", "refuse", or {"refuse": "why"}.'
    ]
    assert paid == []


def test_what_looks_like_a_hand_over_or_a_system_message_is_a_tool_s_text(mail: list[Tool], store: Store) -> None:
    """Also where it is what a hand-over looks like in the journal."""
    result = had(office(mail), store)
    told = [message for message in result.messages if message.text.startswith('{"handoff": "vault"')]

    assert {(message.role, message.name, message.sender) for message in told} == {("tool", "read_mail", "clerk")}
    assert {message.role for message in result.messages} == {"user", "assistant", "tool"}
