"""`make bench`: convgraph, the bare work, LangGraph and AutoGen at the same workloads, interleaved, in one table.

And how well a collection finds what is asked for, in a table of its own.

python -m benchmarks.run [--rounds 9] [--only b1,b2] [--without langgraph,autogen]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.plan import FLOOR, MEASUREMENTS, OFTEN, Measurement
from benchmarks.report import table

ROOT = Path(__file__).parents[1]
BUILD = ROOT / "build" / "bench"
PEERS = ROOT / "build" / "bench-venv" / "bin" / "python"
PATIENCE = 300
"""Seconds after which a worker is taken for lost."""

_IMPORT = """
import json, resource, time
held = int(open('/proc/self/statm').read().split()[1]) * 4096
began = time.perf_counter()
import {module}
seconds = time.perf_counter() - began
print(json.dumps({{"seconds": seconds, "grown": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - held}}))
"""

Samples = dict[tuple[str, str], list[dict[str, Any]]]


def main() -> None:
    """Measure, print the tables, write the plot and the raw figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=OFTEN, help="how often the frequent measurements are repeated")
    parser.add_argument("--only", default="", help="rows to measure, separated by commas (b1, b2, b4 …, retrieval)")
    parser.add_argument("--without", default="", help="contestants to leave out, separated by commas")
    options = parser.parse_args()
    only, without = _words(options.only), _words(options.without)
    plan = [m for m in MEASUREMENTS if (not only or m.row.split("_")[0] in only) and m.contestant not in without]
    BUILD.mkdir(parents=True, exist_ok=True)

    if plan:
        _beside_others(plan, options.rounds)
    if not only or "retrieval" in only:
        from benchmarks import retrieval  # numpy and a model, for the parent process alone and after the measuring

        found = retrieval.report(retrieval.labelled())
        print(f"\n{found}")
        (BUILD / "retrieval.txt").write_text(found + "\n")


def _beside_others(plan: Sequence[Measurement], rounds: int) -> None:
    load = os.getloadavg()[0]
    samples = _measure(plan, rounds)
    results = _medians(samples)
    text = table(results, f"{rounds} rounds, load {load:.1f} at the start; {_unrest(samples)}")
    print(text)
    (BUILD / "table.txt").write_text(text + "\n")
    (BUILD / "samples.json").write_text(json.dumps({f"{row}/{column}": runs for (row, column), runs in samples.items()}, indent=1))

    from benchmarks.plot import draw  # matplotlib, for the parent process alone and after the measuring

    print(f"plot: {draw(samples, results, BUILD / 'bench.png').relative_to(ROOT)}")


def _words(text: str) -> set[str]:
    return {word for word in text.split(",") if word}


def _measure(plan: Sequence[Measurement], rounds: int) -> Samples:
    """Round by round, each contestant in its turn, so that a change in the machine's mood meets all of them."""
    samples: Samples = defaultdict(list)
    for number in range(rounds):
        for measurement in plan:
            times = max(1, round(measurement.times * rounds / OFTEN))
            if number % (rounds // times) == 0 and number // (rounds // times) < times:
                _progress(f"round {number + 1}/{rounds}: {measurement.row} {measurement.column}")
                samples[measurement.row, measurement.column].append(_once(measurement))
    _progress("")
    return samples


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        print(text.ljust(60), end="\r", file=sys.stderr, flush=True)


def _once(measurement: Measurement) -> dict[str, Any]:
    python = sys.executable if measurement.contestant in {"floor", "convgraph"} else str(PEERS)
    if measurement.row.startswith("b6"):
        return _figures([python, "-c", _IMPORT.format(module=measurement.workload)])
    folder = BUILD / "work"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    command = [python, "-m", "benchmarks.worker", measurement.contestant]
    size = [str(measurement.n), str(folder), measurement.synchronous]
    if measurement.row == "b4":
        _figures([*command, "b4_prepare", *size])
    return _figures([*command, measurement.workload, *size])


def _figures(command: list[str]) -> dict[str, Any]:
    began = time.perf_counter()
    # Installed packages bring their bytecode along; a source tree must be allowed to keep its own.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False)
    whole = time.perf_counter() - began
    if done.returncode:
        sys.exit(f"\n{' '.join(command)} failed:\n{done.stderr}")
    return {**json.loads(done.stdout.splitlines()[-1]), "whole": whole}


def _medians(samples: Samples) -> dict[tuple[str, str], dict[str, float]]:
    """The median of each figure, and the figures that come from several: flatness within a run, growth between runs."""
    results: dict[tuple[str, str], dict[str, float]] = {}
    for place, runs in samples.items():
        figures = {name: median(run[name] for run in runs) for name in runs[0] if name != "tenths"}
        tenths = [run["tenths"] for run in runs if run.get("tenths")]
        if tenths:
            figures["flatness"] = median(rates[9] / rates[1] for rates in tenths)
            figures["ends"] = median(rates[9] / rates[0] for rates in tenths)
        results[place] = figures
    for column in {column for _, column in results}:
        if {("b2", column), ("b2_short", column)} <= results.keys():
            results["b2", column]["growth"] = results["b2", column]["stored"] / results["b2_short", column]["stored"]
        if {("b2", column), ("b2_long", column)} <= results.keys():
            results["b2_long", column]["steady"] = results["b2_long", column]["rate"] / results["b2", column]["rate"]
    return results


def _unrest(samples: Samples) -> str:
    """How much the bare work itself varied between rounds: what the machine adds to every figure."""
    spreads = [
        f"in {row.upper()} by a factor of {max(rates) / min(rates):.1f}"
        for row in ("b1", "b2")
        if (rates := [run["rate"] for run in samples[row, FLOOR]])
    ]
    return f"between rounds the floor varied {', '.join(spreads)}" if spreads else "no floor measured"


if __name__ == "__main__":
    main()
