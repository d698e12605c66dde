"""What it costs to be traced: a conversation of model calls in a file, with and without OpenTelemetry's SDK at work.

`python -m benchmarks.telemetry` prints it, for models that answer after 1 ms and after 50 ms. The two are measured in turn, in one
process, and each pair gives a ratio. The spans go through the SDK's batching processor to an exporter that drops them, the metrics to
a reader that nobody reads. The model is another process, at the end of a socket and on a processor of its own, as a model elsewhere
has: on the run's own it would first hear the question when the run has nothing more to do. It answers so long after it was asked,
whatever the run does meanwhile; and what telemetry writes down, it does write down meanwhile. So a turn takes less longer by the clock
than it takes of the processor, and a process that never waits pays the latter. On a busy machine, look at the best runs.
"""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import os
import socket
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from time import perf_counter, process_time, sleep

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from convgraph import END, Context, ConversationGraph, Limits, ScriptedModel, Usage, telemetry
from convgraph.protocols import ModelReply, ModelRequest

MODELS = {0.001: (300, 15), 0.05: (30, 5)}
"""Seconds that the model takes to answer; how many turns are made with it, and how many pairs of runs."""
MARK = 1.05


class Dropped(SpanExporter):
    """Takes spans and forgets them."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return SpanExportResult.SUCCESS


def answer_all(listening: socket.socket, latency: float, processors: set[int]) -> None:
    """The model's process: a byte for a byte, after its latency."""
    os.sched_setaffinity(0, processors)
    while True:
        asked, _ = listening.accept()
        with asked:
            asked.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while asked.recv(1):
                sleep(latency)
                asked.send(b".")


def conversation(port: int, turns: int) -> ConversationGraph:
    """One agent that asks a model in each of its turns."""
    lines: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def answer(_: ModelRequest) -> ModelReply:
        if not lines:
            lines.append(await asyncio.open_connection("127.0.0.1", port))
        [(heard, said)] = lines
        said.write(b"?")
        await heard.readexactly(1)
        return ModelReply("word " * 40, usage=Usage(1, 100, 50, 0.001))

    model = ScriptedModel(answer)

    async def writer(ctx: Context) -> str:
        return (await ctx.call_model(model, ModelRequest(ctx.messages, "writer"))).content

    graph = ConversationGraph("measured", limits=Limits(turns=turns + 1))
    graph.add_node(writer)
    graph.add_edge("writer", END, when=f"turn >= {turns}")
    graph.add_edge("writer", "writer")
    graph.set_start("writer")
    return graph


def measured(port: int, turns: int) -> tuple[float, float]:
    """Milliseconds that a turn takes, by the clock and of the processor."""
    with tempfile.TemporaryDirectory() as folder:
        graph = conversation(port, turns)
        gc.collect()
        wall, cpu = perf_counter(), process_time()
        graph.run("go", store=str(Path(folder) / "runs.db"))
        return (perf_counter() - wall) / turns * 1e3, (process_time() - cpu) / turns * 1e3


def main() -> None:
    """Measure and print."""
    [*own, others] = sorted(os.sched_getaffinity(0))
    if own:
        os.sched_setaffinity(0, own)
    for latency, (turns, pairs) in MODELS.items():
        listening = socket.create_server(("127.0.0.1", 0))
        model = multiprocessing.get_context("fork").Process(target=answer_all, args=(listening, latency, {others}), daemon=True)
        model.start()
        off, on = compared(listening.getsockname()[1], turns, pairs)
        model.terminate()
        report(latency, off, on)


def compared(port: int, turns: int, pairs: int) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    """What `measured` finds without telemetry, and with it."""
    tracers, meters = TracerProvider(), MeterProvider([InMemoryMetricReader()])
    tracers.add_span_processor(BatchSpanProcessor(Dropped()))
    measured(port, turns)
    off: list[tuple[float, float]] = []
    on: list[tuple[float, float]] = []
    for _ in range(pairs):
        telemetry.disable()
        off.append(measured(port, turns))
        telemetry.enable(tracer_provider=tracers, meter_provider=meters)
        on.append(measured(port, turns))
    telemetry.disable()
    tracers.shutdown()
    return off, on


def report(latency: float, off: list[tuple[float, float]], on: list[tuple[float, float]]) -> None:
    """Print what it costs with one model."""
    print(f"a model that answers after {latency * 1e3:g} ms:")
    for name, figures in (("off", off), ("on", on)):
        wall, cpu = (median(figure[place] for figure in figures) for place in range(2))
        print(f"  {name:4}{wall:7.3f} ms a turn, {cpu:6.3f} ms of the processor")
    ratio = median(traced[0] / plain[0] for plain, traced in zip(off, on, strict=True))
    best = min(wall for wall, _ in on) / min(wall for wall, _ in off)
    more = median(traced[1] - plain[1] for plain, traced in zip(off, on, strict=True))
    print(f"  ratio by the clock {ratio:.3f} in the median of pairs, {best:.3f} of the best runs (at most {MARK:g})")
    print(f"  {more:.3f} ms of the processor more in a turn")


if __name__ == "__main__":
    main()
