"""Agents that hand over to each other: along the hand-offs that are registered, as their models decide, with variables they share."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import convgraph as autogen
from convgraph import AfterWork, AfterWorkOption, OnCondition, SwarmResult, a_initiate_swarm_chat, initiate_swarm_chat, swarm_graph
from convgraph.errors import DefinitionError
from convgraph.protocols import ModelReply, ModelRequest

Agent = autogen.ConversableAgent


def agent(name: str, *lines: Any, **options: Any) -> tuple[Agent, list[ModelRequest]]:
    """An agent whose model says these lines, `-> name` being a call of the tool that transfers there, `!name` of any other."""
    asked: list[ModelRequest] = []

    def say(request: ModelRequest) -> ModelReply:
        line = lines[min(len(asked), len(lines) - 1)]
        asked.append(request)
        tool = f"transfer_to_{line[3:]}" if line.startswith("-> ") else line[1:] if line.startswith("!") else None
        return ModelReply("", (autogen.ToolCall(f"call{len(asked)}", tool, "{}"),)) if tool else ModelReply(line)

    return Agent(name, f"You are {name}.", human_input_mode="NEVER", model=autogen.ScriptedModel(say, name=name), **options), asked


def said(result: autogen.ChatResult) -> list[tuple[str, str]]:
    return [(message.sender, message.text) for message in result.messages if message.text and message.role != "tool"]


def swarm(*agents: Agent, message: str = "Help!", **options: Any) -> tuple[autogen.ChatResult, dict[str, Any], Agent]:
    return initiate_swarm_chat(agents[0], message, list(agents), silent=True, **{"human": "park", **options})


def test_an_agent_hands_over_to_another_which_replies_next() -> None:
    triage, asked = agent("triage", "-> billing")
    billing, _ = agent("billing", "You owe nothing.")
    triage.register_hand_off([OnCondition(billing, "The customer asks about money.")])
    result, context, last = swarm(triage, billing)
    assert said(result) == [("user", "Help!"), ("billing", "You owe nothing.")]
    assert (last, context, result.stop_reason) == (billing, {}, "after work")
    (told,) = asked[0].tools
    assert told["function"]["name"] == "transfer_to_billing"
    assert told["function"]["description"] == "The customer asks about money."


def test_the_hand_offs_are_the_edges_of_a_clean_graph() -> None:
    triage, billing, sales = (agent(name, "hm")[0] for name in ("triage", "billing", "sales"))
    triage.register_hand_off([OnCondition(billing, "money"), OnCondition(sales, "wishes", available="may_buy")])
    billing.register_hand_off(OnCondition(triage, "anything else"))
    sales.register_hand_off(AfterWork(triage))
    graph = swarm_graph(triage, [triage, billing, sales])
    assert graph.check() == []
    edges = {(edge.source, edge.target) for edge in graph.definition.edges if edge.target != "END"}
    assert edges == {("triage", "billing"), ("triage", "sales"), ("billing", "triage"), ("sales", "triage")}
    assert "money" in graph.to_mermaid()


def test_a_tool_may_hand_over_only_where_that_is_registered() -> None:
    def escape() -> autogen.Handoff:
        """Leave."""
        return autogen.Handoff("sales")

    triage, _ = agent("triage", "!escape", tools=[escape])
    billing, sales = agent("billing", "hm")[0], agent("sales", "hm")[0]
    triage.register_hand_off(OnCondition(billing, "money"))
    result, _, _ = swarm(triage, billing, sales)
    assert result.status == "failed"
    assert "'sales'" in result.stop_reason
    assert "not an enabled target" in result.stop_reason


@pytest.mark.parametrize(
    ("after", "speakers"),
    [
        (None, ["one"]),
        (AfterWorkOption.TERMINATE, ["one"]),
        ("STAY", ["one", "one", "one"]),
        (AfterWork(AfterWorkOption.STAY), ["one", "one", "one"]),
    ],
)
def test_after_work_says_who_follows_without_a_hand_off(after: Any, speakers: list[str]) -> None:
    one, _ = agent("one", "I am one.")
    result, _, _ = swarm(one, max_rounds=4, after_work=after)
    assert [name for name, _ in said(result)][1:] == speakers


def test_an_agents_own_after_work_goes_before_the_swarms() -> None:
    one, two = agent("one", "I am one.")[0], agent("two", "I am two.")[0]
    one.register_hand_off(AfterWork(two))
    result, _, last = swarm(one, two, after_work=AfterWorkOption.TERMINATE)
    assert [name for name, _ in said(result)] == ["user", "one", "two"]
    assert last is two


def test_the_user_is_reverted_to_and_the_same_agent_goes_on(tmp_path: Path) -> None:
    user = autogen.UserProxyAgent("customer", code_execution_config=False)
    triage, _ = agent("triage", "-> billing")
    billing, _ = agent("billing", "Which bill?", "Paid.")
    triage.register_hand_off(OnCondition(billing, "money"))
    options: dict[str, Any] = {"user_agent": user, "after_work": "REVERT_TO_USER", "store": f"{tmp_path}/runs.db", "run_id": "swarm"}
    result, _, _ = swarm(triage, billing, **options)
    (question,) = result.questions
    result, _, _ = swarm(triage, billing, **options, answers={question.id: "The last one."})
    (question,) = result.questions
    result, _, last = swarm(triage, billing, **options, answers={question.id: "exit"})
    assert said(result) == [("customer", "Help!"), ("billing", "Which bill?"), ("customer", "The last one."), ("billing", "Paid.")]
    assert (result.status, last) == ("finished", billing)


def test_tools_change_the_context_variables_and_guards_read_them() -> None:
    def log_in(ctx: autogen.Context) -> Any:
        """Log in."""
        return SwarmResult("Logged in.", context_variables={"logged_in": True, "tries": ctx.state.context["tries"] + 1})

    triage, asked = agent("triage", "-> billing", "!log_in", "One moment.", "-> billing", tools=[log_in])
    billing, _ = agent("billing", "Here you are.")
    triage.register_hand_off([OnCondition(billing, "money", available="logged_in"), AfterWork(AfterWorkOption.STAY)])
    result, context, last = swarm(triage, billing, context_variables={"tries": 1, "name": "Zoe"}, max_rounds=9)
    assert (context, last) == ({"tries": 2, "name": "Zoe", "logged_in": True}, billing)
    assert said(result) == [("user", "Help!"), ("triage", "One moment."), ("billing", "Here you are.")]
    assert "billing cannot take over now." in [message.text for message in asked[1].messages]


def test_availability_may_be_a_function_of_the_variables() -> None:
    def is_open(context: Mapping[str, Any]) -> bool:
        return context["hour"] < 18

    def talk(hour: int) -> list[str]:
        triage, _ = agent("triage", "-> billing", "Come back tomorrow.")
        billing, _ = agent("billing", "Here you are.")
        triage.register_hand_off(OnCondition(billing, "money", available=is_open))
        return [text for _, text in said(swarm(triage, billing, context_variables={"hour": hour})[0])]

    assert (talk(9), talk(20)) == (["Help!", "Here you are."], ["Help!", "Come back tomorrow."])


def test_a_tool_may_hand_over_and_change_variables_at_once() -> None:
    billing, _ = agent("billing", "Here you are.")

    def settle() -> Any:
        """Settle it."""
        return SwarmResult("Settled.", agent=billing, context_variables={"settled": True})

    triage, _ = agent("triage", "!settle", tools=[settle])
    triage.register_hand_off(OnCondition(billing, "money"))
    result, context, last = swarm(triage, billing)
    assert (context, last) == ({"settled": True}, billing)
    assert "Settled." in [message.text for message in result.messages]


def test_agents_that_hand_over_for_ever_stop_after_their_rounds() -> None:
    one, _ = agent("one", "-> two")
    two, _ = agent("two", "-> one")
    one.register_hand_off(OnCondition(two, "always"))
    two.register_hand_off(OnCondition(one, "always"))
    result, _, _ = swarm(one, two, max_rounds=6)
    assert (result.stop_reason, len([message for message in result.messages if message.role == "tool"])) == ("max_round", 5)


def test_a_swarm_is_replayed_and_goes_on_where_it_was_cut_off(tmp_path: Path) -> None:
    triage, _ = agent("triage", "-> billing")
    broken = Agent("billing", human_input_mode="NEVER", model=autogen.ScriptedModel([RuntimeError("down"), "Here."], name="billing"))
    triage.register_hand_off(OnCondition(broken, "money"))
    options: dict[str, Any] = {"store": f"{tmp_path}/runs.db", "run_id": "swarm"}
    assert swarm(triage, broken, **options)[0].status == "failed"
    result, _, _ = swarm(triage, broken, **options)
    assert said(result) == [("user", "Help!"), ("billing", "Here.")]
    assert swarm_graph(triage, [triage, broken]).replay("swarm", store=options["store"]).messages == result.messages


async def _async_swarm(one: Agent, two: Agent) -> Any:
    return await a_initiate_swarm_chat(one, ["Help!"], [one, two], silent=True)


def test_sync_and_async_have_the_same_transcript() -> None:
    def pair() -> tuple[Agent, Agent]:
        one, two = agent("one", "-> two")[0], agent("two", "Done.")[0]
        one.register_hand_off(OnCondition(two, "always"))
        return one, two

    assert asyncio.run(_async_swarm(*pair()))[0].messages == swarm(*pair())[0].messages


def test_what_does_not_fit_together_is_refused() -> None:
    one, two = agent("one", "hm")[0], agent("two", "hm")[0]
    with pytest.raises(DefinitionError, match="OnCondition"):
        one.register_hand_off("two")
    one.register_hand_off(OnCondition(two, "money"))
    with pytest.raises(DefinitionError, match="already"):
        one.register_hand_off(OnCondition(two, "more money"))
    with pytest.raises(DefinitionError, match="AfterWork"):
        one.register_hand_off(AfterWork("SOMEBODY"))
    with pytest.raises(DefinitionError, match="not in it"):
        swarm(one)
    with pytest.raises(DefinitionError, match="not among the agents"):
        initiate_swarm_chat(one, "Help!", [two])
    with pytest.raises(DefinitionError, match="user"):
        swarm(one, two, after_work="REVERT_TO_USER")
    with pytest.raises(DefinitionError, match="max_rounds"):
        swarm(one, two, max_rounds=0)
