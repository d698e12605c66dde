"""The scripted conversations that are made from a graph take every transition of it, for real."""

import contextlib
import random
import runpy
import sys
import time
from collections.abc import Callable, Mapping
from importlib import invalidate_caches
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import BaseModel

from convgraph import END, START, ConversationGraph, Limits, Parallel
from convgraph.errors import DefinitionError, InputError
from convgraph.graph.definition import Definition
from convgraph.graph.machine import advance, begin, verdict
from convgraph.graph.paths import Paths, ScriptedPath, ScriptedTurn, paths, write_pytest
from convgraph.graph.state import ErrorInfo, Move, Turn
from convgraph.messages import Message, Usage
from convgraph.testing.paths import follow

LETTERS = "abcdefghij"


def speak(ctx: Any) -> str:
    raise AssertionError("no node of the graph itself may run in these tests")


def graph(*edges: tuple[Any, ...], nodes: str = "", **options: Any) -> ConversationGraph:
    """A graph from rows of (source, target, guard, options); the first source is the start, if no edge leaves START."""
    made = ConversationGraph("sample", **options)
    for name in dict.fromkeys([*nodes.split(), *(end for edge in edges for end in edge[:2] if end not in (START, END))]):
        made.add_node(speak, name=name)
    for source, target, *rest in edges:
        when = rest[0] if rest else None
        made.add_edge(source, target, when, **(rest[1] if len(rest) > 1 else {}))
    if made.definition.beginning != START:
        made.set_start(edges[0][0] if edges else nodes.split(maxsplit=1)[0])
    return made


def walked(made: ConversationGraph, found: Paths) -> set[tuple[tuple[str, ...], int]]:
    """The transitions that the paths take when the graph really runs them."""
    for path in found:
        follow(made, path)
    return {(path.graph, edge) for path in found for edge in path.edges}


def check_covered(made: ConversationGraph, **options: Any) -> Paths:
    found = made.paths(**options)
    assert found.uncovered == (), str(found)
    assert found.covered == 1.0
    assert len(walked(made, found)) == found.total
    return found


GUARDS = {
    "contains": 'last.content.contains("APPROVED")',
    "equal": "last.content == 'yes'",
    "one of": 'last.content in ["left", "right"]',
    "starts and ends": 'last.content.startsWith("BEGIN") && last.content.endsWith("STOP")',
    "two words": 'last.content.contains("alpha") && last.content.contains("beta") && !last.content.contains("gamma")',
    "pattern": r"last.content.matches('^score: \\d+/10$')",
    "raw pattern": r"last.content.matches(r'^[A-Z]{3}-\d{2,}(\.x|\.y)$')",
    "number in the text": "last.content.matches('^[0-9]+$') && int(last.content) > 41",
    "long": "size(last.content) > 1000",
    "declined": "declined",
    "data": "last.data.verdict == 'pass' && last.data.score > 7",
    "later": "turn >= 5",
    "seen often": "visits.a >= 4",
    "once before": 'messages.exists(m, m.content.contains("password")) && turn > 2',
    "many messages": "size(messages) > 6",
    "above": "state.score > 8",
    "at": "state.score == 8.5",
    "below": "state.score < 0.0",
    "flag": "state.done",
    "text": 'state.verdict == "reject"',
    "choice": 'state.mood == "grim"',
    "list": "size(state.items) >= 3",
    "member": '"urgent" in state.items',
    "several fields": 'state.done && state.verdict == "ok" && state.score >= 3',
    "nested": 'state.inner.name == "core"',
    "spent": "usage.tokens > 500",
    "dear": "usage.usd >= 0.5",
}


class Inner(BaseModel):
    name: str = ""


class Whole(BaseModel):
    score: float = 0
    done: bool = False
    verdict: str = ""
    mood: Literal["fair", "grim"] = "fair"
    items: list[str] = []
    inner: Inner = Inner()


@pytest.mark.parametrize("name", GUARDS)
def test_a_turn_is_found_that_makes_a_guard_true_and_one_that_makes_it_false(name: str) -> None:
    check_covered(graph(("a", END, GUARDS[name]), ("a", "b"), ("b", "a"), state=Whole))


