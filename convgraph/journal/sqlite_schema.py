"""The SQLite file's tables, and how a file is told to be ours before anything is written to it."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

from convgraph.errors import InputError, StoreCorrupt, StoreFormat, StoreUnavailable

APPLICATION_ID = 0x63766772  # "cvgr"
OPEN_SECONDS = 10.0
# Each run appends to pages of its own: a thousand runs at once touch a thousand pages with every commit, which
# should not be read again each time.
CACHE_KILOBYTES = 16_000
# A commit is far cheaper for the disk where it overwrites the log than where the log has to grow: so it starts over early.
WAL_PAGES = 200

# Integer keys keep rows small, and events of one run lie together: reading a run is one sweep, and a step
# touches one page. There is no second index on events, since each would be written at every step. The file
# itself refuses an event of an owner that has been fenced off: no writer can forget to look.
_FIRST = """
CREATE TABLE runs(
    id INTEGER PRIMARY KEY, run_id TEXT NOT NULL UNIQUE, graph TEXT NOT NULL, status TEXT NOT NULL, reason TEXT NOT NULL,
    fingerprint TEXT NOT NULL, created REAL NOT NULL, updated REAL NOT NULL,
    epoch INTEGER NOT NULL, owner TEXT NOT NULL, lease REAL NOT NULL,
    parent TEXT NOT NULL, parent_step INTEGER NOT NULL, parent_seq INTEGER NOT NULL, first_seq INTEGER NOT NULL, target TEXT NOT NULL
) STRICT;
CREATE TABLE events(
    run INTEGER NOT NULL, seq INTEGER NOT NULL, epoch INTEGER NOT NULL, at REAL NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY(run, seq)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER fence BEFORE INSERT ON events WHEN (SELECT epoch FROM runs WHERE id=NEW.run) IS NOT NEW.epoch
BEGIN SELECT RAISE(ABORT, 'fenced')@ END;
CREATE TABLE contents(digest TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE questions(
    run INTEGER NOT NULL, id TEXT NOT NULL, prompt TEXT NOT NULL, schema TEXT NOT NULL, node TEXT NOT NULL, path TEXT NOT NULL,
    asked REAL NOT NULL, answer TEXT, PRIMARY KEY(run, id)
) STRICT, WITHOUT ROWID;
"""

_QUEUES = """
ALTER TABLE runs ADD COLUMN queue TEXT NOT NULL DEFAULT 'default';
ALTER TABLE runs ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;
CREATE TABLE workers(
    id TEXT PRIMARY KEY, host TEXT NOT NULL, pid INTEGER NOT NULL, engine TEXT NOT NULL, graphs TEXT NOT NULL, queues TEXT NOT NULL,
    concurrency INTEGER NOT NULL, lease REAL NOT NULL, under_way INTEGER NOT NULL, since REAL NOT NULL, beat REAL NOT NULL
) STRICT, WITHOUT ROWID
"""

# A store that has runs by now is a plain one, and says so.
_SEALING = """
ALTER TABLE runs ADD COLUMN seal TEXT NOT NULL DEFAULT '';
CREATE TABLE sealing(namespace TEXT PRIMARY KEY, marker TEXT NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO sealing SELECT '', '' WHERE EXISTS (SELECT 1 FROM runs)
"""

# What a run is labelled with stands in its row; by `labelled`, runs of a label are found where it can be read.
_LABELS = """
ALTER TABLE runs ADD COLUMN labels TEXT NOT NULL DEFAULT '';
CREATE TABLE labelled(
    namespace TEXT NOT NULL, label TEXT NOT NULL, run INTEGER NOT NULL, PRIMARY KEY(namespace, label, run)
) STRICT, WITHOUT ROWID;
CREATE INDEX labelled_by_run ON labelled(run)
"""

_MIGRATIONS: tuple[str, ...] = (_FIRST, "ALTER TABLE questions ADD COLUMN due REAL", _QUEUES, _SEALING, _LABELS)
"""What led from each version of the tables to the next. A released one is never changed; the next one is appended."""

VERSION = len(_MIGRATIONS)


def opened(path: str, synchronous: str) -> sqlite3.Connection:
    """A connection to the store at `path`, which is made if there is none.

    Raises `StoreFormat` for a file that is not ours or is newer, `StoreUnavailable` where it cannot be opened or
    written, `StoreCorrupt` where it is damaged.
    """
    _check_place(path)
    deadline = time.monotonic() + OPEN_SECONDS
    while True:
        db: sqlite3.Connection | None = None
        try:
            db = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
            return _prepared(db, path, synchronous)
        except sqlite3.Error as error:
            if db is not None:
                db.close()
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if code not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED) or time.monotonic() > deadline:
                raise _unusable(path, error, code) from error
        except StoreFormat:
            if db is not None:
                db.close()
            raise
        time.sleep(0.005)  # another process is making the file at this moment


def _check_place(path: str) -> None:
    if "\0" in path:
        raise InputError(f"store path {path!r:.200} holds a NUL character; no file can be called that")
    try:
        is_folder, parent = Path(path).is_dir(), Path(path).resolve().parent
    except OSError as error:  # a name that is too long, say
        raise StoreUnavailable(f"{path:.200}: cannot be opened: {error.strerror}") from error
    if is_folder:
        raise StoreUnavailable(f"{path}: this is a folder; a store is a file, such as {path.rstrip('/')}/runs.db")
    if not parent.is_dir():
        raise StoreUnavailable(f"{path}: there is no folder {parent}; make it first")


def _prepared(db: sqlite3.Connection, path: str, synchronous: str) -> sqlite3.Connection:
    _check_ours(db, path)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute(f"PRAGMA synchronous={synchronous}")
    db.execute(f"PRAGMA cache_size=-{CACHE_KILOBYTES}")
    db.execute(f"PRAGMA wal_autocheckpoint={WAL_PAGES}")
    db.execute("BEGIN IMMEDIATE")
    try:
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version < VERSION:
            for statement in ";".join(_MIGRATIONS[version:]).split(";"):
                db.execute(statement.replace("@", ";"))
            db.execute(f"PRAGMA application_id={APPLICATION_ID}")
            db.execute(f"PRAGMA user_version={VERSION}")
        db.execute("COMMIT")
    except BaseException:  # a full disk, for one: half a store would be taken for somebody else's
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
    return db


def _check_ours(db: sqlite3.Connection, path: str) -> None:
    application = db.execute("PRAGMA application_id").fetchone()[0]
    version = db.execute("PRAGMA user_version").fetchone()[0]
    tables = db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if application != APPLICATION_ID and (tables or application):
        raise StoreFormat(f"{path}: this SQLite file belongs to another program; give convgraph a file of its own")
    if version > VERSION:
        raise StoreFormat(
            f"{path}: a newer convgraph wrote this store (format {version}; this one reads up to {VERSION}); use the newer one"
        )


def _unusable(path: str, error: sqlite3.Error, code: int) -> Exception:
    if code == sqlite3.SQLITE_NOTADB:
        return StoreFormat(f"{path}: this is not a SQLite file; give convgraph a file of its own")
    if code == sqlite3.SQLITE_CORRUPT:
        return StoreCorrupt(f"{path}: the file is damaged: {error}. Restore a backup, or try `sqlite3 FILE .recover`")
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return StoreUnavailable(f"{path}: the file (or its folder) cannot be written: {error}")
    return StoreUnavailable(f"{path}: cannot be opened: {error}")
