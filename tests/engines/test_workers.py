"""Workers go on with runs that others have made; killed, stopped, or in each other's way, they lose nothing and repeat nothing.

The promises are the same for every engine.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from convgraph import open_store
from convgraph.cli import main
from convgraph.engines.local import LocalEngine
from convgraph.engines.worker import Worker
from convgraph.errors import InputError
from convgraph.journal.store import Store
from tests.engines import served
from tests.engines.conftest import ROOT, Start
from tests.engines.watching import statuses, until
from tests.evidence import evidence

LONG_WITH_POSTGRES = pytest.mark.parametrize(
    "combination", ["sqlite+local", *(pytest.param(f"postgres+{engine}", marks=pytest.mark.long) for engine in ("local", "dbos"))]
)


def test_several_workers_finish_all_runs_each_step_once(url: str, start: Start) -> None:
    with open_store(url) as store:
        runs = [served.digging.submit("go", store=store) for _ in range(6)]
        workers = [start("digging"), start("digging")]
        until(lambda: statuses(store)["finished"] == len(runs))
        for worker in workers:
            worker.send_signal(signal.SIGTERM)
        assert [worker.wait(20) for worker in workers] == [0, 0]
        done = Counter(line.rsplit(" ", 1)[0] for line in evidence())

        assert done == Counter(f"{run} {turn}" for run in runs for turn in range(1, served.STEPS + 1))
        for run in runs:
            assert served.digging.replay(run, store=store).status == "finished"


def test_of_a_killed_worker_others_take_over_and_what_was_recorded_is_not_done_again(url: str, start: Start) -> None:
    with open_store(url) as store:
        runs = [served.digging.submit("go", store=store) for _ in range(4)]
        first = start("digging")
        until(lambda: len(evidence()) >= 6)
        first.kill()
        first.wait()
        start("digging")
        until(lambda: statuses(store)["finished"] == len(runs))
        done = Counter(line.rsplit(" ", 1)[0] for line in evidence())

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
        until(lambda: len(evidence()) >= 2)
        first.send_signal(signal.SIGTERM)
        assert first.wait(20) == 0
        assert store.runs()[0].status == "interrupted"
        start("digging")
        until(lambda: statuses(store)["finished"] == 1)
        done = Counter(line.rsplit(" ", 1)[0] for line in evidence())

        assert done == Counter(f"{run} {turn}" for turn in range(1, served.STEPS + 1))


@LONG_WITH_POSTGRES
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


@LONG_WITH_POSTGRES
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
        assert len(evidence()) == deaths == 10


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

    assert made == {"run_id": made["run_id"], "status": "ready", "graph": "digging", "queue": "default", "priority": 0}
    assert "worker for digging, asking" in told
    assert f"run {made['run_id']}: finished" in told


def test_of_two_runs_that_wait_the_one_with_the_smaller_number_is_first(url: str, start: Start) -> None:
    with open_store(url) as store:
        runs = {priority: served.digging.submit("go", store=store, priority=priority) for priority in (5, 0, -5)}
        start("digging", options=("--concurrency", "1"))
        until(lambda: statuses(store)["finished"] == len(runs))
        begun = list(dict.fromkeys(line.split(" ")[0] for line in evidence()))

        assert begun == [runs[-5], runs[0], runs[5]]


def test_a_run_in_a_queue_is_for_the_workers_that_serve_it(url: str, start: Start) -> None:
    with open_store(url) as store:
        batch = served.digging.submit("go", store=store, queue="batch")
        usual = served.digging.submit("go", store=store)
        start("digging")
        until(lambda: statuses(store)["finished"] == 1)
        assert store.runs(status="finished")[0].run_id == usual
        [waiting] = store.runs(status="ready")
        assert (waiting.run_id, waiting.queue) == (batch, "batch")
        start("digging", options=("--queue", "batch"))
        until(lambda: statuses(store)["finished"] == 2)


@LONG_WITH_POSTGRES
def test_a_store_knows_its_workers_until_they_end(url: str, engine: str, start: Start) -> None:
    command = [sys.executable, "-m", "convgraph", "workers", "--store", url]

    def listed() -> list[dict[str, Any]]:
        return json.loads(subprocess.run([*command, "--json"], capture_output=True, text=True, cwd=ROOT, check=True).stdout)["workers"]

    with open_store(url) as store:
        served.asking.submit("go", store=store)
        worker = start("digging", "asking", options=("--concurrency", "3", "--queue", "default", "--queue", "batch"))
        until(lambda: store.workers() and statuses(store)["waiting"])
        [known] = listed()
        assert (known["pid"], known["engine"], known["alive"], known["concurrency"]) == (worker.pid, engine, True, 3)
        assert (known["graphs"], known["queues"]) == (["digging", "asking"], ["default", "batch"])
        told = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True).stdout
        assert f":{worker.pid}  {engine}  " in told
        worker.kill()
        worker.wait()
        until(lambda: not store.workers()[0].alive)
        second = start("asking")
        until(lambda: any(one.pid == second.pid for one in store.workers()))
        second.send_signal(signal.SIGTERM)
        assert second.wait(30) == 0

        assert [one.pid for one in store.workers()] == [worker.pid]


def test_a_worker_passes_over_runs_of_other_graphs_and_refuses_changed_ones_once_however_many(tmp_path: Path) -> None:
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
        for number in range(3):
            changed.submit("go", store=store, run_id=f"changed-{number}")
        served.asking.submit("go", store=store, run_id="foreign")
        served.digging.submit("go", store=store, run_id="good")
        asyncio.run(scenario(store))
        found = {info.run_id: info.status for info in store.runs()}

    refused = {f"changed-{number}": "ready" for number in range(3)}
    assert found == {**refused, "foreign": "ready", "good": "finished"}
    assert sorted(told) == [*(f"{run}: GraphChanged" for run in refused), "good: RunResult"], "each once, and no run waits for them"


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


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--engine", "dbos"], "needs a store in PostgreSQL"),
        (["--queue", "batch=2"], "only --engine dbos can limit a queue"),
        (["--queue", "batch=none"], "write NAME, or NAME=N"),
        (["--queue", "no queue"], "a queue is called by"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    options: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["worker", "tests.engines.served:digging", "--store", str(tmp_path / "runs.db"), *options]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "runs.db").exists()


def test_a_run_that_cannot_be_queued_is_refused(tmp_path: Path) -> None:
    for options in ({"queue": "a/b"}, {"queue": ""}, {"priority": 1001}, {"priority": True}, {"priority": 0.5}):
        with pytest.raises(InputError):
            served.digging.submit("go", store=tmp_path / "runs.db", **options)
