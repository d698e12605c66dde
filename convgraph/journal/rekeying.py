"""Sealing anew what stands in a store: under the newest key, or for the first time."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, LiteralString

from convgraph.errors import InputError, StoreCorrupt, StoreUnavailable, WrongKeys
from convgraph.journal.ciphers import Unsealable
from convgraph.journal.keyring import Keyring
from convgraph.journal.ownership import described, has_died
from convgraph.journal.sealing import RUN_COLUMNS, Execute, RunRow, RunSeal, SealedRun, SealedStore, answer_to

AT_ONCE = 500
"""How many rows one transaction seals anew."""


@dataclass(frozen=True)
class Tables:
    """A store's tables, as SQLite and PostgreSQL both have them. `mine` says which rows of `runs` and `contents` are this store's."""

    place: str
    namespace: str
    mine: str
    execute: Execute
    transaction: Callable[[], AbstractContextManager[Any]]
    alone: Sequence[LiteralString]
    """What keeps every other writer out until the transaction is over."""
    swept: Sequence[LiteralString]
    """What has the database let go of rows that were overwritten, as far as nobody is kept waiting."""
    emptied: Sequence[LiteralString]
    """What has it let go of all of them."""


def rekey_store(url: str | Path, keys: Keyring) -> int:
    """Seal everything in the store under the newest key; say how many rows that were.

    Runs may go on meanwhile. Cut short, it goes on where it stopped when it is called again. Once it is through, older keys
    are needed no more, if no process writes with them. Raises `WrongKeys`, `StoreCorrupt` for a row that does not open.
    """
    with _tables(url) as tables:
        marker = _marker(tables)
        if not marker:
            raise WrongKeys(f"{tables.place}: the store is not encrypted; `convgraph encrypt` encrypts it")
        store = SealedStore(keys, tables.place, tables.namespace, marker)
        sealed = sum(_rekey_run(tables, store, key, row) for key, row in _runs(tables))
        sealed += _rekey_contents(tables, store)
        if not marker.startswith(f"{keys.newest}:"):
            tables.execute("UPDATE sealing SET marker=? WHERE namespace=?", (store.marker_sealed_anew(), tables.namespace))
        _do(tables, tables.swept)
        return sealed


def encrypt_store(url: str | Path, keys: Keyring) -> int:
    """Encrypt a store that was plain: all of it, or nothing; say how many rows that were. One that is encrypted already is only tidied up.

    Raises `InputError` while runs of it are running. Every process that has it open must be ended before: it would go on
    writing plain rows. Copies and backups stay as they are, and so does what a disk keeps of overwritten files.
    """
    with _tables(url) as tables:
        marker, sealed = _marker(tables), 0
        if marker:
            SealedStore(keys, tables.place, tables.namespace, marker)
        else:
            _check_at_rest(tables)
            with tables.transaction():
                _do(tables, tables.alone)
                sealed = _encrypt(tables, SealedStore(keys, tables.place, tables.namespace))
        _do(tables, tables.emptied)
        return sealed


def _rekey_run(tables: Tables, store: SealedStore, key: int, row: RunRow) -> int:
    """Seal anew what is left of one run under older keys."""
    run, newest, sealed = store.run(row), f"{store.keyring.newest}:", 0
    events = "SELECT seq, epoch, kind, body FROM events WHERE run=? AND substr(body, 1, ?)<>? ORDER BY seq LIMIT ?"
    while rows := tables.execute(events, (key, len(newest), newest, AT_ONCE)):
        with tables.transaction():
            for seq, epoch, kind, body in rows:
                again = run.event(seq, epoch, kind, str(run.opened_event(seq, epoch, kind, body)))
                tables.execute("UPDATE events SET body=? WHERE run=? AND seq=?", (again, key, seq))
        sealed += len(rows)
    for name, prompt, schema, answer in tables.execute("SELECT id, prompt, schema, answer FROM questions WHERE run=?", (key,)):
        if prompt.startswith(newest) and schema.startswith(newest) and (answer is None or answer.startswith(newest)):
            continue
        opened = run.opened_question((row.run_id, name, prompt, schema, "", "", 0.0, answer, None))
        parts = _question_parts(run, name, opened[2], opened[3], opened[7])
        tables.execute(
            "UPDATE questions SET prompt=?, schema=?, answer=? WHERE run=? AND id=? AND prompt=? AND coalesce(answer, '')=coalesce(?, '')",
            (*parts, key, name, prompt, answer),
        )
        sealed += 1
    if row.labels and not row.labels.startswith(newest):
        again = run.labels(store.opened_row(row).labels)
        tables.execute("UPDATE runs SET labels=? WHERE id=? AND labels=?", (again, key, row.labels))
        sealed += 1
    if f"~{newest}" not in row.seal:
        assert isinstance(run, SealedRun)
        again = run.row_seal(row.status, store.opened_row(row).reason, row.epoch, run.last)
        tables.execute("UPDATE runs SET seal=? WHERE id=? AND seal=?", (again, key, row.seal))  # whoever changes it meanwhile has sealed it
        sealed += 1
    return sealed


def _rekey_contents(tables: Tables, store: SealedStore) -> int:
    newest, sealed = f"{store.keyring.newest}:", 0
    asked = f"SELECT digest, body FROM contents WHERE {tables.mine} AND substr(body, 1, ?)<>? LIMIT ?"  # noqa: S608  # constants
    while rows := tables.execute(asked, (tables.namespace, len(newest), newest, AT_ONCE)):
        with tables.transaction():
            for name, body in rows:
                try:
                    again = store.texts.seal(store.texts.open(body, name), name)
                except Unsealable as error:
                    raise StoreCorrupt(f"the stored text {name} cannot be read: {error}") from None
                tables.execute(f"UPDATE contents SET body=? WHERE {tables.mine} AND digest=?", (again, tables.namespace, name))  # noqa: S608
        sealed += len(rows)
    return sealed


def _encrypt(tables: Tables, store: SealedStore) -> int:
    """Seal every row for the first time."""
    sealed = 0
    for key, row in _runs(tables):
        run = store.new_run(row)
        last = row.first_seq - 1
        for seq, epoch, kind, body in tables.execute("SELECT seq, epoch, kind, body FROM events WHERE run=? ORDER BY seq", (key,)):
            tables.execute("UPDATE events SET body=? WHERE run=? AND seq=?", (run.event(seq, epoch, kind, body), key, seq))
            last, sealed = seq, sealed + 1
        for name, prompt, schema, answer in tables.execute("SELECT id, prompt, schema, answer FROM questions WHERE run=?", (key,)):
            parts = _question_parts(run, name, prompt, schema, answer)
            tables.execute("UPDATE questions SET prompt=?, schema=?, answer=? WHERE run=? AND id=?", (*parts, key, name))
            sealed += 1
        row_seal = run.row_seal(row.status, row.reason, row.epoch, last)
        asked = "UPDATE runs SET reason='', fingerprint='', target='', labels=?, seal=? WHERE id=?"
        tables.execute(asked, (run.labels(row.labels), row_seal, key))
        tables.execute("DELETE FROM labelled WHERE run=?", (key,))
        sealed += 1
    for digest, body in tables.execute(f"SELECT digest, body FROM contents WHERE {tables.mine}", (tables.namespace,)):  # noqa: S608
        again = (store.content_name(digest), store.content(digest, body), tables.namespace, digest)
        tables.execute(f"UPDATE contents SET digest=?, body=? WHERE {tables.mine} AND digest=?", again)  # noqa: S608
        sealed += 1
    tables.execute("DELETE FROM sealing WHERE namespace=?", (tables.namespace,))
    tables.execute("INSERT INTO sealing(namespace, marker) VALUES(?, ?)", (tables.namespace, store.marker))
    return sealed


def _question_parts(run: RunSeal, name: str, prompt: str, schema: str, answer: str | None) -> tuple[str, str, str | None]:
    told = run.question_part(name, "prompt", prompt)
    given = None if answer is None else run.question_part(name, answer_to(told), answer)
    return told, run.question_part(name, "schema", schema), given


def _runs(tables: Tables) -> Iterator[tuple[int, RunRow]]:
    """Every run with its number, one read at a time: others may write meanwhile."""
    last = -1
    asked = f"SELECT id, {RUN_COLUMNS} FROM runs WHERE {tables.mine} AND id>? ORDER BY id LIMIT 1"  # noqa: S608  # constants
    while rows := tables.execute(asked, (tables.namespace, last)):
        last, *columns = rows[0]
        yield last, RunRow(*columns)


def _check_at_rest(tables: Tables) -> None:
    """Raise `InputError` where a run has an owner that may live."""
    for _, row in _runs(tables):
        if row.status == "running" and row.owner and not has_died(row.owner):
            owner = described(row.owner)
            raise InputError(f"{tables.place}: run {row.run_id!r} is being run by {owner}; stop it before the store is encrypted")


def _marker(tables: Tables) -> str:
    rows = tables.execute("SELECT marker FROM sealing WHERE namespace=?", (tables.namespace,))
    return str(rows[0][0]) if rows else ""


def _do(tables: Tables, statements: Sequence[LiteralString]) -> None:
    for statement in statements:
        tables.execute(statement, ())


@contextmanager
def _tables(url: str | Path) -> Generator[Tables]:
    """The tables of the store at `url`. Raises `InputError` for one that keeps nothing."""
    text = str(url)
    scheme, separator, rest = text.partition("://")
    if separator and scheme in ("postgresql", "postgres"):
        with _postgres_tables(text) as tables:
            yield tables
        return
    path = rest.removeprefix("/") if separator else text
    if path == ":memory:" or not Path(path).is_file():
        raise InputError(f"there is no store {text!r}")
    with _sqlite_tables(path) as tables:
        yield tables


@contextmanager
def _sqlite_tables(path: str) -> Generator[Tables]:
    import sqlite3

    from convgraph.journal.sqlite_schema import opened

    db = opened(path, "FULL")
    db.execute("PRAGMA busy_timeout=10000")
    db.execute("PRAGMA secure_delete=ON")

    def execute(statement: str, values: Sequence[Any]) -> list[Any]:
        return db.execute(statement, values).fetchall()

    @contextmanager
    def transaction() -> Generator[None]:
        db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            db.execute("ROLLBACK")
            raise
        db.execute("COMMIT")

    try:
        emptied = ("VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)")
        yield Tables(path, "", "?=''", execute, transaction, (), emptied[1:], emptied)
    except sqlite3.Error as error:
        raise StoreUnavailable(f"{path}: {error}; what was sealed anew is, and the rest is as it was. Try again") from error
    finally:
        db.close()


@contextmanager
def _reported(place: str) -> Generator[None]:
    import psycopg

    try:
        yield
    except psycopg.Error as error:
        told = str(error).strip()
        raise StoreUnavailable(f"{place}: {told}; what was sealed anew is, and the rest is as it was. Try again") from error


@contextmanager
def _postgres_tables(url: str) -> Generator[Tables]:
    from convgraph.journal.postgres_schema import prepare
    from convgraph.journal.postgres_url import postgres_place
    from convgraph.journal.postgres_writes import connected

    place = postgres_place(url)
    with _reported(place.shown), connected(place.dsn) as connection:
        prepare(connection, place.shown)

        def execute(statement: str, values: Sequence[Any]) -> list[Any]:
            cursor = connection.execute(statement.replace("?", "%s").encode(), values)
            return cursor.fetchall() if cursor.description is not None else []

        yield Tables(
            place.shown,
            place.namespace or "",
            "namespace=?",
            execute,
            connection.transaction,
            ("LOCK TABLE runs, events, contents, questions, labelled, sealing IN ACCESS EXCLUSIVE MODE",),
            ("VACUUM runs", "VACUUM events", "VACUUM contents", "VACUUM questions"),
            ("VACUUM FULL runs", "VACUUM FULL events", "VACUUM FULL contents", "VACUUM FULL questions", "VACUUM FULL labelled"),
        )
