"""What a store asks of its tables in PostgreSQL, apart from appending."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, LiteralString

from convgraph.journal.events import EffectFinished, EffectStarted, Ended, Event
from convgraph.journal.labels import labels_text
from convgraph.journal.rows import asked_of, open_question, run_info
from convgraph.journal.runs import ENDED, Claim, OpenQuestion, RunInfo
from convgraph.journal.sealing import RunRow, StoreSeal
from convgraph.journal.workers import FORGOTTEN_AFTER, WorkerInfo, worker_info, worker_row

if TYPE_CHECKING:
    from psycopg import Cursor

LISTED: LiteralString = (
    "SELECT run_id, graph, status, reason, fingerprint, created, updated, epoch, owner, parent, parent_step, target,"
    " queue, priority, labels, parent_seq, first_seq, seal, lease < clock_timestamp() FROM runs WHERE namespace=%s"
)
"""The columns of a `RunRow`, and whether the owner's lease has run out."""

EVENTS: LiteralString = (
    "SELECT seq, epoch, at, kind, body FROM events WHERE run=%s AND seq>%s AND seq<=%s AND (seq>%s OR kind NOT IN"
    " ('effect_started','effect_finished','attempt_failed','branch','inner_step','inner_moved')) ORDER BY seq"
)

QUESTIONS: LiteralString = (
    "SELECT r.run_id, r.graph, r.status, r.reason, r.fingerprint, r.created, r.updated, r.epoch, r.owner, r.parent, r.parent_step,"
    " r.target, r.queue, r.priority, r.labels, r.parent_seq, r.first_seq, r.seal,"
    " q.id, q.prompt, q.schema, q.node, q.path, q.asked, q.answer, q.due"
    " FROM questions q JOIN runs r ON r.id=q.run WHERE r.namespace=%s AND (%s::text IS NULL OR r.run_id=%s)"
)
"""The columns of the `RunRow` whose question it is, and the question's."""

_WANTED: LiteralString = " AND graph=ANY(coalesce(%s::text[], array[graph])) AND queue=ANY(coalesce(%s::text[], array[queue]))"
# Each part has an index of its own: a look costs the same however many runs wait for people, or have ended.
_READY: LiteralString = (
    "SELECT id FROM runs WHERE namespace=%s AND status='ready'" + _WANTED + " ORDER BY priority, id LIMIT %s"  # noqa: S608  # constants
)
_LOST: LiteralString = (
    "SELECT id FROM runs WHERE namespace=%s AND status='running'"
    " AND (owner='' OR lease < clock_timestamp() OR (split_part(owner, '|', 1)=%s AND owner<>%s))"
)
_AWAITED: LiteralString = (
    "SELECT r.id FROM questions q JOIN runs r ON r.id=q.run AND r.status='waiting'"
    " WHERE q.answer IS NOT NULL OR q.due <= extract(epoch FROM statement_timestamp())::float8"
)
RUNNABLE: LiteralString = (
    LISTED + " AND id IN ((" + _READY + ") UNION ALL (" + _LOST + ") UNION ALL (" + _AWAITED + "))" + _WANTED + " ORDER BY priority, id"
)
"""Those that are running on this host are among them: whether their owner lives can be seen from here."""

DOOMED: LiteralString = """
SELECT run_id FROM (
    SELECT run_id, status, updated, owner, lease FROM runs
    WHERE namespace=%(namespace)s AND (%(status)s::text IS NULL OR status=%(status)s) ORDER BY id DESC OFFSET %(keep)s
) AS candidate
WHERE (status <> 'running' OR owner = '' OR lease < clock_timestamp()) AND (%(age)s::float8 IS NULL OR updated < unix_now() - %(age)s)
AND NOT EXISTS (SELECT 1 FROM runs AS child WHERE child.namespace=%(namespace)s AND child.parent=candidate.run_id)
"""
"""The runs that are to be deleted: neither running ones nor those whose events forks share."""


def one(cursor: Cursor[Any], statement: LiteralString, values: Sequence[Any]) -> Any:
    """The first row that comes of a statement, or None."""
    return cursor.execute(statement, values).fetchone()


def listed(row: Sequence[Any], seal: StoreSeal) -> RunInfo:
    """A row of `LISTED` as a store gives it."""
    *columns, expired = row
    return run_info(seal.opened_row(columns), expired=expired)


def asked(row: Sequence[Any], seal: StoreSeal) -> OpenQuestion:
    """A row of `QUESTIONS` as a store gives it."""
    run, question = RunRow(*row[: len(RunRow._fields)]), row[len(RunRow._fields) :]
    return open_question(seal.run(run).opened_question((run.run_id, *question)))