def test_a_python_guard_is_satisfied_by_the_constants_in_its_code() -> None:
    check_covered(graph(("a", END, lambda view: "DONE" in view.last.content and view.turn > 2), ("a", "a")))


def test_error_transitions_are_taken_by_raising() -> None:
    found = check_covered(
        graph(
            ("a", "b"),
            ("a", "c", 'error.type == "TimeoutError"', {"on": "error"}),
            ("a", "d", 'error.message.contains("quota")', {"on": "error"}),
            ("a", END, None, {"on": "error"}),
            *((name, END) for name in "bcd"),
        )
    )
    raised = [turn.error for path in found for turn in path.turns if turn.error]
    assert {error.type for error in raised} >= {"TimeoutError", "ScriptedError"}
    assert any("quota" in error.message for error in raised)


def test_what_an_error_transition_asks_for_is_prepared_by_the_turn_before() -> None:
    """A node that raises can set no state and say nothing itself."""
    check_covered(
        graph(
            ("a", "b"),
            ("b", "a", "state.done", {"on": "error"}),
            ("b", END, 'last.content.contains("quota")', {"on": "error"}),
            ("b", END),
            state=Whole,
        )
    )


def test_limit_transitions_are_taken_at_a_lowered_limit() -> None:
    """A path need not be as long as the limit is high."""
    found = check_covered(
        graph(("a", "b"), ("b", "a"), ("a", "sum", None, {"on": "limit"}), ("sum", END), ("b", END, "turn > 2"), limits=Limits(turns=500))
    )
    assert max(len(path.turns) for path in found) < 10


def test_a_limit_of_the_graph_itself_is_respected() -> None:
    found = graph(("a", "b"), ("b", "a"), ("a", END, "turn > 10", {"priority": 1}), limits=Limits(turns=6)).paths()
    assert [str(missing.what) for missing in found.uncovered] == ["a -> END when turn > 10"]


@pytest.mark.parametrize("select", ["first", "round_robin", "random", "manual"])
def test_choices_are_written_into_the_script(select: str) -> None:
    """Also where a selector chooses, or where only a handoff leads."""
    members = LETTERS[:6]
    made = graph(*((one, other) for one in members for other in members if one != other), *((one, END) for one in members), select=select)
    found = check_covered(made)
    assert len(found) == len(members), "one conversation for each way to the end is enough"
    chosen = {turn.chosen for path in found for turn in path.turns}
    assert chosen == ({False} if select == "first" else {True})


def test_priorities_and_parallel_transitions() -> None:
    check_covered(
        graph(("a", "b", "turn < 4", {"priority": 2}), ("a", "b", "turn > 3"), ("a", END, "declined", {"priority": -1}), ("b", "a"))
    )


def test_graphs_inside_have_paths_of_their_own() -> None:
    inner = graph(("x", END, 'last.content == "out"'), ("x", "x"))
    outer = ConversationGraph("outer")
    outer.add_node(inner, name="review")
    outer.add_node(Parallel(inner, speak), name="panel")
    outer.add_edge("review", "panel")
    outer.add_edge("panel", END, when="visits.panel >= 2")
    outer.add_edge("panel", "review")
    outer.set_start("review")
    found = check_covered(outer)
    assert {path.graph for path in found} == {(), ("review",), ("panel", "sample")}
    assert {path.graph for path in outer.paths(subgraphs=False)} == {()}


def test_nodes_can_be_covered_with_less() -> None:
    made = graph(("a", "b"), ("b", "a", 'last.content == "again"'), ("b", "c"), ("c", END))
    found = made.paths("nodes")
    assert [path.nodes for path in found] == [("a", "b", "c")]
    assert found.total == 3


def test_required_state_gets_a_value_that_fits() -> None:
    class Needed(BaseModel):
        count: int
        level: Literal["high", "low"]

    made = graph(("a", END, 'state.level == "low" && state.count > 3'), ("a", "a"), state=Needed)
    check_covered(made)
    assert made.paths(state={"count": 1, "level": "low"})[0].state == {"count": 1, "level": "low"}


