"""What is written to PostgreSQL: by one thread over one connection, and in one transaction whatever waits at a moment.

A connection that was lost is made again, and what was under way is done again. Nobody knows then whether its commit had
succeeded; so every piece of work here can be done twice, and is told when it may have been.
"""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any, LiteralString, TypeAlias, TypeVar

from convgraph.errors import ConvgraphError, Fenced, StoreError, StoreUnavailable
from convgraph.journal.postgres_schema import prepare
from convgraph.journal.rows import fenced
from convgraph.journal.store import Claim
from convgraph.journal.uninterrupted import seen_through

if TYPE_CHECKING:
    from psycopg import Connection, Cursor

T = TypeVar("T")
Work: TypeAlias = "Callable[[Cursor[Any], bool], T]"
"""Work in a transaction. The flag says that an earlier attempt at it may have succeeded without anybody being told."""

_LOST = frozenset({"57P01", "57P02", "57P03", "08000", "08003", "08006", "08001", "08004", "53300", "40001", "40P01"})
"""What PostgreSQL calls errors that pass: it is shutting down or starting, has no connection left, or asks to try again."""

# Whether each run is still its writer's is looked at in the statement that writes; the row is locked until the end of the
# transaction, so that a claim comes before it or after it. A row that is there already is our own: no two writers have one epoch.
_APPEND = """
WITH owned AS (SELECT id, epoch FROM runs WHERE id = ANY(%s::bigint[]) ORDER BY id FOR SHARE),
new AS (SELECT * FROM unnest(%s::bigint[], %s::int[], %s::int[], %s::text[], %s::text[]) AS row(run, seq, epoch, kind, body)),
written AS (
    INSERT INTO events(run, seq, epoch, at, kind, body)
    SELECT new.run, new.seq, new.epoch, unix_now(), new.kind, new.body
    FROM new JOIN owned ON owned.id = new.run AND owned.epoch = new.epoch
    ON CONFLICT (run, seq) DO NOTHING
)
SELECT id, epoch FROM owned
"""
# The same for one run's few events, which costs the server half as much.
_ROW: LiteralString = "(%s::int, %s, %s)"
_APPEND_FEW: tuple[LiteralString, ...] = tuple(
    "WITH owned AS (SELECT id, epoch FROM runs WHERE id=%s AND epoch=%s FOR SHARE), written AS ("  # nothing but placeholders
    " INSERT INTO events(run, seq, epoch, at, kind, body) SELECT owned.id, new.seq, owned.epoch, unix_now(), new.kind, new.body"
    " FROM owned, (VALUES " + (_ROW + ", ") * (rows - 1) + _ROW + ") AS new(seq, kind, body) ON CONFLICT (run, seq) DO NOTHING)"
    " SELECT epoch FROM owned"
    for rows in range(1, 5)
)


@dataclass(slots=True)
class Append:
    """Events to be written by the holder of a claim, and what else is to be written with them."""

    claim: Claim
    rows: list[tuple[int, str, str]]
    """Number, kind and body of each event."""
    along: Callable[[Cursor[Any]], None] | None = None


@dataclass(slots=True)
class _Waiting:
    work: Append | Work[Any]
    loop: asyncio.AbstractEventLoop
    done: asyncio.Future[Any]
    since: float = field(default_factory=time.monotonic)
    tried: bool = False

    def settle(self, outcome: Any) -> None:
        """Tell the one who waits, from another thread. A loop that has closed waits for nothing."""
        try:
            self.loop.call_soon_threadsafe(_settled, self.done, outcome)
        except RuntimeError:
            if not self.loop.is_closed():
                raise


