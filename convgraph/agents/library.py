"""A collection together with the documents that belong in it: they are read before the first search, not before there is one."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from convgraph.agents.looked_up import Passage
from convgraph.errors import InputError
from convgraph.runtime.threads import in_thread

if TYPE_CHECKING:
    from convgraph.knowledge.chunks import Chunk
    from convgraph.knowledge.collection import By
    from convgraph.knowledge.collection import Collection as Documents
    from convgraph.knowledge.documents import Document
    from convgraph.knowledge.found import Found

TokensOf = Callable[[str], int]


@dataclass(frozen=True, slots=True)
class Filling:
    """Which files belong in a collection, and what becomes of what is there already.

    `overwrite`: what is there is taken out first. Without `get_or_create` there is to be nothing. Without `new_docs`, the files
    are read only where there is nothing. `cut` makes chunks of a document; None: the collection does.
    """

    paths: tuple[str, ...]
    recursive: bool = True
    new_docs: bool = True
    get_or_create: bool = True
    overwrite: bool = False
    cut: Callable[[Document], Sequence[Chunk]] | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked for: at most `number` passages of at most `tokens` together, other than those that were `shown` already.

    With `containing`, only passages that hold this text count.
    """

    query: str
    number: int
    tokens: int
    shown: tuple[str, ...] = ()
    containing: str = ""

    def about(self) -> str:
        """What tells one search from another."""
        return repr((self.query, self.number, self.tokens, self.shown, self.containing))


@dataclass
class Library:
    """A collection that is searched for passages. A resource like a model: it knows nothing of conversations."""

    collection: Documents
    filling: Filling | None = None
    by: By = "meaning"
    below_distance: float | None = None
    tokens_of: TokensOf | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)
    _filled: bool = field(default=False, init=False, repr=False)

    def describe(self) -> Mapping[str, Any]:
        """How it is searched, as plain JSON. Where files are is not part of it."""
        described: dict[str, Any] = {"collection": self.collection.describe(), "by": self.by}
        return described if self.below_distance is None else {**described, "below_distance": self.below_distance}

    async def passages(self, wanted: Wanted) -> list[Passage]:
        """The passages that answer best, the best first. The first is there however long it is; the others as far as they fit.

        Raises `InputError` where there is nothing to search, and what the collection raises.
        """
        if self.filling is not None and not self._filled:
            await in_thread(self._fill, self.filling)
        count = await in_thread(lambda: self.collection.count)
        if not count:
            raise InputError(
                f"there is nothing in the collection {self.collection.name!r}: put documents in (collection.add(read_documents(…))), "
                "or name them with docs_path"
            )
        depth = count if wanted.containing else wanted.number + len(wanted.shown)
        found = await self.collection.asearch(wanted.query, depth, by=self.by, below_distance=self.below_distance)
        fitting = [passage for passage in map(_passage, found) if wanted.containing in passage["text"]]
        return self._within(wanted.tokens, _not_in(wanted.shown, fitting)[: wanted.number])

    def _within(self, tokens: int, passages: Sequence[Passage]) -> list[Passage]:
        from convgraph.knowledge.chunks import tokens_of

        count = self.tokens_of or tokens_of
        kept: list[Passage] = []
        for passage in passages:
            tokens -= count(passage["text"])
            if kept and tokens < 0:
                break
            kept.append(passage)
        return kept

    def _fill(self, filling: Filling) -> None:
        with self._lock:  # two runs may look things up for the first time at the same moment
            if self._filled:
                return
            if filling.overwrite:
                for source in self.collection.sources:
                    self.collection.remove(source)
            there = self.collection.count
            if there and not filling.get_or_create and not filling.overwrite:
                raise InputError(
                    f"the collection {self.collection.name!r} is there already; go on with it (get_or_create=True), make it anew "
                    "(overwrite=True), or name another (collection_name=)"
                )
            if filling.new_docs or not there:
                self._add(filling)
            self._filled = True

    def _add(self, filling: Filling) -> None:
        from convgraph.knowledge.documents import read_documents

        documents = read_documents(filling.paths, recursive=filling.recursive)
        if filling.cut is None:
            self.collection.add(documents)
        else:
            self.collection.add([chunk for document in documents for chunk in filling.cut(document)])


def _passage(found: Found) -> Passage:
    chunk = found.chunk
    identity = hashlib.sha256(f"{chunk.source}\0{chunk.text}".encode()).hexdigest()[:16]
    return {"id": identity, "source": chunk.source, "place": chunk.place, "score": round(found.score, 6), "text": chunk.text}


def _not_in(shown: Collection[str], passages: Sequence[Passage]) -> list[Passage]:
    """The passages that were not shown, each once: two chunks of one document may say the same."""
    known, new = set(shown), list[Passage]()
    for passage in passages:
        if passage["id"] not in known:
            known.add(passage["id"])
            new.append(passage)
    return new