REFUSED: list[tuple[tuple[tuple[Any, ...], ...], str]] = [
    ((("a", END, 'last.content == "x" && last.content == "y"'), ("a", "a")), "was false after each of"),
    ((("a", END, lambda view: False), ("a", "a")), "assume="),
    ((("a", END), ("b", "a"), ("a", "b", "1 > 2")), "was false"),
    ((("a", END), ("b", "a", None)), "never reached"),
    ((("a", END), ("a", "b", "visits.nobody > 2", {"priority": 1}), ("b", END)), "failed with"),
]


@pytest.mark.parametrize("number", range(len(REFUSED)))
def test_what_cannot_be_covered_is_listed_with_the_reason(number: int) -> None:
    edges, reason = REFUSED[number]
    found = graph(*edges).paths()
    assert found.uncovered
    assert any(reason in missing.reason for missing in found.uncovered), str(found)
    assert len({edge for path in found for edge in path.edges}) + len(found.uncovered) == found.total
    assert "not covered" in str(found)


def test_what_is_assumed_holds_in_the_run_too() -> None:
    made = graph(("a", "b", lambda view: False, {"label": "secret"}), ("a", "a", "turn > 1"), ("b", END, "1 > 2"), ("b", "a"))
    assert made.paths().covered < 1
    found = made.paths(assume={"secret": True, "b->END": True})
    assert walked(made, found) >= {((), 0), ((), 2)}
    assert all(path.assume == {0: True, 2: True} for path in found)


def test_conversations_that_cannot_end_are_scripted_up_to_where_they_stop() -> None:
    stuck = check_covered(graph(("a", "b")))
    assert [path.status for path in stuck] == ["stuck"]
    endless = check_covered(graph(("a", "b"), ("b", "a")))
    assert [path.status for path in endless] == ["limited"]
    broken = graph(("a", "b"), ("b", END, "visits.nobody > 2"))
    found = broken.paths()
    assert [path.status for path in found] == ["failed"]
    assert walked(broken, found) == {((), 0)}


@pytest.mark.parametrize("assume", [{"a->nowhere": True}, {"a->END": "yes"}])
def test_an_assumption_about_nothing_is_refused(assume: Mapping[str, Any]) -> None:
    with pytest.raises(InputError, match="assume="):
        graph(("a", END)).paths(assume=assume)


def test_graphs_that_cannot_start_are_refused() -> None:
    loose = ConversationGraph("loose")
    loose.add_node(speak, name="a")
    with pytest.raises(DefinitionError, match="no start"):
        loose.paths()
    loose.set_start("a")
    loose.add_edge("a", "b")
    with pytest.raises(DefinitionError, match="not a node"):
        loose.paths()
    with pytest.raises(InputError, match="cover="):
        paths(loose.definition, "guards")  # type: ignore[arg-type]


def test_following_a_path_sees_where_the_graph_has_changed() -> None:
    """A guard that differs, and an end that differs: the message says at which turn, and what happened instead."""
    old = graph(("a", "b"), ("b", END, 'last.content.contains("OK")'), ("b", "a"))
    found = old.paths()
    changed = graph(("a", "b"), ("b", END, 'last.content.contains("FINE")'), ("b", "a"))
    with pytest.raises(AssertionError, match=r"turn 4: b says 'OK' -> END \(edge 1\)\nbut b had the turn and b -> a was taken"):
        follow(changed, found[0])
    with pytest.raises(AssertionError, match="should end finished, but is stuck"):
        follow(graph(("a", "b")), ScriptedPath((ScriptedTurn("a", "x", edge=0, target="b"), ScriptedTurn("b", "x"))))
    with pytest.raises(InputError, match="make the paths anew"):
        follow(graph(("b", "a"), ("a", END)), found[0])
    with pytest.raises(InputError, match="no graph inside"):
        follow(old, ScriptedPath((), graph=("a",)))


