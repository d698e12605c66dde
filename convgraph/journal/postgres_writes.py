"""What is written to PostgreSQL: over one connection, and in one transaction whatever waits at a moment.

A thread does it. Handing something over to it and back costs half of what a commit does, so what a single run appends is sent
by the event loop's own thread, which waits for the answer for a moment; where it takes longer, the thread waits on.

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
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from convgraph.errors import ConvgraphError, StoreError, StoreUnavailable
from convgraph.journal.postgres_appends import Append, AtOnce, appended
from convgraph.journal.postgres_schema import prepare
from convgraph.journal.uninterrupted import cancel_later, seen_through

if TYPE_CHECKING:
    from psycopg import Connection, Cursor

T = TypeVar("T")

FIRST_PATIENCE = 5.0
"""For how many seconds a database is tried that was never reached."""
Work: TypeAlias = "Callable[[Cursor[Any], bool], T]"
"""Work in a transaction. The flag says that an earlier attempt at it may have succeeded without anybody being told."""

_LOST = frozenset({"57P01", "57P02", "57P03", "08000", "08003", "08006", "08001", "08004", "53300", "40001", "40P01"})
"""What PostgreSQL calls errors that pass: it is shutting down or starting, has no connection left, or asks to try again."""

PROMPT = 0.003
"""For how many seconds at most the event loop's thread waits for the server: longer than a commit takes on one that is near."""
AWAY = 1.0
"""For how many seconds a server that was slower than that is left to the thread."""


