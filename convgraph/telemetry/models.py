"""What spans and metrics say of a model: who serves it, under which name, with which parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from convgraph.protocols import Model
from convgraph.telemetry import conventions as c


def identity(model: Model) -> dict[str, Any]:
    """The attributes of every call of this model, in spans and metrics alike."""
    described = _innermost(model.describe())
    found: dict[str, Any] = {c.OPERATION: "chat", c.PROVIDER: _provider(described), c.REQUEST_MODEL: model.name}
    place = described.get("azure_endpoint") or described.get("base_url")
    if isinstance(place, str):
        url = urlsplit(place)
        found[c.SERVER_ADDRESS] = url.hostname or ""
        found[c.SERVER_PORT] = url.port or (443 if url.scheme == "https" else 80)
    return found


def own_parameters(model: Model) -> dict[str, Any]:
    """The attributes of what is set on the model."""
    params = _innermost(model.describe()).get("params")
    return parameters(params) if isinstance(params, Mapping) else {}  # pyright: ignore[reportUnknownArgumentType]


def parameters(given: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes of what is set, on a model or for a request."""
    found = {attribute: given[name] for name, attribute in c.PARAMETERS.items() if _can_be_told(given.get(name))}
    stop = c.PARAMETERS["stop"]
    if isinstance(found.get(stop), str):
        found[stop] = [found[stop]]
    return found


def _innermost(described: Mapping[str, Any]) -> Mapping[str, Any]:
    """The model behind a cache or a wrapper."""
    inner: Any = described.get("model")
    return _innermost(inner) if isinstance(inner, Mapping) else described  # pyright: ignore[reportUnknownArgumentType]


def _provider(described: Mapping[str, Any]) -> str:
    """The conventions' name of who serves it; for what they do not know, the kind of model."""
    if "azure_endpoint" in described:
        return "azure.ai.openai"
    kind = str(described.get("type", "unknown"))
    return "openai" if kind.startswith("openai") else kind


def _can_be_told(value: Any) -> bool:
    return isinstance(value, str | int | float) or (isinstance(value, list | tuple) and all(isinstance(item, str) for item in value))  # pyright: ignore[reportUnknownVariableType]
