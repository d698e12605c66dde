"""What an engine costs, and how soon it is there: the local one and DBOS side by side, on the same PostgreSQL.

`python -m benchmarks.engines [URL]` prints it; without the URL of a server it starts one of its own (Debian's, on a folder that is
thrown away, with fsync). Wall-clock times of a shared machine: look at the ratios, and run it twice.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from typing import Literal, TypeAlias

from convgraph import END, Context, ConversationGraph, Limits, open_store
from convgraph.engines.dbos import DbosEngine
from convgraph.engines.local import LocalEngine
from convgraph.engines.worker import Worker
from convgraph.journal.events import EffectFinished, Stepped
from convgraph.journal.store import Store
from tests.knowledge.postgres_cluster import new_database, postgres_cluster

EngineName: TypeAlias = Literal["local", "dbos"]
ENGINES: tuple[EngineName, ...] = ("local", "dbos")
ROUNDS = 5
SERIAL_STEPS, RUNS, STEPS, ANSWERS = 300, 50, 20, 20
LEASE = 3.0
WORKERS, SLOTS, STEP_SECONDS, KILLED_AFTER = 3, 10, 0.1, 1.5
EVIDENCE = "CONVGRAPH_BENCHMARK_EVIDENCE"
ELSEWHERE = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"] if os.geteuid() == 0 else []
"""Workers that cannot see each other's processes, as on hosts of their own: a death shows when a lease has run out, and not before."""


def _looping(name: str, steps: int, seconds: float = 0.0) -> ConversationGraph:
    """A graph of so many steps, each of which takes so long."""

    async def step(ctx: Context) -> str:
        if seconds:
            _witness(f"{ctx.run_id} {ctx.turn} {time.time()}")
            await asyncio.sleep(seconds)
        return f"step {ctx.turn}"

    graph = ConversationGraph(name, limits=Limits(turns=steps + 1))
    graph.add_node(step)
    graph.add_edge("step", END, when=f"turn >= {steps}")
    graph.add_edge("step", "step")
    graph.set_start("step")
    return graph


def _asking() -> ConversationGraph:
    async def ask(ctx: Context) -> str:
        return " ".join([await ctx.ask("Well?", id=f"well-{number}") for number in range(ANSWERS)])

    graph = ConversationGraph("asking")
    graph.add_node(ask)
    graph.add_edge("ask", END)
    graph.set_start("ask")
    return graph


def _witness(line: str) -> None:
    """Write a line of evidence where no store has a hand in it."""
    descriptor = os.open(os.environ[EVIDENCE], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, f"{line}\n".encode())
    os.close(descriptor)


serial, batch, ticking, asking = (
    _looping("serial", SERIAL_STEPS),
    _looping("batch", STEPS),
    _looping("ticking", STEPS, STEP_SECONDS),
    _asking(),
)


def main(url: str | None) -> None:
    """Measure, and print."""
    with nullcontext(url) if url else postgres_cluster(durable=True) as server:
        assert server is not None
        _report_cost(server)
        _report_answers(server)
        _report_kill(server)


def _report_cost(server: str) -> None:
    found: dict[EngineName, list[tuple[float, float]]] = {"local": [], "dbos": []}
    for _ in range(ROUNDS):
        for engine in ENGINES:
            found[engine].append(asyncio.run(_cost(engine, new_database(server))))
    print(f"engine cost, steps of 0 ms, the best of {ROUNDS}:")
    for place, what in enumerate((f"one run of {SERIAL_STEPS} steps", f"{RUNS} runs of {STEPS} steps at once")):
        local, dbos = (min(one[place] for one in found[engine]) * 1000 for engine in ENGINES)
        print(f"  {what}: local {local:.2f} ms a step, dbos {dbos:.2f} ms a step, ratio {dbos / local:.2f}")
        if place:
            print(f"  that is {(dbos - local) * STEPS:.1f} ms for each of the {RUNS} wake-ups, however many steps come of it")


async def _cost(engine: EngineName, url: str) -> tuple[float, float]:
    """Seconds a step: in one long run, and in many at once, from the first run's making to the last one's end."""
    async with open_store(url) as store, _serving(engine, url, store, serial, batch, concurrency=RUNS):
        run = await serial.asubmit("go", store=store)
        await _until_finished(store, 1)
        steps = [recorded.at for recorded in await store.load(run) if isinstance(recorded.event, Stepped)]
        began = time.perf_counter()
        for _ in range(RUNS):
            await batch.asubmit("go", store=store)
        await _until_finished(store, 1 + RUNS)
        return (steps[-1] - steps[0]) / (len(steps) - 1), (time.perf_counter() - began) / (RUNS * STEPS)


