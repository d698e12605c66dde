"""Finds the groups of a graph in which everybody may hand over to everybody, so that a picture need not draw each arrow.

A group of k members has k * (k - 1) edges among them. A hub stands for all of these, and keeps the list.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from convgraph.graph.definition import START, Definition, Edge

SMALLEST = 4
"""From how many members on a group is a hub; three can still be drawn arrow by arrow."""


@dataclass(frozen=True, slots=True)
class Hub:
    """Members that may all hand over to one another under the same guard.

    `inside` are the edges among them. `exits` are edges that all members have alike, `entries` edges that lead to all of them
    alike: the picture draws each tuple as one edge that leaves the hub, or comes to it.
    """

    members: tuple[str, ...]
    inside: tuple[Edge, ...]
    exits: tuple[tuple[Edge, ...], ...] = ()
    entries: tuple[tuple[Edge, ...], ...] = ()

    @property
    def with_self(self) -> bool:
        """Whether a member may also hand over to itself."""
        return any(edge.source == edge.target for edge in self.inside)


def find_hubs(graph: Definition) -> tuple[Hub, ...]:
    """The graph's hubs, largest first. No edge belongs to two of them."""
    alike: dict[Hashable, dict[tuple[str, str], Edge]] = {}
    for edge in graph.edges:
        if edge.source in graph.nodes or edge.source == START:
            alike.setdefault(_conditions(edge), {}).setdefault((edge.source, edge.target), edge)
    order = {name: place for place, name in enumerate(graph.nodes)}
    hubs: list[Hub] = []
    used: set[int] = set()
    for edges in alike.values():
        free = dict(edges)
        while len(members := _largest_group(free, order)) >= SMALLEST:
            inside = _inside(free, members)
            used.update(edge.index for edge in inside)
            hubs.append(Hub(members, inside))
            free = {ends: edge for ends, edge in free.items() if edge.index not in used}
    return tuple(
        _with_entries(_with_exits(hub, alike.values(), used), alike.values(), used)
        for hub in sorted(hubs, key=lambda hub: -len(hub.members))
    )


def exits_of_all(graph: Definition, drawn: Collection[int]) -> tuple[tuple[Edge, ...], ...]:
    """Edges that every node has alike to one target, on a condition: a tuple for each target, none `drawn` already (by index).

    In a chat these are its ways to end: as arrows of their own they would hide who talks to whom.
    """
    alike: dict[Hashable, list[Edge]] = {}
    for edge in graph.edges:
        conditional = edge.guard is not None or edge.on != "reply"
        if conditional and edge.source in graph.nodes and edge.source != edge.target and edge.index not in drawn:
            alike.setdefault((_conditions(edge), edge.target), []).append(edge)
    return tuple(
        tuple(edges)
        for edges in alike.values()
        if len(edges) >= SMALLEST and {edge.source for edge in edges} | {edges[0].target} >= set(graph.nodes) and _one_each(edges)
    )


def _one_each(edges: Sequence[Edge]) -> bool:
    return len({edge.source for edge in edges}) == len(edges)


def _conditions(edge: Edge) -> Hashable:
    """What two edges must have in common for one arrow to stand for both."""
    guard = edge.guard
    if guard is None:
        return (edge.on, edge.priority, edge.told)
    return (edge.on, edge.priority, edge.told, guard.text, getattr(guard, "predicate", None))


def _largest_group(edges: Mapping[tuple[str, str], Edge], order: Mapping[str, int]) -> tuple[str, ...]:
    """The largest group that greedy growth finds: exact where the groups are apart, which is how people write them."""
    peers: dict[str, set[str]] = {}
    for source, target in edges:
        if source != target and (target, source) in edges:
            peers.setdefault(source, set()).add(target)
    ranked = sorted(peers, key=lambda name: (-len(peers[name]), order[name]))
    best: list[str] = []
    for seed in ranked:
        if len(peers[seed]) < max(len(best), SMALLEST - 1):
            break
        group = [seed]
        common = set(peers[seed])
        for name in ranked:
            if name in common:
                group.append(name)
                common &= peers[name]
        if len(group) > len(best):
            best = group
    return tuple(sorted(best, key=order.__getitem__))


def _inside(edges: Mapping[tuple[str, str], Edge], members: Sequence[str]) -> tuple[Edge, ...]:
    """The edges among the members; those from a member to itself only where every member has one."""
    loops = all((name, name) in edges for name in members)
    return tuple(edges[source, target] for source in members for target in members if source != target or loops)


def _with_exits(hub: Hub, alike: Iterable[Mapping[tuple[str, str], Edge]], used: set[int]) -> Hub:
    """The hub with what all members have alike; of a way to one of them, all others."""
    exits: list[tuple[Edge, ...]] = []
    for edges in alike:
        for target in dict.fromkeys(target for source, target in edges if source in hub.members):
            bundle = tuple(edges[name, target] for name in hub.members if (name, target) in edges)
            others = [name for name in hub.members if name != target]
            if {edge.source for edge in bundle}.issuperset(others) and not used.intersection(edge.index for edge in bundle):
                used.update(edge.index for edge in bundle)
                exits.append(bundle)
    return replace(hub, exits=tuple(sorted(exits, key=lambda bundle: bundle[0].index)))


def _with_entries(hub: Hub, alike: Iterable[Mapping[tuple[str, str], Edge]], used: set[int]) -> Hub:
    """The hub with what leads from elsewhere to all members alike."""
    entries: list[tuple[Edge, ...]] = []
    for edges in alike:
        for source in dict.fromkeys(source for source, _ in edges if source not in hub.members):
            bundle = tuple(edges[source, name] for name in hub.members if (source, name) in edges)
            if len(bundle) == len(hub.members) and not used.intersection(edge.index for edge in bundle):
                used.update(edge.index for edge in bundle)
                entries.append(bundle)
    return replace(hub, entries=tuple(entries))
