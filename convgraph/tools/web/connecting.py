"""Connections that are made only to addresses that may be read: what is checked is what is connected to."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable
from typing import Any

from httpcore2 import AnyIOBackend, AsyncNetworkBackend, AsyncNetworkStream

from convgraph.tools.web.access import Access, Unreadable


class CheckedConnections(AsyncNetworkBackend):
    """Looks a host up once, and connects to one of the addresses found; there is no second look-up that could say something else."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._network = AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  # the engine's signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> AsyncNetworkStream:
        """A connection to the host. Raises `Unreadable` where it has no address that may be read."""
        name = host.lower().rstrip(".")
        place = self._access.place_of(name)
        if place is not None:
            return await self._network.connect_tcp(*place, timeout, local_address, socket_options)
        address = await self._address(name, port)
        return await self._network.connect_tcp(address, port, timeout, local_address, socket_options)

    async def _address(self, host: str, port: int) -> str:
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            raise Unreadable(f"there is no host {host}") from None
        addresses = [str(each[4][0]).partition("%")[0] for each in found]
        allowed = [address for address in addresses if self._access.may_connect(host, port, address)]
        if not allowed:
            raise Unreadable(f"{host} is inside a network that may not be read")
        return allowed[0]
