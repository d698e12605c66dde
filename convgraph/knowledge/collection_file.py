"""A collection's tables: what is in them, and each change as one transaction."""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
import struct
import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, NamedTuple, TypeVar, cast

from convgraph.errors import InputError
from convgraph.knowledge.chunks import Chunk
from convgraph.knowledge.database import as_store_error, is_database_error, open_database
from convgraph.knowledge.found import Found

T = TypeVar("T")

MOST_WORDS = 256
"""How many words of a query are looked for; a whole page as a query has its beginning looked for."""

_TABLES = (
    """CREATE TABLE collections (
        id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, embedder TEXT NOT NULL, dimensions INTEGER NOT NULL)""",
    """CREATE TABLE documents (
        collection INTEGER NOT NULL, source TEXT NOT NULL, digest TEXT NOT NULL, PRIMARY KEY (collection, source)) WITHOUT ROWID""",
    """CREATE TABLE chunks (
        id INTEGER PRIMARY KEY, collection INTEGER NOT NULL, source TEXT NOT NULL, position INTEGER NOT NULL,
        digest BLOB NOT NULL, text TEXT NOT NULL, place TEXT NOT NULL)""",
    "CREATE INDEX chunks_of_source ON chunks (collection, source)",
    "CREATE INDEX chunks_of_text ON chunks (collection, digest)",
)


class Entry(NamedTuple):
    """A chunk and its vector."""

    chunk: Chunk
    vector: Sequence[float]


def digest_of(chunks: Sequence[Chunk]) -> str:
    """What tells whether a document has changed: its chunks, word for word and place for place."""
    return hashlib.sha256(json.dumps([asdict(chunk) for chunk in chunks]).encode()).hexdigest()


