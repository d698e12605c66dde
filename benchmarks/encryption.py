"""What it costs to encrypt a store: a conversation in a file, with keys and without, measured in turn in one process.

`python -m benchmarks.encryption` prints the time of a step, what a resume reads a step back in, and the room that it takes.
"""

from __future__ import annotations

import gc
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter

from convgraph import END, Context, ConversationGraph, Keyring, Limits, open_store
from convgraph.sync import run_sync

TURNS = 500
PAIRS = 11
WORDS = "a sentence of some length, as agents write them. " * 4


def conversation() -> ConversationGraph:
    """One node that says a few sentences in each of its turns."""

    async def writer(ctx: Context) -> str:
        return WORDS

    graph = ConversationGraph("measured", limits=Limits(turns=TURNS + 1))
    graph.add_node(writer)
    graph.add_edge("writer", END, when=f"turn >= {TURNS}")
    graph.add_edge("writer", "writer")
    graph.set_start("writer")
    return graph


def measured(keys: Keyring | None) -> tuple[float, float, float]:
    """Microseconds that a step takes, and that reading one takes; bytes of the file for a step."""
    gc.collect()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "runs.db"
        graph = conversation()
        with open_store(path, keys=keys, synchronous="NORMAL") as store:
            began = perf_counter()
            graph.run("go", store=store, run_id="r")
            wrote = perf_counter()
            run_sync(store.load("r", steps_only=True))
            read = perf_counter()
        room = sum(file.stat().st_size for file in Path(folder).iterdir())
    return (wrote - began) / TURNS * 1e6, (read - wrote) / TURNS * 1e6, room / TURNS


def main() -> None:
    """Measure, and print the medians and their ratios."""
    ring = Keyring.new("measured")
    for keys in (None, ring):
        measured(keys)
    plain, sealed = zip(*((measured(None), measured(ring)) for _ in range(PAIRS)), strict=True)
    for name, number in (("a step, µs", 0), ("reading a step, µs", 1), ("room of a step, bytes", 2)):
        without, with_keys = median(each[number] for each in plain), median(each[number] for each in sealed)
        print(f"{name:24} plain {without:8.1f}  encrypted {with_keys:8.1f}  ratio {with_keys / without:.2f}")


if __name__ == "__main__":
    main()
