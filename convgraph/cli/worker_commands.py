"""The commands for runs that others go on with: submit one, and be a worker."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from convgraph.cli import options as o
from convgraph.cli.exit_codes import ExitCode
from convgraph.cli.output import Output, complain
from convgraph.cli.session import file_of, opened
from convgraph.errors import InputError

if TYPE_CHECKING:
    from convgraph.conversation import ConversationGraph
    from convgraph.engines.engine import Engine
    from convgraph.engines.worker import Worker
    from convgraph.errors import ConvgraphError
    from convgraph.journal.store import Store
    from convgraph.runtime.result import RunResult

Targets = Annotated[list[str], typer.Argument(help="The graphs: file.py:name, package.module:name or graph.yaml.", metavar="TARGET…")]


def submit(
    target: o.Target,
    said: Annotated[str | None, typer.Argument(metavar="INPUT", help="What the user says; `-` reads standard input.")] = None,
    *,
    store: o.StoreUrl = o.DEFAULT_STORE,
    run_id: Annotated[str | None, typer.Option("--id", metavar="ID", help="A name for the run, instead of a made one.")] = None,
    state: Annotated[str | None, typer.Option("--state", metavar="JSON", help="The initial state: JSON, or @file.")] = None,
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
    name = graph.submit(begin, state=o.json_object(state, "--state"), store=store, run_id=run_id, limits=limits, target=absolute(target))
    output.line(name)
    output.result({"run_id": name, "status": "ready", "graph": graph.name})
    return ExitCode.DONE


def worker(
    targets: Targets,
    *,
    store: o.StoreUrl = o.DEFAULT_STORE,
    concurrency: Annotated[int, typer.Option("--concurrency", metavar="N", help="How many runs to go on with at a time.")] = 10,
    lease: Annotated[float, typer.Option("--lease", metavar="S", help="Seconds after which a worker that is silent is given up.")] = 15.0,
    poll: Annotated[float, typer.Option("--poll", metavar="S", help="How often to look for runs, in seconds.")] = 0.25,
    grace: Annotated[float, typer.Option("--grace", metavar="S", help="How long turns may take to end when the worker is stopped.")] = 30.0,
    allow: o.Allow = None,
    as_json: o.AsJson = False,
) -> int:
    """Go on with the runs of these graphs, until it is stopped (SIGTERM, Ctrl-C): then runs are handed over, and nothing is lost.

    Any number of workers may serve one store, on one host with a file, on many with PostgreSQL.
    """
    from convgraph.loading import load_target

    output = Output(as_json=as_json)
    if file_of(store) is None and not store.startswith("postgres"):
        raise InputError(f"--store {store}: nobody else can reach the runs of a store in memory; name a file or a PostgreSQL database")
    graphs = [load_target(target, allow=allow or ()) for target in targets]
    with opened(store, lease=lease) as runs:
        served = asyncio.run(_serve(graphs, runs, output, concurrency, poll, grace))
    output.result({"served": served})
    return ExitCode.DONE


async def _serve(graphs: Sequence[ConversationGraph], store: Store, output: Output, concurrency: int, poll: float, grace: float) -> int:
    from convgraph.engines.local import LocalEngine
    from convgraph.engines.worker import Worker

    served = 0

    def told(run_id: str, outcome: RunResult | ConvgraphError) -> None:
        nonlocal served
        if isinstance(outcome, Exception):
            complain(f"run {run_id}: {outcome}")
            return
        served += 1
        output.line(f"run {run_id}: {outcome.status} ({outcome.stop_reason})")

    made = Worker(graphs, store, told=told)
    engine = LocalEngine(store, graphs=made.graphs, poll=poll)
    output.line(f"worker for {', '.join(made.graphs)} at {store.url}, {concurrency} at a time; Ctrl-C stops it and loses nothing")
    draining = _drained_on_signal(made, engine, grace)
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
