"""Any model behind an OpenAI-compatible chat completions endpoint."""

from __future__ import annotations

import asyncio
import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import urlsplit

from convgraph.errors import ModelConfigError
from convgraph.models.pool import ConnectionPool, Endpoint, without_credentials
from convgraph.models.prices import Price, as_price, price_for
from convgraph.models.structured import with_data
from convgraph.models.wire import chat_body
from convgraph.protocols import ModelReply, ModelRequest

if TYPE_CHECKING:
    from convgraph.models.retry import Sleep

DEFAULT_MODEL = "gpt-5.5"
DEFAULT_URL = "https://api.openai.com/v1"

_TRANSPORT = ("extra_headers", "extra_query")
"""Parameters that travel outside the body. They may carry credentials and are no part of a model's identity."""


def default_model_name() -> str:
    """The model that is used where none is named: `CONVGRAPH_MODEL` in the environment, else `DEFAULT_MODEL`."""
    return os.environ.get("CONVGRAPH_MODEL") or DEFAULT_MODEL


class OpenAIChatModel:
    """A model behind an OpenAI-compatible endpoint: OpenAI's own, or a server's of another make by its `base_url`.

    What is not given is looked up when a request is made, not when the model is: `model` in `CONVGRAPH_MODEL`
    (else `DEFAULT_MODEL`), `api_key` in `OPENAI_API_KEY`, `base_url` in `OPENAI_BASE_URL`. `temperature` and
    `params` go into each request's body; nothing else does, for many models refuse what they do not know.
    (`extra_headers`, `extra_query` and `extra_body` mean what they mean in the openai SDK.)

    `price` is US dollars for 1,000 input and 1,000 output tokens (or a `Price`); without it, the list price of the
    model of this name holds (`convgraph.models.prices`), wherever it is served, and an unknown model has none.
    `timeout` is the longest silence in seconds. What is worth retrying is tried `max_retries` more times, never once text has
    been handed out; `sleep` is what waits in between. `stream` says whether to stream always or never; by default
    an answer is streamed when somebody listens.
    """

    def __init__(
        self,
        model: str | None = None,
        *,
        api_key: str | None = None,
        base_url: str | None = None,
        temperature: float | None = None,
        price: Sequence[float] | float | None = None,
        timeout: float = 600.0,
        max_retries: int = 2,
        stream: bool | None = None,
        sleep: Sleep = asyncio.sleep,
        **params: Any,
    ) -> None:
        self._model = _checked("model", model)
        self._api_key = _checked("api_key", api_key)
        self._base_url = _checked("base_url", base_url)
        self._price = as_price(_checked("price", price))
        self._timeout = _checked("timeout", timeout)
        self._max_retries = _checked("max_retries", max_retries)
        self._stream = _checked("stream", stream)
        self._sleep = sleep
        self._params = _json_params(params if temperature is None else {"temperature": temperature, **params})
        self._pool = ConnectionPool()

    def __repr__(self) -> str:
        return f"OpenAIChatModel({self.name!r})"

    @property
    def name(self) -> str:
        return self._model or default_model_name()

    @property
    def priced(self) -> bool:
        return price_for(self.name, self._price, self._params) is not None

    def describe(self) -> Mapping[str, Any]:
        """The model, its parameters, and where it is served if that was said: without credentials, and no other secret."""
        params = {key: value for key, value in self._params.items() if key not in _TRANSPORT}
        described: dict[str, Any] = {"type": "openai_chat", "model": self.name, "params": params}
        if self._base_url:
            described["base_url"] = without_credentials(self._base_url)
        return described

    def sends(self, request: ModelRequest) -> Mapping[str, Any]:
        """Where a request goes, and all that goes there but the key."""
        body = chat_body(request, self.name, self._params)
        return {"endpoint": self._base_url or os.environ.get("OPENAI_BASE_URL") or DEFAULT_URL, "path": "/chat/completions", "body": body}

    async def respond(self, request: ModelRequest, on_delta: Callable[[str], None] | None = None) -> ModelReply:
        """Ask the endpoint. Raises `ModelConfigError`, `ModelUnavailable` or `ModelOutputError`."""
        from convgraph.models.chat_call import ChatCall

        call = ChatCall(
            self._endpoint(),
            chat_body(request, self.name, self._params),
            self._pool,
            price=price_for(self.name, self._price, {**self._params, **request.params}),
            stream=on_delta is not None if self._stream is None else self._stream,
            on_delta=on_delta,
        )
        return with_data(await call.answer(self._max_retries, self._sleep), request)

    def _endpoint(self) -> Endpoint:
        base_url = self._base_url or _checked("base_url", os.environ.get("OPENAI_BASE_URL")) or ""
        api_key = (self._api_key or _checked("api_key", os.environ.get("OPENAI_API_KEY")) or "").strip()
        if not api_key and not base_url:
            raise ModelConfigError(
                f"there is no API key for {self.name!r}: set OPENAI_API_KEY or pass api_key=; "
                "for a server that needs none, set OPENAI_BASE_URL or pass base_url="
            )
        return Endpoint(base_url or DEFAULT_URL, api_key, self._timeout)


T = TypeVar("T")

_SETTINGS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "model": (lambda value: value is None or (isinstance(value, str) and value != ""), "a model's name"),
    "api_key": (lambda value: value is None or _is_key(value), "a str of ASCII characters, as a header can carry"),
    "base_url": (lambda value: value is None or value == "" or _is_address(value), "an address like https://host/v1"),
    "price": (lambda value: value is None or _is_price(value), "US dollars for 1,000 tokens: [input, output], or one number for both"),
    "timeout": (lambda value: _is_amount(value) and value > 0, "a number of seconds above 0"),
    "max_retries": (lambda value: isinstance(value, int) and value >= 0, "a whole number from 0"),
    "stream": (lambda value: value is None or isinstance(value, bool), "True, False or None"),
}
"""Settings come from JSON files as well as from code: what each must be, whatever its annotation says."""


def _checked(setting: str, value: T) -> T:
    fits, expected = _SETTINGS[setting]
    if not fits(value):
        shown = type(value).__name__ if setting == "api_key" else f"{value!r:.100}"
        raise ModelConfigError(f"{setting}= is {expected}, not {shown}")
    return value


def _is_key(value: Any) -> bool:
    # White space around a key is what copying and files leave; it is taken off when the key is used.
    return isinstance(value, str) and value.isascii() and (value == "" or value.strip().isprintable())


def _is_address(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    try:
        parts = urlsplit(value)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # brackets that do not match, a port that is no number
        return False


def _is_amount(value: Any) -> bool:
    return isinstance(value, int | float) and 0 <= value < math.inf


def _is_price(value: Any) -> bool:
    if isinstance(value, Price):
        return all(part is None or _is_amount(part) for part in value[:4])
    parts = cast("Sequence[Any]", value) if isinstance(value, list | tuple) else [value, value]
    return len(parts) == 2 and all(map(_is_amount, parts))


def _json_params(params: dict[str, Any]) -> dict[str, Any]:
    for key, value in params.items():
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise ModelConfigError(f"{key}= goes to the model as JSON, and {value!r:.100} cannot be that: {error}") from error
    return params
