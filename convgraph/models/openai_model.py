"""Any model behind an OpenAI-compatible endpoint, whatever the interface: its settings, and how a request comes to it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from convgraph.errors import ModelConfigError
from convgraph.models.dialect import Dialect
from convgraph.models.pool import DEFAULT_URL, Azure, ConnectionPool, Endpoint, endpoint_for, without_credentials
from convgraph.models.prices import as_price, price_for
from convgraph.models.rate_limit import RateLimit
from convgraph.models.settings import checked, json_params, required
from convgraph.models.structured import with_data
from convgraph.models.token_distribution import with_token_distribution
from convgraph.protocols import ModelReply, ModelRequest

if TYPE_CHECKING:
    from httpx2 import AsyncClient

    from convgraph.models.retry import Sleep

DEFAULT_MODEL = "gpt-5.5"

_TRANSPORT = ("extra_headers", "extra_query")
"""Parameters that travel outside the body. They may carry credentials and are no part of a model's identity."""


def default_model_name() -> str:
    """The model that is used where none is named: `CONVGRAPH_MODEL` in the environment, else `DEFAULT_MODEL`."""
    return os.environ.get("CONVGRAPH_MODEL") or DEFAULT_MODEL


class OpenAIModel:
    """A model behind an OpenAI-compatible endpoint: OpenAI's own, Azure's, or a server's of another make by its `base_url`.

    What is not given is looked up when a request is made, not when the model is: `model` in `CONVGRAPH_MODEL`
    (else `DEFAULT_MODEL`), `api_key` in `OPENAI_API_KEY`, `base_url` in `OPENAI_BASE_URL`. `temperature` and
    `params` go into each request's body; nothing else does, for many models refuse what they do not know. Who asks for the
    tokens' probabilities (`logprobs=True, top_logprobs=20`) has a selecting model's choices weighed by them.
    (`extra_headers`, `extra_query` and `extra_body` mean what they mean in the openai SDK; `default_headers` are
    headers too, and `organization` is one.)

    With an `azure_endpoint`, the model is Azure's: then `azure_deployment` (else `model`) names it, `api_version` is
    needed (else `OPENAI_API_VERSION`), and the key is looked up in `AZURE_OPENAI_API_KEY`, or an `azure_ad_token` or an
    `azure_ad_token_provider` takes its place.

    `price` is US dollars for 1,000 input and 1,000 output tokens (or a `Price`); without it, the list price of the
    model of this name holds (`convgraph.models.prices`), wherever it is served, and an unknown model has none.
    `timeout` is the longest silence in seconds. What is worth retrying is tried `max_retries` more times, never once
    text has been handed out; `sleep` is what waits in between. A `rate_limit` holds for each try, and for all models
    that share it. `stream` says whether to stream always or never; by default an answer is streamed when somebody
    listens. An `http_client` of one's own (an `httpx2.AsyncClient`) is used as it is, in one event loop, and not closed.
    """

    dialect: ClassVar[Dialect]

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
        rate_limit: RateLimit | None = None,
        stream: bool | None = None,
        organization: str | None = None,
        default_headers: Mapping[str, str] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        http_client: AsyncClient | None = None,
        azure_endpoint: str | None = None,
        azure_deployment: str | None = None,
        api_version: str | None = None,
        azure_ad_token: str | None = None,
        azure_ad_token_provider: Callable[[], str | Awaitable[str]] | None = None,
        sleep: Sleep = asyncio.sleep,
        **params: Any,
    ) -> None:
        self._model = checked("model", model)
        self._api_key = checked("api_key", api_key)
        self._base_url = checked("base_url", base_url)
        self._price = as_price(checked("price", price))
        self._timeout = required("timeout", timeout)
        self._max_retries = required("max_retries", max_retries)
        self._limit = checked("rate_limit", rate_limit)
        self._stream = checked("stream", stream)
        self._sleep = sleep
        self._azure = Azure(
            checked("azure_endpoint", azure_endpoint) or "",
            checked("azure_deployment", azure_deployment),
            checked("api_version", api_version),
            checked("azure_ad_token", azure_ad_token),
            checked("azure_ad_token_provider", azure_ad_token_provider),
        )
        if self._azure.endpoint and self._base_url:
            raise ModelConfigError("azure_endpoint= and base_url= are two places: give one of them")
        if not self._azure.endpoint and any(self._azure[1:]):
            raise ModelConfigError("azure_deployment=, api_version= and azure_ad_token= go with an azure_endpoint=, which is missing")
        headers = {
            **({"OpenAI-Organization": organization} if checked("organization", organization) else {}),
            **(checked("default_headers", default_headers) or {}),
            **(checked("extra_headers", extra_headers) or {}),
        }
        self._params = json_params({**({} if temperature is None else {"temperature": temperature}), **params})
        if headers:
            self._params["extra_headers"] = headers
        self._pool = ConnectionPool(checked("http_client", http_client))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    @property
    def name(self) -> str:
        return self._model or self._azure.deployment or default_model_name()

    @property
    def priced(self) -> bool:
        return price_for(self.name, self._price, self._params) is not None

    def describe(self) -> Mapping[str, Any]:
        """The model, its parameters, and where it is served if that was said: without credentials, and no other secret."""
        params = {key: value for key, value in self._params.items() if key not in _TRANSPORT}
        described: dict[str, Any] = {"type": self.dialect.kind, "model": self.name, "params": params}
        if self._base_url:
            described["base_url"] = without_credentials(self._base_url)
        if self._azure.endpoint:
            place = {"azure_deployment": self._azure.deployment, "api_version": self._azure.version}
            described |= {"azure_endpoint": without_credentials(self._azure.endpoint), **{key: told for key, told in place.items() if told}}
        return described

    def sends(self, request: ModelRequest) -> Mapping[str, Any]:
        """Where a request goes, and all that goes there but the key."""
        place = self._azure.endpoint or self._base_url or os.environ.get("OPENAI_BASE_URL") or DEFAULT_URL
        deployment = [self._azure.deployment, self._azure.version] if self._azure.endpoint else None
        return {"endpoint": place, "azure": deployment, "path": self.dialect.path, "body": self._body(request)}

    async def respond(self, request: ModelRequest, on_delta: Callable[[str], None] | None = None) -> ModelReply:
        """Ask the endpoint. Raises `ModelConfigError`, `ModelUnavailable` or `ModelOutputError`."""
        reply = await self._ask(request, on_delta)
        return with_data(with_token_distribution(reply, request), request)

    async def _ask(self, request: ModelRequest, on_delta: Callable[[str], None] | None = None) -> ModelReply:
        """The endpoint's answer as it came."""
        from convgraph.models.call import Call

        call = Call(
            self._endpoint(),
            self.dialect,
            self._body(request),
            self._pool,
            price=price_for(self.name, self._price, {**self._params, **request.params}),
            limit=self._limit,
            stream=on_delta is not None if self._stream is None else self._stream,
            on_delta=on_delta,
        )
        return await call.answer(self._max_retries, self._sleep)

    def _body(self, request: ModelRequest) -> dict[str, Any]:
        return self.dialect.write(request, self.name, self._params)

    def _endpoint(self) -> Endpoint:
        if self._azure.endpoint:
            return self._azure_endpoint()
        return endpoint_for(self.name, self._api_key, self._base_url, self._timeout)

    def _azure_endpoint(self) -> Endpoint:
        version = self._azure.version or os.environ.get("OPENAI_API_VERSION")
        if not version:
            raise ModelConfigError(f"there is no api_version for {self.name!r} on Azure: pass api_version=, or set OPENAI_API_VERSION")
        token = self._azure.ad_token or self._azure.ad_token_provider
        api_key = "" if token and not self._api_key else (self._api_key or os.environ.get("AZURE_OPENAI_API_KEY") or "").strip()
        if not api_key and not token:
            raise ModelConfigError(
                f"there is no API key for {self.name!r} on Azure: pass api_key= or azure_ad_token=, or set AZURE_OPENAI_API_KEY"
            )
        return Endpoint(self._azure.endpoint, api_key, self._timeout, self._azure._replace(version=version))