@dataclass(slots=True)
class _Waiting:
    work: Append | Work[Any]
    loop: asyncio.AbstractEventLoop
    done: asyncio.Future[Any]
    since: float = field(default_factory=time.monotonic)
    tried: bool = False
    sent: AtOnce | None = None
    """How it was sent already; nothing but the answer is to be waited for."""

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
        self.place = place
        """How messages name the database: its url, without the password."""
        self._patience = patience
        self.patience = min(patience, FIRST_PATIENCE)
        """For how many seconds it is tried again at present: longer once it was reached, for until then its name may be wrong."""
        self._queue: deque[_Waiting] = deque()
        self._wanted = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._connection: Connection[Any] | None = None
        self._at_once: AtOnce | None = None
        self._idle: AtOnce | None = None  # as long as the thread does not use the connection
        self._lent = False  # a loop uses it
        self._had_its_turn = False  # something was appended at once in this turn of the loop
        self._away_until = 0.0

    async def append(self, append: Append, *, alone: bool) -> None:
        """Write events: at once where the run is `alone` and nobody else wants to write at the moment. See `do`."""
        at_once = self._borrowed() if alone and append.is_small else None
        if at_once is None:
            return await self.do(append)
        loop = asyncio.get_running_loop()
        waiting = _Waiting(append, loop, loop.create_future())
        if self._did_at_once(at_once, append, waiting):
            await _others_turn()
            self._had_its_turn = False
        return await seen_through(waiting.done)

    async def do(self, work: Append | Work[T]) -> Any:
        """Do `work` in a transaction, together with what others want at the moment. Raises what it raises, and `StoreUnavailable`.

        A cancellation that comes meanwhile takes effect when it is known what came of it.
        """
        loop = asyncio.get_running_loop()
        waiting = _Waiting(work, loop, loop.create_future())
        with self._wanted:
            if self._closed:
                raise StoreUnavailable(f"{self.place}: this store has been closed")
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

    def _borrowed(self) -> AtOnce | None:
        """The connection, for one append. Of several that come at the same moment one gets it, and the others share a commit."""
        with self._wanted:
            if self._lent or self._queue or self._closed or self._had_its_turn or time.monotonic() < self._away_until:
                return None
            self._lent = self._idle is not None
            return self._idle

    def _did_at_once(self, at_once: AtOnce, append: Append, waiting: _Waiting) -> bool:
        """Do what the connection was borrowed for, and give it back; what takes long, or fails, is left to the thread."""
        try:
            at_once.send(append)
            waiting.sent = at_once
            if at_once.is_answered(PROMPT):
                _settled(waiting.done, at_once.answer())
            else:
                self._away_until = time.monotonic() + AWAY
        except self._psycopg.Error:
            waiting.sent, waiting.tried = None, True  # the thread does it once more, and says what is wrong where something is
        finally:
            done = waiting.done.done()
            with self._wanted:
                self._lent, self._had_its_turn = False, done
                if not done:
                    self._queue.appendleft(waiting)
                if self._queue or self._closed:
                    self._wanted.notify()
        return done

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
        """All that waits; nothing only when the store was closed. What was sent already goes first, and alone."""
        with self._wanted:
            self._idle = self._at_once
            while self._lent or not (self._queue or self._closed):
                self._wanted.wait()
            self._idle = None
            size = 1 if self._queue and self._queue[0].sent else len(self._queue)
            return [self._queue.popleft() for _ in range(size)]

    def _attempt(self, batch: Sequence[_Waiting]) -> list[Any]:
        """Do all of it in one transaction: what each gave, or the error of ours that it raised. Raises what the database says."""
        if (sent := batch[0].sent) is not None:
            return [sent.answer()]
        connection = self._connected()
        appends = [item.work for item in batch if isinstance(item.work, Append)]
        alone = len(appends) == len(batch) and not any(append.along for append in appends)
        if alone:  # one statement is a transaction of its own, and one way there and back
            with connection.cursor() as cursor:
                return appended(cursor, appends)
        with connection.transaction(), connection.cursor() as cursor:
            written = iter(appended(cursor, appends) if appends else [])
            return [next(written) if isinstance(item.work, Append) else _outcome(item.work, cursor, item.tried) for item in batch]

    def _failed(self, batch: list[_Waiting], error: Exception) -> None:
        """Try again in a moment where that may help; otherwise tell those who wait."""
        translated = self._translated(error)
        if translated is None:
            self._disconnect()
            now = time.monotonic()
            late = [item for item in batch if now - item.since > self.patience]
            for item in batch:
                item.tried, item.sent = True, None
            if not late:
                time.sleep(random.uniform(0.05, 0.25))
                with self._wanted:
                    self._queue.extendleft(reversed(batch))
                return
            translated = StoreUnavailable(f"{self.place}: cannot be reached for {self.patience:g} s: {_first_line(error)}")
        for item in batch:
            item.settle(translated)

    def _translated(self, error: Exception) -> Exception | None:
        """The error in the words of convgraph.errors; None for one that passes."""
        if not isinstance(error, self._psycopg.Error):
            return error
        state = error.sqlstate or ""
        if state == "53100":
            return StoreUnavailable(
                f"{self.place}: the server's disk is full; nothing of this was written, all before it is safe. Make room and resume"
            )
        if state in ("28P01", "28000", "3D000", "42501") or (isinstance(error, self._psycopg.ProgrammingError) and not state):
            return StoreUnavailable(f"{self.place}: {_first_line(error)}")
        lost = self._connection is None or self._connection.broken or self._connection.closed
        if lost or state in _LOST or isinstance(error, self._psycopg.OperationalError | self._psycopg.InterfaceError):
            return None
        return StoreUnavailable(f"{self.place}: {_first_line(error)}")

    def _connected(self) -> Connection[Any]:
        if self._connection is None:
            connection = connected(self._url)
            try:
                prepare(connection, self.place)
                self._at_once = AtOnce(connection) if connection.info.encoding == "utf-8" else None
            except BaseException:
                connection.close()
                raise
            self._connection = connection
            self.reached()
        return self._connection

    def reached(self) -> None:
        """Note that the database is there: from now on a failure to reach it will pass."""
        self.patience = self._patience

    def _disconnect(self) -> None:
        connection, self._connection, self._at_once = self._connection, None, None
        if connection is not None:
            connection.close()


_OPTIONS = (
    "-c search_path=convgraph -c idle_in_transaction_session_timeout=60000"
    # What is asked is a page at most: to have further processes begin with it takes longer than to read it.
    " -c max_parallel_workers_per_gather=0"
)


def connected(url: str, *, autocommit: bool = True) -> Connection[Any]:
    """A connection to the database at `url`, in convgraph's schema."""
    import psycopg

    return psycopg.connect(
        url,
        autocommit=autocommit,
        connect_timeout=10,
        application_name="convgraph",
        options=_OPTIONS,
        keepalives_idle=5,
        keepalives_interval=2,
        keepalives_count=3,
        tcp_user_timeout=15000,
    )


def _outcome(work: Work[Any], cursor: Cursor[Any], tried: bool) -> Any:
    try:
        return work(cursor, tried)
    except ConvgraphError as error:
        if isinstance(error, StoreError):
            raise
        return error


async def _others_turn() -> None:
    """Let the loop do what else there is. A cancellation that comes meanwhile takes effect at the next await."""
    try:
        await asyncio.sleep(0)
    except asyncio.CancelledError:
        cancel_later()


def _settled(done: asyncio.Future[Any], outcome: Any) -> None:
    if done.done():
        return
    if isinstance(outcome, BaseException):
        done.set_exception(outcome)
    else:
        done.set_result(outcome)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
