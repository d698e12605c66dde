"""What a model would send: by this, equal requests are told from different ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from convgraph.errors import ModelConfigError
from convgraph.protocols import Model, ModelRequest


@runtime_checkable
class Cacheable(Protocol):
    """A model that can say what it would send: what a cache needs of it, beyond the methods of `Model`."""

    def sends(self, request: ModelRequest) -> Mapping[str, Any]:
        """All that the answer depends on, as JSON: the endpoint's address and the request's body, but no key."""
        ...


def sent_by(model: Model, request: ModelRequest) -> Mapping[str, Any]:
    """What `model` sends for `request`. Raises `ModelConfigError` where it cannot say."""
    return cacheable(model).sends(request)


def cacheable(model: Model) -> Cacheable:
    """The model, if it can say what it sends. Raises `ModelConfigError` if it cannot."""
    if isinstance(model, Cacheable):
        return model
    raise ModelConfigError(
        f"answers of {model!r} cannot be cached: a model of one's own needs a method sends(request), which returns as JSON "
        "all that its answer depends on"
    )
