"""Workers go on with runs that others have made; killed, stopped, or in each other's way, they lose nothing and repeat nothing."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from convgraph import open_store
from convgraph.engines.local import LocalEngine
from convgraph.engines.worker import Worker
from convgraph.errors import InputError
from convgraph.journal.store import Store
from tests.engines import served

ROOT = Path(__file__).parents[2]
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture(autouse=True)
def _evidence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(served.EVIDENCE, str(tmp_path / "evidence"))


@pytest.fixture
def start(url: str) -> Iterator[Start]:
    """Starts workers, and sees that none is left."""
    workers: list[subprocess.Popen[str]] = []

    def begin(*graphs: str, options: tuple[str, ...] = ()) -> subprocess.Popen[str]:
        targets = [f"tests.engines.served:{graph}" for graph in graphs]
        command = [sys.executable, "-m", "convgraph", "worker", *targets, "--store", url, "--poll", "0.05", "--lease", "2", *options]
        worker = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT)
        workers.append(worker)
        return worker

    yield begin
    for worker in workers:
        worker.kill()
        worker.wait()
        if worker.stdout is not None:
            worker.stdout.close()


def until(done: Callable[[], Any], seconds: float = 60.0) -> Any:
    """Wait for it."""
    deadline = time.monotonic() + seconds
    while not (found := done()):
        assert time.monotonic() < deadline, "it has not come to pass"
        time.sleep(0.05)
    return found


def statuses(store: Store) -> Counter[str]:
    return Counter(info.status for info in store.runs())


def test_several_workers_finish_all_runs_each_step_once(url: str, start: Start) -> None:
    with open_store(url) as store:
        runs = [served.digging.submit("go", store=store) for _ in range(6)]
        workers = [start("digging"), start("digging")]
        until(lambda: statuses(store)["finished"] == len(runs))
        for worker in workers:
            worker.send_signal(signal.SIGTERM)
        assert [worker.wait(20) for worker in workers] == [0, 0]
        done = Counter(line.rsplit(" ", 1)[0] for line in served.evidence())

        assert done == Counter(f"{run} {turn}" for run in runs for turn in range(1, served.STEPS + 1))
        for run in runs:
            assert served.digging.replay(run, store=store).status == "finished"


def test_of_a_killed_worker_others_take_over_and_what_was_recorded_is_not_done_again(url: str, start: Start) -> None:
    with open_store(url) as store:
        runs = [served.digging.submit("go", store=store) for _ in range(4)]
        first = start("digging")
        until(lambda: len(served.evidence()) >= 6)
        first.kill()
        first.wait()
        start("digging")
        until(lambda: statuses(store)["finished"] == len(runs))
        done = Counter(line.rsplit(" ", 1)[0] for line in served.evidence())

        assert set(done) == {f"{run} {turn}" for run in runs for turn in range(1, served.STEPS + 1)}
        repeated = [step for step, times in done.items() if times > 1]
        assert len(repeated) <= len(runs), "at most what was in flight"
        for run in runs:
            events = store.events(run)
            assert [recorded.seq for recorded in events] == list(range(len(events)))


def test_a_worker_that_is_stopped_hands_over_between_two_turns(url: str, start: Start) -> None:
    """Nothing is done twice, and nothing is cancelled: the next worker goes on at the next turn."""
    with open_store(url) as store:
        run = served.digging.submit("go", store=store)
        first = start("digging")
        until(lambda: len(served.evidence()) >= 2)
        first.send_signal(signal.SIGTERM)
        assert first.wait(20) == 0
        assert store.runs()[0].status == "interrupted"
        start("digging")
        until(lambda: statuses(store)["finished"] == 1)
        done = Counter(line.rsplit(" ", 1)[0] for line in served.evidence())

        assert done == Counter(f"{run} {turn}" for turn in range(1, served.STEPS + 1))


def test_timers_and_answers_that_come_while_no_worker_is_up_are_not_lost(url: str, start: Start) -> None:
    with open_store(url) as store:
        run = served.asking.submit("go", store=store)
        first = start("asking")
        until(lambda: asyncio.run(store.atimers(run)) and statuses(store)["waiting"])
        first.kill()
        first.wait()
        [timer] = asyncio.run(store.atimers(run))
        until(lambda: timer.due is not None and time.time() > timer.due)
        second = start("asking")
        until(lambda: store.questions(run))
        until(lambda: statuses(store)["waiting"])
        second.kill()
        second.wait()
        store.answer(run, "well", "yes")
        start("asking")
        until(lambda: statuses(store)["finished"] == 1)

        assert served.asking.replay(run, store=store).messages[-1].text == "yes"


def test_a_run_that_kills_its_workers_ends_failed_and_is_listed(url: str, start: Start) -> None:
    with open_store(url) as store:
        run = served.killing.submit("go", store=store)
        deaths = 0
        while statuses(store)["failed"] == 0:
            worker = start("killing")
            until(lambda worker=worker: worker.poll() is not None or statuses(store)["failed"])
            deaths += worker.poll() is not None
            assert deaths <= 12
        [info] = store.runs(status="failed")

        assert info.run_id == run
        assert "10 times without coming forward" in info.reason
        assert len(served.evidence()) == deaths == 10


def test_submit_and_worker_on_the_command_line(url: str, start: Start) -> None:
    command = [sys.executable, "-m", "convgraph", "submit", "tests.engines.served:digging", "go", "--store", url, "--json"]
    made = json.loads(subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True).stdout.splitlines()[-1])
    worker = start("digging", "asking")
    with open_store(url) as store:
        until(lambda: statuses(store)["finished"] == 1)
    worker.send_signal(signal.SIGINT)
    assert worker.wait(20) == 0
    assert worker.stdout is not None
    told = worker.stdout.read()

    assert made == {"run_id": made["run_id"], "status": "ready", "graph": "digging"}
    assert "worker for digging, asking" in told
    assert f"run {made['run_id']}: finished" in told


def test_a_worker_passes_over_runs_of_other_graphs_and_refuses_changed_ones_once(tmp_path: Path) -> None:
    told: list[str] = []
    good = asyncio.Event()

    def tell(run_id: str, outcome: object) -> None:
        told.append(f"{run_id}: {type(outcome).__name__}")
        if run_id == "good":
            good.set()

    async def scenario(store: Store) -> None:
        worker = Worker([served.digging], store, told=tell)
        engine = LocalEngine(store, graphs=worker.graphs, poll=0.01)
        work = asyncio.create_task(worker.work(engine, concurrency=2))
        await asyncio.wait_for(good.wait(), 30)
        await asyncio.sleep(0.1)
        await worker.drain(engine)
        await work

    changed = served._digging()
    changed.add_node(served.asking, name="more")
    changed.add_edge("dig", "more")
    changed.add_edge("more", "dig")
    with open_store(tmp_path / "runs.db") as store:
        changed.submit("go", store=store, run_id="changed")
        served.asking.submit("go", store=store, run_id="foreign")
        served.digging.submit("go", store=store, run_id="good")
        asyncio.run(scenario(store))
        found = {info.run_id: info.status for info in store.runs()}

    assert found == {"changed": "ready", "foreign": "ready", "good": "finished"}
    assert told.count("changed: GraphChanged") == 1


def test_what_a_worker_cannot_use_is_refused(tmp_path: Path) -> None:
    with open_store(":memory:") as store:
        with pytest.raises(InputError, match="at least one graph"):
            Worker([], store)
        with pytest.raises(InputError, match="two of the worker's graphs"):
            Worker([served.digging, served._digging()], store)
        with pytest.raises(InputError, match="poll=0"):
            LocalEngine(store, poll=0)
        with pytest.raises(InputError, match="concurrency=0"):
            asyncio.run(Worker([served.digging], store).work(LocalEngine(store), concurrency=0))
    command = [sys.executable, "-m", "convgraph", "worker", "tests.engines.served:digging", "--store", ":memory:"]
    refused = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=dict(os.environ), check=False)
    assert refused.returncode == 2
    assert "nobody else can reach" in refused.stderr
