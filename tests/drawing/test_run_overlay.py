"""A run on its graph: what the overlay counts is what the machine did."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from convgraph.drawing import draw, to_dot, to_mermaid
from convgraph.drawing.overlay import overlay
from convgraph.drawing.picture import Overlay, Picture, PictureEdge, picture_of
from convgraph.errors import InputError
from convgraph.graph.definition import END, START, Definition, Node
from convgraph.graph.machine import advance, begin, verdict
from convgraph.graph.state import ErrorInfo, Move, State, Turn
from convgraph.journal.events import (
    AttemptFailed,
    BranchFinished,
    Edited,
    EffectFinished,
    Ended,
    Event,
    Moved,
    Recorded,
    Resumed,
    RunStarted,
    Stepped,
)
from convgraph.messages import Message, Usage

HELLO = Message("user", "hello", "user")


def said(node: str, text: str = "well") -> tuple[Message, ...]:
    return (Message(node, text),)


def started() -> RunStarted:
    return RunStarted("g", "", "", (HELLO,))


def model(path: str, tokens: int, usd: float = 0.0) -> EffectFinished:
    return EffectFinished(path, "model", "m", 0, "", usage=Usage(1, tokens, 0, usd))


def edge_of(picture: Picture, id: str) -> PictureEdge:
    return next(edge for edge in picture.edges if edge.id == id)


def walk(graph: Definition, seed: int) -> tuple[list[Event], State]:
    """A run of the machine with words and choices by chance, as the interpreter would have journaled it."""
    chance = random.Random(seed)
    state = begin(graph, (HELLO,))
    events: list[Event] = [started()]
    if state.choosing:
        first = chance.choice(verdict(graph, state, graph.limits).edges)
        events.append(Moved("0", first.target, first.index, Usage(1, 3, 0, 0.5)))
        state = advance(graph, state, Move(first.target, first.index, Usage(1, 3, 0, 0.5)))
        if state.status is not None:
            return [*events, Ended("finished", state.reason)], state
    for number in range(1, chance.randint(2, 12)):
        error = ErrorInfo("ValueError", "no", state.node) if chance.random() < 0.1 else None
        spoken = said(state.node, chance.choice(["APPROVED", "no", "TERMINATE"])) if error is None else ()
        turn = Turn(state.node, spoken, error=error, usage=Usage(1, chance.randint(1, 9), 1, 0.25))
        state = advance(graph, state, turn)
        guards = {str(edge.index): bool(edge.guard(state)) for edge in graph.out(state.node) if edge.guard and edge.guard.opaque}
        decided = verdict(graph, state, graph.limits)
        edge = chance.choice(decided.edges) if decided.edges else None
        target, index = (edge.target, edge.index) if edge else (None, None)
        events.append(
            Stepped(str(number), turn.node, turn.messages, error=error, usage=turn.usage, target=target, edge=index, guards=guards or None)
        )
        if edge is None:
            return [*events, Ended(decided.status or "stuck", decided.reason)], state
        state = advance(graph, state, Move(edge.target, edge.index))
        if state.node == END:
            return [*events, Ended("finished", "reached END")], state
    return events, state


@pytest.mark.parametrize("seed", range(25))
def test_the_overlay_counts_what_the_machine_did(essay: Definition, team: Definition, reception: Definition, seed: int) -> None:
    for graph in (essay, team, replace(reception, select="random")):
        events, state = walk(graph, seed)
        found = overlay(graph, events)
        assert {node: count for node, count in state.visits.items() if count} == found.visits
        assert sum((*found.usage.values(), *found.choosing.values()), Usage()) == state.usage
        moves = Counter(f"#{event.edge}" for event in events if isinstance(event, Stepped | Moved) and event.edge is not None)
        assert {edge: len(steps) for edge, steps in found.taken.items()} == moves
        assert found.current == (None if state.node == END else state.node)
        latest = {event.node: event for event in events if isinstance(event, Stepped)}
        assert not found.refused & {f"#{event.edge}" for event in latest.values()}, "an edge that was taken last was not refused last"


def test_edges_refused_are_those_whose_guard_was_false_when_last_asked(essay: Definition) -> None:
    events: list[Event] = [
        started(),
        Stepped("1", "writer", said("writer"), target="critic", edge=0),
        Stepped("2", "critic", said("critic", "no"), target="writer", edge=3, guards={"2": False}),
    ]
    assert overlay(essay, events).refused == {"#1", "#2"}
    approved = [
        *events,
        Stepped("3", "writer", said("writer"), target="critic", edge=0),
        Stepped("4", "critic", said("critic", "APPROVED"), target=END, edge=1, guards={"2": False}),
    ]
    assert overlay(essay, approved).refused == {"#2"}


def test_a_graph_that_stopped_stuck_shows_all_ways_refused(graph_of: Any) -> None:
    graph = graph_of("g", ["a"], [("a", END, {"when": "turn > 5"}), ("a", END, {"when": "last.data.score > 1"})])
    events = [started(), Stepped("1", "a", said("a")), Ended("stuck", "no transition is enabled")]
    found = overlay(graph, events)
    assert found.refused == {"#0", "#1"}  # a guard that cannot be evaluated does not let anybody through either
    assert (found.status, found.reason, found.current) == ("stuck", "no transition is enabled", "a")


def test_nested_turns_count_inside_their_cluster_and_for_it(publishing: Definition) -> None:
    found = overlay(
        publishing,
        [
            started(),
            Stepped("1", "author", said("author"), usage=Usage(1, 5, 0, 0.5), target="review", edge=0),
            model("2/1", 7),
            Stepped("2/1", "critic", said("critic"), usage=Usage(1, 7, 0), target="judge", edge=0),
            model("2/2", 2),
        ],
    )
    assert found.current == "review/judge"
    assert found.visits == {"author": 1, "review/critic": 1}
    assert {place: usage.tokens for place, usage in found.usage.items()} == {
        "author": 5,
        "review": 9,
        "review/critic": 7,
        "review/judge": 2,
    }
    assert found.taken == {"#0": ("1",), "review#0": ("2/1",)}


def test_of_two_visits_to_a_sub_graph_the_last_says_what_was_refused(graph_of: Any) -> None:
    inner = graph_of("inner", ["a", "b"], [("a", "b", {"when": 'last.content == "go"'}), ("a", END), ("b", END)])
    graph = graph_of("g", [Node("sub", "graph", inner=inner)], [("sub", "sub", {"when": "turn < 2"}), ("sub", END)])
    first: list[Event] = [
        started(),
        Stepped("1/1", "a", said("a", "stay"), target=END, edge=1),
        Stepped("1", "sub", said("sub", "stay"), target="sub", edge=0),
    ]
    assert overlay(graph, first).refused == {"sub#0"}
    second: list[Event] = [Stepped("2/1", "a", said("a", "go"), target="b", edge=0), Stepped("2/2", "b", said("b"), target=END, edge=2)]
    assert overlay(graph, [*first, *second]).refused == frozenset()


def test_branches_count_once_however_often_they_are_told(publishing: Definition) -> None:
    until_panel = [
        started(),
        Stepped("1", "author", said("author"), target="review", edge=0),
        Stepped("2", "review", said("review"), inner_turns=2, target="panel", edge=3),
    ]
    inside: list[Event] = [
        model("3/legal", 4),
        BranchFinished("3/legal", "legal", said("legal")),
        Stepped("3/tech/1", "ask", said("ask"), target="tell", edge=0),
    ]
    found = overlay(publishing, [*until_panel, *inside])
    assert {place: found.visits.get(place) for place in ("panel", "panel/legal", "panel/tech/ask", "panel/tech")} == {
        "panel": None,
        "panel/legal": 1,
        "panel/tech/ask": 1,
        "panel/tech": None,
    }
    assert found.current == "panel/tech/tell"
    done = Stepped("3", "panel", said("legal"), usage=Usage(1, 4, 0), visits={"legal": 1, "tech": 1, "sales": 1}, target="each", edge=5)
    items: list[Event] = [BranchFinished("4/#0", "translate", said("translate")), model("4/#1", 3), BranchFinished("4/#1", "translate", ())]
    found = overlay(publishing, [*until_panel, *inside, done, *items])
    assert found.visits["panel"] == found.visits["panel/legal"] == found.visits["panel/sales"] == 1
    assert found.visits["each/translate"] == 2
    assert found.usage["each/translate"].tokens == 3


def test_attempts_at_a_turn_are_one_turn_but_cost_what_they_cost(publishing: Definition) -> None:
    found = overlay(
        publishing,
        [
            started(),
            Stepped("1", "author", said("author"), target="review", edge=0),
            Stepped("2/1", "critic", said("critic"), usage=Usage(1, 7, 0), target="judge", edge=0),
            AttemptFailed("2", 1, ErrorInfo("TimeoutError", "late")),
            model("2~2/1", 5),
        ],
    )
    assert found.current == "review/critic"
    assert found.taken["review#0"] == ("2/1",)


def test_what_no_picture_shows_still_costs(essay: Definition) -> None:
    """A conversation that a node opened by itself has no place of its own; its cost is the node's."""
    found = overlay(
        essay,
        [
            started(),
            model("1/consult/1", 8),
            Stepped("1/consult/1", "expert", said("expert"), target=END, edge=0),
        ],
    )
    assert {place: usage.tokens for place, usage in found.usage.items()} == {"writer": 8}
    assert found.visits == {}


