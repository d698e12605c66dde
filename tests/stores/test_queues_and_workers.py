"""What every store promises to workers: which runs wait for them and in which order, and who of them is there."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from convgraph.journal.events import RunStarted
from convgraph.journal.runs import NewRun
from convgraph.journal.store import Store
from convgraph.journal.workers import FORGOTTEN_AFTER, WorkerInfo

STARTED = RunStarted("chat", "print", "document")


def worker(name: str = "one", lease: float = 30.0, under_way: int = 0) -> WorkerInfo:
    return WorkerInfo(name, "host", 42, "local", ("chat", "report"), ("default",), 10, lease, under_way)


def test_runs_wait_in_their_queues_by_priority_and_then_by_age(store: Store) -> None:
    async def scenario() -> None:
        for run_id, queue, priority in (
            ("a", "default", 0),
            ("b", "batch", 0),
            ("c", "default", -3),
            ("d", "default", 7),
            ("e", "default", 0),
        ):
            await store.create(NewRun(run_id, "chat", "print", queue=queue, priority=priority), [STARTED], claim=False)

        async def waiting(**wanted: Any) -> list[str]:
            return [info.run_id for info in await store.arunnable(**wanted)]

        assert await waiting() == ["c", "a", "b", "e", "d"]
        assert await waiting(queues=["default"]) == ["c", "a", "e", "d"]
        assert await waiting(queues=["batch"], graphs=["chat"]) == ["b"]
        assert await waiting(queues=["batch"], graphs=["other"]) == []
        assert await waiting(queues=[]) == []
        assert [info.run_id for info in await store.arunnable(queues=["default"], limit=2)] == ["c", "a"]
        listed = await store.info("b")
        assert (listed.queue, listed.priority) == ("batch", 0)

    asyncio.run(scenario())


def test_a_worker_is_listed_with_what_it_last_said_of_itself(store: Store) -> None:
    async def scenario() -> None:
        before = time.time()
        await store.abeat(worker("one"))
        await store.abeat(worker("two"))
        await store.abeat(worker("one", under_way=3))
        one, two = await store.aworkers()

        assert (one.id, one.under_way, two.id, two.under_way) == ("one", 3, "two", 0)
        assert (one.host, one.pid, one.engine, one.graphs, one.queues) == ("host", 42, "local", ("chat", "report"), ("default",))
        assert (one.concurrency, one.lease) == (10, 30.0)
        assert one.alive
        assert two.alive
        assert before - 1 < one.since < time.time() + 1
        assert 0 <= one.silent < 20
        await store.aleave("one")
        await store.aleave("nobody")
        assert [known.id for known in await store.aworkers()] == ["two"]

    asyncio.run(scenario())


def test_a_worker_that_is_silent_counts_as_gone_and_is_forgotten_later(store: Store) -> None:
    lease = 0.01

    async def scenario() -> None:
        await store.abeat(worker("silent", lease))
        await asyncio.sleep(lease * 2)
        await store.abeat(worker("other"))
        silent = {known.id: known for known in await store.aworkers()}.get("silent")
        assert silent is None or not silent.alive  # on a slow machine it may be forgotten by now
        deadline = time.monotonic() + lease * FORGOTTEN_AFTER
        while time.monotonic() < deadline:  # noqa: ASYNC110  # it is a time that is waited for
            await asyncio.sleep(lease)
        await store.abeat(worker("other"))
        assert [known.id for known in await store.aworkers()] == ["other"]

    asyncio.run(scenario())
