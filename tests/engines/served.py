"""Graphs that workers serve in the tests. What they do outside is written to a file that nothing else writes: the evidence."""

from __future__ import annotations

import os
import time

from convgraph import END, Context, ConversationGraph, Limits
from tests.evidence import witness

STEPS = 8


def _digging() -> ConversationGraph:
    async def dig(ctx: Context) -> str:
        def work() -> int:
            witness(f"{ctx.run_id} {ctx.turn} {os.getpid()}")
            time.sleep(0.05)
            return ctx.turn

        return f"dug {await ctx.effect('dig', work, idempotent=True)}"

    graph = ConversationGraph("digging", limits=Limits(turns=100))
    graph.add_node(dig)
    graph.add_edge("dig", END, when=f"turn >= {STEPS}")
    graph.add_edge("dig", "dig")
    graph.set_start("dig")
    return graph


def _asking() -> ConversationGraph:
    async def ask(ctx: Context) -> str:
        await ctx.sleep(2.5)
        return await ctx.ask("Well?", id="well")

    graph = ConversationGraph("asking")
    graph.add_node(ask)
    graph.add_edge("ask", END)
    graph.set_start("ask")
    return graph


def _killing() -> ConversationGraph:
    def kill(ctx: Context) -> str:
        witness(f"{ctx.run_id} killing {os.getpid()}")
        os.kill(os.getpid(), 9)
        return "never"

    graph = ConversationGraph("killing")
    graph.add_node(kill)
    graph.add_edge("kill", END)
    graph.set_start("kill")
    return graph


def _steady() -> ConversationGraph:
    """Steps long enough for a worker to be killed or stopped within one."""

    async def tick(ctx: Context) -> str:
        def work() -> int:
            witness(f"{ctx.run_id} {ctx.turn} {os.getpid()}")
            time.sleep(0.2)
            return ctx.turn

        return f"ticked {await ctx.effect('tick', work, idempotent=True)}"

    graph = ConversationGraph("steady", limits=Limits(turns=100))
    graph.add_node(tick)
    graph.add_edge("tick", END, when=f"turn >= {STEPS}")
    graph.add_edge("tick", "tick")
    graph.set_start("tick")
    return graph


def _wondering() -> ConversationGraph:
    async def wonder(ctx: Context) -> str:
        return " ".join([await ctx.ask("Why?", id=f"why-{number}") for number in range(5)])

    graph = ConversationGraph("wondering")
    graph.add_node(wonder)
    graph.add_edge("wonder", END)
    graph.set_start("wonder")
    return graph


def _napping() -> ConversationGraph:
    async def nap(ctx: Context) -> str:
        await ctx.sleep(3.0)
        return "awake"

    graph = ConversationGraph("napping")
    graph.add_node(nap)
    graph.add_edge("nap", END)
    graph.set_start("nap")
    return graph


digging, asking, killing, steady, wondering, napping = _digging(), _asking(), _killing(), _steady(), _wondering(), _napping()
