"""The runs that go on in the studio's own process: begun, gone on with and stopped here, and heard while they speak."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from convgraph.errors import ConvgraphError, RunBusy
from convgraph.graph.definition import Limits
from convgraph.journal.events import Delta, EffectFinished, Event, Said, Stepped
from convgraph.journal.store import Store
from convgraph.protocols import Model
from convgraph.runtime import lifecycle
from convgraph.runtime.inputs import Options, prepared
from convgraph.runtime.program import Program
from convgraph.runtime.result import RunResult
from convgraph.runtime.signals import HandedOver, Stop

log = logging.getLogger("convgraph.studio")

Through = Callable[[Model], Model]
"""What stands between a run and its models: given a model, the one that answers in its place."""

MOST_UNHEARD = 10_000
"""How many pieces of text wait for a page that reads too slowly; it gets what follows, and the step itself, from the journal."""


@dataclass(eq=False, slots=True)
class Ear:
    """What one page hears of one run: pieces of text as they are said (`Delta`), and a None whenever the journal has grown."""

    said: asyncio.Queue[Delta | None] = field(default_factory=lambda: asyncio.Queue(MOST_UNHEARD))

    def hear(self, what: Delta | None) -> None:
        """Take note, unless too much is waiting already."""
        if not self.said.full():
            self.said.put_nowait(what)


@dataclass(slots=True)
class _Going:
    """A run that goes on here. `speaking` is what has been said so far in turns that are not over, by path."""

    stop: Stop
    task: asyncio.Task[None]
    speaking: dict[str, Delta] = field(default_factory=dict[str, Delta])


class Live:
    """Begins runs and goes on with them, each in a task of its own, and tells who listens.

    A run is owned by its claim as everywhere: one that goes on elsewhere is `RunBusy` here.
    """

    def __init__(self, store: Store, *, deps: Any = None) -> None:
        self._store = store
        self._deps = deps
        self._going: dict[str, _Going] = {}
        self._ears: dict[str, set[Ear]] = {}
        self._stand_ins: dict[str, Through] = {}

    def __contains__(self, run_id: str) -> bool:
        return run_id in self._going

    @property
    def under_way(self) -> frozenset[str]:
        """The ids of the runs that go on here."""
        return frozenset(self._going)

    async def begin(
        self,
        program: Program,
        said: Any,
        *,
        state: Mapping[str, Any] | None = None,
        limits: Limits | None = None,
        run_id: str | None = None,
        labels: tuple[str, ...] = (),
        target: str = "",
        through: Through | None = None,
    ) -> str:
        """Begin a run and return its id once it is in the store. Raises what `graph.arun` raises before anything is written."""
        program.require_sound()
        options = self._options(target=target, through=through)
        beginning = prepared(program, said, state, run_id, limits, options, labels)
        self._check_free(beginning.run_id)
        written = asyncio.get_running_loop().create_future()
        work = lifecycle.start(program, beginning, self._store, self._told(beginning.run_id, options, written))
        await self._begun(beginning.run_id, work, options.stop, written)
        self._stand_ins.pop(beginning.run_id, None)  # a deleted run of this name may have had some
        if through is not None:
            self._stand_ins[beginning.run_id] = through
        return beginning.run_id

    async def go_on(
        self,
        program: Program,
        run_id: str,
        *,
        answers: Mapping[str, Any] | None = None,
        limits: Limits | None = None,
        redo_turn: bool = False,
    ) -> None:
        """Resume a run; returns when it goes on, or has nothing to do. Raises what `graph.aresume` raises before anything is written."""
        self._check_free(run_id)
        options = self._options(through=self._stand_ins.get(run_id))
        written = asyncio.get_running_loop().create_future()
        told = self._told(run_id, options, written)
        work = lifecycle.resume(program, run_id, self._store, answers, limits, redo_turn, told)
        await self._begun(run_id, work, options.stop, written)

    async def say_next(self, program: Program, run_id: str, said: Any, *, state: Mapping[str, Any] | None = None) -> None:
        """Continue an ended conversation. Raises what `graph.acontinue` raises before anything is written."""
        self._check_free(run_id)
        options = self._options(through=self._stand_ins.get(run_id))
        written = asyncio.get_running_loop().create_future()
        work = lifecycle.carry_on(program, run_id, said, self._store, state, None, self._told(run_id, options, written))
        await self._begun(run_id, work, options.stop, written)

    def stand_in_as(self, run_id: str, forked: str) -> None:
        """Have those who stand in for a run's models stand in for its fork's too."""
        if (through := self._stand_ins.get(run_id)) is not None:
            self._stand_ins[forked] = through

    def stop(self, run_id: str) -> bool:
        """Cancel a run that goes on here: it ends `cancelled`, and can be resumed. Says whether it was going on here."""
        going = self._going.get(run_id)
        if going is None:
            return False
        going.stop.requested = True
        going.task.cancel()
        return True

    @contextmanager
    def listening(self, run_id: str) -> Generator[Ear]:
        """Hear a run as long as the block goes on: first what is being said at the moment, then what follows."""
        ear = Ear()
        going = self._going.get(run_id)
        for so_far in going.speaking.values() if going is not None else ():
            ear.hear(so_far)
        self._ears.setdefault(run_id, set()).add(ear)
        try:
            yield ear
        finally:
            self._ears[run_id].discard(ear)
            if not self._ears[run_id]:
                del self._ears[run_id]

    async def close(self, grace: float = 5.0) -> None:
        """Stop without losing anything: runs are handed over where they stand, for whoever resumes them."""
        for going in self._going.values():
            going.stop.hand_over = True
            going.task.cancel()
        if tasks := [going.task for going in self._going.values()]:
            await asyncio.wait(tasks, timeout=grace)

    def _options(self, *, target: str = "", through: Through | None = None) -> Options:
        return Options(self._deps, "park", target=target, through=through)

    def _check_free(self, run_id: str) -> None:
        if run_id in self._going:
            raise RunBusy(f"run {run_id!r} is going on already, in this studio", run_id)

    async def _begun(self, run_id: str, work: Awaitable[RunResult], stop: Stop, written: asyncio.Future[None]) -> None:
        """Do the work in a task of its own; return as soon as something is written, or it is over."""
        task = asyncio.create_task(self._through(run_id, work), name=f"convgraph-studio-{run_id}")
        task.add_done_callback(_heard)
        self._going[run_id] = _Going(stop, task)
        await asyncio.wait([task, written], return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()

    async def _through(self, run_id: str, work: Awaitable[RunResult]) -> None:
        try:
            await work
        except HandedOver:
            log.info("run %s: left where it stands", run_id)
        except ConvgraphError as error:
            log.info("run %s: %s", run_id, error)
            raise
        finally:
            del self._going[run_id]
            self._tell(run_id, None)

    def _told(self, run_id: str, options: Options, written: asyncio.Future[None]) -> Options:
        """The options with a listener that passes on what happens."""

        def listener(event: Event | Delta | Said) -> None:
            if isinstance(event, Delta):
                self._speak(run_id, event)
                return
            if not written.done():
                written.set_result(None)
            going = self._going.get(run_id)
            if going is not None and isinstance(event, Stepped | EffectFinished):
                going.speaking.pop(event.path, None)
            self._tell(run_id, None)

        return replace(options, listener=listener)

    def _speak(self, run_id: str, piece: Delta) -> None:
        going = self._going.get(run_id)
        if going is not None:
            so_far = going.speaking.get(piece.path)
            going.speaking[piece.path] = Delta(piece.path, piece.node, (so_far.text if so_far else "") + piece.text)
        self._tell(run_id, piece)

    def _tell(self, run_id: str, what: Delta | None) -> None:
        for ear in self._ears.get(run_id, ()):
            ear.hear(what)


def _heard(task: asyncio.Task[None]) -> None:
    """An error after the beginning is in the journal, or in the log: nobody waits for the task any more."""
    if not task.cancelled():
        task.exception()
