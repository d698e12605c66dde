"""The capacity model of docs/scale.md says what is measured: of a small run on a real server, and of a simulated large one."""

from __future__ import annotations

import asyncio
import heapq
import random
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from benchmarks.capacity import CONNECTIONS, ROW_BYTES, Load, line, needs, throughput
from convgraph import END, ConversableAgent, ConversationGraph, Limits, ScriptedModel, open_store
from convgraph.engines.local import LocalEngine
from convgraph.engines.worker import Worker
from tests.knowledge.postgres_cluster import emptied, postgres_cluster

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A database of the tests' own."""
    with postgres_cluster() as cluster:
        yield emptied(cluster)


def talking(turns: int, latency: float, said: int = 200) -> ConversationGraph:
    """Two agents whose model takes its time, and says so many bytes."""
    model = ScriptedModel(lambda _: "x" * said, latency=latency)
    graph = ConversationGraph("talking", limits=Limits(turns=turns + 1))
    for name in ("ada", "bob"):
        graph.add_node(ConversableAgent(name, model=model))
    for name, other in (("ada", "bob"), ("bob", "ada")):
        graph.add_edge(name, END, when=f"turn >= {turns}")
        graph.add_edge(name, other)
    graph.set_start("ada")
    return graph


def test_rows_bytes_and_connections_are_as_the_model_says(url: str) -> None:
    steps = 1000
    with open_store(url) as store, psycopg.connect(url, autocommit=True) as connection:
        talking(steps, 0.0).run("go", store=store)
        connection.execute("VACUUM convgraph.events")
        rows, size, open_ones = connection.execute(
            "SELECT (SELECT count(*) FROM convgraph.events), pg_total_relation_size('convgraph.events'),"
            " (SELECT count(*) FROM pg_stat_activity WHERE application_name='convgraph')"
        ).fetchone() or (0, 0, 0)

    assert rows / steps == pytest.approx(1, rel=0.02)
    assert size / steps == pytest.approx(200 + ROW_BYTES, rel=0.25)
    assert open_ones == CONNECTIONS


@pytest.mark.long  # it measures: not for a machine that does other things at the same time
def test_workers_are_as_fast_as_the_model_says(url: str) -> None:
    """Two workers with four slots each, and steps of 50 ms."""
    turns, runs, latency = 10, 16, 0.05
    graph = talking(turns, latency)

    async def scenario() -> float:
        stores = [open_store(url) for _ in range(2)]
        for _ in range(runs):
            graph.submit("go", store=stores[0])
        ended = asyncio.Event()
        left = iter(range(runs - 1, -1, -1))
        workers = [Worker([graph], store, told=lambda *_: ended.set() if next(left) == 0 else None) for store in stores]
        engines = [LocalEngine(store, graphs=worker.graphs) for worker, store in zip(workers, stores, strict=True)]
        began = time.monotonic()
        working = [asyncio.create_task(worker.work(engine, concurrency=4)) for worker, engine in zip(workers, engines, strict=True)]
        await asyncio.wait_for(ended.wait(), 20)
        seconds = time.monotonic() - began
        for worker, engine in zip(workers, engines, strict=True):
            await worker.drain(engine)
        await asyncio.gather(*working)
        for store in stores:
            await store.aclose()
        return runs * turns / seconds

    measured = asyncio.run(scenario())

    assert measured <= throughput(2, 4, latency)
    assert measured == pytest.approx(throughput(2, 4, latency), rel=0.35)


@pytest.mark.parametrize("load", [Load(10_000, 60), Load(100_000, 600, step_seconds=2), Load(100_000, 3600, concurrency=20)])
def test_a_simulated_day_needs_the_workers_that_the_model_says(load: Load) -> None:
    """Runs that make steps at random times: the workers of the model keep up with them, and half as many do not."""
    enough, half = needs(load).workers, needs(load).workers * 0.5

    assert mean_wait(load, slots=int(enough * load.concurrency * 1.15)) < load.step_seconds / 2
    assert mean_wait(load, slots=max(1, int(half * load.concurrency * 0.9))) > load.step_seconds


def mean_wait(load: Load, slots: int, arrivals: int = 60_000) -> float:
    """How long a step waits for a slot, where steps come at random and each keeps its slot for as long as the model says."""
    luck = random.Random(7)
    rate = load.live_runs / load.seconds_between_steps
    free = [0.0] * slots
    now = waited = 0.0
    for _ in range(arrivals):
        now += luck.expovariate(rate)
        begin = max(now, free[0])
        waited += begin - now
        heapq.heapreplace(free, begin + luck.expovariate(1 / load.step_seconds))
    return waited / arrivals


def test_the_page_has_the_models_figures() -> None:
    page = (ROOT / "docs" / "scale.md").read_text()
    for load in (Load(10_000, 60), Load(10_000, 600), Load(1_000_000, 600), Load(1_000_000, 86_400)):
        assert line(load) in page
