"""A transition changes what it says it changes; whatever else a conversation's state holds stays as it was."""

from __future__ import annotations

from pydantic import BaseModel

from convgraph import ConversationGraph, Message
from convgraph.graph.machine import advance
from convgraph.graph.state import ErrorInfo, Move, State
from convgraph.messages import History, Usage


class Draft(BaseModel):
    """The typed state."""

    words: int = 0


CHANGED = {"node", "choosing", "usage", "spent_limits", "goto", "limit", "came_by"}


def test_a_move_changes_nothing_else_of_the_state() -> None:
    """Every field has a value of its own here, so that one that is left out, or put in another's place, shows."""
    graph = ConversationGraph("pair", state=Draft)
    graph.add_node(lambda ctx: "hello", name="a")
    graph.add_node(lambda ctx: "hello", name="b")
    graph.add_edge("a", "b")
    graph.set_start("a")
    definition = graph.program().definition
    state = State(
        node="a",
        history=History([Message("a", "hello")]),
        choosing=True,
        turn=7,
        schema=definition.state,
        data=Draft(words=5),
        visits={"a": 4, "b": 3},
        last_turn={"a": 7, "b": 6},
        usage=Usage(3, 20, 10, 0.5),
        seconds=1.5,
        inner_turns=2,
        declined=True,
        error=ErrorInfo("ValueError", "no", "a"),
        goto="b",
        limit="turns",
        spent_limits={"seconds": 2},
        asked={"sure": 1},
        status="limited",
        reason="why it had stopped",
        why_declined="nothing to add",
        begun=1,
        came_by=3,
    )
    blank = State("", History())
    assert all(getattr(state, name) != getattr(blank, name) for name in State.__struct_fields__), "a field has no value of its own yet"

    after = advance(definition, state, Move("b", 0, Usage(1, 2, 3, 0.25), "usd"))

    assert {name for name in State.__struct_fields__ if getattr(after, name) != getattr(state, name)} == CHANGED
    assert (after.node, after.choosing, after.goto, after.limit, after.came_by) == ("b", False, None, None, 0)
    assert after.usage == Usage(4, 22, 13, 0.75)
    assert after.spent_limits == {"seconds": 2, "usd": 7}
