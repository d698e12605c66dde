"""Branches run at the same time, see the conversation as of the fork, and are joined in the order declared."""

from __future__ import annotations

import asyncio
import operator
from typing import Annotated, Any

import pytest
from pydantic import BaseModel

from convgraph import END, ConversationGraph, ForEach, Parallel, Reducer, Reply
from convgraph.errors import DefinitionError
from convgraph.journal.store import Store

from .conftest import chain, paths, saying


class Notes(BaseModel):
    notes: Annotated[list[str], Reducer(operator.add)] = []
    bare: Annotated[list[str], operator.add] = []
    title: str = ""
    items: list[Any] = []


def noting(name: str, delay: float = 0.0, **update: Any) -> Any:
    async def node(ctx: Any) -> Reply:
        await asyncio.sleep(delay)
        return Reply(f"{name} after {ctx.last.text}", update=update or None)

    node.__name__ = name
    return node


def panel(*members: Any, state: Any = Notes) -> ConversationGraph:
    graph = ConversationGraph("panel-graph", state=state)
    graph.add_node(saying("start"))
    graph.add_node(Parallel(*members), name="panel")
    graph.add_edge("start", "panel")
    graph.add_edge("panel", END)
    graph.set_start("start")
    return graph


def test_branches_join_in_declared_order_whoever_is_first(store: Store) -> None:
    graph = panel(noting("slow", 0.02, notes=["s"], bare=["s"]), noting("fast", notes=["f"], bare=["f"]))
    result = graph.run("x", store=store, run_id="r")

    assert [message.text for message in result.messages] == ["x", "start", "slow after start", "fast after start"]
    assert (result.state.notes, result.state.bare) == (["s", "f"], ["s", "f"])
    assert result.steps == 2
    assert graph.replay("r", store=store).messages == result.messages


def test_the_group_is_one_turn_and_its_branches_count_in_visits() -> None:
    seen: list[dict[str, int]] = []

    async def after(ctx: Any) -> str:
        seen.append(dict(ctx.visits))
        return "done"

    graph = ConversationGraph("visits")
    graph.add_node(Parallel(saying("a"), saying("b")), name="group")
    graph.add_node(after)
    graph.add_edge("group", after)
    graph.add_edge(after, END)
    graph.set_start("group")
    graph.run()
    assert seen == [{"group": 1, "a": 1, "b": 1, "after": 0}]


def test_two_branches_that_write_one_field_need_a_reducer() -> None:
    result = panel(noting("a", title="A"), noting("b", title="B")).run("x")
    assert result.status == "failed"
    assert "title" in result.stop_reason
    assert "Reducer" in result.stop_reason


def test_a_failing_branch_cancels_its_siblings_and_is_the_groups_error() -> None:
    ended: list[str] = []

    async def long(ctx: Any) -> str:
        try:
            await asyncio.sleep(30)
        finally:
            ended.append("cancelled")
        return "never"

    async def broken(ctx: Any) -> str:
        raise ValueError("no")

    graph = panel(long, broken)
    graph.add_node(saying("rescue"))
    graph.add_edge("panel", "rescue", on="error")
    graph.add_edge("rescue", END)
    result = graph.run("x")
    assert [message.text for message in result.messages] == ["x", "start", "rescue"]
    assert ended == ["cancelled"]


def test_a_finished_branch_is_not_run_again_when_a_sibling_waits(store: Store) -> None:
    runs: list[str] = []

    async def counted(ctx: Any) -> str:
        runs.append("counted")
        return "counted"

    async def asking(ctx: Any) -> str:
        return await ctx.ask("ok?", id="ok")

    graph = panel(asking, counted)
    assert graph.run("x", store=store, run_id="r").status == "waiting"
    result = graph.resume("r", store=store, answers={"ok": "yes"})
    assert [message.text for message in result.messages][-2:] == ["yes", "counted"]
    assert runs == ["counted"]


def test_a_graph_may_be_a_branch(store: Store) -> None:
    inner = ConversationGraph("inner")
    inner.add_node(noting("one"))
    inner.add_node(noting("two"))
    inner.add_edge("one", "two")
    inner.add_edge("two", END)
    inner.set_start("one")

    graph = panel(inner, noting("other"))
    result = graph.run("x", store=store, run_id="r")
    assert [(message.sender, message.text) for message in result.messages][2:] == [
        ("inner", "two after one after start"),
        ("other", "other after start"),
    ]
    assert graph.replay("r", store=store).messages == result.messages


