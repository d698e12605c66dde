"""What a search finds: chunks with their scores, joined from several lists, told as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from convgraph.knowledge.chunks import Chunk

RANK_CONSTANT = 2
"""What fusion adds to each rank. Not the usual 60, which is for lists of a thousand: in lists of twenty it would make all ranks
nearly equal, and whatever stands anywhere in both would come before what is first in one."""

WORDS_WEIGH = 0.5
"""How much a rank among the words counts beside one among the meanings: a word may be shared by chance.
Both numbers were chosen by `python -m benchmarks.retrieval`."""


@dataclass(frozen=True, slots=True)
class Found:
    """A chunk that was found, and its `score` among those found with it (higher is better); `distance` where it was found by meaning."""

    chunk: Chunk
    score: float
    distance: float | None = None

    @property
    def text(self) -> str:
        """The chunk's text."""
        return self.chunk.text

    @property
    def source(self) -> str:
        """What the chunk's document is known by."""
        return self.chunk.source

    def to_json(self) -> dict[str, Any]:
        """As plain JSON, which an effect can record."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Found:
        """What `to_json` gave."""
        return cls(Chunk(**value["chunk"]), value["score"], value["distance"])


def fused(by_meaning: Sequence[Found], by_words: Sequence[Found]) -> list[Found]:
    """The two lists as one, by reciprocal rank fusion: what stands high in one or both of them comes first."""
    scores: dict[Chunk, float] = {}
    first: dict[Chunk, Found] = {}
    for found, weight in ((by_meaning, 1.0), (by_words, WORDS_WEIGH)):
        for rank, each in enumerate(found, start=1):
            scores[each.chunk] = scores.get(each.chunk, 0.0) + weight / (RANK_CONSTANT + rank)
            first.setdefault(each.chunk, each)
    return [replace(first[chunk], score=score) for chunk, score in sorted(scores.items(), key=lambda pair: -pair[1])]


def as_text(found: Sequence[Found]) -> str:
    """What a model is told: each text under a number and the place where it stands.

    Its lines are quoted, so that no text can pass for a source of its own, or for the end of what was found.
    """
    if not found:
        return "Nothing was found."
    return "\n\n".join(f"[{number}] {each.chunk.place}\n{_quoted(each.text)}" for number, each in enumerate(found, start=1))


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in text.splitlines())
