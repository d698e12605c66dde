"""What the engine of DBOS promises besides: who writes also wakes, whoever is silent is given up, and no failure ends a wake-up badly."""

from __future__ import annotations

import asyncio
import re
import signal
import statistics
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from dbos import DBOS

from convgraph import ConversationGraph, open_store
from convgraph.engines import wakes
from convgraph.engines.dbos import DbosEngine
from convgraph.engines.worker import Worker
from convgraph.errors import InputError
from convgraph.journal.events import EffectFinished
from convgraph.journal.store import Store
from tests.engines import served
from tests.engines.conftest import ROOT, Start
from tests.engines.watching import statuses, until
from tests.evidence import evidence


@pytest.fixture
def combination() -> str:
    """No other engine makes these promises."""
    return "postgres+dbos"


def asked(url: str, question: str, *values: Any) -> list[tuple[Any, ...]]:
    """What the database says."""
    with psycopg.connect(url, autocommit=True) as connection:
        return connection.execute(question, values).fetchall()  # type: ignore[arg-type]  # the tests' own words


def wake_ups(url: str) -> Counter[str]:
    """How many wake-ups have which status."""
    return Counter(status for (status,) in asked(url, f"SELECT status FROM {wakes.SCHEMA}.workflow_status"))


@asynccontextmanager
async def serving(url: str, store: Store, *graphs: ConversationGraph, lease: float = 2.0) -> AsyncIterator[None]:
    """A worker in this process."""
    worker = Worker(graphs, store, lease=lease)
    engine = DbosEngine(url, graphs=worker.graphs, lease=lease, poll=0.05)
    work = asyncio.create_task(worker.work(engine, concurrency=4))
    try:
        yield
    finally:
        await worker.drain(engine)
        await work


async def seen(done: Any, seconds: float = 30.0) -> None:
    """Wait for it without being in the way."""
    async with asyncio.timeout(seconds):
        while not await asyncio.to_thread(done):  # noqa: ASYNC110  # what happens in a database sets no event here
            await asyncio.sleep(0.01)


def test_whoever_writes_wakes_in_the_same_transaction(url: str, start: Start) -> None:
    """An answer and a new run are in the queue as soon as they are in the store, though no worker is up; not if they are undone."""
    with open_store(url) as store:
        run = served.asking.submit("go", store=store)
        first = start("asking", "digging")
        until(lambda: store.questions(run) and statuses(store)["waiting"])
        first.send_signal(signal.SIGTERM)
        assert first.wait(30) == 0
        assert set(wake_ups(url)) == {"SUCCESS"}
        with psycopg.connect(url) as connection:
            connection.execute("CREATE ROLE writer")
            connection.execute("GRANT USAGE ON SCHEMA convgraph TO writer")
            connection.execute("GRANT SELECT, UPDATE ON ALL TABLES IN SCHEMA convgraph TO writer")
            connection.execute("SET ROLE writer")  # whoever may write may wake: it has no rights on DBOS's tables
            connection.execute("UPDATE convgraph.questions SET answer='\"no\"'")
            connection.rollback()
        assert set(wake_ups(url)) == {"SUCCESS"}
        store.answer(run, "well", "yes")
        assert wake_ups(url)["ENQUEUED"] == 1
        served.digging.submit("go", store=store)
        assert wake_ups(url)["ENQUEUED"] == 2
        start("asking", "digging")
        until(lambda: statuses(store)["finished"] == 2)
        assert served.asking.replay(run, store=store).messages[-1].text == "yes"


def test_an_answer_wakes_its_run_soon_and_a_timer_when_it_is_due(url: str) -> None:
    took: list[float] = []

    async def scenario(store: Store) -> float:
        async with serving(url, store, served.wondering, served.napping):
            run = await served.wondering.asubmit("go", store=store)
            for number in range(5):
                await seen(lambda number=number: [q.id for q in store.questions(run) if not q.answered] == [f"why-{number}"])
                await seen(lambda: store.runs()[0].status == "waiting")
                before = time.monotonic()
                await store.aanswer(run, f"why-{number}", "so")
                await seen(lambda number=number: len([q for q in store.questions(run) if q.id == f"why-{number}"]) == 0)
                took.append(time.monotonic() - before)
            nap = await served.napping.asubmit("go", store=store)
            await seen(lambda: asyncio.run(store.atimers(nap)) and statuses(store)["waiting"])
            [timer] = await store.atimers(nap)
            await seen(lambda: statuses(store)["finished"] == 2)
            [awake] = [one.at for one in store.events(nap) if isinstance(one.event, EffectFinished)]
            return awake - (timer.due or 0.0)

    with open_store(url, lease=2) as store:
        late = asyncio.run(scenario(store))

    assert statistics.median(took) < 1.0
    assert 0 <= late < 0.9, "DBOS alone would be up to a second late, and then there is the look into the queue"


