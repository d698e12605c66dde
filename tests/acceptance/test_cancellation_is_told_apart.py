"""A run is cancelled when somebody cancels the run, not when something that a node waited for was cancelled."""

from __future__ import annotations

import asyncio

import pytest

from convgraph import END, ConversationGraph, Parallel, open_store
from convgraph.errors import EffectFailed


async def _wait_for_a_cancelled_task():
    task = asyncio.create_task(asyncio.sleep(60))
    await asyncio.sleep(0)
    task.cancel()
    await task


def _with_fallback(speaker):
    graph = ConversationGraph("guarded")
    graph.add_node(speaker, name="risky")
    graph.add_node(lambda ctx: f"instead of {ctx.error.type}", name="fallback")
    graph.add_edge("risky", END)
    graph.add_edge("risky", "fallback", on="error")
    graph.add_edge("fallback", END)
    graph.set_start("risky")
    return graph


def test_a_node_whose_own_task_was_cancelled_has_failed():
    """The error edge is taken, and a replay takes it too."""

    async def risky(ctx):
        await _wait_for_a_cancelled_task()

    store, graph = open_store(":memory:"), _with_fallback(risky)
    result = graph.run("go", store=store)

    assert (result.status, result.messages[-1].content) == ("finished", "instead of CancelledError")
    assert graph.replay(result.run_id, store=store).messages == result.messages


def test_a_branch_whose_own_task_was_cancelled_has_failed():
    """It takes its group's error edge, like any failing branch."""

    async def bad(ctx):
        await _wait_for_a_cancelled_task()

    async def slow(ctx):
        await asyncio.sleep(60)

    result = _with_fallback(Parallel(slow, bad)).run("go")

    assert result.messages[-1].content == "instead of CancelledError"


def test_a_tool_whose_own_task_was_cancelled_has_failed_and_is_not_in_doubt():
    """The effect is recorded with its error, so the node can catch it and go on."""

    async def risky(ctx):
        with pytest.raises(EffectFailed, match="CancelledError"):
            await ctx.effect("wait", _wait_for_a_cancelled_task)
        return "went on"

    store, graph = open_store(":memory:"), _with_fallback(risky)
    result = graph.run("go", store=store)

    assert result.messages[-1].content == "went on"
    assert graph.replay(result.run_id, store=store).messages == result.messages


def test_a_task_that_is_really_cancelled_leaves_a_cancelled_run():
    """Whoever cancels the task sees the cancellation, and the run goes on later."""
    entered = asyncio.Event()

    async def patient(ctx):
        entered.set()
        if not resumed:
            await asyncio.sleep(60)
        return "done"

    resumed: list[bool] = []
    store, graph = open_store(":memory:"), _with_fallback(patient)

    async def cancelled():
        task = asyncio.create_task(graph.arun("go", store=store, run_id="r"))
        await entered.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())

    assert [run.status for run in store.runs()] == ["cancelled"]
    resumed.append(True)
    assert graph.resume("r", store=store).messages[-1].content == "done"
