"""What is drawn is what can run: a picture leaves no edge out, adds none, and shows a crowd of edges as a hub."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convgraph.drawing import to_dot
from convgraph.drawing.dot import dom_id
from convgraph.drawing.picture import Picture, PictureEdge, picture_of
from convgraph.errors import InputError
from convgraph.graph.definition import END, START, Builder, Definition, Edge, Limits, Node, Retry
from convgraph.graph.guards import as_guard

GUARDS = [None, as_guard("turn > 1", "test"), as_guard("declined", "test")]


@st.composite
def definitions(draw: Any, depth: int = 2) -> Definition:
    """Random graphs: some edges at random, some full groups (with and without loops), sub-graphs and parallel groups inside."""
    builder = Builder("random")
    names = [f"n{number}" for number in range(draw(st.integers(1, 7)))]
    for name in names:
        kind = draw(st.sampled_from(["agent", "function", "graph", "parallel"] if depth else ["agent"]))
        inner = draw(definitions(depth - 1)) if kind == "graph" else None
        branches = tuple(Node(f"b{number}", "agent") for number in range(draw(st.integers(0, 3)))) if kind == "parallel" else ()
        builder.node(Node(name, kind, inner=inner, branches=branches))
    pairs = draw(st.lists(st.tuples(st.sampled_from(names), st.sampled_from([*names, END, "ghost"])), max_size=15))
    crowd = draw(st.sampled_from([[], names]))
    loops = draw(st.booleans())
    pairs += [(one, other) for one in crowd for other in crowd if loops or one != other]
    pairs += [(one, END) for one in crowd]
    same = draw(st.booleans())
    for source, target in draw(st.permutations(pairs)):
        guard = None if same else draw(st.sampled_from(GUARDS))
        builder.edge(
            Edge(source, target, guard, on=draw(st.sampled_from(["reply", "reply", "reply", "error", "limit"])) if not same else "reply")
        )
    start = draw(st.sampled_from([None, *names]))
    return Definition("random", builder.nodes, tuple(builder.edges), start, select=draw(st.sampled_from(["first", "auto"])))


def arrows_of(graph: Definition, path: str = "") -> Iterator[tuple[str, str, str, int]]:
    """Every edge of a definition as (path of its graph, source, target, index), sub-graphs included."""
    for edge in graph.edges:
        yield path, edge.source, edge.target, edge.index
    for node in graph.nodes.values():
        if node.inner is not None and node.inner.nodes:
            yield from arrows_of(node.inner, f"{path}/{node.name}".lstrip("/"))


def arrows_in(picture: Picture, graph: Definition) -> Iterator[tuple[str, str, str, int]]:
    """Every edge that the picture shows, hubs expanded, read off its arrows' ends."""
    for arrow in picture.edges:
        for index in arrow.stands_for:
            source, target = own_name(arrow.leaves or arrow.source), own_name(arrow.enters or arrow.target)
            edge = graph_at(graph, arrow.graph).edge(index)
            yield arrow.graph, edge.source if source is None else source, edge.target if target is None else target, index


def own_name(id: str) -> str | None:
    """The node's name in its graph; None for a hub, which is any of its members, and for `everyone`."""
    name = id.rpartition("/")[2]
    return None if name.startswith((":hub", ":everyone")) else name


def graph_at(graph: Definition, path: str) -> Definition:
    for name in path.split("/") if path else ():
        inner = graph.nodes[name].inner
        assert inner is not None
        graph = inner
    return graph


def spokes(picture: Picture, hub: str) -> dict[str, PictureEdge]:
    return {edge.source: edge for edge in picture.edges if edge.both and edge.target == hub}


@settings(max_examples=80, deadline=None)
@given(definitions())
def test_the_edges_drawn_are_the_edges_defined(graph: Definition) -> None:
    picture = picture_of(graph)
    assert Counter(arrows_in(picture, graph)) == Counter(arrows_of(graph))


@settings(max_examples=50, deadline=None)
@given(definitions())
def test_a_hub_stands_only_for_edges_among_its_members_or_out_of_all_of_them(graph: Definition) -> None:
    picture = picture_of(graph)
    for hub in (node for node in picture.nodes if node.shape == "hub"):
        members = {own_name(edge.leaves or edge.source) for edge in spokes(picture, hub.id).values()}
        assert len(members) >= 4
        for edge in spokes(picture, hub.id).values():
            targets = {graph_at(graph, edge.graph).edge(index).target for index in edge.stands_for}
            assert targets | {own_name(edge.leaves or edge.source)} == members
        for edge in (edge for edge in picture.edges if edge.source == hub.id):
            assert {graph_at(graph, edge.graph).edge(index).source for index in edge.stands_for} == members
    for edge in picture.edges:
        shown = [graph_at(graph, edge.graph).edge(index) for index in edge.stands_for]
        assert len({(one.guard, one.priority, one.label, one.on) for one in shown}) <= 1