@pytest.mark.long
def test_of_two_workers_one_is_killed_and_the_other_takes_over_within_its_lease(url: str, start: Start) -> None:
    with open_store(url) as store:
        workers = [start("steady", options=("--concurrency", "3")) for _ in range(2)]
        until(lambda: len(store.workers()) == 2)
        runs = [served.steady.submit("go", store=store) for _ in range(6)]
        until(lambda: len({line.split()[2] for line in evidence()}) == 2)
        victim = workers[0]
        victim.kill()
        victim.wait()
        killed = time.monotonic()
        mine = {line.split()[0] for line in evidence() if line.split()[2] == str(victim.pid)}
        until(lambda: statuses(store)["finished"] == len(runs))
        took = time.monotonic() - killed
        done = Counter(line.rsplit(" ", 1)[0] for line in evidence())

        assert mine
        assert took < 2 * served.STEPS * 0.2 + 2 + 4, "the other has three runs of its own to end first"
        assert set(done) == {f"{run} {turn}" for run in runs for turn in range(1, served.STEPS + 1)}
        assert sum(done.values()) - len(done) <= len(mine), "at most what was in flight is done again"
        until(lambda: set(wake_ups(url)) == {"SUCCESS"})


@pytest.mark.long
def test_a_worker_that_hung_is_fenced_off_and_goes_on_with_other_runs(url: str, start: Start) -> None:
    with open_store(url) as store:
        run = served.steady.submit("go", store=store)
        hung = start("steady")
        until(lambda: len(evidence()) >= 2)
        hung.send_signal(signal.SIGSTOP)
        other = start("steady")
        until(lambda: {line.split()[2] for line in evidence()} == {str(hung.pid), str(other.pid)})
        hung.send_signal(signal.SIGCONT)
        until(lambda: statuses(store)["finished"] == 1)
        epochs = asked(url, "SELECT e.seq, e.epoch FROM convgraph.events e JOIN convgraph.runs r ON r.id=e.run WHERE r.run_id=%s", run)
        other.send_signal(signal.SIGTERM)
        assert other.wait(30) == 0
        served.digging.submit("go", store=store)
        again = served.steady.submit("go", store=store)
        until(lambda: store.runs(graph="steady")[0].status == "finished")

        numbers, owners = zip(*sorted(epochs), strict=True)
        assert numbers == tuple(range(len(numbers)))
        assert list(owners) == sorted(owners), "nothing of an owner is written after another has come"
        assert {line.split()[2] for line in evidence() if line.startswith(again)} == {str(hung.pid)}
        until(lambda: set(wake_ups(url)) <= {"SUCCESS", "ENQUEUED"})
        assert wake_ups(url)["ENQUEUED"] == 1, "the run of a graph that this worker has not stays in its queue"


