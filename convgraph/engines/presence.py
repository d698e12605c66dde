"""Signs of life: while a worker serves it tells its store so, for others to see who is there and to take over when nobody is."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Callable, Collection
from dataclasses import replace

from convgraph.engines.engine import Engine
from convgraph.errors import StoreError, StoreUnavailable
from convgraph.journal.store import Store
from convgraph.journal.workers import WorkerInfo

_BEATS = 3
"""How many signs of life a worker gives in a lease."""
MOST_SILENT_SECONDS = 60.0
"""A worker that cannot give a sign of life for so long ends: others have its runs by now, and would take them from it again."""


def worker_of(engine: Engine, graphs: Collection[str], concurrency: int, lease: float) -> WorkerInfo:
    """This process as a worker."""
    return WorkerInfo(engine.id, socket.gethostname(), os.getpid(), engine.name, tuple(graphs), engine.queues, concurrency, lease)


async def give_signs(store: Store, worker: WorkerInfo, under_way: Callable[[], int]) -> None:
    """Give signs of life for as long as nobody cancels it. Raises `StoreUnavailable` when none could be given for too long."""
    given = time.monotonic()
    while True:
        await asyncio.sleep(worker.lease / _BEATS)
        try:
            await store.abeat(replace(worker, under_way=under_way()))
            given = time.monotonic()
        except StoreError as error:
            silent = time.monotonic() - given
            if silent > max(MOST_SILENT_SECONDS, 2 * worker.lease):
                raise StoreUnavailable(
                    f"{store.url}: no sign of life could be given for {silent:.0f} s, so this worker ends: {error}"
                ) from error
