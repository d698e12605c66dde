"""Which edge of one document is which edge of another. Edges have no names, so the closest ones are taken for the same."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, TypeAlias

from convgraph.graph.documents.identity import guard_name

Document: TypeAlias = Mapping[str, Any]


def match_edges(
    old: Sequence[Document], new: Sequence[Document], renamed: Mapping[Any, str]
) -> tuple[list[tuple[int, int]], list[int], list[int]]:
    """Pairs of places that hold the same edge, then the places of old edges that are gone, and of new ones that have come.

    `renamed` maps old names of nodes to new ones.
    """
    old = [{**edge, "from": renamed.get(edge["from"], edge["from"]), "to": renamed.get(edge["to"], edge["to"])} for edge in old]
    gone, come = list(range(len(old))), list(range(len(new)))
    pairs: list[tuple[int, int]] = []
    for likeness in _LIKENESSES:
        waiting: dict[Hashable, list[int]] = {}
        for place in come:
            waiting.setdefault(likeness(new[place]), []).append(place)
        for place in list(gone):
            same = waiting.get(likeness(old[place]))
            if same:
                pairs.append((place, same.pop(0)))
                gone.remove(place)
                come.remove(pairs[-1][1])
    return pairs, gone, come


def edge_text(edge: Document) -> str:
    """An edge in words, as drawings and explanations show it."""
    on = f" on {edge['on']}" if "on" in edge else ""
    guard = f" when {edge['when']}" if "when" in edge else f" when {guard_name(edge)}()" if "python" in edge else ""
    return f"{edge['from']} -> {edge['to']}{on}{guard}"


def _guard(edge: Document) -> Hashable:
    return edge.get("when"), guard_name(edge)


# From the same in everything to the same in what matters least; an edge is given to the first likeness that has one for it.
_LIKENESSES: tuple[Callable[[Document], Hashable], ...] = (
    lambda edge: json.dumps(edge, sort_keys=True),
    lambda edge: (edge["from"], edge["to"], edge.get("on"), _guard(edge)),
    lambda edge: (edge["from"], edge["to"], edge.get("on")),
    lambda edge: (edge["from"], edge.get("on"), _guard(edge), edge.get("label")),
    lambda edge: (edge["from"], edge["to"]),
)
