"""The thin synchronous face over the one async implementation."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def running_loop() -> asyncio.AbstractEventLoop | None:
    """The event loop that runs in this thread, if one does."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def run_sync(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` to its end and return its result, from any place.

    Outside a running event loop it is run here. Inside one (a notebook cell, a sync function called from
    async code) it is run in a loop of its own in another thread while the caller waits.
    """
    return asyncio.run(work) if running_loop() is None else _run_in_thread(work)


def _run_in_thread(work: Coroutine[Any, Any, T]) -> T:
    results: list[T] = []
    failures: list[BaseException] = []
    context = contextvars.copy_context()

    def body() -> None:
        try:
            results.append(context.run(asyncio.run, work))
        except BaseException as error:  # noqa: BLE001  # carried over to the caller's thread, whatever it is
            failures.append(error)

    thread = threading.Thread(target=body, name="convgraph-sync", daemon=True)
    thread.start()
    thread.join()
    if failures:
        raise failures[0]
    return results[0]
