"""A rate limit that processes share, whatever host they are on: what was let through stands in PostgreSQL, by its clock."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from convgraph.errors import InputError, StoreUnavailable
from convgraph.journal.postgres_url import postgres_place
from convgraph.models.rate_limit import MINUTE, Admission, RateLimit, wait_for_tokens

if TYPE_CHECKING:
    from psycopg import Connection

log = logging.getLogger("convgraph.models.shared_rate_limit")


@dataclass(slots=True)
class _SharedAdmission(Admission):
    """A request that was let through, and its row."""

    limit: SharedRateLimit
    row: int

    def settle(self, tokens: int) -> None:
        """See `Admission.settle`. Nobody waits for it to be written."""
        self.tokens = tokens
        self.limit.settled(self.row, tokens)


class SharedRateLimit(RateLimit):
    """A `RateLimit` for all processes that give the same `url` of a PostgreSQL database and the same `name`.

    They should say the same numbers: each keeps to its own. Those that wait within one process are served in the order in
    which they came; between processes, whoever looks first. Raises `MissingDependency` without psycopg, `InputError` for a URL or
    a name that is none; `admit` raises `StoreUnavailable` while the database cannot be reached.
    """

    def __init__(self, url: str, name: str, requests_per_second: float | None = None, tokens_per_minute: float | None = None) -> None:
        super().__init__(requests_per_second, tokens_per_minute)
        if not name or not name.isprintable():
            raise InputError(f"a shared rate limit needs a name: printable text, not {name!r:.100}")
        self._place = postgres_place(url)
        self._name = f"{self._place.namespace or ''}/{name}"
        self._thread = ThreadPoolExecutor(1, "convgraph-rate-limit")
        self._connection: Connection[Any] | None = None

    def settled(self, row: int, tokens: int) -> None:
        """Count what a request has really taken, soon."""
        self._thread.submit(self._settle, row, tokens)

    def close(self) -> None:
        """Let go of the connection. What waits to be written is."""
        self._thread.submit(self._disconnect)
        self._thread.shutdown()

    async def _admitted_at_last(self, tokens: int) -> Admission:
        while True:
            wait, admission = await asyncio.get_running_loop().run_in_executor(self._thread, self._asked, tokens)
            if admission is not None:
                return admission
            await self._sleep(wait)

    def _asked(self, tokens: int) -> tuple[float, Admission | None]:
        """For how long to wait, or that one need not. A connection that was lost is made again, once."""
        import psycopg

        try:
            return self._let_through(self._connected(), tokens)
        except psycopg.OperationalError:
            self._disconnect()
        try:
            return self._let_through(self._connected(), tokens)
        except psycopg.Error as error:
            self._disconnect()
            raise StoreUnavailable(f"the rate limit {self._name!r} at {self._place.shown} cannot be looked at: {error}") from error

    def _let_through(self, connection: Connection[Any], tokens: int) -> tuple[float, Admission | None]:
        with connection.transaction(), connection.cursor() as cursor:
            cursor.execute("INSERT INTO rate_limits VALUES(%s, 0) ON CONFLICT DO NOTHING", (self._name,))
            cursor.execute("SELECT next_request FROM rate_limits WHERE name=%s FOR UPDATE", (self._name,))
            (next_request,) = cursor.fetchone() or (0.0,)
            cursor.execute("SELECT unix_now()")  # a statement of its own: the row may have been waited for
            (now,) = cursor.fetchone() or (0.0,)
            cursor.execute("DELETE FROM rate_admissions WHERE name=%s AND at <= %s", (self._name, now - MINUTE))
            admitted = cursor.execute("SELECT at, tokens FROM rate_admissions WHERE name=%s ORDER BY at, id", (self._name,)).fetchall()
            wait = max(next_request - now, wait_for_tokens(admitted, tokens, self._tokens, now))
            if wait > 0:
                return wait, None
            cursor.execute("UPDATE rate_limits SET next_request=%s WHERE name=%s", (now + self._interval, self._name))
            cursor.execute("INSERT INTO rate_admissions(name, at, tokens) VALUES(%s,%s,%s) RETURNING id", (self._name, now, tokens))
            (row,) = cursor.fetchone() or (0,)
            return 0.0, _SharedAdmission(now, tokens, self, row)

    def _settle(self, row: int, tokens: int) -> None:
        import psycopg

        try:
            self._connected().execute("UPDATE rate_admissions SET tokens=%s WHERE id=%s", (tokens, row))
        except psycopg.Error as error:  # the guess stands, for a minute
            log.debug("rate limit %s: %s", self._name, error)
            self._disconnect()

    def _connected(self) -> Connection[Any]:
        from convgraph.journal.postgres_schema import prepare
        from convgraph.journal.postgres_writes import connected

        if self._connection is None:
            connection = connected(self._place.dsn)
            try:
                prepare(connection, self._place.shown)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
