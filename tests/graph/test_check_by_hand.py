"""check() finds what is wrong with a graph, names it, says where and what to do; and finds nothing in a good one."""

import operator
import re
from typing import Annotated, Any, cast

import pytest
from pydantic import BaseModel

from convgraph.graph.checks import check
from convgraph.graph.definition import Definition, Edge, Limits, Node, On
from convgraph.graph.guards import CelExpression, as_guard
from convgraph.graph.schema import Reducer, StateSchema

EDGE = re.compile(r"(\w+) -> (\w+)(?: on (error|limit))?(?: prio (-?\d+))?(?: if (.+))?")
TURNS = Limits(turns=20)


class Essay(BaseModel):
    score: float = 0
    topics: list[str] = []
    notes: Annotated[list[str], Reducer(operator.add)] = []


ESSAY = StateSchema.of(Essay, "test")


def approved(view: Any) -> bool:
    return "APPROVED" in view.last.text


def node(name: str, kind: Any = "function", **fields: Any) -> Node:
    if isinstance(fields.get("over"), str):
        fields["over"] = CelExpression(fields["over"], "over")
    return Node(name, kind, origin=f"essay.py:{len(name)}", **fields)


def graph(edges: str, *nodes: Node, start: str | None = "a", **fields: Any) -> Definition:
    """A graph from lines such as `a -> b on error prio 2 if turn > 3`; `@` stands for an opaque guard.

    It begins at `start`, or where the edges from START lead.
    """
    made: list[Edge] = []
    for line in filter(None, (line.strip() for line in edges.split(";"))):
        found = EDGE.fullmatch(line)
        assert found, line
        source, target, on, priority, text = found.groups()
        guard = as_guard(approved if text == "@" else text, line)
        made.append(
            Edge(
                source, target, guard, int(priority or 0), on=cast(On, on or "reply"), index=len(made), origin=f"essay.py:{10 + len(made)}"
            )
        )
    start = None if any(edge.source == "START" for edge in made) else start
    named = {item.name: item for item in nodes}
    if not fields.pop("only_given_nodes", False):
        for name in [start, *(edge.source for edge in made), *(edge.target for edge in made)]:
            if name not in (None, "START", "END") and name not in named and name != "nowhere":
                named[name] = node(name)
    return Definition("essay", named, tuple(made), start, **fields)


def typed(name: str, accepts: Any = None, returns: Any = None) -> Node:
    return node(name, detail={key: value for key, value in (("accepts", accepts), ("returns", returns)) if value is not None})


def panel(*branches: Node, **fields: Any) -> Node:
    return node("a", "parallel", branches=branches, **fields)


def each(over: str | None, *bodies: Node, **fields: Any) -> Node:
    return node("a", "foreach", branches=bodies, over=over, **fields)


def writer(name: str, *keys: str) -> Node:
    return node(name, detail={"writes": list(keys)})


INNER = graph("x -> END", start="x")
LOOP = "a -> b; b -> END if last.content.contains('ok'); b -> a"

