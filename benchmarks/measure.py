"""What every contestant shares: the payload, the clock at turn boundaries, and what a worker reports.

Only the standard library is imported here: this module runs in the peers' environment as well.
"""

from __future__ import annotations

import gc
import sqlite3
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any, TypeAlias

AGENTS = ("writer", "critic")
MEMBERS = ("ada", "bob", "cleo", "dan", "eve", "fay")
LATENCY = 0.05
"""Seconds that the model of B5 takes to answer."""
CONVERSATION = 20
"""Turns of one conversation of B5."""

_FILLER = "The quick brown fox jumps over the lazy dog while the committee considers its answer at some length. " * 2


def payload(turn: int) -> str:
    """What an agent says in its turn: 200 characters that no other turn repeats."""
    return f"{turn:08d} {_FILLER}"[:200]


@dataclass
class Task:
    """One measurement: its size, a folder of its own, and the clock that turns are marked on."""

    n: int
    folder: Path
    synchronous: str = "FULL"
    ticks: list[float] = field(default_factory=list)
    began: float = 0.0
    ended: float = 0.0

    @property
    def database(self) -> str:
        return str(self.folder / "bench.db")

    def tick(self) -> None:
        """Mark the beginning of a turn."""
        self.ticks.append(perf_counter())

    async def timed(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Await `work` between the two ends of the measurement."""
        gc.collect()  # what loading has left behind is not the work's
        self.began = perf_counter()
        try:
            return await work
        finally:
            self.ended = perf_counter()

    def tenths(self) -> list[float]:
        """Turns per second in each tenth of the run, from the marks that the turns themselves made."""
        size = len(self.ticks) // 10
        return [size / (self.ticks[min(last, len(self.ticks) - 1)] - self.ticks[last - size]) for last in range(size, 10 * size + 1, size)]


Workload: TypeAlias = Callable[[Task], Coroutine[Any, Any, None]]


def bytes_written() -> int:
    """Bytes that this process has handed to the file system so far."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("wchar")).split()[1])


def bytes_stored(folder: Path) -> int:
    """Size of what a run left behind, its SQLite logs folded into their databases first."""
    for path in folder.glob("*.db"):
        with sqlite3.connect(path) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()
    return sum(path.stat().st_size for path in folder.iterdir())


def resident_bytes() -> int:
    """Memory that this process holds now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def must(condition: bool, what: str) -> None:
    """A contestant that did not do the work must not be timed."""
    if not condition:
        raise AssertionError(f"the workload was not done: {what}")
