"""`make bench`, its part about PostgreSQL: ratios that one run on a durable server of its own yields, beside their marks.

python -m benchmarks.distributed [--runs 1000000] [--only serial,saver,batch,workers,stored]
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import psycopg

from benchmarks.distributed_conversation import LATENCY, TURNS, graph, pair
from convgraph import open_store
from convgraph.journal.codec import encode_event
from convgraph.journal.store import Store
from tests.knowledge.postgres_cluster import new_database, postgres_cluster

ROOT = Path(__file__).parents[1]
PEERS = ROOT / "build" / "bench-venv" / "bin" / "python"
STEPS = 1_000
ROUNDS = 5
CONCURRENCY = 4
FEW = 1_000


@dataclass(frozen=True)
class Figure:
    """A figure beside its mark, which it is to reach from one side or the other."""

    title: str
    value: float
    mark: float
    at_most: bool = False
    note: str = ""

    def __str__(self) -> str:
        met = self.value <= self.mark if self.at_most else self.value >= self.mark
        sign = "≤" if self.at_most else "≥"
        return f"{self.title:<68} {self.value:>9,.2f}   {sign} {self.mark:<8,g} {'yes' if met else 'NO ':<4} {self.note}"


def main() -> None:
    """Measure and print, a line for each figure as soon as it is known."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1_000_000, help="how many stored runs are many")
    parser.add_argument("--only", default=",".join(PARTS), help="what to measure, separated by commas")
    options = parser.parse_args()
    print(f"{'PostgreSQL, fsync on, by a socket':<68} {'figure':>9}   {'mark':<10} met")
    for name in options.only.split(","):
        with postgres_cluster(durable=True) as cluster:
            for figure in PARTS[name](cluster, options.runs):
                print(figure, flush=True)


def serial(cluster: str, _runs: int) -> Iterator[Figure]:
    """One conversation, each step durable before the next, beside what is inserted for it."""
    conversation = pair(STEPS)
    with open_store(cluster) as store, psycopg.connect(cluster, autocommit=True) as connection:
        first = conversation.run("go", store=store)
        bodies = [encode_event(recorded.event) for recorded in store.events(first.run_id)]
        connection.execute("CREATE TABLE bare(LIKE convgraph.events INCLUDING ALL)")
        rounds = [
            (_inserting(connection, bodies, number), _running(lambda: conversation.run("go", store=store))) for number in range(ROUNDS)
        ]
    bare, ours = (median(seconds) / STEPS * 1e3 for seconds in zip(*rounds, strict=True))
    note = f"{ours:.2f} ms and {bare:.2f} ms"
    yield Figure("a durable step ÷ the bare insert of what it stores", ours / bare, 1.5, at_most=True, note=note)


def saver(cluster: str, _runs: int) -> Iterator[Figure]:
    """The same beside LangGraph's PostgresSaver, where that is installed."""
    if not PEERS.exists():
        return
    conversation = pair(STEPS)
    with open_store(cluster) as store:
        conversation.run("go", store=store)
        seconds = median(_running(lambda: conversation.run("go", store=store)) for _ in range(ROUNDS)) / STEPS
    command = [PEERS, "-m", "benchmarks.contestants.langgraph_postgres", new_database(cluster), str(STEPS)]
    theirs = float(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout)
    note = f"{theirs * 1e3:.1f} ms a step"
    yield Figure(f"LangGraph's PostgresSaver ÷ ours, {STEPS:,} messages", theirs / seconds, 10, note=note)


def batch(cluster: str, _runs: int) -> Iterator[Figure]:
    """Fifty conversations of twenty steps at once in one process."""
    conversation = pair(20)

    async def all_at_once(store: Store) -> None:
        await asyncio.gather(*(conversation.arun("go", store=store) for _ in range(50)))

    with open_store(cluster) as store:
        conversation.run("go", store=store)
        seconds = median(_running(lambda: asyncio.run(all_at_once(store))) for _ in range(ROUNDS))
    yield Figure("steps/s of 50 runs × 20 steps in one process", 1_000 / seconds, 1_000)


def workers(cluster: str, _runs: int) -> Iterator[Figure]:
    """One worker, two, and four, each of four runs at once, with a model that takes its time."""
    rates: dict[int, float] = {}
    for count in (1, 2, 4):
        url = new_database(cluster)
        with open_store(url) as store, _working(url, store, count):
            slots = count * CONCURRENCY
            began = time.perf_counter()
            for _ in range(2 * slots):
                graph.submit("go", store=store)
            while len(store.runs(status="finished")) < 2 * slots:
                time.sleep(0.02)
            rates[count] = 2 * slots * TURNS / (time.perf_counter() - began)
        if count > 1:
            note = f"{rates[count]:,.0f} steps/s; {slots / LATENCY:,.0f} with nothing but the model"
            yield Figure(f"throughput of {count} workers ÷ ({count} × that of one)", rates[count] / (count * rates[1]), 0.9, note=note)


