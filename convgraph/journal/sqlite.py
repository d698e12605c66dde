"""Journals in a SQLite file: WAL, one commit for whatever many runs have to write at a moment.

An append is committed in the event loop's own thread: a commit takes about as long as handing it to another
thread, and a single run gains nothing from waiting for one. When several runs are active, what they append
within one turn of the loop shares a commit (`sqlite_commits`).
"""

from __future__ import annotations

import json
import logging
import sqlite3
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypeVar

from convgraph.errors import AnswerError, Fenced, InputError, RunBusy, RunExists, RunNotFound
from convgraph.journal.codec import decode_event, encode_event, row_kind
from convgraph.journal.events import EffectFinished, EffectStarted, Ended, Event, Recorded
from convgraph.journal.held_claims import HeldClaims
from convgraph.journal.memory import check_deletable, upto
from convgraph.journal.ownership import described, has_died, new_owner
from convgraph.journal.rows import fenced, is_notable, open_question, run_info
from convgraph.journal.sqlite_commits import Commits
from convgraph.journal.sqlite_schema import opened
from convgraph.journal.store import ENDED, LEASE_SECONDS, Claim, NewRun, OpenQuestion, RunInfo, RunStatus, Store, check_filters, is_wanted
from convgraph.journal.workers import FORGOTTEN_AFTER, WorkerInfo, worker_info, worker_row

T = TypeVar("T")
Row: TypeAlias = tuple[int, int, int, float, str, str]
Synchronous: TypeAlias = Literal["FULL", "NORMAL"]

log = logging.getLogger("convgraph")

_INSERT = "INSERT INTO events VALUES(?,?,?,?,?,?)"
_LIST = (
    "SELECT run_id, graph, status, reason, fingerprint, created, updated, epoch, owner, parent, parent_step, target, queue, priority,"
    " lease FROM runs"
)
_QUESTIONS = (
    "SELECT r.run_id, q.id, q.prompt, q.schema, q.node, q.path, q.asked, q.answer, q.due FROM questions q JOIN runs r ON r.id=q.run"
)
_RUNNABLE = (
    _LIST + " WHERE status IN ('ready','running') OR (status='waiting' AND EXISTS"  # noqa: S608  # a constant
    " (SELECT 1 FROM questions q WHERE q.run=runs.id AND (q.answer IS NOT NULL OR q.due<=?))) ORDER BY priority, id"
)
# What is inside finished turns is named, not what is outside: an event of a newer kind must be met, and refused. Bodies
# are read as bytes, so that one that is no valid text can be told by its run and number.
_LOAD = (
    "SELECT seq, at, kind, CAST(body AS BLOB) FROM events WHERE run=? AND seq<=? AND (seq>? OR kind NOT IN"
    " ('effect_started','effect_finished','attempt_failed','branch','inner_step','inner_moved')) ORDER BY seq"
)


