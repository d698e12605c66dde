"""What a drawing of a graph shows, as plain data that every renderer reads.

    Definition -> picture_of -> Picture -> DOT, mermaid

A picture is flat: nodes, edges, and the clusters that hold them. Ids are paths: `critic` is a node of the
graph itself, `review/critic` one of the sub-graph at its node `review`; `#3` is the graph's edge of index 3,
`review#3` the sub-graph's. What is drawn is what can run: each edge of the definition that is not hidden in a
collapsed node is in exactly one edge's `stands_for`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from convgraph.drawing.hubs import Hub, exits_of_all, find_hubs
from convgraph.drawing.notes import graph_notes, node_notes, own_notes
from convgraph.drawing.ways import is_otherwise, places, together
from convgraph.errors import InputError
from convgraph.graph.definition import END, START, Definition, Edge, Node, NodeKind, On
from convgraph.messages import NO_USAGE, Usage

Shape: TypeAlias = NodeKind | Literal["start", "end", "fork", "join", "hub", "everyone", "missing"]
Style: TypeAlias = On | Literal["flow"]


@dataclass(frozen=True, slots=True)
class Overlay:
    """A run, as far as a picture shows it. Nodes and edges are named by the picture's ids.

    `visits` and `usage` are per node (those of a sub-graph's node include what is inside), and so is `choosing`, what
    it cost to choose who comes after a node. `taken` maps an edge to the steps at which it was taken, in order, and
    `refused` holds the edges whose guard was false when it was last asked. `current` is the node that has the turn, or
    had it when the run stopped.
    """

    run_id: str = ""
    status: str = ""
    reason: str = ""
    current: str | None = None
    visits: Mapping[str, int] = field(default_factory=dict[str, int])
    usage: Mapping[str, Usage] = field(default_factory=dict[str, Usage])
    taken: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    refused: frozenset[str] = frozenset()
    choosing: Mapping[str, Usage] = field(default_factory=dict[str, Usage])


@dataclass(frozen=True, slots=True)
class Activity:
    """What a run did at a node. `choosing` is what the choice of who comes next has cost, after all of its turns."""

    visits: int = 0
    usage: Usage = NO_USAGE
    choosing: Usage = NO_USAGE
    current: bool = False


@dataclass(frozen=True, slots=True)
class PictureNode:
    """A node, or one of the symbols for start, end, fork, join, hub, `everyone` (any node of the graph) and
    an endpoint that was never added (`missing`).

    `hidden` counts the nodes inside one that is drawn collapsed. `activity` is None in a picture without a run.
    """

    id: str
    name: str
    shape: Shape
    cluster: str = ""
    description: str = ""
    notes: tuple[str, ...] = ()
    hidden: int = 0
    origin: str = ""
    activity: Activity | None = None


@dataclass(frozen=True, slots=True)
class Way:
    """One of several ways that lead from one node to another: what its own arrow would be labelled with."""

    label: str
    guard: str
    opaque: bool
    order: tuple[int, ...]
    otherwise: bool
    taken: int


@dataclass(frozen=True, slots=True)
class PictureEdge:
    """An arrow. `stands_for` are the indices of the edges that it shows, within the graph at the path `graph`.

    `order` are the places at which these are considered, where that matters; `otherwise` marks the one that is
    left when no guard before it held. `both` is a spoke between a hub and a member. `leaves` and `enters` name
    the clusters at whose border the arrow begins or ends. `taken` is None in a picture without a run.

    Several ways from one node to another that fire on the same are one arrow: `ways` lists them, and they are no label or guard
    of the arrow's own. `in_short`: an arrow before this one, to the same target, has said them in full.
    """

    id: str
    source: str
    target: str
    style: Style = "flow"
    label: str = ""
    guard: str = ""
    opaque: bool = False
    priority: int = 0
    order: tuple[int, ...] = ()
    otherwise: bool = False
    both: bool = False
    leaves: str = ""
    enters: str = ""
    graph: str = ""
    stands_for: tuple[int, ...] = ()
    origin: str = ""
    taken: tuple[str, ...] | None = None
    refused: bool = False
    ways: tuple[Way, ...] = ()
    in_short: bool = False


@dataclass(frozen=True, slots=True)
class Cluster:
    """A sub-graph, parallel group or for-each that is drawn open. Arrows reach it at `entry` and leave it at `exit`."""

    id: str
    name: str
    shape: Shape
    parent: str
    entry: str
    exit: str
    description: str = ""
    notes: tuple[str, ...] = ()
    activity: Activity | None = None


@dataclass(frozen=True, slots=True)
class Picture:
    """Everything that a renderer needs. `notes` are the graph's own settings, `run` is the overlay it was drawn with."""

    name: str
    nodes: tuple[PictureNode, ...]
    edges: tuple[PictureEdge, ...]
    clusters: tuple[Cluster, ...] = ()
    notes: tuple[str, ...] = ()
    run: Overlay | None = None


def picture_of(graph: Definition, *, overlay: Overlay | None = None, depth: int | None = None, collapse: Collection[str] = ()) -> Picture:
    """The picture of `graph`, with a run on it if there is an `overlay`.

    Sub-graphs and groups are open down to `depth` levels (None: all, 0: none), except the nodes in `collapse`, by
    name or by path. Raises `InputError` for a depth below zero or a name that is no node with something inside.
    """
    if depth is not None and (isinstance(depth, bool) or depth < 0):
        raise InputError(f"depth={depth!r}: the number of levels to open is 0 or more, or None for all")
    if isinstance(collapse, str):
        raise InputError(f"collapse={collapse!r}: give a collection of names, like {{{collapse!r}}}")
    scene = _Scene(overlay, depth, frozenset(collapse))
    scene.add_graph(graph, "", "", 0)
    if unknown := sorted(scene.collapse - scene.openable):
        raise InputError(f"collapse= names {unknown}, but the nodes with something inside are {sorted(scene.openable)}")
    return Picture(graph.name, tuple(scene.nodes), tuple(scene.edges), tuple(scene.clusters.values()), graph_notes(graph), overlay)


def edge_id(path: str, index: int) -> str:
    """The picture's id for the edge of this index in the graph at `path`."""
    return f"{path}#{index}"


def join_path(path: str, name: str) -> str:
    """The picture's id for the node `name` of the graph at `path`."""
    return f"{path}/{name}" if path else name


class _Scene:
    """Collects a picture, one graph after another, from the outside in."""

    def __init__(self, overlay: Overlay | None, depth: int | None, collapse: frozenset[str]) -> None:
        self.overlay = overlay
        self.depth = depth
        self.collapse = collapse
        self.openable: set[str] = set()
        self.nodes: list[PictureNode] = []
        self.edges: list[PictureEdge] = []
        self.clusters: dict[str, Cluster] = {}

    def add_graph(self, graph: Definition, path: str, cluster: str, level: int) -> tuple[str, str]:
        """Draw a graph; returns the ids of the nodes where arrows from outside come in and go out."""
        start, end = join_path(path, START), join_path(path, END)
        self.nodes.append(PictureNode(start, START, "start", cluster, activity=self._at_border(start, self._begun(graph, path))))
        for node in graph.nodes.values():
            self.add_node(node, path, cluster, level, node_notes(graph, node))
        ends = dict.fromkeys([*(edge.source for edge in graph.edges), *(edge.target for edge in graph.edges)])
        for name in [*ends, *([graph.beginning] if graph.beginning else [])]:
            if name not in graph.nodes and name not in (START, END) and not self._has(join_path(path, name)):
                self.nodes.append(PictureNode(join_path(path, name), name, "missing", cluster, notes=("not in the graph",)))
        if END in ends:
            reached = self._taken(path, (edge for edge in graph.edges if edge.target == END))
            self.nodes.append(PictureNode(end, END, "end", cluster, activity=self._at_border(end, len(reached or ()))))
        if graph.beginning not in (START, None):
            self._flow(start, join_path(path, graph.beginning or ""), taken=self._begun(graph, path) > 0)
        self._add_edges(graph, path, cluster)
        return start, end if END in ends else start

    def add_node(self, node: Node, path: str, cluster: str, level: int, notes: tuple[str, ...]) -> None:
        """Draw a node: as one symbol, or open, with what is inside."""
        here = join_path(path, node.name)
        hidden = _count_inside(node)
        if hidden:
            self.openable |= {node.name, here}
        if hidden and (self.depth is None or level < self.depth) and not self.collapse & {node.name, here}:
            self._open(node, here, cluster, level, notes)
            return
        self._note_openable(node, here)
        activity = self._activity(here, hidden=True)
        self.nodes.append(PictureNode(here, node.name, node.kind, cluster, _about(node), notes, hidden, node.origin, activity))

    def _open(self, node: Node, here: str, cluster: str, level: int, notes: tuple[str, ...]) -> None:
        """Draw a node as a cluster: around its sub-graph, or around its branches between a fork and a join."""
        activity = self._activity(here, hidden=False)
        fork, join = join_path(here, ":fork"), join_path(here, ":join")
        opened = Cluster(here, node.name, node.kind, cluster, fork, join, _about(node), notes, activity)
        self.clusters[here] = opened  # before what is inside it: clusters stand from the outside in
        if node.inner is not None:
            entry, exit_ = self.add_graph(node.inner, here, here, level + 1)
            self.clusters[here] = replace(opened, entry=entry, exit=exit_, notes=(*notes, *graph_notes(node.inner)))
            return
        self.nodes.append(PictureNode(fork, "fork", "fork", here, activity=activity and Activity(activity.visits)))
        for branch in node.branches:
            self.add_node(branch, here, here, level + 1, own_notes(branch))
        self.nodes.append(PictureNode(join, "join", "join", here, activity=activity and Activity(activity.visits)))
        for branch in node.branches:
            at = join_path(here, branch.name)
            self._flow(fork, at, taken=self._visits(at) > 0)
            self._flow(at, join, taken=self._visits(here) > 0 and self._visits(at) > 0)

    def _add_edges(self, graph: Definition, path: str, cluster: str) -> None:
        drawn: set[int] = set()
        for number, hub in enumerate(find_hubs(graph), start=1):
            drawn |= self._add_hub(graph, hub, path, cluster, join_path(path, f":hub{number}"))
        drawn |= self._add_exits_of_all(graph, exits_of_all(graph, drawn), path, cluster, join_path(path, ":everyone"))
        for ways in together([edge] for edge in graph.edges if edge.index not in drawn):
            first = ways[0][0]
            self._arrow(edge_id(path, first.index), join_path(path, first.source), join_path(path, first.target), graph, path, ways)

    def _add_hub(self, graph: Definition, hub: Hub, path: str, cluster: str, id: str) -> set[int]:
        methods = dict.fromkeys(graph.select_at(name) for name in hub.members)
        shown = hub.inside[0]
        notes = ["select: " + " / ".join("first, as declared" if method == "first" else method for method in methods)]
        if shown.told:
            notes.append(shown.told)
        if shown.guard is not None:
            notes.append(f"when {shown.guard.text}{' (opaque)' if shown.guard.opaque else ''}")
        name = "any to any" + (", or itself" if hub.with_self else "")
        taken = None if self.overlay is None else Activity(len(self._taken(path, hub.inside) or ()))
        self.nodes.append(PictureNode(id, name, "hub", cluster, notes=tuple(notes), activity=taken))
        for member in hub.members:
            own = [edge for edge in hub.inside if edge.source == member]
            self._arrow(f"{id}:{member}", join_path(path, member), id, graph, path, [own], both=True)
        for ways in together(hub.exits):
            first = ways[0][0]
            self._arrow(f"{id}#{first.index}", id, join_path(path, first.target), graph, path, ways)
        for bundle in hub.entries:
            self._arrow(f"{id}#{bundle[0].index}", join_path(path, bundle[0].source), id, graph, path, [bundle])
        return {edge.index for bundle in [hub.inside, *hub.exits, *hub.entries] for edge in bundle}

    def _add_exits_of_all(self, graph: Definition, exits: Collection[tuple[Edge, ...]], path: str, cluster: str, id: str) -> set[int]:
        if exits:
            self.nodes.append(PictureNode(id, "any of them", "everyone", cluster))
        for bundle in exits:
            self._arrow(f"{id}#{bundle[0].index}", id, join_path(path, bundle[0].target), graph, path, [bundle])
        return {edge.index for bundle in exits for edge in bundle}

    def _arrow(
        self, id: str, source: str, target: str, graph: Definition, path: str, ways: Sequence[Sequence[Edge]], both: bool = False
    ) -> None:
        """Draw an arrow; of each of the ways that it shows, the first edge stands for the others, which are the same elsewhere."""
        edges = [edge for way in ways for edge in way]
        shown = edges[0]
        guard = shown.guard if len(ways) == 1 else None
        several = tuple(self._way(graph, path, way) for way in ways) if len(ways) > 1 else ()
        refused = self.overlay is not None and all(edge_id(path, edge.index) in self.overlay.refused for edge in edges)
        leaves, enters = self.clusters.get(source), self.clusters.get(target)
        self.edges.append(
            PictureEdge(
                id,
                source=leaves.exit if leaves else source,
                target=enters.entry if enters else target,
                style=shown.on,
                label="" if several else shown.told,
                guard=guard.text if guard else "",
                opaque=guard is not None and guard.opaque,
                priority=shown.priority if len({edge.priority for edge in edges}) == 1 else 0,
                order=() if several else places(graph, edges),
                otherwise=not both and not several and all(is_otherwise(graph, edge) for edge in edges),
                both=both,
                leaves=leaves.id if leaves else "",
                enters=enters.id if enters else "",
                graph=path,
                stands_for=tuple(edge.index for edge in edges),
                origin=shown.origin,
                taken=self._taken(path, edges),
                refused=refused,
                ways=several,
                in_short=any(_said(edge) == (target, _conditions(several)) for edge in self.edges if edge.ways),
            )
        )

    def _way(self, graph: Definition, path: str, edges: Sequence[Edge]) -> Way:
        shown = edges[0]
        guard = shown.guard
        return Way(
            shown.told,
            guard.text if guard else "",
            guard is not None and guard.opaque,
            places(graph, edges),
            all(is_otherwise(graph, edge) for edge in edges),
            len(self._taken(path, edges) or ()),
        )

    def _flow(self, source: str, target: str, taken: bool) -> None:
        """An arrow that belongs to no edge: from START, from a fork, to a join."""
        leaves, enters = self.clusters.get(source), self.clusters.get(target)
        self.edges.append(
            PictureEdge(
                f"{source}>{target}",
                leaves.exit if leaves else source,
                enters.entry if enters else target,
                leaves=leaves.id if leaves else "",
                enters=enters.id if enters else "",
                taken=None if self.overlay is None else ("",) if taken else (),
            )
        )

    def _has(self, id: str) -> bool:
        return any(node.id == id for node in self.nodes)

    def _note_openable(self, node: Node, id: str) -> None:
        """Names inside a collapsed node may be collapsed too, to no effect."""
        inside = node.inner.nodes.values() if node.inner is not None else node.branches
        for child in inside:
            if _count_inside(child):
                self.openable |= {child.name, join_path(id, child.name)}
                self._note_openable(child, join_path(id, child.name))

    def _activity(self, id: str, *, hidden: bool = False) -> Activity | None:
        """What the run did at a node. `hidden`: what is inside cannot be seen, so that its turn is this node's."""
        if self.overlay is None:
            return None
        current = self.overlay.current
        here = current == id or (hidden and current is not None and current.startswith(f"{id}/"))
        return Activity(self._visits(id), self.overlay.usage.get(id, NO_USAGE), self.overlay.choosing.get(id, NO_USAGE), here)

    def _at_border(self, id: str, visits: int) -> Activity | None:
        """What the run did at START or END, where nobody has a turn: how often it began or ended there."""
        activity = self._activity(id)
        return activity and replace(activity, visits=visits)

    def _begun(self, graph: Definition, path: str) -> int:
        """How often the graph's conversation has left START, as far as the run shows it."""
        if graph.beginning == START:
            return len(self._taken(path, (edge for edge in graph.edges if edge.source == START)) or ())
        return min(1, self._visits(join_path(path, graph.start or "")))

    def _visits(self, id: str) -> int:
        return self.overlay.visits.get(id, 0) if self.overlay is not None else 0

    def _taken(self, path: str, edges: Iterable[Edge]) -> tuple[str, ...] | None:
        if self.overlay is None:
            return None
        return tuple(step for edge in edges for step in self.overlay.taken.get(edge_id(path, edge.index), ()))


def _about(node: Node) -> str:
    """The node's description, where that says more than its name."""
    return node.description if node.description != node.name else ""


def _count_inside(node: Node) -> int:
    return len(node.inner.nodes) if node.inner is not None else len(node.branches)


def _said(edge: PictureEdge) -> tuple[str, tuple[tuple[str, str], ...]]:
    return edge.target, _conditions(edge.ways)


def _conditions(ways: Iterable[Way]) -> tuple[tuple[str, str], ...]:
    return tuple((way.label, way.guard) for way in ways)