GOOD: dict[str, Definition] = {
    "one node": graph("a -> END"),
    "chain": graph("a -> b; b -> c; c -> END"),
    "else edge": graph("a -> b if declined; a -> END; b -> END"),
    "else edge by priority": graph("a -> END prio -1; a -> b if declined; b -> END"),
    "negation is an else edge": graph("a -> b if declined; a -> END if !(declined); b -> END"),
    "bare negation is an else edge": graph("a -> b if last.content.contains('x'); a -> END if !last.content.contains('x'); b -> END"),
    "constant true is an else edge": graph("a -> b if declined; a -> END if true; b -> END"),
    "turn >= 1 always holds": graph("a -> b if declined; a -> END if turn >= 1; b -> END"),
    "loop with a limit on turns": graph(LOOP, limits=TURNS),
    "loop with a limit on seconds": graph(LOOP, limits=Limits(seconds=60)),
    "loop with a limit on visits of all": graph(LOOP, limits=Limits(visits=3)),
    "loop with a limit on visits of one": graph(LOOP, limits=Limits(visits={"b": 3})),
    "agents' loop with a limit on tokens": graph(LOOP, node("a", "agent"), node("b", "agent"), limits=Limits(tokens=1000)),
    "loop with a model call in it and a limit on money": graph(LOOP, node("a", "agent"), limits=Limits(usd=1)),
    "loop bounded by a lapsing guard": graph("a -> a if turn < 5; a -> END"),
    "loop bounded by a lapsing guard and more": graph("a -> a if declined && turn < 5; a -> END"),
    "loop bounded by visits of its own node": graph("a -> a if visits.a < 5; a -> END"),
    "loop bounded by visits in brackets": graph("a -> a if visits['a'] <= 5 || turn < 3; a -> END"),
    "loop bounded by a guard before it": graph("a -> END if turn >= 5; a -> a"),
    "loop bounded by one of the reasons to end": graph("a -> END if declined || turn > 5; a -> a"),
    "loop bounded by a higher priority": graph("a -> a; a -> END prio 1 if turn >= 5", select="round_robin"),
    "self loop": graph("a -> a if declined; a -> END", limits=TURNS),
    "who begins is chosen by guards": graph("START -> a if last.content.contains('draft'); START -> b; a -> END; b -> END"),
    "who begins is chosen by a selector": graph("START -> a; START -> b; START -> END; a -> END; b -> END", select="auto"),
    "nobody needs to speak": graph("START -> END if last.content == ''; START -> a; a -> END"),
    "before the first turn, none has been made": graph("START -> a if turn < 1; START -> b; a -> END; b -> END"),
    "turn >= 0 always holds at START": graph("START -> b if declined; START -> a if turn >= 0; a -> END; b -> END"),
    "a fallback among those who may begin": graph("START -> a; START -> b; a -> END; b -> END", select="auto", fallback="b"),
    "only one of two can begin with it": graph(
        "b -> a; a -> END",
        typed("b", returns="Draft"),
        node("a", "graph", inner=graph("START -> x if declined; START -> y; x -> END; y -> END", typed("x", accepts="Review"), node("y"))),
        start="b",
    ),
    "a branch in which one beginning reaches its END": graph(
        "a -> END", panel(node("z", "graph", inner=graph("START -> x if declined; START -> y; x -> END; y -> END")))
    ),
    "error edge to a helper": graph("a -> END; a -> b on error; b -> END"),
    "guarded error edges need no else": graph("a -> END; a -> b on error if error.type == 'ValueError'; b -> END"),
    "limit edge to a summary": graph("a -> a; a -> b on limit; b -> END", limits=TURNS),
    "a loop that only a limit ends": graph("a -> b; b -> a; a -> END on limit; b -> END on limit", limits=TURNS),
    "opaque guard with an else edge": graph("a -> b if @; a -> END; b -> END"),
    "several unguarded edges for a selector": graph("a -> b; a -> c; b -> END; c -> END", select="auto"),
    "several unguarded edges by turns": graph("a -> b; a -> c; b -> END; c -> END", select="round_robin"),
    "several unguarded edges at one node": graph("a -> b; a -> c; b -> END; c -> END", node("a", select="manual")),
    "same guard, chosen among": graph("a -> b if declined; a -> c if declined; a -> END; b -> END; c -> END", select="random"),
    "a fallback among the targets": graph("a -> b; a -> END; b -> END", node("a", fallback="b"), select="auto"),
    "END as the fallback": graph("a -> b; a -> END; b -> END", node("a", fallback="END"), select="auto"),
    "the chair is the fallback of all others": graph(
        "a -> b; a -> c; b -> a; b -> c; c -> a; c -> b; a -> END; b -> END; c -> END", select="auto", fallback="a", limits=TURNS
    ),
    "a fallback that first never needs": graph("a -> b if declined; a -> END; b -> END", fallback="a"),
    "declared key": graph("a -> b if state.score > 3.0; a -> END; b -> END", state=ESSAY),
    "declared key in brackets": graph("a -> b if state['score'] > 3.0; a -> END; b -> END", state=ESSAY),
    "the state as a whole": graph("a -> b if size(state) > 0; a -> END; b -> END", state=ESSAY),
    "visits of a node": graph("a -> b if visits.b < 2; a -> END; b -> END"),
    "visits of a branch": graph("a -> END if visits.x > 0; a -> END", panel(node("x")), limits=TURNS),
    "a word in a literal": graph("""a -> b if last.content.contains("visits.zoe state.zoe"); a -> END; b -> END"""),
    "parallel": graph("a -> END", panel(node("x"), node("y"))),
    "parallel of one": graph("a -> END", panel(node("x"))),
    "parallel of a group and a graph": graph(
        "a -> END", panel(node("x", "parallel", branches=(node("y"),)), node("z", "graph", inner=INNER))
    ),
    "parallel writers of different fields": graph("a -> END", panel(writer("x", "score"), writer("y", "topics")), state=ESSAY),
    "parallel writers with a reducer": graph("a -> END", panel(writer("x", "notes"), writer("y", "notes")), state=ESSAY),
    "foreach over the state": graph("a -> END", each("state.topics", node("x")), state=ESSAY),
    "foreach over a constant": graph("a -> END", each("[1, 2, 3]", node("x"), concurrency=2)),
    "foreach over messages": graph("a -> END", each("messages.map(m, m.content)", node("x"))),
    "foreach writers with a reducer": graph("a -> END", each("state.topics", writer("x", "notes")), state=ESSAY),
    "sub-graph": graph("a -> END", node("a", "graph", inner=INNER)),
    "a loop in a sub-graph under the outer limit": graph(
        "a -> END", node("a", "graph", inner=graph("x -> x if declined; x -> END", start="x")), limits=TURNS
    ),
    "matching types": graph("a -> b; b -> END", typed("a", returns="Draft"), typed("b", accepts="Draft | Review")),
    "types that say nothing": graph("a -> b; b -> END", typed("a", returns="Reply"), typed("b", accepts="Draft")),
    "one side without types": graph("a -> b; b -> END", typed("a"), typed("b", accepts="Draft")),
    "text is taken from anything": graph("a -> b; b -> END", typed("a", returns="Draft"), typed("b", accepts="str")),
    "an optional result": graph("a -> b; b -> END", typed("a", returns="Optional[Draft]"), typed("b", accepts="Draft")),
    "a subclass": graph("a -> b; b -> END", typed("a", returns=["Essay", "Draft"]), typed("b", accepts="Draft")),
    "a mapping may fit a model": graph("a -> b; b -> END", typed("a", returns="dict[str, int]"), typed("b", accepts="Draft")),
    "an int is a float": graph("a -> b; b -> END", typed("a", returns="int"), typed("b", accepts={"type": "number"})),
    "no type to take after an error": graph(
        "a -> END; a -> b on error; b -> END", typed("a", returns="Draft"), typed("b", accepts="Review")
    ),
    "types through a group": graph("a -> b; b -> END", panel(typed("x", returns="Draft"), node("y")), typed("b", accepts="Review")),
    "types through a sub-graph": graph(
        "a -> b; b -> END", node("a", "graph", inner=graph("x -> END", typed("x", returns="Draft"), start="x")), typed("b", accepts="Draft")
    ),
}

