"""What models that choose rather than write have in common: they need choices, and choose none of them when they are not sure."""

from __future__ import annotations

from convgraph.errors import ModelConfigError, ModelOutputError
from convgraph.plain_data import replaced
from convgraph.protocols import Choices, Distribution, ModelReply, ModelRequest


def choices_of(request: ModelRequest, model: str) -> Choices:
    """The request's choices. Raises `ModelConfigError` where there are none: somebody wants the model to write."""
    if request.choices is None:
        raise ModelConfigError(
            f"{model!r} chooses among what it is given, and cannot write for {request.speaker or 'somebody'!r}: "
            "it can be a graph's selector_model=, and nothing else"
        )
    return request.choices


def settled(reply: ModelReply, picked: str, distribution: Distribution, *, confidence: float, unsure_below: float) -> ModelReply:
    """The reply with the choice as its content. Raises `ModelOutputError`, with the distribution on it, below the wanted confidence."""
    if confidence < unsure_below:
        unsure = replaced(reply, content="", finish_reason="unsure", distribution=distribution)
        raise ModelOutputError(f"{reply.model!r} is not sure enough (unsure_below={unsure_below}): {distribution}", unsure)
    return replaced(reply, content=picked, distribution=distribution)


def checked_confidence(value: float) -> float:
    """The confidence below which nothing is chosen. Raises `ModelConfigError` for what is none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ModelConfigError(f"unsure_below= is a probability from 0 to 1, not {value!r:.100}")
    return value
