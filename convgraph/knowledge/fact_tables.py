"""How facts lie in a database: the tables, and what is asked of them. The same for SQLite and PostgreSQL.

The words of a fact are a table of their own, rather than the full text index that each database has: so the same facts are found
everywhere, in the same order, and a fact that is forgotten leaves no word behind in an index that is tidied up later.

::

    facts             what is known, and what has been superseded
    fact_words        the words by which a fact is found
    fact_vectors      the vectors by which it is found, one for each embedding model
    forgotten_facts   the ids of facts that were forgotten, and when: so that none of them comes back
    fact_sealing      whether the facts are encrypted, and with what (`fact_sealing`)
    fact_format       the version of these tables
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol, TypeVar

from convgraph.errors import InputError, StoreCorrupt, StoreFormat
from convgraph.knowledge.fact import Fact, Provenance
from convgraph.knowledge.fact_sealing import FactColumns, FactSeal
from convgraph.knowledge.fact_words import nearness_by_meaning, nearness_by_words, packed, words_of

T = TypeVar("T")
VERSION = 2

_TABLES = """
CREATE TABLE IF NOT EXISTS fact_format(version INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS facts(
    id {text} PRIMARY KEY, namespace {text} NOT NULL, key {text}, about TEXT NOT NULL, text TEXT NOT NULL, data TEXT NOT NULL,
    run_id {text} NOT NULL, step INTEGER NOT NULL, path TEXT NOT NULL, node TEXT NOT NULL,
    created {real} NOT NULL, superseded_by {text} NOT NULL, words INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS facts_by_namespace ON facts(namespace, created);
CREATE INDEX IF NOT EXISTS facts_by_successor ON facts(superseded_by) WHERE superseded_by <> '';
CREATE UNIQUE INDEX IF NOT EXISTS facts_by_key ON facts(namespace, key) WHERE superseded_by = '' AND key IS NOT NULL;
CREATE TABLE IF NOT EXISTS fact_words(word {text} NOT NULL, fact {text} NOT NULL, PRIMARY KEY(word, fact));
CREATE INDEX IF NOT EXISTS fact_words_by_fact ON fact_words(fact);
CREATE TABLE IF NOT EXISTS fact_vectors(fact {text} NOT NULL, model {text} NOT NULL, vector {bytes} NOT NULL, PRIMARY KEY(fact, model));
CREATE TABLE IF NOT EXISTS forgotten_facts(id {text} PRIMARY KEY, at {real} NOT NULL);
CREATE TABLE IF NOT EXISTS fact_sealing(namespace {text} PRIMARY KEY, marker TEXT NOT NULL)
"""
# The columns are in the order in which `_fact` reads them.
_FACTS = (
    "SELECT f.id, f.namespace, f.text, f.about, f.data, f.key, f.run_id, f.step, f.path, f.node, f.created, f.superseded_by FROM facts f"
)
_SHARING = (
    "SELECT f.id, f.words, w.shared FROM facts f"
    " JOIN (SELECT fact, COUNT(*) AS shared FROM fact_words WHERE word IN ({asked}) GROUP BY fact) w ON w.fact = f.id"
)
_VECTORS = "SELECT f.id, f.created, v.vector FROM facts f JOIN fact_vectors v ON v.fact = f.id AND v.model = ?"
_WITHOUT_VECTOR = _FACTS + " LEFT JOIN fact_vectors v ON v.fact = f.id AND v.model = ?"
_SUPERSEDE = "UPDATE facts SET superseded_by = ? WHERE superseded_by = '' AND "
_LIVING = "f.superseded_by = ''"
_UNDER = "(f.namespace = ? OR (f.namespace >= ? AND f.namespace < ?))"


class Execute(Protocol):
    """Does one statement, with `?` for each value, and gives the rows that come of it. `seal` is how facts are written."""

    seal: FactSeal

    def __call__(self, statement: str, values: Sequence[Any], /) -> list[tuple[Any, ...]]: ...


class Database(Protocol):
    """Where the tables are. Everything that `work` does is one transaction, and no other writer comes between."""

    place: str
    """What it is called in messages. Never holds a password."""

    def write(self, work: Callable[[Execute], T]) -> Awaitable[T]:
        """Do `work`, all of it or nothing. Raises `StoreUnavailable` where the database cannot be reached or written."""
        ...

    def read(self, work: Callable[[Execute], T]) -> Awaitable[T]:
        """Do `work`, which writes nothing."""
        ...

    async def forgotten(self) -> None:
        """Called when facts were deleted: what the database still keeps of them for itself is to go."""
        ...

    async def aclose(self) -> None:
        """Let go of what is held open. Closing twice is allowed."""
        ...


def make_tables(execute: Execute, place: str, types: Mapping[str, str]) -> None:
    """Make the tables where they are not there yet. Raises `StoreFormat` for those of a newer version."""
    for statement in _TABLES.format_map(types).split(";"):
        execute(statement, ())
    versions = execute("SELECT version FROM fact_format", ())
    if not versions:
        execute("INSERT INTO fact_format VALUES(?)", (VERSION,))
    elif versions[0][0] > VERSION:
        raise StoreFormat(f"{place}: a newer convgraph wrote these facts (format {versions[0][0]}; this one reads up to {VERSION})")


def put(execute: Execute, fact: Fact, supersedes: str | None = None) -> Fact:
    """Store the fact; the one that it supersedes, or that has its key, steps back. Returns the fact as it is stored.

    Under an id that is there already nothing is written, nor under one that was forgotten: the same fact, stored again.
    """
    stored = find(execute, fact.id)
    if stored is not None or execute("SELECT 1 FROM forgotten_facts WHERE id = ?", (fact.id,)):
        return stored or fact
    if supersedes is not None:
        execute(_SUPERSEDE + "id = ? AND namespace = ?", (fact.id, supersedes, fact.namespace))
    if fact.key is not None and not fact.superseded_by:
        execute(_SUPERSEDE + "namespace = ? AND key = ?", (fact.id, fact.namespace, execute.seal.key(fact.namespace, fact.key)))
    words, source = words_of(fact.found_by), fact.source
    row = (fact.id, fact.namespace, *_content(execute, fact), source.run_id, source.step, source.path, source.node)
    execute(
        "INSERT INTO facts(id, namespace, key, about, text, data, run_id, step, path, node, created, superseded_by, words)"
        " VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?)",
        (*row, fact.created, fact.superseded_by, len(words)),
    )
    for word in execute.seal.words(words):
        execute("INSERT INTO fact_words VALUES(?, ?)", (word, fact.id))
    return fact


def rewrite(execute: Execute, fact: Fact) -> None:
    """Write a fact that is there once more, as facts are sealed now."""
    execute("UPDATE facts SET key=?, about=?, text=?, data=? WHERE id=?", (*_content(execute, fact), fact.id))
    execute("DELETE FROM fact_words WHERE fact = ?", (fact.id,))
    for word in execute.seal.words(words_of(fact.found_by)):
        execute("INSERT INTO fact_words VALUES(?, ?)", (word, fact.id))


def find(execute: Execute, fact_id: str) -> Fact | None:
    """The fact of this id, if there is one."""
    rows = execute(_FACTS + " WHERE f.id = ?", (fact_id,))
    return _fact(execute, rows[0]) if rows else None


def listed(
    execute: Execute, namespace: str | None, run_id: str | None, since: float | None, *, superseded: bool, limit: int | None
) -> list[Fact]:
    """The facts that fit every filter given, in the order in which they were learnt."""
    where, values = _within(namespace)
    if run_id is not None:
        where, values = [*where, "f.run_id = ?"], [*values, run_id]
    if since is not None:
        where, values = [*where, "f.created >= ?"], [*values, since]
    if not superseded:
        where = [*where, _LIVING]
    limited = "" if limit is None else " LIMIT ?"
    values = values if limit is None else [*values, limit]
    return [_fact(execute, row) for row in execute(_FACTS + _where(*where) + " ORDER BY f.created, f.id" + limited, values)]


def nearest_by_words(execute: Execute, namespace: str, query: str, limit: int, threshold: float) -> list[Fact]:
    """The facts that share the most words with the query, best first; of equals the newest."""
    words = execute.seal.words(words_of(query))
    if not words:
        return []
    where, values = _within(namespace)
    rows = execute(
        _SHARING.format(asked=", ".join("?" * len(words)))
        + _where(*where, _LIVING)
        + " ORDER BY w.shared * w.shared * 1.0 / f.words DESC, f.created DESC, f.id LIMIT ?",
        (*words, *values, limit),
    )
    scored = [(nearness_by_words(shared, len(words), known), fact_id) for fact_id, known, shared in rows]
    return _with_scores(execute, [one for one in scored if one[0] >= threshold])


def nearest_by_vector(execute: Execute, namespace: str, model: str, vector: Sequence[float], limit: int, threshold: float) -> list[Fact]:
    """The facts whose vectors are nearest, best first; of equals the newest. Reads the vectors of the whole namespace."""
    where, values = _within(namespace)
    rows = execute(_VECTORS + _where(*where, _LIVING), (model, *values))
    opened = ((fact_id, created, execute.seal.opened_vector(fact_id, model, stored)) for fact_id, created, stored in rows)
    scored = ((nearness_by_meaning(vector, stored), created, fact_id) for fact_id, created, stored in opened)
    best = heapq.nlargest(limit, (one for one in scored if one[0] >= threshold))
    return _with_scores(execute, [(score, fact_id) for score, _, fact_id in best])


def without_vector(execute: Execute, namespace: str, model: str) -> list[Fact]:
    """The facts that have no vector of this embedding model yet."""
    where, values = _within(namespace)
    rows = execute(_WITHOUT_VECTOR + _where(*where, _LIVING, "v.fact IS NULL") + " ORDER BY f.id", (model, *values))
    return [_fact(execute, row) for row in rows]


def put_vectors(execute: Execute, model: str, vectors: Mapping[str, Sequence[float]]) -> None:
    """Store vectors by the facts' ids. A fact that was forgotten meanwhile gets none."""
    insert = "INSERT INTO fact_vectors SELECT f.id, ?, ? FROM facts f WHERE f.id = ? ON CONFLICT DO NOTHING"
    for fact_id, vector in vectors.items():
        execute(insert, (model, execute.seal.vector(fact_id, model, packed(vector)), fact_id))


def delete(execute: Execute, facts: Sequence[Fact], now: float) -> int:
    """Delete the facts and all that they superseded, with words and vectors; their ids stay. Says how many are gone."""
    waiting, doomed = [fact.id for fact in facts], dict[str, None]()
    while waiting:
        one = waiting.pop()
        if one not in doomed:
            doomed[one] = None
            waiting += [row[0] for row in execute("SELECT id FROM facts WHERE superseded_by = ?", (one,))]
    for one in doomed:
        execute("DELETE FROM fact_words WHERE fact = ?", (one,))
        execute("DELETE FROM fact_vectors WHERE fact = ?", (one,))
        execute("DELETE FROM facts WHERE id = ?", (one,))
        execute("INSERT INTO forgotten_facts VALUES(?, ?) ON CONFLICT DO NOTHING", (one, now))
    return len(doomed)


def merge(execute: Execute, fact: Fact) -> bool:
    """Store a fact from elsewhere, unless it is here or was forgotten here. Says whether it was stored.

    Of two that have one key the newer one holds.
    """
    if find(execute, fact.id) is not None or execute("SELECT 1 FROM forgotten_facts WHERE id = ?", (fact.id,)):
        return False
    newer = execute(
        "SELECT id FROM facts WHERE namespace = ? AND key = ? AND superseded_by = '' AND created > ?",
        (fact.namespace, execute.seal.key(fact.namespace, fact.key), fact.created),
    )
    put(execute, replace(fact, superseded_by=newer[0][0]) if newer and not fact.superseded_by else fact)
    return True


def _with_scores(execute: Execute, scored: Sequence[tuple[float, str]]) -> list[Fact]:
    found = [(find(execute, fact_id), score) for score, fact_id in scored]
    return [replace(fact, score=round(score, 6)) for fact, score in found if fact is not None]


def _where(*conditions: str) -> str:
    return " WHERE " + " AND ".join(conditions) if conditions else ""


def _within(namespace: str | None) -> tuple[list[str], list[Any]]:
    """The condition for a namespace and what is under it: `users` and `users/ada`, but not `users2`."""
    if namespace is None:
        return [], []
    return [_UNDER], [namespace, f"{namespace}/", f"{namespace}0"]  # "0" is the character after "/"


def _content(execute: Execute, fact: Fact) -> FactColumns:
    return execute.seal.columns(fact, json.dumps(fact.data, ensure_ascii=False, allow_nan=False))


def _fact(execute: Execute, row: Sequence[Any]) -> Fact:
    fact_id, namespace, text, about, data, key, run_id, step, path, node, created, superseded_by = row
    place = (fact_id, namespace, run_id, step, path, node)
    key, about, text, data = execute.seal.opened(place, FactColumns(key, about, text, data))
    try:
        value = json.loads(data)
    except ValueError as error:
        raise StoreCorrupt(f"fact {fact_id!r}: its data cannot be read: {error}") from error
    return Fact(fact_id, namespace, text, about, value, key, Provenance(run_id, step, path, node), created, superseded_by)


def check_limit(limit: int | None, what: str = "limit") -> None:
    """Raise `InputError` for what is no number of facts."""
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InputError(f"{what}={limit!r} is not a number of facts, 1 or more")
