"""Whoever speaks, hands over, fails or chooses: a conversation moves along its graph's enabled transitions and no others."""

from collections import Counter
from collections.abc import Iterator, Mapping
from copy import deepcopy
from functools import reduce
from typing import Any

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from convgraph.graph.definition import END, START, Definition, Edge, Limits, Node, On, SelectMethod
from convgraph.graph.guards import CelGuard
from convgraph.graph.machine import Verdict, advance, begin, enabled, guard_values, limit_reached, verdict
from convgraph.graph.schema import StateSchema
from convgraph.graph.state import End, ErrorInfo, Event, Move, State, Turn
from convgraph.messages import Message, Usage
from convgraph.plain_data import replaced

NAMES = ("n0", "n1", "n2", "n3", "n4")
GUARDS = tuple(
    CelGuard(text)
    for text in (
        "declined",
        'last.content.contains("a")',
        "turn > 2",
        "visits.n0 < 2",
        "visits[sender] >= 2",
        "state.score >= 1",
        '"x" in state.tags',
        'error.type == "E0"',
        "usage.tokens > 5",
        "size(messages) > 3",
        'messages.exists(m, m.sender == "n1")',
        'sender == "n1"',
        "1 > 2",
    )
)
STATE = StateSchema.of(
    {"score": {"type": "number", "default": 0, "reduce": "sum"}, "tags": {"type": "array", "default": [], "reduce": "append"}}, "test"
)
OPENING = Message("user", "go", "user")

node_names: st.SearchStrategy[str] = st.sampled_from(list(NAMES))
guards = st.none() | st.sampled_from(GUARDS)
guards_before_the_first_turn = st.none() | st.sampled_from([guard for guard in GUARDS if "sender" not in guard.reads])
few = settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def graphs(draw: st.DrawFn) -> Definition:
    """A small graph: sound or not, with every selector, priorities, parallel edges, error and limit edges."""
    names = NAMES[: draw(st.integers(1, len(NAMES)))]
    ends = st.sampled_from([*names, *names, END])
    outcomes: st.SearchStrategy[On] = st.sampled_from(["reply", "reply", "reply", "error", "limit"])
    rows = draw(st.lists(st.tuples(st.sampled_from(names), ends, guards, st.integers(-1, 1), outcomes), max_size=14))
    on_reply: st.SearchStrategy[On] = st.just("reply")
    beginnings = st.tuples(st.just(START), ends, guards_before_the_first_turn, st.integers(-1, 1), on_reply)
    first = draw(st.just([]) | st.lists(beginnings, min_size=1, max_size=4))
    rows = draw(st.permutations([*rows, *first]))
    edges = tuple(Edge(source, target, guard, priority, "", on, index) for index, (source, target, guard, priority, on) in enumerate(rows))
    selects: st.SearchStrategy[SelectMethod] = st.sampled_from(["first", "first", "round_robin", "random", "auto"])
    nodes = {name: Node(name, "function", select=draw(st.none() | selects)) for name in names}
    return Definition("random", nodes, edges, None if first else names[0], STATE, draw(selects))


@st.composite
def limit_sets(draw: st.DrawFn) -> Limits:
    """Limits of every sort, low enough to be reached."""
    visits: st.SearchStrategy[int | Mapping[str, int] | None] = (
        st.none() | st.integers(1, 4) | st.dictionaries(node_names, st.integers(1, 4))
    )
    return Limits(
        draw(st.none() | st.integers(1, 8)), draw(visits), draw(st.sampled_from([None, 5.0])), draw(st.sampled_from([None, 12])), None
    )


updates = st.fixed_dictionaries({}, optional={"score": st.integers(-1, 2), "tags": st.sampled_from(["x", "y"])})


@st.composite
def turns_of(draw: st.DrawFn, node: str) -> Turn:
    """Anything a node may do with a turn, wise or not: hand over to whom it likes, fail, overspend, say nothing."""
    error = draw(st.sampled_from([None, None, None, "E0", "E1"]))
    return Turn(
        node,
        draw(st.sampled_from([(), (Message(node, "a"),), (Message(node, "b"), Message(node, "c"))])) if error is None else (),
        tuple(draw(st.lists(updates, max_size=2))) if error is None else (),
        draw(st.sampled_from([None, None, None, *NAMES, END, "nobody"])),
        ErrorInfo(error, "as drawn", node) if error else None,
        Usage(1, draw(st.integers(0, 6))),
        draw(st.sampled_from([0.0, 1.5])),
        draw(st.sampled_from([0, 0, 0, 1])),
        limit=draw(st.sampled_from([None, None, None, None, None, "tokens"])),
    )