def test_a_large_graph_is_covered_within_seconds() -> None:
    """200 nodes, 500 guarded transitions."""
    rng = random.Random(7)
    names = [f"n{number}" for number in range(200)]
    rows: list[tuple[Any, ...]] = [(name, rng.choice(names), f'last.content.contains("go {place}")') for place, name in enumerate(names)]
    rows += [(name, rng.choice(names), f"state.score > {rng.randint(1, 9)}") for name in names[::2]]
    chain = [(name, following) for name, following in zip(names, [*names[1:], END], strict=True)]
    made = graph(*chain[:1], *rows, *chain[1:], state=Whole)
    started = time.process_time()
    found = made.paths()
    assert time.process_time() - started < 5
    assert found.covered > 0.99, "only what an earlier transition shadows may be missing"


POOL = [None, None, "declined", 'last.content.contains("x")', "turn > 3", "visits.a < 2", "state.done", "1 > 2", "usage.tokens > 9"]


BEGINNINGS = [None, 'last.content == "x"', '!last.content.contains("x") && turn == 0', "size(messages) > 1", 'sender == "START"']


def random_graph(rng: random.Random) -> ConversationGraph:
    """A small graph in which every node has a way on: what `run` refuses is not to be tested here."""
    names = LETTERS[: rng.randint(1, 5)]
    rows: list[tuple[Any, ...]] = [
        (rng.choice(names), rng.choice([*names, END]), rng.choice(POOL), {"on": on, "priority": rng.choice([0, 0, 1])})
        for on in rng.choices(["reply", "error", "limit"], [6, 1, 1], k=rng.randint(1, 12))
    ]
    rows += [(one, other) for one, other in zip(names, [*names[1:], END], strict=True)]
    if rng.random() < 0.4:
        rows += [(START, rng.choice([*names, END]), rng.choice(BEGINNINGS)) for _ in range(rng.randint(1, 3))]
        rows += [(START, names[0])]
    made = graph(*rows, nodes=" ".join(names), state=Whole, select=rng.choice(["first", "first", "random"]))
    if made.definition.beginning != START:
        made.set_start(names[0])
    return made


def seen_on_random_walks(definition: Definition, rng: random.Random, walks: int = 250) -> set[int]:
    """The transitions that conversations take in which everybody does what they like."""
    seen: set[int] = set()
    for _ in range(walks):
        state, limits = begin(definition, [Message("user", rng.choice(["Begin.", "x"]), "user")]), Limits(turns=rng.randint(1, 9))
        while state.status is None:
            node, usage = state.node, Usage(1, rng.choice([0, 0, 10]))
            said = rng.choice([(), (Message(node, "x"),), (Message(node, "y"),)])
            speaks = Turn(
                node,
                said,
                rng.choice([(), ({"done": True},), ({"done": False},)]),
                rng.choice([None, None, *definition.nodes, END]),
                usage=usage,
            )
            turn = rng.choice([speaks, speaks, speaks, Turn(node, error=ErrorInfo("E", "m", node), usage=usage)])
            state = state if state.choosing else advance(definition, state, turn)
            decided = verdict(definition, state, limits)
            if decided.status is not None:
                break
            edge = rng.choice(list({edge.target: edge for edge in reversed(decided.edges)}.values()))
            seen.add(edge.index)
            state = advance(definition, state, Move(edge.target, edge.index, limit=decided.limit))
    return seen


@pytest.mark.parametrize("part", range(5))
def test_nothing_is_missed_in_random_graphs(part: int) -> None:
    """What is covered is taken by the real run; what is not is never seen on random walks either."""
    for seed in range(5 * part, 5 * part + 5):
        rng = random.Random(seed)
        made = random_graph(rng)
        found = made.paths()
        assert len(walked(made, found)) + len(found.uncovered) == found.total, f"seed {seed}"
        missed = {missing.what.index for missing in found.uncovered if not isinstance(missing.what, str)}
        assert not missed & seen_on_random_walks(made.definition, rng), f"seed {seed}"
        assert all(missing.reason for missing in found.uncovered)


@pytest.mark.parametrize("select", ["first", "round_robin", "auto", "manual"])
def test_each_way_to_begin_is_taken(select: Any) -> None:
    """The input is what brings about who begins under guards; where a selector decides, the script does."""
    made = graph(
        (START, "a", 'last.content.contains("sales")'),
        (START, END, 'last.content == "bye"'),
        (START, "b", "size(messages) == 1"),
        ("a", "b"),
        ("b", END),
        select=select,
    )
    found = check_covered(made)
    assert {path.turns[0].edge for path in found} == {0, 1, 2}
    assert all(path.turns[0].node == START and START not in path.nodes for path in found)
    by_node = made.paths(cover="nodes")
    assert (by_node.uncovered, {name for path in by_node for name in path.nodes}) == ((), {"a", "b"})
    assert "START lets begin -> a" in str(found)


