"""Twenty long-lived processes that all try to resume the same runs at the same moment.

Run as a program (`python -m tests.failures.racers FOLDER PROCESSES RUNS`): first makes RUNS runs of `relay` whose
processes were killed after the first turn, then has all racers resume each of them behind a barrier. Prints one
JSON line for each run: what became of each racer.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
from multiprocessing.synchronize import Barrier
from pathlib import Path

from convgraph import RunBusy, open_store
from convgraph.journal.events import EffectFinished
from tests.failures.children import Order, fork_and_wait
from tests.failures.conversations import relay
from tests.failures.evidence import Evidence


def order_for(folder: Path, number: int) -> Order:
    """The order for the run with this number: to die before its third append, when the first turn's tool is through."""
    return Order("relay", str(folder / "runs.db"), f"run-{number}", str(folder / f"{number}.log"), boundary=3)


def race(folder: Path, racer: int, runs: int, barrier: Barrier) -> None:
    """Try to resume every run, and write down what came of it."""
    outcomes: list[str] = []
    with open_store(folder / "runs.db", synchronous="NORMAL") as store:
        for number in range(runs):
            evidence = Evidence(folder / f"{number}.log")
            graph = relay(evidence)
            graph.check()
            barrier.wait(60)
            try:
                result = graph.resume(f"run-{number}", store=store, listener=lambda _, e=evidence: e.note(f"by {os.getpid()}"))
            except RunBusy:
                outcomes.append("busy")
            else:
                outcomes.append(result.status)
    (folder / f"racer-{racer}.json").write_text(json.dumps(outcomes))


def main() -> None:
    """Make the runs, let them race, and tell."""
    folder, processes, runs = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    for number in range(runs):
        fate = fork_and_wait(order_for(folder, number))
        assert fate.signal, fate
    with open_store(folder / "runs.db") as store:
        for info in store.runs():
            finished = [recorded.event for recorded in store.events(info.run_id) if isinstance(recorded.event, EffectFinished)]
            assert (info.status, [event.name for event in finished]) == ("interrupted", ["first"])
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(processes)
    racers = [context.Process(target=race, args=(folder, racer, runs, barrier)) for racer in range(processes)]
    for process in racers:
        process.start()
    for process in racers:
        process.join()
        assert process.exitcode == 0
    told = [json.loads((folder / f"racer-{racer}.json").read_text()) for racer in range(processes)]
    for outcomes in zip(*told, strict=True):
        print(json.dumps(outcomes))


if __name__ == "__main__":
    main()
