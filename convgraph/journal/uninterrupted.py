"""Waiting for what cannot be taken back: a cancellation that comes meanwhile takes effect afterwards.

A commit that is under way cannot be undone; whoever waits for it has to know how it ended before it stops.
"""

from __future__ import annotations

import asyncio
from typing import TypeVar

T = TypeVar("T")


async def seen_through(future: asyncio.Future[T]) -> T:
    """The future's result. If this task is cancelled while waiting, the result is still returned, and the next await raises."""
    cancelled = False
    while not future.done():
        try:
            await asyncio.wait([future])
        except asyncio.CancelledError:
            cancelled = True
    if cancelled:
        cancel_later()
    return future.result()


def cancel_later() -> None:
    """Have the current task's next await raise the cancellation that was caught; a timeout still recognizes it as its own."""
    task = asyncio.current_task()
    if task is not None:
        task.uncancel()
        task.cancel()
