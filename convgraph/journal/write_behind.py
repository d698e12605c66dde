"""Writing that nobody waits for: it begins in the next turn of the event loop, for all who want it at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class WriteBehind:
    """Who has something to write, by event loop. One callback serves a thousand runs whose models answer at the same moment."""

    __slots__ = ("_due",)

    def __init__(self) -> None:
        self._due: dict[asyncio.AbstractEventLoop, list[Callable[[], None]]] = {}

    def soon(self, loop: asyncio.AbstractEventLoop, write: Callable[[], None]) -> None:
        """Call `write` in the next turn of `loop`, which is the running one."""
        due = self._due.get(loop)
        if due is None:
            self._due[loop] = [write]
            loop.call_soon(self._begin, loop)
        else:
            due.append(write)

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        for write in self._due.pop(loop):
            write()
