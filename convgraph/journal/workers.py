"""Workers as a store knows them: who gave a sign of life, when, and what for. By the store's clock, whichever host it was on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

FORGOTTEN_AFTER = 20
"""After how many leases of silence a worker is not listed any more."""


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """A worker as a store lists it. `since` is in seconds since 1970; `silent` is for how long it has given no sign of life."""

    id: str
    host: str
    pid: int
    engine: str
    graphs: tuple[str, ...]
    queues: tuple[str, ...]
    concurrency: int
    lease: float
    under_way: int = 0
    since: float = 0.0
    silent: float = 0.0

    @property
    def alive(self) -> bool:
        """Whether it has given a sign of life within its lease."""
        return self.silent < self.lease


def worker_row(worker: WorkerInfo) -> tuple[Any, ...]:
    """What a database keeps of it, but for the times, which are the database's."""
    graphs, queues = json.dumps(worker.graphs), json.dumps(worker.queues)
    return (worker.id, worker.host, worker.pid, worker.engine, graphs, queues, worker.concurrency, worker.lease, worker.under_way)


def worker_info(row: Sequence[Any]) -> WorkerInfo:
    """A worker from its row, with the times."""
    name, host, pid, engine, graphs, queues, *numbers = row
    return WorkerInfo(name, host, pid, engine, tuple(json.loads(graphs)), tuple(json.loads(queues)), *numbers)
