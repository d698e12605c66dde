"""What a store writes to its tables in SQLite besides the rows of runs: events, contents, open questions, labels."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from convgraph.journal import shared_rows
from convgraph.journal.events import EffectFinished, EffectStarted, Ended, Event
from convgraph.journal.held_claims import HeldClaims
from convgraph.journal.rows import asked_of, fenced
from convgraph.journal.runs import ENDED, Claim
from convgraph.journal.sealing import StoreSeal

Row: TypeAlias = tuple[int, int, int, float, str, str]
"""The columns of a row of events."""

INSERT = "INSERT INTO events VALUES(?,?,?,?,?,?)"


@dataclass(slots=True)
class Append:
    """What one append writes. An object, not a closure: a thousand of them wait for one commit."""

    claim: Claim
    rows: list[Row]
    now: float
    notable: Sequence[Event]
    contents: list[tuple[str, str]] | None
    claims: HeldClaims

    def __call__(self, db: sqlite3.Cursor) -> None:
        try:
            db.executemany(INSERT, self.rows)
        except sqlite3.IntegrityError as error:
            if "fenced" not in str(error):
                raise
            self.claims.drop(self.claim)
            raise fenced(self.claim) from None
        if self.contents:
            put(db, self.contents)
        if self.notable:
            note(db, self.claim, self.rows[-1][1], self.now, self.notable)


def rows_of(claim: Claim, events: Sequence[Event], now: float) -> list[Row]:
    """The rows of events that come next. Raises `NotEncodable`."""
    key, epoch, seal = claim.key, claim.epoch, claim.seal
    rows = shared_rows.rows_of(claim.next_seq, events)
    if seal.encrypted:
        return [(key, seq, epoch, now, kind, seal.event(seq, epoch, kind, body)) for seq, kind, body in rows]
    return [(key, seq, epoch, now, kind, body) for seq, kind, body in rows]


def index_labels(db: sqlite3.Cursor, seal: StoreSeal, key: int, labels: Sequence[str]) -> None:
    """Have a run found by its labels; where they are sealed, they are looked for row by row."""
    if not seal.encrypted:
        db.executemany("INSERT INTO labelled VALUES('', ?, ?)", [(label, key) for label in labels])


def put(db: sqlite3.Cursor, contents: Sequence[tuple[str, str]]) -> None:
    """Keep texts that events refer to by their digests, each once."""
    if contents:
        db.executemany("INSERT OR IGNORE INTO contents VALUES(?,?)", contents)


def note(db: sqlite3.Cursor, claim: Claim, last: int, now: float, events: Sequence[Event]) -> None:
    """Keep open questions and the listing in step with what is appended, whose last number is `last`. A run that ended has no owner."""
    key, seal = claim.key, claim.seal
    for event in events:
        if isinstance(event, EffectStarted) and event.question is not None:
            question = event.question
            db.execute(
                "INSERT OR REPLACE INTO questions(run, id, prompt, schema, node, path, asked, due) VALUES(?,?,?,?,?,?,?,?)",
                (key, question.id, *asked_of(seal, question), event.name, event.path, now, question.due),
            )
        elif isinstance(event, EffectFinished) and event.question is not None:
            db.execute("DELETE FROM questions WHERE run=? AND id=?", (key, event.question))
        elif isinstance(event, Ended):
            row_seal = seal.row_seal(event.status, event.reason, claim.epoch, last)
            db.execute(
                "UPDATE runs SET status=?, reason=?, updated=?, owner='', lease=0, seal=? WHERE id=?",
                (event.status, seal.shown(event.reason), now, row_seal, key),
            )
            if event.status in ENDED:
                db.execute("DELETE FROM questions WHERE run=?", (key,))