def test_a_branch_cannot_hand_over() -> None:
    async def leaver(ctx: Any) -> Reply:
        return Reply("bye", goto="start")

    result = panel(leaver, noting("b")).run("x")
    assert result.status == "failed"
    assert "branch" in result.stop_reason


def for_each(body: Any, **options: Any) -> ConversationGraph:
    graph = ConversationGraph("each", state=Notes)
    graph.add_node(ForEach(body, over="state.items", **options), name="each")
    graph.add_edge("each", END)
    graph.set_start("each")
    return graph


def test_for_each_has_a_turn_for_every_item_in_order(store: Store) -> None:
    running: list[int] = []
    most: list[int] = []

    async def body(ctx: Any) -> Reply:
        running.append(1)
        most.append(len(running))
        await asyncio.sleep(0.001)
        running.pop()
        return Reply(f"{ctx.item['n']}: {ctx.last.text}", update={"notes": [str(ctx.item["n"])]})

    graph = for_each(body, concurrency=2)
    result = graph.run(state={"items": [{"n": number} for number in range(5)]}, store=store, run_id="r")
    assert [message.text for message in result.messages] == [f'{number}: {{"n": {number}}}' for number in range(5)]
    assert result.state.notes == ["0", "1", "2", "3", "4"]
    assert max(most) == 2
    assert graph.replay("r", store=store).state == result.state


def test_for_each_over_nothing_says_nothing() -> None:
    result = for_each(saying("body")).run(state={"items": []})
    assert (result.status, result.messages) == ("finished", [])


def test_for_each_over_something_else_is_the_nodes_error() -> None:
    class Loose(BaseModel):
        items: Any = None

    graph = ConversationGraph("each", state=Loose)
    graph.add_node(ForEach(saying("body"), over="state.items"), name="each")
    graph.add_edge("each", END)
    graph.set_start("each")
    result = graph.run(state={"items": 7})
    assert result.status == "failed"
    assert "list" in result.stop_reason


@pytest.mark.parametrize(
    "make",
    [
        lambda graph: Parallel(),
        lambda graph: graph.add_node(Parallel(saying("a"), saying("a")), name="p"),
        lambda graph: graph.add_node(Parallel(saying("a"))),
        lambda graph: Parallel(saying("a"), concurrency=0),
        lambda graph: ForEach(saying("a"), over=""),
        lambda graph: graph.add_node(ForEach(saying("a"), over="nonsense.items"), name="f"),
        lambda graph: graph.add_node(Parallel(Parallel(saying("a"))), name="p"),
    ],
    ids=["empty", "same name", "no name", "no concurrency", "over nothing", "over an unknown name", "group in group"],
)
def test_groups_that_cannot_work_are_refused_when_they_are_made(make: Any) -> None:
    with pytest.raises(DefinitionError):
        make(ConversationGraph("g"))


def test_nesting_starts_from_the_last_message_and_gives_back_the_last(store: Store) -> None:
    inner = chain(noting("draft"), noting("polish"))
    graph = chain(saying("idea"), inner, saying("done"))
    result = graph.run("x", store=store, run_id="r")

    assert [(message.sender, message.text) for message in result.messages] == [
        ("user", "x"),
        ("idea", "idea"),
        ("chain", "polish after draft after idea"),
        ("done", "done"),
    ]
    assert paths(store, "r") == ["1", "2/1", "2/2", "2", "3"]


def test_a_question_deep_inside_parks_and_resumes_in_place(store: Store) -> None:
    turns: list[str] = []

    async def before(ctx: Any) -> str:
        turns.append("before")
        return "before"

    async def asking(ctx: Any) -> str:
        return await ctx.ask("deep?", id="deep")

    graph = chain(saying("start"), chain(before, asking))
    assert graph.run("x", store=store, run_id="r").status == "waiting"
    result = graph.resume("r", store=store, answers={"deep": "answered"})
    assert result.messages[-1].text == "answered"
    assert turns == ["before"]


def test_a_nested_conversation_that_is_stuck_is_its_nodes_error() -> None:
    inner = ConversationGraph("inner")
    inner.add_node(saying("a"))
    inner.add_edge("a", END, when='last.content == "b"')
    inner.set_start("a")
    result = chain(saying("start"), inner).run()
    assert result.status == "failed"
    assert "stuck" in result.stop_reason
    assert 'last.content == "b" = false' in result.stop_reason
