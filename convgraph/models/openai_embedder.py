"""Embeddings from an OpenAI-compatible endpoint."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from convgraph.models.pool import ConnectionPool, endpoint_for, without_credentials
from convgraph.models.rate_limit import RateLimit
from convgraph.models.settings import checked, required
from convgraph.models.text import sound

if TYPE_CHECKING:
    from httpx2 import AsyncClient

    from convgraph.models.retry import Sleep

DEFAULT_EMBEDDING_MODEL = "text-embedding-3-small"

_DIMENSIONS = {"text-embedding-3-small": 1536, "text-embedding-3-large": 3072, "text-embedding-ada-002": 1536}

TEXTS_AT_ONCE = 128
"""How many texts go into one request; endpoints allow more, but a request that fails is sent again as a whole."""


class OpenAIEmbedder:
    """An embedding model behind an OpenAI-compatible endpoint (`/v1/embeddings`).

    `api_key` is looked up in `OPENAI_API_KEY` and `base_url` in `OPENAI_BASE_URL` where they are not given, when a request
    is made. With `dimensions`, the endpoint is asked for vectors of that many numbers; without, how many there are is known
    for OpenAI's own models, and for others once there is a vector. `timeout`, `max_retries`, `rate_limit`, `http_client`
    and `sleep` mean what they mean for `OpenAIChatModel`.
    """

    def __init__(
        self,
        model: str = DEFAULT_EMBEDDING_MODEL,
        *,
        api_key: str | None = None,
        base_url: str | None = None,
        dimensions: int | None = None,
        timeout: float = 600.0,
        max_retries: int = 2,
        rate_limit: RateLimit | None = None,
        http_client: AsyncClient | None = None,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._model = required("model", model)
        self._api_key = checked("api_key", api_key)
        self._base_url = checked("base_url", base_url)
        self._asked_dimensions = checked("dimensions", dimensions)
        self._timeout = required("timeout", timeout)
        self._max_retries = required("max_retries", max_retries)
        self._limit = checked("rate_limit", rate_limit)
        self._pool = ConnectionPool(checked("http_client", http_client))
        self._sleep = sleep
        self._dimensions: int = dimensions or _DIMENSIONS.get(model, 0)

    def __repr__(self) -> str:
        return f"OpenAIEmbedder({self.name!r})"

    @property
    def name(self) -> str:
        return f"{self._model}@{self._asked_dimensions}" if self._asked_dimensions else self._model

    @property
    def dimensions(self) -> int:
        """How many numbers a vector has; 0 while that is not known."""
        return self._dimensions

    def describe(self) -> Mapping[str, Any]:
        """The model, and where it is served if that was said, without credentials."""
        described: dict[str, Any] = {"type": "openai", "model": self._model}
        if self._asked_dimensions:
            described["dimensions"] = self._asked_dimensions
        return {**described, "base_url": without_credentials(self._base_url)} if self._base_url else described

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """A vector of length 1 for each text, in order. Raises `ModelConfigError`, `ModelUnavailable` or `ModelOutputError`."""
        from convgraph.models.embedding_request import EmbeddingRequest

        endpoint = endpoint_for(self._model, self._api_key, self._base_url, self._timeout)
        vectors: list[list[float]] = []
        for start in range(0, len(texts), TEXTS_AT_ONCE):
            some = [sound(text) for text in texts[start : start + TEXTS_AT_ONCE]]
            body: dict[str, Any] = {"model": self._model, "input": some, "encoding_format": "float"}
            if self._asked_dimensions:
                body["dimensions"] = self._asked_dimensions
            request = EmbeddingRequest(endpoint, body, self._pool, self._limit)
            vectors += await request.vectors(self._max_retries, self._sleep)
        if vectors:
            self._dimensions = len(vectors[0])
        return vectors
