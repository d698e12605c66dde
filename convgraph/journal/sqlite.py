"""Journals in a SQLite file: WAL, one commit for whatever many runs have to write at a moment.

An append is committed in the event loop's own thread: a commit takes about as long as handing it to another
thread, and a single run gains nothing from waiting for one. When several runs are active, what they append
within one turn of the loop shares a commit (`sqlite_commits`).
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from collections.abc import Collection, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypeVar

from convgraph.errors import AnswerError, InputError, RunBusy, RunExists, RunNotFound, StoreError
from convgraph.journal.events import Ended, Event, Recorded
from convgraph.journal.held_claims import HeldClaims
from convgraph.journal.keyring import Keyring
from convgraph.journal.labels import checked_labels, labels_text
from convgraph.journal.listing import SQLITE, Page, Wanted, page_query, saying_query
from convgraph.journal.memory import check_deletable, upto, without_finished_turns
from convgraph.journal.ownership import described, has_died, new_owner
from convgraph.journal.rows import fenced, is_notable, new_row, notable_at_once, open_question, run_info
from convgraph.journal.runs import LEASE_SECONDS, Claim, NewRun, OpenQuestion, RunInfo
from convgraph.journal.sealing import RUN_COLUMNS, RunRow, StoreSeal, answer_to, seal_of
from convgraph.journal.searching import saying_of
from convgraph.journal.shared_rows import recorded_in, rows_apart
from convgraph.journal.sqlite_commits import Commits, Work
from convgraph.journal.sqlite_schema import opened
from convgraph.journal.sqlite_statements import INSERT, Append, index_labels, note, put, rows_of
from convgraph.journal.store import Store, check_part, is_wanted
from convgraph.journal.workers import FORGOTTEN_AFTER, WorkerInfo, worker_info, worker_row

T = TypeVar("T")
Synchronous: TypeAlias = Literal["FULL", "NORMAL"]


_LIST = f"SELECT {RUN_COLUMNS}, lease FROM runs"  # noqa: S608  # constants
_QUESTION = "q.id, q.prompt, q.schema, q.node, q.path, q.asked, q.answer, q.due"
_QUESTIONS = (
    f"SELECT {', '.join(f'r.{name.strip()}' for name in RUN_COLUMNS.split(','))}, {_QUESTION} FROM questions q JOIN runs r ON r.id=q.run"  # noqa: S608  # constants
)
_RUNNABLE = (
    _LIST + " WHERE status IN ('ready','running') OR (status='waiting' AND EXISTS"  # noqa: S608  # a constant
    " (SELECT 1 FROM questions q WHERE q.run=runs.id AND (q.answer IS NOT NULL OR q.due<=?))) ORDER BY priority, id"
)
# What is inside finished turns is named, not what is outside: an event of a newer kind must be met, and refused. Bodies
# are read as bytes, so that one that is no valid text can be told by its run and number.
_LOAD = (
    "SELECT seq, epoch, at, kind, CAST(body AS BLOB) FROM events WHERE run=? AND seq>? AND seq<=? AND (seq>? OR kind NOT IN"
    " ('effect_started','effect_finished','attempt_failed','branch','inner_step','inner_moved')) ORDER BY seq"
)


class SqliteStore(Store):
    """A store in one file, for any number of processes on one host.

    `synchronous="FULL"` survives loss of power, `"NORMAL"` only the death of the process. `lease` is how many
    seconds after its last sign of life an owner that cannot be seen to have died is given up. With `keys`, what it
    holds is encrypted. Raises `WrongKeys` where they do not fit the file.
    """

    def __init__(
        self, path: str | Path, *, synchronous: Synchronous = "FULL", lease: float = LEASE_SECONDS, keys: Keyring | None = None
    ) -> None:
        if synchronous not in ("FULL", "NORMAL"):
            raise InputError(f"synchronous={synchronous!r} is neither 'FULL' nor 'NORMAL'")
        if not lease > 0:
            raise InputError(f"lease={lease!r} is not a number of seconds above zero")
        self.path = str(path)
        self.url = self.path
        self.keys = keys
        self._lease = lease
        self._owner = new_owner()
        self._commits = Commits(opened(self.path, synchronous), self.path)
        try:
            self._seal = self._commits.read(lambda db: _sealing(db, keys, self.path))
        except StoreError:
            self._commits.close()
            raise
        self._claims = HeldClaims(self.path, lease, lambda: self._transaction(self._extend_leases))

    async def create(
        self,
        run: NewRun,
        events: Sequence[Event] = (),
        contents: Mapping[str, str] | None = None,
        *,
        claim: bool = True,
        times: Sequence[float] = (),
    ) -> Claim:
        first = run.parent_seq + 1 if run.parent else 0
        status = "running" if claim else "ready"
        seal = self._seal.new_run(new_row(run, status, first))
        taken = Claim(run.run_id, 0, 1, first, seal=seal)
        rows = [(seq, kind, seal.event(seq, 1, kind, body)) for seq, kind, body in rows_apart(first, events)]
        taken.next_seq = first + len(rows)
        notable = notable_at_once(events)
        row_seal = seal.row_seal(status, "", 1, taken.next_seq - 1)
        kept = self._seal.contents(contents or {})

        def work(db: sqlite3.Cursor) -> None:
            now = time.time()
            try:
                made = db.execute(
                    "INSERT INTO runs(run_id, graph, status, reason, fingerprint, created, updated, epoch, owner, lease, parent,"
                    " parent_step, parent_seq, first_seq, target, queue, priority, labels, seal)"
                    " VALUES(?,?,?,'',?,?,?,1,?,?,?,?,?,?,?,?,?,?,?)",
                    (
                        run.run_id,
                        run.graph,
                        status,
                        seal.shown(run.fingerprint),
                        now,
                        now,
                        self._owner if claim else "",
                        now + self._lease if claim else 0.0,
                        run.parent,
                        run.parent_step,
                        run.parent_seq,
                        first,
                        seal.shown(run.target),
                        run.queue,
                        run.priority,
                        seal.labels(labels_text(run.labels)),
                        row_seal,
                    ),
                )
            except sqlite3.IntegrityError:
                raise RunExists(f"there is a run {run.run_id!r} already in {self.path}; resume it, or choose another run_id") from None
            taken.key = made.lastrowid or 0
            ats = times or [now] * len(rows)
            db.executemany(INSERT, [(taken.key, seq, 1, at, kind, body) for (seq, kind, body), at in zip(rows, ats, strict=True)])
            index_labels(db, self._seal, taken.key, run.labels)
            put(db, kept)
            note(db, taken, first + len(rows) - 1, now, notable)

        await self._transaction(work)
        if claim:
            self._claims.keep(taken)
        return taken

    async def claim(self, run_id: str) -> Claim:
        def work(db: sqlite3.Cursor) -> Claim:
            now = time.time()
            row = db.execute(_LIST + " WHERE run_id=?", (run_id,)).fetchone()
            if row is None:
                raise self._not_found(run_id)
            *columns, lease = row
            stored = RunRow(*columns)
            epoch, owner = stored.epoch, stored.owner
            if owner and lease > now and not has_died(owner):
                raise RunBusy(f"run {run_id!r} is being run by {described(owner)}; nothing was done", run_id, owner)
            seal = self._seal.run(stored)
            key, last = db.execute(
                "SELECT id, (SELECT max(seq) FROM events WHERE run=runs.id) FROM runs WHERE run_id=?", (run_id,)
            ).fetchone()
            taken = Claim(run_id, key, epoch + 1, stored.first_seq if last is None else last + 1, seal=seal)
            db.execute(
                "UPDATE runs SET epoch=?, owner=?, lease=?, status='running', reason='', updated=?, seal=? WHERE id=?",
                (epoch + 1, self._owner, now + self._lease, now, seal.row_seal("running", "", epoch + 1, taken.next_seq - 1), key),
            )
            return taken

        claim = await self._transaction(work)
        self._claims.keep(claim)
        return claim

    def append(self, claim: Claim, events: Sequence[Event], contents: Mapping[str, str] | None = None) -> Coroutine[Any, Any, None]:
        now = time.time()
        rows = rows_of(claim, events, now)
        notable = tuple(filter(is_notable, events))
        claim.next_seq += len(events)  # taken before anything is awaited: branches of a run append at the same time
        work = Append(claim, rows, now, notable, self._seal.contents(contents) if contents else None, self._claims)
        return self._end(work) if notable and isinstance(notable[-1], Ended) else self._transaction(work)

    async def _end(self, work: Append) -> None:
        await self._transaction(work)
        self._claims.drop(work.claim)

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

    async def load(
        self, run_id: str, *, steps_only: bool = False, upto_step: int | None = None, after: int | None = None
    ) -> list[Recorded]:
        check_part(steps_only, upto_step, after)
        steps_only = steps_only and upto_step is None
        # Where a row's kind is not to be trusted before it is opened, all are read.
        events = self._commits.read(lambda db: self._load(db, run_id, None, steps_only and not self._seal.encrypted, after))
        if upto_step is not None:
            return upto(events, upto_step)
        return without_finished_turns(events) if steps_only and self._seal.encrypted else events

    async def info(self, run_id: str) -> RunInfo:
        rows = self._commits.read(lambda db: db.execute(_LIST + " WHERE run_id=?", (run_id,)).fetchall())
        if not rows:
            raise self._not_found(run_id)
        return self._run_info(rows[0])

    async def content(self, digest: str) -> str | None:
        name = self._seal.content_name(digest)
        row = self._commits.read(lambda db: db.execute("SELECT body FROM contents WHERE digest=?", (name,)).fetchone())
        return self._seal.opened_content(digest, row[0]) if row else None

    async def page(self, wanted: Wanted, size: int | None, below: int | None) -> Page:
        query, values = page_query(SQLITE, "", wanted, size, below, sealed=self._seal.encrypted)
        rows = self._commits.read(lambda db: db.execute(query, values).fetchall())
        return [(key, self._run_info(row)) for key, *row in rows]

    async def saying(self, run_ids: Sequence[str], text: str) -> set[str]:
        if self._seal.encrypted:
            return await super().saying(run_ids, text)
        query, values = saying_query(SQLITE, "", json.dumps(run_ids), text)
        return await asyncio.to_thread(self._commits.read_apart, lambda db: saying_of(db.execute(query, values), text))

    async def place_of(self, run_id: str) -> int:
        row = self._commits.read(lambda db: db.execute("SELECT id FROM runs WHERE run_id=?", (run_id,)).fetchone())
        if row is None:
            raise self._not_found(run_id)
        return row[0]

    async def alabel(self, run_id: str, labels: Collection[str]) -> None:
        wanted = checked_labels(labels)

        def work(db: sqlite3.Cursor) -> None:
            row = db.execute(f"SELECT {RUN_COLUMNS}, id FROM runs WHERE run_id=?", (run_id,)).fetchone()  # noqa: S608  # constants
            if row is None:
                raise self._not_found(run_id)
            *columns, key = row
            sealed = self._seal.run(RunRow(*columns)).labels(labels_text(wanted))
            db.execute("UPDATE runs SET labels=? WHERE id=?", (sealed, key))
            db.execute("DELETE FROM labelled WHERE run=?", (key,))
            index_labels(db, self._seal, key, wanted)

        await self._transaction(work)

    async def aquestions(self, run_id: str | None = None, *, to: str | None = None) -> list[OpenQuestion]:
        if run_id is not None:
            await self.info(run_id)
        rows = self._commits.read(
            lambda db: db.execute(
                _QUESTIONS + " WHERE q.due IS NULL AND (?1 IS NULL OR r.run_id=?1) AND (?2 IS NULL OR q.node=?2) ORDER BY q.asked",
                (run_id, to),
            ).fetchall()
        )
        return [self._question(row) for row in rows]

    async def atimers(self, run_id: str | None = None) -> list[OpenQuestion]:
        if run_id is not None:
            await self.info(run_id)
        asked = _QUESTIONS + " WHERE q.due IS NOT NULL AND (?1 IS NULL OR r.run_id=?1) ORDER BY q.due"
        return [self._question(row) for row in self._commits.read(lambda db: db.execute(asked, (run_id,)).fetchall())]

    async def arunnable(
        self, *, graphs: Collection[str] | None = None, queues: Collection[str] | None = None, limit: int = 100
    ) -> list[RunInfo]:
        rows = self._commits.read(lambda db: db.execute(_RUNNABLE, (time.time(),)).fetchall())
        found = (self._run_info(row) for row in rows)
        return [info for info in found if info.status != "running" and is_wanted(info, graphs, queues)][:limit]

    async def deliver(self, run_id: str, question_id: str, value: Any) -> None:
        text = json.dumps(value)

        def work(db: sqlite3.Cursor) -> None:
            asked = f"{_QUESTIONS} WHERE r.run_id=? AND q.id=? AND q.answer IS NULL"
            row = db.execute(asked, (run_id, question_id)).fetchone()
            if row is None:
                raise AnswerError(f"run {run_id!r}: question {question_id!r} is not open any more")
            stored = RunRow(*row[: len(RunRow._fields)])
            prompt = row[len(RunRow._fields) + 1]
            answer = self._seal.run(stored).question_part(question_id, answer_to(prompt), text)
            db.execute(
                "UPDATE questions SET answer=? WHERE id=? AND run=(SELECT id FROM runs WHERE run_id=?)", (answer, question_id, run_id)
            )

        await self._transaction(work)

    async def abeat(self, worker: WorkerInfo) -> None:
        def work(db: sqlite3.Cursor) -> None:
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
        def work(db: sqlite3.Cursor) -> None:
            row = db.execute(_LIST + " WHERE run_id=?", (run_id,)).fetchone()
            if row is None:
                raise self._not_found(run_id)
            forks = [row[0] for row in db.execute("SELECT run_id FROM runs WHERE parent=?", (run_id,))]
            check_deletable(self._run_info(row), forks)
            for statement in (
                "DELETE FROM events WHERE run=(SELECT id FROM runs WHERE run_id=?)",
                "DELETE FROM questions WHERE run=(SELECT id FROM runs WHERE run_id=?)",
                "DELETE FROM labelled WHERE run=(SELECT id FROM runs WHERE run_id=?)",
                "DELETE FROM runs WHERE run_id=?",
            ):
                db.execute(statement, (run_id,))

        await self._transaction(work)

    async def aclose(self) -> None:
        for claim in self._claims:
            await self.release(claim)
        self._commits.close()

    def _transaction(self, work: Work[T]) -> Coroutine[Any, Any, T]:
        return self._commits.transaction(work, alone=len(self._claims) <= 1)

    def _load(self, db: sqlite3.Connection, run_id: str, upto_seq: int | None, steps_only: bool, after: int | None) -> list[Recorded]:
        row = db.execute(f"SELECT {RUN_COLUMNS}, id FROM runs WHERE run_id=?", (run_id,)).fetchone()  # noqa: S608  # constants
        if row is None:
            raise self._not_found(run_id)
        *columns, key = row
        stored = RunRow(*columns)
        seal, parent, parent_seq = self._seal.run(stored), stored.parent, stored.parent_seq
        shares = parent and (after is None or after < parent_seq)
        shared = self._load(db, parent, parent_seq if upto_seq is None else min(parent_seq, upto_seq), steps_only, after) if shares else []
        begin = -1 if after is None else after
        end = upto_seq if upto_seq is not None else 2**62
        entered = -1
        if steps_only:
            last = db.execute(
                "SELECT seq FROM events WHERE run=? AND seq<=? AND kind IN ('step','moved') ORDER BY seq DESC LIMIT 1", (key, end)
            ).fetchone()
            entered = last[0] if last else -1
        rows = db.execute(_LOAD, (key, begin, end, entered)).fetchall()
        recorded = recorded_in(rows, seal, run_id, begin, entered)
        seal.check_whole([each.seq for each in recorded], begin, upto_seq)
        if seal.encrypted:
            seal.check_epochs([row[1] for row in rows], db.execute("SELECT epoch FROM runs WHERE id=?", (key,)).fetchone()[0])
        return shared + recorded

    def _run_info(self, row: Sequence[Any]) -> RunInfo:
        *columns, lease = row
        return run_info(self._seal.opened_row(columns), expired=lease < time.time())

    def _question(self, row: Sequence[Any]) -> OpenQuestion:
        """A question as it is listed, from its run's columns and its own."""
        stored = RunRow(*row[: len(RunRow._fields)])
        seal = self._seal.run(stored)
        return open_question(seal.opened_question((stored.run_id, *row[len(RunRow._fields) :])))

    def _extend_leases(self, db: sqlite3.Cursor) -> None:
        until, now = time.time() + self._lease, time.monotonic()
        for claim in self._claims:
            if db.execute("UPDATE runs SET lease=? WHERE id=? AND epoch=?", (until, claim.key, claim.epoch)).rowcount:
                claim.renewed = now

    def _not_found(self, run_id: str) -> RunNotFound:
        return RunNotFound(f"no run {run_id!r} in {self.path}")


def _sealing(db: sqlite3.Connection, keys: Keyring | None, path: str) -> StoreSeal:
    """How the file is sealed. Raises `WrongKeys`."""
    db.execute("BEGIN IMMEDIATE")
    try:
        return seal_of(lambda statement, values: db.execute(statement, values).fetchall(), keys, path)
    finally:
        db.execute("COMMIT")
