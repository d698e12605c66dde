"""Somebody else may act between a look and a claim: what was seen is then looked at again, and nothing is done twice."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from convgraph import END, Context, ConversationGraph, ForEach, Parallel, open_store
from convgraph.errors import AnswerError, RunBusy
from convgraph.journal.runs import Claim
from convgraph.journal.sqlite import SqliteStore


class Overtaken(SqliteStore):
    """A store in which somebody else acts, once, just before the next claim."""

    def __init__(self, path: Path, act: Callable[[], Awaitable[Any]]) -> None:
        super().__init__(path, synchronous="NORMAL")
        self._act: Callable[[], Awaitable[Any]] | None = act

    async def claim(self, run_id: str) -> Claim:
        act, self._act = self._act, None
        if act is not None:
            await act()
        return await super().claim(run_id)


def asker(asked: list[str]) -> ConversationGraph:
    """Asks for a name, then notes that it was used."""

    async def ask(ctx: Context) -> str:
        name = await ctx.ask("Your name?", id="name")
        return await ctx.effect("greet", _greet, name)

    def _greet(name: str) -> str:
        asked.append(name)
        return f"hello {name}"

    graph = ConversationGraph("asker")
    graph.add_node(ask)
    graph.add_edge("ask", END)
    graph.set_start("ask")
    return graph


async def test_an_answer_that_came_too_late_is_refused_and_the_run_is_left_alone(tmp_path: Path) -> None:
    path, greeted = tmp_path / "runs.db", list[str]()
    graph = asker(greeted)
    await graph.arun("hi", store=path, run_id="run", human="park")
    overtaken = Overtaken(path, lambda: graph.aresume("run", store=path, answers={"name": "Ada"}))
    with overtaken as store, pytest.raises(AnswerError, match="'name'"):
        await graph.aresume("run", store=store, answers={"name": "Grace"})
    with open_store(path) as store:
        assert [info.status for info in await store.aruns()] == ["finished"]
    assert greeted == ["Ada"]
    assert (await graph.aresume("run", store=path)).last.text == "hello Ada"  # type: ignore[union-attr]  # it said something


async def test_of_two_that_continue_a_conversation_at_once_one_is_told_to_look_again(tmp_path: Path) -> None:
    async def echo(ctx: Context) -> str:
        return f"you said {ctx.last.text if ctx.last else ''}"

    graph = ConversationGraph("echo")
    graph.add_node(echo)
    graph.add_edge("echo", END)
    graph.set_start("echo")
    path = tmp_path / "runs.db"
    await graph.arun("one", store=path, run_id="run")
    with Overtaken(path, lambda: graph.acontinue("run", "two", store=path)) as store, pytest.raises(RunBusy, match="at the same moment"):
        await graph.acontinue("run", "three", store=store)
    result = await graph.acontinue("run", "four", store=path)
    assert [message.text for message in result.messages] == ["one", "you said one", "two", "you said two", "four", "you said four"]


def _wanting_one_id() -> dict[str, ConversationGraph]:
    async def left(ctx: Context) -> str:
        return await ctx.ask("Left?", id="ok")

    async def right(ctx: Context) -> str:
        return await ctx.ask("Right?", id="ok")

    async def each(ctx: Context) -> str:
        return await ctx.ask(f"{ctx.item}?", id="ok")

    graphs: dict[str, ConversationGraph] = {}
    for name, group in (("parallel", Parallel(left, right)), ("foreach", ForEach(each, over="['Left', 'Right']"))):
        graph = graphs[name] = ConversationGraph(name)
        graph.add_node(group, name="group")
        graph.add_edge("group", END)
        graph.set_start("group")
    inner = ConversationGraph("inner")
    inner.add_node(left)
    inner.add_node(right)
    inner.add_edge("left", "right")
    inner.add_edge("right", END)
    inner.set_start("left")
    graph = graphs["nested"] = ConversationGraph("nested")
    graph.add_node(inner, name="inner")
    graph.add_edge("inner", END)
    graph.set_start("inner")
    return graphs


@pytest.mark.parametrize("shape", ["parallel", "foreach", "nested"])
async def test_questions_that_want_the_same_id_are_all_asked_and_answered(tmp_path: Path, shape: str) -> None:
    graph, answered = _wanting_one_id()[shape], dict[str, str]()
    with open_store(tmp_path / "runs.db") as store:
        result = await graph.arun("hi", store=store, run_id="run", human="park")
        while result.status == "waiting":
            assert result.questions
            for question in result.questions:
                assert question.id not in answered
                answered[question.id] = question.prompt
            result = await graph.aresume("run", store=store, answers={question.id: "yes" for question in result.questions}, human="park")
        assert result.status == "finished"
        assert sorted(answered.values()) == ["Left?", "Right?"]
        for question in answered:
            with pytest.raises(AnswerError):
                await store.aanswer("run", question, "again")
        assert (await graph.areplay("run", store=store)).messages == result.messages


async def test_cancelling_while_the_file_is_locked_loses_nothing(tmp_path: Path) -> None:
    """The append that waited is written when the lock is gone, and the run says that it was cancelled."""
    calls, under_way = list[int](), threading.Event()

    async def work(ctx: Context) -> str:
        def act() -> str:
            calls.append(ctx.turn)
            if ctx.turn == 5:
                under_way.set()
            return "done"

        return await ctx.effect("act", act)

    graph = ConversationGraph("worker")
    graph.add_node(work)
    graph.add_edge("work", END, when="turn >= 200")
    graph.add_edge("work", "work")
    graph.set_start("work")
    path = tmp_path / "runs.db"
    other = sqlite3.connect(path, isolation_level=None)
    with open_store(path, synchronous="NORMAL") as store:
        task = asyncio.create_task(graph.arun("hi", store=store, run_id="run"))
        assert await asyncio.to_thread(under_way.wait, 10)
        other.execute("BEGIN IMMEDIATE")
        await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.sleep(0.02)
        other.execute("ROLLBACK")
        other.close()
        await asyncio.gather(task, return_exceptions=True)
        assert (await store.info("run")).status == "cancelled"
        result = await graph.aresume("run", store=store, human="park")
        if result.status == "waiting":  # it was cut short inside the call, and says so
            [question] = result.questions
            assert question.id.startswith("doubt-")
            result = await graph.aresume("run", store=store, answers={question.id: {"result": "done"}})
        assert result.status == "finished"
        assert calls == sorted(set(calls)), "a call was made twice"
