# pyright: reportUnnecessaryIsInstance=false
# What callers really pass is checked, whether their code is typed or not.
"""What agents remember from one run to the next: facts by namespace, each with where it comes from."""

from __future__ import annotations

import re
import threading
import time
import uuid
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from convgraph.errors import InputError, StoreUnavailable
from convgraph.journal.keyring import Keyring
from convgraph.journal.store import Store
from convgraph.journal.turn_paths import turn_number, without_attempts
from convgraph.knowledge import fact_tables as tables
from convgraph.knowledge.fact import Fact, Provenance, check_namespace, check_text, checked, document_of, exported, fact_of, imported
from convgraph.knowledge.fact_tables import Database, check_limit
from convgraph.protocols import Embedder
from convgraph.runtime.blocking import from_sync
from convgraph.runtime.context import Context, current_turn

T = TypeVar("T")
Facts: TypeAlias = list[Fact]

SHOWN = 10
"""How many facts are recalled where no number is given."""


LONGEST_QUERY = 10_000


def open_facts(url: str | Path | Store, embedder: Embedder | None = None, *, keys: Keyring | None = None) -> FactStore:
    """The facts at `url`: a SQLite file (`runs.db`, `sqlite:///runs.db`; that of the runs, or one of its own), `postgresql://…`, or
    `:memory:`. Of a store of runs in a file, those in the same file.

    With an `embedder`, facts are recalled by meaning, without one by words. With `keys` (where none are given: those of the
    store, or those in `CONVGRAPH_KEYS`) they are encrypted. Nothing is opened before it is needed; what
    cannot be opened is a `StoreUnavailable` then. Raises `InputError` for another kind of URL.
    """
    text = _url_of(url) if isinstance(url, Store) else str(url)
    if embedder is not None and not isinstance(embedder, Embedder):
        raise InputError(f"embedder= turns texts into vectors, as a LocalEmbedder does; not {embedder!r:.80}")
    if keys is None:
        keys = url.keys if isinstance(url, Store) else Keyring.from_environment()
    return FactStore(_opener(text, keys), embedder)


