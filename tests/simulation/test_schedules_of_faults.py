"""Whatever goes wrong with workers, links and clocks, every run comes to its end, and to the same one; thousands of ways it can go wrong.

A schedule is decided by its seed alone. A seed that fails is repeated by the command that the failure shows.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.simulation.faults import RATES
from tests.simulation.schedule import Outcome, simulate

ROOT = Path(__file__).parents[2]
PART = 50


def run_schedules(first: int, count: int) -> list[Outcome]:
    """The outcomes of so many schedules."""
    return [simulate(seed) for seed in range(first, first + count)]


def must_all_be_right(outcomes: list[Outcome]) -> None:
    wrong = [str(outcome) for outcome in outcomes if outcome.wrong]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("part", range(6))
def test_every_schedule_keeps_every_promise(part: int) -> None:
    must_all_be_right(run_schedules(part * PART, PART))


@pytest.mark.long
@pytest.mark.parametrize("part", range(200))
def test_ten_thousand_schedules_keep_every_promise(part: int) -> None:
    must_all_be_right(run_schedules(1000 + part * PART, PART))


def test_the_same_seed_is_the_same_schedule() -> None:
    """In this process, and in one of its own with other hashes: nothing in a schedule depends on anything but its seed."""
    for seed in (3, 42):
        here = simulate(seed)
        assert here.trace == simulate(seed).trace
        assert here.trace != simulate(seed + 1).trace
        command = [sys.executable, "-m", "tests.simulation", str(seed)]
        there = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": "7"}, check=False)
        assert there.returncode == 0, there.stderr
        assert there.stdout.splitlines() == list(here.trace)


def test_the_schedules_have_all_faults_in_them() -> None:
    """Schedules in which nothing went wrong would prove nothing."""
    told = Counter[str]()
    signs = {
        "crash": "crashes",
        "pause": "is stopped for",
        "cut": "has no link",
        "lost": "is not told what came of",
        "refused": "gives up",
        "fenced": "is fenced off",
        "zombie": ", late",
        "drain": "is asked to stop",
        "doubt": "doubt",
        "model's fault": "attempt_failed",
    }
    for outcome in run_schedules(0, 40):
        text = "\n".join(outcome.trace)
        told.update({fault: text.count(sign) for fault, sign in signs.items()})
    assert all(told[fault] > 2 for fault in signs), told
    assert set(RATES) == {"refused", "lost", "stall", "cut", "crash", "pause"}
