"""A model whose answers are kept in a cache, and given again to the same request.

What is the same request is decided by everything that would be sent, and by where it would go. A kept answer costs
nothing, so the reply's `usage` is nothing, and its `saved` says what the answer had cost when it was really given.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

from convgraph.errors import ModelConfigError
from convgraph.messages import NO_USAGE, ToolCall, Usage
from convgraph.models.cache import Cache
from convgraph.models.fallback import FallbackModel
from convgraph.models.sent import cacheable, sent_by
from convgraph.protocols import Model, ModelReply, ModelRequest
from convgraph.runtime.distributions import distribution_document, recorded_distribution


class CachedModel:
    """`model`, with its answers kept in `cache`. Errors are not kept, nor are answers that do not fit their schema.

    An answer from the cache is handed to a listener in one piece. Two equal requests at the same time are both sent.
    Raises `ModelConfigError` for a model that cannot say what it sends (see `Cacheable`).
    """

    def __init__(self, model: Model, cache: Cache) -> None:
        cacheable(model)
        self.model = model
        self.cache = cache

    def __repr__(self) -> str:
        return f"CachedModel({self.model!r}, {self.cache!r})"

    @property
    def name(self) -> str:
        return self.model.name

    @property
    def priced(self) -> bool:
        return self.model.priced

    def describe(self) -> Mapping[str, Any]:
        """The model, and that its answers may come from a cache."""
        return {"type": "cached", "model": self.model.describe(), "cache": self.cache.describe()}

    def sends(self, request: ModelRequest) -> Mapping[str, Any]:
        """What the model sends."""
        return sent_by(self.model, request)

    async def respond(self, request: ModelRequest, on_delta: Callable[[str], None] | None = None) -> ModelReply:
        """The kept answer, else the model's. Raises what the model raises, and `StoreError` where the cache fails."""
        key = _key({"sent": self.sends(request), "checked": request.checked})
        kept = await self.cache.aget(key)
        if kept is None:
            reply = await self.model.respond(request, on_delta)
            await self.cache.aset(key, _document(reply))
            return reply
        reply = _reply(kept)
        if on_delta is not None and reply.content:
            on_delta(reply.content)
        return reply


def with_cache(model: Model, cache: Cache) -> Model:
    """The model with its answers kept in `cache`, in the place of any cache that it has. Of several models, each is."""
    if isinstance(model, FallbackModel):
        return FallbackModel([with_cache(each, cache) for each in model.models])
    return CachedModel(model.model if isinstance(model, CachedModel) else model, cache)


def _key(asked: Mapping[str, Any]) -> str:
    try:
        text = json.dumps(asked, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ModelConfigError(f"a request that is no JSON cannot be found in a cache again: {error}") from error
    return hashlib.sha256(text.encode()).hexdigest()


def _document(reply: ModelReply) -> dict[str, Any]:
    # What was paid for it; a cache below this one may have had it for nothing.
    cost = reply.saved if any(reply.saved) else reply.usage
    return {
        "content": reply.content,
        "tool_calls": [[call.id, call.name, call.arguments] for call in reply.tool_calls],
        "model": reply.model,
        "finish_reason": reply.finish_reason,
        "data": reply.data,
        "usage": list(cost),
        "response_id": reply.response_id,
        "items": list(reply.items),
        **({"distribution": distribution_document(reply.distribution)} if reply.distribution is not None else {}),
    }


def _reply(document: Mapping[str, Any]) -> ModelReply:
    return ModelReply(
        content=document["content"],
        tool_calls=tuple(ToolCall(*call) for call in document["tool_calls"]),
        usage=NO_USAGE,
        model=document["model"],
        finish_reason=document["finish_reason"],
        data=document["data"],
        saved=Usage(*document["usage"]),
        distribution=recorded_distribution(document),
        response_id=document.get("response_id", ""),
        items=tuple(document.get("items", ())),
    )
