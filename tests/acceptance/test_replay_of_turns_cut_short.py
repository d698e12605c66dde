"""A turn that a limit, the clock or a failing branch cut short replays as it was recorded, whatever was going on inside it."""

from __future__ import annotations

import asyncio

import pytest

from convgraph import END, ConversationGraph, Limits, Parallel, ReplayDivergence, Retry, open_store
from convgraph.journal.events import Stepped
from convgraph.journal.turn_paths import is_inner


def _counting(name="inner", turns=50, wait=0.0):
    async def count(ctx):
        await asyncio.sleep(wait)
        return f"{ctx.turn}"

    graph = ConversationGraph(name)
    graph.add_node(count)
    graph.add_edge(count, END, when=f"turn >= {turns}")
    graph.add_edge(count, count)
    graph.set_start(count)
    return graph


def _rescued(node, on, *, limits=None, **options):
    graph = ConversationGraph("outer", limits=limits)
    graph.add_node(node, name="work", **options)
    graph.add_node(lambda ctx: "rescued", name="rescue")
    graph.add_edge("work", END)
    graph.add_edge("work", "rescue", on=on)
    graph.add_edge("rescue", END)
    graph.set_start("work")
    return graph


def _replays(graph):
    store = open_store(":memory:")
    result = graph.run("go", store=store)
    assert (result.status, result.messages[-1].content) == ("finished", "rescued")
    assert graph.replay(result.run_id, store=store).messages == result.messages


def test_the_outer_limit_is_reached_inside_a_sub_conversation():
    """The steps that the sub-conversation had made are in the journal, though its turn was cut short."""
    _replays(_rescued(_counting(), "limit", limits=Limits(turns=5)))


def test_the_clock_ends_a_sub_conversation():
    """What the clock does is taken from the record, and with it how far the inner conversation had come."""
    _replays(_rescued(_counting(wait=0.02), "error", timeout=0.1))


def test_the_clock_ends_a_group_when_one_branch_had_finished():
    """The finished branch is in the journal; the group's turn failed all the same."""

    async def quick(ctx):
        return "quick"

    async def slow(ctx):
        await asyncio.sleep(10)

    _replays(_rescued(Parallel(quick, slow), "error", timeout=0.05, retry=Retry(attempts=2)))


async def _later(seconds):
    await asyncio.sleep(seconds)


def _fails_after(seconds):
    async def failing(ctx):
        await ctx.effect("wait", _later, seconds)
        raise ValueError("no")

    return failing


@pytest.mark.parametrize("declared", ["first", "last"])
def test_a_branch_fails_when_another_had_finished(declared):
    """In a replay nothing takes time, so the failing branch may be there first."""

    def plain(ctx):
        return "done"

    bad = _fails_after(0.1)
    _replays(_rescued(Parallel(*((bad, plain) if declared == "first" else (plain, bad))), "error"))


@pytest.mark.parametrize("declared", ["first", "last"])
@pytest.mark.parametrize("attempts", [1, 2])
def test_a_branch_fails_while_another_waits_for_an_effect(declared, attempts):
    """The effect that was in flight has no result in the record, and needs none."""

    async def waiting(ctx):
        await ctx.effect("long", _later, 10, idempotent=True)
        return "never"

    bad = _fails_after(0.01)
    group = Parallel(*((bad, waiting) if declared == "first" else (waiting, bad)))
    _replays(_rescued(group, "error", retry=Retry(attempts=attempts)))


def test_a_branch_that_asks_for_more_than_the_record_has_diverges_where_none_fails():
    """Only a failing branch explains why another never got its answer."""

    def graph(asks):
        async def one(ctx):
            for _ in range(asks):
                await ctx.effect("wait", _later, 0)
            return "one"

        async def two(ctx):
            return "two"

        built = ConversationGraph("outer")
        built.add_node(Parallel(one, two), name="work")
        built.add_edge("work", END)
        built.set_start("work")
        return built

    store = open_store(":memory:")
    result = graph(1).run("go", store=store)

    with pytest.raises(ReplayDivergence, match="number 2"):
        graph(2).replay(result.run_id, store=store)


def _tries_again():
    """Its node is a conversation that the clock ends long before its own end, six times at most."""
    return _rescued(_counting(wait=0.02), "limit", limits=Limits(turns=7), timeout=0.07, retry=Retry(attempts=6))


def test_the_turns_of_an_attempt_that_failed_count_against_the_limit():
    """What was spoken was spoken, whether or not the attempt came to anything."""
    graph, store = _tries_again(), open_store(":memory:")
    result = graph.run("go", store=store)

    assert result.messages[-1].content == "rescued"
    assert sum(isinstance(event.event, Stepped) and is_inner(event.event.path) for event in store.events(result.run_id)) <= 8
    assert graph.replay(result.run_id, store=store).messages == result.messages
