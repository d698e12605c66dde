"""What stands between the codec and the tables: nothing in a plain store, AES-GCM in an encrypted one.

A store is one or the other from its first row on, which its marker says (table `sealing`). In an encrypted one each run has a key
of its own, and each text is sealed for its place: an event for its number, kind and epoch, a question and its answer for each other,
a run's row for its status, epoch, graph and parent. So a row that was changed, exchanged or put back does not open. What can
be read without keys, and what a store cannot notice, is listed in `docs/security.md`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from convgraph.errors import StoreCorrupt, WrongKeys
from convgraph.journal.ciphers import Cipher, Unsealable, hidden_name, require_cryptography
from convgraph.journal.keyring import VARIABLE, Keyring

Execute: TypeAlias = Callable[[str, Sequence[Any]], list[Any]]
"""Does one statement, with `?` for each value, and gives the rows that come of it."""


class RunRow(NamedTuple):
    """The columns of a run's row that every database has, in their order."""

    run_id: str
    graph: str
    status: str
    reason: str
    fingerprint: str
    created: float
    updated: float
    epoch: int
    owner: str
    parent: str
    parent_step: int
    target: str
    queue: str
    priority: int
    labels: str
    parent_seq: int
    first_seq: int
    seal: str


RUN_COLUMNS = ", ".join(RunRow._fields)


class RunSeal:
    """What is written of one run, as it is."""

    __slots__ = ("fingerprint", "run_id", "target")

    encrypted = False

    def __init__(self, run_id: str, fingerprint: str, target: str) -> None:
        self.run_id, self.fingerprint, self.target = run_id, fingerprint, target

    def shown(self, text: str) -> str:
        """What stands in a column that anybody can read: the text, where nothing is encrypted."""
        return text

    def labels(self, text: str) -> str:
        """The run's labels as they are written: apart from the row's seal, so that they can be changed while the run is running."""
        return text

    def row_seal(self, status: str, reason: str, epoch: int, last: int) -> str:
        """What the run's row holds besides its columns, from when its last event had the number `last`."""
        del status, reason, epoch, last
        return ""

    def event(self, seq: int, epoch: int, kind: str, body: str) -> str:
        """An event's body as it is written."""
        del seq, epoch, kind
        return body

    def opened_event(self, seq: int, epoch: int, kind: str, body: str | bytes) -> str | bytes:
        """An event's body as it was before. Raises `StoreCorrupt`."""
        del seq, epoch, kind
        return body

    def question_part(self, name: str, part: str, text: str) -> str:
        """The prompt, the schema or the answer of the question `name`, as it is written."""
        del name, part
        return text

    def opened_question(self, row: Sequence[Any]) -> Sequence[Any]:
        """A question's row (`QUESTION_COLUMNS`) as it was before. Raises `StoreCorrupt`."""
        return row

    def check_whole(self, numbers: Sequence[int], after: int, upto: int | None) -> None:
        """Raise `StoreCorrupt` where events after `after` are missing, up to `upto` or (None) the last that the run's row knows of."""
        del numbers, after, upto

    def check_epochs(self, epochs: Sequence[int], epoch: int) -> None:
        """Raise `StoreCorrupt` where events have owners that the run's row, read after them, does not know of."""
        del epochs, epoch


class StoreSeal:
    """What is written to a plain store: everything as it is."""

    __slots__ = ()

    encrypted = False

    def new_run(self, row: RunRow) -> RunSeal:
        """What is to be written of a new run. `row` need not have its times, owner and seal."""
        return RunSeal(row.run_id, row.fingerprint, row.target)

    def run(self, row: RunRow) -> RunSeal:
        """What has been written of a run. Raises `StoreCorrupt` where its row is not as it was written."""
        return RunSeal(row.run_id, row.fingerprint, row.target)

    def opened_row(self, row: Sequence[Any]) -> RunRow:
        """A run's row as it was before. Raises `StoreCorrupt`."""
        return RunRow(*row)

    def content_name(self, digest: str) -> str:
        """Under which name a text is kept."""
        return digest

    def content(self, digest: str, text: str) -> str:
        """A text that is kept by its digest, as it is written."""
        del digest
        return text

    def opened_content(self, digest: str, text: str) -> str:
        """A text as it was before. Raises `StoreCorrupt`."""
        del digest
        return text

    def contents(self, texts: Mapping[str, str]) -> list[tuple[str, str]]:
        """The rows of several texts."""
        return [(self.content_name(digest), self.content(digest, text)) for digest, text in texts.items()]


