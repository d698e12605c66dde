"""How events are appended in PostgreSQL: the statements, and an append that is sent now and whose answer is looked for later.

Whether each run is still its writer's is looked at in the statement that writes; the row is locked until the end of the
transaction, so that a claim comes before it or after it. A row that is there already is our own: no two writers have one epoch.
"""

from __future__ import annotations

import re
import select
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain, count
from typing import TYPE_CHECKING, Any, LiteralString

from convgraph.errors import Fenced
from convgraph.journal.rows import fenced
from convgraph.journal.runs import Claim

if TYPE_CHECKING:
    from psycopg import Connection, Cursor
    from psycopg.pq.abc import PGresult

_MANY = """
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
_FEW: tuple[LiteralString, ...] = tuple(
    "WITH owned AS (SELECT id, epoch FROM runs WHERE id=%s AND epoch=%s FOR SHARE), written AS ("  # nothing but placeholders
    " INSERT INTO events(run, seq, epoch, at, kind, body) SELECT owned.id, new.seq, owned.epoch, unix_now(), new.kind, new.body"
    " FROM owned, (VALUES " + (_ROW + ", ") * (rows - 1) + _ROW + ") AS new(seq, kind, body) ON CONFLICT (run, seq) DO NOTHING)"
    " SELECT epoch FROM owned"
    for rows in range(1, 5)
)
_SMALL = 32_000
"""Characters that a socket takes at once, whatever it holds already."""


@dataclass(slots=True)
class Append:
    """Events to be written by the holder of a claim, and what else is to be written with them."""

    claim: Claim
    rows: list[tuple[int, str, str]]
    """Number, kind and body of each event."""
    along: Callable[[Cursor[Any]], None] | None = None

    @property
    def is_small(self) -> bool:
        """Whether it is one statement that can be sent without waiting."""
        return self.along is None and 0 < len(self.rows) <= len(_FEW) and sum(len(body) for *_, body in self.rows) < _SMALL


def appended(cursor: Cursor[Any], appends: Sequence[Append]) -> list[Any]:
    """Write the events of those who still own their runs; what each is told: nothing, or that it is fenced off."""
    if len(appends) == 1 and 0 < len(appends[0].rows) <= len(_FEW):
        append = appends[0]
        cursor.execute(_FEW[len(append.rows) - 1], [append.claim.key, append.claim.epoch, *chain.from_iterable(append.rows)])
        return [_told(cursor, append, is_owner=cursor.fetchone() is not None)]
    keys = list({append.claim.key for append in appends})
    rows = [(append.claim, *row) for append in appends for row in append.rows]
    columns = [[claim.key for claim, *_ in rows], [seq for _, seq, _, _ in rows], [claim.epoch for claim, *_ in rows]]
    cursor.execute(_MANY, [keys, *columns, [kind for *_, kind, _ in rows], [body for *_, body in rows]])
    epochs = dict(cursor.fetchall())
    return [_told(cursor, append, is_owner=epochs.get(append.claim.key) == append.claim.epoch) for append in appends]


def _told(cursor: Cursor[Any], append: Append, *, is_owner: bool) -> Fenced | None:
    """Write what is to be written along with the events, where they were written."""
    if not is_owner:
        return fenced(append.claim)
    if append.along is not None:
        append.along(cursor)
    return None


class AtOnce:
    """Appends that are sent over a connection now, and whose answers are waited for as long as one likes, then or later.

    One at a time: the connection can be used for something else when the answer is there. Whatever goes wrong is an
    `OperationalError`, and the append can be made again like any other.
    """

    def __init__(self, connection: Connection[Any]) -> None:
        import psycopg

        self._lost = psycopg.OperationalError
        self._done = psycopg.pq.ExecStatus.TUPLES_OK
        self._talk = connection.pgconn
        self._socket = select.poll()
        self._socket.register(connection.fileno(), select.POLLIN)
        self._sent: Append
        self._results: list[PGresult] = []
        for rows, statement in enumerate(_FEW, start=1):
            numbers = count(1)
            numbered = re.sub("%s", lambda _: f"${next(numbers)}", statement)  # noqa: B023  # called at once
            types = "bigint, int" + ", int, text, text" * rows
            connection.execute(f"PREPARE append_{rows}({types}) AS {numbered}".encode())

    def send(self, append: Append) -> None:
        """Send a small append."""
        values = [append.claim.key, append.claim.epoch, *chain.from_iterable(append.rows)]
        self._sent, self._results = append, []
        self._talk.send_query_prepared(f"append_{len(append.rows)}".encode(), [str(value).encode() for value in values])

    def is_answered(self, seconds: float) -> bool:
        """Wait for the answer, no longer than this; whether it is there."""
        until = time.monotonic() + seconds
        while True:
            while self._talk.is_busy():
                self._talk.flush()
                left = until - time.monotonic()
                if left <= 0 or not self._socket.poll(left * 1000):
                    return False
                self._talk.consume_input()
            result = self._talk.get_result()
            if result is None:
                return True
            self._results.append(result)

    def answer(self) -> Fenced | None:
        """Wait for the answer, and say what the one is told who appends."""
        while not self.is_answered(60.0):
            pass  # a connection that is dead is found to be by the sockets' own timeouts
        result = self._results[-1] if self._results else None
        if result is None or result.status != self._done:  # what is wrong, the ordinary statement will be told as well
            raise self._lost("the server refused it, or is lost")
        return None if result.ntuples else fenced(self._sent.claim)
