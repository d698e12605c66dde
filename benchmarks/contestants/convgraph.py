"""convgraph with its default settings: async function nodes, a CEL guard, the SQLite store."""

from __future__ import annotations

import asyncio
from typing import Any

from benchmarks.measure import AGENTS, CONVERSATION, LATENCY, MEMBERS, Task, Workload, must, payload
from convgraph import END, ConversableAgent, ConversationGraph, Limits, RunResult, ScriptedModel, open_store


def _pair(task: Task, turns: int) -> ConversationGraph:
    """Two functions taking turns; the guard leaves after `turns`."""

    async def speak(ctx: Any) -> str:
        task.tick()
        return payload(ctx.turn)

    graph = ConversationGraph("pair")
    for name in AGENTS:
        graph.add_node(speak, name=name)
    return _taking_turns(graph, turns)


def _agents(task: Task, turns: int, latency: float = 0.0) -> ConversationGraph:
    """The same with agents that ask a model."""

    def answer(request: Any) -> str:
        task.tick()
        return payload(len(request.messages))

    model = ScriptedModel(answer, latency=latency)
    graph = ConversationGraph("agents")
    for name in AGENTS:
        graph.add_node(ConversableAgent(name, model=model))
    return _taking_turns(graph, turns)


def _taking_turns(graph: ConversationGraph, turns: int) -> ConversationGraph:
    for name, other in zip(AGENTS, reversed(AGENTS), strict=True):
        graph.add_edge(name, END, when=f"turn >= {turns}")
        graph.add_edge(name, other)
    graph.set_start(AGENTS[0])
    return graph


def _store(task: Task) -> Any:
    return open_store(task.database) if task.synchronous == "FULL" else open_store(task.database, synchronous=task.synchronous)


async def b1(task: Task) -> None:
    """Two agents take turns, nothing is stored."""
    result = await task.timed(_pair(task, task.n).arun("go"))
    _check(result, task.n)


async def b2(task: Task) -> None:
    """The same, every step durable."""
    store = _store(task)
    result = await task.timed(_pair(task, task.n).arun("go", store=store))
    _check(result, task.n)
    await store.aclose()


async def b2_model(task: Task) -> None:
    """The same with a model call in each turn, recorded as an effect."""
    store = _store(task)
    result = await task.timed(_agents(task, task.n).arun("go", store=store))
    _check(result, task.n)
    await store.aclose()


async def b4_prepare(task: Task) -> None:
    """Stop a conversation after n messages, with more to come."""
    store = _store(task)
    result = await task.timed(_pair(task, task.n + 1).arun("go", store=store, run_id="bench", limits=Limits(turns=task.n)))
    must(result.status == "limited", f"stopped as {result.status}")
    await store.aclose()


async def b4(task: Task) -> None:
    """Go on with it in a new process: one durable step. What convgraph loads when it is first used counts as an import here."""
    import convgraph.graph.documents
    import convgraph.journal.sqlite
    import convgraph.runtime.fold  # noqa: F401

    _pair(task, 1)  # the guard brings the evaluator of CEL along

    async def resume() -> RunResult:
        store = _store(task)
        result = await _pair(task, task.n + 1).aresume("bench", store=store, limits=Limits(turns=task.n + 1))
        await store.aclose()
        return result

    _check(await task.timed(resume()), task.n + 1)


async def b5(task: Task) -> None:
    """n conversations at once, every step durable."""
    graph, store = _agents(task, CONVERSATION, LATENCY), _store(task)

    async def everyone() -> list[RunResult]:
        return await asyncio.gather(*(graph.arun("go", store=store) for _ in range(task.n)))

    for result in await task.timed(everyone()):
        _check(result, CONVERSATION)
    await store.aclose()


async def b7(task: Task) -> None:
    """Six members, each of whom may follow any other; a model that answers at once names the next speaker."""
    asked = 0

    def choose(request: Any) -> dict[str, str]:
        nonlocal asked
        asked += 1
        return {"next": MEMBERS[asked % len(MEMBERS)]}

    async def speak(ctx: Any) -> str:
        task.tick()
        return payload(ctx.turn)

    graph = ConversationGraph("group", select="auto", selector_model=ScriptedModel(choose))
    for name in MEMBERS:
        graph.add_node(speak, name=name)
    for name in MEMBERS:
        graph.add_edge(name, END, when=f"turn >= {task.n}", priority=1)
        for other in MEMBERS:
            if other != name:
                graph.add_edge(name, other)
    graph.set_start(MEMBERS[0])
    result = await task.timed(graph.arun("go"))
    _check(result, task.n)
    must(asked >= task.n - 1, "selections")


def _check(result: RunResult, turns: int) -> None:
    must(result.steps == turns and result.status == "finished", f"{result.status} after {result.steps} of {turns} turns")


WORKLOADS: dict[str, Workload] = {
    "b1": b1,
    "b2": b2,
    "b2_model": b2_model,
    "b4_prepare": b4_prepare,
    "b4": b4,
    "b5": b5,
    "b7": b7,
}