class SqliteStore(Store):
    """A store in one file, for any number of processes on one host.

    `synchronous="FULL"` survives loss of power, `"NORMAL"` only the death of the process. `lease` is how many
    seconds after its last sign of life an owner that cannot be seen to have died is given up.
    """

    def __init__(self, path: str | Path, *, synchronous: Synchronous = "FULL", lease: float = LEASE_SECONDS) -> None:
        if synchronous not in ("FULL", "NORMAL"):
            raise InputError(f"synchronous={synchronous!r} is neither 'FULL' nor 'NORMAL'")
        if not lease > 0:
            raise InputError(f"lease={lease!r} is not a number of seconds above zero")
        self.path = str(path)
        self.url = self.path
        self._lease = lease
        self._owner = new_owner()
        self._commits = Commits(opened(self.path, synchronous), self.path)
        self._claims = HeldClaims(self.path, lease, lambda: self._transaction(self._extend_leases))

    async def create(
        self, run: NewRun, events: Sequence[Event] = (), contents: Mapping[str, str] | None = None, *, claim: bool = True
    ) -> Claim:
        first = run.parent_seq + 1 if run.parent else 0
        taken = Claim(run.run_id, 0, 1, first)
        bodies = [(row_kind(event), encode_event(event)) for event in events]
        notable = [event for event in events if is_notable(event)]

        def work(db: sqlite3.Connection) -> None:
            now = time.time()
            try:
                made = db.execute(
                    "INSERT INTO runs(run_id, graph, status, reason, fingerprint, created, updated, epoch, owner, lease, parent,"
                    " parent_step, parent_seq, first_seq, target, queue, priority) VALUES(?,?,?,'',?,?,?,1,?,?,?,?,?,?,?,?,?)",
                    (
                        run.run_id,
                        run.graph,
                        "running" if claim else "ready",
                        run.fingerprint,
                        now,
                        now,
                        self._owner if claim else "",
                        now + self._lease if claim else 0.0,
                        run.parent,
                        run.parent_step,
                        run.parent_seq,
                        first,
                        run.target,
                        run.queue,
                        run.priority,
                    ),
                )
            except sqlite3.IntegrityError:
                raise RunExists(f"there is a run {run.run_id!r} already in {self.path}; resume it, or choose another run_id") from None
            taken.key = made.lastrowid or 0
            db.executemany(_INSERT, [(taken.key, first + place, 1, now, kind, body) for place, (kind, body) in enumerate(bodies)])
            _put(db, contents)
            _note(db, taken.key, now, notable)

        await self._transaction(work)
        taken.next_seq = first + len(bodies)
        if claim:
            self._claims.keep(taken)
        return taken

    async def claim(self, run_id: str) -> Claim:
        def work(db: sqlite3.Connection) -> Claim:
            now = time.time()
            row = db.execute("SELECT id, epoch, owner, lease, first_seq FROM runs WHERE run_id=?", (run_id,)).fetchone()
            if row is None:
                raise self._not_found(run_id)
            key, epoch, owner, lease, first = row
            if owner and lease > now and not has_died(owner):
                raise RunBusy(f"run {run_id!r} is being run by {described(owner)}; nothing was done", run_id, owner)
            db.execute(
                "UPDATE runs SET epoch=?, owner=?, lease=?, status='running', reason='', updated=? WHERE id=?",
                (epoch + 1, self._owner, now + self._lease, now, key),
            )
            last = db.execute("SELECT max(seq) FROM events WHERE run=?", (key,)).fetchone()[0]
            return Claim(run_id, key, epoch + 1, first if last is None else last + 1)

        claim = await self._transaction(work)
        self._claims.keep(claim)
        return claim

    async def append(self, claim: Claim, events: Sequence[Event], contents: Mapping[str, str] | None = None) -> None:
        now, seq, key, epoch = time.time(), claim.next_seq, claim.key, claim.epoch
        rows = [(key, seq + place, epoch, now, row_kind(event), encode_event(event)) for place, event in enumerate(events)]
        notable = [event for event in events if is_notable(event)]
        claim.next_seq = seq + len(rows)  # taken before anything is awaited: branches of a run append at the same time
        del events  # encoded by now; while many runs wait for a commit, their events need not be kept
        try:
            await self._transaction(_Append(claim, rows, now, notable, contents))
        except Fenced:
            self._claims.drop(claim)
            raise
        if notable and isinstance(notable[-1], Ended):
            self._claims.drop(claim)

    async def confirm(self, claim: Claim) -> None:
        if time.monotonic() - claim.renewed < self._lease:
            return
        owner = self._commits.read(lambda db: db.execute("SELECT 1 FROM runs WHERE id=? AND epoch=?", (claim.key, claim.epoch)).fetchone())
        if owner is None:
            self._claims.drop(claim)
            raise fenced(claim)

    async def release(self, claim: Claim) -> None:
        if not self._claims.holds(claim):
            return
        self._claims.drop(claim)
        await self._transaction(lambda db: db.execute("UPDATE runs SET owner='', lease=0 WHERE id=? AND epoch=?", (claim.key, claim.epoch)))

    async def load(self, run_id: str, *, steps_only: bool = False, upto_step: int | None = None) -> list[Recorded]:
        events = self._commits.read(lambda db: self._load(db, run_id, None, steps_only and upto_step is None))
        return events if upto_step is None else upto(events, upto_step)

    async def info(self, run_id: str) -> RunInfo:
        rows = self._commits.read(lambda db: db.execute(_LIST + " WHERE run_id=?", (run_id,)).fetchall())
        if not rows:
            raise self._not_found(run_id)
        return _run_info(rows[0])

    async def content(self, digest: str) -> str | None:
        row = self._commits.read(lambda db: db.execute("SELECT body FROM contents WHERE digest=?", (digest,)).fetchone())
        return row[0] if row else None

    async def aruns(
        self,
        *,
        status: RunStatus | None = None,
        graph: str | None = None,
        parent: str | None = None,
        since: float | None = None,
        limit: int | None = None,
    ) -> list[RunInfo]:
        check_filters(status, limit)
        stored = "running" if status == "interrupted" else status
        rows = self._commits.read(
            lambda db: db.execute(
                _LIST + " WHERE (?1 IS NULL OR status=?1) AND (?2 IS NULL OR graph=?2)"
                " AND (?3 IS NULL OR parent=?3) AND (?4 IS NULL OR updated>=?4) ORDER BY id DESC",
                (stored, graph, parent, since),
            ).fetchall()
        )
        found = [info for info in (_run_info(row) for row in rows) if status is None or info.status == status]
        return found[:limit]

    async def aquestions(self, run_id: str | None = None, *, to: str | None = None) -> list[OpenQuestion]:
        if run_id is not None:
            await self.info(run_id)
        rows = self._commits.read(
            lambda db: db.execute(
                _QUESTIONS + " WHERE q.due IS NULL AND (?1 IS NULL OR r.run_id=?1) AND (?2 IS NULL OR q.node=?2) ORDER BY q.asked",
                (run_id, to),
            ).fetchall()
        )
        return [open_question(row) for row in rows]

    async def atimers(self, run_id: str | None = None) -> list[OpenQuestion]:
        if run_id is not None:
            await self.info(run_id)
        asked = _QUESTIONS + " WHERE q.due IS NOT NULL AND (?1 IS NULL OR r.run_id=?1) ORDER BY q.due"
        return [open_question(row) for row in self._commits.read(lambda db: db.execute(asked, (run_id,)).fetchall())]

    async def arunnable(
        self, *, graphs: Collection[str] | None = None, queues: Collection[str] | None = None, limit: int = 100
    ) -> list[RunInfo]:
        rows = self._commits.read(lambda db: db.execute(_RUNNABLE, (time.time(),)).fetchall())
        found = (_run_info(row) for row in rows)
        return [info for info in found if info.status != "running" and is_wanted(info, graphs, queues)][:limit]

    async def deliver(self, run_id: str, question_id: str, value: Any) -> None:
        text = json.dumps(value)

        def work(db: sqlite3.Connection) -> None:
            changed = db.execute(
                "UPDATE questions SET answer=? WHERE id=? AND answer IS NULL AND run=(SELECT id FROM runs WHERE run_id=?)",
                (text, question_id, run_id),
            )
            if changed.rowcount != 1:
                raise AnswerError(f"run {run_id!r}: question {question_id!r} is not open any more")

        await self._transaction(work)

    async def abeat(self, worker: WorkerInfo) -> None:
        def work(db: sqlite3.Connection) -> None:
            now = time.time()
            db.execute(
                "INSERT INTO workers VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?10) ON CONFLICT(id) DO UPDATE SET under_way=?9, beat=?10",
                (*worker_row(worker), now),
            )
            db.execute("DELETE FROM workers WHERE beat < ? - lease * ?", (now, FORGOTTEN_AFTER))

        await self._transaction(work)

    async def aleave(self, worker_id: str) -> None:
        await self._transaction(lambda db: db.execute("DELETE FROM workers WHERE id=?", (worker_id,)))

    async def aworkers(self) -> list[WorkerInfo]:
        asked = (
            "SELECT id, host, pid, engine, graphs, queues, concurrency, lease, under_way, since, ? - beat FROM workers ORDER BY since, id"
        )
        return [worker_info(row) for row in self._commits.read(lambda db: db.execute(asked, (time.time(),)).fetchall())]

    async def adelete(self, run_id: str) -> None:
        def work(db: sqlite3.Connection) -> None:
            row = db.execute(_LIST + " WHERE run_id=?", (run_id,)).fetchone()
            if row is None:
                raise self._not_found(run_id)
            forks = [row[0] for row in db.execute("SELECT run_id FROM runs WHERE parent=?", (run_id,))]
            check_deletable(_run_info(row), forks)
            for statement in (
                "DELETE FROM events WHERE run=(SELECT id FROM runs WHERE run_id=?)",
                "DELETE FROM questions WHERE run=(SELECT id FROM runs WHERE run_id=?)",
                "DELETE FROM runs WHERE run_id=?",
            ):
                db.execute(statement, (run_id,))

        await self._transaction(work)

    async def aclose(self) -> None:
        for claim in self._claims:
            await self.release(claim)
        self._commits.close()

    def _transaction(self, work: Callable[[sqlite3.Connection], T]) -> Awaitable[T]:
        return self._commits.transaction(work, alone=len(self._claims) <= 1)

    def _load(self, db: sqlite3.Connection, run_id: str, upto_seq: int | None, steps_only: bool) -> list[Recorded]:
        row = db.execute("SELECT id, parent, parent_seq FROM runs WHERE run_id=?", (run_id,)).fetchone()
        if row is None:
            raise self._not_found(run_id)
        key, parent, parent_seq = row
        shared = self._load(db, parent, parent_seq if upto_seq is None else min(parent_seq, upto_seq), steps_only) if parent else []
        end = upto_seq if upto_seq is not None else 2**62
        after = -1
        if steps_only:
            last = db.execute(
                "SELECT seq FROM events WHERE run=? AND seq<=? AND kind IN ('step','moved') ORDER BY seq DESC LIMIT 1", (key, end)
            ).fetchone()
            after = last[0] if last else -1
        rows = db.execute(_LOAD, (key, end, after)).fetchall()
        return shared + [Recorded(seq, at, decode_event(kind, body, run_id, seq)) for seq, at, kind, body in rows]

    def _extend_leases(self, db: sqlite3.Connection) -> None:
        until, now = time.time() + self._lease, time.monotonic()
        for claim in self._claims:
            if db.execute("UPDATE runs SET lease=? WHERE id=? AND epoch=?", (until, claim.key, claim.epoch)).rowcount:
                claim.renewed = now

    def _not_found(self, run_id: str) -> RunNotFound:
        return RunNotFound(f"no run {run_id!r} in {self.path}")


