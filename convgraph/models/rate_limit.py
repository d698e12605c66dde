"""Requests in a second, tokens in a minute: who has to wait for an endpoint's sake, and for how long.

A limit is an object that models share: all runs of the process that use it wait in one queue, whatever their thread
or event loop, and are served in the order in which they came. Nothing but the one who waits is held up.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from convgraph.errors import ModelConfigError

MINUTE = 60.0


@dataclass(slots=True)
class Admission:
    """A request that was let through: when, and how many tokens it counts for."""

    at: float
    tokens: int

    def settle(self, tokens: int) -> None:
        """Count what the request really took instead of what it was thought to take."""
        self.tokens = tokens


@dataclass(slots=True, eq=False)
class _Waiting:
    """Somebody in the queue, to be told when it is their turn to look at the clock."""

    loop: asyncio.AbstractEventLoop
    turn: asyncio.Future[None] = field(init=False)

    def __post_init__(self) -> None:
        self.turn = self.loop.create_future()

    def call(self) -> None:
        with contextlib.suppress(RuntimeError):  # its loop is closed, and so nobody waits there any more
            self.loop.call_soon_threadsafe(self._tell)

    def _tell(self) -> None:
        if not self.turn.done():
            self.turn.set_result(None)


class RateLimit:
    """At most `requests_per_second`, evenly spaced, and at most `tokens_per_minute` in any minute; None: no such limit.

    A request counts for the tokens that it is thought to take until its answer says how many it took. One that is
    larger than the limit itself goes alone, when a minute has been silent.
    """

    def __init__(
        self,
        requests_per_second: float | None = None,
        tokens_per_minute: float | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._interval = 0.0 if requests_per_second is None else 1 / _positive("requests_per_second", requests_per_second)
        self._tokens = math.inf if tokens_per_minute is None else _positive("tokens_per_minute", tokens_per_minute)
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._queue: deque[_Waiting] = deque()
        self._admitted: deque[Admission] = deque()
        self._next_request = -math.inf

    async def admit(self, tokens: int) -> Admission:
        """Wait until a request of about `tokens` may be sent."""
        mine = _Waiting(asyncio.get_running_loop())
        with self._lock:
            self._queue.append(mine)
            self._call_the_first()
        try:
            await mine.turn
            return await self._admitted_at_last(tokens)
        finally:
            with self._lock:
                if mine in self._queue:
                    self._queue.remove(mine)
                self._call_the_first()

    async def _admitted_at_last(self, tokens: int) -> Admission:
        while True:
            with self._lock:
                now = self._clock()
                wait = max(self._next_request - now, self._wait_for_tokens(tokens, now))
                if wait <= 0:
                    self._next_request = now + self._interval
                    admission = Admission(now, tokens)
                    if self._tokens < math.inf:
                        self._admitted.append(admission)
                    return admission
            await self._sleep(wait)

    def _wait_for_tokens(self, tokens: int, now: float) -> float:
        """The seconds until enough of the last minute's tokens are a minute old."""
        while self._admitted and self._admitted[0].at + MINUTE <= now:
            self._admitted.popleft()
        return wait_for_tokens([(admission.at, admission.tokens) for admission in self._admitted], tokens, self._tokens, now)

    def _call_the_first(self) -> None:
        while self._queue and self._queue[0].loop.is_closed():
            self._queue.popleft()
        if self._queue:
            self._queue[0].call()


def wait_for_tokens(admitted: Sequence[tuple[float, int]], tokens: int, limit: float, now: float) -> float:
    """The seconds until `tokens` more are within the limit, given when in the last minute how many were let through."""
    excess = sum(taken for _, taken in admitted) + tokens - limit
    wait = 0.0
    for at, taken in admitted:
        if excess <= 0:
            break
        excess -= taken
        wait = at + MINUTE - now
    return wait


def _positive(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise ModelConfigError(f"{name} is a number above 0, not {value!r:.100}")
    return value
