# pyright: reportUnnecessaryIsInstance=false
# What callers really pass is checked, whether their code is typed or not.
"""Going on with a run on a changed graph, by a function that says where it stands in the new one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from convgraph.errors import GraphChanged
from convgraph.graph.definition import START
from convgraph.journal.events import Edited, Recorded, Resumed, Stepped
from convgraph.journal.runs import RunInfo
from convgraph.journal.turn_paths import is_inner
from convgraph.plain_data import replaced
from convgraph.runtime.fold import Standing, fold, is_migration, last_migration, migrated, versions
from convgraph.runtime.ledger import Ledger
from convgraph.runtime.program import Migration, Program


def migration_from(program: Program, events: Sequence[Recorded]) -> Migration | None:
    """The function that leads from the graph that the run was last run with to this one, if one is registered."""
    known = [fingerprint for fingerprint, _ in reversed(versions(events)) if fingerprint in program.migrations]
    return program.migrations[known[0]] if known else None


def migrated_standing(program: Program, migrate: Migration, events: Sequence[Recorded], info: RunInfo) -> Standing:
    """Where the run stands in the changed graph. The unfinished turn, if any, is made anew.

    Raises `GraphChanged` where the migration answers with a node or a state that the graph does not have.
    """
    definition = program.definition
    standing = fold(replace(definition, state=None), events, info.run_id)
    old = standing.state
    answer = migrate({"node": old.node, "state": _raw_state(standing, events)})
    places = {*definition.nodes, *([START] if definition.beginning == START else [])}
    if not isinstance(answer, Mapping) or answer.get("node") not in places:
        raise GraphChanged(
            f"run {info.run_id!r}: the migration gave {answer!r:.200}; it has to give a node of graph {definition.name!r} and its state"
        )
    mark = Edited(
        "migrated",
        node=answer["node"],
        data=dict(answer.get("state") or {}) if definition.state is not None else None,
        choosing=answer["node"] == START or (old.choosing and old.node != START),
        fingerprint=program.fingerprint,
        definition=program.document_digest,
    )
    standing.state = replaced(migrated(definition, old, mark), status=old.status, reason=old.reason)
    standing.unfinished = Ledger()
    standing.pending.append(mark)
    return standing


@dataclass(frozen=True, slots=True)
class Part:
    """The part of a record that one version of the graph has made: the positions of its events.

    `same`: the version asked for has made it. `migrated`: another part comes before it. `left`: another comes after it.
    """

    start: int
    stop: int
    same: bool
    migrated: bool
    left: bool


def part_of(fingerprint: str, events: Sequence[Recorded]) -> Part:
    """The last part of the record that the version with this fingerprint has made; if it has made none, the last of all."""
    starts = [0, *(position for position, recorded in enumerate(events) if is_migration(recorded.event))]
    stops = [*starts[1:], len(events)]
    made_by = [{version for version, _ in versions(events[start:stop])} for start, stop in zip(starts, stops, strict=True)]
    chosen = max((number for number, made in enumerate(made_by) if fingerprint in made), default=len(starts) - 1)
    stop = stops[chosen]
    while stop < len(events) and isinstance(events[stop - 1].event, Resumed):
        stop -= 1  # the resume that brought the migration about is not this version's
    return Part(starts[chosen] + 1, stop, fingerprint in made_by[chosen], chosen > 0, chosen + 1 < len(starts))


def _raw_state(standing: Standing, events: Sequence[Recorded]) -> dict[str, Any]:
    """The old state as plain values, as far as the journal alone tells it: later writes replace earlier ones."""
    turned = last_migration(events)
    raw = dict((cast("Edited", events[turned].event).data if turned else standing.started.state) or {})
    for recorded in events[turned:]:
        if isinstance(recorded.event, Stepped) and not is_inner(recorded.event.path):
            for update in recorded.event.updates:
                raw.update(update)
    return raw
