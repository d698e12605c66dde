"""LangGraph: a state graph whose routing function names the next speaker.

Three kinds of state are measured: `MessagesState`, which its documents begin with; a list of plain dicts, which is
faster; and the same list in a `DeltaChannel` (beta), which stores what a step added.
"""

# pyright: reportMissingImports=false, reportAttributeAccessIssue=false
from __future__ import annotations

import asyncio
import operator
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any, TypedDict

from langchain_core.messages import AIMessage
from langgraph.channels import DeltaChannel
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.errors import GraphRecursionError
from langgraph.graph import END, START, MessagesState, StateGraph

from benchmarks.measure import AGENTS, CONVERSATION, LATENCY, MEMBERS, Task, Workload, must, payload


def _extended(messages: list[Any], additions: Sequence[list[Any]]) -> list[Any]:
    return [*(messages or []), *(message for addition in additions for message in addition)]


class Dicts(TypedDict):
    messages: Annotated[list[dict[str, str]], operator.add]


class Delta(TypedDict):
    messages: Annotated[list[dict[str, str]], DeltaChannel(_extended)]


STATES: dict[str, Any] = {"messages": MessagesState, "dicts": Dicts, "delta": Delta}
Node = Callable[[Any], Awaitable[dict[str, Any]]]


def _agent(task: Task, name: str, kind: str, latency: float = 0.0) -> Node:
    async def speak(state: Any) -> dict[str, Any]:
        if latency:
            await asyncio.sleep(latency)
        task.tick()
        content = payload(len(state["messages"]))
        said = AIMessage(content, name=name) if kind == "messages" else {"sender": name, "content": content, "role": "assistant"}
        return {"messages": [said]}

    return speak


def pair(task: Task, turns: int, kind: str, latency: float = 0.0) -> StateGraph:
    graph = StateGraph(STATES[kind])
    for name, other in zip(AGENTS, reversed(AGENTS), strict=True):
        graph.add_node(name, _agent(task, name, kind, latency))

        def route(state: Any, other: str = other) -> str:
            return END if len(state["messages"]) >= turns else other

        graph.add_conditional_edges(name, route, [other, END])
    graph.add_edge(START, AGENTS[0])
    return graph


def config(steps: int, thread: str = "bench") -> dict[str, Any]:
    return {"recursion_limit": steps, "configurable": {"thread_id": thread}}


def _b1(kind: str) -> Workload:
    async def b1(task: Task) -> None:
        app = pair(task, task.n, kind).compile()
        state = await task.timed(app.ainvoke({"messages": []}, config(task.n + 10)))
        must(len(state["messages"]) == task.n, "turns")

    return b1


def _b2(kind: str) -> Workload:
    async def b2(task: Task) -> None:
        async with AsyncSqliteSaver.from_conn_string(task.database) as saver:
            await saver.setup()
            await saver.conn.execute(f"PRAGMA synchronous={task.synchronous}")
            app = pair(task, task.n, kind).compile(checkpointer=saver)
            state = await task.timed(app.ainvoke({"messages": []}, config(task.n + 10), durability="sync"))
            must(len(state["messages"]) == task.n, "turns")

    return b2


async def b4_prepare(task: Task) -> None:
    """Stop a conversation after n messages, with more to come."""
    async with AsyncSqliteSaver.from_conn_string(task.database) as saver:
        app = pair(task, task.n + 1, "messages").compile(checkpointer=saver)
        try:
            await task.timed(app.ainvoke({"messages": []}, config(task.n), durability="exit"))
        except GraphRecursionError:
            state = await app.aget_state(config(task.n))
            must(len(state.values["messages"]) == task.n, "messages stored")
            return
        must(condition=False, what="the conversation was to be stopped")


async def b4(task: Task) -> None:
    """Go on with it in a new process: one durable step."""

    async def resume() -> dict[str, Any]:
        async with AsyncSqliteSaver.from_conn_string(task.database) as saver:
            app = pair(task, task.n + 1, "messages").compile(checkpointer=saver)
            return await app.ainvoke(None, config(10), durability="sync")

    state = await task.timed(resume())
    must(len(state["messages"]) == task.n + 1, "one step more")


async def b5(task: Task) -> None:
    """n conversations at once, nothing stored."""
    app = pair(task, CONVERSATION, "dicts", LATENCY).compile()

    async def everyone() -> list[dict[str, Any]]:
        return await asyncio.gather(*(app.ainvoke({"messages": []}, config(CONVERSATION + 10)) for _ in range(task.n)))

    states = await task.timed(everyone())
    must(all(len(state["messages"]) == CONVERSATION for state in states), "turns")


async def b7(task: Task) -> None:
    """A supervisor written by hand: it asks a function that answers at once, and routes to the member it names."""

    class Supervised(Dicts):
        next: str

    async def choose(state: Any) -> dict[str, Any]:
        said = len(state["messages"])
        return {"next": END if said >= task.n else MEMBERS[said % len(MEMBERS)]}

    graph = StateGraph(Supervised)
    graph.add_node("supervisor", choose)
    graph.add_edge(START, "supervisor")
    graph.add_conditional_edges("supervisor", lambda state: state["next"], [*MEMBERS, END])
    for name in MEMBERS:
        graph.add_node(name, _agent(task, name, "dicts"))
        graph.add_edge(name, "supervisor")
    state = await task.timed(graph.compile().ainvoke({"messages": []}, config(2 * task.n + 10)))
    must(len(state["messages"]) == task.n, "rounds")


WORKLOADS: dict[str, Workload] = {
    "b1": _b1("messages"),
    "b1_dicts": _b1("dicts"),
    "b2": _b2("messages"),
    "b2_delta": _b2("delta"),
    "b4_prepare": b4_prepare,
    "b4": b4,
    "b5": b5,
    "b7": b7,
}