def _report_answers(server: str) -> None:
    print(f"from an answer to its use, {ANSWERS} answers to parked runs:")
    for engine in ENGINES:
        took = asyncio.run(_answers(engine, new_database(server)))
        print(f"  {engine}: median {statistics.median(took) * 1000:.0f} ms, longest {max(took) * 1000:.0f} ms")


async def _answers(engine: EngineName, url: str) -> list[float]:
    async with open_store(url) as store, _serving(engine, url, store, asking, concurrency=4):
        run = await asking.asubmit("go", store=store)
        answered: dict[str, float] = {}
        for number in range(ANSWERS):
            name = f"well-{number}"
            while not any(question.id == name for question in await store.aquestions(run)):  # noqa: ASYNC110  # it is in a database
                await asyncio.sleep(0.005)
            while (await store.info(run)).status != "waiting":  # noqa: ASYNC110
                await asyncio.sleep(0.005)
            await asyncio.sleep(random.uniform(0.0, 0.5))  # people do not answer in step with who looks for answers
            answered[name] = time.time()
            await store.aanswer(run, name, "yes")
        await _until_finished(store, 1)
        events = [(recorded.at, recorded.event) for recorded in await store.load(run)]
        used = {event.question: at for at, event in events if isinstance(event, EffectFinished) and event.question}
        return [used[name] - at for name, at in answered.items()]


def _report_kill(server: str) -> None:
    ideal = -(-RUNS // (WORKERS * SLOTS)) * STEPS * STEP_SECONDS
    print(
        f"{RUNS} runs of {STEPS} steps of {STEP_SECONDS * 1000:.0f} ms, {WORKERS} workers of {SLOTS}, lease {LEASE:g} s,"
        f" {'as on hosts of their own' if ELSEWHERE else 'on one host'}, one killed after {KILLED_AFTER:g} s:"
        f" ideal {ideal:.1f} s, mark {ideal + LEASE + 3:.1f} s:"
    )
    for engine in ENGINES:
        took, finished, again, repeated = _kill(engine, new_database(server))
        print(f"  {engine}: all {finished} finished after {took:.1f} s; {again} recorded steps run again, {repeated} in flight repeated")


def _kill(engine: EngineName, url: str) -> tuple[float, int, int, int]:
    """Seconds until all is done; runs finished; steps that began again after they were recorded; steps in flight that were."""
    with tempfile.TemporaryDirectory() as folder, open_store(url) as store:
        evidence = Path(folder) / "evidence"
        options = ["--store", url, "--engine", engine, "--lease", f"{LEASE:g}", "--concurrency", str(SLOTS), "--poll", "0.2"]
        command = [*ELSEWHERE, sys.executable, "-m", "convgraph", "worker", "benchmarks.engines:ticking", *options]
        workers = [
            subprocess.Popen(command, env={**os.environ, EVIDENCE: str(evidence)}, stdout=subprocess.DEVNULL) for _ in range(WORKERS)
        ]
        try:
            _until(lambda: len(store.workers()) == WORKERS)
            time.sleep(3.0)  # until all of them look into the queue
            runs = [ticking.submit("go", store=store) for _ in range(RUNS)]
            began = time.monotonic()
            time.sleep(KILLED_AFTER)
            workers[0].send_signal(signal.SIGKILL)
            _until(lambda: len(store.runs(status="finished")) == RUNS)
            took = time.monotonic() - began
            recorded = {
                (run, number): one.at
                for run in runs
                for number, one in enumerate((one for one in store.events(run) if isinstance(one.event, Stepped)), 1)
            }
            starts = [(run, int(turn), float(at)) for run, turn, at in (line.split() for line in evidence.read_text().splitlines())]
            again = sum(at > recorded[run, turn] for run, turn, at in starts)
            return took, len(store.runs(status="finished")), again, len(starts) - len(recorded) - again
        finally:
            for worker in workers:
                worker.kill()
                worker.wait()


@asynccontextmanager
async def _serving(engine: EngineName, url: str, store: Store, *graphs: ConversationGraph, concurrency: int) -> AsyncIterator[None]:
    """A worker in this process, past its start."""
    warming = _looping(f"warming-{uuid.uuid4().hex}", 1)
    worker = Worker([*graphs, warming], store)
    made = LocalEngine(store, graphs=worker.graphs) if engine == "local" else DbosEngine(url, graphs=worker.graphs)
    work = asyncio.create_task(worker.work(made, concurrency=concurrency))
    try:
        run = await warming.asubmit("go", store=store)
        while (await store.info(run)).status != "finished":  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        await store.adelete(run)
        yield
    finally:
        await worker.drain(made)
        await work


async def _until_finished(store: Store, runs: int) -> None:
    while len(await store.aruns(status="finished")) < runs:  # noqa: ASYNC110
        await asyncio.sleep(0.02)


def _until(done: Callable[[], bool], seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            raise TimeoutError("it has not come to pass")
        time.sleep(0.05)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None)
