"""The engine without a server: it looks into the store for runs that can go on. Claims keep any number of workers apart."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Collection

from convgraph.engines.engine import Advance
from convgraph.errors import InputError, StoreError
from convgraph.journal.runs import DEFAULT_QUEUE, RunInfo
from convgraph.journal.store import Store

log = logging.getLogger("convgraph.worker")

POLL_SECONDS = 0.25
AGAIN_SECONDS = 5.0
"""When a run is brought again of which nothing came: a worker refuses it, say. Until then others have their turn."""


class LocalEngine:
    """Looks every `poll` seconds for runs of `graphs` (None: of any) that can go on: made and not begun, interrupted, answered, due.

    `queues`: the queues to take runs from. Works with every store, and with any number of workers on one: of two that go for the
    same run, one gets it.
    """

    name = "local"

    def __init__(
        self,
        store: Store,
        *,
        graphs: Collection[str] | None = None,
        queues: Collection[str] = (DEFAULT_QUEUE,),
        poll: float = POLL_SECONDS,
    ) -> None:
        if not queues:
            raise InputError("an engine takes runs from certain queues: name at least one")
        if not poll > 0:
            raise InputError(f"poll={poll!r} is not a number of seconds above zero")
        self._store = store
        self._graphs = graphs
        self._poll = poll
        self.id = uuid.uuid4().hex
        self.queues = tuple(queues)
        self._passed_over: dict[str, tuple[float, float]] = {}
        self._woken = asyncio.Event()
        self._stopped = False

    async def serve(self, advance: Advance, *, concurrency: int) -> None:
        """See `Engine.serve`."""
        under_way: dict[str, asyncio.Task[None]] = {}
        try:
            while not self._stopped or under_way:
                self._woken.clear()
                room = 0 if self._stopped else concurrency - len(under_way)
                for run_id in await self._found(room, under_way):
                    under_way[run_id] = asyncio.create_task(_advanced(advance, run_id), name=f"convgraph-advance-{run_id}")
                await self._until_something_happens(under_way.values())
                for run_id in [run_id for run_id, task in under_way.items() if task.done()]:
                    under_way.pop(run_id).result()
        finally:
            for task in under_way.values():
                task.cancel()
            await asyncio.gather(*under_way.values(), return_exceptions=True)

    async def wake(self, run_id: str) -> None:  # noqa: ARG002  # which run it is, the store knows
        """See `Engine.wake`."""
        self._woken.set()

    async def stop(self) -> None:
        """See `Engine.stop`."""
        self._stopped = True
        self._woken.set()

    async def _found(self, room: int, under_way: Collection[str]) -> list[str]:
        """Runs to go on with, as many as there is room for."""
        if room <= 0:
            return []
        now = time.monotonic()
        self._passed_over = {run_id: seen for run_id, seen in self._passed_over.items() if seen[1] > now}
        limit = room + len(under_way) + len(self._passed_over)
        try:
            runnable = await self._store.arunnable(graphs=self._graphs, queues=self.queues, limit=limit)
        except StoreError as error:  # the store says itself for how long it is patient; the worker is as long as it is not stopped
            log.warning("%s: cannot be looked into: %s", self._store.url, error)
            return []
        if self._stopped:
            return []  # since it was asked
        fresh = [info for info in runnable if info.run_id not in under_way and not self._is_passed_over(info)][:room]
        self._passed_over |= {info.run_id: (info.updated, now + AGAIN_SECONDS) for info in fresh}
        return [info.run_id for info in fresh]

    def _is_passed_over(self, info: RunInfo) -> bool:
        """Whether the run was brought to the worker a moment ago, and nothing came of it."""
        return self._passed_over.get(info.run_id, (None, 0.0))[0] == info.updated

    async def _until_something_happens(self, under_way: Collection[asyncio.Task[None]]) -> None:
        """Wait until a run has stopped, somebody wakes the engine, or it is time to look again."""
        woken = asyncio.create_task(self._woken.wait())
        await asyncio.wait([woken, *under_way], timeout=self._poll, return_when=asyncio.FIRST_COMPLETED)
        woken.cancel()


async def _advanced(advance: Advance, run_id: str) -> None:
    await advance(run_id)
