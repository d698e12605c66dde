"""What lives as long as a run is executed, such as a sandbox: opened at its first use, once, and closed with all others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any


class Held:
    """What one execution of a run holds, by key. Branches that ask for the same at the same moment get the same."""

    __slots__ = ("_exits", "_opening", "_things")

    def __init__(self) -> None:
        self._things: dict[Hashable, Any] = {}
        self._exits = AsyncExitStack()
        self._opening = asyncio.Lock()

    async def get(self, key: Hashable, open: Callable[[], AbstractAsyncContextManager[Any]]) -> Any:
        """What `open()` has given under this key, or gives now."""
        async with self._opening:
            if key not in self._things:
                self._things[key] = await self._exits.enter_async_context(open())
            return self._things[key]

    async def close(self) -> None:
        """Close everything, the last first."""
        await self._exits.aclose()
