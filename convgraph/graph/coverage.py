"""What recorded conversations have exercised of their graph, and what they never have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from convgraph.graph.definition import START, Definition, Edge
from convgraph.wording import table

Place: TypeAlias = tuple[tuple[str, ...], str]
EdgePlace: TypeAlias = tuple[tuple[str, ...], int]


class Taken(NamedTuple):
    """One step of a recorded conversation: a node had the turn, and perhaps a transition followed.

    Where it was chosen who begins, that is a step of START.
    `edge` is the transition's declared index (None: the conversation stopped there); `graph` is the way to the
    sub-graph in which this happened (names of nodes; empty: the graph itself); `guards` are the values of guards that were
    evaluated, by edge index, where they are known; `handed_over` says that the node named the target itself.
    """

    node: str
    edge: int | None = None
    graph: tuple[str, ...] = ()
    guards: Mapping[int, bool] = {}
    handed_over: bool = False


@dataclass(frozen=True)
class Coverage:
    """How often each node had the turn, each transition was taken, and each guard was seen to be true and to be false.

    Places inside a sub-graph are named by the way to it: `(("review",), "judge")`. `strange` lists steps that do not
    fit the graph, as those of runs of an older one may not.
    """

    runs: int
    nodes: Mapping[Place, int]
    edges: Mapping[EdgePlace, int]
    guards: Mapping[tuple[EdgePlace, bool], int]
    definitions: Mapping[tuple[str, ...], Definition] = field(repr=False)
    strange: tuple[str, ...] = ()

    @property
    def missing_nodes(self) -> list[str]:
        """The nodes that never had the turn."""
        return [_name(place) for place, count in self.nodes.items() if not count]

    @property
    def missing_edges(self) -> list[str]:
        """The transitions that were never taken."""
        return [self._edge_name(place) for place, count in self.edges.items() if not count]

    @property
    def missing_outcomes(self) -> list[str]:
        """The guards that were never seen to be true, or never to be false."""
        return [f"{self._edge_name(place)} is never {str(value).lower()}" for (place, value), count in self.guards.items() if not count]

    @property
    def node_share(self) -> float:
        """The share of the nodes that had the turn, from 0 to 1."""
        return _share(self.nodes.values())

    @property
    def edge_share(self) -> float:
        """The share of the transitions that were taken, from 0 to 1."""
        return _share(self.edges.values())

    @property
    def guard_share(self) -> float:
        """The share of the guards' outcomes (two each) that were seen, from 0 to 1."""
        return _share(self.guards.values())

    def __str__(self) -> str:
        kinds = [
            ("nodes", self.nodes, self.node_share, self.missing_nodes),
            ("edges", self.edges, self.edge_share, self.missing_edges),
            ("guard outcomes", self.guards, self.guard_share, self.missing_outcomes),
        ]
        summary = table(
            ["", "seen", "of", "share"],
            [[kind, str(len(all_) - len(missing)), str(len(all_)), f"{share:.0%}"] for kind, all_, share, missing in kinds],
        )
        never = [f"never: {kind.removesuffix('s')} {name}" for kind, _, _, missing in kinds for name in missing]
        return "\n".join([f"{self.runs:,} runs", summary, *never, *(f"does not fit: {step}" for step in self.strange)])

    def _edge_name(self, place: EdgePlace) -> str:
        graph, index = place
        return _name((graph, str(self.definitions[graph].edge(index))))


def coverage(definition: Definition, runs: Iterable[Iterable[Taken]]) -> Coverage:
    """What `runs` (each a sequence of steps) have exercised of `definition` and of the graphs inside it.

    A guard's outcome counts where it was recorded, where its transition was taken (it was true), and where, under
    the selector `first`, a transition considered later was taken (it was false).
    """
    definitions = dict(graphs_within(definition))
    nodes, edges, guards = Counter[Place](), Counter[EdgePlace](), Counter[tuple[EdgePlace, bool]]()
    strange: dict[str, None] = {}
    number = 0
    for run in runs:
        number += 1
        for step in run:
            graph = definitions.get(step.graph)
            if graph is None or not _fits(graph, step):
                strange[_described(step)] = None
                continue
            nodes[step.graph, step.node] += 1
            if step.edge is not None:
                edges[step.graph, step.edge] += 1
            guards.update(((step.graph, index), value) for index, value in _outcomes(graph, step).items())
    every_edge = [((prefix, edge.index), edge) for prefix, graph in definitions.items() for edge in graph.edges]
    return Coverage(
        number,
        {place: nodes[place] for prefix, graph in definitions.items() for place in ((prefix, name) for name in graph.nodes)},
        {place: edges[place] for place, _ in every_edge},
        {(place, value): guards[place, value] for place, edge in every_edge if edge.guard is not None for value in (True, False)},
        definitions,
        tuple(strange),
    )


def graphs_within(definition: Definition, prefix: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Definition]]:
    """The graph and all graphs inside it, each with the names of the nodes that lead to it."""
    yield prefix, definition
    for node in definition.nodes.values():
        if node.inner is not None:
            yield from graphs_within(node.inner, (*prefix, node.name))
        for branch in node.branches:
            if branch.inner is not None:
                yield from graphs_within(branch.inner, (*prefix, node.name, branch.name))


def _outcomes(graph: Definition, step: Taken) -> dict[int, bool]:
    """The values of guards that the step shows, by edge index."""
    shown: dict[int, bool] = {}
    if step.edge is not None:
        taken = graph.edge(step.edge)
        if graph.select_at(step.node) == "first" and not step.handed_over:
            before = _before(graph.out(step.node, taken.on), taken)
            shown.update((edge.index, False) for edge in before)
        shown[taken.index] = True
    return {index: value for index, value in {**shown, **step.guards}.items() if graph.edge(index).guard is not None}


def _before(ways: Sequence[Edge], taken: Edge) -> Sequence[Edge]:
    return ways[: [edge.index for edge in ways].index(taken.index)]


def _fits(graph: Definition, step: Taken) -> bool:
    known = range(len(graph.edges))
    return (
        (step.node in graph.nodes or step.node == START)
        and (step.edge is None or (step.edge in known and graph.edge(step.edge).source == step.node))
        and all(index in known for index in step.guards)
    )


def _described(step: Taken) -> str:
    return f"{_name((step.graph, step.node))}{'' if step.edge is None else f', edge {step.edge}'}"


def _name(place: Place) -> str:
    return "/".join((*place[0], place[1]))


def _share(counts: Collection[int]) -> float:
    return sum(1 for count in counts if count) / len(counts) if counts else 1.0