@settings(max_examples=50, deadline=None)
@given(definitions(), st.integers(0, 2))
def test_every_arrow_ends_at_something_that_is_drawn_and_every_id_is_its_own(graph: Definition, depth: int) -> None:
    picture = picture_of(graph, depth=depth)
    nodes = [node.id for node in picture.nodes]
    clusters = {cluster.id for cluster in picture.clusters}
    assert {end for edge in picture.edges for end in (edge.source, edge.target)} <= set(nodes)
    assert {node.cluster for node in picture.nodes} | {cluster.parent for cluster in picture.clusters} <= clusters | {""}
    for kind, ids in (("node", nodes), ("edge", [edge.id for edge in picture.edges]), ("cluster", list(clusters))):
        assert len({dom_id(kind, one) for one in ids}) == len(ids)
    assert to_dot(picture) == to_dot(picture_of(graph, depth=depth))


def test_a_fully_connected_group_is_one_hub(team: Definition) -> None:
    """36 edges are 8 arrows: START, six spokes, and one way out that all members share."""
    picture = picture_of(team)
    (hub,) = [node for node in picture.nodes if node.shape == "hub"]
    assert hub.notes == ("select: auto",)
    assert len(picture.edges) == 8
    (out,) = [edge for edge in picture.edges if edge.source == hub.id]
    assert (out.target, out.guard, out.priority, len(out.stands_for)) == (END, 'last.content.contains("TERMINATE")', 1, 6)


def test_ways_to_end_that_all_nodes_share_are_drawn_once(graph_of: Any) -> None:
    """In a ring of five with two ways to end, 15 edges are 8 arrows: START, the ring, and each way to end."""
    ends = [{"when": "turn > 9", "label": "enough"}, {"when": 'last.content == "STOP"', "label": "stop"}]
    ring = list(zip("abcde", "bcdea", strict=True))
    graph = graph_of("ring", "abcde", [*((name, END, end) for end in ends for name in "abcde"), *ring])
    picture = picture_of(graph)
    (everyone,) = [node for node in picture.nodes if node.shape == "everyone"]
    shared = [edge for edge in picture.edges if edge.source == everyone.id]

    assert [(edge.target, edge.label, len(edge.stands_for)) for edge in shared] == [(END, "enough", 5), (END, "stop", 5)]
    assert len(picture.edges) == 8
    assert Counter(arrows_in(picture, graph)) == Counter(arrows_of(graph))


def test_a_way_to_end_that_one_node_lacks_or_that_has_no_condition_is_drawn_arrow_by_arrow(graph_of: Any) -> None:
    ring = list(zip("abcde", "bcdea", strict=True))
    lacking = graph_of("ring", "abcde", [*((name, END, {"when": "turn > 9"}) for name in "abcd"), *ring])
    plain = graph_of("star", "abcde", [(name, END) for name in "abcde"])

    for graph in (lacking, plain):
        assert not [node for node in picture_of(graph).nodes if node.shape == "everyone"]


def test_a_group_with_different_guards_is_drawn_arrow_by_arrow(graph_of: Any) -> None:
    names = "abcd"
    graph = graph_of(
        "g", names, [(a, b, {"when": f"turn > {i}"}) for i, (a, b) in enumerate((a, b) for a in names for b in names if a != b)]
    )
    picture = picture_of(graph)
    assert not [node for node in picture.nodes if node.shape == "hub"]
    assert len(picture.edges) == 12 + 1


def test_equal_guards_are_named_once_at_the_hub(graph_of: Any) -> None:
    names = "abcd"
    graph = graph_of("g", names, [(a, b, {"when": "turn < 9"}) for a in names for b in names if a != b], select="round_robin")
    (hub,) = [node for node in picture_of(graph).nodes if node.shape == "hub"]
    assert hub.notes == ("select: round_robin", "when turn < 9")


def test_three_are_no_crowd(graph_of: Any) -> None:
    graph = graph_of("g", "abc", [(a, b) for a in "abc" for b in "abc" if a != b])
    assert len(picture_of(graph).edges) == 6 + 1


def test_the_order_of_consideration_is_shown_where_it_decides(essay: Definition) -> None:
    edges = {edge.id: edge for edge in picture_of(essay).edges}
    assert edges["#2"].order == (1,)  # the higher priority comes first
    assert edges["#1"].order == (2,)
    assert (edges["#3"].order, edges["#3"].otherwise) == ((3,), True)
    assert edges["#0"].order == edges["#4"].order == ()  # the only way out on its outcome


