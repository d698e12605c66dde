"""What the simulation of faults has found, each as small as it can be told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from convgraph import END, Context, ConversationGraph, Parallel, open_store
from convgraph.engines.local import LocalEngine
from convgraph.engines.worker import Worker
from convgraph.errors import Fenced, StoreUnavailable
from convgraph.journal.events import EffectFinished, EffectStarted, Ended, Event, Resumed
from convgraph.journal.memory import MemoryStore
from convgraph.journal.runs import Claim, RunInfo


class Failing(MemoryStore):
    """A store that takes its time for an append, and refuses those that `refuses` says."""

    def __init__(self) -> None:
        super().__init__()
        self.refused = 0
        self.refuse: type[Event] | None = None

    async def append(self, claim: Claim, events: Sequence[Event], contents: Mapping[str, str] | None = None) -> None:
        seq, claim.next_seq = claim.next_seq, claim.next_seq + len(events)
        await asyncio.sleep(0)
        if self.refuse is not None and any(isinstance(event, self.refuse) for event in events):
            self.refuse = None
            self.refused += 1
            raise StoreUnavailable("the disk is full, for a moment")
        assert seq == self._runs[claim.run_id].first_seq + len(self._runs[claim.run_id].events), "a hole in the journal"
        await super().append(claim, events, contents)


async def _hello(ctx: Context) -> str:
    await ctx.effect("greet", _greet, ctx.node)
    return f"hello from {ctx.node}"


async def _greet(name: str) -> str:
    await asyncio.sleep(0)
    return name


def greeting() -> ConversationGraph:
    graph = ConversationGraph("greeting")
    graph.add_node(_hello, name="hello")
    graph.add_edge("hello", END)
    graph.set_start("hello")
    return graph


async def test_after_an_append_that_failed_nothing_more_is_written() -> None:
    """A branch beside the one whose append failed may still be at work; what it does would come after a hole."""
    one, two = (ConversationGraph(name) for name in ("one", "two"))
    for graph in (one, two):
        graph.add_node(_hello, name="hello")
        graph.add_edge("hello", END)
        graph.set_start("hello")
    graph = ConversationGraph("both")
    graph.add_node(Parallel(one, two), name="branches")
    graph.add_edge("branches", END)
    graph.set_start("branches")
    store = Failing()
    store.refuse = EffectFinished
    with pytest.raises(StoreUnavailable, match="disk is full"):
        await graph.arun("go", store=store, run_id="r")
    assert store.refused == 1
    assert [info.status for info in await store.aruns()] == ["interrupted"]


async def test_a_claim_is_given_back_by_one_who_cannot_even_begin() -> None:
    store = Failing()
    run = await greeting().asubmit("go", store=store)
    store.refuse = Resumed
    worker = Worker([greeting()], store)
    await worker.advance(run)
    assert (await store.info(run)).status == "interrupted"
    await worker.advance(run)
    assert (await store.info(run)).status == "finished"


async def test_a_run_that_ended_is_listed_so_though_somebody_claimed_it_and_died() -> None:
    """A wake-up too many: claimed after its end, by a process that was killed before it had looked."""
    store = MemoryStore()
    result = await greeting().arun("go", store=store, run_id="r")
    claim = await store.claim("r")
    await store.release(claim)
    assert (await store.info("r")).status == "interrupted"

    await Worker([greeting()], store).advance("r")
    assert (await store.info("r")).status == result.status == "finished"
    assert await store.arunnable() == []


async def test_a_wake_up_of_a_run_that_is_under_way_is_looked_after_when_it_has_stopped() -> None:
    store = MemoryStore()
    run = await greeting().asubmit("go", store=store)
    told: list[str] = []
    worker = Worker([greeting()], store, told=lambda run_id, _: told.append(run_id))
    await asyncio.gather(*(worker.advance(run) for _ in range(3)))
    assert (await store.info(run)).status == "finished"
    assert told == [run, run], "once when it ended, once for the wake-ups that had come meanwhile"
    assert worker.under_way == ()


async def test_a_run_that_somebody_else_brings_forward_is_not_taken_for_one_that_kills_workers() -> None:
    class Late(MemoryStore):
        """Between a worker's look and its claim, another worker comes forward with the run."""

        async def claim(self, run_id: str) -> Claim:
            if meanwhile:
                other = await super().claim(run_id)
                await super().append(other, [meanwhile.pop()])
                await super().release(other)
            return await super().claim(run_id)

    store = Late()
    meanwhile: list[Event] = []
    run = await greeting().asubmit("go", store=store)
    claim = await store.claim(run)
    await store.append(claim, [Resumed()])
    await store.release(claim)
    meanwhile.append(Ended("waiting", "for somebody"))
    worker = Worker([greeting()], store, most_tries=1)
    await worker.advance(run)
    assert (await store.info(run)).status != "failed"


