"""A graph that a worker serves in the tests: a person's number decides."""

from __future__ import annotations

from convgraph import END, Context, ConversationGraph, ScriptedModel, Usage
from convgraph.protocols import ModelRequest


def _review() -> ConversationGraph:
    model = ScriptedModel(["A draft."], name="drafter", usage=Usage(1, 100, 20, 0.002))

    async def draft(ctx: Context) -> str:
        return (await ctx.call_model(model, ModelRequest(ctx.messages, "draft"))).content

    async def review(ctx: Context) -> str:
        return f"rated {await ctx.ask('How good is it?', id='rating', schema=int, to='ada')}"

    graph = ConversationGraph("review")
    graph.add_node(draft)
    graph.add_node(review)
    graph.add_edge("draft", "review")
    graph.add_edge("review", END)
    graph.set_start("draft")
    return graph


review = _review()
