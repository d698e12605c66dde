"""Running async work so that Ctrl-C stops it in good order."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from types import FrameType
from typing import Any, NoReturn, TypeVar

T = TypeVar("T")

STOPPING = (signal.SIGINT, signal.SIGTERM)


class LeftAtOnce(KeyboardInterrupt):
    """The work did not stop when it was asked to, and was left in the middle. The process can only end now: see `leave`."""


def run_stoppable(work: Coroutine[Any, Any, T], stop: Callable[[], bool] = lambda: False) -> T:
    """Run `work` in a loop of its own. The first Ctrl-C (or SIGTERM) asks it to stop, the second leaves at once.

    `stop` asks the work itself; where it says that it could not, the work is cancelled. Raises what the work
    raises, `KeyboardInterrupt` where it was cancelled from outside, and `LeftAtOnce` at the second signal.
    """
    loop = asyncio.new_event_loop()
    threads = ThreadPoolExecutor(thread_name_prefix="convgraph")
    loop.set_default_executor(threads)
    task = loop.create_task(work)
    asked = left = False

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        nonlocal asked, left
        if asked:
            left = True
            raise LeftAtOnce
        asked = True
        if not stop():
            loop.call_soon_threadsafe(task.cancel)

    previous = {number: signal.signal(number, on_signal) for number in STOPPING}
    try:
        return loop.run_until_complete(task)
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
        threads.shutdown(wait=False, cancel_futures=True)
        if not left:
            loop.run_until_complete(_end_tasks())
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()


def has_stuck_threads(patience: float = 0.2) -> bool:
    """Whether a thread still runs that the process would wait for: a plain function that outlived its turn can do nothing more."""
    deadline = time.monotonic() + patience
    others = [thread for thread in threading.enumerate() if thread is not threading.main_thread() and not thread.daemon]
    for thread in others:
        thread.join(max(0.0, deadline - time.monotonic()))
    return any(thread.is_alive() for thread in others)


def leave(code: int) -> NoReturn:
    """End the process without waiting for anything in it."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


async def _end_tasks() -> None:
    """Cancel what the work has left behind in the loop, and let it finish."""
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
