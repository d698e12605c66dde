"""What turns hold for as long as a run is executed is opened once, whoever asks for it, and closed when the run stops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from convgraph import END, ConversationGraph, Parallel, open_store


def sandbox(log: list[str], *, breaks: bool = False) -> Callable[[], AbstractAsyncContextManager[str]]:
    @asynccontextmanager
    async def opened() -> AsyncGenerator[str]:
        log.append("opened")
        await asyncio.sleep(0)  # whoever asks meanwhile must not open another
        yield "box"
        log.append("closed")
        if breaks:
            raise RuntimeError("the sandbox does not end")

    return opened


def two_at_once(open: Callable[[], AbstractAsyncContextManager[str]]) -> ConversationGraph:
    async def left(ctx: Any) -> str:
        return await ctx.hold("box", open)

    async def right(ctx: Any) -> str:
        return await ctx.hold("box", open)

    graph = ConversationGraph("two")
    graph.add_node(Parallel(left, right), name="both")
    graph.add_edge("both", END)
    graph.set_start("both")
    return graph


def test_branches_that_ask_at_the_same_moment_share_one() -> None:
    log: list[str] = []
    result = two_at_once(sandbox(log)).run("go")
    assert [message.text for message in result.messages] == ["go", "box", "box"]
    assert log == ["opened", "closed"]


def test_that_something_cannot_be_closed_is_said_and_the_run_is_finished_all_the_same(tmp_path: Path) -> None:
    graph = two_at_once(sandbox([], breaks=True))
    with open_store(tmp_path / "runs.db") as store:
        with pytest.raises(RuntimeError, match="does not end"):
            graph.run("go", store=store, run_id="r")
        assert [(info.status, info.owner) for info in store.runs()] == [("finished", "")]