class CollectionFile:
    """One collection in a file. Opened when first used; its methods block, and may be called from any thread."""

    def __init__(self, path: str, name: str, embedder: str) -> None:
        self._path = path
        self._name = name
        self._embedder = embedder
        self._lock = threading.RLock()
        self._db: sqlite3.Connection | None = None

    def close(self) -> None:
        """Close the file, if it is open."""
        with self._lock:
            if self._db is not None:
                self._db.close()
                self._db = None

    def ready(self) -> bool:
        """Whether there is anything to search. Raises `InputError` where it was embedded by another."""
        return self._read(lambda db: self._id(db) is not None)

    def changed(self, digests: Mapping[str, str]) -> list[str]:
        """The sources whose documents are not there as they are."""

        def work(db: sqlite3.Connection) -> list[str]:
            held = dict(db.execute("SELECT source, digest FROM documents WHERE collection = ?", (self._id(db),)))
            return [source for source, digest in digests.items() if held.get(source) != digest]

        return self._read(work)

    def known_vectors(self, texts: Sequence[str]) -> dict[str, Sequence[float]]:
        """The vectors of those texts that are there already."""

        def work(db: sqlite3.Connection) -> dict[str, Sequence[float]]:
            key = self._id(db)
            if key is None:
                return {}
            asked = f"SELECT vector FROM chunks JOIN vectors_{key} USING (id) WHERE collection = ? AND digest = ? LIMIT 1"  # noqa: S608  # a number
            found = ((text, db.execute(asked, (key, _digest(text))).fetchone()) for text in texts)
            return {text: _unpacked(row[0]) for text, row in found if row is not None}

        return self._read(work)

    def put(self, sources: Mapping[str, Sequence[Entry]]) -> None:
        """Replace what is there of these sources, all in one transaction."""
        with self._changing() as db:
            for source, entries in sources.items():
                key = self._id(db)
                if key is not None:
                    self._check_lengths(db, key, [entry.vector for entry in entries])
                    self._delete(db, key, source)
                elif entries:
                    key = self._create(db, len(entries[0].vector))
                if key is None:
                    continue
                digest = digest_of([entry.chunk for entry in entries])
                db.execute("INSERT INTO documents VALUES (?, ?, ?)", (key, source, digest))
                for entry in entries:
                    self._insert(db, key, entry)

    def remove(self, source: str) -> int:
        """Delete a document; returns how many chunks it had."""
        with self._changing() as db:
            key = self._id(db)
            return 0 if key is None else self._delete(db, key, source)

    def count(self) -> int:
        """How many chunks there are."""
        return self._read(lambda db: db.execute("SELECT count(*) FROM chunks WHERE collection = ?", (self._id(db),)).fetchone()[0])

    def sources(self) -> list[str]:
        """What the documents are known by, in order."""
        asked = "SELECT source FROM documents WHERE collection = ? ORDER BY source"
        return self._read(lambda db: [row[0] for row in db.execute(asked, (self._id(db),))])

    def nearest(self, vector: Sequence[float], limit: int, below_distance: float | None) -> list[Found]:
        """The chunks whose vectors are nearest, the nearest first."""

        def work(db: sqlite3.Connection) -> list[Found]:
            key = self._id(db)
            if key is None:
                return []
            self._check_lengths(db, key, [vector])
            asked = f"""SELECT text, place, distance FROM (
                SELECT id, vec_distance_cosine(vector, ?) AS distance FROM vectors_{key} ORDER BY distance, id LIMIT ?
                ) JOIN chunks USING (id) ORDER BY distance, id"""  # noqa: S608  # a number
            rows = db.execute(asked, (_packed(vector), limit)).fetchall()
            return [
                Found(_chunk(text, place), 1.0 - distance, distance)
                for text, place, distance in rows
                if below_distance is None or distance < below_distance
            ]

        return self._read(work)

    def with_words(self, query: str, limit: int) -> list[Found]:
        """The chunks that have words of the query, the best first."""

        def work(db: sqlite3.Connection) -> list[Found]:
            key = self._id(db)
            words = " OR ".join(f'"{word}"' for word in dict.fromkeys(re.findall(r"\w+", query)[:MOST_WORDS]))
            if key is None or not words:
                return []
            asked = f"""SELECT chunks.text, place, bm25(words_{key}) AS score FROM words_{key} JOIN chunks ON chunks.id = words_{key}.rowid
                WHERE words_{key} MATCH ? ORDER BY score, chunks.id LIMIT ?"""  # noqa: S608  # a number
            return [Found(_chunk(text, place), -score) for text, place, score in db.execute(asked, (words, limit))]

        return self._read(work)

    def _create(self, db: sqlite3.Connection, dimensions: int) -> int:
        made = db.execute(
            "INSERT INTO collections (name, embedder, dimensions) VALUES (?, ?, ?)", (self._name, self._embedder, dimensions)
        ).lastrowid
        db.execute(f"CREATE TABLE vectors_{made} (id INTEGER PRIMARY KEY, vector BLOB NOT NULL)")
        db.execute(f"""CREATE VIRTUAL TABLE words_{made} USING fts5(
            text, content='chunks', content_rowid='id', tokenize='porter unicode61 remove_diacritics 2')""")
        return cast("int", made)

    def _insert(self, db: sqlite3.Connection, key: int, entry: Entry) -> None:
        chunk = entry.chunk
        place = asdict(chunk)
        del place["text"]
        row = db.execute(
            "INSERT INTO chunks (collection, source, position, digest, text, place) VALUES (?, ?, ?, ?, ?, ?)",
            (key, chunk.source, chunk.position, _digest(chunk.text), chunk.text, json.dumps(place)),
        ).lastrowid
        db.execute(f"INSERT INTO vectors_{key} VALUES (?, ?)", (row, _packed(entry.vector)))  # noqa: S608  # a number
        db.execute(f"INSERT INTO words_{key} (rowid, text) VALUES (?, ?)", (row, chunk.text))  # noqa: S608

    def _delete(self, db: sqlite3.Connection, key: int, source: str) -> int:
        its = "SELECT id FROM chunks WHERE collection = ? AND source = ?"
        db.execute(f"DELETE FROM vectors_{key} WHERE id IN ({its})", (key, source))  # noqa: S608  # a number
        db.execute(
            f"INSERT INTO words_{key} (words_{key}, rowid, text) SELECT 'delete', id, text FROM chunks WHERE collection = ? AND source = ?",  # noqa: S608
            (key, source),
        )
        db.execute("DELETE FROM documents WHERE collection = ? AND source = ?", (key, source))
        return db.execute("DELETE FROM chunks WHERE collection = ? AND source = ?", (key, source)).rowcount

    def _id(self, db: sqlite3.Connection) -> int | None:
        row: Any = db.execute("SELECT id, embedder FROM collections WHERE name = ?", (self._name,)).fetchone()
        if row is not None and row[1] != self._embedder:
            raise InputError(
                f"collection {self._name!r} in {self._path} was embedded with {row[1]!r} and cannot be used with {self._embedder!r}: "
                "open it with the embedder it was made with, or make another one under another name"
            )
        return None if row is None else row[0]

    def _check_lengths(self, db: sqlite3.Connection, key: int, vectors: Sequence[Sequence[float]]) -> None:
        held = cast("int", db.execute("SELECT dimensions FROM collections WHERE id = ?", (key,)).fetchone()[0])
        other = next((len(vector) for vector in vectors if len(vector) != held), held)
        if other != held:
            raise InputError(
                f"collection {self._name!r} in {self._path} has vectors of {held} numbers, and {self._embedder!r} now makes {other}: "
                "it is another model under the same name; make another collection"
            )

    def _read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        with self._using() as db:
            return work(db)

    @contextmanager
    def _changing(self) -> Generator[sqlite3.Connection]:
        with self._using() as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            finally:
                if db.in_transaction:
                    db.execute("ROLLBACK")

    @contextmanager
    def _using(self) -> Generator[sqlite3.Connection]:
        with self._lock:
            try:
                if self._db is None:
                    self._db = open_database(self._path, _TABLES)
                yield self._db
            except Exception as error:
                if not is_database_error(error):
                    raise
                raise as_store_error(error, self._path) from error


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _packed(vector: Sequence[float]) -> bytes:
    return struct.pack(f"<{len(vector)}f", *vector)


def _unpacked(data: bytes) -> Sequence[float]:
    return struct.unpack(f"<{len(data) // 4}f", data)


def _chunk(text: str, place: str) -> Chunk:
    return Chunk(text=text, **json.loads(place))
