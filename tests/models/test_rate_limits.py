"""Rate limits: kept in every window of time, fair, shared by whoever uses the model, and no burden to anybody else."""

import asyncio
import threading
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convgraph.errors import ModelConfigError
from convgraph.messages import Message
from convgraph.models.config import model_from_config
from convgraph.models.openai_chat import OpenAIChatModel
from convgraph.models.rate_limit import RateLimit
from convgraph.protocols import Model, ModelRequest
from convgraph.testing import Answer, HttpError, ScriptedServer

HELLO = ModelRequest([Message("user", "hello", "user")], speaker="a")


class Clock:
    """A clock that goes as far as one sleeps, at once."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.sleeps: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        await asyncio.sleep(0)
        self.now += seconds


def admitted(limit: RateLimit, clock: Clock, sizes: list[int]) -> list[float]:
    """When requests that all come at once are let through."""

    async def together() -> list[float]:
        async def one(tokens: int) -> float:
            await limit.admit(tokens)
            return clock.now - 1000.0

        return await asyncio.gather(*(one(tokens) for tokens in sizes))

    return asyncio.run(together())


def test_requests_are_spaced_evenly_and_served_in_their_order() -> None:
    clock = Clock()

    assert admitted(RateLimit(4, clock=clock, sleep=clock.sleep), clock, [1] * 5) == [0, 0.25, 0.5, 0.75, 1.0]


def test_after_a_silence_there_is_no_wait_and_no_burst_either() -> None:
    clock = Clock()
    limit = RateLimit(1, clock=clock, sleep=clock.sleep)
    admitted(limit, clock, [1])
    clock.now = 1100.0

    assert admitted(limit, clock, [1, 1]) == [100, 101]


def test_tokens_wait_until_enough_of_the_last_minutes_are_a_minute_old() -> None:
    clock = Clock()

    assert admitted(RateLimit(None, 100, clock=clock, sleep=clock.sleep), clock, [60, 40, 60, 50]) == [0, 0, 60, 120]


def test_a_request_above_the_limit_goes_alone() -> None:
    clock = Clock()

    assert admitted(RateLimit(None, 100, clock=clock, sleep=clock.sleep), clock, [10, 500, 10]) == [0, 60, 120]


def test_what_an_answer_really_took_is_what_counts() -> None:
    clock = Clock()
    limit = RateLimit(None, 100, clock=clock, sleep=clock.sleep)

    async def three() -> list[float]:
        (await limit.admit(90)).settle(10)
        (await limit.admit(20)).settle(95)
        second = clock.now
        await limit.admit(20)
        return [second, clock.now]

    assert asyncio.run(three()) == [1000.0, 1060.0]


@settings(max_examples=60)
@given(st.lists(st.integers(1, 150), max_size=30), st.sampled_from([None, 0.5, 3.0]))
def test_no_minute_takes_more_tokens_and_no_second_more_requests_than_allowed(sizes: list[int], rate: float | None) -> None:
    clock = Clock()
    times = admitted(RateLimit(rate, 100, clock=clock, sleep=clock.sleep), clock, sizes)

    assert times == sorted(times)
    for first, start in enumerate(times):
        inside = [size for size, at in list(zip(sizes, times, strict=True))[first:] if at - start < 60 - 1e-6]
        assert sum(inside) <= 100 or len(inside) == 1
        if rate is not None and first:
            assert start - times[first - 1] >= 1 / rate - 1e-6


def test_who_gives_up_waiting_leaves_the_place_to_the_next() -> None:
    clock = Clock()
    limit = RateLimit(1, clock=clock, sleep=clock.sleep)

    async def some_leave() -> float:
        await limit.admit(1)
        waiting = [asyncio.create_task(limit.admit(1)) for _ in range(100)]
        await asyncio.sleep(0)
        for task in waiting[1:99]:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        return clock.now - 1000.0

    assert asyncio.run(some_leave()) == 2


def test_the_first_in_the_queue_may_give_up_too() -> None:
    limit = RateLimit(0.001)

    async def first_leaves() -> None:
        await limit.admit(1)
        first, second = (asyncio.create_task(limit.admit(1)) for _ in range(2))
        await asyncio.sleep(0.02)
        for task in (first, second):
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(first_leaves())


def test_a_loop_that_is_gone_leaves_nobody_in_the_queue() -> None:
    clock = Clock()
    limit = RateLimit(1, clock=clock)
    loop = asyncio.new_event_loop()
    loop.run_until_complete(limit.admit(1))
    forgotten = loop.create_task(limit.admit(1))
    loop.run_until_complete(asyncio.sleep(0.01))
    loop.close()
    assert not forgotten.done()
    forgotten._log_destroy_pending = False  # type: ignore[attr-defined]  # nobody runs it to its end, which is the point
    clock.now += 10

    async def goes_on() -> None:
        await asyncio.wait_for(limit.admit(1), 2)

    asyncio.run(goes_on())


def test_runs_in_several_threads_share_a_models_limit_and_nobody_elses_loop_is_blocked() -> None:
    with ScriptedServer(["x"], repeat=True) as server:
        model = OpenAIChatModel("m", base_url=server.base_url, rate_limit=RateLimit(20))
        beats: list[float] = []

        async def ask_twice() -> None:
            heart = asyncio.create_task(_beat(beats))
            await asyncio.gather(model.respond(HELLO), model.respond(HELLO))
            heart.cancel()

        started = time.perf_counter()
        threads = [threading.Thread(target=lambda: asyncio.run(ask_twice())) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert len(server.log) == 6
    assert time.perf_counter() - started >= 0.25
    assert len(beats) > 10


async def _beat(beats: list[float]) -> None:
    while True:
        beats.append(time.perf_counter())
        await asyncio.sleep(0.005)


def test_each_try_counts_and_so_do_the_tokens_of_its_answer() -> None:
    clock = Clock()
    limit = RateLimit(1, 1000, clock=clock, sleep=clock.sleep)

    async def no_wait(_: float) -> None: ...

    with ScriptedServer([HttpError(503), Answer("x", usage=(900, 90)), "y"]) as server:
        model = OpenAIChatModel("m", base_url=server.base_url, rate_limit=limit, sleep=no_wait)
        asyncio.run(model.respond(HELLO))
        assert clock.now == 1001.0
        asyncio.run(model.respond(HELLO))

    assert clock.now == 1061.0


def test_a_configuration_sets_a_models_limits() -> None:
    entry: dict[str, Any] = {"api_rate_limit": 10.0, "tokens_per_minute": 100_000}
    with ScriptedServer(["x"], repeat=True) as server:
        model: Model = model_from_config({"model": "m", "base_url": server.base_url, **entry})

        async def three() -> float:
            started = time.perf_counter()
            await asyncio.gather(*(model.respond(HELLO) for _ in range(3)))
            return time.perf_counter() - started

        assert asyncio.run(three()) >= 0.2
    assert not set(entry) & set(server.requests[0])


@pytest.mark.parametrize("bad", [0, -1, float("inf"), float("nan"), True, "3"])
def test_a_limit_that_is_none_is_refused(bad: Any) -> None:
    with pytest.raises(ModelConfigError, match="requests_per_second"):
        RateLimit(bad)
    with pytest.raises(ModelConfigError, match="tokens_per_minute"):
        RateLimit(None, bad)