def test_a_way_to_begin_that_is_never_taken_is_said(tmp_path: Path) -> None:
    made = graph((START, "a", "turn > 0"), (START, "b"), ("a", END), ("b", END))
    found = made.paths()
    assert [missing.what for missing in found.uncovered] == [made.definition.edges[0], made.definition.edges[2]]
    assert "guard turn > 0 was false for each input tried" in found.uncovered[0].reason
    stuck = graph((START, "a", "turn > 0"), ("a", END)).paths()
    assert [path.status for path in stuck] == ["stuck"]
    follow(graph((START, "a", "turn > 0"), ("a", END)), stuck[0])
    with pytest.raises(AssertionError, match=r"turn 0: START .*\n.*START -> b"):
        follow(made, ScriptedPath((ScriptedTurn(START, edge=0, target="a"), ScriptedTurn("a", "x", edge=2, target=END))))


ESSAY = """
from convgraph import END, ConversationGraph, Limits

def writer(ctx): raise AssertionError("never runs")
def critic(ctx): raise AssertionError("never runs")

graph = ConversationGraph("essay", limits=Limits(turns=50))
for node in (writer, critic):
    graph.add_node(node)
graph.add_edge(writer, critic)
graph.add_edge(critic, END, when='last.content.contains("APPROVED") && usage.tokens < 100')
graph.add_edge(critic, writer)
graph.add_edge(writer, END, on="error")
graph.add_edge(critic, END, on="limit")
graph.set_start(writer)
"""


def generated_tests(source: str, place: Path) -> list[Callable[[], None]]:
    """The test functions of a generated file."""
    place.write_text(source)
    return [item for name, item in runpy.run_path(str(place)).items() if name.startswith("test_")]


@pytest.mark.parametrize("target", ["essay_graph.py:graph", "essay_graph:graph"])
def test_the_generated_file_passes_and_fails_when_the_graph_changes(target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "essay_graph.py").write_text(ESSAY)
    found: Paths = runpy.run_path("essay_graph.py")["graph"].paths()
    assert not found.uncovered
    source = write_pytest(found, target)

    tests = generated_tests(source, tmp_path / "generated.py")
    assert len(tests) == len(found)
    for test in tests:
        test()

    sys.modules.pop("essay_graph", None)
    (tmp_path / "essay_graph.py").write_text(ESSAY.replace("APPROVED", "REJECTED"))
    invalidate_caches()
    outcomes = list[bool]()
    for test in generated_tests(source, tmp_path / "generated.py"):
        with contextlib.suppress(AssertionError):
            test()
            outcomes.append(True)
    sys.modules.pop("essay_graph", None)
    assert len(outcomes) == len(tests) - 1


def test_the_generated_source_rebuilds_each_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    turn = ScriptedTurn("a", 'it\'s "so" \\n', {"k": [1]}, {"x": 1.5}, ErrorInfo("E", "m"), Usage(1, 2), "b", 0, "b", True, "turns")
    path = ScriptedPath((turn,), "hello", {"x": 0}, Limits(turns=1, visits={"a": 2}), {0: True}, "limited", ("inner",))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "essay_graph.py").write_text(ESSAY)
    (test,) = generated_tests(write_pytest([path], "essay_graph.py:graph"), tmp_path / "generated.py")
    played: list[ScriptedPath] = []
    monkeypatch.setitem(test.__globals__, "follow", lambda graph, path: played.append(path))
    test()
    assert played == [path]


@pytest.mark.parametrize("target", ["", "file.py:", "file.py:not a name", ":x", "a b:c", "file-txt:graph"])
def test_a_target_that_names_no_graph_is_refused(target: str) -> None:
    with pytest.raises(InputError, match="names no graph"):
        write_pytest([], target)
