"""Writing that nobody waits for: it begins in the next turn of the event loop, for all who want it at once."""

from __future__ import annotations

import asyncio
from typing import Protocol


class Behind(Protocol):
    """Somebody who may have something to write."""

    def write_behind(self) -> None:
        """Begin with the writing."""


class WriteBehind:
    """Who has something to write, by event loop. One callback serves a thousand runs whose models answer at the same moment."""

    __slots__ = ("_due",)

    def __init__(self) -> None:
        self._due: dict[asyncio.AbstractEventLoop, list[Behind]] = {}

    def soon(self, loop: asyncio.AbstractEventLoop, writer: Behind) -> None:
        """Call `writer.write_behind()` in the next turn of `loop`, which is the running one."""
        due = self._due.get(loop)
        if due is None:
            self._due[loop] = [writer]
            loop.call_soon(self._begin, loop)
        else:
            due.append(writer)

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        for writer in self._due.pop(loop):
            writer.write_behind()
