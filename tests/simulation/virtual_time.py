"""Time that passes only when nothing else can happen: an event loop that jumps to its next timer, and clocks that go by it."""

from __future__ import annotations

import asyncio
import functools
import logging
import random
import selectors
import sys
import time
from collections.abc import Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar
from unittest.mock import patch

from convgraph.runtime import lifecycle
from convgraph.runtime.run import Run

T = TypeVar("T")

EPOCH = 1_800_000_000.0
"""When every simulation begins, in seconds since 1970."""

SKEW: ContextVar[float] = ContextVar("skew", default=0.0)
"""By how much the clock of the host is wrong on which the running task is."""


class NothingLeft(Exception):
    """All tasks wait, and no timer is set: nothing will ever happen."""


class _Jump(selectors.SelectSelector):
    """Waits for nothing: the time that was to be waited has passed."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise NothingLeft
        self.now += max(timeout, 0.0)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time is virtual. What it does depends on nothing outside."""

    def __init__(self) -> None:
        self._jump = _Jump()
        super().__init__(self._jump)

    def time(self) -> float:
        return self._jump.now


class _Clocks:
    """What the module `time` is for convgraph: the loop's time, and for the time of day the host's error on top."""

    def __init__(self, loop: VirtualLoop) -> None:
        self.monotonic = self.perf_counter = loop.time

    def time(self) -> float:
        return EPOCH + self.monotonic() + SKEW.get()


def run_virtually(work: Coroutine[Any, Any, T], seed: int) -> T:
    """Run `work` in virtual time, with chance as `seed` has it."""
    chance = random.getstate()
    random.seed(seed)
    loop = VirtualLoop()
    logging.disable()  # workers warn of every fault; the trace tells of them
    try:
        with _clocks_of_convgraph(loop):
            return loop.run_until_complete(work)
    finally:
        logging.disable(logging.NOTSET)
        loop.close()
        random.setstate(chance)


@contextmanager
def _clocks_of_convgraph(loop: VirtualLoop) -> Iterator[None]:
    clocks = _Clocks(loop)
    with ExitStack() as patched:
        for name, module in list(sys.modules.items()):
            if name.startswith(("convgraph.", "tests.simulation.database")) and getattr(module, "time", None) is time:
                patched.enter_context(patch.object(module, "time", clocks))
        patched.enter_context(patch.object(lifecycle, "Run", functools.partial(Run, clock=clocks.perf_counter)))
        yield
