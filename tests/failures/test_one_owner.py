"""A run has one writer: of many that resume it one goes on, a dead owner is replaced, and a late one does nothing."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from convgraph import open_store
from convgraph.journal.events import Event
from tests.failures.children import ROOT, Children, Order, worker
from tests.failures.evidence import Evidence


@pytest.fixture(scope="module")
def children() -> Iterator[Children]:
    with worker() as children:
        yield children


@pytest.fixture
def order(tmp_path: Path) -> Order:
    return Order("relay", str(tmp_path / "runs.db"), "run", str(tmp_path / "calls.log"))


def events_of(order: Order) -> list[Event]:
    with open_store(order.store) as store:
        return [recorded.event for recorded in store.events(order.run_id)]


def race(folder: Path, processes: int, runs: int) -> None:
    """Have them race, and see that each run was carried on by one of them alone, and did nothing twice."""
    command = [sys.executable, "-m", "tests.failures.racers", str(folder), str(processes), str(runs)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(told) == runs
    for number, outcomes in enumerate(told):
        evidence = Evidence(folder / f"{number}.log")
        assert set(outcomes) <= {"busy", "finished"}, outcomes
        assert "finished" in outcomes
        assert len({note for note in evidence.notes() if note.startswith("by ")}) == 1
        assert evidence.calls() == [f"act run-{number}:1:tool:first:0", "plain 2", "model think-model/2", f"act run-{number}:3:tool:last:0"]


def test_of_twenty_processes_one_resumes(tmp_path: Path) -> None:
    race(tmp_path, 20, 12)


@pytest.mark.long
def test_of_twenty_processes_one_resumes_each_of_a_hundred_runs(tmp_path: Path) -> None:
    race(tmp_path, 20, 100)


def test_a_living_owner_is_not_disturbed_and_a_killed_one_is_replaced_at_once(children: Children, order: Order) -> None:
    """On one host nobody waits for the lease of a process that can be seen to be dead."""
    pid = children.start_until_it_hangs(replace(order, trap=2, lease=3600))
    back = replace(order, verb="resume", lease=3600)
    assert children.send(back).error.startswith("RunBusy")
    with open_store(order.store) as store:
        assert store.runs()[0].status == "running"
    os.kill(pid, signal.SIGKILL)
    children.wait(pid)
    with open_store(order.store) as store:
        assert store.runs()[0].status == "interrupted"
    assert children.send(back).status == "finished"


def test_an_owner_on_another_host_is_given_up_when_its_lease_runs_out(children: Children, order: Order) -> None:
    """Whether it lives cannot be seen from here, so its lease decides."""
    assert children.send(replace(order, trap=2)).signal == signal.SIGKILL
    _set_owner(order, "elsewhere/0/0|1|1|feed", time.time() + 0.5)
    assert children.send(replace(order, verb="resume")).error.startswith("RunBusy")
    _until_the_lease_is_over(order)
    assert children.send(replace(order, verb="resume")).status == "finished"


@pytest.mark.parametrize(
    ("trap", "inside"), [(1, "a tool"), (2, "plain code before a model call"), (3, "a model call"), (4, "a repeatable tool")]
)
def test_an_owner_that_was_stopped_and_wakes_late_writes_and_touches_nothing(
    children: Children, order: Order, trap: int, inside: str
) -> None:
    """It was stopped for so long that its lease ran out and another went on; it may not know that when it wakes."""
    lease = 0.3
    pid = children.start_until_it_hangs(replace(order, trap=trap, lease=lease))
    os.kill(pid, signal.SIGSTOP)
    _until_the_lease_is_over(order)
    answers = _take_over(children, order, lease) if trap == 1 else {}
    fate = children.send(replace(order, verb="resume", lease=lease, answers=answers))
    assert fate.status == "finished", (inside, fate)
    written, calls = events_of(order), Evidence(Path(order.evidence)).calls()

    Evidence(Path(order.evidence)).note("go on")
    os.kill(pid, signal.SIGCONT)
    late = children.wait(pid)
    assert late.error.startswith("Fenced"), (inside, late)
    assert events_of(order) == written
    assert Evidence(Path(order.evidence)).calls() == calls


def _take_over(children: Children, order: Order, lease: float) -> dict[str, str]:
    """The stopped owner's tool is in doubt: have the next owner ask about it."""
    assert children.send(replace(order, verb="resume", lease=lease, somebody_there=False)).status == "waiting"
    return {"doubt-1-tool-first-0": "retry"}


def _set_owner(order: Order, owner: str, lease: float) -> None:
    db = sqlite3.connect(order.store)
    with db:
        db.execute("UPDATE runs SET owner=?, lease=? WHERE run_id=?", (owner, lease, order.run_id))
    db.close()


def _until_the_lease_is_over(order: Order) -> None:
    db = sqlite3.connect(order.store)
    while db.execute("SELECT lease FROM runs WHERE run_id=?", (order.run_id,)).fetchone()[0] > time.time():
        time.sleep(0.02)
    db.close()
