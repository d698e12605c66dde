"""One request for embeddings on its way: sent through the openai SDK, tried again where that is worth it, checked when it comes.

Importing this module loads the SDK; `openai_embedder` does so with its first request.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from openai import OpenAIError

from convgraph.errors import ModelOutputError
from convgraph.models.call import BYTES_PER_TOKEN
from convgraph.models.pool import ConnectionPool, Endpoint
from convgraph.models.rate_limit import RateLimit
from convgraph.models.retry import Sleep, as_model_error, retried
from convgraph.models.sdk_client import sdk_client


@dataclass(frozen=True, slots=True)
class EmbeddingRequest:
    """A request to `endpoint` with the JSON `body`."""

    endpoint: Endpoint
    body: Mapping[str, Any]
    pool: ConnectionPool
    limit: RateLimit | None

    async def vectors(self, max_retries: int, sleep: Sleep) -> list[list[float]]:
        """A vector of length 1 for each text. Raises `ModelError`."""
        try:
            return await retried(self._attempt, max_retries=max_retries, sleep=sleep, still_allowed=lambda: True)
        except OpenAIError as error:
            raise as_model_error(error, self._model, self.endpoint.shown_url, self.endpoint.secrets) from error

    @property
    def _model(self) -> str:
        return str(self.body["model"])

    async def _attempt(self) -> list[list[float]]:
        if self.limit is not None:
            await self.limit.admit(len(json.dumps(self.body)) // BYTES_PER_TOKEN)
        client = await sdk_client(self.endpoint, self.pool)
        try:
            answer: Any = await client.post("/embeddings", cast_to=object, body=dict(self.body))
            return _vectors(answer, len(self.body["input"]))
        except (KeyError, TypeError, ValueError) as error:
            raise ModelOutputError(f"{self._model!r} answered with something that is not embeddings: {error!r}") from error


def _vectors(answer: Any, count: int) -> list[list[float]]:
    """The vectors that an answer holds, in the order of the texts. Raises `ValueError` and its like where it holds none."""
    found = sorted(cast("Sequence[Mapping[str, Any]]", answer["data"]), key=lambda one: one["index"])
    if [one["index"] for one in found] != list(range(count)):
        raise ValueError(f"there are {len(found)} vectors for {count} texts")
    vectors = [_normalised(one["embedding"]) for one in found]
    if len({len(vector) for vector in vectors}) > 1:
        raise ValueError("its vectors are not of one length")
    return vectors


def _normalised(vector: Sequence[float]) -> list[float]:
    length = math.hypot(*vector)
    if not 0 < length < math.inf:
        raise ValueError(f"a vector of length {length}")
    return [number / length for number in vector]
