"""What a search finds: chunks with their scores, joined from several lists, told as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from convgraph.knowledge.chunks import Chunk

RANK_CONSTANT = 60
"""What reciprocal rank fusion adds to each rank, so that the first places do not decide alone."""


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


def fused(*lists: Sequence[Found]) -> list[Found]:
    """The lists as one, by reciprocal rank fusion: what stands high in several comes first."""
    scores: dict[Chunk, float] = {}
    first: dict[Chunk, Found] = {}
    for found in lists:
        for rank, each in enumerate(found, start=1):
            scores[each.chunk] = scores.get(each.chunk, 0.0) + 1 / (RANK_CONSTANT + rank)
            first.setdefault(each.chunk, each)
    return [replace(first[chunk], score=scores[chunk]) for chunk in sorted(scores, key=lambda chunk: -scores[chunk])]


def as_text(found: Sequence[Found]) -> str:
    """What a model is told: each text under a number and the place where it stands."""
    if not found:
        return "Nothing was found."
    return "\n\n".join(f"[{number}] {each.chunk.place}\n{each.text}" for number, each in enumerate(found, start=1))
