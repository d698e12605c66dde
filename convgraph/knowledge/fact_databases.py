"""The databases that facts can be in: a SQLite file (a store of runs may be in it as well), memory, or PostgreSQL."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from convgraph.errors import InputError, MissingDependency, StoreUnavailable, WrongKeys
from convgraph.journal.keyring import VARIABLE, Keyring
from convgraph.journal.postgres_schema import MAKING
from convgraph.journal.postgres_writes import connected
from convgraph.journal.sqlite_commits import Commits
from convgraph.journal.sqlite_schema import opened
from convgraph.knowledge.fact_sealing import PLAIN_FACTS, FactSeal, facts_seal
from convgraph.knowledge.fact_tables import Execute, make_tables

if TYPE_CHECKING:
    from psycopg import Connection

T = TypeVar("T")

_LOCK = 0x66616374  # "fact": the number under which PostgreSQL lets one writer of facts in at a time
_SQLITE_TYPES = {"text": "TEXT", "real": "REAL", "bytes": "BLOB"}
# Compared byte by byte, as SQLite does: a namespace is found by a range, whatever the language of the database.
_POSTGRES_TYPES = {"text": 'TEXT COLLATE "C"', "real": "DOUBLE PRECISION", "bytes": "BYTEA"}


class SqliteDatabase:
    """A SQLite file, for any number of processes on one host; `:memory:` for one that lives as long as the object.

    A file with runs in it stays what it is: the tables are added to it. What is deleted is overwritten.
    """

    def __init__(self, path: str, keys: Keyring | None = None, *, unsealed: bool = False) -> None:
        self.place = path
        self._keys = keys if path != ":memory:" else None
        self._seal = PLAIN_FACTS
        self._unsealed = unsealed
        db = _in_memory() if path == ":memory:" else opened(path, "FULL")
        db.execute("PRAGMA secure_delete=ON")
        self._commits = Commits(db, path)
        self._made = False

    async def write(self, work: Callable[[Execute], T]) -> T:
        await self._make()
        return await self._commits.transaction(lambda db: work(self._executing(db)), alone=True)

    async def read(self, work: Callable[[Execute], T]) -> T:
        await self._make()
        return self._commits.read(lambda db: work(self._executing(db)))

    async def forgotten(self) -> None:
        """Have the log written into the file and emptied, as far as no other process reads it at this moment."""
        self._commits.read(lambda db: db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall())

    async def aclose(self) -> None:
        self._commits.close()

    async def _make(self) -> None:
        if not self._made:
            await self._commits.transaction(self._prepare, alone=True)
            self._made = True

    def _prepare(self, db: sqlite3.Cursor) -> None:
        execute = self._executing(db)
        make_tables(execute, self.place, _SQLITE_TYPES)
        if self._unsealed:
            return
        if self.place != ":memory:":
            _check_runs_beside(execute, self._keys, self.place)
        self._seal = facts_seal(execute, self._keys, self.place)

    def _executing(self, db: sqlite3.Connection | sqlite3.Cursor) -> Execute:
        return _Executing(lambda statement, values: db.execute(statement, values).fetchall(), self._seal)


class PostgresDatabase:
    """A PostgreSQL database, for any number of processes on any hosts. The tables are in its schema `convgraph`, as those of runs are.

    One connection, used in threads; where it was lost, the work is done once more on a new one (all of it can be).
    """

    def __init__(self, url: str, keys: Keyring | None = None, *, unsealed: bool = False) -> None:
        self._psycopg = _psycopg()
        self._keys = keys
        self._seal = PLAIN_FACTS
        self._unsealed = unsealed
        self._url = url
        self.place = self._without_password(url)
        self._lock = threading.Lock()
        self._connection: Connection[Any] | None = None

    async def write(self, work: Callable[[Execute], T]) -> T:
        def alone(execute: Execute) -> T:
            execute("SELECT pg_advisory_xact_lock(?)", (_LOCK,))
            return work(execute)

        return await asyncio.to_thread(self._transaction, alone)

    async def read(self, work: Callable[[Execute], T]) -> T:
        return await asyncio.to_thread(self._transaction, work)

    async def forgotten(self) -> None:
        """Nothing to do: PostgreSQL reuses the space of deleted rows when it cleans up (`VACUUM`)."""

    async def aclose(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _transaction(self, work: Callable[[Execute], T]) -> T:
        with self._lock:
            try:
                try:
                    return self._attempt(work)
                except self._psycopg.OperationalError:
                    self._drop()
                    return self._attempt(work)
            except self._psycopg.Error as error:
                self._drop()
                raise StoreUnavailable(f"{self.place}: {str(error).strip()}") from error

    def _attempt(self, work: Callable[[Execute], T]) -> T:
        connection = self._connected()
        with connection.transaction(), connection.cursor() as cursor:
            return work(_executing_on(cursor, self._seal))

    def _connected(self) -> Connection[Any]:
        if self._connection is None:
            connection = connected(self._url)
            try:
                self._prepare(connection)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def _prepare(self, connection: Connection[Any]) -> None:
        with connection.transaction(), connection.cursor() as cursor:
            execute = _executing_on(cursor, PLAIN_FACTS)
            execute("SELECT pg_advisory_xact_lock(?)", (MAKING,))
            execute("CREATE SCHEMA IF NOT EXISTS convgraph", ())
            make_tables(execute, self.place, _POSTGRES_TYPES)
            if not self._unsealed:
                if execute("SELECT to_regclass('sealing')", ())[0][0] is not None:
                    _check_runs_beside(execute, self._keys, self.place)
                self._seal = facts_seal(execute, self._keys, self.place)

    def _drop(self) -> None:
        if self._connection is not None and self._connection.closed:
            self._connection = None

    def _without_password(self, url: str) -> str:
        try:
            info = self._psycopg.conninfo.conninfo_to_dict(url)  # loaded with psycopg itself
        except self._psycopg.ProgrammingError as error:
            raise InputError(f"this PostgreSQL URL cannot be read: {str(error).strip()}") from None
        host, name = info.get("host", "localhost"), info.get("dbname", "")
        return f"postgresql://{host}/{name}"


def _in_memory() -> sqlite3.Connection:
    return sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)


@dataclass(slots=True)
class _Executing:
    """An `Execute` over a connection."""

    do: Callable[[str, Sequence[Any]], list[tuple[Any, ...]]]
    seal: FactSeal

    def __call__(self, statement: str, values: Sequence[Any], /) -> list[tuple[Any, ...]]:
        return self.do(statement, values)


def database_at(url: str, keys: Keyring | None, *, unsealed: bool = False) -> SqliteDatabase | PostgresDatabase:
    """The database at a URL that `open_facts` has looked at. `unsealed`: to be sealed anew, so that nothing is made of its marker."""
    scheme, separator, rest = url.partition("://")
    if separator and scheme != "sqlite":
        return PostgresDatabase(url, keys, unsealed=unsealed)
    return SqliteDatabase(rest.removeprefix("/") if separator else url, keys, unsealed=unsealed)


def _check_runs_beside(execute: Execute, keys: Keyring | None, place: str) -> None:
    """Raise `WrongKeys` where facts would be written as they are beside runs that are encrypted."""
    if keys is None and execute("SELECT 1 FROM sealing WHERE marker <> ''", ()):
        raise WrongKeys(f"{place}: the runs in it are encrypted, and facts would not be: give open_facts its keys=, or set {VARIABLE}")


def _executing_on(cursor: Any, seal: FactSeal) -> Execute:
    def execute(statement: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        cursor.execute(statement.replace("?", "%s"), values)
        return cursor.fetchall() if cursor.description is not None else []

    return _Executing(execute, seal)


def _psycopg() -> Any:
    try:
        import psycopg
    except ImportError as error:
        raise MissingDependency("facts in PostgreSQL need psycopg: pip install 'convgraph[postgres]'") from error
    return psycopg
