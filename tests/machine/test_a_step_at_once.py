"""Steps applied at once give the very state that their turns and transitions give one after the other."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from convgraph import END, ConversationGraph, Message
from convgraph.graph.definition import Definition
from convgraph.graph.machine import advance, advance_steps, begin
from convgraph.graph.state import ErrorInfo, Move, Turn
from convgraph.messages import NO_USAGE, Usage


class Draft(BaseModel):
    """The typed state."""

    words: int = 0


def definition() -> Definition:
    graph = ConversationGraph("pair", state=Draft)
    graph.add_node(lambda ctx: "hello", name="a")
    graph.add_node(lambda ctx: "hello", name="b")
    graph.add_edge("a", "b", label="on")
    graph.add_edge("b", "a", when="turn < 9", label="back")
    graph.add_edge("b", END, label="enough")
    graph.set_start("a")
    return graph.program().definition


PAIR = definition()
usages = st.one_of(st.just(NO_USAGE), st.builds(Usage, *[st.integers(0, 9)] * 3, st.floats(0, 1)))
turns = st.builds(
    Turn,
    st.sampled_from("ab"),
    st.lists(st.builds(Message, st.sampled_from("ab"), st.text(max_size=3)), max_size=2).map(tuple),
    st.lists(st.builds(lambda words: {"words": words}, st.integers()), max_size=2).map(tuple),
    st.sampled_from([None, "a", "b"]),
    st.one_of(st.none(), st.builds(ErrorInfo, st.just("ValueError"), st.text(max_size=3), st.just("a"))),
    usages,
    st.floats(0, 9),
    st.integers(0, 3),
    st.one_of(st.none(), st.just({"b": 2})),
    st.sampled_from([None, "turns"]),
    st.lists(st.sampled_from(["sure", "when"]), max_size=2).map(tuple),
    st.sampled_from(["", "nothing to add"]),
)
moves = st.one_of(
    st.none(), st.builds(Move, st.sampled_from(["a", "b", END]), st.integers(0, 2), usages, st.sampled_from([None, "turns", "usd"]))
)


@given(st.lists(st.tuples(turns, moves), max_size=6), st.integers(0, 6))
def test_at_once_is_one_after_the_other(steps: list[tuple[Turn, Move | None]], first: int) -> None:
    beginning = state = begin(PAIR, [Message("user", "go")])
    for turn, move in steps:
        state = advance(PAIR, state, turn)
        if move is not None:
            state = advance(PAIR, state, move)
    assert advance_steps(PAIR, beginning, steps) == state
    assert advance_steps(PAIR, advance_steps(PAIR, beginning, steps[:first]), steps[first:]) == state
    assert advance_steps(PAIR, beginning, []) is beginning