BAD: dict[str, tuple[str, Definition]] = {
    "no way out": ("dead-end", graph("a -> b")),
    "only an error edge": ("dead-end", graph("a -> END on error")),
    "only a limit edge": ("dead-end", graph("a -> END on limit", limits=TURNS)),
    "only an edge that is never enabled": ("dead-end", graph("a -> END if false")),
    "a turn before the first": ("dead-end", graph("a -> END if turn < 1")),
    "a single node without edges": ("dead-end", graph("", node("a"))),
    "no way out in a sub-graph": ("dead-end", graph("a -> END", node("a", "graph", inner=graph("x -> y", start="x")))),
    "no way out in a branch": ("dead-end", graph("a -> END", panel(node("z", "graph", inner=graph("x -> y", start="x"))))),
    "nobody can begin": ("dead-end", graph("START -> a if false; a -> END")),
    "a turn before START": ("dead-end", graph("START -> a if turn < 0; a -> END")),
    "no way out for one who may begin": ("dead-end", graph("START -> a if declined; START -> b; b -> END", node("a"))),
    "a trap for one who may begin": ("trap-cycle", graph("START -> a if declined; START -> b; b -> END; a -> a", limits=TURNS)),
    "no END at all": ("trap-cycle", graph("a -> b; b -> a", limits=TURNS)),
    "a loop on itself": ("trap-cycle", graph("a -> a", limits=TURNS)),
    "a region that nothing leaves": ("trap-cycle", graph("a -> END if declined; a -> b; b -> c; c -> b", limits=TURNS)),
    "only an error leads out": ("trap-cycle", graph("a -> b; b -> a; a -> END on error", limits=TURNS)),
    "the way out is never enabled": ("trap-cycle", graph("a -> END if 1 > 2; a -> a", limits=TURNS)),
    "a trap in a sub-graph": ("trap-cycle", graph("a -> END", node("a", "graph", inner=graph("x -> x", start="x")), limits=TURNS)),
    "a trap behind a limit edge": ("trap-cycle", graph("a -> END; a -> b on limit; b -> b", limits=TURNS)),
    "undeclared key": ("undeclared-key", graph("a -> b if state.scroe > 3.0; a -> END; b -> END", state=ESSAY)),
    "undeclared key in brackets": ("undeclared-key", graph("a -> b if state['grade'] > 3; a -> END; b -> END", state=ESSAY)),
    "a key without a state": ("undeclared-key", graph("a -> b if state.score > 3.0; a -> END; b -> END")),
    "foreach over an undeclared key": ("undeclared-key", graph("a -> END", each("state.subjects", node("x")), state=ESSAY)),
    "an undeclared key is written": ("undeclared-key", graph("a -> END", writer("a", "grade"), state=ESSAY)),
    "an undeclared key is written in a branch": ("undeclared-key", graph("a -> END", panel(writer("x", "grade")), state=ESSAY)),
    "parallel of nothing": ("unfillable-join", graph("a -> END", panel())),
    "branches of one name": ("unfillable-join", graph("a -> END", panel(node("x"), node("x")))),
    "no room for a branch": ("unfillable-join", graph("a -> END", panel(node("x"), concurrency=0))),
    "parallel over a list": ("unfillable-join", graph("a -> END", panel(node("x"), over="[1]"))),
    "foreach without a body": ("unfillable-join", graph("a -> END", each("[1]"))),
    "foreach with two bodies": ("unfillable-join", graph("a -> END", each("[1]", node("x"), node("y")))),
    "foreach over nothing": ("unfillable-join", graph("a -> END", each(None, node("x")))),
    "foreach over a number": ("unfillable-join", graph("a -> END", each("3", node("x")))),
    "foreach over a text": ("unfillable-join", graph("a -> END", each("'abc'", node("x")))),
    "foreach over an empty list": ("unfillable-join", graph("a -> END", each("[]", node("x")))),
    "foreach over a scalar field": ("unfillable-join", graph("a -> END", each("state.score", node("x")), state=ESSAY)),
    "a branch that never ends": (
        "unfillable-join",
        graph("a -> END", panel(node("z", "graph", inner=graph("x -> x", start="x"))), limits=TURNS),
    ),
    "a branch that never ends, whoever begins": (
        "unfillable-join",
        graph("a -> END", panel(node("z", "graph", inner=graph("START -> x if declined; START -> y; x -> y; y -> x"))), limits=TURNS),
    ),
    "a branch that nobody can begin": (
        "unfillable-join",
        graph("a -> END", panel(node("z", "graph", inner=graph("START -> x if false; x -> END")))),
    ),
    "a group in a group of nothing": ("unfillable-join", graph("a -> END", panel(node("x", "parallel")))),
    "branches write one field": ("shared-key", graph("a -> END", panel(writer("x", "score"), writer("y", "score")), state=ESSAY)),
    "a group's branches write one field": (
        "shared-key",
        graph("a -> END", panel(node("p", "parallel", branches=(writer("x", "score"),)), writer("y", "score")), state=ESSAY),
    ),
    "foreach writes one field": ("shared-key", graph("a -> END", each("state.topics", writer("x", "score")), state=ESSAY)),
    "a target that is no node": ("unknown-endpoint", graph("a -> nowhere")),
    "a source that is no node": ("unknown-endpoint", graph("a -> END; nowhere -> a")),
    "a start that is no node": ("unknown-endpoint", graph("a -> END", node("a"), start="nowhere", only_given_nodes=True)),
    "END as the start": ("unknown-endpoint", graph("a -> END", start="END")),
    "a beginning that is no node": ("unknown-endpoint", graph("START -> nowhere; a -> END")),
    "a branch as the target": ("unknown-endpoint", graph("a -> x", panel(node("x")), only_given_nodes=True)),
    "an unknown target in a sub-graph": ("unknown-endpoint", graph("a -> END", node("a", "graph", inner=graph("x -> nowhere", start="x")))),
    "a fallback that is no node": ("unknown-agent", graph("a -> END", fallback="nowhere")),
    "a node's fallback that is no node": ("unknown-agent", graph("a -> END", node("a", fallback="nowhere"))),
    "a limit on visits of nobody": ("unknown-agent", graph("a -> END", limits=Limits(visits={"nobody": 2}))),
    "a guard on visits of nobody": ("unknown-agent", graph("a -> b if visits.nobody < 2; a -> END; b -> END")),
    "a sub-graph without a graph": ("unknown-agent", graph("a -> END", node("a", "graph"))),
    "no start": ("missing-start", graph("a -> END", start=None)),
    "nothing at all": ("missing-start", graph("", start=None)),
    "no start in a sub-graph": ("missing-start", graph("a -> END", node("a", "graph", inner=graph("x -> END", start=None)))),
    "a model that is not accepted": ("type-mismatch", graph("a -> b; b -> END", typed("a", returns="Draft"), typed("b", accepts="Review"))),
    "a text for a model": ("type-mismatch", graph("a -> b; b -> END", typed("a", returns="str"), typed("b", accepts="Review"))),
    "a union of which nothing is accepted": (
        "type-mismatch",
        graph("a -> b; b -> END", typed("a", returns="Draft | Note | None"), typed("b", accepts="Review | None")),
    ),
    "schemas that differ": (
        "type-mismatch",
        graph(
            "a -> b; b -> END",
            node("a", detail={"output": {"type": "object", "title": "Draft"}}),
            node("b", detail={"input": {"type": ["integer", "null"]}}),
        ),
    ),
    "one branch does not accept it": (
        "type-mismatch",
        graph("b -> a; a -> END", typed("b", returns="Draft"), panel(typed("x", accepts="Draft"), typed("y", accepts="Review")), start="b"),
    ),
    "a sub-graph's start does not accept it": (
        "type-mismatch",
        graph(
            "b -> a; a -> END",
            typed("b", returns="Draft"),
            node("a", "graph", inner=graph("x -> END", typed("x", accepts="Review"), start="x")),
            start="b",
        ),
    ),
    "nobody who may begin accepts it": (
        "type-mismatch",
        graph(
            "b -> a; a -> END",
            typed("b", returns="Draft"),
            node(
                "a",
                "graph",
                inner=graph(
                    "START -> x if declined; START -> y; x -> END; y -> END", typed("x", accepts="Review"), typed("y", accepts="int")
                ),
            ),
            start="b",
        ),
    ),
    "a node that nobody who may begin leads to": ("unreachable-node", graph("START -> a; START -> b if declined; a -> END; b -> END")),
    "a node that no edge leads to": ("unreachable-node", graph("a -> END; b -> END")),
    "a node without any edge": ("unreachable-node", graph("a -> END", node("a"), node("z"))),
    "a region that no edge leads to": ("unreachable-node", graph("a -> END; b -> c; c -> b; c -> END", limits=TURNS)),
    "a node behind an edge that is never enabled": ("unreachable-node", graph("a -> b if turn == 0; a -> END; b -> END")),
    "an edge that is never enabled": ("never-enabled", graph("a -> b if false; a -> b if declined; a -> END; b -> END")),
    "below an unguarded edge": ("shadowed-edge", graph("a -> END; a -> b; b -> END")),
    "below an edge that always holds": ("shadowed-edge", graph("a -> END if true; a -> b if declined; b -> END")),
    "below an unguarded edge of higher priority": ("shadowed-edge", graph("a -> b if declined; a -> END prio 2; b -> END")),
    "below an unguarded edge from START": ("shadowed-edge", graph("START -> a; START -> END if declined; a -> END")),
    "lower priority at START, chosen among": ("shadowed-edge", graph("START -> a prio 1; START -> END; a -> END", select="auto")),
    "below the same guard": ("shadowed-edge", graph("a -> b if declined; a -> a if declined; a -> END; b -> END", limits=TURNS)),
    "lower priority, chosen among": ("shadowed-edge", graph("a -> b prio 1; a -> END; b -> END", select="auto")),
    "error edges, too": ("shadowed-edge", graph("a -> END; a -> END on error; a -> b on error; b -> END")),
    "limit edges are always in order": (
        "shadowed-edge",
        graph("a -> END; a -> END on limit; a -> b on limit; b -> END", select="auto", limits=TURNS),
    ),
    "no else edge": ("guard-gap", graph("a -> b if declined; a -> END if turn > 3; b -> END")),
    "no else edge at START": ("guard-gap", graph("START -> a if declined; START -> b if turn > 3; a -> END; b -> END")),
    "an else edge for errors only": ("guard-gap", graph("a -> END if declined; a -> END on error")),
    "not quite a negation": ("guard-gap", graph("a -> b if declined && turn > 2; a -> END if !declined && turn > 2; b -> END")),
    "no limit": ("unbounded-cycle", graph(LOOP)),
    "a limit on another node": ("unbounded-cycle", graph(LOOP + "; a -> c on error; c -> END", limits=Limits(visits={"c": 3}))),
    "functions cost no tokens": ("unbounded-cycle", graph(LOOP, limits=Limits(tokens=1000))),
    "trying again without end": ("unbounded-cycle", graph("a -> END; a -> a on error")),
    "a guard on another node's visits": (
        "unbounded-cycle",
        graph("a -> c if declined; a -> END; c -> a if visits.b < 3; c -> END; b -> END"),
    ),
    "an end only if more is true": ("unbounded-cycle", graph("a -> END if declined && turn > 5; a -> a")),
    "a comment is no guard": ("unbounded-cycle", graph("a -> END if declined // || turn > 5\n; a -> a")),
    "an opaque guard on the only way to begin": ("opaque-guard", graph("START -> a if @; a -> END")),
    "an opaque guard on the only way out": ("opaque-guard", graph("a -> END if @")),
    "a fallback that is no target": (
        "fallback-not-a-target",
        graph("a -> b; a -> END; b -> c; c -> END", node("a", fallback="c"), select="auto"),
    ),
    "a fallback that cannot begin": (
        "fallback-not-a-target",
        graph("START -> a; START -> b; a -> c; b -> END; c -> END", select="auto", fallback="c"),
    ),
    "a graph's fallback that is no target": (
        "fallback-not-a-target",
        graph("a -> b; a -> END; b -> c; c -> END", select="auto", fallback="c"),
    ),
}
WARNINGS = {
    "unreachable-node",
    "never-enabled",
    "shadowed-edge",
    "guard-gap",
    "unbounded-cycle",
    "opaque-guard",
    "fallback-not-a-target",
}


