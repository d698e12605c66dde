"""Who watches the runs of this process: told what happens in them, without a part in it.

A watcher hears each event as it is recorded, as any listener does; and three things that no event says, since nothing has come of
them yet: a turn begins, a model is about to be asked, something outside is about to be called. It is told in the task that does
them, before they are done: so what it makes current (a span, say) is current for them. A replay does nothing, and is not watched.
"""

from __future__ import annotations

import logging
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from convgraph.journal.events import Delta, EffectKind, Event, Said
from convgraph.journal.writer import Listener
from convgraph.protocols import Model, ModelRequest


@dataclass(frozen=True, slots=True)
class Watched:
    """A run that is begun, or gone on with (`resumed`). `came_from`: where a watcher of its earlier part has kept that."""

    run_id: str
    graph: str
    fingerprint: str
    resumed: bool = False
    came_from: str = ""


class Watch:
    """Watches one run, from where it is begun or gone on with until it stops. Nothing that it does changes the run.

    To be derived from: here, nothing of what is told is heard.
    """

    @property
    def trace(self) -> str:
        """Where what is told here is kept, for whoever goes on with the run later: a W3C `traceparent`, or nothing."""
        return ""

    def __call__(self, event: Event | Delta | Said) -> None:
        """An event, at the moment at which it is recorded."""

    def turn_begins(self, path: str, node: str, kind: str) -> None:
        """A node (or a branch of a group) has the turn."""

    def choice_begins(self, path: str, targets: Sequence[str]) -> None:
        """One of several transitions is to be chosen, after the turn at `path`."""

    def model_asked(self, path: str, ordinal: int, model: Model, request: ModelRequest) -> None:
        """A model is about to be asked for real."""

    def called(self, path: str, kind: EffectKind, name: str, ordinal: int, request: str) -> None:
        """A tool, code, a reply function is about to be called for real; `request` is what it is called with, as canonical text."""

    def closed(self, error: BaseException | None) -> None:
        """The run has stopped, whether it has ended or not; with `error`, that keeps it from going on here. Nothing more is told."""


class Observer(Protocol):
    """Watches all runs of a process."""

    def watch(self, run: Watched) -> Watch:
        """A watch for this run, told from its first event on."""
        ...

    def here(self) -> str:
        """The `traceparent` of whoever calls, for a run that somebody else begins; nothing where there is none."""
        ...


class _Process:
    """What is true of the whole process, as the configuration of `logging` is: who watches the runs in it, in whichever thread."""

    __slots__ = ("observers",)

    def __init__(self) -> None:
        self.observers: tuple[Observer, ...] = ()


_PROCESS = _Process()


def observe(observer: Observer) -> None:
    """Have all runs that this process begins, or goes on with, from now on watched by `observer`."""
    _PROCESS.observers = (*_PROCESS.observers, observer)


def observe_no_more(observer: Observer) -> None:
    """Have no further run watched by `observer`. Those under way are watched to their end."""
    _PROCESS.observers = tuple(other for other in _PROCESS.observers if other is not observer)


def observers() -> tuple[Observer, ...]:
    """Who watches the runs of this process."""
    return _PROCESS.observers


@contextmanager
def watching(run: Watched) -> Generator[Watch | None]:
    """What watches this run as long as it is under way here; None, at no cost but this look, where nobody does."""
    watch = _watch_for(run)
    try:
        yield watch
    except BaseException as error:
        if watch is not None:
            watch.closed(error)
        raise
    if watch is not None:
        watch.closed(None)


def _watch_for(run: Watched) -> Watch | None:
    from convgraph.runtime.logged import LoggedRun, log

    watches = [observer.watch(run) for observer in _PROCESS.observers]
    if log.isEnabledFor(logging.WARNING) and log.hasHandlers():
        watches.append(LoggedRun(run))
    if len(watches) < 2:
        return watches[0] if watches else None
    return _Several(watches)


def trace_of(watch: Watch | None) -> str:
    """Where a run is traced; nothing where it is not watched."""
    return "" if watch is None else watch.trace


def trace_here() -> str:
    """Where whoever calls is traced; nothing where runs are not watched."""
    return next((here for observer in _PROCESS.observers if (here := observer.here())), "")


class Both:
    """A listener and a watch as one listener. Only the listener wants words piece by piece: nobody streams to be watched."""

    __slots__ = ("deltas", "listener", "watch")

    def __init__(self, listener: Listener | None, watch: Watch) -> None:
        self.listener = listener
        self.watch = watch
        self.deltas = listener is not None and getattr(listener, "deltas", True)

    def __call__(self, event: Event | Delta | Said) -> None:
        self.watch(event)
        if self.listener is not None:
            self.listener(event)


def listening(listener: Listener | None, watch: Watch | None) -> Listener | None:
    """Who listens to a run's journal."""
    return listener if watch is None else Both(listener, watch)


class _Several(Watch):
    """Several watches as one."""

    def __init__(self, watches: Sequence[Watch]) -> None:
        self._watches = watches

    @property
    def trace(self) -> str:
        return next((watch.trace for watch in self._watches if watch.trace), "")

    def __call__(self, event: Event | Delta | Said) -> None:
        for watch in self._watches:
            watch(event)

    def turn_begins(self, path: str, node: str, kind: str) -> None:
        for watch in self._watches:
            watch.turn_begins(path, node, kind)

    def choice_begins(self, path: str, targets: Sequence[str]) -> None:
        for watch in self._watches:
            watch.choice_begins(path, targets)

    def model_asked(self, path: str, ordinal: int, model: Model, request: ModelRequest) -> None:
        for watch in self._watches:
            watch.model_asked(path, ordinal, model, request)

    def called(self, path: str, kind: EffectKind, name: str, ordinal: int, request: str) -> None:
        for watch in self._watches:
            watch.called(path, kind, name, ordinal, request)

    def closed(self, error: BaseException | None) -> None:
        for watch in self._watches:
            watch.closed(error)
