"""One run's pen: collects what a step adds and writes it in one append."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Literal, TypeAlias

from convgraph.errors import InputError
from convgraph.journal.events import Delta, Event, Said
from convgraph.journal.runs import Claim
from convgraph.journal.store import Store
from convgraph.journal.uninterrupted import seen_through

Durability: TypeAlias = Literal["step", "exit"]
Listener: TypeAlias = Callable[[Event | Delta | Said], None]
"""Told of each event as it happens. One with a false attribute `deltas` is told nothing piece by piece, so that no model has to stream."""


class Journal:
    """Records events in order and commits them.

    `record` is immediate and holds an event for the next commit, which comes at the latest in the next turn of
    the event loop: so a model's answer and the step that it makes share one commit. `commit` returns when all
    that was recorded is durable. With `durability="exit"` everything is written when the run stops.
    """

    def __init__(self, store: Store, claim: Claim, durability: Durability = "step", listener: Listener | None = None) -> None:
        self.store = store
        self.claim = claim
        self._durability = durability
        self._listener = listener
        self._waiting: list[Event] = []
        self._contents: dict[str, str] = {}
        self._known: set[str] = set()
        self._due = False
        self._writing = False
        self._written: asyncio.Future[None] | None = None
        self._behind: asyncio.Task[None] | None = None
        self._failure: BaseException | None = None

    @property
    def streaming(self) -> bool:
        """Whether somebody listens, so that deltas are worth making."""
        return self._listener is not None and getattr(self._listener, "deltas", True)

    def record(self, event: Event) -> None:
        """Add an event. Raises what an earlier commit failed with."""
        if self._failure is not None:
            raise self._failure
        self._waiting.append(event)
        if self._listener is not None:
            self._listener(event)

    def record_soon(self, event: Event) -> None:
        """Add an event that nobody waits for, and see that it is committed within a turn of the loop."""
        self.record(event)
        if self._durability == "step" and not self._due and (loop := _running_loop()) is not None:
            self._due = True
            self.store.write_behind.soon(loop, self)

    def content(self, digest: str, text: str) -> None:
        """Keep a text that events refer to by digest: each is written once."""
        if digest not in self._known:
            self._known.add(digest)
            self._contents[digest] = text

    def tell(self, live: Delta | Said) -> None:
        """Pass on what is streamed and not stored."""
        if self._listener is not None:
            self._listener(live)

    def now(self) -> Awaitable[float]:
        """The time by the store's clock, in seconds since 1970."""
        return self.store.anow()

    def confirm(self) -> Awaitable[None]:
        """Raise `Fenced` if this is not the run's writer any more."""
        return self.store.confirm(self.claim)

    def commit(self) -> Awaitable[None]:
        """Make all that was recorded durable."""
        return self.flush() if self._durability == "step" else _nothing()

    async def flush(self) -> None:
        """Write what waits, whatever the durability.

        One append at a time, and none after one that has failed: else the journal could have a hole.
        """
        while self._writing:  # whoever comes meanwhile waits, and what they have recorded goes into one append
            await seen_through(self._end_of_append())
        if self._failure is not None:
            raise self._failure
        if not self._waiting:
            return
        self._writing = True
        try:
            await self.store.append(self.claim, *self._taken())
        except Exception as error:
            self._failure = error
            raise
        finally:
            self._writing = False
            if self._written is not None:
                self._written.set_result(None)
                self._written = None

    def _end_of_append(self) -> asyncio.Future[None]:
        """Done when the append that is under way is over. Made for who asks: most appends are waited for by nobody else."""
        if self._written is None:
            self._written = asyncio.get_running_loop().create_future()
        return self._written

    def _taken(self) -> tuple[Sequence[Event], Mapping[str, str] | None]:
        """What waits, handed over: it is the store's from here on."""
        events, contents = tuple(self._waiting), self._contents
        self._waiting.clear()
        if not contents:
            return events, None
        self._contents = {}
        return events, contents

    def write_behind(self) -> None:
        """Begin to write what was recorded and nobody has committed meanwhile."""
        self._due = False
        if self._waiting and self._behind is None:
            self._behind = asyncio.get_running_loop().create_task(self._write(), name="convgraph-journal")

    async def _write(self) -> None:
        try:
            while self._waiting and self._failure is None:  # what is recorded while an append is under way is due as well
                with contextlib.suppress(Exception):  # kept, and told to whoever records or commits next: this has no caller
                    await self.flush()
        finally:
            self._behind = None


def check_durability(durability: object) -> None:
    """Raise `InputError` unless this is a durability."""
    if durability not in ("step", "exit"):
        raise InputError(f"durability={durability!r:.100} is neither 'step' nor 'exit'")


async def _nothing() -> None:
    """What is left to do where all is written at the end."""


def _running_loop() -> asyncio.AbstractEventLoop | None:
    """The loop of this thread; a node that is a plain function has none, and its step's commit takes its events along."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