class FactStore:
    """Facts by namespace; `open_facts` gives one. A namespace is words joined by `/`; naming `users` means `users/ada` as well.

    Outside of a conversation the verbs do what they say. Inside a turn they are effects: what was remembered is not
    remembered again when the run is resumed, what was recalled is the same on replay, and a replay needs no store at all.
    Each verb has an asynchronous form, with an `a` in front.
    """

    def __init__(self, opened: Callable[[], Database], embedder: Embedder | None = None) -> None:
        self.embedder = embedder
        self._opened = opened
        self._database: Database | None = None
        self._lock = threading.Lock()
        self._closed = False

    async def aremember(
        self,
        namespace: str,
        text: str,
        *,
        about: str = "",
        data: Any = None,
        key: str | None = None,
        supersedes: str | None = None,
    ) -> Fact:
        """See `remember`."""
        turn = current_turn()
        document = document_of(checked(Fact("", namespace, text, about, data, key)))
        source = Provenance() if turn is None else _place(turn)  # no part of the request: a fork's replay is a run of another id

        async def remember(document: dict[str, Any], supersedes: str | None) -> dict[str, Any]:
            secrets = None if turn is None else turn.secrets
            told = document if secrets is None else secrets.in_json(document)
            fact = replace(fact_of(told), id=await _new_id(), source=source, created=time.time())
            return document_of(await self._db().write(lambda execute: tables.put(execute, fact, supersedes)))

        if turn is None:
            return fact_of(await remember(document, supersedes))
        return fact_of(await turn.effect("remember", remember, document, supersedes, idempotent=True))

    async def arecall(self, namespace: str, query: str, limit: int = SHOWN, *, threshold: float = 0.0) -> Facts:
        """See `recall`."""
        check_namespace(namespace)
        if not isinstance(query, str):
            raise InputError(f"query is a text, not {query!r:.80}")
        check_limit(limit)
        if isinstance(threshold, bool) or not isinstance(threshold, int | float) or not 0 <= threshold <= 1:
            raise InputError(f"threshold={threshold!r} is not a number from 0 to 1")
        return await self._looked_up("recall", self._recalled, namespace, query[:LONGEST_QUERY], limit, threshold)

    async def aget(self, fact_id: str) -> Fact | None:
        """See `get`."""
        check_text(fact_id, "fact_id")
        found = await self._looked_up("get_fact", self._found, fact_id)
        return found[0] if found else None

    async def alist(
        self,
        namespace: str | None = None,
        *,
        run: str | None = None,
        since: float | None = None,
        superseded: bool = False,
        limit: int | None = None,
    ) -> Facts:
        """See `list`."""
        if namespace is not None:
            check_namespace(namespace)
        check_limit(limit)
        return await self._looked_up("list_facts", self._listed, namespace, run, since, superseded, limit)

    async def aforget(self, fact_id: str | None = None, *, namespace: str | None = None, run: str | None = None) -> int:
        """See `forget`."""
        if sum(one is not None for one in (fact_id, namespace, run)) != 1:
            raise InputError("forget() takes one of: the id of a fact, namespace=, run=")
        if namespace is not None:
            check_namespace(namespace)
        turn = current_turn()
        if turn is None:
            return await self._forgotten(fact_id, namespace, run)
        return await turn.effect("forget", self._forgotten, fact_id, namespace, run, idempotent=True)

    async def aexport(self, namespace: str | None = None) -> str:
        """See `export`."""
        return "".join(f"{exported(fact)}\n" for fact in await self.alist(namespace, superseded=True))

    async def aimport(self, lines: str | Iterable[str]) -> int:
        """See `import_`."""
        given = lines.splitlines() if isinstance(lines, str) else lines
        documents = [document_of(imported(line, number)) for number, line in enumerate(given, 1) if line.strip()]
        turn = current_turn()
        if turn is None:
            return await self._merged(documents)
        return await turn.effect("import_facts", self._merged, documents, idempotent=True)

    async def aclose(self) -> None:
        """See `close`."""
        with self._lock:
            database, self._database, self._closed = self._database, None, True
        if database is not None:
            await database.aclose()

    def remember(
        self,
        namespace: str,
        text: str,
        *,
        about: str = "",
        data: Any = None,
        key: str | None = None,
        supersedes: str | None = None,
    ) -> Fact:
        """Store a fact, and say how it is stored: with its id, and where it comes from.

        `about` is what it is found by, where that is not its text; `data` is JSON that goes with it. A fact with a `key` takes
        the place of the one that had it in this namespace; `supersedes` names one whose place it takes. Raises `InputError` for
        what cannot be stored.
        """
        return from_sync(self.aremember(namespace, text, about=about, data=data, key=key, supersedes=supersedes))

    def recall(self, namespace: str, query: str, limit: int = SHOWN, *, threshold: float = 0.0) -> Facts:
        """The facts nearest to the query, best first: at most `limit`, and none whose `score` is below `threshold` (0 to 1).

        Of a long query, what comes after the first 10,000 characters is not looked at.
        """
        return from_sync(self.arecall(namespace, query, limit, threshold=threshold))

    def get(self, fact_id: str) -> Fact | None:
        """The fact of this id, superseded or not; None if there is none."""
        return from_sync(self.aget(fact_id))

    def forget(self, fact_id: str | None = None, *, namespace: str | None = None, run: str | None = None) -> int:
        """Delete a fact, those of a namespace, or those that a run has taught, with all that they had superseded; say how many.

        Their texts, words and vectors are gone; their ids stay, so that none comes back by a run that is resumed or an import.
        What was said in runs stands in their journals until those are deleted too.
        """
        return from_sync(self.aforget(fact_id, namespace=namespace, run=run))

    def export(self, namespace: str | None = None) -> str:
        """The facts as lines of JSON, those that were superseded among them. Vectors are left out: they are made again."""
        return from_sync(self.aexport(namespace))

    def import_(self, lines: str | Iterable[str]) -> int:
        """Store facts that were exported, here or elsewhere; say how many are new.

        What is here stays as it is, and what was forgotten here is not brought back. Raises `InputError`, before anything is
        written, for a line that is no fact.
        """
        return from_sync(self.aimport(lines))

    def close(self) -> None:
        """Release what the store holds open. Closing twice is allowed."""
        from_sync(self.aclose())

    def list(
        self,
        namespace: str | None = None,
        *,
        run: str | None = None,
        since: float | None = None,
        superseded: bool = False,
        limit: int | None = None,
    ) -> Facts:
        """The facts that fit every filter given, in the order in which they were learnt; with `superseded`, those too.

        `run` is the id of the run that taught them, `since` a time in seconds since 1970.
        """
        return from_sync(self.alist(namespace, run=run, since=since, superseded=superseded, limit=limit))

    def __enter__(self) -> FactStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> FactStore:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def _looked_up(self, name: str, look: Callable[..., Awaitable[Facts]], *args: Any) -> Facts:
        """What `look(*args)` finds; inside a turn, recorded."""
        turn = current_turn()
        if turn is None:
            return await look(*args)

        async def looked(*args: Any) -> Any:
            return [document_of(fact) for fact in await look(*args)]

        return [fact_of(document) for document in await turn.effect(name, looked, *args, idempotent=True)]

    async def _recalled(self, namespace: str, query: str, limit: int, threshold: float) -> Facts:
        db, embedder = self._db(), self.embedder
        if embedder is None:
            return await db.read(lambda execute: tables.nearest_by_words(execute, namespace, query, limit, threshold))
        await self._embed(embedder, namespace)
        [vector] = await embedder.embed([query])
        return await db.read(lambda execute: tables.nearest_by_vector(execute, namespace, embedder.name, vector, limit, threshold))

    async def _embed(self, embedder: Embedder, namespace: str) -> None:
        """Make the vectors that are missing: of what is new, and of all that was stored without this embedder."""
        db = self._db()
        facts = await db.read(lambda execute: tables.without_vector(execute, namespace, embedder.name))
        if facts:
            vectors = await embedder.embed([fact.found_by for fact in facts])
            made = {fact.id: vector for fact, vector in zip(facts, vectors, strict=True)}
            await db.write(lambda execute: tables.put_vectors(execute, embedder.name, made))

    async def _found(self, fact_id: str) -> Facts:
        found = await self._db().read(lambda execute: tables.find(execute, fact_id))
        return [] if found is None else [found]

    async def _listed(self, namespace: str | None, run: str | None, since: float | None, superseded: bool, limit: int | None) -> Facts:
        return await self._db().read(lambda execute: tables.listed(execute, namespace, run, since, superseded=superseded, limit=limit))

    async def _forgotten(self, fact_id: str | None, namespace: str | None, run: str | None) -> int:
        def work(execute: tables.Execute) -> int:
            if fact_id is None:
                doomed = tables.listed(execute, namespace, run, None, superseded=True, limit=None)
            else:
                found = tables.find(execute, fact_id)
                doomed = [] if found is None else [found]
            return tables.delete(execute, doomed, time.time())

        db = self._db()
        deleted = await db.write(work)
        await db.forgotten()
        return deleted

    async def _merged(self, documents: Iterable[dict[str, Any]]) -> int:
        facts = [fact_of(document) for document in documents]
        return await self._db().write(lambda execute: sum([tables.merge(execute, fact) for fact in facts]))

    def _db(self) -> Database:
        with self._lock:
            if self._closed:
                raise StoreUnavailable("these facts have been closed; open_facts(…) opens them again")
            if self._database is None:
                self._database = self._opened()
            return self._database