def walk(data: st.DataObject, graph: Definition, limits: Limits, turns: int = 25) -> Iterator[tuple[State, Verdict, Event]]:
    """A conversation led by an adversary: each choosing state, what the machine allows there, and the event that comes of it."""
    state = begin(graph, [OPENING])
    for _ in range(turns):
        if not state.choosing:
            state = advance(graph, state, data.draw(turns_of(state.node)))
        allowed = verdict(graph, state, limits)
        event: Event
        if allowed.status is not None:
            event = End(allowed.status, allowed.reason)
        else:
            edge = data.draw(st.sampled_from(allowed.edges))
            event = Move(edge.target, edge.index, limit=allowed.limit)
        yield state, allowed, event
        state = advance(graph, state, event)
        if state.status is not None:
            return


def lawful(graph: Definition, state: State, limits: Limits) -> set[int]:
    """The transitions that the rules allow now, said once more and without the machine's words."""
    on = "error" if state.error else "reply"
    true = [edge for edge in graph.edges if edge.source == state.node and edge.on == on and (edge.guard is None or edge.guard(state))]
    true.sort(key=lambda edge: (-edge.priority, edge.index))
    if state.limit is not None:
        true = []
    elif state.goto is not None and state.error is None:
        true = [edge for edge in true if edge.target == state.goto][:1]
    elif graph.select_at(state.node) == "first":
        true = true[:1]
    else:
        true = [edge for edge in true if edge.priority == true[0].priority]
    chosen = {edge.index for edge in true}
    reached = (state.limit, "") if state.limit is not None else limit_reached(limits, state)
    if reached is None or (true and all(edge.target == END for edge in true)):
        return chosen
    if (since := state.spent_limits.get(reached[0])) is not None:
        return {edge.index for edge in true if state.last_turn.get(edge.target, 0) <= since}
    fired = [edge for edge in graph.edges if edge.source == state.node and edge.on == "limit" and (edge.guard is None or edge.guard(state))]
    fired.sort(key=lambda edge: (-edge.priority, edge.index))
    return {edge.index for edge in fired[:1]}


def check_moves(data: st.DataObject, graph: Definition, limits: Limits) -> None:
    for state, allowed, event in walk(data, graph, limits):
        assert {edge.index for edge in allowed.edges} == lawful(graph, state, limits)
        assert bool(allowed.edges) != (allowed.status is not None), "either there is a way on, or the conversation ends with a status"
        assert allowed.edges == () or allowed.reason == "" or allowed.limit is not None
        if allowed.limit is None:
            assert set(allowed.edges) <= set(enabled(graph, state))
        else:
            assert all(edge.on == "limit" for edge in allowed.edges)
        if isinstance(event, Move):
            after = advance(graph, state, event)
            assert (after.node, after.choosing, after.goto) == (event.target, False, None)
            assert (after.status == "finished") == (event.target == END)


@given(st.data(), graphs(), limit_sets())
@few
def test_no_illegal_move(data: st.DataObject, graph: Definition, limits: Limits) -> None:
    """What the machine allows is what the rules allow, whatever the nodes do and whoever chooses."""
    check_moves(data, graph, limits)


@pytest.mark.long
@pytest.mark.parametrize("part", range(5))
def test_no_illegal_move_in_many_graphs(part: int) -> None:
    judge = given(st.data(), graphs(), limit_sets())(check_moves)
    seed(part)(settings(few, max_examples=2_000, derandomize=False, database=None)(judge))()


def snapshot(state: State) -> Any:
    """All that a state holds, copied: nothing that happens later can reach it."""
    return deepcopy((replaced(state, history=None, schema=None, data=None), list(state.history), state.dump_data(), state.history.digest()))  # type: ignore[arg-type]


@given(st.data(), graphs(), limit_sets())
@few
def test_a_state_is_the_fold_of_its_events_and_never_changes(data: st.DataObject, graph: Definition, limits: Limits) -> None:
    states: list[State] = [begin(graph, [OPENING])]
    events: list[Event] = []
    copies = [snapshot(states[0])]
    for state, _, event in walk(data, graph, limits, 12):
        before = states[-1]
        events += [event] if state.node == START else [Turn(before.node, *(), **_differences(before, state)), event]
        states += [state, advance(graph, state, event)]
        copies += [snapshot(state) for state in states[-2:]]
        advance(graph, before, Turn(before.node, (Message("other", "another story"),), ({"score": 9, "tags": "z"},)))
    assert [snapshot(state) for state in states] == copies
    folded = reduce(lambda state, event: advance(graph, state, event), events, begin(graph, [OPENING]))
    assert snapshot(folded) == copies[-1]


