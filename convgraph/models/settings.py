"""What a model's settings may be: they come from JSON files as well as from code, so annotations alone hold nothing back."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

from convgraph.errors import ModelConfigError
from convgraph.models.prices import Price
from convgraph.models.rate_limit import RateLimit

T = TypeVar("T")


def checked(setting: str, value: T) -> T:
    """The value, if `setting` can have it. Raises `ModelConfigError`, without the value of what may be a secret."""
    fits, expected = _SETTINGS[setting]
    if value is None or fits(value):
        return value
    shown = type(value).__name__ if setting in _SECRET else f"{value!r:.100}"
    raise ModelConfigError(f"{setting}= is {expected}, not {shown}")


def required(setting: str, value: T) -> T:
    """The same for a setting that cannot be None."""
    if value is None:
        raise ModelConfigError(f"{setting}= is {_SETTINGS[setting][1]}, not None")
    return checked(setting, value)


def json_params(params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a request. Raises `ModelConfigError` for one that is no JSON."""
    for key, value in params.items():
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise ModelConfigError(f"{key}= goes to the model as JSON, and {value!r:.100} cannot be that: {error}") from error
    return dict(params)


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _is_key(value: Any) -> bool:
    # White space around a key is what copying and files leave; it is taken off when the key is used.
    return isinstance(value, str) and value.isascii() and (value == "" or value.strip().isprintable())


def _is_address(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    try:
        parts = urlsplit(value)
        return value == "" or (parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0)
    except ValueError:  # brackets that do not match, a port that is no number
        return False


def _is_amount(value: Any) -> bool:
    return isinstance(value, int | float) and 0 <= value < math.inf


def _is_price(value: Any) -> bool:
    if isinstance(value, Price):
        return all(part is None or _is_amount(part) for part in value[:4])
    parts = cast("Sequence[Any]", value) if isinstance(value, list | tuple) else [value, value]
    return len(parts) == 2 and all(map(_is_amount, parts))


def _are_headers(value: Any) -> bool:
    if not isinstance(value, Mapping):
        return False
    pairs = cast("Mapping[Any, Any]", value)
    return all(isinstance(name, str) and name.isascii() and _is_key(text) for name, text in pairs.items())


def _is_http_client(value: Any) -> bool:
    return callable(getattr(value, "send", None)) and callable(getattr(value, "aclose", None)) and not isinstance(value, type)


_SECRET = ("api_key", "azure_ad_token", "default_headers", "extra_headers")

_SETTINGS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "model": (_is_name, "a model's name"),
    "api_key": (_is_key, "a str of ASCII characters, as a header can carry"),
    "base_url": (_is_address, "an address like https://host/v1"),
    "price": (_is_price, "US dollars for 1,000 tokens: [input, output], or one number for both"),
    "timeout": (lambda value: _is_amount(value) and value > 0, "a number of seconds above 0"),
    "max_retries": (lambda value: isinstance(value, int) and value >= 0, "a whole number from 0"),
    "dimensions": (lambda value: isinstance(value, int) and value > 0, "a whole number from 1"),
    "stream": (lambda value: isinstance(value, bool), "True, False or None"),
    "rate_limit": (lambda value: isinstance(value, RateLimit), "a RateLimit"),
    "organization": (_is_key, "an organization's id"),
    "default_headers": (_are_headers, "a mapping of headers' names to texts"),
    "extra_headers": (_are_headers, "a mapping of headers' names to texts"),
    "http_client": (_is_http_client, "an httpx2.AsyncClient, which is what the openai package uses"),
    "azure_endpoint": (_is_address, "an address like https://name.openai.azure.com"),
    "azure_deployment": (_is_name, "a deployment's name"),
    "api_version": (_is_name, "a version of Azure's interface, such as '2024-10-21'"),
    "azure_ad_token": (_is_key, "a token"),
    "azure_ad_token_provider": (callable, "a function, async or not, that returns a token"),
}
