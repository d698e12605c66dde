"""Transactions on one SQLite connection: at once for a single run, one commit for whatever many runs want at a moment."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from convgraph.errors import ConvgraphError, StoreCorrupt, StoreError, StoreUnavailable
from convgraph.journal.uninterrupted import cancel_later

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]

LOCKED_SECONDS = 30.0


class Commits:
    """The connection, and who may use it when. Safe to use from several threads, each with a loop of its own.

    The loop is never made to wait for another process: a locked file is tried again, and the loop does other work
    in between.
    """

    def __init__(self, db: sqlite3.Connection, path: str) -> None:
        self._db: sqlite3.Connection | None = db
        self._path = path
        self._lock = threading.Lock()
        self._waiting: dict[asyncio.AbstractEventLoop, list[_Waiting]] = {}

    async def transaction(self, work: Work[T], *, alone: bool) -> T:
        """Do `work` in a transaction: at once where one is `alone`, otherwise together with what others want at the moment.

        `work` raises before it writes, or not at all: what it raises fails nobody else's. A cancellation that comes
        while the commit is under way takes effect after it.
        """
        loop = asyncio.get_running_loop()
        waiting = self._waiting.get(loop)
        if alone and waiting is None:
            try:
                return _result(self._attempt([work])[0])
            except _Locked:
                pass  # another process writes at the moment: wait in turn, and let the loop do other work
        item = _Waiting(work, loop.create_future())
        if waiting is None:
            self._waiting[loop] = [item]
            loop.call_soon(self._commit_waiting, loop, time.monotonic() + LOCKED_SECONDS)
        else:
            waiting.append(item)
        try:
            return await item.done
        except asyncio.CancelledError:
            return await _seen_through(item, loop)

    def read(self, query: Work[T]) -> T:
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

    def close(self) -> None:
        """Close the connection. Closing twice is allowed."""
        with self._lock:
            if self._db is not None:
                self._db.close()
                self._db = None

    def _commit_waiting(self, loop: asyncio.AbstractEventLoop, deadline: float) -> None:
        waiting = self._waiting[loop]
        try:
            outcomes = self._attempt([item.work for item in waiting])
        except _Locked:
            if time.monotonic() < deadline:
                loop.call_later(random.uniform(0.001, 0.01), self._commit_waiting, loop, deadline)
                return
            outcomes = [self._locked_for_too_long()] * len(waiting)
        except StoreError as error:
            outcomes = [error] * len(waiting)
        del self._waiting[loop]
        for item, outcome in zip(waiting, outcomes, strict=True):
            item.settle(outcome)

    def _attempt(self, works: Sequence[Work[Any]]) -> list[Any]:
        """Do all `works` in one transaction: what each gave, or the error of ours that it raised.

        Raises `_Locked` or a `StoreError` where the transaction as a whole fails.
        """
        with self._lock:
            db = self._connection()
            try:
                db.execute("BEGIN IMMEDIATE")
                outcomes = [_outcome(work, db) for work in works]
                db.execute("COMMIT")
            except BaseException as error:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise self._translated(error) from error
            return outcomes

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
        if isinstance(outcome, ConvgraphError):
            self.done.set_exception(outcome)
        else:
            self.done.set_result(outcome)


class _Locked(Exception):
    """Another process is writing at this moment."""


def _outcome(work: Work[Any], db: sqlite3.Connection) -> Any:
    try:
        return work(db)
    except ConvgraphError as error:
        return error


def _result(outcome: Any) -> Any:
    if isinstance(outcome, ConvgraphError):
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
