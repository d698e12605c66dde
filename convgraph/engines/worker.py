"""A worker: it goes on with the runs of some graphs, whichever engine brings them, and can be stopped without losing anything."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from convgraph.engines.engine import Engine
from convgraph.engines.presence import give_signs, worker_of
from convgraph.errors import ConvgraphError, InputError, RunBusy, RunNotFound, StoreError
from convgraph.journal.events import EffectStarted, Ended, Recorded, Resumed
from convgraph.journal.runs import LEASE_SECONDS
from convgraph.journal.store import Store
from convgraph.runtime import lifecycle
from convgraph.runtime.children import OVER, child_programs, tell_parent
from convgraph.runtime.inputs import Options
from convgraph.runtime.result import RunResult
from convgraph.runtime.signals import HandedOver, Stop

if TYPE_CHECKING:
    from convgraph.conversation import ConversationGraph
    from convgraph.runtime.program import Program

log = logging.getLogger("convgraph.worker")

STAYS_SECONDS = 1.5
"""For how long a worker stays with a run that waits for the clock: longer than an engine wakes it early."""

MOST_TRIES = 10
"""How often a run is begun again that has not come forward since, before it is taken for one that kills its workers."""

Told = Callable[[str, RunResult | ConvgraphError], None]


class Worker:
    """Goes on with runs of `graphs` in `store`.

    `deps` are the live objects that their nodes and tools are given. A run that was begun `most_tries` times without coming
    forward ends `failed`, so that it does not take down one worker after another. A worker that gives no sign of life for `lease`
    seconds counts as gone. `told` hears what became of each run.
    """

    def __init__(
        self,
        graphs: Iterable[ConversationGraph],
        store: Store,
        *,
        deps: Any = None,
        most_tries: int = MOST_TRIES,
        lease: float = LEASE_SECONDS,
        told: Told | None = None,
    ) -> None:
        self._graphs: dict[str, ConversationGraph] = {}
        for graph in graphs:
            if graph.name in self._graphs:
                raise InputError(f"two of the worker's graphs are called {graph.name!r}; runs are told apart by the names of their graphs")
            graph.program().require_sound()
            self._graphs[graph.name] = graph
        if not self._graphs:
            raise InputError("a worker needs at least one graph")
        self._children = dict(child for graph in self._graphs.values() for child in child_programs(graph.name, graph.program()))
        self._store = store
        self._deps = deps
        self._most_tries = most_tries
        self._lease = lease
        self._told = told
        self._stops: dict[str, Stop] = {}
        self._woken: set[str] = set()
        self._refused: dict[str, float] = {}

    @property
    def graphs(self) -> tuple[str, ...]:
        """What the runs are listed as that it goes on with: its graphs' names, and those of what these make runs of."""
        return (*self._graphs, *self._children)

    @property
    def under_way(self) -> tuple[str, ...]:
        """The ids of the runs that it is going on with."""
        return tuple(self._stops)

    async def work(self, engine: Engine, *, concurrency: int = 10) -> None:
        """Go on with runs, so many at a time, until `drain`.

        Raises what the engine raises, and `StoreUnavailable` when no sign of life could be given for long.
        """
        if isinstance(concurrency, bool) or concurrency < 1:
            raise InputError(f"concurrency={concurrency!r} is a whole number, 1 or more")
        if not self._lease > 0:
            raise InputError(f"lease={self._lease!r} is not a number of seconds above zero")
        worker = worker_of(engine, self.graphs, concurrency, self._lease)
        await self._store.abeat(worker)  # before it takes anything: others put back what nobody alive has
        signs = asyncio.create_task(give_signs(self._store, worker, lambda: len(self._stops)), name="convgraph-signs")
        serving = asyncio.create_task(engine.serve(self.advance, concurrency=concurrency), name="convgraph-serve")
        try:
            await asyncio.wait([signs, serving], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for stop in self._stops.values():
                stop.hand_over = True  # a worker that ends for whatever reason cancels no run: others go on with it
            for task in (signs, serving):
                task.cancel()
            ended = await asyncio.gather(signs, serving, return_exceptions=True)
        for outcome in ended:
            if isinstance(outcome, Exception):
                raise outcome
        try:
            await self._store.aleave(worker.id)
        except StoreError as error:  # it is listed as silent for a while, and then forgotten
            log.info("%s", error)

    async def drain(self, engine: Engine, *, grace: float = 30.0) -> None:
        """Stop without losing anything: begin no run, and hand those under way over when their present turn is over.

        Whatever is still in a turn after `grace` seconds is left as after a crash: finished effects are kept, the turn is entered
        again elsewhere.
        """
        await engine.stop()
        for stop in self._stops.values():
            stop.hand_over = True
        tasks = [stop.task for stop in self._stops.values() if stop.task is not None]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=grace)
            for task in late:
                task.cancel()

    async def advance(self, run_id: str) -> None:
        """Go on with a run until it stops. One that somebody else has, or that needs nothing, is left alone."""
        if run_id in self._stops:
            self._woken.add(run_id)  # what it is woken for may have come just after it had looked
            return
        stop = self._stops[run_id] = Stop(task=asyncio.current_task())
        try:
            await self._advance(run_id, stop)
            while run_id in self._woken and not stop.hand_over:
                self._woken.discard(run_id)
                await self._advance(run_id, stop)
        finally:
            del self._stops[run_id]
            self._woken.discard(run_id)

    async def _advance(self, run_id: str, stop: Stop) -> None:
        try:
            info = await self._store.info(run_id)
            program = self._program(info.graph)
            if program is None or self._refused.get(run_id) == info.updated:
                return
            result = None if await self._gave_up(run_id) else await self._resumed(program, run_id, stop)
            if info.graph in self._children and (result is None or result.status in OVER):
                await tell_parent(self._store, info)
        except (RunBusy, RunNotFound):
            return  # somebody else has it, or it was deleted meanwhile
        except HandedOver:
            log.info("run %s: handed over", run_id, extra={"run_id": run_id})
            return
        except StoreError as error:
            log.warning("run %s: left to others: %s", run_id, error, extra={"run_id": run_id})
            return
        except ConvgraphError as error:
            await self._refuse(run_id, error)
            return
        if result is not None:
            self._tell(run_id, result)

    def _program(self, listed_as: str) -> Program | None:
        graph = self._graphs.get(listed_as)
        return graph.program() if graph is not None else self._children.get(listed_as)

    async def _refuse(self, run_id: str, error: ConvgraphError) -> None:
        """It cannot go on with this graph: not until it, or the worker, is another."""
        log.warning("run %s: refused: %s", run_id, error, extra={"run_id": run_id, "error_type": type(error).__name__})
        try:
            self._refused[run_id] = (await self._store.info(run_id)).updated
        except (StoreError, RunNotFound):
            return  # it is refused again at the next wake-up
        self._tell(run_id, error)

    async def _resumed(self, program: Program, run_id: str, stop: Stop) -> RunResult:
        options = Options(self._deps, "park", stop=stop, longest_wait=STAYS_SECONDS, children=True, announced=True)
        return await lifecycle.resume(program, run_id, self._store, None, None, False, options)

    async def _gave_up(self, run_id: str) -> bool:
        """End a run that has been begun too often without coming forward, whoever was going on with it."""
        events = await self._store.load(run_id, steps_only=True)
        tries = tries_since_progress(events)
        if tries < self._most_tries:
            return False
        reason = (
            f"begun {tries} times without coming forward: the turn seems to end the process that has it. "
            "Look at the last events of the journal; resume makes the turn anew"
        )
        claim = await self._store.claim(run_id)
        try:
            if claim.next_seq != events[-1].seq + 1:
                return False  # somebody has come forward with it meanwhile
            await self._store.append(claim, [Ended("failed", reason)])
        finally:
            await self._store.release(claim)
        log.error("run %s: %s", run_id, reason, extra={"run_id": run_id})
        return True

    def _tell(self, run_id: str, outcome: RunResult | ConvgraphError) -> None:
        if self._told is not None:
            self._told(run_id, outcome)


def tries_since_progress(events: Iterable[Recorded]) -> int:
    """How often a run was begun again since anything came of it."""
    tries = 0
    for recorded in events:
        if isinstance(recorded.event, Resumed):
            tries += 1
        elif not isinstance(recorded.event, EffectStarted):
            tries = 0
    return tries