def test_what_a_choice_costs_is_shown_at_the_node_after_which_it_was_made(publishing: Definition) -> None:
    events: list[Event] = [
        started(),
        model("1", 5),
        model("1>", 100, 0.5),
        Stepped("1", "author", said("author"), usage=Usage(1, 5, 0), target="review", edge=0, move_usage=Usage(1, 100, 0, 0.5)),
        Stepped("2/1", "critic", said("critic"), target="judge", edge=0),
        model("2/2>", 30),
    ]
    found = overlay(publishing, events)
    assert found.choosing == {"author": Usage(1, 100, 0, 0.5), "review/judge": Usage(1, 30, 0)}
    assert {place: usage.tokens for place, usage in found.usage.items() if any(usage)} == {"author": 5, "review": 30}
    twice = [*events, Stepped("2", "review", said("review"), target="author", edge=1), model("3>", 11)]
    assert overlay(publishing, twice).choosing["author"] == Usage(2, 111, 0, 0.5)
    svg = bytes(draw(publishing, overlay=found)).decode()  # type: ignore[arg-type]
    assert "choosing next: 1 call · 100 tokens · $0.5000" in svg
    assert "choosing next: 1 call · 30 tokens" in to_mermaid(picture_of(publishing, overlay=found))


def test_who_was_chosen_to_begin_is_on_the_picture(reception: Definition) -> None:
    """The arrows from START are counted like all others, and so is what choosing among them cost; in sub-graphs, too."""
    waiting = overlay(reception, [started(), model("0>", 40)])
    assert (waiting.current, waiting.choosing) == (START, {START: Usage(1, 40, 0)})
    assert 'class="node start unvisited current"' in bytes(draw(reception, overlay=waiting)).decode()  # type: ignore[arg-type]
    events: list[Event] = [started(), model("0>", 40), Moved("0", "desk", 2, Usage(1, 40, 0), None, "auto", {"1": False})]
    found = overlay(reception, events)
    assert (found.current, dict(found.taken), found.refused) == ("desk", {"#2": ("0",)}, {"#0"})
    events += [Moved("1/0", "clerk", 1), Stepped("1/1", "clerk", said("clerk"), target=END, edge=2), model("1/1", 7)]
    found = overlay(reception, events)
    assert (found.taken["desk#1"], found.refused, found.visits) == (("1/0",), {"#0", "desk#0"}, {"desk/clerk": 1})
    events += [Stepped("1", "desk", said("desk"), target=END, edge=6), Ended("finished", "reached END")]
    again: list[Event] = [Edited("continued", node=START, messages=(Message("user", "buy", "user"),), choosing=True), model("1+1>", 2)]
    found = overlay(reception, [*events, *again, Moved("1+1", "sales", 0, Usage(1, 2, 0))])
    assert (found.taken["#0"], found.choosing[START], found.current) == (("1+1",), Usage(2, 42, 0), "sales")
    picture = picture_of(reception, overlay=found)
    visits = {node.id: node.activity.visits for node in picture.nodes if node.shape in ("start", "end") and node.activity is not None}
    assert visits == {START: 2, END: 1, f"desk/{START}": 1, f"desk/{END}": 1}
    svg = bytes(draw(reception, overlay=found)).decode()  # type: ignore[arg-type]
    assert 'class="node start visited"' in svg
    assert 'class="node end visited"' in svg
    assert "choosing next: 2 calls · 42 tokens" in svg


