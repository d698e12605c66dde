"""The verbs that run a graph: run, resume, replay, fork, continue, cancel, explain. Each is a thin face over `runtime/`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from convgraph.conversation.views import GraphViews
from convgraph.errors import InputError
from convgraph.graph.definition import Limits
from convgraph.journal.runs import DEFAULT_QUEUE
from convgraph.journal.store_url import StoreLike, as_store
from convgraph.journal.writer import Durability
from convgraph.runtime import lifecycle
from convgraph.runtime.inputs import Options, prepared
from convgraph.runtime.people import Human
from convgraph.runtime.program import Program
from convgraph.runtime.result import RunResult
from convgraph.runtime.stream import RunStream
from convgraph.sync import run_sync

if TYPE_CHECKING:
    from convgraph.models.cache import Cache
    from convgraph.protocols import Model
    from convgraph.runtime.explain import Explanation


class GraphRuns(GraphViews):
    """The verbs that run a graph, each in a sync and an async form of one implementation."""

    def __init__(self) -> None:
        self._running: dict[str, _Running] = {}

    def run(self, input: Any = None, **options: Any) -> RunResult:  # the name that design and users call
        """Run the conversation until it stops. See `arun` for the options; works inside a running event loop too."""
        return run_sync(self.arun(input, **options))

    async def arun(
        self,
        input: Any = None,
        *,
        state: BaseModel | Mapping[str, Any] | None = None,
        deps: Any = None,
        store: StoreLike | None = None,
        run_id: str | None = None,
        limits: Limits | None = None,
        human: Human = "auto",
        durability: Durability = "step",
        target: str = "",
        cache: Cache | None = None,
        listener: Callable[[Any], None] | None = None,
        labels: Collection[str] = (),
    ) -> RunResult:
        """Run the conversation until it stops.

        `input`: what the user says (a str, a `Message`, or a list of them). `state`: the initial state. `deps`: live
        objects for `ctx.deps`, never journaled. `store`: where the journal is kept (a file name, a URL, a store);
        None keeps it in memory. `run_id`: a name of one's own. `limits`: instead of the graph's. `human`: how people
        are asked (`auto`, `console`, `park`, a callable; or a mapping of these, by the people's names). `durability`:
        `step` writes as it goes, `exit` when the run stops. `cache`: where models' answers are looked up first, and kept
        (see `Cache`). `listener`: called with each event as it happens, before it is durable. `labels`: by which the run can be
        found in its store (see `Store.label`).

        Returns a `RunResult`; a run that fails is a result with status `failed`, not an exception. Raises
        `CheckFailed`, `InputError` and `StoreError` before anything is written.
        """
        program, options = self._sound_program(), Options(deps, human, durability, listener, target, through=_through(cache))
        beginning = prepared(program, input, state, run_id, _checked_limits_or_none(limits), options, labels)
        async with as_store(store) as opened:
            return await self._tracked(beginning.run_id, lifecycle.start(program, beginning, opened, options), options)

    def submit(self, input: Any = None, **options: Any) -> str:
        """Make a run that a worker begins. See `asubmit`."""
        return run_sync(self.asubmit(input, **options))

    async def asubmit(
        self,
        input: Any = None,
        *,
        store: StoreLike,
        state: BaseModel | Mapping[str, Any] | None = None,
        run_id: str | None = None,
        limits: Limits | None = None,
        target: str = "",
        queue: str = DEFAULT_QUEUE,
        priority: int = 0,
        labels: Collection[str] = (),
    ) -> str:
        """Make a run in a store without beginning it: it is `ready`, for a worker or for `resume`. Returns its id.

        Takes what belongs to the conversation, as `arun` does. `queue`: which workers go on with it (those that serve the queue);
        `priority`: of two runs that wait, the one with the smaller number is first. Raises `CheckFailed`, `InputError`,
        `RunExists` and `StoreError` before anything is written.
        """
        program = self._sound_program()
        beginning = prepared(program, input, state, run_id, _checked_limits_or_none(limits), Options(target=target), labels)
        async with as_store(store) as opened:
            return await lifecycle.submit(program, beginning, opened, target, queue, priority)

    def astream(self, input: Any = None, **options: Any) -> RunStream:
        """Run the conversation and stream its events as they happen, token deltas among them.

        Takes the options of `arun`. Returns an async iterator of events; when it is through, its `result` is the
        `RunResult`.
        """
        return RunStream(lambda listener: self.arun(input, listener=listener, **options), self.definition)

    def resume(self, run_id: str, **options: Any) -> RunResult:
        """Go on with a run that has stopped or whose process has died. See `aresume` for the options."""
        return run_sync(self.aresume(run_id, **options))

    async def aresume(
        self,
        run_id: str,
        *,
        store: StoreLike,
        answers: Mapping[str, Any] | None = None,
        limits: Limits | None = None,
        redo_turn: bool = False,
        deps: Any = None,
        human: Human = "auto",
        durability: Durability = "step",
        cache: Cache | None = None,
        listener: Callable[[Any], None] | None = None,
    ) -> RunResult:
        """Go on with a run from its last complete step, in any process.

        `answers`: values for open questions, by their ids. `limits`: new ones, for a run that had reached its limits.
        `redo_turn`: make the unfinished turn anew instead of reading its model calls back.

        A run that is finished or stuck is given back as stored. Raises `RunNotFound`, `RunBusy`, `GraphChanged`,
        `AnswerError`, before anything is written, and `ReplayDivergence` where the unfinished turn does not ask
        for what it had asked for.
        """
        async with as_store(store) as opened:
            options = Options(deps, human, durability, listener, through=_through(cache))
            work = lifecycle.resume(self.program(), run_id, opened, answers, _checked_limits_or_none(limits), redo_turn, options)
            return await self._tracked(run_id, work, options)

    def replay(self, run_id: str, *, store: StoreLike, live: bool = False, deps: Any = None) -> RunResult:
        """Re-execute a run with its recorded effects only. See `areplay`."""
        return run_sync(self.areplay(run_id, store=store, live=live, deps=deps))

    async def areplay(self, run_id: str, *, store: StoreLike, live: bool = False, deps: Any = None) -> RunResult:
        """Re-execute a run with its recorded effects only: no model, tool or person is asked, nothing is written.

        Raises `ReplayDivergence`, with the step and a diff, at the first difference between what the code does
        and what the record says. With a changed graph, `live=True` goes on for real from there, as a new run that
        shares the steps that agreed. Returns the result as it was recorded.
        """
        from convgraph.runtime.replay import replay

        async with as_store(store) as opened:
            return self._with_picture(await replay(self._sound_program(), run_id, opened, Options(deps), live=live))

    def fork(
        self,
        run_id: str,
        *,
        store: StoreLike,
        at: int,
        message: Any = None,
        state: Mapping[str, Any] | None = None,
        new_id: str | None = None,
    ) -> str:
        """Make a new run that shares the steps 1 to `at` of another, by reference. Returns its id; `resume` runs it.

        `message` replaces the last message of step `at`, `state` changes fields of the state there; with either,
        the transition after the step is chosen anew.
        """
        return run_sync(self.afork(run_id, store=store, at=at, message=message, state=state, new_id=new_id))

    async def afork(
        self,
        run_id: str,
        *,
        store: StoreLike,
        at: int,
        message: Any = None,
        state: Mapping[str, Any] | None = None,
        new_id: str | None = None,
    ) -> str:
        """See `fork`."""
        async with as_store(store) as opened:
            return await lifecycle.fork(self.program(), run_id, opened, at, message, state, new_id)

    def continue_(self, run_id: str, input: Any, **options: Any) -> RunResult:
        """Go on with an ended conversation with its user's next message. See `acontinue`."""
        return run_sync(self.acontinue(run_id, input, **options))

    async def acontinue(
        self,
        run_id: str,
        input: Any,
        *,
        store: StoreLike,
        state: Mapping[str, Any] | None = None,
        limits: Limits | None = None,
        deps: Any = None,
        human: Human = "auto",
        durability: Durability = "step",
        cache: Cache | None = None,
        listener: Callable[[Any], None] | None = None,
    ) -> RunResult:
        """Go on with an ended conversation: `input` is its user's next message, and the start node has the turn.

        A run that is finished, stuck or limited can be continued, any number of times; it stays one run. `state` changes fields
        of the conversation's state before. Limits count the whole conversation: where they are reached, the message is kept and
        the run is `limited`, until `limits` (here, or in a resume) leave room.

        Raises `InputError` for what is no message and for a run that has not ended (that is resumed), `RunNotFound`, `RunBusy`
        and `GraphChanged`, before anything is written.
        """
        async with as_store(store) as opened:
            options = Options(deps, human, durability, listener, through=_through(cache))
            work = lifecycle.carry_on(self.program(), run_id, input, opened, state, _checked_limits_or_none(limits), options)
            return await self._tracked(run_id, work, options)

    def cancel(self, run_id: str) -> bool:
        """Stop a run of this graph at its next await, from any thread: it ends `cancelled`, and can be resumed.

        Says whether a run of that id was running in this process, through this graph.
        """
        running = self._running.get(run_id)
        if running is None:
            return False
        running.loop.call_soon_threadsafe(self._stop, run_id, running)
        return True

    def explain(self, run_id: str, *, store: StoreLike, step: int) -> Explanation:
        """Why the run went where it went after `step`: every guard's value, who chose, what the model answered.

        Steps count from 1; step 0 is the choice of who begins, where the graph leaves that to be chosen.
        """
        return run_sync(self.aexplain(run_id, store=store, step=step))

    async def aexplain(self, run_id: str, *, store: StoreLike, step: int) -> Explanation:
        """See `explain`."""
        from convgraph.runtime.explain import explain

        async with as_store(store) as opened:
            return await explain(self.program(), run_id, opened, step)

    def _sound_program(self) -> Program:
        program = self.program()
        program.require_sound()
        return program

    async def _tracked(self, run_id: str, work: Coroutine[Any, Any, RunResult], options: Options) -> RunResult:
        """Do the work so that `cancel(run_id)` can stop it."""
        task = asyncio.current_task()
        if task is None or run_id in self._running:  # a second attempt at a run in progress: it will be told that the run is busy
            return self._with_picture(await work)
        self._running[run_id] = _Running(asyncio.get_running_loop(), task, options)
        try:
            return self._with_picture(await work)
        finally:
            del self._running[run_id]

    def _stop(self, run_id: str, running: _Running) -> None:
        if self._running.get(run_id) is running and not running.options.stop.requested:
            running.options.stop.requested = True
            running.task.cancel()


@dataclass(frozen=True, slots=True)
class _Running:
    """A run in progress: what `cancel` needs to stop it."""

    loop: asyncio.AbstractEventLoop
    task: asyncio.Task[Any]
    options: Options


def _checked_limits_or_none(limits: Any) -> Limits | None:
    if limits is not None and not isinstance(limits, Limits):
        raise InputError(f"limits= takes Limits(turns=…, usd=…), not {limits!r:.100}")
    return limits


def _through(cache: Cache | None) -> Callable[[Model], Model] | None:
    """What stands between a run and its models."""
    if cache is None:
        return None
    from convgraph.models.cached import with_cache

    return partial(with_cache, cache=cache)
