"""A graph whose items are runs of their own, for the tests with several workers."""

from __future__ import annotations

import os
import time

from convgraph import END, Context, ConversableAgent, ConversationGraph, ForEach, Limits, Retry, ScriptedModel, Usage
from convgraph.protocols import ModelReply, ModelRequest
from tests.engines.watching import until
from tests.evidence import evidence, witness

STEPS = 3
TOGETHER = "CONVGRAPH_TEST_TOGETHER"
"""The variable that says how many processes have to have looked at something before any goes on."""


def _answer(request: ModelRequest) -> ModelReply:
    return ModelReply(f"summary of {request.messages[0].text}", usage=Usage(1, 10, 5))


async def look(ctx: Context) -> str:
    """Look at the item once more. One called `bad` cannot be read."""

    def work() -> int:
        witness(f"{ctx.run_id} {ctx.turn} {os.getpid()}")
        until(lambda: len({line.split()[-1] for line in evidence()}) >= int(os.environ.get(TOGETHER, "0")))
        time.sleep(0.05)
        return ctx.turn

    if ctx.messages[0].text == "bad":
        raise ValueError("this cannot be read")
    return f"look {await ctx.effect('look', work, idempotent=True)}"


async def shelve(ctx: Context) -> str:
    """Count what was read."""
    return f"shelved {len([message for message in ctx.messages if message.sender == 'reading'])}"


model = ScriptedModel(_answer)


def reading() -> ConversationGraph:
    """Three looks at an item, then a model's summary of it."""
    graph = ConversationGraph("reading")
    graph.add_node(look)
    graph.add_node(ConversableAgent("reader", model=model))
    graph.add_edge("look", "reader", when=f"turn >= {STEPS}")
    graph.add_edge("look", "look")
    graph.add_edge("reader", END)
    graph.set_start("look")
    return graph


def library(limits: Limits | None = None, retry: Retry | None = None) -> ConversationGraph:
    """Reads what it is told to, each text by a run of its own, and counts."""

    graph = ConversationGraph("library", state={"texts": {"type": "array", "default": []}}, limits=limits)
    graph.add_node(ForEach(reading(), over="state.texts", distributed=True), name="each", retry=retry)
    graph.add_node(shelve)
    graph.add_edge("each", "shelve")
    graph.add_edge("shelve", END)
    graph.set_start("each")
    return graph


spread = library()
