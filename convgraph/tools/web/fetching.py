"""Fetching a page: every redirect checked like the first address, and no more time or memory than is allowed."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from email.message import Message as Headers
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Protocol

from convgraph.tools.web.access import Access, Unreadable, host_of, port_of

if TYPE_CHECKING:
    from httpcore2 import AsyncConnectionPool, Response
    from httpx2 import URL

AGENT = "convgraph"
"""What servers are told who asks, and what `robots.txt` is searched for."""

REDIRECTS = 5
_REDIRECTING = frozenset({301, 302, 303, 307, 308})
_ACCEPTED = "text/html, application/xhtml+xml, text/plain, application/json, application/pdf, */*;q=0.5"


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came from an address: `url` is where it was in the end, `kind` its content type, `charset` what it says it is written in."""

    url: str
    kind: str
    charset: str
    body: bytes


class Fetch(Protocol):
    """Fetches what is at an address. Raises `Unreadable`, with a reason in words."""

    async def __call__(self, url: str) -> Fetched: ...


@dataclass(frozen=True, slots=True)
class Fetcher:
    """Fetches pages that may be read: at most `max_bytes` of each, unpacked, within `seconds`, redirects included.

    `headers` are sent besides, and only to where the first address is: they may hold a key.
    """

    access: Access
    max_bytes: int = 2_000_000
    seconds: float = 20.0
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    async def __call__(self, url: str) -> Fetched:
        """What is at the address. Raises `Unreadable` for what may not or cannot be fetched, saying why."""
        try:
            async with asyncio.timeout(self.seconds):
                return await self._followed(parsed(url))
        except TimeoutError:
            raise Unreadable(f"{url} did not answer within {self.seconds:g} seconds") from None

    async def _followed(self, url: URL) -> Fetched:
        import httpcore2

        from convgraph.tools.web.connecting import CheckedConnections

        seen = [url]
        async with httpcore2.AsyncConnectionPool(network_backend=CheckedConnections(self.access)) as connections:
            while True:
                self.access.check(url)
                try:
                    found = await self._once(connections, url, self.headers if _origin(url) == _origin(seen[0]) else ())
                except (httpcore2.NetworkError, httpcore2.TimeoutException, httpcore2.ProtocolError, OSError) as error:
                    raise Unreadable(f"{url} cannot be reached: {str(error) or type(error).__name__}") from error
                if isinstance(found, Fetched):
                    return found
                url = parsed(str(url.join(found)))
                if url in seen:
                    raise Unreadable(f"{seen[0]} leads in a circle, by way of {url}")
                if len(seen) > REDIRECTS:
                    raise Unreadable(f"{seen[0]} leads on more than {REDIRECTS} times")
                seen.append(url)

    async def _once(self, connections: AsyncConnectionPool, url: URL, own: tuple[tuple[str, str], ...]) -> Fetched | str:
        """What is at the address, or the one that it leads to."""
        headers = [("Accept", _ACCEPTED), ("Accept-Encoding", "gzip"), ("User-Agent", AGENT), *own]
        timeouts = dict.fromkeys(("connect", "read", "write", "pool"), self.seconds)
        target = str(url.copy_with(fragment=None))
        async with connections.stream("GET", target, headers=headers, extensions={"timeout": timeouts}) as response:
            told = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}
            if response.status in _REDIRECTING and told.get("location"):
                return told["location"]
            if response.status != HTTPStatus.OK:
                raise Unreadable(f"{url} answered {_status(response.status)}")
            kind, charset = _content_type(told.get("content-type", ""))
            return Fetched(str(url), kind, charset, await self._body(url, response, told))

    async def _body(self, url: URL, response: Response, told: dict[str, str]) -> bytes:
        packed = told.get("content-encoding", "identity").strip().lower()
        if packed not in ("identity", "gzip", "x-gzip", "deflate"):
            raise Unreadable(f"{url} comes packed as {packed!r}, which was not asked for")
        body = bytearray()
        try:
            async for piece in _unpacked(response.aiter_stream(), packed, self.max_bytes):
                body += piece
                if len(body) > self.max_bytes:
                    raise Unreadable(f"{url} is larger than {self.max_bytes:,} bytes")
        except zlib.error as error:
            raise Unreadable(f"{url} cannot be unpacked: {error}") from error
        return bytes(body)


def parsed(url: str) -> URL:
    """The address. Raises `Unreadable` for what is none."""
    import httpx2

    try:
        return httpx2.URL(url.strip())
    except (httpx2.InvalidURL, TypeError, ValueError) as error:
        raise Unreadable(f"{url!r:.200} is no address: {error}") from error


async def _unpacked(pieces: AsyncIterator[bytes], packed: str, most: int) -> AsyncIterator[bytes]:
    """The pieces unpacked, each no longer than is allowed for the whole: what is packed small may be of any size."""
    if packed == "identity":
        async for piece in pieces:
            yield piece
        return
    unpack = zlib.decompressobj(zlib.MAX_WBITS | 32)  # gzip or zlib, as it says itself
    async for piece in pieces:
        yield unpack.decompress(piece, most + 1)
        if unpack.unconsumed_tail:
            return  # more than is allowed has been given out already
    yield unpack.flush()
    if not unpack.eof:
        raise zlib.error("it ends too early")


def _origin(url: URL) -> tuple[str, str, int]:
    return url.scheme, host_of(url), port_of(url)


def _content_type(header: str) -> tuple[str, str]:
    headers: Any = Headers()
    headers["content-type"] = header or "application/octet-stream"
    return headers.get_content_type(), str(headers.get_content_charset() or "")


def _status(status: int) -> str:
    try:
        return f"{status} ({HTTPStatus(status).phrase})"
    except ValueError:
        return str(status)