@pytest.mark.long
def test_lost_connections_end_no_wake_up(url: str, start: Start) -> None:
    with open_store(url) as store:
        runs = [served.steady.submit("go", store=store) for _ in range(4)]
        start("steady")
        for lines in (4, 12, 20):
            until(lambda lines=lines: len(evidence()) >= lines)
            asked(url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname=current_database() AND pid<>pg_backend_pid()")
        until(lambda: statuses(store)["finished"] == len(runs))
        done = Counter(line.rsplit(" ", 1)[0] for line in evidence())

        assert set(done) == {f"{run} {turn}" for run in runs for turn in range(1, served.STEPS + 1)}
        until(lambda: set(wake_ups(url)) == {"SUCCESS"})


@pytest.mark.long
def test_a_queue_can_be_limited_over_all_workers(url: str, start: Start) -> None:
    with open_store(url) as store:
        workers = [start("digging", options=("--queue", "batch=1")) for _ in range(2)]
        until(lambda: len(store.workers()) == len(workers))
        runs = [served.digging.submit("go", store=store, queue="batch") for _ in range(4)]
        until(lambda: statuses(store)["finished"] == len(runs))
        lines = [line.split()[0] for line in evidence()]

        assert [lines[place : place + served.STEPS] for place in range(0, len(lines), served.STEPS)] == [
            [run] * served.STEPS for run in dict.fromkeys(lines)
        ]


def test_one_worker_at_a_time_looks_after_the_others(url: str) -> None:
    async def scenario(store: Store) -> list[bool]:
        async with serving(url, store, served.digging, lease=60.0):
            await seen(lambda: asked(url, "SELECT to_regclass('convgraph.rounds')") != [(None,)])
            await seen(lambda: asked(url, "SELECT at FROM convgraph.rounds"))  # its own first round is over
            with psycopg.connect(url, options="-c search_path=convgraph") as one, psycopg.connect(url) as two:
                two.execute("SET search_path TO convgraph")
                first = wakes.begin_round(one.cursor(), "these", 30.0)
                meanwhile = wakes.begin_round(two.cursor(), "these", 0.0)
                one.commit()
                two.commit()
                soon = wakes.begin_round(two.cursor(), "these", 30.0)
                two.commit()
                return [first, meanwhile, soon, wakes.begin_round(two.cursor(), "these", 0.0)]

    with open_store(url) as store:
        assert asyncio.run(scenario(store)) == [True, False, False, True]


def test_what_nobody_has_woken_is_found_and_what_is_refused_costs_little(url: str) -> None:
    """A run of a changed graph is woken when it is made and once a minute, not with every look."""
    changed = served._digging()
    changed.add_node(served.asking, name="more")
    changed.add_edge("dig", "more")
    changed.add_edge("more", "dig")

    async def scenario(store: Store) -> int:
        before_any_engine = await served.digging.asubmit("go", store=store)
        refused = await changed.asubmit("go", store=store)
        async with serving(url, store, served.digging, lease=0.6):
            await seen(lambda: statuses(store)["finished"] == 1)
            assert (await store.info(before_any_engine)).status == "finished"
            rounds: set[Any] = set()
            await seen(lambda: rounds.add(asked(url, "SELECT at FROM convgraph.rounds")[0]) or len(rounds) > 8)
            asked(
                url, f"UPDATE {wakes.SCHEMA}.workflow_status SET completed_at=1 WHERE queue_partition_key=%s RETURNING 1", before_any_engine
            )
            await seen(lambda: refused in str(left := wake_ups_of(url)) and before_any_engine not in left)
            return wake_ups_of(url)[refused]

    with open_store(url, lease=0.6) as store:
        assert asyncio.run(scenario(store)) <= 2


def wake_ups_of(url: str) -> Counter[str]:
    """How many wake-ups each run has."""
    return Counter(run for (run,) in asked(url, f"SELECT queue_partition_key FROM {wakes.SCHEMA}.workflow_status"))


def test_a_wake_up_whose_end_nobody_could_write_down_does_not_stay(url: str) -> None:
    """Or it would count for a limited queue as long as its worker lives."""

    async def scenario(store: Store) -> None:
        async with serving(url, store, served.digging, lease=0.6):
            await served.digging.asubmit("go", store=store)
            await seen(lambda: statuses(store)["finished"] == 1)
            await seen(lambda: wake_ups(url) == {"SUCCESS": 1})
            asked(url, f"UPDATE {wakes.SCHEMA}.workflow_status SET status='PENDING', completed_at=NULL RETURNING 1")
            await seen(lambda: wake_ups(url) == {"SUCCESS": 1})

    with open_store(url, lease=0.6) as store:
        asyncio.run(scenario(store))


def test_who_no_longer_wants_the_engine_takes_it_out_of_the_database(url: str) -> None:
    """The two statements of docs/workers.md: after them, the store is used as before."""

    async def scenario(store: Store) -> None:
        async with serving(url, store, served.asking):
            await seen(lambda: asked(url, "SELECT to_regclass('convgraph.rounds')") != [(None,)])

    with open_store(url) as store:
        asyncio.run(scenario(store))
        with psycopg.connect(url) as connection:
            for statement in re.findall(r"^DROP .*;$", (ROOT / "docs" / "workers.md").read_text(), re.MULTILINE):
                connection.execute(statement)
        run = served.wondering.submit("go", store=store)
        assert served.wondering.resume(run, store=store, human="park").status == "waiting"
        store.answer(run, "why-0", "so")
        assert [question.id for question in store.questions(run)] == ["why-0"]
        asyncio.run(scenario(store))
        before = wake_ups_of(url)[run]
        served.asking.submit("go", store=store, run_id="again")
        assert (before, wake_ups_of(url)["again"]) == (0, 1), "it may be put in again"


def test_namespaces_share_a_database_and_nothing_else(url: str) -> None:
    async def scenario(mine: Store, other: Store) -> None:
        theirs = await served.digging.asubmit("go", store=other)
        async with serving(f"{url}&namespace=mine%2Fa%25", mine, served.digging):
            run = await served.digging.asubmit("go", store=mine)
            await seen(lambda: statuses(mine)["finished"] == 1)
            assert (await mine.info(run)).status == "finished"
            assert (await other.info(theirs)).status == "ready"
            assert len(await mine.aworkers()) == 1
            assert await other.aworkers() == []

    with open_store(f"{url}&namespace=mine%2Fa%25", lease=2) as mine, open_store(url) as other:
        asyncio.run(scenario(mine, other))


def test_what_the_engine_cannot_use_is_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="PostgreSQL"):
        DbosEngine(str(tmp_path / "runs.db"), graphs=["digging"])
    for options in ({"graphs": []}, {"queues": {}}, {"queues": {"batch": 0}}, {"lease": 0}, {"poll": -1}):
        with pytest.raises(InputError):
            DbosEngine(url, **{"graphs": ["digging"], **options})  # type: ignore[arg-type]
    DBOS(config={"name": "somebody-elses", "system_database_url": f"sqlite:///{tmp_path / 'dbos.db'}"})
    try:
        with open_store(url) as store, pytest.raises(InputError, match="a DBOS of its own"):
            asyncio.run(Worker([served.digging], store).work(DbosEngine(url, graphs=["digging"])))
    finally:
        DBOS.destroy(destroy_registry=True)
