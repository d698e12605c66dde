"""A promise of quality, measured on the benchmark's labelled questions: meaning finds what words miss, and both is safe."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from benchmarks.retrieval import KINDS, Quality, filled, labelled, quality, report
from convgraph import LocalEmbedder
from convgraph.knowledge.collection import By

Measured = dict[tuple[str, By], Quality]


class AllAtOnce:
    """The local embedder, asked once for everything, which takes a fraction of the time."""

    def __init__(self, texts: Sequence[str]) -> None:
        local = LocalEmbedder()
        self.name, self.dimensions = local.name, local.dimensions
        self._vectors = dict(zip(texts, asyncio.run(local.embed(texts)), strict=True))

    def describe(self) -> Mapping[str, Any]:
        return {}

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        return [self._vectors[text] for text in texts]


@pytest.fixture(scope="module")
def measured() -> Measured:
    cases = labelled()
    collection = filled(AllAtOnce([text for case in cases for text in (case.passage, case.question)]), cases)
    ways: tuple[By, ...] = ("words", "meaning", "both")
    return {(kind, by): quality(collection, cases, by, kind) for kind in KINDS for by in ways}


def test_questions_in_other_words_are_answered_by_meaning_and_not_by_words(measured: Measured) -> None:
    meaning, words = measured["paraphrased", "meaning"], measured["paraphrased", "words"]

    assert meaning.recall_1 >= 0.85
    assert meaning.recall_5 >= 0.95
    assert words.recall_5 < meaning.recall_5 / 2


def test_questions_that_name_a_thing_are_answered_by_words(measured: Measured) -> None:
    assert measured["named", "words"].recall_1 >= 0.85
    assert measured["named", "words"].recall_5 == 1.0


def test_both_is_never_far_from_the_better_of_the_two(measured: Measured) -> None:
    assert measured["named", "both"].mrr >= max(measured["named", by].mrr for by in ("words", "meaning"))
    assert measured["paraphrased", "both"].recall_5 >= measured["paraphrased", "meaning"].recall_5 - 0.02
    assert measured["paraphrased", "both"].mrr >= measured["paraphrased", "meaning"].mrr - 0.1


def test_the_questions_are_enough_and_each_has_a_passage_of_its_own() -> None:
    cases = labelled()

    assert sum(case.kind == "paraphrased" for case in cases) >= 60
    assert len({case.passage for case in cases}) == len({case.question for case in cases}) == len(cases)


def test_the_table_has_a_line_for_each_kind_and_way() -> None:
    text = report([case for kind in KINDS for case in [each for each in labelled() if each.kind == kind][:3]])

    assert text.count("paraphrased") == text.count("named") == 3
    assert "recall@5" in text
