"""Several models as one: the next is asked when one fails."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from convgraph.errors import ModelConfigError, ModelError, ModelUnavailable, ResponseForgotten
from convgraph.messages import NO_USAGE, Usage
from convgraph.models.sent import sent_by
from convgraph.plain_data import replaced
from convgraph.protocols import Model, ModelReply, ModelRequest

logger = logging.getLogger(__name__)


class FallbackModel:
    """Asks `models` in order until one answers; the reply's `model` says which did.

    Any `ModelError` leads to the next one, after that model's own retries. Text that a failed model has already
    streamed is superseded by the answer of the next, as is what it cost: its usage is added to the reply's.
    """

    def __init__(self, models: Sequence[Model]) -> None:
        self.models = tuple(models)
        if not self.models:
            raise ModelConfigError("a FallbackModel needs at least one model")

    def __repr__(self) -> str:
        return f"FallbackModel({list(self.models)!r})"

    @property
    def name(self) -> str:
        return self.models[0].name

    @property
    def priced(self) -> bool:
        return all(model.priced for model in self.models)

    def describe(self) -> Mapping[str, Any]:
        """The models in their order."""
        return {"type": "fallback", "models": [model.describe() for model in self.models]}

    def sends(self, request: ModelRequest) -> Mapping[str, Any]:
        """What each of the models sends, for any of them may be the one that answers."""
        return {"fallback": [sent_by(model, request) for model in self.models]}

    async def respond(self, request: ModelRequest, on_delta: Callable[[str], None] | None = None) -> ModelReply:
        """The first answer. When every model fails, raises an error that says why each did."""
        failures: list[ModelError] = []
        spent = NO_USAGE
        for model in self.models:
            try:
                reply = await model.respond(request, on_delta)
            except ResponseForgotten as error:  # the asker is to tell all of them the whole conversation
                error.reply = ModelReply(usage=spent) if any(spent) else None
                raise
            except ModelError as error:
                logger.warning("model %r failed, falling back: %s", model.name, error)
                failures.append(error)
                spent += error.reply.usage if error.reply is not None else NO_USAGE
            else:
                return replaced(reply, usage=reply.usage + spent) if failures else reply
        raise self._all_failed(failures, spent) from failures[-1]

    def _all_failed(self, failures: list[ModelError], spent: Usage) -> ModelError:
        if len(failures) == 1:
            return failures[0]
        reasons = "\n".join(f"  {model.name}: {error}" for model, error in zip(self.models, failures, strict=True))
        kinds = {type(error) for error in failures}
        kind = kinds.pop() if len(kinds) == 1 else ModelUnavailable
        error = kind(f"all {len(failures)} models failed:\n{reasons}")
        said = [failure.reply for failure in failures if failure.reply is not None]
        error.reply = replaced(said[-1], usage=spent) if said else None
        return error
