"""Facts as they are written: as they are in a plain database, sealed in an encrypted one.

Sealed, a fact's text, what it is about, its data and its key are one ciphertext that opens at this fact alone, and so is each vector.
Keys and words are looked up by keyed hashes: whoever reads the database sees that two facts share a word, and not which.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from convgraph.errors import StoreCorrupt
from convgraph.journal.ciphers import Cipher, Unsealable, hidden_name
from convgraph.journal.keyring import Keyring
from convgraph.journal.sealing import Execute, SealedStore, seal_of
from convgraph.knowledge.fact import Fact

MARKERS = "fact_sealing"


class FactColumns(NamedTuple):
    """The columns of a fact that are its content."""

    key: str | None
    about: str
    text: str
    data: str


class FactSeal:
    """What is written of facts to a plain database: everything as it is."""

    def key(self, namespace: str, key: str | None) -> str | None:
        """Under which key a fact is looked up."""
        del namespace
        return key

    def words(self, words: Iterable[str]) -> list[str]:
        """Under which words a fact is looked up, in order."""
        return sorted(words)

    def columns(self, fact: Fact, data: str) -> FactColumns:
        """A fact's content as it is written; `data` is its data in JSON."""
        return FactColumns(fact.key, fact.about, fact.text, data)

    def opened(self, place: Sequence[Any], columns: FactColumns) -> FactColumns:
        """A fact's content as it was before. `place` is its id, its namespace and where it comes from. Raises `StoreCorrupt`."""
        del place
        return columns

    def vector(self, fact_id: str, model: str, vector: bytes) -> bytes:
        """A vector as it is written."""
        del fact_id, model
        return vector

    def opened_vector(self, fact_id: str, model: str, vector: bytes) -> bytes:
        """A vector as it was before. Raises `StoreCorrupt`."""
        del fact_id, model
        return vector


class SealedFacts(FactSeal):
    """What is written of facts to an encrypted database."""

    def __init__(self, store: SealedStore) -> None:
        self.store = store
        self._cipher = Cipher(store.keyring, "facts", store.secret)

    def key(self, namespace: str, key: str | None) -> str | None:
        return None if key is None else hidden_name(self.store.secret, "key", namespace, key)

    def words(self, words: Iterable[str]) -> list[str]:
        return sorted(hidden_name(self.store.secret, "word", word) for word in words)

    def columns(self, fact: Fact, data: str) -> FactColumns:
        held = json.dumps([fact.key, fact.about, fact.text, data])
        source = fact.source
        sealed = self._cipher.seal(held, "fact", fact.id, fact.namespace, source.run_id, source.step, source.path, source.node)
        return FactColumns(self.key(fact.namespace, fact.key), "", sealed, "")

    def opened(self, place: Sequence[Any], columns: FactColumns) -> FactColumns:
        try:
            return FactColumns(*json.loads(self._cipher.open(columns.text, "fact", *place)))
        except Unsealable as error:
            raise StoreCorrupt(f"fact {place[0]!r} cannot be read: {error}") from None

    def vector(self, fact_id: str, model: str, vector: bytes) -> bytes:
        return self._cipher.seal(base64.b64encode(vector).decode("ascii"), "vector", fact_id, model).encode("ascii")

    def opened_vector(self, fact_id: str, model: str, vector: bytes) -> bytes:
        try:
            return base64.b64decode(self._cipher.open(bytes(vector), "vector", fact_id, model))
        except Unsealable as error:
            raise StoreCorrupt(f"the vector of fact {fact_id!r} cannot be read: {error}") from None


PLAIN_FACTS = FactSeal()


def facts_seal(execute: Execute, keyring: Keyring | None, place: str) -> FactSeal:
    """How the facts of a database are sealed; said here and now, where nobody has said it yet. Raises `WrongKeys`."""
    if execute("SELECT 1 FROM facts LIMIT 1", ()) and not execute(f"SELECT 1 FROM {MARKERS}", ()):  # noqa: S608  # a constant
        execute(f"INSERT INTO {MARKERS}(namespace, marker) VALUES('', '')", ())  # they are plain ones
    store = seal_of(execute, keyring, place, table=MARKERS)
    return SealedFacts(store) if isinstance(store, SealedStore) else PLAIN_FACTS
