# pyright: reportUnnecessaryIsInstance=false
# What callers really pass is checked, whether their code is typed or not.
"""Going on with a run on a changed graph, by a function that says where it stands in the new one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from convgraph.errors import GraphChanged
from convgraph.graph.definition import START
from convgraph.graph.machine import advance
from convgraph.journal.events import Edited, Recorded, Stepped
from convgraph.journal.store import RunInfo
from convgraph.journal.turn_paths import is_inner
from convgraph.runtime.fold import Standing, as_edit, fold
from convgraph.runtime.ledger import Ledger
from convgraph.runtime.program import Program


def migrated_standing(program: Program, events: Sequence[Recorded], info: RunInfo) -> Standing:
    """Where the run stands in the changed graph. The unfinished turn, if any, is made anew.

    Raises `GraphChanged` where the migration answers with a node or a state that the graph does not have.
    """
    definition = program.definition
    standing = fold(replace(definition, state=None), events, info.run_id)
    old = standing.state
    answer = program.migrations[info.fingerprint]({"node": old.node, "state": _raw_state(standing, events)})
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
    state = old._replace(schema=definition.state, visits={**dict.fromkeys(definition.speakers, 0), **old.visits})
    if definition.state is not None:
        state = state._replace(data=definition.state.initial(mark.data))
    status, reason = old.status, old.reason
    standing.state = advance(definition, state, as_edit(mark))._replace(status=status, reason=reason)
    standing.unfinished = Ledger()
    standing.pending.append(mark)
    return standing


def _raw_state(standing: Standing, events: Sequence[Recorded]) -> dict[str, Any]:
    """The old state as plain values, as far as the journal alone tells it: later writes replace earlier ones."""
    raw = dict(standing.started.state or {})
    for recorded in events:
        if isinstance(recorded.event, Stepped) and not is_inner(recorded.event.path):
            for update in recorded.event.updates:
                raw.update(update)
    return raw