class PostgresWrites:
    """The connection that writes, and the thread that it belongs to. May be used from several threads and loops.

    `patience`: for how many seconds a database that cannot be reached is tried again before whoever waits is told.
    """

    def __init__(self, url: str, place: str, patience: float) -> None:
        import psycopg

        self._psycopg = psycopg
        self._url = url
        self._place = place
        self._patience = patience
        self._queue: deque[_Waiting] = deque()
        self._wanted = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._connection: Connection[Any] | None = None

    async def do(self, work: Append | Work[T]) -> Any:
        """Do `work` in a transaction, together with what others want at the moment. Raises what it raises, and `StoreUnavailable`.

        A cancellation that comes meanwhile takes effect when it is known what came of it.
        """
        loop = asyncio.get_running_loop()
        waiting = _Waiting(work, loop, loop.create_future())
        with self._wanted:
            if self._closed:
                raise StoreUnavailable(f"{self._place}: this store has been closed")
            self._queue.append(waiting)
            if self._thread is None:
                self._thread = threading.Thread(target=self._serve, name="convgraph-postgres", daemon=True)
                self._thread.start()
            self._wanted.notify()
        return await seen_through(waiting.done)

    def close(self) -> None:
        """Write what waits, and end the thread. Closing twice is allowed."""
        with self._wanted:
            self._closed = True
            self._wanted.notify()
        if self._thread is not None:
            self._thread.join(timeout=self._patience)

    def _serve(self) -> None:
        while batch := self._next():
            try:
                outcomes = self._attempt(batch)
            except Exception as error:  # noqa: BLE001  # told to all who wait, whatever it is: a thread has no caller
                self._failed(batch, error)
                continue
            for item, outcome in zip(batch, outcomes, strict=True):
                item.settle(outcome)
        self._disconnect()

    def _next(self) -> list[_Waiting]:
        """All that waits; nothing only when the store was closed."""
        with self._wanted:
            while not self._queue and not self._closed:
                self._wanted.wait()
            batch = list(self._queue)
            self._queue.clear()
            return batch

    def _attempt(self, batch: Sequence[_Waiting]) -> list[Any]:
        """Do all of it in one transaction: what each gave, or the error of ours that it raised. Raises what the database says."""
        connection = self._connected()
        appends = [item.work for item in batch if isinstance(item.work, Append)]
        alone = len(appends) == len(batch) and not any(append.along for append in appends)
        if alone:  # one statement is a transaction of its own, and one way there and back
            with connection.cursor() as cursor:
                return _appended(cursor, appends)
        with connection.transaction(), connection.cursor() as cursor:
            written = iter(_appended(cursor, appends) if appends else [])
            return [next(written) if isinstance(item.work, Append) else _outcome(item.work, cursor, item.tried) for item in batch]

    def _failed(self, batch: list[_Waiting], error: Exception) -> None:
        """Try again in a moment where that may help; otherwise tell those who wait."""
        translated = self._translated(error)
        if translated is None:
            self._disconnect()
            now = time.monotonic()
            late = [item for item in batch if now - item.since > self._patience]
            for item in batch:
                item.tried = True
            if not late:
                time.sleep(random.uniform(0.05, 0.25))
                with self._wanted:
                    self._queue.extendleft(reversed(batch))
                return
            translated = StoreUnavailable(f"{self._place}: cannot be reached for {self._patience:g} s: {_first_line(error)}")
        for item in batch:
            item.settle(translated)

    def _translated(self, error: Exception) -> Exception | None:
        """The error in the words of convgraph.errors; None for one that passes."""
        if not isinstance(error, self._psycopg.Error):
            return error
        state = error.sqlstate or ""
        if state == "53100":
            return StoreUnavailable(
                f"{self._place}: the server's disk is full; nothing of this was written, all before it is safe. Make room and resume"
            )
        if state in ("28P01", "28000", "3D000", "42501") or (isinstance(error, self._psycopg.ProgrammingError) and not state):
            return StoreUnavailable(f"{self._place}: {_first_line(error)}")
        lost = self._connection is None or self._connection.broken or self._connection.closed
        if lost or state in _LOST or isinstance(error, self._psycopg.OperationalError | self._psycopg.InterfaceError):
            return None
        return StoreUnavailable(f"{self._place}: {_first_line(error)}")

    def _connected(self) -> Connection[Any]:
        if self._connection is None:
            connection = connected(self._url)
            try:
                prepare(connection, self._place)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def connected(url: str, *, autocommit: bool = True) -> Connection[Any]:
    """A connection to the database at `url`, in convgraph's schema."""
    import psycopg

    return psycopg.connect(
        url,
        autocommit=autocommit,
        connect_timeout=10,
        application_name="convgraph",
        options="-c search_path=convgraph -c idle_in_transaction_session_timeout=60000",
        keepalives_idle=5,
        keepalives_interval=2,
        keepalives_count=3,
        tcp_user_timeout=15000,
    )


def _appended(cursor: Cursor[Any], appends: Sequence[Append]) -> list[Any]:
    """Write the events of those who still own their runs; what each is told."""
    if len(appends) == 1 and 0 < len(appends[0].rows) <= len(_APPEND_FEW):
        append = appends[0]
        cursor.execute(_APPEND_FEW[len(append.rows) - 1], [append.claim.key, append.claim.epoch, *chain.from_iterable(append.rows)])
        return [_told(cursor, append, is_owner=cursor.fetchone() is not None)]
    keys = list({append.claim.key for append in appends})
    rows = [(append.claim, *row) for append in appends for row in append.rows]
    columns = [[claim.key for claim, *_ in rows], [seq for _, seq, _, _ in rows], [claim.epoch for claim, *_ in rows]]
    cursor.execute(_APPEND, [keys, *columns, [kind for *_, kind, _ in rows], [body for *_, body in rows]])
    epochs = dict(cursor.fetchall())
    return [_told(cursor, append, is_owner=epochs.get(append.claim.key) == append.claim.epoch) for append in appends]


def _told(cursor: Cursor[Any], append: Append, *, is_owner: bool) -> Fenced | None:
    """Write what is to be written along with the events, where they were written."""
    if not is_owner:
        return fenced(append.claim)
    if append.along is not None:
        append.along(cursor)
    return None


def _outcome(work: Work[Any], cursor: Cursor[Any], tried: bool) -> Any:
    try:
        return work(cursor, tried)
    except ConvgraphError as error:
        if isinstance(error, StoreError):
            raise
        return error


def _settled(done: asyncio.Future[Any], outcome: Any) -> None:
    if done.done():
        return
    if isinstance(outcome, BaseException):
        done.set_exception(outcome)
    else:
        done.set_result(outcome)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
