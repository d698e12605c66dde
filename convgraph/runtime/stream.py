"""A run as an async iterator of its events."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias

from convgraph.errors import InputError
from convgraph.graph.definition import Definition
from convgraph.journal.events import Delta, Event, Said
from convgraph.journal.writer import Listener
from convgraph.runtime.result import RunResult

Begin: TypeAlias = Callable[[Listener], Coroutine[Any, Any, RunResult]]


class RunStream:
    """Iterates over a run's events as they happen: `async for event in graph.astream("hello"): …`.

    `aclose()` stops the run at its next await, and it can be resumed; `async with graph.astream(…) as stream` does so
    when the block is left early. `result` is the `RunResult` once the run has stopped; an error that keeps the run
    from starting is raised by the iteration.
    """

    def __init__(self, begin: Begin, definition: Definition) -> None:
        self.definition = definition
        self._begin = begin
        self._events: asyncio.Queue[Event | Delta | Said | None] = asyncio.Queue()
        self._task: asyncio.Task[RunResult] | None = None

    @property
    def result(self) -> RunResult:
        """The run's result. Raises `InputError` while it is still running."""
        if self._task is None or not self._task.done():
            raise InputError("the run is not over; iterate to the end of the stream first")
        return self._task.result()

    async def __aenter__(self) -> RunStream:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __aiter__(self) -> RunStream:
        return self

    async def __anext__(self) -> Event | Delta | Said:
        if self._task is None:
            self._task = asyncio.create_task(self._begin(self._events.put_nowait), name="convgraph-stream")
            self._task.add_done_callback(lambda _: self._events.put_nowait(None))
        try:
            event = await self._events.get()
        except asyncio.CancelledError:
            await self.aclose()
            raise
        if event is not None:
            return event
        self._task.result()
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Stop the run at its next await."""
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
