"""Where an endpoint is, and connections that are reused within an event loop and closed at its end."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from convgraph.errors import ModelConfigError
from convgraph.models.settings import checked

if TYPE_CHECKING:
    from httpx2 import AsyncClient

DEFAULT_URL = "https://api.openai.com/v1"


class Azure(NamedTuple):
    """What Azure's interface needs to know besides; not Azure's where `endpoint` is empty."""

    endpoint: str = ""
    deployment: str | None = None
    version: str | None = None
    ad_token: str | None = None
    ad_token_provider: Callable[[], str | Awaitable[str]] | None = None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to ask, with which key, and how many seconds of silence to bear."""

    base_url: str = field(repr=False)
    api_key: str = field(repr=False)
    timeout: float
    azure: Azure = field(default=Azure(), repr=False)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no error may show."""
        return tuple(filter(None, (self.api_key, self.azure.ad_token)))

    @property
    def shown_url(self) -> str:
        """The address without what may be a secret in it."""
        return without_credentials(self.base_url)


def endpoint_for(model: str, api_key: str | None, base_url: str | None, timeout: float) -> Endpoint:
    """Where `model` is served: what is not given is looked up in `OPENAI_API_KEY` and `OPENAI_BASE_URL`. Raises `ModelConfigError`."""
    base_url = base_url or checked("base_url", os.environ.get("OPENAI_BASE_URL")) or ""
    api_key = (api_key or checked("api_key", os.environ.get("OPENAI_API_KEY")) or "").strip()
    if not api_key and not base_url:
        raise ModelConfigError(
            f"there is no API key for {model!r}: set OPENAI_API_KEY or pass api_key=; "
            "for a server that needs none, set OPENAI_BASE_URL or pass base_url="
        )
    return Endpoint(base_url or DEFAULT_URL, api_key, timeout)


def without_credentials(address: str) -> str:
    """An address without what may be a secret in it: user, password and query."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


class ConnectionPool:
    """One HTTP client for each event loop that asks for one.

    A connection belongs to the loop that opened it, and every synchronous `run()` may have a loop of its own. The
    client lives in an asynchronous generator: `asyncio.run`, `asyncio.Runner` and anyio finish a loop's generators
    before they close the loop, so that connections are closed properly without anybody having to call anything.
    With a client `given`, that one is used, and left to whoever made it.
    """

    def __init__(self, given: AsyncClient | None = None) -> None:
        self._given = given
        self._held: WeakKeyDictionary[asyncio.AbstractEventLoop, tuple[AsyncGenerator[AsyncClient], AsyncClient]] = WeakKeyDictionary()

    async def client(self) -> AsyncClient:
        """The running loop's client, opened at its first call."""
        if self._given is not None:
            return self._given
        loop = asyncio.get_running_loop()
        held = self._held.get(loop)
        if held is not None and not held[1].is_closed:
            return held[1]
        # Opening awaits nothing, so no other task can come in between.
        generator = _open_client()
        client = await anext(generator)
        self._held[loop] = (generator, client)
        return client


async def _open_client() -> AsyncGenerator[AsyncClient]:
    from openai import DefaultAsyncHttpxClient

    client = DefaultAsyncHttpxClient()
    try:
        yield client
    finally:
        await client.aclose()
