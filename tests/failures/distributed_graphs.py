"""Graphs that workers on many machines serve in the tests. What they do outside is written to a file: the evidence."""

from __future__ import annotations

import hashlib
import os
import time

from convgraph import END, Context, ConversationGraph, Limits
from tests.evidence import witness

STEPS = 5


def dated(*what: object) -> None:
    """A line of evidence: what, by whom, and when by the clock of the kernel."""
    witness(" ".join([*map(str, what), str(os.getpid()), f"{time.clock_gettime(time.CLOCK_REALTIME):.6f}"]))


def _digging() -> ConversationGraph:
    """Steps that take as many seconds as the opening message says."""

    async def dig(ctx: Context) -> str:
        seconds = float(ctx.messages[0].text)

        def work() -> str:
            dated(ctx.run_id, ctx.turn)
            time.sleep(seconds)
            return "".join(hashlib.sha256(f"{ctx.run_id} {ctx.turn} {part}".encode()).hexdigest() for part in range(40))

        return await ctx.effect("dig", work, idempotent=True)

    graph = ConversationGraph("digging", limits=Limits(turns=100))
    graph.add_node(dig)
    graph.add_edge("dig", END, when=f"turn >= {STEPS}")
    graph.add_edge("dig", "dig")
    graph.set_start("dig")
    return graph


def _asking() -> ConversationGraph:
    """Waits for the clock, and then for a person."""

    async def ask(ctx: Context) -> str:
        await ctx.sleep(float(ctx.messages[0].text))
        return await ctx.ask("Well?", id="well")

    graph = ConversationGraph("asking")
    graph.add_node(ask)
    graph.add_edge("ask", END)
    graph.set_start("ask")
    return graph


digging, asking = _digging(), _asking()
