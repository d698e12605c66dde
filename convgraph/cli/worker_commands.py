"""The commands for runs that others go on with: submit one, be a worker, and see which workers there are."""

from __future__ import annotations

import asyncio
import datetime
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from convgraph.cli import options as o
from convgraph.cli.exit_codes import ExitCode
from convgraph.cli.output import Output, complain
from convgraph.cli.session import existing, file_of, opened
from convgraph.cli.traced import traced
from convgraph.cli.worker_http import address_of, http_served
from convgraph.errors import InputError

if TYPE_CHECKING:
    from convgraph.conversation import ConversationGraph
    from convgraph.engines.engine import Engine
    from convgraph.engines.worker import Worker
    from convgraph.errors import ConvgraphError
    from convgraph.journal.store import Store
    from convgraph.runtime.result import RunResult

Targets = Annotated[list[str], typer.Argument(help="The graphs: file.py:name, package.module:name or graph.yaml.", metavar="TARGET…")]


class EngineName(StrEnum):
    """The engines that a worker can have."""

    LOCAL = "local"
    DBOS = "dbos"


def submit(
    target: o.Target,
    said: Annotated[str | None, typer.Argument(metavar="INPUT", help="What the user says; `-` reads standard input.")] = None,
    *,
    store: o.StoreUrl = o.DEFAULT_STORE,
    run_id: Annotated[str | None, typer.Option("--id", metavar="ID", help="A name for the run, instead of a made one.")] = None,
    state: Annotated[str | None, typer.Option("--state", metavar="JSON", help="The initial state: JSON, or @file.")] = None,
    queue: Annotated[str, typer.Option("--queue", metavar="NAME", help="Whose workers go on with it.")] = "default",
    priority: Annotated[int, typer.Option("--priority", metavar="N", help="Of two that wait, the smaller number is first.")] = 0,
    label: o.Labels = None,
    allow: o.Allow = None,
    max_turns: o.MaxTurns = None,
    max_seconds: o.MaxSeconds = None,
    max_tokens: o.MaxTokens = None,
    max_usd: o.MaxUsd = None,
    as_json: o.AsJson = False,
) -> int:
    """Make a run for a worker to begin. Prints its id."""
    from convgraph.loading import absolute, load_target

    output = Output(as_json=as_json)
    graph = load_target(target, allow=allow or ())
    limits = o.limits_with(graph.definition.limits, max_turns, max_seconds, max_tokens, max_usd)
    begin = sys.stdin.read() if said == "-" else said
    name = graph.submit(
        begin,
        state=o.json_object(state, "--state"),
        store=store,
        run_id=run_id,
        limits=limits,
        target=absolute(target),
        queue=queue,
        priority=priority,
        labels=label or (),
    )
    output.line(name)
    output.result({"run_id": name, "status": "ready", "graph": graph.name, "queue": queue, "priority": priority})
    return ExitCode.DONE


def worker(
    targets: Targets,
    *,
    store: o.StoreUrl = o.DEFAULT_STORE,
    concurrency: Annotated[int, typer.Option("--concurrency", metavar="N", help="How many runs to go on with at a time.")] = 10,
    lease: Annotated[float, typer.Option("--lease", metavar="S", help="Seconds after which a worker that is silent is given up.")] = 15.0,
    poll: Annotated[float, typer.Option("--poll", metavar="S", help="How often to look for runs, in seconds.")] = 0.25,
    engine: Annotated[EngineName, typer.Option("--engine", help="How runs are found; dbos needs PostgreSQL.")] = EngineName.LOCAL,
    queue: Annotated[
        list[str] | None,
        typer.Option("--queue", metavar="NAME[=N]", help="Take runs from this queue (with dbos: N of a graph at a time, on all workers)."),
    ] = None,
    http: Annotated[
        str | None, typer.Option("--http", metavar="[HOST:]PORT", help="Serve health, metrics, questions and their answers there.")
    ] = None,
    grace: Annotated[float, typer.Option("--grace", metavar="S", help="How long turns may take to end when the worker is stopped.")] = 30.0,
    allow: o.Allow = None,
    as_json: o.AsJson = False,
) -> int:
    """Go on with the runs of these graphs, until it is stopped (SIGTERM, Ctrl-C): then runs are handed over, and nothing is lost.

    Any number of workers may serve one store, on one host with a file, on many with PostgreSQL. `--queue` may be given several
    times; without it, runs of the queue `default` are taken.
    """
    from convgraph.loading import load_target

    output = Output(as_json=as_json)
    if file_of(store) is None and not store.startswith("postgres"):
        raise InputError(f"--store {store}: nobody else can reach the runs of a store in memory; name a file or a PostgreSQL database")
    queues = _queues(queue or ["default"], engine)
    address = address_of(http) if http is not None else None
    if engine is EngineName.DBOS and not store.startswith("postgres"):
        raise InputError(f"--store {store}: the engine of DBOS needs a store in PostgreSQL, postgresql://…")
    graphs = [load_target(target, allow=allow or ()) for target in targets]

    def engine_for(served: Worker, runs: Store) -> Engine:
        if engine is EngineName.DBOS:
            from convgraph.engines.dbos import DbosEngine

            return DbosEngine(store, graphs=served.graphs, queues=queues, lease=lease, poll=poll)
        from convgraph.engines.local import LocalEngine

        return LocalEngine(runs, graphs=served.graphs, queues=tuple(queues), poll=poll)

    with traced(), opened(store, lease=lease) as runs:
        served = asyncio.run(_serve(graphs, runs, output, engine_for, concurrency, lease, grace, address))
    output.result({"served": served})
    return ExitCode.DONE


