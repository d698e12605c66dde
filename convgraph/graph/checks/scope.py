"""What every check of a definition is given: one graph, its place in the whole, and where it can lead."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from convgraph.graph.checks import guard_facts
from convgraph.graph.definition import END, START, Definition, Edge, Node, named

if TYPE_CHECKING:
    from networkx import DiGraph

WHOLE_RUN_LIMITS = ("turns", "seconds", "tokens", "usd")


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong (`error`: the graph may not run) or doubtful (`warning`) in a definition.

    `code` is a kebab-case word for programs, `message` says what is the matter, `where` names the graph, the
    node or edge and the line that defined it, `hint` says what to do. `node` (`review/critic`) or `edge` (`review#3`, by its
    index) is what it concerns, for programs; both are empty where that is the graph as a whole.
    """

    code: str
    severity: Literal["error", "warning"]
    message: str
    where: str
    hint: str
    node: str = ""
    edge: str = ""

    def __str__(self) -> str:
        return f"{self.severity} {self.code}: {self.where}: {self.message}; {self.hint}"


@dataclass(frozen=True)
class Scope:
    """One graph under examination, and where it stands in the whole: `path` is that of the node which holds it.

    `bounds` names the limits of the enclosing graphs, against which its turns and usage count too.
    """

    graph: Definition
    root: str
    path: str = ""
    bounds: frozenset[str] = field(default_factory=frozenset[str])
    known: frozenset[str] | None = None

    def error(self, code: str, place: Node | Edge | None, message: str, hint: str, under: str = "") -> Finding:
        """A finding that stops `run`, at a node (of the group whose path is `under`), an edge, or the graph as a whole (None)."""
        return Finding(code, "error", message, self._where(place, under), hint, *self._ids(place, under))

    def warning(self, code: str, place: Node | Edge | None, message: str, hint: str, under: str = "") -> Finding:
        """A finding that is worth a look; placed as an error is."""
        return Finding(code, "warning", message, self._where(place, under), hint, *self._ids(place, under))

    def _where(self, place: Node | Edge | None, under: str) -> str:
        origin = f" ({place.origin})" if place is not None and place.origin else ""
        inside = f", node {self.path[:-1]!r}" if self.path else ""
        if place is None:
            return f"graph {self.root!r}{inside}"
        if isinstance(place, Node):
            return f"graph {self.root!r}, node {self.path + under + place.name!r}{origin}"
        return f"graph {self.root!r}{inside}, edge {place.source} -> {place.target}{origin}"

    def _ids(self, place: Node | Edge | None, under: str) -> tuple[str, str]:
        if isinstance(place, Node):
            return self.path + under + place.name, ""
        return ("", f"{self.path[:-1]}#{place.index}") if place is not None else ("", "")

    @cached_property
    def live(self) -> tuple[Edge, ...]:
        """The edges whose guard can hold."""
        return tuple(edge for edge in self.graph.edges if guard_facts.constant(edge) is not False)

    @cached_property
    def ways(self) -> tuple[Edge, ...]:
        """The edges that can be taken: a shadowed one only by a handover, which is what a node's reply may ask for."""
        return tuple(edge for edge in self.live if (edge.on == "reply" and edge.source != START) or self.shadow_of(edge) is None)

    def shadow_of(self, edge: Edge) -> Edge | None:
        """The edge that is enabled whenever `edge` is, and is preferred to it."""
        for upper in self.preferred_to(edge):
            if guard_facts.constant(upper) or guard_facts.same_truth(upper.guard, edge.guard):
                return upper
        return None

    def preferred_to(self, edge: Edge) -> Iterator[Edge]:
        """The edges that, enabled, keep `edge` from being chosen: all before it in order, or those of higher priority."""
        chooses = edge.source == START or edge.source in self.graph.nodes
        in_order = edge.on == "limit" or (chooses and self.graph.select_at(edge.source) == "first")
        for upper in self.graph.out(edge.source, edge.on):
            if upper is edge or (not in_order and upper.priority == edge.priority):
                return
            yield upper

    @cached_property
    def reachable(self) -> frozenset[str]:
        """The nodes that a conversation can come to: all of them where none is known to begin it."""
        nodes = self.graph.nodes
        first = [name for name in self.beginnings if name in nodes]
        if self.beginnings and not first and END not in self.beginnings:
            return frozenset(nodes)
        import networkx

        network = network_of(self, self.ways)
        return frozenset(first).union(*(networkx.descendants(network, name) for name in first))  # pyright: ignore[reportUnknownMemberType]  # the stub's gap

    @cached_property
    def beginnings(self) -> tuple[str, ...]:
        """Where a conversation can begin: the start (empty where there is none), or where edges can lead from START, be it END."""
        if self.graph.beginning != START:
            return (self.graph.start or "",)
        return tuple(dict.fromkeys(edge.target for edge in self.ways if edge.source == START))

    @property
    def hopeless(self) -> bool:
        """Whether no conversation can reach END, whoever begins."""
        return all(name in self.doomed for name in self.beginnings)

    @cached_property
    def doomed(self) -> frozenset[str]:
        """The reachable nodes from which no reply and no limit leads on to END. An edge to nowhere has the benefit of the doubt."""
        import networkx

        nodes = self.graph.nodes
        ways = [edge for edge in self.ways if edge.on != "error"]
        network = network_of(self, ways)
        network.add_node(END)
        network.add_edges_from((edge.source, END) for edge in ways if edge.source in nodes and edge.target not in nodes)
        return self.reachable - networkx.ancestors(network, END)  # pyright: ignore[reportUnknownMemberType]  # the stub's gap

    def replies(self, node: str) -> tuple[Edge, ...]:
        """The edges that can be taken after a reply, in the order in which they are considered."""
        return tuple(edge for edge in self.graph.out(node) if edge in self.live_set)

    @cached_property
    def live_set(self) -> frozenset[Edge]:
        """The live edges, for looking one up."""
        return frozenset(self.live)