def test_a_selector_that_is_free_to_choose_has_no_order(graph_of: Any) -> None:
    graph = graph_of("g", "abc", [("a", "b"), ("a", "c"), ("b", END), ("c", END)], select="random")
    assert all(edge.order == () for edge in picture_of(graph).edges)


def test_edges_carry_guard_label_priority_and_outcome(essay: Definition) -> None:
    edges = {edge.id: edge for edge in picture_of(essay).edges}
    assert (edges["#1"].label, edges["#1"].guard, edges["#1"].opaque) == ("approved", 'last.content.contains("APPROVED")', False)
    assert (edges["#2"].guard, edges["#2"].opaque, edges["#2"].priority) == ("approves()", True, 2)
    assert (edges["#4"].style, edges["#5"].style) == ("error", "limit")


def test_settings_of_a_node_are_written_on_it(graph_of: Any) -> None:
    node = Node("a", "function", timeout=5, retry=Retry(3), select="manual", fallback="b")
    graph = graph_of("g", [node, "b"], [("a", "b"), ("b", END)], limits=Limits(turns=9, visits={"a": 2}, usd=0.5))
    picture = picture_of(graph)
    (drawn,) = [one for one in picture.nodes if one.id == "a"]
    assert drawn.notes == ("timeout 5 s", "up to 3 attempts", "select: manual", "fallback: b", "at most 2 visits")
    assert picture.notes == ("select: first", "limits: 9 turns, $0.5")


def test_sub_graphs_and_groups_open_and_close(publishing: Definition) -> None:
    assert {cluster.id for cluster in picture_of(publishing).clusters} == {"review", "panel", "panel/tech", "each"}
    assert {cluster.id for cluster in picture_of(publishing, depth=1).clusters} == {"review", "panel", "each"}
    assert picture_of(publishing, depth=0).clusters == ()
    assert {cluster.id for cluster in picture_of(publishing, collapse={"review", "panel/tech"}).clusters} == {"panel", "each"}
    hidden = {node.id: node.hidden for node in picture_of(publishing, depth=0).nodes}
    assert (hidden["review"], hidden["panel"], hidden["each"], hidden["author"]) == (2, 3, 1, 0)


def test_arrows_reach_an_open_sub_graph_at_its_border(publishing: Definition) -> None:
    edges = {edge.id: edge for edge in picture_of(publishing).edges}
    assert (edges["#0"].target, edges["#0"].enters) == ("review/START", "review")
    assert (edges["#3"].source, edges["#3"].leaves, edges["#3"].enters) == ("review/END", "review", "panel")
    assert (edges["#0"].source, edges["#0"].leaves) == ("author", "")


def test_an_endpoint_that_was_never_added_is_drawn_as_missing(graph_of: Any) -> None:
    picture = picture_of(graph_of("g", ["a"], [("a", "ghost")], start="nobody"))
    assert {node.id for node in picture.nodes if node.shape == "missing"} == {"ghost", "nobody"}


def test_start_and_end_have_their_own_symbols(essay: Definition) -> None:
    shapes = {node.id: node.shape for node in picture_of(essay).nodes}
    assert (shapes[START], shapes[END]) == ("start", "end")
    assert (shapes["writer"], shapes["score"]) == ("agent", "function")


@pytest.mark.parametrize(
    "bad", [{"depth": -1}, {"depth": True}, {"collapse": {"author"}}, {"collapse": {"nobody"}}, {"collapse": "review"}]
)
def test_what_cannot_be_closed_is_refused(publishing: Definition, bad: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"depth|collapse"):
        picture_of(publishing, **bad)


def test_arrows_from_start_show_what_they_ask(reception: Definition) -> None:
    """Order, label and guard, as at any node; there is no other arrow from START."""
    edges = {edge.id: edge for edge in picture_of(reception).edges if edge.source.endswith(START)}
    assert set(edges) == {"#0", "#1", "#2", "desk#0", "desk#1"}
    assert (edges["#0"].target, edges["#0"].label, edges["#0"].guard) == ("sales", "to sales", 'last.content.contains("buy")')
    assert (edges["#0"].order, edges["#2"].order, edges["#1"].order) == ((1,), (2,), (3,))
    assert (edges["#1"].target, edges["#1"].opaque, edges["#1"].priority) == (END, True, -1)
    assert (edges["#2"].enters, edges["#2"].target) == ("desk", f"desk/{START}")
    assert edges["desk#1"].otherwise