def delete(cursor: Cursor[Any], namespace: str, run_ids: Sequence[str]) -> None:
    """Delete runs with what is their own, but for those that somebody has taken, or forked, meanwhile."""
    keys = [
        row[0]
        for row in cursor.execute(
            "SELECT id FROM runs WHERE namespace=%s AND run_id=ANY(%s)"
            " AND NOT (owner <> '' AND lease > clock_timestamp() AND status='running')"
            " AND NOT EXISTS (SELECT 1 FROM runs AS child WHERE child.namespace=runs.namespace AND child.parent=runs.run_id) FOR UPDATE",
            (namespace, list(run_ids)),
        ).fetchall()
    ]
    for statement in (
        "DELETE FROM events WHERE run=ANY(%s)",
        "DELETE FROM questions WHERE run=ANY(%s)",
        "DELETE FROM labelled WHERE run=ANY(%s)",
        "DELETE FROM runs WHERE id=ANY(%s)",
    ):
        cursor.execute(statement.encode(), (keys,))


def label(cursor: Cursor[Any], namespace: str, seal: StoreSeal, run_id: str, labels: Sequence[str]) -> bool:
    """Give a run these labels in place of those it has. False where there is no such run."""
    row = one(cursor, f"{LISTED} AND run_id=%s FOR UPDATE", (namespace, run_id))
    if row is None:
        return False
    sealed = seal.run(RunRow(*row[:-1])).labels(labels_text(labels))
    key = one(cursor, "UPDATE runs SET labels=%s WHERE namespace=%s AND run_id=%s RETURNING id", (sealed, namespace, run_id))[0]
    cursor.execute("DELETE FROM labelled WHERE run=%s", (key,))
    index_labels(cursor, namespace, seal, key, labels)
    return True


def index_labels(cursor: Cursor[Any], namespace: str, seal: StoreSeal, key: int, labels: Sequence[str]) -> None:
    """Have a run found by its labels; where they are sealed, they are looked for row by row."""
    if labels and not seal.encrypted:
        rows = [(namespace, label, key) for label in labels]
        cursor.executemany("INSERT INTO labelled VALUES(%s,%s,%s) ON CONFLICT DO NOTHING", rows)


def beat(cursor: Cursor[Any], namespace: str, worker: WorkerInfo) -> None:
    """Note a sign of life of a worker, and forget those that have been silent for long."""
    cursor.execute(
        "INSERT INTO workers VALUES(%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,unix_now(),unix_now())"
        " ON CONFLICT (namespace, id) DO UPDATE SET under_way=EXCLUDED.under_way, beat=EXCLUDED.beat",
        (namespace, *worker_row(worker)),
    )
    cursor.execute("DELETE FROM workers WHERE namespace=%s AND beat < unix_now() - lease * %s", (namespace, FORGOTTEN_AFTER))


def leave(cursor: Cursor[Any], namespace: str, worker_id: str) -> None:
    """Forget a worker."""
    cursor.execute("DELETE FROM workers WHERE namespace=%s AND id=%s", (namespace, worker_id))


def workers(cursor: Cursor[Any], namespace: str) -> list[WorkerInfo]:
    """The workers that are known, the oldest first."""
    asked = (
        "SELECT id, host, pid, engine, graphs, queues, concurrency, lease, under_way, since, unix_now() - beat FROM workers"
        " WHERE namespace=%s ORDER BY since, id"
    )
    return [worker_info(row) for row in cursor.execute(asked, (namespace,)).fetchall()]


def note(cursor: Cursor[Any], claim: Claim, last: int, events: Sequence[Event]) -> None:
    """Keep open questions and the listing in step with what is appended, whose last number is `last`. A run that ended has no owner."""
    key, seal = claim.key, claim.seal
    for event in events:
        if isinstance(event, EffectStarted) and event.question is not None:
            question = event.question
            cursor.execute(
                "INSERT INTO questions(run, id, prompt, schema, node, path, due, asked) VALUES(%s,%s,%s,%s,%s,%s,%s,"
                "unix_now()) ON CONFLICT (run, id) DO UPDATE SET prompt=EXCLUDED.prompt, schema=EXCLUDED.schema, node=EXCLUDED.node,"
                " path=EXCLUDED.path, due=EXCLUDED.due, asked=EXCLUDED.asked, answer=NULL",
                (key, question.id, *asked_of(seal, question), event.name, event.path, question.due),
            )
        elif isinstance(event, EffectFinished) and event.question is not None:
            cursor.execute("DELETE FROM questions WHERE run=%s AND id=%s", (key, event.question))
        elif isinstance(event, Ended):
            cursor.execute(
                "UPDATE runs SET status=%s, reason=%s, updated=unix_now(), owner='', lease='-infinity', seal=%s WHERE id=%s",
                (event.status, seal.shown(event.reason), seal.row_seal(event.status, event.reason, claim.epoch, last), key),
            )
            if event.status in ENDED:
                cursor.execute("DELETE FROM questions WHERE run=%s", (key,))
