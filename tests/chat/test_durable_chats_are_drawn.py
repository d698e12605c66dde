"""The chats that an agent has before it replies are part of its picture, of its graph's fingerprint, and of what a run has done."""

from __future__ import annotations

from typing import Any

import pytest

from convgraph import AssistantAgent, ConversableAgent, ConversationGraph, ScriptedModel, UserProxyAgent, open_store
from convgraph.drawing.overlay import overlay
from convgraph.drawing.sequence import Arrow, Box, Item, sequence_of
from convgraph.errors import DefinitionError, GraphChanged
from convgraph.messages import NO_USAGE, Usage


def people(trigger: Any = "user", lines: Any = ("known", "well known")) -> tuple[UserProxyAgent, AssistantAgent]:
    """A user, and an agent that has a chat with an expert before it replies."""
    usage = Usage(calls=1, input_tokens=7, output_tokens=3, usd=0.5)
    user = UserProxyAgent("user", human_input_mode="NEVER", code_execution_config=False, default_auto_reply="go on")
    boss = AssistantAgent("boss", "You lead.", model=ScriptedModel(["and?"] * 3, usage=usage))
    expert = AssistantAgent("expert", "You know.", model=ScriptedModel(list(lines), usage=usage))
    boss.register_nested_chats([{"recipient": expert, "max_turns": 2}], trigger=trigger)
    return user, boss


def graph_of(trigger: Any = "user") -> ConversationGraph:
    user, boss = people(trigger)
    return boss.chat_graph(user)


def test_an_agents_own_chats_are_a_cluster_that_can_be_closed() -> None:
    """Open as sub-graphs are, or one node; in it the agent itself sits without them."""
    opened = graph_of().to_mermaid()
    assert "subgraph g_boss[" in opened
    assert "subgraph g_boss_chat_1[" in opened
    assert "n_boss_chat_1_expert(" in opened
    assert "n_boss_chat_1_boss(" in opened
    drawn = graph_of().draw(format="mermaid", collapse=["boss"])
    assert isinstance(drawn, bytes)
    closed = drawn.decode()
    assert "subgraph" not in closed
    assert "1 inside" in closed


def test_chats_that_a_seat_does_not_trigger_are_not_drawn_there() -> None:
    """The trigger fits nobody in this chat, so it is a plain one."""
    assert "subgraph" not in graph_of(trigger="somebody else").to_mermaid()


def test_chats_about_everybody_do_not_nest_in_their_own_picture() -> None:
    """The agent sits in its own chats, and would have them there again: the picture ends."""
    drawn = graph_of(trigger=ConversableAgent).to_mermaid()
    assert drawn.count("subgraph g_boss") == 2


def test_they_are_checked_and_run_as_they_are() -> None:
    graph = graph_of()
    assert [finding for finding in graph.check() if finding.severity == "error"] == []


def test_a_document_does_not_lose_them_silently() -> None:
    """It says what they are, and that the agent behind them has to be given."""
    with pytest.raises(DefinitionError, match="speakers="):
        ConversationGraph.from_yaml(graph_of().to_yaml(), allow=["convgraph"])


def test_a_run_that_stopped_is_not_gone_on_with_by_other_chats() -> None:
    """The difference says which node of which chat it is."""
    with open_store(":memory:") as store:
        user, boss = people(lines=["known", RuntimeError("down")])
        assert user.initiate_chat(boss, message="hi", max_turns=1, store=store, run_id="RUN", silent=True).status == "failed"
        user, boss = people()
        other = AssistantAgent("another", "You know.", model=ScriptedModel(["x"]))
        changed = AssistantAgent("boss", "You lead.", model=ScriptedModel(["and?"]))
        changed.register_nested_chats([{"recipient": other, "max_turns": 2}], trigger="user")
        with pytest.raises(GraphChanged, match="another"):
            user.initiate_chat(changed, message="hi", max_turns=1, store=store, run_id="RUN", silent=True)
        assert user.initiate_chat(boss, message="hi", max_turns=1, store=store, run_id="RUN", silent=True).status == "finished"


def test_what_a_run_has_done_inside_is_laid_on_the_picture() -> None:
    """Each node's visits and cost; the agent's own cost is that of its chats, once."""
    with open_store(":memory:") as store:
        user, boss = people()
        result = user.initiate_chat(boss, message="hi", max_turns=1, store=store, run_id="RUN", silent=True)
        graph = graph_of()
        seen = overlay(graph.definition, store.events("RUN"))
        assert (seen.visits["boss"], seen.visits["boss/chat_1"], seen.visits["boss/chat_1/expert"]) == (1, 1, 2)
        assert seen.usage["boss"] == result.usage == seen.usage["boss/chat_1"]
        assert sum((seen.usage[f"boss/chat_1/{name}"] for name in ("boss", "expert")), NO_USAGE) == result.usage

        covered = graph.coverage(store)
        assert covered.strange == ()
        assert not [missing for missing in covered.missing_nodes if "chat_1" in missing]


def test_a_sequence_tells_what_was_said_inside_and_why_it_went_on() -> None:
    with open_store(":memory:") as store:
        user, boss = people()
        user.initiate_chat(boss, message="hi", max_turns=1, store=store, run_id="RUN", silent=True)
        told = sequence_of(store.events("RUN"), graph_of().definition)
        [box] = [item for item in told.items if isinstance(item, Box)]
        assert box.title == "boss-nested"
        inside = list(arrows(box.items))
        assert [arrow.text for arrow in inside[:3]] == ["known", "and?", "well known"]
        assert "max_turns" in inside[2].reason


def test_a_sequence_tells_why_a_tools_chat_went_on() -> None:
    """Its graph is no part of the run's: the store has kept it."""
    from convgraph.messages import ToolCall
    from convgraph.protocols import ModelReply

    async def consult(question: str) -> str:
        """Ask an expert."""
        user, _ = people()
        expert = AssistantAgent("expert", model=ScriptedModel(["known"]))
        return (await user.a_initiate_chat(expert, message=question, max_turns=1, silent=True)).summary

    call = ModelReply("", (ToolCall("1", "consult", '{"question": "why?"}'),))
    lead = AssistantAgent("lead", model=ScriptedModel([call, "done"]), tools=[consult])
    user, _ = people()
    with open_store(":memory:") as store:
        user.initiate_chat(lead, message="hi", max_turns=1, store=store, run_id="RUN", silent=True)
        drawn = lead.chat_graph(user).draw_sequence("RUN", format="mermaid", store=store)
    assert isinstance(drawn, bytes)
    assert "visits#91;'expert'#93;" in drawn.decode()


def arrows(items: tuple[Item, ...]) -> list[Arrow]:
    found: list[Arrow] = []
    for item in items:
        found += arrows(item.items) if isinstance(item, Box) else [item] if isinstance(item, Arrow) else []
    return found