@pytest.mark.parametrize("name", GOOD)
def test_a_good_graph_has_no_findings(name: str) -> None:
    assert [str(finding) for finding in check(GOOD[name])] == []


@pytest.mark.parametrize("name", BAD)
def test_a_bad_graph_is_found_out(name: str) -> None:
    code, definition = BAD[name]
    findings = check(definition)
    assert code in {finding.code for finding in findings}
    for finding in findings:
        assert finding.severity == ("warning" if finding.code in WARNINGS else "error")
        assert finding.where.startswith("graph 'essay'")
        assert finding.message
        assert finding.hint


def test_the_tables_are_as_long_as_promised() -> None:
    assert len(GOOD) >= 40
    assert len(BAD) >= 40
    assert {code for code, _ in BAD.values()} >= WARNINGS


def test_what_is_wrong_at_the_start_says_so() -> None:
    gap, opaque = check(graph("START -> a if @; a -> END"))
    assert (gap.where, gap.message.partition(" (")[0]) == ("graph 'essay'", "every way from START is guarded")
    assert opaque.where == "graph 'essay', edge START -> a (essay.py:10)"
    lost = next(finding for finding in check(graph("START -> END; a -> END")) if finding.code == "unreachable-node")
    assert lost.message == "no way leads here from START"


def test_an_error_comes_before_a_warning() -> None:
    findings = check(graph("a -> b if declined; b -> nowhere"))
    assert [finding.severity for finding in findings] == ["error", "warning"]