def stored(cluster: str, runs: int) -> Iterator[Figure]:
    """What is asked of a store with many runs, beside one with a thousand."""
    few, many = ({name: _asked(store, ask) for name, ask in QUESTIONS.items()} for store in _stores(cluster, (FEW, runs)))
    for name in QUESTIONS:
        note = f"{many[name] * 1e3:.2f} ms and {few[name] * 1e3:.2f} ms"
        yield Figure(f"{name}: {runs:,} stored ÷ {FEW:,}", many[name] / few[name], 2, at_most=True, note=note)


def _stores(cluster: str, sizes: Sequence[int]) -> Iterator[Store]:
    for size in sizes:
        url = new_database(cluster)
        with open_store(url) as store:
            fill(url, pair(4).run("go", store=store).run_id, size)
            yield store


def fill(url: str, run_id: str, size: int) -> None:
    """Put `size` copies of a run into the database: of twenty graphs, in every status at rest, some forked, some with a question."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET search_path TO convgraph")
        connection.execute(
            "INSERT INTO runs(namespace, run_id, made, graph, status, reason, fingerprint, created, updated, epoch, owner, lease, parent,"
            " parent_step, parent_seq, first_seq, target)"
            " SELECT namespace, 'copy-' || n, n::text, 'graph-' || mod(n, 20),"
            " (array['finished','waiting','failed','limited'])[1 + mod(n, 4)],"
            " reason, fingerprint, created - n, updated - n, 1, '', '-infinity', CASE WHEN mod(n, 10)=0 THEN 'copy-' || n - 1 ELSE '' END,"
            " 0, 0, 0, target FROM runs, generate_series(1, %s) AS n WHERE run_id=%s",
            (size, run_id),
        )
        connection.execute(
            "INSERT INTO events SELECT copy.id, seq, 1, at, kind, body FROM runs one JOIN events ON run=one.id, runs copy"
            " WHERE one.run_id=%s AND copy.id <> one.id",
            (run_id,),
        )
        connection.execute(
            "INSERT INTO questions(run, id, prompt, schema, node, path, asked)"
            " SELECT id, 'q', 'Go on?', '{}', 'boss-' || id / 20, '1', updated"
            " FROM runs WHERE status='waiting'"
        )
        connection.execute("UPDATE runs SET labels='kept' WHERE id % 50 = 0")
        connection.execute("INSERT INTO labelled SELECT namespace, labels, id FROM runs WHERE labels <> ''")
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")


def _asked(store: Store, ask: Callable[[Store], object]) -> float:
    """The seconds that it takes, once what is asked first has been."""
    for _ in range(10):
        ask(store)
    return median(_running(lambda: ask(store)) for _ in range(41))


def _lately(store: Store) -> float:
    return store.runs(limit=1)[0].updated - 100


def _gone_on(store: Store) -> None:
    conversation = pair(4)
    conversation.resume(conversation.submit("go", store=store), store=store)


@contextmanager
def _working(url: str, store: Store, count: int) -> Iterator[None]:
    """So many workers, ready for work; they end with the block."""
    target = f"{Path(__file__).with_name('distributed_conversation.py')}:graph"
    command = [sys.executable, "-m", "convgraph", "worker", target, "--store", url, "--concurrency", str(CONCURRENCY)]
    running = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for _ in range(count)]
    try:
        while len(store.workers()) < count:
            time.sleep(0.05)
        yield
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait(30)


def _inserting(connection: psycopg.Connection[tuple[object, ...]], bodies: Sequence[str], number: int) -> float:
    """The seconds that it takes to insert what a conversation stores, a commit for each step."""

    def insert() -> None:
        for seq, body in enumerate(bodies):
            connection.execute("INSERT INTO bare VALUES(%s,%s,%s,%s,%s,%s)", (number, seq, 1, 1.0, "step", body))

    return _running(insert)


def _running(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


PARTS: dict[str, Callable[[str, int], Iterator[Figure]]] = {
    "serial": serial,
    "saver": saver,
    "batch": batch,
    "workers": workers,
    "stored": stored,
}

QUESTIONS: dict[str, Callable[[Store], object]] = {
    "the newest 50 runs": lambda store: store.runs(limit=50),
    "the newest 50 that wait": lambda store: store.runs(status="waiting", limit=50),
    "the newest 50 of a graph that failed": lambda store: store.runs(graph="graph-7", status="failed", limit=50),
    "50 that changed lately": lambda store: store.runs(since=_lately(store), limit=50),
    "the newest 20 of a label": lambda store: store.runs(label="kept", limit=20),
    "the next 50 runs of a listing": lambda store: store.runs(before="copy-500", limit=50),
    "the newest 20 with a text in what is listed": lambda store: store.runs(text="GRAPH-7", journals=False, limit=20),
    "the newest 20 with a text in what was said": lambda store: store.runs(text="GO", graph="graph-7", limit=20),
    "the children of a run": lambda store: store.runs(parent="copy-9", limit=50),
    "a person's inbox": lambda store: store.questions(to="boss-1"),
    "one look for what can be gone on with": lambda store: asyncio.run(store.arunnable(limit=10)),
    "going on with a run, to its end": _gone_on,
}
"""What is asked of a store; each leaves it as it was, but for a run more."""


if __name__ == "__main__":
    main()
