"""SQLite with vectors in it: whichever SQLite of this Python can load the extension, with `sqlite-vec` loaded."""

from __future__ import annotations

import importlib
import sqlite3
from collections.abc import Sequence
from types import ModuleType
from typing import cast

from convgraph.errors import MissingDependency, StoreError, StoreFormat, StoreUnavailable

APPLICATION_ID = 0x63676B6E
"""`cgkn` in a file's header: a convgraph file of knowledge, not one of runs."""
VERSION = 1

_MISSING = "a collection needs the extra retrieval: pip install 'convgraph[retrieval]'"
_PATIENCE = 10.0
"""Seconds to wait for another writer."""


def sqlite_module() -> ModuleType:
    """The standard library's SQLite where it can load extensions (many Pythons are built without), else `pysqlite3`."""
    if hasattr(sqlite3.Connection, "enable_load_extension"):
        return sqlite3
    try:
        return importlib.import_module("pysqlite3")
    except ImportError as error:
        raise MissingDependency(
            "this Python's sqlite3 cannot load extensions, and pysqlite3 is not installed: pip install 'convgraph[retrieval]' "
            "(on Linux it brings pysqlite3-binary; elsewhere use a Python built with loadable SQLite extensions)"
        ) from error


def open_database(path: str, tables: Sequence[str]) -> sqlite3.Connection:
    """A connection with the functions of `sqlite-vec`, to a file that has these tables.

    Raises `MissingDependency`, `StoreFormat` or `StoreUnavailable`.
    """
    module = sqlite_module()
    try:
        sqlite_vec = importlib.import_module("sqlite_vec")
    except ImportError as error:
        raise MissingDependency(_MISSING) from error
    try:
        db = cast("sqlite3.Connection", module.connect(path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False))
    except module.Error as error:
        raise StoreUnavailable(f"{path} cannot be opened: {error}") from error
    try:
        db.enable_load_extension(True)
        sqlite_vec.load(db)
        db.enable_load_extension(False)
        _prepare(db, path, tables)
    except module.Error as error:
        db.close()
        raise as_store_error(error, path) from error
    except StoreFormat:
        db.close()
        raise
    return db


def is_database_error(error: BaseException) -> bool:
    """Whether SQLite raised it, this or that."""
    return isinstance(error, sqlite_module().Error)


def as_store_error(error: Exception, path: str) -> StoreError:
    """SQLite's error in convgraph's terms."""
    said = str(error)
    if "not a database" in said:
        return StoreFormat(f"{path} is no SQLite file: give the path of a collection's file, or of one that does not exist yet")
    return StoreUnavailable(f"{path}: {said}")


def _prepare(db: sqlite3.Connection, path: str, tables: Sequence[str]) -> None:
    """Make an empty file ours, with its tables; refuse one that belongs to something else."""
    application, version = (cast("int", db.execute(f"PRAGMA {name}").fetchone()[0]) for name in ("application_id", "user_version"))
    if application == APPLICATION_ID and version == VERSION:
        return
    if application == APPLICATION_ID:
        raise StoreFormat(f"{path} was written by another version of convgraph (format {version}, this one reads {VERSION})")
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("BEGIN IMMEDIATE")
    if db.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:  # another process may have been quicker
        if application or db.execute("SELECT 1 FROM sqlite_master").fetchone():
            db.execute("ROLLBACK")
            raise StoreFormat(f"{path} holds something else than collections (a store of runs, for one): give them a file of their own")
        for statement in (*tables, f"PRAGMA application_id={APPLICATION_ID}", f"PRAGMA user_version={VERSION}"):
            db.execute(statement)
    db.execute("COMMIT")
