"""A run as it is found in its store: where it stands, what it waits for, and whether this graph may go on with it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from convgraph.errors import GraphChanged
from convgraph.journal.events import Recorded
from convgraph.journal.runs import OpenQuestion, RunInfo
from convgraph.journal.store import Store
from convgraph.runtime.fold import Standing, fold, versions
from convgraph.runtime.inputs import Options
from convgraph.runtime.people import can_be_asked
from convgraph.runtime.program import Program


@dataclass(frozen=True, slots=True)
class Seen:
    """A run as it was found: where it stands, what it waits for, and the sequence number that its next event will have."""

    info: RunInfo
    standing: Standing
    questions: list[OpenQuestion]
    next_seq: int


async def look(program: Program, run_id: str, store: Store) -> Seen:
    """The run as it is at this moment. Raises `RunNotFound`, and `GraphChanged` where this graph may not go on with it."""
    info = await store.info(run_id)
    events = await store.load(run_id, steps_only=True)
    standing = checked_standing(program, events, info, await stored_document(store, program, events))
    return Seen(info, standing, await store.aquestions(run_id), events[-1].seq + 1)


def given_answers(questions: Sequence[OpenQuestion], answers: Mapping[str, Any] | None) -> dict[str, Any]:
    """The answers that a resumed run has: those delivered before, and those it was resumed with."""
    return {question.id: question.answer for question in questions if question.answered} | dict(answers or {})


async def stored_document(store: Store, program: Program, events: Sequence[Recorded]) -> str | None:
    """The document of the graph that the run was last run with, if it is not this one."""
    found = versions(events)
    if not found or found[-1][0] == program.fingerprint:  # a journal that has lost its beginning is refused when it is folded
        return None
    return await store.content(found[-1][1])


def checked_standing(program: Program, events: Sequence[Recorded], info: RunInfo, document: str | None) -> Standing:
    """Where the run stands, if this graph may go on with it. Raises `GraphChanged` with the difference."""
    if document is None:
        # The graph that the run was started with has been checked then.
        return fold(program.definition, events, info.run_id)
    from convgraph.graph.documents import summary

    program.require_sound()
    changes = program.changes_from(json.loads(document))
    if all(change.compatible for change in changes):
        return fold(program.definition, events, info.run_id)
    from convgraph.runtime.migration import migrated_standing, migration_from

    migrate = migration_from(program, events)
    if migrate is not None:
        return migrated_standing(program, migrate, events, info)
    raise GraphChanged(
        f"run {info.run_id!r} was made with another version of graph {info.graph!r}; it cannot go on with this one:\n{summary(changes)}\n"
        "Resume it with the graph it was made with, or register a migration: graph.add_migration(old_fingerprint, fn)",
        changes,
    )


async def nothing_new(standing: Standing, options: Options, answers: Mapping[str, Any], store: Store, run_id: str) -> bool:
    """Whether a run that waits for people, or for the clock, would only wait again."""
    if standing.state.status != "waiting" or answers or standing.pending or can_be_asked(options.human):
        return False
    timers = await store.atimers(run_id)
    now = await store.anow() if timers else 0.0
    return not any(timer.answered or (timer.due is not None and timer.due - now <= options.longest_wait) for timer in timers)