async def test_an_owner_that_stood_still_after_its_intent_does_nothing_outside() -> None:
    """Its intent was written; when it goes on, another has taken the run over."""

    class Standing(MemoryStore):
        async def append(self, claim: Claim, events: Sequence[Event], contents: Mapping[str, str] | None = None) -> None:
            await super().append(claim, events, contents)
            if any(isinstance(event, EffectStarted) for event in events):
                await self.release(claim)
                await self.claim(claim.run_id)

    done: list[str] = []

    async def pay(ctx: Context) -> str:
        async def do() -> str:
            done.append("paid")
            return "paid"

        return await ctx.effect("pay", do)

    graph = ConversationGraph("paying")
    graph.add_node(pay)
    graph.add_edge("pay", END)
    graph.set_start("pay")
    with pytest.raises(Fenced):
        await graph.arun("go", store=Standing(), run_id="r")
    assert done == []


async def test_a_worker_that_ends_for_whatever_reason_cancels_no_run() -> None:
    """Others go on with what it had; a run that was cancelled would wait for somebody to resume it."""
    begun = asyncio.Event()

    async def hang(ctx: Context) -> str:
        begun.set()
        await asyncio.sleep(60)
        return ctx.node

    graph = ConversationGraph("hanging")
    graph.add_node(hang)
    graph.add_edge("hang", END)
    graph.set_start("hang")
    store = MemoryStore()
    run = await graph.asubmit("go", store=store)
    worker = Worker([graph], store)
    work = asyncio.create_task(worker.work(LocalEngine(store, poll=0.01)))
    await begun.wait()
    work.cancel()
    await asyncio.wait([work])
    assert (await store.info(run)).status == "interrupted"


async def test_an_engine_that_was_stopped_while_it_looked_begins_nothing() -> None:
    class Slow(MemoryStore):
        async def arunnable(self, **wanted: Any) -> list[RunInfo]:
            found = await super().arunnable(**wanted)
            await engine.stop()
            return found

    store = Slow()
    engine = LocalEngine(store, poll=0.01)
    run = await greeting().asubmit("go", store=store)
    await Worker([greeting()], store).work(engine)
    assert (await store.info(run)).status == "ready"


async def test_a_timer_goes_by_the_stores_clock() -> None:
    """A host whose clock is an hour fast or slow waits for as long as any other."""

    class Server(MemoryStore):
        async def anow(self) -> float:
            return await super().anow() - 3600

    async def wait(ctx: Context) -> str:
        await ctx.sleep(0.05)
        return "waited"

    graph = ConversationGraph("waiting")
    graph.add_node(wait)
    graph.add_edge("wait", END)
    graph.set_start("wait")
    store = Server()
    before = await store.anow()
    result = await asyncio.wait_for(graph.arun("go", store=store, run_id="r"), 5)
    [due] = [
        question.due
        for recorded in await store.load("r")
        if (question := getattr(recorded.event, "question", None)) is not None and not isinstance(question, str)
    ]
    assert result.status == "finished"
    assert due is not None
    assert 0 < due - before < 5


def test_the_stores_clock_is_near(url: str) -> None:
    with open_store(url) as store:
        assert abs(asyncio.run(store.anow()) - time.time()) < 5
