"""Transactions on one SQLite connection: at once for a single run, one commit for whatever many runs want at a moment."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from convgraph.errors import ConvgraphError, StoreCorrupt, StoreUnavailable
from convgraph.journal.uninterrupted import cancel_later

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

T = TypeVar("T")
Work = Callable[[sqlite3.Cursor], T]
"""What is done in a transaction. All that share one share a cursor: it is nobody's once the work is done."""
Query = Callable[[sqlite3.Connection], T]
"""What is read outside of transactions."""

LOCKED_SECONDS = 30.0
MANY = 16
"""From how many waiting pieces of work on a commit is left to a thread: handing it over costs about as much as one small commit."""
ASIDE = 0.0001
"""Seconds for which a busy loop stands aside for the thread of a commit that should be over."""
AGAIN = 0.0005
"""Seconds until it does so again, where the commit was not over yet."""


class Commits:
    """The connection, and who may use it when. Safe to use from several threads, each with a loop of its own.

    The loop is never made to wait for another process: a locked file is tried again, and the loop does other work
    in between. Nor does it wait for the disk where many runs do: their work is done in the loop, and committed in a
    thread, while the runs that wait for nothing go on.
    """

    def __init__(self, db: sqlite3.Connection, path: str) -> None:
        self._db: sqlite3.Connection | None = db
        self._path = path
        self._lock = threading.Lock()
        self._waiting: dict[asyncio.AbstractEventLoop, list[_Waiting]] = {}
        self._thread: ThreadPoolExecutor | None = None
        self._under_way: _UnderWay | None = None
        self._usual = 0.001

    async def transaction(self, work: Work[T], *, alone: bool) -> T:
        """Do `work` in a transaction: at once where one is `alone`, otherwise together with what others want at the moment.

        `work` raises before it writes, or not at all: what it raises fails nobody else's. A cancellation that comes
        while the commit is under way takes effect after it.
        """
        loop = asyncio.get_running_loop()
        if alone and loop not in self._waiting:
            try:
                return _result(self._attempt([work])[0])
            except _Locked:
                pass  # another process writes at the moment: wait in turn, and let the loop do other work
        item = _Waiting(work, loop.create_future())
        self._queue(item, loop)
        try:
            return await item.done
        except asyncio.CancelledError:
            return await _seen_through(item, loop)

    def read(self, query: Query[T]) -> T:
        """Do `query` outside any transaction of ours."""
        deadline = time.monotonic() + LOCKED_SECONDS
        while True:
            with self._lock:
                try:
                    return query(self._connection())
                except sqlite3.Error as error:
                    translated = self._translated(error)
                    if not isinstance(translated, _Locked):
                        raise translated from error
            if time.monotonic() > deadline:
                raise self._locked_for_too_long()
            time.sleep(0.002)  # readers meet a lock only while another process switches the file to WAL or recovers it

    def read_apart(self, query: Query[T]) -> T:
        """Do `query` over a connection of its own: in another thread, it keeps nobody from writing, however long it takes."""
        with self._lock:
            self._connection()
        try:
            with closing(sqlite3.connect(f"{Path(self._path).absolute().as_uri()}?mode=ro", uri=True, timeout=LOCKED_SECONDS)) as db:
                return query(db)
        except sqlite3.Error as error:
            translated = self._translated(error)
            raise (self._locked_for_too_long() if isinstance(translated, _Locked) else translated) from error

    def close(self) -> None:
        """Close the connection. Closing twice is allowed."""
        with self._lock:
            if self._db is not None:
                self._db.close()
                self._db = None
            if self._thread is not None:
                self._thread.shutdown(wait=False)

    def _queue(self, item: _Waiting, loop: asyncio.AbstractEventLoop) -> None:
        """Have the work done with the next commit. Whoever waits for it holds its own item, not the list of all that wait."""
        waiting = self._waiting.get(loop)
        if waiting is None:
            self._waiting[loop] = [item]
            loop.call_soon(self._commit_waiting, loop, time.monotonic() + LOCKED_SECONDS)
        else:
            waiting.append(item)
            self._stand_aside(loop)

    def _commit_waiting(self, loop: asyncio.AbstractEventLoop, deadline: float) -> None:
        """Commit what waits. Whoever comes from now on waits for the commit after this one."""
        batch, self._waiting[loop] = self._waiting[loop], []
        works = [item.work for item in batch]
        try:
            if len(works) < MANY:
                self._settle(loop, batch, self._attempt(works))
            else:
                self._attempt_in_thread(loop, batch, works, deadline)
        except Exception as error:  # noqa: BLE001  # told to all who wait; a callback of the loop has no caller of its own
            self._not_committed(loop, batch, error, deadline)

    def _attempt(self, works: Sequence[Work[Any]]) -> list[Any]:
        """Do all `works` in one transaction: what each gave, or the error of ours that it raised.

        Raises `_Locked` or a `StoreError` where the transaction as a whole fails.
        """
        with self._lock, self._undone() as db:
            outcomes = _begun(works, db)
            db.commit()
            return outcomes

    def _attempt_in_thread(
        self, loop: asyncio.AbstractEventLoop, batch: list[_Waiting], works: Sequence[Work[Any]], deadline: float
    ) -> None:
        """The same, with the wait for the disk in a thread. The connection is locked until it is over."""
        self._lock.acquire()
        try:
            with self._undone() as db:
                commit = _UnderWay(loop, batch, _begun(works, db), deadline, time.monotonic() + self._usual)
                begun = threading.Event()
                self._own_thread().submit(self._commit_and_tell, commit, begun)
        except BaseException:
            self._lock.release()
            raise
        self._under_way = commit
        begun.wait()  # lets go of the interpreter, for which the thread would wait until a busy loop is made to

    def _stand_aside(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let go of the interpreter for a moment where this loop's commit should be over: its thread, which has to say so, waits for
        a busy loop to be made to, which takes longer than the commit itself.
        """
        commit = self._under_way
        if commit is None or commit.loop is not loop or time.monotonic() < commit.due:
            return
        if commit.over.wait(ASIDE):
            self._finish(commit)
        else:
            commit.due = time.monotonic() + AGAIN

    def _finish(self, commit: _UnderWay) -> None:
        """Tell those who waited for the commit what came of it, once."""
        if commit.finished:
            return
        commit.finished = True
        if self._under_way is commit:  # not the one that another loop has begun since
            self._under_way = None
        if commit.error is None:
            self._settle(commit.loop, commit.batch, commit.outcomes)
        else:
            self._not_committed(commit.loop, commit.batch, commit.error, commit.deadline)

    def _own_thread(self) -> ThreadPoolExecutor:
        """A thread for nothing but commits: asyncio's own may all be busy with what nodes do."""
        if self._thread is None:
            from concurrent.futures import ThreadPoolExecutor

            self._thread = ThreadPoolExecutor(1, "convgraph-commits")
        return self._thread

    def _commit_and_tell(self, commit: _UnderWay, begun: threading.Event) -> None:
        """Commit, unlock the connection, and have the loop told in its next turn what came of it."""
        begun.set()
        since = time.monotonic()
        try:
            with self._undone() as db:
                db.commit()  # lets go of the interpreter once, and `execute` several times: each time it would have to be waited for
        except BaseException as failure:  # noqa: BLE001  # told to all who wait
            commit.error = failure
        finally:
            self._lock.release()
        self._usual = min(time.monotonic() - since, self._usual * 1.25)  # a wait for the interpreter is in it: so rather too short
        commit.over.set()
        with suppress(RuntimeError):  # the loop has been closed: nobody waits any more
            commit.loop.call_soon_threadsafe(self._finish, commit)

    @contextmanager
    def _undone(self) -> Generator[sqlite3.Connection]:
        """The connection. Undoes the transaction where the block fails, and says why in the words of convgraph.errors."""
        db = self._connection()
        try:
            yield db
        except BaseException as error:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise self._translated(error) from error

    def _settle(self, loop: asyncio.AbstractEventLoop, batch: list[_Waiting], outcomes: Sequence[Any]) -> None:
        """Begin with those who have come meanwhile, and tell those who waited what came of it: they go on while the disk is at work."""
        if len(self._waiting[loop]) >= MANY:
            self._commit_waiting(loop, time.monotonic() + LOCKED_SECONDS)
        elif self._waiting[loop]:
            loop.call_soon(self._commit_waiting, loop, time.monotonic() + LOCKED_SECONDS)
        else:
            del self._waiting[loop]
        for item, outcome in zip(batch, outcomes, strict=True):
            item.settle(outcome)

    def _not_committed(self, loop: asyncio.AbstractEventLoop, batch: list[_Waiting], error: BaseException, deadline: float) -> None:
        """Try again in a moment where another process is writing; otherwise tell those who waited."""
        if isinstance(error, _Locked):
            if time.monotonic() < deadline:
                self._waiting[loop][:0] = batch
                loop.call_later(random.uniform(0.001, 0.01), self._commit_waiting, loop, deadline)
                return
            error = self._locked_for_too_long()
        self._settle(loop, batch, [error] * len(batch))

    def _connection(self) -> sqlite3.Connection:
        if self._db is None:
            raise StoreUnavailable(f"{self._path}: this store has been closed")
        return self._db

    def _translated(self, error: BaseException) -> BaseException:
        """The error in the words of convgraph.errors, for what SQLite reports."""
        if not isinstance(error, sqlite3.Error):
            return error
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return _Locked()
        if code == sqlite3.SQLITE_FULL:
            return StoreUnavailable(
                f"{self._path}: the disk is full; nothing of this step was written, all before it is safe. Make room and resume"
            )
        if code == sqlite3.SQLITE_READONLY:
            return StoreUnavailable(f"{self._path}: the file (or its folder) is read-only; nothing was written")
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            return StoreCorrupt(f"{self._path}: the file is damaged: {error}. Restore a backup, or try `sqlite3 FILE .recover`")
        return StoreUnavailable(f"{self._path}: {error}")

    def _locked_for_too_long(self) -> StoreUnavailable:
        return StoreUnavailable(f"{self._path}: another process has kept the file locked for {LOCKED_SECONDS:.0f} s")


@dataclass(slots=True)
class _Waiting:
    """Work that waits for the next commit. What becomes of it is told to `done`, and kept for one who was cancelled meanwhile."""

    work: Work[Any]
    done: asyncio.Future[Any]
    settled: bool = False
    outcome: Any = None

    def settle(self, outcome: Any) -> None:
        self.settled, self.outcome = True, outcome
        if self.done.done():
            return
        if isinstance(outcome, BaseException):
            self.done.set_exception(outcome)
        else:
            self.done.set_result(outcome)


@dataclass(slots=True)
class _UnderWay:
    """A commit in the thread: what `loop` will tell to those who wait for it, and from when on it is expected to be over."""

    loop: asyncio.AbstractEventLoop
    batch: list[_Waiting]
    outcomes: list[Any]
    deadline: float
    due: float
    over: threading.Event = field(default_factory=threading.Event)
    error: BaseException | None = None
    finished: bool = False


class _Locked(Exception):
    """Another process is writing at this moment."""


def _begun(works: Sequence[Work[Any]], db: sqlite3.Connection) -> list[Any]:
    """Open a transaction and do `works` in it: what each gave, or the error of ours that it raised."""
    cursor = db.cursor()
    cursor.execute("BEGIN IMMEDIATE")
    return [_outcome(work, cursor) for work in works]


def _outcome(work: Work[Any], db: sqlite3.Cursor) -> Any:
    try:
        return work(db)
    except ConvgraphError as error:
        return error


def _result(outcome: Any) -> Any:
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome


async def _seen_through(item: _Waiting, loop: asyncio.AbstractEventLoop) -> Any:
    """What became of the work, for a task that was cancelled while it waited: a commit under way cannot be taken back."""
    while not item.settled:
        item.done = loop.create_future()
        try:
            await item.done
        except asyncio.CancelledError:
            continue
    cancel_later()
    return _result(item.outcome)
