"""The conversation of `benchmarks.distributed`: two who take turns, and whose model takes its time where it is said so."""

from __future__ import annotations

import asyncio
from typing import Any

from benchmarks.measure import AGENTS, payload
from convgraph import END, ConversationGraph, Limits

LATENCY = 0.05
TURNS = 40


def pair(turns: int, seconds: float = 0.0) -> ConversationGraph:
    """Two functions taking turns; the guard leaves after `turns`."""

    async def speak(ctx: Any) -> str:
        if seconds:
            await asyncio.sleep(seconds)
        return payload(ctx.turn)

    graph = ConversationGraph("pair", limits=Limits(turns=turns + 1))
    for name, other in zip(AGENTS, reversed(AGENTS), strict=True):
        graph.add_node(speak, name=name)
        graph.add_edge(name, END, when=f"turn >= {turns}")
        graph.add_edge(name, other)
    graph.set_start(AGENTS[0])
    return graph


graph = pair(TURNS, LATENCY)
"""What the workers of the benchmark go on with."""
