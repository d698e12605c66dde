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
        found |= _server(place)
    return found


def _server(place: str) -> dict[str, Any]:
    """Host and port of an address; nothing for one that is none, which whoever asks the model will say."""
    try:
        url = urlsplit(place)
        port = url.port
    except ValueError:
        return {}
    return {c.SERVER_ADDRESS: url.hostname, c.SERVER_PORT: port or (443 if url.scheme == "https" else 80)} if url.hostname else {}


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
