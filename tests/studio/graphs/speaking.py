"""Graphs that speak: one in pieces, one in turns, one that asks, one that fails, one that goes round and round."""

from __future__ import annotations

from convgraph import END, AssistantAgent, ConversationGraph, Limits, Reply, ScriptedModel
from convgraph.messages import Usage
from convgraph.protocols import ModelReply
from convgraph.runtime.context import Context


def _model(*replies: str) -> ScriptedModel:
    return ScriptedModel([ModelReply(reply, usage=Usage(1, 10, 5)) for reply in replies], repeat=True)


essay = ConversationGraph("essay")
essay.add_node(AssistantAgent("writer", model=_model("A draft about the sea.")))
essay.add_node(AssistantAgent("critic", model=_model("Shorter, please.")))
essay.add_node(AssistantAgent("editor", model=_model("The sea is wide.")))
essay.add_edge("writer", "critic")
essay.add_edge("critic", "editor")
essay.add_edge("editor", END)
essay.set_start("writer")


def echo(ctx: Context) -> str:
    """Say how many messages there are, and the last."""
    return f"{len(ctx.messages)}: {ctx.last.text if ctx.last is not None else ''}"


parrot = ConversationGraph("parrot")
parrot.add_node(echo)
parrot.add_edge("echo", END)
parrot.set_start("echo")


async def asking(ctx: Context) -> str:
    """Ask for a number."""
    return f"{await ctx.ask('How many?', id='many', schema=int)} it is."


counter = ConversationGraph("counter")
counter.add_node(asking)
counter.add_edge("asking", END)
counter.set_start("asking")


def broken(ctx: Context) -> str:
    """Fail."""
    raise ValueError("the pump is stuck")


failing = ConversationGraph("failing")
failing.add_node(broken)
failing.add_edge("broken", END)
failing.set_start("broken")


def turning(ctx: Context) -> Reply:
    """Say the number of the turn."""
    return Reply(f"round {ctx.turn}")


wheel = ConversationGraph("wheel", limits=Limits(turns=3))
wheel.add_node(turning)
wheel.add_edge("turning", END, when="turn > 1000000")
wheel.add_edge("turning", "turning")
wheel.set_start("turning")
