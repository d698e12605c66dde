"""The benchmark's workloads do their work (each checks that it did), and its table reports what was measured."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.plan import LINES, MEASUREMENTS, OURS, Mark
from benchmarks.report import table

ROOT = Path(__file__).parents[2]
OWN = sorted(
    {(m.contestant, m.workload) for m in MEASUREMENTS if m.contestant in {"floor", "convgraph"} and m.row not in {"b4", "b6", "b6_bare"}}
)


def measure(contestant: str, workload: str, n: int, folder: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.worker", contestant, workload, str(n), str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize(("contestant", "workload"), OWN)
def test_a_workload_does_its_work(contestant: str, workload: str, tmp_path: Path) -> None:
    figures = measure(contestant, workload, 100 if workload != "b5" else 3, tmp_path)
    assert figures["rate"] > 0
    assert (figures["stored"] > 0) == (workload in {"b2", "b2_model", "b5"})


@pytest.mark.parametrize("contestant", ["floor", "convgraph"])
def test_a_new_process_goes_on_where_another_stopped(contestant: str, tmp_path: Path) -> None:
    measure(contestant, "b4_prepare", 20, tmp_path)
    assert measure(contestant, "b4", 20, tmp_path)["seconds"] > 0


def test_the_table_says_which_marks_are_met_and_which_are_missed() -> None:
    results = {("b1", OURS): {"rate": 40_000.0}, ("b1", "LG best"): {"rate": 20_000.0}, ("b5", OURS): {"seconds": 2.5, "peak": 9e7}}
    text = table(results, "1 round")
    assert "✓ ≥ 35,000" in text
    assert "✗ ≥ 16 × LG best" in text
    assert "✗ ≤ 2" in text
    assert "✓ ≤ 100" in text


def test_every_line_of_the_table_is_measured() -> None:
    assert {line.row for line in LINES} <= {m.row for m in MEASUREMENTS if m.contestant == "convgraph"}


@pytest.mark.parametrize(("mark", "met"), [(Mark(2), True), (Mark(4), False), (Mark(4, at_most=True), True), (Mark(1, of="floor"), None)])
def test_a_mark_is_met_missed_or_not_measured(mark: Mark, met: bool | None) -> None:
    assert mark.met({OURS: 3.0}) is met