def test_a_finding_says_where_down_to_the_line() -> None:
    inner = graph("legal -> style", start="legal")
    found = check(graph("a -> END", panel(node("review", "graph", inner=inner))))
    dead_end = next(finding for finding in found if finding.code == "dead-end")
    assert dead_end.where == "graph 'essay', node 'a/review/style' (essay.py:5)"
    edge = check(graph("a -> END; a -> b; b -> END"))[0]
    assert edge.where == "graph 'essay', edge a -> b (essay.py:11)"
    assert str(edge).startswith("warning shadowed-edge: graph 'essay', edge a -> b (essay.py:11): it is never chosen")
    nested = check(graph("a -> END", node("a", "graph", inner=graph("x -> END; x -> y; y -> END", start="x"))))[0]
    assert nested.where == "graph 'essay', node 'a', edge x -> y (essay.py:11)"


def test_a_wrong_name_gets_a_suggestion() -> None:
    definition = graph("critic -> critik; critic -> END if declined", node("critic"), start="critic", only_given_nodes=True)
    unknown = next(finding for finding in check(definition) if finding.code == "unknown-endpoint")
    assert unknown.hint == "did you mean 'critic'?"
    branch = next(finding for finding in check(BAD["a branch as the target"][1]) if finding.code == "unknown-endpoint")
    assert "branch of 'a'" in branch.hint


