"""Answers of models, kept and given again to the same request: opt-in, and never across endpoints.

A cache is a place for JSON values under keys; `cached` has the model that keeps its answers in one.
"""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from convgraph.errors import InputError, ModelConfigError, StoreCorrupt, StoreUnavailable

BUSY_SECONDS = 10.0
"""How long another process that is writing is waited for."""


class Cache:
    """Where answers are kept: `Cache.disk()` or `Cache.memory()`. May be used by several runs, threads and processes at once.

    Values are JSON. A cache holds nothing open between two accesses, so `close` has nothing to do; it is a context
    manager because AutoGen's are.
    """

    def __init__(self, kept: Kept, described: Mapping[str, Any]) -> None:
        self._kept = kept
        self._described = dict(described)

    def __repr__(self) -> str:
        return f"Cache({self._described!r})"

    @staticmethod
    def disk(cache_seed: int | str = 42, cache_path_root: str | Path = ".cache") -> Cache:
        """Answers in the SQLite file `<cache_path_root>/<cache_seed>/answers.db`: another seed, other answers."""
        folder = str(cache_seed)
        if isinstance(cache_seed, bool) or not re.fullmatch(r"[\w-][\w.-]{0,99}", folder):
            raise ModelConfigError(f"cache_seed is a number or a name, which becomes that of a folder, not {cache_seed!r:.100}")
        return Cache(OnDisk(Path(cache_path_root).absolute() / folder / "answers.db"), {"type": "disk", "seed": cache_seed})

    @staticmethod
    def memory() -> Cache:
        """Answers in this process, as long as the object lives."""
        return Cache(InMemory(), {"type": "memory"})

    def describe(self) -> Mapping[str, Any]:
        """Its kind and seed, as JSON; where the folder is makes no difference to what a run does."""
        return self._described

    def get(self, key: str, default: Any = None) -> Any:
        """The value kept under `key`, else `default`. Raises `StoreUnavailable` or `StoreCorrupt`."""
        text = self._kept.read(key)
        return default if text is None else json.loads(text)

    def set(self, key: str, value: Any) -> None:
        """Keep a JSON value; the last one wins. Raises `StoreUnavailable`, `StoreCorrupt`, or `InputError` for what is no JSON."""
        try:
            text = json.dumps(value, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise InputError(f"a cache keeps JSON values, and {value!r:.100} cannot be that: {error}") from error
        self._kept.write(key, text)

    async def aget(self, key: str) -> Any:
        """The same as `get`, with the event loop free meanwhile."""
        return await asyncio.to_thread(self.get, key) if self._kept.waits else self.get(key)

    async def aset(self, key: str, value: Any) -> None:
        """The same as `set`, with the event loop free meanwhile."""
        if self._kept.waits:
            await asyncio.to_thread(self.set, key, value)
        else:
            self.set(key, value)

    def close(self) -> None:
        """Do nothing: nothing is open."""

    def __enter__(self) -> Cache:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Kept(Protocol):
    """Texts under keys. `waits` says whether an access may take long enough to matter to an event loop."""

    @property
    def waits(self) -> bool: ...

    def read(self, key: str) -> str | None: ...

    def write(self, key: str, text: str) -> None: ...


@dataclass(frozen=True, slots=True)
class InMemory:
    """Texts in a dict: reading and writing one are atomic, whatever thread does it."""

    texts: dict[str, str] = field(default_factory=dict[str, str])
    waits: bool = False

    def read(self, key: str) -> str | None:
        return self.texts.get(key)

    def write(self, key: str, text: str) -> None:
        self.texts[key] = text


@dataclass(frozen=True, slots=True)
class OnDisk:
    """Texts in a SQLite file, opened for each access: nothing to share between threads, to inherit by a fork, or to close."""

    path: Path
    waits: bool = True

    def read(self, key: str) -> str | None:
        if not self.path.exists():
            return None
        with self._opened() as db:
            row = db.execute("SELECT answer FROM answers WHERE key=?", (key,)).fetchone()
        return None if row is None else row[0]

    def write(self, key: str, text: str) -> None:
        with self._opened() as db:
            db.execute("INSERT INTO answers VALUES(?, ?) ON CONFLICT(key) DO UPDATE SET answer=excluded.answer", (key, text))

    @contextmanager
    def _opened(self) -> Generator[sqlite3.Connection]:
        db: sqlite3.Connection | None = None
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            db = sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None)
            db.execute("PRAGMA synchronous=NORMAL")
            db.execute("CREATE TABLE IF NOT EXISTS answers(key TEXT PRIMARY KEY, answer TEXT NOT NULL) STRICT, WITHOUT ROWID")
            yield db
        except (OSError, sqlite3.OperationalError) as error:
            raise StoreUnavailable(f"the cache {self.path} cannot be used: {error}; choose another cache_path_root") from error
        except sqlite3.DatabaseError as error:
            raise StoreCorrupt(f"{self.path} is no cache of answers ({error}): delete it, or choose another cache_path_root") from error
        finally:
            if db is not None:
                db.close()
