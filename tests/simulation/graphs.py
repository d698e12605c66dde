"""Conversations for the simulation: what they say is a function of the graph alone, whatever happens on the way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel

from convgraph import END, Context, ConversationGraph, ForEach, Limits, Parallel, Retry
from convgraph.errors import ModelUnavailable
from convgraph.messages import Usage
from convgraph.protocols import ModelReply, ModelRequest
from tests.simulation.hosts import PROCESS, Process

ATTEMPTS = 4


class OutsideFailed(Exception):
    """Something outside failed, for once."""


class Outside:
    """What the nodes use: a model, and things that leave traces. Each use is evidence; some fail, but never a node's every attempt.

    Used outside of any process, nothing of it fails.
    """

    name = "simulated"
    priced = True

    def describe(self) -> Mapping[str, Any]:
        return {"type": "simulated"}

    async def respond(self, request: ModelRequest, on_delta: Callable[[str], None] | None = None) -> ModelReply:
        process = PROCESS.get(None)
        run_id, _, path = request.system.partition(" ")
        if process is not None:
            process.database.evidence.begins(process.name, run_id, f"{run_id}:{path}:model:{self.name}:0", once=False)
            await process.touch()
            if _fails(process, path):
                raise ModelUnavailable("for once")
        return ModelReply(f"{request.speaker} says so", usage=Usage(calls=1), model=self.name)


def _fails(process: Process, path: str) -> bool:
    """Not where an attempt comes that may be the last."""
    return "~" not in path and not process.faults.quiet and process.faults.chance.random() < 0.1


def _outside(*, idempotent: bool, fails: bool = False) -> Callable[..., Any]:
    async def do(thing: str, path: str, idempotency_key: str) -> str:
        process = PROCESS.get(None)
        if process is not None:
            evidence = process.database.evidence
            evidence.begins(process.name, idempotency_key.partition(":")[0], idempotency_key, once=not idempotent)
            await process.touch()
            if fails and _fails(process, path):
                raise OutsideFailed("for once")
            evidence.happened[idempotency_key] = f"{thing} done"
            evidence.does(process.name, idempotency_key)
            await process.touch()
        return f"{thing} done"

    return do


book, pay, fetch = _outside(idempotent=True), _outside(idempotent=False), _outside(idempotent=True, fails=True)


async def errand(ctx: Context) -> str:
    """Two things outside in one turn: one that may be done again, one that may not."""
    booked = await ctx.effect("book", book, f"booking {ctx.turn}", ctx.path, idempotent=True, about="book")
    paid = await ctx.effect("pay", pay, f"payment {ctx.turn}", ctx.path, about="pay")
    return f"{booked}, {paid}"


async def speak(ctx: Context) -> str:
    """A model's turn."""
    request = ModelRequest(ctx.messages, ctx.node, system=f"{ctx.run_id} {ctx.path}")
    return (await ctx.call_model(Outside(), request)).content


async def ask(ctx: Context) -> str:
    """A person's turn, with a wait before it."""
    await ctx.sleep(9)
    return f"I was told: {await ctx.ask(f'Question of turn {ctx.turn}?')}"


async def wait(ctx: Context) -> str:
    """A turn that takes its time."""
    await ctx.sleep(0.5 if ctx.turn % 2 else 20)
    return "waited"


async def gather(ctx: Context) -> str:
    """Something outside that fails now and then."""
    return f"{ctx.item}: {await ctx.effect('fetch', fetch, f'item {ctx.item}', ctx.path, idempotent=True, about='fetch')}"


def _line(name: str, *nodes: Callable[[Context], Any], turns: int, limits: Limits | None = None) -> ConversationGraph:
    """The nodes one after the other, around and around."""
    graph = ConversationGraph(name, limits=limits or Limits(turns=50))
    names = [graph.add_node(node, retry=Retry(attempts=ATTEMPTS, wait=0.3)) for node in nodes]
    for here, there in zip(names, [*names[1:], names[0]], strict=True):
        graph.add_edge(here, END, when=f"turn >= {turns}")
        graph.add_edge(here, there)
    graph.set_start(names[0])
    return graph


class Items(BaseModel):
    items: list[int] = [1, 2, 3]


def _team() -> ConversationGraph:
    """Branches that have effects, ask and wait; a conversation inside; a turn for each item; and a limit that has an edge."""
    graph = ConversationGraph("team", state=Items, limits=Limits(visits={"speak": 2}))
    graph.add_node(Parallel(errand, ask, speak), name="panel", retry=Retry(attempts=ATTEMPTS, wait=0.3))
    graph.add_node(_line("inner", errand, speak, wait, turns=3), name="inner")
    graph.add_node(ForEach(gather, over="state.items", concurrency=2), name="each", retry=Retry(attempts=ATTEMPTS, wait=0.3))
    graph.add_node(speak, retry=Retry(attempts=ATTEMPTS, wait=0.3))
    graph.add_edge("panel", "inner")
    graph.add_edge("inner", "each")
    graph.add_edge("each", "speak")
    graph.add_edge("speak", "speak")
    graph.add_edge("speak", END, on="limit")
    graph.set_start("panel")
    return graph


def all_graphs() -> tuple[ConversationGraph, ...]:
    """The graphs of every schedule."""
    return _line("errands", errand, turns=4), _line("talk", speak, errand, turns=6), _line("asking", ask, wait, turns=4), _team()
