"""Stored journals as the steps that a coverage is reckoned from, those of nested conversations included."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from convgraph.graph.coverage import Taken
from convgraph.journal.events import BranchFinished, Recorded, Stepped
from convgraph.runtime.ledger import base


def steps_of(events: Iterable[Recorded]) -> Iterator[Taken]:
    """The steps that a journal tells of. Those inside a turn that was never finished are left out: nobody knows whose they are."""
    plain = [recorded.event for recorded in events]
    who = {base(event.path): event.node for event in plain if isinstance(event, Stepped | BranchFinished)}
    for event in plain:
        if not isinstance(event, Stepped):
            continue
        graph = _way(base(event.path), who)
        if graph is not None:
            guards = {int(index): value for index, value in (event.guards or {}).items()}
            yield Taken(event.node, event.edge, graph, guards, event.chosen_by == "goto")


def _way(path: str, who: dict[str, str]) -> tuple[str, ...] | None:
    """The names of the nodes that lead to the conversation in which `path` is a turn."""
    parts = path.split("/")[:-1]
    outer = ["/".join(parts[: length + 1]) for length in range(len(parts))]
    names = [who.get(place) for place in outer]
    return None if None in names else tuple(name for name in names if name is not None)
