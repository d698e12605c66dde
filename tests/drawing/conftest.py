"""Small graphs for the drawing tests."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pytest

from convgraph.graph.definition import END, START, Builder, Definition, Edge, Node
from convgraph.graph.guards import CelExpression, as_guard

GraphMaker = Callable[..., Definition]


def make_graph(name: str, nodes: Iterable[str | Node], edges: Iterable[tuple[Any, ...]], **settings: Any) -> Definition:
    """A definition from names (agents) or nodes, and edges `(source, target, {"when": …, "label": …})`."""
    builder = Builder(name)
    for node in nodes:
        builder.node(node if isinstance(node, Node) else Node(node, "agent"))
    for source, target, *rest in edges:
        options: Mapping[str, Any] = rest[0] if rest else {}
        guard = as_guard(options.get("when"), "test")
        builder.edge(Edge(source, target, guard, **{key: value for key, value in options.items() if key != "when"}))
    chosen = any(edge.source == START for edge in builder.edges)
    start = settings.pop("start", None if chosen else next(iter(builder.nodes), None))
    return Definition(name, builder.nodes, tuple(builder.edges), start, **settings)


@pytest.fixture(scope="session")
def graph_of() -> GraphMaker:
    return make_graph


def approves(view: Any) -> bool:
    """An opaque guard."""
    return view.last is not None


@pytest.fixture(scope="session")
def essay() -> Definition:
    """Two agents and every kind of edge."""
    return make_graph(
        "essay",
        ["writer", "critic", Node("score", "function")],
        [
            ("writer", "critic"),
            ("critic", END, {"when": 'last.content.contains("APPROVED")', "label": "approved"}),
            ("critic", END, {"when": approves, "priority": 2}),
            ("critic", "writer"),
            ("writer", "score", {"on": "error"}),
            ("writer", END, {"on": "limit", "label": "out of budget"}),
            ("score", END),
        ],
    )


@pytest.fixture(scope="session")
def team() -> Definition:
    """Six agents, each of whom may hand over to every other, and end the conversation."""
    names = ["planner", "researcher", "coder", "tester", "reviewer", "admin"]
    everyone = [(one, other) for one in names for other in names if one != other]
    ends = [(name, END, {"when": 'last.content.contains("TERMINATE")', "priority": 1}) for name in names]
    return make_graph("team", names, [*everyone, *ends], select="auto", start="admin")


@pytest.fixture(scope="session")
def reception() -> Definition:
    """It is chosen who begins, in the graph and in its sub-graph."""
    desk = make_graph(
        "desk", ["clerk", "expert"], [(START, "expert", {"when": "turn > 3"}), (START, "clerk"), ("clerk", END), ("expert", END)]
    )
    return make_graph(
        "reception",
        ["sales", "support", Node("desk", "graph", inner=desk)],
        [
            (START, "sales", {"when": 'last.content.contains("buy")', "label": "to sales"}),
            (START, END, {"when": approves, "priority": -1}),
            (START, "desk"),
            ("sales", "support", {"when": 'last.content == "no"'}),
            ("sales", END),
            ("support", "desk"),
            ("desk", END),
        ],
    )


@pytest.fixture(scope="session")
def publishing() -> Definition:
    """A sub-graph, a parallel group with a sub-graph in it, and a for-each."""
    review = make_graph("review", ["critic", "judge"], [("critic", "judge"), ("judge", END, {"when": "turn > 1"}), ("judge", "critic")])
    deep = make_graph("deep", ["ask", "tell"], [("ask", "tell"), ("tell", END)])
    panel = Node("panel", "parallel", branches=(Node("legal", "agent"), Node("tech", "graph", inner=deep), Node("sales", "function")))
    each = Node("each", "foreach", branches=(Node("translate", "agent"),), over=CelExpression("state.languages", "test"))
    return make_graph(
        "publish",
        ["author", Node("review", "graph", inner=review), panel, each],
        [
            ("author", "review"),
            ("review", "author", {"when": 'last.content.contains("redo")'}),
            ("review", "review", {"when": "turn < 3"}),
            ("review", "panel"),
            ("panel", "author", {"on": "error"}),
            ("panel", "each"),
            ("each", END),
        ],
    )
