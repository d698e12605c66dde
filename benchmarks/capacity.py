"""What many live runs need of workers and of PostgreSQL: formulas over measured constants. docs/scale.md explains them.

python -m benchmarks.capacity [--live 1000000] [--every 600] [--step 5] [--bytes 200] [--keep 30]
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass

DAY = 86_400
ROW_BYTES = 580
"""What a step with its model call takes, in one row and the index, besides the text that was said."""
RUN_BYTES = 800
"""A run's own row and its indexes."""
WAL_FACTOR = 1.5
"""Bytes of write-ahead log for each byte kept."""
STEP_SECONDS = 0.00025
"""What an append takes of one of the server's cores."""
LOOK_SECONDS = 0.001
"""What a look for runs that can go on takes of one of the server's cores."""
CONNECTIONS = 2
"""Of a process: one reads, one writes. Up to three more read where many runs begin at once."""
POLL_SECONDS = 0.25


@dataclass(frozen=True)
class Load:
    """Live runs, how often each makes a step (waiting for people included), and how long a step keeps a worker."""

    live_runs: int
    seconds_between_steps: float
    step_seconds: float = 5.0
    said_bytes: int = 200
    steps_per_run: int = 20
    concurrency: int = 100
    poll_seconds: float = POLL_SECONDS
    kept_days: int = 30


@dataclass(frozen=True)
class Needs:
    """What a load needs."""

    steps_per_second: float
    workers: int
    connections: int
    looks_per_second: float
    server_cores: float
    rows_per_day: float
    bytes_per_day: float
    log_bytes_per_day: float
    bytes_kept: float


def needs(load: Load) -> Needs:
    """What it takes to carry the load."""
    steps = load.live_runs / load.seconds_between_steps
    workers = max(1, math.ceil(steps * load.step_seconds / load.concurrency))  # Little's law: that many steps are under way at any moment
    looks = workers / load.poll_seconds
    rows = steps * DAY
    runs = steps / load.steps_per_run * DAY
    kept_a_day = rows * (load.said_bytes + ROW_BYTES) + runs * RUN_BYTES
    return Needs(
        steps,
        workers,
        workers * CONNECTIONS,
        looks,
        steps * STEP_SECONDS + looks * LOOK_SECONDS,
        rows,
        kept_a_day,
        kept_a_day * WAL_FACTOR,
        kept_a_day * load.kept_days,
    )


def throughput(workers: int, concurrency: int, step_seconds: float, server_cores: float = 1.0) -> float:
    """The steps a second that so many workers make: as many as their slots allow, and no more than the server writes."""
    return min(workers * concurrency / step_seconds, server_cores / STEP_SECONDS)


def line(load: Load) -> str:
    """A row of the table in docs/scale.md."""
    found = needs(load)
    cells = (
        f"{load.live_runs:,}",
        f"{load.seconds_between_steps:,.0f} s",
        f"{found.steps_per_second:,.0f}",
        f"{found.workers:,}",
        f"{found.connections:,}",
        f"{found.looks_per_second:,.0f}",
        f"{found.server_cores:.2f}",
        f"{found.rows_per_day / 1e6:,.0f} M",
        f"{found.bytes_per_day / 1e9:,.1f} GB",
        f"{found.bytes_kept / 1e9:,.0f} GB",
    )
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Print what a load needs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--live", type=int, default=1_000_000, help="runs that have not ended")
    parser.add_argument("--every", type=float, default=600.0, help="seconds between two steps of one of them, waiting included")
    parser.add_argument("--step", type=float, default=5.0, help="seconds that a step keeps a worker")
    parser.add_argument("--bytes", type=int, default=200, help="bytes that are said in a step")
    parser.add_argument("--keep", type=int, default=30, help="days for which ended runs are kept")
    options = parser.parse_args()
    for name, value in vars(needs(Load(options.live, options.every, options.step, options.bytes, kept_days=options.keep))).items():
        print(f"{name.replace('_', ' '):<20} {value:>20,.2f}")


if __name__ == "__main__":
    main()
