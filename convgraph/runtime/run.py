"""What all turns of one execution share: the journal, what is known already, people, the clock."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Hashable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from convgraph.graph.definition import Limits
from convgraph.graph.state import Edit, ErrorInfo, Turn
from convgraph.journal.events import AttemptFailed, Delta, EffectFinished, EffectStarted, Event, Said
from convgraph.journal.values import ValueCodec
from convgraph.messages import Usage
from convgraph.protocols import Model, ModelRequest
from convgraph.runtime.held import Held
from convgraph.runtime.ledger import Ledger
from convgraph.runtime.observing import Watch
from convgraph.runtime.people import People
from convgraph.runtime.secrets import Secrets
from convgraph.runtime.setups import Setups
from convgraph.runtime.signals import Stop

if TYPE_CHECKING:
    from convgraph.runtime.children import Children

T = TypeVar("T")


class Recorder(Protocol):
    """Where events go: to a store, or, in a replay, to be compared with the record."""

    @property
    def streaming(self) -> bool: ...

    def record(self, event: Event) -> None: ...

    def record_soon(self, event: Event) -> None: ...

    def content(self, digest: str, text: str) -> None: ...

    def tell(self, live: Delta | Said) -> None: ...

    def now(self) -> Awaitable[float]: ...

    def confirm(self) -> Awaitable[None]: ...

    def commit(self) -> Awaitable[None]: ...


class Replaying(Protocol):
    """What a replay knows of the record beyond the ledger: what came from outside, and what the clock did."""

    def missing(self, path: str, what: str) -> BaseException: ...

    def seconds(self, path: str) -> float: ...

    def limits(self, path: str, current: Limits) -> Limits: ...

    def edits(self, turn: int, begun: int) -> Sequence[Edit]: ...

    def cut_turn(self, path: str) -> Turn | None: ...

    def cut_choice(self, path: str) -> tuple[str, str, Usage] | None: ...

    def stopped_attempt(self, path: str, attempt: int) -> AttemptFailed | None: ...


@dataclass(slots=True)
class Run:
    """One execution of a run. `replaying` is None when it is for real."""

    run_id: str
    journal: Recorder
    codec: ValueCodec
    people: People
    ledger: Ledger = field(default_factory=Ledger)
    deps: Any = None
    replaying: Replaying | None = None
    clock: Callable[[], float] = time.perf_counter
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    warnings: list[str] = field(default_factory=list[str])
    failure: Exception | None = None
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)
    through: Callable[[Model], Model] | None = None
    instead: Callable[[str, str], tuple[Any] | None] | None = None
    answering: dict[int, tuple[Model, Model]] | None = None
    held: Held | None = None
    secrets: Secrets | None = None
    setups: Setups = field(default_factory=Setups)
    stop: Stop | None = None
    children: Children | None = None
    watch: Watch | None = None
    longest_wait: float = math.inf
    """For how many seconds the run stays for a timer, rather than parking until it is due."""

    def answering_for(self, model: Model) -> Model:
        """The model that answers in place of `model` in this run: itself, or what stands before it."""
        if self.through is None:
            return model
        self.answering = self.answering or {}
        if id(model) not in self.answering:
            self.answering[id(model)] = model, self.through(model)  # the model is kept: its id is its own as long as it lives
        return self.answering[id(model)][1]

    async def hold(self, key: Hashable, open: Callable[[], AbstractAsyncContextManager[T]]) -> T:
        """What `open()` gives, opened at the first call with this key and closed when this execution of the run stops."""
        self.held = self.held or Held()
        return await self.held.get(key, open)

    async def let_go(self) -> None:
        """Close what is held."""
        held, self.held = self.held, None
        if held is not None:
            await held.close()

    async def keep(self, event: EffectStarted | EffectFinished) -> None:
        """Make an effect durable, and known to a further attempt at its turn."""
        self.journal.record(event)
        self.ledger.add(event)
        await self.journal.commit()

    def elapsed(self, path: str, started: float) -> float:
        """How long the turn at `path` took; in a replay, how long it took then."""
        if self.replaying is not None:
            return self.replaying.seconds(path)
        return round(self.clock() - started, 6)

    def attempts(self, path: str) -> Sequence[AttemptFailed]:
        """The failed attempts at the turn at `path` so far."""
        return self.ledger.attempts.get(path, ())

    def attempt_failed(self, path: str, attempt: int, error: ErrorInfo, cause: str, seconds: float) -> None:
        """Record that an attempt failed."""
        event = AttemptFailed(path, attempt, error, cause, seconds)  # type: ignore[arg-type]  # cause is one of the literals
        self.journal.record(event)
        self.ledger.add(event)

    def setup_digest(self, model: Model, request: ModelRequest) -> str:
        """The digest of everything in a model request but its messages, which is journaled once as a content."""
        setup = self.setups.of(model, request)
        self.journal.content(setup.digest, setup.text)
        return setup.digest
