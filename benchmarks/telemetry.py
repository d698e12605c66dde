"""What it costs to be traced: a conversation of model calls of 1 ms in a file, with and without OpenTelemetry's SDK at work.

`python -m benchmarks.telemetry` prints it. The two are measured in turn, in one process, and each pair gives a ratio. The spans go
through the SDK's batching processor to an exporter that drops them, the metrics to a reader that nobody reads. The model is another
process, at the end of a socket: it answers 1 ms after it was asked, whatever the run does meanwhile. What is written down meanwhile
costs no time only where a processor is free for it: on a busy machine, look at the best runs.
"""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
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

TURNS = 300
PAIRS = 15
LATENCY = 0.001
"""Seconds that the model takes to answer."""
MARK = 1.05


class Dropped(SpanExporter):
    """Takes spans and forgets them."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return SpanExportResult.SUCCESS


def answer_all(listening: socket.socket) -> None:
    """The model's process: a byte for a byte, after its latency."""
    while True:
        asked, _ = listening.accept()
        with asked:
            asked.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while asked.recv(1):
                sleep(LATENCY)
                asked.send(b".")


def conversation(port: int) -> ConversationGraph:
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

    graph = ConversationGraph("measured", limits=Limits(turns=TURNS + 1))
    graph.add_node(writer)
    graph.add_edge("writer", END, when=f"turn >= {TURNS}")
    graph.add_edge("writer", "writer")
    graph.set_start("writer")
    return graph


def measured(port: int) -> tuple[float, float]:
    """Milliseconds that a turn takes, by the clock and of the processor."""
    with tempfile.TemporaryDirectory() as folder:
        graph = conversation(port)
        gc.collect()
        wall, cpu = perf_counter(), process_time()
        graph.run("go", store=str(Path(folder) / "runs.db"))
        return (perf_counter() - wall) / TURNS * 1e3, (process_time() - cpu) / TURNS * 1e3


def main() -> None:
    """Measure and print."""
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    model = multiprocessing.get_context("fork").Process(target=answer_all, args=(listening,), daemon=True)
    model.start()
    tracers, meters = TracerProvider(), MeterProvider([InMemoryMetricReader()])
    tracers.add_span_processor(BatchSpanProcessor(Dropped()))
    measured(port)
    off: list[tuple[float, float]] = []
    on: list[tuple[float, float]] = []
    for _ in range(PAIRS):
        telemetry.disable()
        off.append(measured(port))
        telemetry.enable(tracer_provider=tracers, meter_provider=meters)
        on.append(measured(port))
    telemetry.disable()
    tracers.shutdown()
    model.terminate()
    ratio = median(traced[0] / plain[0] for plain, traced in zip(off, on, strict=True))
    for name, figures in (("off", off), ("on", on)):
        print(f"{name:4}{median(wall for wall, _ in figures):7.3f} ms a turn, {median(cpu for _, cpu in figures):6.3f} ms of the processor")
    best = min(wall for wall, _ in on) / min(wall for wall, _ in off)
    print(f"ratio {best:.3f} of the best runs, {ratio:.3f} in the median of pairs (at most {MARK:g})")


if __name__ == "__main__":
    main()