def workers(*, store: o.StoreUrl = o.DEFAULT_STORE, as_json: o.AsJson = False) -> int:
    """Show the workers of a store: which are alive, what they serve, and how many runs they have under way."""
    output = Output(as_json=as_json)
    with existing(store) as runs:
        known = runs.workers()
    for one in known:
        life = "alive" if one.alive else f"silent for {one.silent:.0f} s"
        since = datetime.datetime.fromtimestamp(one.since, datetime.UTC)
        output.line(
            f"{one.id[:8]}  {life}  {one.host}:{one.pid}  {one.engine}  {one.under_way} of {one.concurrency} under way"
            f"  since {since:%Y-%m-%d %H:%M:%S} UTC  graphs {', '.join(one.graphs)}  queues {', '.join(one.queues)}"
        )
    if not known:
        output.line("no worker has given a sign of life lately")
    output.result({"workers": [{**asdict(one), "alive": one.alive} for one in known]})
    return ExitCode.DONE


def _queues(given: Sequence[str], engine: EngineName) -> dict[str, int | None]:
    """The queues that `--queue` names, each with its limit."""
    from convgraph.journal.naming import check_queue

    queues: dict[str, int | None] = {}
    for text in given:
        name, separator, number = text.partition("=")
        if separator and (not number.isdecimal() or int(number) < 1):
            raise InputError(f"--queue {text}: write NAME, or NAME=N with N a number of runs, 1 or more")
        if separator and engine is EngineName.LOCAL:
            raise InputError(f"--queue {text}: only --engine dbos can limit a queue over all workers")
        queues[check_queue(name)] = int(number) if separator else None
    return queues


async def _serve(
    graphs: Sequence[ConversationGraph],
    store: Store,
    output: Output,
    engine_for: Callable[[Worker, Store], Engine],
    concurrency: int,
    lease: float,
    grace: float,
    address: tuple[str, int] | None,
) -> int:
    from convgraph.engines.worker import Worker

    served = 0

    def told(run_id: str, outcome: RunResult | ConvgraphError) -> None:
        nonlocal served
        if isinstance(outcome, Exception):
            complain(f"run {run_id}: {outcome}")
            return
        served += 1
        output.line(f"run {run_id}: {outcome.status} ({outcome.stop_reason})")

    made = Worker(graphs, store, lease=lease, told=told)
    engine = engine_for(made, store)
    output.line(f"worker for {', '.join(made.graphs)} at {store.url}, {concurrency} at a time; Ctrl-C stops it and loses nothing")
    draining = _drained_on_signal(made, engine, grace)
    async with http_served(address, made, engine, store, output, lambda: bool(draining)):
        await made.work(engine, concurrency=concurrency)
        if draining:
            await asyncio.gather(*draining)
    return served


def _drained_on_signal(worker: Worker, engine: Engine, grace: float) -> list[asyncio.Task[None]]:
    """Have the worker drained when the process is asked to stop; a second signal cuts the grace short. The tasks that do it."""
    loop = asyncio.get_running_loop()
    draining: list[asyncio.Task[None]] = []

    def drain() -> None:
        draining.append(loop.create_task(worker.drain(engine, grace=0.0 if draining else grace)))

    for one in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(one, drain)
    return draining
