"""What is read from PostgreSQL: over a few connections, in threads; and how the namespace is sealed, which is looked up first.

One connection is enough as long as one read comes after the other. Where many runs want to read at once, more are made, and kept for
as long as they are of use.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from convgraph.errors import StoreUnavailable
from convgraph.journal.keyring import Keyring
from convgraph.journal.listing import POSTGRES, saying_query
from convgraph.journal.postgres_schema import prepare
from convgraph.journal.postgres_writes import PostgresWrites, connected
from convgraph.journal.sealing import PLAIN, StoreSeal, seal_of
from convgraph.journal.searching import saying_of

if TYPE_CHECKING:
    from psycopg import Connection, Cursor

T = TypeVar("T")

CONNECTIONS = 4
"""How many there are at most: reads beyond that wait for one."""
UNUSED_SECONDS = 30.0
"""After how long one is closed that nobody has needed."""
SEARCHED = 20
"""How many journals are searched together: whoever else wants to read waits for no more."""


class PostgresReads:
    """The connections that read. One that was lost is made again, for as long as `writes` are patient."""

    def __init__(self, url: str, writes: PostgresWrites, keys: Keyring | None, namespace: str) -> None:
        self._url = url
        self._writes = writes
        self._keys = keys
        self._namespace = namespace
        self._free = threading.BoundedSemaphore(CONNECTIONS)
        self._lock = threading.Lock()
        self._idle: list[tuple[float, Connection[Any]]] = []  # the one used last is at the end, and is the next to be used
        self._closed = False
        self._seal_known = False
        self.seal = PLAIN
        """How the namespace is sealed; known once anything was read (see `sealing`)."""

    async def do(self, query: Callable[[Cursor[Any]], T]) -> T:
        """Do `query`, in a thread. Raises `StoreUnavailable`, and `WrongKeys` where the keys do not fit the namespace."""
        return await asyncio.to_thread(self._do, query)

    async def sealing(self) -> StoreSeal:
        """How the namespace is sealed: looked up once, before anything is written. Raises `WrongKeys`."""
        if not self._seal_known:
            await self.do(lambda _: None)
        return self.seal

    async def saying(self, run_ids: Sequence[str], text: str) -> set[str]:
        """Those of these runs in whose journals the text is. The namespace is a plain one."""
        found: set[str] = set()
        for start in range(0, len(run_ids), SEARCHED):
            query, values = saying_query(POSTGRES, self._namespace, list(run_ids[start : start + SEARCHED]), text)
            asked = query.replace("?", "%s").encode()
            found |= await self.do(lambda cursor, asked=asked, values=values: saying_of(cursor.stream(asked, values), text))
        return found

    def close(self) -> None:
        """Close the connections, those in use as soon as they are not. Closing twice is allowed."""
        self._closed = True
        self._close_idle(0.0)

    def _do(self, query: Callable[[Cursor[Any]], T]) -> T:
        import psycopg

        place, deadline = self._writes.place, time.monotonic() + self._writes.patience
        with self._free:
            while True:
                try:
                    with self._lent() as connection, connection.cursor() as cursor:
                        return query(cursor)
                except psycopg.Error as error:
                    passes = isinstance(error, psycopg.OperationalError | psycopg.InterfaceError) and error.sqlstate != "28P01"
                    if not passes:
                        raise StoreUnavailable(f"{place}: {str(error).strip()}") from error
                    if time.monotonic() > deadline:
                        patience = self._writes.patience
                        raise StoreUnavailable(f"{place}: cannot be reached for {patience:g} s: {str(error).strip()}") from error
                    time.sleep(0.1)

    @contextmanager
    def _lent(self) -> Generator[Connection[Any]]:
        """A connection that nobody else uses: an idle one, or a new one. After an error it is closed, and so are the idle ones."""
        import psycopg

        with self._lock:
            found = self._idle.pop() if self._idle else None
        connection = found[1] if found is not None else self._connected()
        try:
            yield connection
        except psycopg.Error:
            connection.close()
            self._close_idle(0.0)
            raise
        finally:
            with self._lock:
                if not connection.closed:
                    self._idle.append((time.monotonic(), connection))
            self._close_idle(0.0 if self._closed else UNUSED_SECONDS)

    def _connected(self) -> Connection[Any]:
        connection = connected(self._url)
        try:
            prepare(connection, self._writes.place)
            self._find_seal(connection)
        except BaseException:
            connection.close()
            raise
        self._writes.reached()
        return connection

    def _close_idle(self, seconds: float) -> None:
        """Close those that have been idle for so long."""
        now = time.monotonic()
        with self._lock:
            unused = [connection for since, connection in self._idle if now - since >= seconds]
            self._idle = [one for one in self._idle if now - one[0] < seconds]
        for connection in unused:
            connection.close()

    def _find_seal(self, connection: Connection[Any]) -> None:
        def execute(statement: str, values: Sequence[Any]) -> list[Any]:
            cursor = connection.execute(statement.replace("?", "%s").encode(), values)
            return cursor.fetchall() if cursor.description is not None else []

        if self._seal_known:
            return
        with connection.transaction():
            connection.execute("LOCK TABLE sealing IN SHARE ROW EXCLUSIVE MODE")  # which one of several that come first waits for
            self.seal = seal_of(execute, self._keys, self._writes.place, self._namespace)
        self._seal_known = True
