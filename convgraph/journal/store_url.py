# pyright: reportUnnecessaryIsInstance=false
# What callers really pass is checked, whether their code is typed or not.
"""From a store's URL to the store."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from convgraph.errors import InputError
from convgraph.journal.keyring import Keyring

if TYPE_CHECKING:
    from convgraph.journal.store import Store

StoreLike: TypeAlias = "Store | str | Path"


def open_store(url: str | Path, *, keys: Keyring | None = None, **options: Any) -> Store:
    """Open (or make) the store at `url`.

    `runs.db`, a `Path` or `sqlite:///runs.db`: a SQLite file (options: `synchronous="FULL" | "NORMAL"`,
    `lease=seconds`). `postgresql://user@host/database`: a PostgreSQL database (options: `namespace=`, also in the URL's
    query; `lease=`, `patience=seconds`; needs `convgraph[postgres]`). `:memory:`: a store that lives as long as the object.

    With `keys` (where none are given: those in `CONVGRAPH_KEYS`, if it is set), what the store holds is encrypted; needs
    `convgraph[crypto]`. A store is encrypted from its first row or not at all; what lives in memory never is.

    Raises `InputError` for another kind of URL, `StoreError` where the file or the server cannot be used, `WrongKeys` where the
    keys do not fit what is there.
    """
    text = str(url)
    if keys is not None and not isinstance(keys, Keyring):
        raise InputError(f"keys= takes a Keyring, not a {type(keys).__name__}; Keyring.from_file(…) reads one")
    if text == ":memory:" or text == "sqlite:///:memory:":
        from convgraph.journal.memory import MemoryStore

        return MemoryStore(**options)
    options["keys"] = keys if keys is not None else Keyring.from_environment()
    scheme, separator, rest = text.partition("://")
    if not separator or scheme == "sqlite":
        from convgraph.journal.sqlite import SqliteStore

        path = rest.removeprefix("/") if separator else text
        if not path:
            raise InputError(f"store URL {text!r} names no file; write runs.db or sqlite:///runs.db")
        return SqliteStore(path, **options)
    if scheme in ("postgresql", "postgres"):
        from convgraph.journal.postgres import postgres_store

        return postgres_store(text, **options)
    raise InputError(f"store URL {text!r}: the kinds are a file name, sqlite:///file.db, postgresql://… and :memory:")


def as_store(store: StoreLike | None) -> Store | nullcontext[Store]:
    """The store that a caller named, for `with` or `async with`: closed behind it only if it was opened here."""
    from convgraph.journal.store import Store

    if store is None:
        return nullcontext(open_store(":memory:"))  # its run may be looked at as long as the result is held
    if isinstance(store, Store):
        return nullcontext(store)
    if isinstance(store, str | Path):
        return open_store(store)
    raise InputError(f"store= takes a file name, a URL or a store, not {store!r:.100}")
