"""How well a collection finds the passage that answers a question: by words, by meaning, by both.

All passages are in one collection. Some questions are put in other words than the passage, others name a thing as it does.

python -m benchmarks.retrieval
"""

from __future__ import annotations

import asyncio
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import cast

import yaml

from convgraph.knowledge.chunks import Chunk
from convgraph.knowledge.collection import By, Collection
from convgraph.models.local_embedder import LocalEmbedder
from convgraph.protocols import Embedder
from convgraph.wording import table

QUESTIONS = Path(__file__).with_name("retrieval_questions.yaml")
WAYS: tuple[tuple[str, By], ...] = (("words (BM25)", "words"), ("meaning", "meaning"), ("both (rank fusion)", "both"))
KINDS = ("paraphrased", "named")
DEPTH = 20
"""How many passages are looked at: the right one further down counts as not found."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """A passage, the question that it answers, and what kind of question that is: "paraphrased" or "named"."""

    kind: str
    passage: str
    question: str


@dataclass(frozen=True, slots=True)
class Quality:
    """How often the right passage came first and among the first five, its mean reciprocal rank, and seconds per query."""

    recall_1: float
    recall_5: float
    mrr: float
    seconds: float


def labelled() -> list[Labelled]:
    """The passages with their questions."""
    kinds: dict[str, dict[str, list[dict[str, str]]]] = yaml.safe_load(QUESTIONS.read_text(encoding="utf-8"))
    return [Labelled(kind, one["passage"], one["question"]) for kind, topics in kinds.items() for ones in topics.values() for one in ones]


def filled(embedder: Embedder, cases: Sequence[Labelled]) -> Collection:
    """A collection with the passages, each under its number."""
    collection = Collection(embedder=embedder)
    collection.add(Chunk(str(number), case.passage) for number, case in enumerate(cases))
    return collection


def quality(collection: Collection, cases: Sequence[Labelled], by: By, kind: str) -> Quality:
    """Ask the questions of a kind, one after another."""
    ranks, seconds = zip(*asyncio.run(_asked(collection, cases, by, kind)), strict=True)
    found = cast("tuple[int | None, ...]", ranks)
    return Quality(
        sum(rank == 1 for rank in found) / len(found),
        sum(rank is not None and rank <= 5 for rank in found) / len(found),
        sum(1 / rank for rank in found if rank) / len(found),
        median(seconds),
    )


async def _asked(collection: Collection, cases: Sequence[Labelled], by: By, kind: str) -> list[tuple[int | None, float]]:
    asked: list[tuple[int | None, float]] = []
    for number, case in enumerate(cases):
        if case.kind != kind:
            continue
        began = time.perf_counter()
        found = await collection.asearch(case.question, DEPTH, by=by)
        took = time.perf_counter() - began
        asked.append((next((rank for rank, each in enumerate(found, start=1) if each.source == str(number)), None), took))
    return asked


def report(cases: Sequence[Labelled]) -> str:
    """Everything measured, as text."""
    embedder = LocalEmbedder()
    began = time.perf_counter()
    asyncio.run(embedder.embed(["The first text has the weights read."]))
    read = time.perf_counter() - began
    began = time.perf_counter()
    collection = filled(embedder, cases)
    each = (time.perf_counter() - began) / len(cases)
    rows = [_row(kind, way, quality(collection, cases, by, kind)) for kind in KINDS for way, by in WAYS]
    return "\n".join(
        [
            f"Retrieval: {len(cases)} passages with a question each, {embedder.name}",
            "",
            table(["questions", "search by", "recall@1", "recall@5", "MRR", "ms a query"], rows),
            "",
            f"{each * 1000:.1f} ms to embed and store a passage of two sentences; {read:.1f} s to read the model, once.",
            f"{platform.python_implementation()} {platform.python_version()}, one query at a time.",
        ]
    )


def _row(kind: str, way: str, measured: Quality) -> list[str]:
    shares = (measured.recall_1, measured.recall_5, measured.mrr)
    return [kind, way, *(f"{share:.2f}" for share in shares), f"{measured.seconds * 1000:.1f}"]


if __name__ == "__main__":
    print(report(labelled()))
