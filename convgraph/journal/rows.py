"""Between rows of a database and what a store gives: the same for every database."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from convgraph.errors import Fenced, StoreCorrupt
from convgraph.journal.events import EffectFinished, EffectStarted, Ended, Event, Question
from convgraph.journal.labels import labels_in, labels_text
from convgraph.journal.ownership import has_died
from convgraph.journal.runs import ENDED, Claim, NewRun, OpenQuestion, RunInfo
from convgraph.journal.sealing import RunRow, RunSeal


def is_notable(event: Event) -> bool:
    """Whether the listing or the open questions have to know of the event."""
    kind = type(event)
    return kind is Ended or ((kind is EffectStarted or kind is EffectFinished) and event.question is not None)  # type: ignore[union-attr]


def open_questions(events: Sequence[Event]) -> dict[str, EffectStarted]:
    """What these events have asked and not been answered, by the questions' ids."""
    asked: dict[str, EffectStarted] = {}
    for event in events:
        if isinstance(event, EffectStarted) and event.question is not None:
            asked[event.question.id] = event
        elif isinstance(event, EffectFinished) and event.question is not None:
            asked.pop(event.question, None)
        elif isinstance(event, Ended) and event.status in ENDED:
            asked.clear()
    return asked


def notable_at_once(events: Sequence[Event]) -> list[Event]:
    """What the listing and the open questions have to know of events that are written together, of which any may be long past."""
    last = events[-1] if events else None
    return [*open_questions(events).values(), *([last] if isinstance(last, Ended) else [])]


def run_info(row: RunRow, *, expired: bool) -> RunInfo:
    """A run as it is listed. `expired`: whether its owner's lease has run out."""
    run_id, graph, status, reason, fingerprint, created, updated, epoch, owner, *origin, labels, _parent_seq, _first_seq, _seal = row
    if status == "running" and (not owner or expired or has_died(owner)):
        status = "interrupted"
    return RunInfo(run_id, graph, status, reason, fingerprint, created, updated, epoch, owner, *origin, labels_in(labels))  # type: ignore[arg-type]


def new_row(run: NewRun, status: str, first_seq: int) -> RunRow:
    """The row of a new run, but for its times, its owner, and its seal."""
    origin = (run.parent, run.parent_step, run.target, run.queue, run.priority, labels_text(run.labels), run.parent_seq, first_seq)
    return RunRow(run.run_id, run.graph, status, "", run.fingerprint, 0.0, 0.0, 1, "", *origin, "")


def asked_of(seal: RunSeal, question: Question) -> tuple[str, str]:
    """Prompt and schema of a question, as they are written."""
    schema = json.dumps(question.schema)
    return seal.question_part(question.id, "prompt", question.prompt), seal.question_part(question.id, "schema", schema)


def open_question(row: Sequence[Any]) -> OpenQuestion:
    """A question as it is listed. Raises `StoreCorrupt` for one that cannot be read."""
    run_id, name, prompt, schema, node, path, asked, answer, due = row
    try:
        given = None if answer is None else json.loads(answer)
        return OpenQuestion(run_id, name, prompt, json.loads(schema), node, path, asked, answer is not None, given, due)
    except ValueError as error:
        raise StoreCorrupt(f"question {name!r} of run {run_id!r} cannot be read: {error}", run_id) from error


def fenced(claim: Claim) -> Fenced:
    """What an owner is told that was replaced."""
    return Fenced(f"run {claim.run_id!r} was taken over by another owner; this one has stopped and written nothing")
