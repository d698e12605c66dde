"""Journals in PostgreSQL: for any number of processes on any number of hosts. Epochs and leases go by the database's clock."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from convgraph.errors import AnswerError, Fenced, InputError, RunBusy, RunExists, RunNotFound
from convgraph.journal.events import Ended, Event, Recorded
from convgraph.journal.held_claims import HeldClaims
from convgraph.journal.keyring import Keyring
from convgraph.journal.labels import checked_labels, labels_text
from convgraph.journal.listing import POSTGRES, Page, Wanted, page_query
from convgraph.journal.memory import check_deletable, upto, without_finished_turns
from convgraph.journal.ownership import described, has_died, new_owner
from convgraph.journal.postgres_appends import Append
from convgraph.journal.postgres_reads import PostgresReads
from convgraph.journal.postgres_statements import (
    DOOMED,
    EVENTS,
    LISTED,
    QUESTIONS,
    RUNNABLE,
    asked,
    beat,
    delete,
    index_labels,
    label,
    leave,
    listed,
    note,
    one,
    workers,
)
from convgraph.journal.postgres_url import postgres_place, without_password
from convgraph.journal.postgres_writes import PostgresWrites
from convgraph.journal.rows import fenced, is_notable, new_row, notable_at_once
from convgraph.journal.runs import LEASE_SECONDS, Claim, NewRun, OpenQuestion, RunInfo, RunStatus
from convgraph.journal.sealing import RunRow, answer_to
from convgraph.journal.shared_rows import recorded_in, rows_apart, rows_of
from convgraph.journal.store import Store, check_filters, check_part
from convgraph.journal.workers import WorkerInfo

if TYPE_CHECKING:
    from psycopg import Cursor

T = TypeVar("T")

PATIENCE = 60.0


class PostgresStore(Store):
    """A store in a PostgreSQL database, in its schema `convgraph`.

    `namespace` separates tenants: a store sees the runs of its own namespace alone. `lease` is how many seconds after its last
    sign of life an owner that cannot be seen to have died is given up; `patience`, for how many seconds a server that cannot be
    reached is tried again (one that never was: five at most). With `keys`, what the namespace holds is encrypted; where they
    do not fit it, the first use raises `WrongKeys`. Raises `MissingDependency` without psycopg.
    """

    def __init__(
        self, url: str, *, namespace: str = "", lease: float = LEASE_SECONDS, patience: float = PATIENCE, keys: Keyring | None = None
    ) -> None:
        if not lease > 0 or not patience > 0:
            raise InputError(f"lease={lease!r} and patience={patience!r} are numbers of seconds above zero")
        self._namespace = namespace
        self.url = without_password(url)
        self._lease = lease
        self._owner = new_owner()
        self._writes = PostgresWrites(url, self.url, patience)
        self._claims = HeldClaims(self.url, lease, self._extend_leases)
        self._reads = PostgresReads(url, self._writes, keys, namespace)
        self.keys = keys

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
        made = uuid.uuid4().hex
        status = "running" if claim else "ready"
        sealing = await self._reads.sealing()
        seal = sealing.new_run(new_row(run, status, first))
        bodies = [(seq, kind, seal.event(seq, 1, kind, body)) for seq, kind, body in rows_apart(first, events)]
        notable = notable_at_once(events)
        taken = Claim(run.run_id, 0, 1, first + len(bodies), seal=seal)
        row_seal = seal.row_seal(status, "", 1, taken.next_seq - 1)
        kept = sealing.contents(contents or {})

        def work(cursor: Cursor[Any], _again: bool) -> int:
            cursor.execute(
                "INSERT INTO runs(namespace, run_id, made, graph, status, reason, fingerprint, created, updated, epoch, owner, lease,"
                " parent, parent_step, parent_seq, first_seq, target, queue, priority, labels, seal)"
                " VALUES(%s,%s,%s,%s,%s,'',%s,unix_now(),unix_now(),1,%s,"
                " clock_timestamp() + make_interval(secs => %s),%s,%s,%s,%s,%s,%s,%s,%s,%s) ON CONFLICT (namespace, run_id) DO NOTHING",
                (
                    self._namespace,
                    run.run_id,
                    made,
                    run.graph,
                    status,
                    seal.shown(run.fingerprint),
                    self._owner if claim else "",
                    self._lease if claim else -1.0,
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
            key, made_by = one(cursor, "SELECT id, made FROM runs WHERE namespace=%s AND run_id=%s", (self._namespace, run.run_id))
            if made_by != made:
                raise RunExists(f"there is a run {run.run_id!r} already in {self.url}; resume it, or choose another run_id")
            cursor.executemany(
                "INSERT INTO events(run, seq, epoch, at, kind, body)"
                " VALUES(%s,%s,1,coalesce(%s::float8, unix_now()),%s,%s) ON CONFLICT DO NOTHING",
                [(key, seq, at, kind, body) for (seq, kind, body), at in zip(bodies, times or [None] * len(bodies), strict=True)],
            )
            taken.key = key
            index_labels(cursor, self._namespace, sealing, key, run.labels)
            self._put(cursor, kept)
            note(cursor, taken, taken.next_seq - 1, notable)
            return key

        await self._writes.do(work)
        if claim:
            self._claims.keep(taken)
        return taken

    async def claim(self, run_id: str) -> Claim:
        sealing = await self._reads.sealing()

        def work(cursor: Cursor[Any], again: bool) -> Claim:
            row = one(cursor, f"{LISTED} AND run_id=%s FOR UPDATE", (self._namespace, run_id))
            if row is None:
                raise self._not_found(run_id)
            *columns, expired = row
            stored = RunRow(*columns)
            epoch, owner = stored.epoch, stored.owner
            key = one(cursor, "SELECT id FROM runs WHERE namespace=%s AND run_id=%s", (self._namespace, run_id))[0]
            lost = again and owner == self._owner and key not in self._claims  # the answer to our own claim was lost
            if owner and not expired and not lost and not has_died(owner):
                raise RunBusy(f"run {run_id!r} is being run by {described(owner)}; nothing was done", run_id, owner)
            seal = sealing.run(stored)
            last = one(cursor, "SELECT max(seq) FROM events WHERE run=%s", (key,))[0]
            taken = Claim(run_id, key, epoch + 1, stored.first_seq if last is None else last + 1, seal=seal)
            cursor.execute(
                "UPDATE runs SET epoch=%s, owner=%s, lease=clock_timestamp() + make_interval(secs => %s), status='running', reason='',"
                " updated=unix_now(), seal=%s WHERE id=%s",
                (epoch + 1, self._owner, self._lease, seal.row_seal("running", "", epoch + 1, taken.next_seq - 1), key),
            )
            return taken

        claim = await self._writes.do(work)
        self._claims.keep(claim)
        return claim

    async def append(self, claim: Claim, events: Sequence[Event], contents: Mapping[str, str] | None = None) -> None:
        seq, seal = claim.next_seq, claim.seal
        rows = rows_of(seq, events)
        if seal.encrypted:
            rows = [(number, kind, seal.event(number, claim.epoch, kind, body)) for number, kind, body in rows]
        kept = self._reads.seal.contents(contents) if contents else []
        notable = [event for event in events if is_notable(event)]
        last = seq + len(events) - 1
        claim.next_seq = last + 1  # taken before anything is awaited: branches of a run append at the same time

        def along(cursor: Cursor[Any]) -> None:
            self._put(cursor, kept)
            note(cursor, claim, last, notable)

        try:
            alone = len(self._claims) <= 1
            await self._writes.append(Append(claim, rows, along if kept or notable else None), alone=alone)
        except Fenced:
            self._claims.drop(claim)
            raise
        if notable and isinstance(notable[-1], Ended):
            self._claims.drop(claim)

    async def confirm(self, claim: Claim) -> None:
        if time.monotonic() - claim.renewed < self._lease:
            return
        same = "SELECT 1 FROM runs WHERE id=%s AND epoch=%s"
        if await self._reads.do(lambda cursor: one(cursor, same, (claim.key, claim.epoch))) is None:
            self._claims.drop(claim)
            raise fenced(claim)

    async def anow(self) -> float:
        return await self._reads.do(lambda cursor: one(cursor, "SELECT unix_now()", ())[0])

    async def release(self, claim: Claim) -> None:
        if not self._claims.holds(claim):
            return
        self._claims.drop(claim)

        def work(cursor: Cursor[Any], _again: bool) -> None:
            cursor.execute("UPDATE runs SET owner='', lease='-infinity' WHERE id=%s AND epoch=%s", (claim.key, claim.epoch))

        await self._writes.do(work)

    async def load(
        self, run_id: str, *, steps_only: bool = False, upto_step: int | None = None, after: int | None = None
    ) -> list[Recorded]:
        check_part(steps_only, upto_step, after)
        steps_only = steps_only and upto_step is None
        # Where a row's kind is not to be trusted before it is opened, all are read.
        events = await self._reads.do(lambda cursor: self._load(cursor, run_id, None, steps_only and not self._reads.seal.encrypted, after))
        if upto_step is not None:
            return upto(events, upto_step)
        return without_finished_turns(events) if steps_only and self._reads.seal.encrypted else events

    async def info(self, run_id: str) -> RunInfo:
        row = await self._reads.do(lambda cursor: one(cursor, f"{LISTED} AND run_id=%s", (self._namespace, run_id)))
        if row is None:
            raise self._not_found(run_id)
        return listed(row, self._reads.seal)

    async def content(self, digest: str) -> str | None:
        name = (await self._reads.sealing()).content_name(digest)
        wanted = "SELECT body FROM contents WHERE namespace=%s AND digest=%s"
        row = await self._reads.do(lambda cursor: one(cursor, wanted, (self._namespace, name)))
        return self._reads.seal.opened_content(digest, row[0]) if row is not None else None

    async def page(self, wanted: Wanted, size: int | None, below: int | None) -> Page:
        sealed = (await self._reads.sealing()).encrypted
        query, values = page_query(POSTGRES, self._namespace, wanted, size, below, sealed=sealed)
        statement = query.replace("?", "%s").encode()
        rows = await self._reads.do(lambda cursor: cursor.execute(statement, values).fetchall())
        return [(key, listed(row, self._reads.seal)) for key, *row in rows]

    async def saying(self, run_ids: Sequence[str], text: str) -> set[str]:
        sealed = (await self._reads.sealing()).encrypted
        return await (super().saying(run_ids, text) if sealed else self._reads.saying(run_ids, text))

    async def place_of(self, run_id: str) -> int:
        wanted = "SELECT id FROM runs WHERE namespace=%s AND run_id=%s"
        row = await self._reads.do(lambda cursor: one(cursor, wanted, (self._namespace, run_id)))
        if row is None:
            raise self._not_found(run_id)
        return row[0]

    async def alabel(self, run_id: str, labels: Collection[str]) -> None:
        wanted, sealing = checked_labels(labels), await self._reads.sealing()
        if not await self._writes.do(lambda cursor, _again: label(cursor, self._namespace, sealing, run_id, wanted)):
            raise self._not_found(run_id)

    async def aquestions(self, run_id: str | None = None, *, to: str | None = None) -> list[OpenQuestion]:
        if run_id is not None:
            await self.info(run_id)
        query = QUESTIONS + " AND q.due IS NULL AND (%s::text IS NULL OR q.node=%s) ORDER BY q.asked"
        rows = await self._reads.do(lambda cursor: cursor.execute(query, (self._namespace, run_id, run_id, to, to)).fetchall())
        return [asked(row, self._reads.seal) for row in rows]

    async def atimers(self, run_id: str | None = None) -> list[OpenQuestion]:
        if run_id is not None:
            await self.info(run_id)
        query = QUESTIONS + " AND q.due IS NOT NULL ORDER BY q.due"
        rows = await self._reads.do(lambda cursor: cursor.execute(query, (self._namespace, run_id, run_id)).fetchall())
        return [asked(row, self._reads.seal) for row in rows]

    async def arunnable(
        self, *, graphs: Collection[str] | None = None, queues: Collection[str] | None = None, limit: int = 100
    ) -> list[RunInfo]:
        wanted = [None if names is None else list(names) for names in (graphs, queues)]
        lost = (self._namespace, self._owner.partition("|")[0], self._owner)
        values = (self._namespace, self._namespace, *wanted, limit, *lost, *wanted)
        rows = await self._reads.do(lambda cursor: cursor.execute(RUNNABLE, values).fetchall())
        return [info for row in rows if (info := listed(row, self._reads.seal)).status != "running"][:limit]

    async def deliver(self, run_id: str, question_id: str, value: Any) -> None:
        text = json.dumps(value)
        await self._reads.sealing()

        def work(cursor: Cursor[Any], again: bool) -> None:
            row = one(cursor, f"{QUESTIONS} AND q.id=%s FOR UPDATE OF q", (self._namespace, run_id, run_id, question_id))
            known = None if row is None else asked(row, self._reads.seal)
            if row is not None and known is not None and not known.answered:
                prompt = row[len(RunRow._fields) + 1]
                answer = self._reads.seal.run(RunRow(*row[: len(RunRow._fields)])).question_part(question_id, answer_to(prompt), text)
                cursor.execute(
                    "UPDATE questions SET answer=%s WHERE id=%s AND run=(SELECT id FROM runs WHERE namespace=%s AND run_id=%s)",
                    (answer, question_id, self._namespace, run_id),
                )
                return
            if again and known is not None and known.answer == json.loads(text):
                return  # delivered before the answer to it was lost
            raise AnswerError(f"run {run_id!r}: question {question_id!r} is not open any more")

        await self._writes.do(work)

    async def abeat(self, worker: WorkerInfo) -> None:
        await self._writes.do(lambda cursor, _again: beat(cursor, self._namespace, worker))

    async def aleave(self, worker_id: str) -> None:
        await self._writes.do(lambda cursor, _again: leave(cursor, self._namespace, worker_id))

    async def aworkers(self) -> list[WorkerInfo]:
        return await self._reads.do(lambda cursor: workers(cursor, self._namespace))

    async def adelete(self, run_id: str) -> None:
        await self._reads.sealing()

        def work(cursor: Cursor[Any], again: bool) -> None:
            row = one(cursor, f"{LISTED} AND run_id=%s FOR UPDATE", (self._namespace, run_id))
            if row is None and again:
                return
            if row is None:
                raise self._not_found(run_id)
            children = cursor.execute("SELECT run_id FROM runs WHERE namespace=%s AND parent=%s", (self._namespace, run_id)).fetchall()
            check_deletable(listed(row, self._reads.seal), [child[0] for child in children])
            delete(cursor, self._namespace, [run_id])

        await self._writes.do(work)

    async def aprune(self, *, older_than: float | None = None, status: RunStatus | None = None, keep: int | None = None) -> int:
        if older_than is None and keep is None and status is None:
            raise InputError("prune needs older_than=, status= or keep=; without one it would delete every run")
        if status in ("running", "interrupted"):  # told apart by their owners, one by one
            return await super().aprune(older_than=older_than, status=status, keep=keep)
        check_filters(status, keep)
        values = {"namespace": self._namespace, "status": status, "keep": keep or 0, "age": older_than}
        names = [row[0] for row in await self._reads.do(lambda cursor: cursor.execute(DOOMED, values).fetchall())]
        for start in range(0, len(names), _AT_ONCE):
            await self._writes.do(lambda cursor, _again, part=names[start : start + _AT_ONCE]: delete(cursor, self._namespace, part))
        return len(names)

    async def aclose(self) -> None:
        for claim in self._claims:
            await self.release(claim)
        await asyncio.to_thread(self._writes.close)
        self._reads.close()

    def _load(self, cursor: Cursor[Any], run_id: str, upto_seq: int | None, steps_only: bool, after: int | None) -> list[Recorded]:
        row = one(cursor, f"{LISTED} AND run_id=%s", (self._namespace, run_id))
        if row is None:
            raise self._not_found(run_id)
        stored = RunRow(*row[:-1])
        key = one(cursor, "SELECT id FROM runs WHERE namespace=%s AND run_id=%s", (self._namespace, run_id))[0]
        seal, parent, parent_seq = self._reads.seal.run(stored), stored.parent, stored.parent_seq
        shares = parent and (after is None or after < parent_seq)
        shared_end = parent_seq if upto_seq is None else min(parent_seq, upto_seq)
        shared = self._load(cursor, parent, shared_end, steps_only, after) if shares else []
        begin = -1 if after is None else after
        end = upto_seq if upto_seq is not None else 2**31 - 1
        entered = -1
        if steps_only:
            last = one(
                cursor,
                "SELECT seq FROM events WHERE run=%s AND seq<=%s AND kind IN ('step','moved') ORDER BY seq DESC LIMIT 1",
                (key, end),
            )
            entered = last[0] if last is not None else -1
        rows = cursor.execute(EVENTS, (key, begin, end, entered)).fetchall()
        recorded = recorded_in(rows, seal, run_id, begin, entered)
        seal.check_whole([each.seq for each in recorded], begin, upto_seq)
        if seal.encrypted:
            seal.check_epochs([row[1] for row in rows], one(cursor, "SELECT epoch FROM runs WHERE id=%s", (key,))[0])
        return shared + recorded

    async def _extend_leases(self) -> None:
        held = {claim.key: claim for claim in self._claims}
        now = time.monotonic()

        def work(cursor: Cursor[Any], _again: bool) -> list[tuple[int, int]]:
            cursor.execute(
                "UPDATE runs SET lease=clock_timestamp() + make_interval(secs => %s)"
                " FROM unnest(%s::bigint[], %s::int[]) AS mine(id, epoch) WHERE runs.id=mine.id AND runs.epoch=mine.epoch"
                " RETURNING runs.id, runs.epoch",
                (self._lease, list(held), [claim.epoch for claim in held.values()]),
            )
            return cursor.fetchall()

        for key, _ in await self._writes.do(work):
            held[key].renewed = now

    def _put(self, cursor: Cursor[Any], contents: Sequence[tuple[str, str]]) -> None:
        """Keep texts that events refer to by their digests, each once."""
        if contents:
            rows = [(self._namespace, *row) for row in contents]
            cursor.executemany("INSERT INTO contents VALUES(%s,%s,%s) ON CONFLICT DO NOTHING", rows)

    def _not_found(self, run_id: str) -> RunNotFound:
        return RunNotFound(f"no run {run_id!r} in {self.url}")


_AT_ONCE = 1000
"""How many runs one transaction deletes."""


def postgres_store(url: str, **options: Any) -> PostgresStore:
    """The store at a URL, which may name its namespace. Raises `MissingDependency`, `InputError`."""
    place = postgres_place(url)
    if place.namespace is not None:
        options.setdefault("namespace", place.namespace)
    return PostgresStore(place.dsn, **options)