def _differences(before: State, after: State) -> dict[str, Any]:
    """The turn that leads from one state to the next, worked out from the two."""
    gained = after.dump_data()["tags"][len(before.dump_data()["tags"]) :]
    return {
        "messages": tuple(after.history)[len(before.history) :],
        "updates": ({"score": after.dump_data()["score"] - before.dump_data()["score"], "tags": gained},),
        "goto": after.goto,
        "error": after.error,
        "usage": Usage(after.usage.calls - before.usage.calls, after.usage.input_tokens - before.usage.input_tokens),
        "seconds": after.seconds - before.seconds,
        "inner_turns": after.inner_turns - before.inner_turns,
        "limit": after.limit,
    }


@given(st.data(), graphs(), st.integers(1, 8))
@few
def test_a_limit_on_turns_bounds_every_conversation(data: st.DataObject, graph: Definition, allowed: int) -> None:
    """Never more turns than allowed, unless the limit's transition was taken; after it no node speaks twice."""
    spoken: list[str] = []
    fired: int | None = None
    count = 0
    for state, decided, event in walk(data, graph, Limits(turns=allowed), turns=50):
        if state.node == START:
            assert decided.status != "limited", "before anybody has spoken no limit can be reached"
            continue
        spoken.append(state.node)
        count = state.turn + state.inner_turns
        if fired is None:
            assert len(spoken) <= allowed
        if decided.limit == "turns":
            assert fired is None, "the transition for a limit is taken once"
            assert count >= allowed
            fired = len(spoken)
        if isinstance(event, End) and event.status == "limited":
            assert event.reason.startswith("limit reached: ")
    assert len(spoken) <= allowed + len(graph.nodes)
    after = Counter(spoken[fired:]) if fired is not None else Counter[str]()
    assert all(times == 1 for times in after.values())


@given(st.data(), graphs(), limit_sets())
@few
def test_the_end_wins_at_a_limit(data: st.DataObject, graph: Definition, limits: Limits) -> None:
    """Where the rules lead nowhere but to the end, a conversation finishes, limit or not."""
    for state, decided, _ in walk(data, graph, limits):
        without = verdict(graph, state, Limits())
        if without.edges and without.limit is None and all(edge.target == END for edge in without.edges):
            assert decided.edges == without.edges


@given(st.data(), graphs())
@few
def test_being_stuck_names_each_guard_and_its_value(data: st.DataObject, graph: Definition) -> None:
    for state, decided, _ in walk(data, graph, Limits()):
        if decided.status == "stuck":
            assert decided.reason.startswith("nobody may begin: ") if state.node == START else repr(state.node) in decided.reason
            for value in guard_values(graph, state):
                assert str(value) in decided.reason
                assert value.value is False or state.goto is not None
            assert state.goto is None or repr(state.goto) in decided.reason


@given(st.data(), graphs())
@few
def test_a_failure_without_a_way_out_ends_the_conversation_as_failed(data: st.DataObject, graph: Definition) -> None:
    for state, decided, _ in walk(data, graph, Limits()):
        if decided.status == "failed":
            assert state.error is not None
            assert state.error.type in decided.reason
        if state.error is not None and state.limit is None and decided.status is not None:
            assert decided.status == "failed"


@given(st.data(), graphs())
@few
def test_who_begins_is_chosen_before_the_first_turn_and_never_again(data: st.DataObject, graph: Definition) -> None:
    """Where edges leave START, a conversation begins between two turns, of which the first was never made; else it does not."""
    chosen_first = any(edge.source == START for edge in graph.edges)
    begun = begin(graph, [OPENING])
    assert (begun.node, begun.choosing) == ((START, True) if chosen_first else (graph.start, False))
    for number, (state, _, event) in enumerate(walk(data, graph, Limits())):
        assert (state.node == START) == (chosen_first and number == 0)
        assert state.turn == number + (not chosen_first)
        if state.node == START and isinstance(event, Move):
            assert advance(graph, state, event).begun == 1