def test_where_nobody_could_begin_each_way_is_refused(graph_of: Any) -> None:
    graph = graph_of("g", ["a"], [(START, "a", {"when": "last.content == 'x'"}), (START, END, {"when": "turn > 0"}), ("a", END)])
    found = overlay(graph, [started(), Ended("stuck", "nobody may begin")])
    assert (found.refused, found.current) == ({"#0", "#1"}, START)


def test_start_and_end_are_visited_when_the_conversation_was_there(essay: Definition) -> None:
    def seen(*events: Event) -> dict[str, bool]:
        nodes = picture_of(essay, overlay=overlay(essay, [started(), *events])).nodes
        return {node.id: node.activity.visits > 0 for node in nodes if node.shape in ("start", "end") and node.activity is not None}

    first = Stepped("1", "writer", said("writer"), target="critic", edge=0)
    assert seen() == {START: False, END: False}
    assert seen(first) == {START: True, END: False}
    assert seen(first, Stepped("2", "critic", said("critic", "APPROVED"), target=END, edge=1)) == {START: True, END: True}


def test_stops_resumes_and_edits_move_the_current_node(essay: Definition) -> None:
    events: list[Event] = [started(), Ended("waiting", "a person is asked")]
    assert (overlay(essay, events).status, overlay(essay, events).current) == ("waiting", "writer")
    events += [Resumed(), Stepped("1", "writer", said("writer"), target="critic", edge=0)]
    assert (overlay(essay, events).status, overlay(essay, events).current) == ("running", "critic")
    events += [Edited("forked", node="writer", choosing=False)]
    assert overlay(essay, events).current == "writer"
    events += [Stepped("2", "writer", said("writer")), Ended("limited", "turns"), Resumed(), Moved("2", "critic", 0)]
    found = overlay(essay, events)
    assert (found.current, found.taken["#0"]) == ("critic", ("1", "2"))