PLAIN = StoreSeal()
UNSEALED = RunSeal("", "", "")


class SealedStore(StoreSeal):
    """What is written to an encrypted store. `marker` is what the store says of itself; a new one is made where there is none."""

    __slots__ = ("keyring", "marker", "namespace", "secret", "texts")

    encrypted = True

    def __init__(self, keyring: Keyring, place: str, namespace: str, marker: str | None = None) -> None:
        require_cryptography()
        own = Cipher(keyring, "store")
        if marker is None:
            self.secret = os.urandom(32).hex()
            marker = own.seal(self.secret, "marker", namespace)
        else:
            try:
                self.secret = own.open(marker, "marker", namespace)
            except Unsealable as error:
                raise WrongKeys(f"{place}: the store is encrypted, and the keys given do not open it: {error}") from None
        self.keyring, self.marker, self.namespace = keyring, marker, namespace
        self.texts = Cipher(keyring, "contents", self.secret)

    def marker_sealed_anew(self) -> str:
        """The marker under the newest key."""
        return Cipher(self.keyring, "store").seal(self.secret, "marker", self.namespace)

    def new_run(self, row: RunRow) -> RunSeal:
        return SealedRun(self, row, os.urandom(16).hex(), row.fingerprint, row.target, -1)

    def run(self, row: RunRow) -> RunSeal:
        return self._opened(row)[0]

    def opened_row(self, row: Sequence[Any]) -> RunRow:
        stored = RunRow(*row)
        run, reason = self._opened(stored)
        return stored._replace(reason=reason, fingerprint=run.fingerprint, target=run.target, labels=run.opened_labels(stored.labels))

    def content_name(self, digest: str) -> str:
        return hidden_name(self.secret, "content", digest)

    def content(self, digest: str, text: str) -> str:
        return self.texts.seal(text, self.content_name(digest))

    def opened_content(self, digest: str, text: str) -> str:
        try:
            return self.texts.open(text, self.content_name(digest))
        except Unsealable as error:
            raise StoreCorrupt(f"the stored text {digest} cannot be read: {error}") from None

    def _opened(self, row: RunRow) -> tuple[SealedRun, str]:
        """The run, and why it stopped, as its row's seal has it."""
        salt, _, sealed = row.seal.partition("~")
        run = SealedRun(self, row, salt, "", "", -1)
        try:
            reason, run.fingerprint, run.target, run.last = json.loads(run.cipher.open(sealed, *run.place(row.status, row.epoch)))
        except Unsealable as error:
            raise StoreCorrupt(f"the row of run {row.run_id!r} cannot be trusted: {error}", row.run_id) from None
        return run, reason