def scopes(graph: Definition, known: frozenset[str] | None) -> Iterator[Scope]:
    """The graph and all graphs within it, outermost first."""
    waiting = [Scope(graph, graph.name, known=known)]
    while waiting:
        scope = waiting.pop(0)
        yield scope
        bounds = scope.bounds | {name for name in WHOLE_RUN_LIMITS if getattr(scope.graph.limits, name) is not None}
        for node, under in with_branches(scope):
            if node.inner is not None:
                heard = known if node.kind == "graph" else None  # whoever has conversations of its own brings their speakers along
                waiting.append(Scope(node.inner, scope.root, f"{scope.path}{under}{node.name}/", bounds, heard))


def with_branches(scope: Scope) -> Iterator[tuple[Node, str]]:
    """Each node of the graph and each branch, however deep, with the path of the group that holds it."""
    waiting = [(node, "") for node in scope.graph.nodes.values()]
    while waiting:
        node, under = waiting.pop(0)
        yield node, under
        waiting[:0] = [(branch, f"{under}{node.name}/") for branch in node.branches]


def network_of(scope: Scope, edges: Iterable[Edge]) -> DiGraph[str]:
    """The nodes and these edges between them, without END."""
    import networkx

    nodes = scope.graph.nodes
    network: DiGraph[str] = networkx.DiGraph()
    network.add_nodes_from(nodes)
    network.add_edges_from((edge.source, edge.target) for edge in edges if edge.source in nodes and edge.target in nodes)
    return network


def is_cycle(network: DiGraph[str], members: Iterable[str]) -> bool:
    """Whether a strongly connected component has a cycle: more than one member, or a loop on its only one."""
    names = list(members)
    return len(names) > 1 or network.has_edge(names[0], names[0])


def did_you_mean(scope: Scope, name: str) -> str:
    """A hint for a name that is not a node's."""
    for node, under in with_branches(scope):
        if under and node.name == name:
            return f"{name!r} is a branch of {under[:-1]!r}; name the group instead"
    close = get_close_matches(name, scope.graph.nodes, 1)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"the nodes are {named(list(scope.graph.nodes))}" if scope.graph.nodes else "add the node first"


def guard_text(edge: Edge) -> str:
    """The guard's text, set off from the prose around it."""
    return f"`{edge.guard.text}`" if edge.guard else "(none)"