def test_recorded_events_are_taken_as_well(essay: Definition) -> None:
    events = [Recorded(0, 1.0, started()), Recorded(1, 2.0, Stepped("1", "writer", said("writer"), target="critic", edge=0))]
    assert overlay(essay, events, run_id="r1") == overlay(essay, [one.event for one in events], run_id="r1")
    assert overlay(essay, events, run_id="r1").run_id == "r1"


def test_a_run_of_another_graph_is_refused(essay: Definition) -> None:
    with pytest.raises(InputError, match=r"'poet'.*'essay'"):
        overlay(essay, [started(), Stepped("1", "poet", said("poet"))])


def test_a_picture_shows_the_run(essay: Definition) -> None:
    run = Overlay(
        "r7",
        "waiting",
        "a person is asked",
        "critic",
        {"writer": 2, "critic": 1},
        {"writer": Usage(2, 1000, 204, 0.0031)},
        {"#0": ("1", "3"), "#3": ("2",)},
        frozenset({"#1"}),
    )
    picture = picture_of(essay, overlay=run)
    assert edge_of(picture, "#0").taken == ("1", "3")
    assert edge_of(picture, "#1").refused
    svg = bytes(draw(essay, overlay=run)).decode()  # type: ignore[arg-type]
    for text in (
        "2 visits · 1,204 tokens · $0.0031",
        "run r7: waiting (a person is asked)",
        "the run is here",
        "refused",
        "taken 2 times: step 1, 3",
    ):
        assert text in svg
    for words in (
        'class="node agent visited current"',
        'class="node function unvisited"',
        'class="edge reply taken"',
        'class="edge reply untaken refused"',
    ):
        assert words in svg
    mermaid = to_mermaid(picture)
    assert '==>|"2\u00d7"|' in mermaid
    assert "style n_critic stroke:" in mermaid
    assert 'style="dashed"' in next(line for line in to_dot(picture).splitlines() if '"edge-1"' in line)


def test_a_path_taken_often_is_heavier(essay: Definition) -> None:
    def width(times: int) -> float:
        dot = to_dot(picture_of(essay, overlay=Overlay(taken={"#0": ("1",) * times})))
        line = next(line for line in dot.splitlines() if '"edge-0"' in line)
        return float(line.split('penwidth="')[1].split('"')[0])

    assert width(1) < width(3) < width(30) < 6


def test_a_hub_shows_what_was_taken_of_its_edges(team: Definition) -> None:
    run = Overlay(current="coder", visits={"admin": 1}, taken={"#25": ("1",), "#26": ("3",)})
    picture = picture_of(team, overlay=run)
    assert edge_of(picture, ":hub1:admin").taken == ("1", "3")
    assert edge_of(picture, ":hub1:coder").taken == ()


def test_what_all_nodes_share_shows_which_of_them_was_taken(graph_of: Any) -> None:
    graph = graph_of(
        "chat", "abcd", [*((name, END, {"when": "turn > 2"}) for name in "abcd"), ("a", "b"), ("b", "c"), ("c", "d"), ("d", "a")]
    )
    picture = picture_of(graph, overlay=Overlay(visits={"a": 1, "b": 1, "c": 1}, taken={"#2": ("3",)}))

    assert edge_of(picture, ":everyone#0").taken == ("3",)


def test_a_collapsed_node_stands_for_what_is_inside(publishing: Definition) -> None:
    run = Overlay(current="review/critic", visits={"review": 1, "review/critic": 2})
    (closed,) = [node for node in picture_of(publishing, overlay=run, depth=0).nodes if node.id == "review"]
    assert closed.activity is not None
    assert (closed.activity.visits, closed.activity.current) == (1, True)
    (cluster,) = [one for one in picture_of(publishing, overlay=run).clusters if one.id == "review"]
    assert cluster.activity is not None
    assert not cluster.activity.current, "the node inside is marked, not the whole"


def test_a_picture_without_a_run_has_no_trace_of_one(essay: Definition) -> None:
    picture = picture_of(essay)
    assert all(node.activity is None for node in picture.nodes)
    assert all(edge.taken is None and not edge.refused for edge in picture.edges)
