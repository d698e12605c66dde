"""Transitions by what people call them: `writer -> critic`, a label; in a nested graph `review/critic -> writer`."""

from __future__ import annotations

from convgraph.errors import InputError
from convgraph.graph.coverage import graphs_within
from convgraph.graph.definition import Definition, Edge

Place = tuple[tuple[str, ...], int]
"""A transition's place: the names of the nodes that lead to its graph, and its declared index there."""


def place_of_edge(definition: Definition, text: str, where: str) -> frozenset[Place]:
    """The transitions that `text` means: all of that name. Raises `InputError` that lists what there is."""
    wanted = _plain(text)
    known = [(prefix, edge) for prefix, graph in graphs_within(definition) for edge in graph.edges]
    found = frozenset((prefix, edge.index) for prefix, edge in known if wanted in _names(prefix, edge))
    if found:
        return found
    there = ", ".join(dict.fromkeys(edge_name(definition, (prefix, edge.index)) for prefix, edge in known))
    raise InputError(f"{where}: graph {definition.name!r} has no transition {text!r}; it has {there}")


def edge_name(definition: Definition, place: Place) -> str:
    """What a transition is called: from where to where, inside which graph."""
    prefix, index = place
    graph = dict(graphs_within(definition))[prefix]
    return "/".join([*prefix, f"{graph.edges[index].source} -> {graph.edges[index].target}"])


def _names(prefix: tuple[str, ...], edge: Edge) -> set[str]:
    names = {_plain(name) for name in edge.names} | {_plain(str(edge))}
    return names if not prefix else {"/".join([*prefix, name]) for name in names}


def _plain(text: str) -> str:
    return "->".join(part.strip() for part in text.split("->"))