def _url_of(store: Store) -> str:
    if store.url.startswith("postgres"):
        raise InputError("a store in PostgreSQL does not tell its password: give open_facts its URL")
    return store.url


def _opener(url: str, keys: Keyring | None) -> Callable[[], Database]:
    """How the database at this URL is opened."""
    scheme, separator, rest = url.partition("://")
    path = rest.removeprefix("/") if separator else url
    if separator and scheme not in ("sqlite", "postgresql", "postgres"):
        raise InputError(f"facts cannot be at {scheme}://…: the kinds are a file name, sqlite:///file.db, postgresql://… and :memory:")
    if separator and scheme != "sqlite" and re.search(r"[?&]namespace=", url):
        raise InputError("facts have namespaces of their own: leave namespace= out of the URL, and begin theirs with it (tenant/users/ada)")
    if not path:
        raise InputError(f"{url!r} names no place for facts; write runs.db, sqlite:///runs.db or postgresql://host/name")

    def opened() -> Database:
        from convgraph.knowledge.fact_databases import database_at

        return database_at(url, keys)

    return opened


async def _new_id() -> str:
    """An id that no fact has. Inside a turn it is recorded before the fact is written, so that doing that again finds it written.

    (The idempotency key would not do: it begins with the run's id, which a run in another store may have as well.)
    """

    async def make() -> str:
        return f"fact-{uuid.uuid4().hex[:20]}"

    turn = current_turn()
    return await make() if turn is None else await turn.effect("new_fact", make, idempotent=True)


def _place(turn: Context) -> Provenance:
    return Provenance(turn.run_id, turn_number(turn.path), without_attempts(turn.path), turn.node)