def test_one_fault_is_reported_once_and_not_again_by_its_consequences() -> None:
    assert [finding.code for finding in check(graph("a -> b; b -> c; c -> d"))] == ["dead-end"]
    assert [finding.code for finding in check(graph("a -> b; b -> nowhere"))] == ["unknown-endpoint"]
    assert [finding.code for finding in check(graph("a -> b; b -> c; c -> b", limits=TURNS))] == ["trap-cycle"]


def test_a_trap_is_shown_as_a_way_around() -> None:
    found = check(graph("a -> b; b -> c; c -> d; d -> b; d -> d", limits=TURNS))
    trap = next(finding for finding in found if finding.code == "trap-cycle")
    assert "b -> c -> d -> b" in trap.message


def test_speakers_are_asked_for_by_path_only_where_they_are_known() -> None:
    definition = graph("a -> b; b -> END", panel(node("x"), node("y")), node("b", "graph", inner=INNER))
    assert check(definition) == []
    assert check(definition, known_speakers=frozenset({"a/x", "a/y", "b/x"})) == []
    findings = check(definition, known_speakers=frozenset({"a/x"}))
    assert [(finding.code, finding.where) for finding in findings] == [
        ("unknown-agent", "graph 'essay', node 'a/y' (essay.py:1)"),
        ("unknown-agent", "graph 'essay', node 'b/x' (essay.py:1)"),
    ]


def test_a_group_of_a_hundred_is_checked_at_once() -> None:
    names = [f"agent{number}" for number in range(100)]
    pairs = [f"{one} -> {other}" for one in names for other in names if one != other]
    definition = graph("; ".join([*pairs, *(f"{name} -> END" for name in names)]), start="agent0", select="auto")
    findings = check(definition)
    assert [finding.code for finding in findings] == ["unbounded-cycle"]
    assert len(str(findings[0])) < 400