class SealedRun(RunSeal):
    """What is written of one run in an encrypted store."""

    __slots__ = ("_first", "_origin", "_salt", "cipher", "last")

    encrypted = True

    def __init__(self, store: SealedStore, row: RunRow, salt: str, fingerprint: str, target: str, last: int) -> None:
        super().__init__(row.run_id, fingerprint, target)
        self.cipher = Cipher(store.keyring, "run", store.secret, store.namespace, row.run_id, salt)
        self.last = last
        self._salt = salt
        self._first = row.first_seq
        self._origin = (row.graph, row.parent, row.parent_step, row.parent_seq, row.first_seq)

    def shown(self, text: str) -> str:
        del text
        return ""

    def labels(self, text: str) -> str:
        return self.cipher.seal(text, "labels") if text else ""

    def opened_labels(self, text: str) -> str:
        """The run's labels as they were before. Raises `StoreCorrupt`."""
        try:
            return self.cipher.open(text, "labels") if text else ""
        except Unsealable as error:
            raise StoreCorrupt(f"the labels of run {self.run_id!r} cannot be trusted: {error}", self.run_id) from None

    def place(self, status: str, epoch: int) -> tuple[Any, ...]:
        """What the row says in columns that anybody can read, and nobody can change without its being noticed."""
        return ("run", status, epoch, *self._origin)

    def row_seal(self, status: str, reason: str, epoch: int, last: int) -> str:
        self.last = max(self.last, last)  # what was there once has to be there for good
        held = json.dumps([reason, self.fingerprint, self.target, self.last])
        return f"{self._salt}~{self.cipher.seal(held, *self.place(status, epoch))}"

    def event(self, seq: int, epoch: int, kind: str, body: str) -> str:
        return self.cipher.seal(body, "event", seq, epoch, kind)

    def opened_event(self, seq: int, epoch: int, kind: str, body: str | bytes) -> str | bytes:
        try:
            return self.cipher.open(body, "event", seq, epoch, kind)
        except Unsealable as error:
            raise StoreCorrupt(f"run {self.run_id!r}, event {seq} ({kind}) cannot be read: {error}", self.run_id, seq) from None

    def question_part(self, name: str, part: str, text: str) -> str:
        return self.cipher.seal(text, "question", name, part)

    def opened_question(self, row: Sequence[Any]) -> Sequence[Any]:
        run_id, name, prompt, schema, node, path, asked, answer, due = row
        try:
            told = self.cipher.open(prompt, "question", name, "prompt")
            fits = self.cipher.open(schema, "question", name, "schema")
            given = None if answer is None else self.cipher.open(answer, "question", name, answer_to(prompt))
        except Unsealable as error:
            raise StoreCorrupt(f"question {name!r} of run {run_id!r} cannot be read: {error}", run_id) from None
        return run_id, name, told, fits, node, path, asked, given, due

    def check_whole(self, numbers: Sequence[int], after: int, upto: int | None) -> None:
        first = max(self._first, after + 1)
        expected = range(first, first + len(numbers))
        gap = next((want for want, found in zip(expected, numbers, strict=True) if want != found), expected.stop)
        if gap < expected.stop or gap <= (self.last if upto is None else upto):
            raise StoreCorrupt(f"run {self.run_id!r}: event {gap} is missing; somebody has deleted it", self.run_id, gap)

    def check_epochs(self, epochs: Sequence[int], epoch: int) -> None:
        if max(epochs, default=0) > epoch:
            raise StoreCorrupt(f"the row of run {self.run_id!r} is older than the run's events; somebody has put it back", self.run_id)


def answer_to(prompt: str) -> str:
    """The part of a question that an answer is: sealed for the prompt as it is written, so that it fits no other asking."""
    return f"answer to {prompt}"


def seal_of(execute: Execute, keyring: Keyring | None, place: str, namespace: str = "", table: str = "sealing") -> StoreSeal:
    """How the store is sealed; said here and now, where nobody has said it yet. To be done in a transaction.

    Raises `WrongKeys` where the keys given do not fit it: none where it is encrypted, others, or any where it is not.
    """
    marked = execute(f"SELECT marker FROM {table} WHERE namespace=?", (namespace,))  # noqa: S608  # a constant
    if not marked:
        seal = PLAIN if keyring is None else SealedStore(keyring, place, namespace)
        marker = seal.marker if isinstance(seal, SealedStore) else ""
        execute(f"INSERT INTO {table}(namespace, marker) VALUES(?, ?)", (namespace, marker))  # a constant
    else:
        marker = str(marked[0][0])
        seal = SealedStore(keyring, place, namespace, marker) if keyring is not None and marker else PLAIN
    if marker and keyring is None:
        raise WrongKeys(f"{place}: the store is encrypted; give its keys= when it is opened, or set {VARIABLE}")
    if keyring is not None and not marker:
        raise WrongKeys(f"{place}: the store is not encrypted, and keys were given; `convgraph encrypt` encrypts what is in it")
    return seal
