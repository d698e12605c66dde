"""Run one workload of one contestant in a process of its own: `python -m benchmarks.worker CONTESTANT WORKLOAD …`.

The last line on standard output is one JSON object with what was measured.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.measure import Task, Workload, bytes_stored, bytes_written, resident_bytes


def main(contestant: str, workload: str, n: str, folder: str, synchronous: str = "FULL") -> None:
    """Measure, and print the figures."""
    task = Task(int(n), Path(folder), synchronous)
    run = import_module(f"benchmarks.contestants.{contestant}").WORKLOADS[workload]
    if not workload.startswith("b4"):
        _warm_up(run)
    held, written = resident_bytes(), bytes_written()
    asyncio.run(run(task))
    figures = {
        "seconds": task.ended - task.began,
        "rate": task.n / (task.ended - task.began),
        "tenths": task.tenths() if len(task.ticks) >= 100 else [],
        "written": bytes_written() - written,
        "stored": bytes_stored(task.folder),
        "grown": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - held,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }
    print(json.dumps(figures))


def _warm_up(run: Workload) -> None:
    """Do the workload once, small: what a contestant loads on first use shows in B4 and B6, not in its rates."""
    with TemporaryDirectory() as folder:
        asyncio.run(run(Task(2, Path(folder))))


if __name__ == "__main__":
    main(*sys.argv[1:])