@dataclass(slots=True)
class _Append:
    """What one append writes. An object, not a closure: a thousand of them wait for one commit."""

    claim: Claim
    rows: list[Row]
    now: float
    notable: list[Event]
    contents: Mapping[str, str] | None

    def __call__(self, db: sqlite3.Connection) -> None:
        try:
            db.executemany(_INSERT, self.rows)
        except sqlite3.IntegrityError as error:
            if "fenced" not in str(error):
                raise
            raise fenced(self.claim) from None
        if self.contents:
            _put(db, self.contents)
        if self.notable:
            _note(db, self.claim.key, self.now, self.notable)


def _put(db: sqlite3.Connection, contents: Mapping[str, str] | None) -> None:
    """Keep texts that events refer to by their digests, each once."""
    if contents:
        db.executemany("INSERT OR IGNORE INTO contents VALUES(?,?)", list(contents.items()))


def _note(db: sqlite3.Connection, key: int, now: float, events: Sequence[Event]) -> None:
    """Keep open questions and the listing in step with what is appended. A run that ended has no owner."""
    for event in events:
        if isinstance(event, EffectStarted) and event.question is not None:
            question = event.question
            db.execute(
                "INSERT OR REPLACE INTO questions(run, id, prompt, schema, node, path, asked, due) VALUES(?,?,?,?,?,?,?,?)",
                (key, question.id, question.prompt, json.dumps(question.schema), event.name, event.path, now, question.due),
            )
        elif isinstance(event, EffectFinished) and event.question is not None:
            db.execute("DELETE FROM questions WHERE run=? AND id=?", (key, event.question))
        elif isinstance(event, Ended):
            db.execute(
                "UPDATE runs SET status=?, reason=?, updated=?, owner='', lease=0 WHERE id=?", (event.status, event.reason, now, key)
            )
            if event.status in ENDED:
                db.execute("DELETE FROM questions WHERE run=?", (key,))


def _run_info(row: tuple[Any, ...]) -> RunInfo:
    *listed, lease = row
    return run_info(listed, expired=lease < time.time())
