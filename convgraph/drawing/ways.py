"""The ways out of a node as a picture needs them: in which order they are considered, and which one arrow can show."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence

from convgraph.graph.definition import START, Definition, Edge


def _in_order(graph: Definition, edge: Edge) -> bool:
    """Whether the edges beside this one are asked one after the other, and the first whose guard holds is taken."""
    return edge.on == "limit" or ((edge.source in graph.nodes or edge.source == START) and graph.select_at(edge.source) == "first")


def place(graph: Definition, edge: Edge) -> int:
    """The place at which the edge is considered, from 1; 0 where it is the only one or the order does not matter."""
    ways = graph.out(edge.source, edge.on)
    return ways.index(edge) + 1 if len(ways) > 1 and _in_order(graph, edge) else 0


def together(ways: Iterable[Sequence[Edge]]) -> list[list[Sequence[Edge]]]:
    """The ways, those together that one arrow can show: from and to the same, firing on the same, each with a label of its own.

    Of each way the first edge counts; the others are the same for other members of a hub, whatever they come from.
    """
    arrows: dict[Hashable, list[Sequence[Edge]]] = {}
    for way in ways:
        edge = way[0]
        source = "" if len(way) > 1 else edge.source
        arrows.setdefault((source, edge.target, edge.on, None if edge.told else edge.index), []).append(way)
    return list(arrows.values())


def places(graph: Definition, edges: Iterable[Edge]) -> tuple[int, ...]:
    """The places of several edges, each once."""
    return tuple(sorted({found for edge in edges if (found := place(graph, edge))}))


def is_otherwise(graph: Definition, edge: Edge) -> bool:
    """Whether the edge is the else-edge of those before it."""
    if edge.guard is not None or not _in_order(graph, edge):
        return False
    *before, last = graph.out(edge.source, edge.on)
    return bool(before) and last == edge and all(way.guard is not None for way in before)
