"""A model that chooses by nearness of meaning: no tokens, no network, the same whenever it is asked."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from convgraph.errors import ModelConfigError, ModelOutputError
from convgraph.models.choosing import checked_confidence, choices_of, settled
from convgraph.models.text import sound
from convgraph.protocols import Choices, Distribution, Embedder, ModelReply, ModelRequest

Vector: TypeAlias = Sequence[float]

REMEMBERED = 64
"""For how many sets of choices the vectors are kept: their descriptions are the same in each round."""


class SimilarityModel:
    """Chooses what is nearest in meaning to what was said last: a `selector_model=` that costs nothing and never leaves the machine.

    The last `messages` texts, and each choice's name with its description, become vectors by `embedder`. How probable a
    choice is, is the softmax of the cosines at `temperature`: the lower, the more a small lead counts. Where the best has
    less than `unsure_below`, nothing is chosen: the next model of a `FallbackModel` is asked, or the graph's fallback is taken.

    Describe each choice by what people say who need it, and leave the end of a conversation to guards: hardly anything
    that is said is near to "the end". Raises `ModelConfigError` for settings that cannot be meant.
    """

    priced = True

    def __init__(self, embedder: Embedder, *, temperature: float = 0.1, unsure_below: float = 0.0, messages: int = 1) -> None:
        if not isinstance(embedder, Embedder):  # pyright: ignore[reportUnnecessaryIsInstance]  # not everybody has a type checker
            raise ModelConfigError(f"SimilarityModel takes an embedder, such as LocalEmbedder(), not {embedder!r:.100}")
        if isinstance(temperature, bool) or not isinstance(temperature, int | float) or not 0 < temperature < math.inf:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ModelConfigError(f"temperature= is a number above 0, not {temperature!r:.100}")
        if type(messages) is not int or messages < 1:
            raise ModelConfigError(f"messages= is how many of the last texts are looked at, from 1, not {messages!r:.100}")
        self._embedder = embedder
        self._temperature = temperature
        self._unsure_below = checked_confidence(unsure_below)
        self._messages = messages
        self._known: dict[tuple[str, ...], Sequence[Vector]] = {}

    def __repr__(self) -> str:
        return f"SimilarityModel({self._embedder!r})"

    @property
    def name(self) -> str:
        return self._embedder.name

    def describe(self) -> Mapping[str, Any]:
        """The embedder, and how its vectors become a choice."""
        return {
            "type": "similarity",
            "embedder": dict(self._embedder.describe()),
            "temperature": self._temperature,
            "unsure_below": self._unsure_below,
            "messages": self._messages,
        }

    def sends(self, request: ModelRequest) -> Mapping[str, Any]:
        """What is compared with what."""
        choices = choices_of(request, self.name)
        return {"similarity": self.describe(), "said": self._said(choices), "choices": dict(choices.described)}

    async def respond(self, request: ModelRequest, on_delta: Callable[[str], None] | None = None) -> ModelReply:
        """Choose. Raises `ModelOutputError` where it is not sure enough, and what the embedder raises."""
        choices = choices_of(request, self.name)
        about, known = await self._vectors(self._said(choices), tuple(sound(f"{name}: {said}") for name, said in choices.described.items()))
        cosines = [sum(map(operator.mul, about, vector)) for vector in known]
        weights = dict(zip(choices.described, _softmax(cosines, self._temperature), strict=True))
        picked = max(weights, key=weights.__getitem__)
        distribution = Distribution({name: round(weight, 6) for name, weight in weights.items()}, "similarity")
        asked = ModelReply(model=self.name)
        reply = settled(asked, picked, distribution, confidence=weights[picked], unsure_below=self._unsure_below)
        if on_delta is not None:
            on_delta(reply.content)
        return reply

    def _said(self, choices: Choices) -> str:
        texts = [message.text for message in choices.messages if message.text.strip()]
        if not texts:
            raise ModelOutputError(f"{self.name!r} has nothing to choose by: no message has a text", ModelReply(model=self.name))
        return sound("\n".join(texts[-self._messages :]))

    async def _vectors(self, said: str, described: tuple[str, ...]) -> tuple[Vector, Sequence[Vector]]:
        """The vector of what was said, and those of the choices, which are made once."""
        known = self._known.get(described)
        asked = [said] if known is not None else [said, *described]
        about, *made = self._checked(await self._embedder.embed(asked), len(asked))
        if known is not None:
            return about, known
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        self._known[described] = made
        return about, made

    def _checked(self, vectors: Sequence[Vector], wanted: int) -> Sequence[Vector]:
        lengths = {len(vector) for vector in vectors}
        if len(vectors) != wanted or len(lengths) != 1 or not all(math.isfinite(number) for vector in vectors for number in vector):
            raise ModelOutputError(
                f"the embedder {self.name!r} was to give {wanted} vectors of numbers, all of one length; it gave {len(vectors)}, "
                f"of the lengths {sorted(lengths)}"
            )
        return vectors


def _softmax(scores: Sequence[float], temperature: float) -> list[float]:
    best = max(scores)
    weights = [math.exp((score - best) / temperature) for score in scores]
    return [weight / sum(weights) for weight in weights]
