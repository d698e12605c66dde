"""Documents that can be searched, by meaning and by words, in one SQLite file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

from convgraph.errors import InputError
from convgraph.knowledge.chunks import Chunk, split
from convgraph.knowledge.collection_file import CollectionFile, Entry, digest_of
from convgraph.knowledge.documents import Document
from convgraph.knowledge.found import Found, as_text, fused
from convgraph.models.local_embedder import LocalEmbedder
from convgraph.models.text import sound
from convgraph.protocols import Embedder
from convgraph.runtime.threads import in_thread
from convgraph.sync import run_sync
from convgraph.tools.definition import Approval, Tool, tool

By = Literal["meaning", "words", "both"]

PORTION = 256
"""How many chunks are embedded before they are committed; documents are committed whole."""
_DEPTH = 4
"""How many times more than asked for are looked at in each list that "both" joins."""


class Collection:
    """Documents in chunks, searched by meaning (an embedder's vectors), by words (BM25), or both.

    `path` is an SQLite file, made when first used, or ":memory:"; a file may hold several collections, each with its
    `name`. What was embedded with one embedder can be searched with no other: that is refused. Documents are split into
    chunks of `chunk_tokens` that repeat `chunk_overlap` (`convgraph.knowledge.chunks.split`).

    Each method `x` has an asynchronous twin `ax`. Any number of threads and processes may read while one writes. Raises
    `StoreError` for a file that cannot be used, `ModelError` where texts cannot be embedded, and `InputError`.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] = ":memory:",
        name: str = "documents",
        *,
        embedder: Embedder | None = None,
        chunk_tokens: int = 200,
        chunk_overlap: int = 30,
    ) -> None:
        if not isinstance(name, str) or not name:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InputError(f"a collection's name is a text, not {name!r:.100}")
        if not isinstance(embedder, Embedder | None):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InputError(f"embedder= turns texts into vectors, as a LocalEmbedder does; not {embedder!r:.100}")
        split(Document("", ""), chunk_tokens, chunk_overlap)  # refuses lengths that make no sense
        self.name = name
        self.path = os.fspath(path)
        self.embedder: Embedder = LocalEmbedder() if embedder is None else embedder
        self._chunk_tokens = chunk_tokens
        self._chunk_overlap = chunk_overlap
        self._file = CollectionFile(self.path if self.path == ":memory:" else str(Path(self.path).expanduser()), name, self.embedder.name)

    def __repr__(self) -> str:
        return f"Collection({self.path!r}, {self.name!r})"

    def describe(self) -> dict[str, object]:
        """What is searched, as plain JSON: without the file's path, which is where it is and not what it is."""
        return {"name": self.name, "embedder": dict(self.embedder.describe())}

    def close(self) -> None:
        """Close the file. It is opened again when it is used again; what was ":memory:" is gone."""
        self._file.close()

    def add(self, items: Document | Chunk | Iterable[Document | Chunk]) -> int:
        """`aadd`, synchronously."""
        return run_sync(self.aadd(items))

    async def aadd(self, items: Document | Chunk | Iterable[Document | Chunk]) -> int:
        """Put documents in, or chunks that were made by hand; returns how many texts had to be embedded.

        What was there of the same source is replaced. What has not changed is left alone, and texts that the collection
        knows are not embedded again. Each source is put in whole or not at all, whatever happens meanwhile.
        """
        sources = self._by_source([items] if isinstance(items, Document | Chunk) else items)
        changed = await in_thread(self._file.changed, {source: digest_of(chunks) for source, chunks in sources.items()})
        embedded = 0
        for portion in _portions({source: sources[source] for source in changed}):
            embedded += await self._put(portion)
        return embedded

    def remove(self, source: str) -> int:
        """`aremove`, synchronously."""
        return run_sync(self.aremove(source))

    async def aremove(self, source: str) -> int:
        """Take a document out; returns how many chunks it had (0: there was none of this source)."""
        return await in_thread(self._file.remove, source)

    def search(self, query: str, limit: int = 5, *, by: By = "meaning", below_distance: float | None = None) -> list[Found]:
        """`asearch`, synchronously."""
        return run_sync(self.asearch(query, limit, by=by, below_distance=below_distance))

    async def asearch(self, query: str, limit: int = 5, *, by: By = "meaning", below_distance: float | None = None) -> list[Found]:
        """The `limit` chunks that answer `query` best, the best first.

        By "meaning", those whose vectors are nearest (a score is the cosine similarity); by "words", those that have the
        query's words, rare ones counting more (BM25); by "both", the two lists joined by their ranks. With
        `below_distance`, what is found by meaning is nearer than that (cosine distance: 0 the same, 1 unrelated).
        """
        if not isinstance(query, str) or not query.strip():  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InputError(f"a query is a text that says what to search for, not {query!r:.100}")
        _check_how(limit, by, below_distance)
        query = sound(query)
        if by == "meaning":
            return await self._by_meaning(query, limit, below_distance)
        if by == "words":
            return await self._by_words(query, limit)
        deep = max(limit * _DEPTH, 20)
        return fused(await self._by_meaning(query, deep, below_distance), await self._by_words(query, deep))[:limit]

    @property
    def count(self) -> int:
        """How many chunks there are."""
        return self._file.count()

    @property
    def sources(self) -> list[str]:
        """What the documents are known by, in order."""
        return self._file.sources()

    def as_tool(
        self,
        name: str = "search_documents",
        *,
        description: str = "",
        limit: int = 5,
        by: By = "meaning",
        below_distance: float | None = None,
        approval: Approval = None,
    ) -> Tool:
        """A tool that searches here and tells the model where each text stands, so that it can cite."""
        _check_how(limit, by, below_distance)

        async def search_documents(query: str) -> str:
            """Search the documents.

            Args:
                query: What to search for: a question or a few words.

            """
            return as_text(await self.asearch(query, limit, by=by, below_distance=below_distance))

        described = description or f"Search the {self.name} for passages that answer a question; each comes with its source, to be cited."
        return tool(search_documents, name=name, description=described, idempotent=True, approval=approval)

    async def _by_meaning(self, query: str, limit: int, below_distance: float | None) -> list[Found]:
        if not await in_thread(self._file.ready):
            return []
        [vector] = await self.embedder.embed([query])
        return await in_thread(self._file.nearest, vector, limit, below_distance)

    async def _by_words(self, query: str, limit: int) -> list[Found]:
        return await in_thread(self._file.with_words, query, limit)

    def _by_source(self, items: Iterable[Document | Chunk]) -> dict[str, list[Chunk]]:
        sources: dict[str, list[Chunk]] = {}
        documents: set[str] = set()
        for given in items:
            if not isinstance(given, Document | Chunk):  # pyright: ignore[reportUnnecessaryIsInstance]
                raise InputError(f"a collection takes documents and chunks, not {given!r:.100}; read_documents() makes them of files")
            item = replace(given, source=sound(given.source), text=sound(given.text))
            if item.source in documents or (isinstance(item, Document) and item.source in sources):
                raise InputError(f"source {item.source!r} is there twice: a collection holds one document of a source")
            if isinstance(item, Chunk):
                sources.setdefault(item.source, []).append(item)
            else:
                documents.add(item.source)
                sources[item.source] = split(item, self._chunk_tokens, self._chunk_overlap)
        return sources

    async def _put(self, sources: dict[str, list[Chunk]]) -> int:
        texts = list({chunk.text: None for chunks in sources.values() for chunk in chunks})
        known = await in_thread(self._file.known_vectors, texts)
        new = [text for text in texts if text not in known]
        vectors = {**known, **dict(zip(new, await self.embedder.embed(new), strict=True))} if new else known
        entries = {source: [Entry(chunk, vectors[chunk.text]) for chunk in chunks] for source, chunks in sources.items()}
        await in_thread(self._file.put, entries)
        return len(new)


def _check_how(limit: int, by: str, below_distance: float | None) -> None:
    if by not in ("meaning", "words", "both"):
        raise InputError(f'by={by!r} is to be "meaning", "words" or "both"')
    if not isinstance(limit, int) or limit < 1:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InputError(f"limit={limit!r} is to be a whole number from 1")
    if below_distance is not None and by == "words":
        raise InputError('below_distance= is a distance of meanings, which by="words" does not look at')


def _portions(sources: dict[str, list[Chunk]]) -> Iterator[dict[str, list[Chunk]]]:
    """The sources in groups of about `PORTION` chunks."""
    portion: dict[str, list[Chunk]] = {}
    for source, chunks in sources.items():
        portion[source] = chunks
        if sum(map(len, portion.values())) >= PORTION:
            yield portion
            portion = {}
    if portion:
        yield portion
