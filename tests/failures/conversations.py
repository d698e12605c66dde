"""Three conversations that use every kind of effect. Each call that leaves the conversation is noted in the evidence.

Calls of tools and code are labelled by their idempotency key, model calls by the model's name and the number
of messages it was given: within one run each label stands for one place in the journal.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel

from convgraph import END, AssistantAgent, Context, ConversationGraph, Parallel, Reply, Retry, ScriptedModel
from convgraph.journal.events import Question
from convgraph.protocols import ModelRequest
from tests.failures.evidence import Evidence

ANSWER = "as you like"
FLAKY = "flaky"
"""The effect that fails once: its label's tail."""


def witnessed_model(evidence: Evidence, name: str, say: Callable[[ModelRequest], Any]) -> ScriptedModel:
    """A model whose calls are noted."""

    def answer(request: ModelRequest) -> Any:
        evidence.call(f"model {name}/{len(request.messages)}")
        return say(request)

    return ScriptedModel(answer, name=name)


def agent(evidence: Evidence, name: str) -> AssistantAgent:
    """An agent that says how much it has heard."""
    return AssistantAgent(
        name, f"You are {name}.", model=witnessed_model(evidence, f"{name}-model", lambda r: f"{name} at {len(r.messages)}")
    )


def person(evidence: Evidence) -> Callable[[Question], str]:
    """A person who answers every question in the same way."""

    def answer(question: Question) -> str:
        evidence.call(f"human {question.id}")
        return ANSWER

    return answer


def outside(evidence: Evidence, result: Any) -> Callable[..., Any]:
    """A function that does something outside and returns `result`."""

    def act(*_: Any, idempotency_key: str) -> Any:
        evidence.call(f"act {idempotency_key}")
        return result

    return act


def panel(evidence: Evidence) -> ConversationGraph:
    """Branches: two agents, a tool, and a person at the same time, twice around."""

    async def look_up(ctx: Context) -> str:
        found = await ctx.effect("look-up", outside(evidence, {"hits": [1, 2]}), "terms", idempotent=True)
        kept = await ctx.effect("keep", outside(evidence, "kept"))
        return f"found {found['hits']}, {kept}"

    async def sign_off(ctx: Context) -> str:
        return await ctx.ask("Is that all right?", id="sign-off" if ctx.turn == 2 else None)

    async def publish(ctx: Context) -> str:
        number = await ctx.effect("publish", outside(evidence, ctx.turn), kind="code")
        return f"published as {number}"

    graph = ConversationGraph("panel")
    graph.add_node(agent(evidence, "opener"))
    graph.add_node(Parallel(agent(evidence, "legal"), agent(evidence, "style"), look_up, sign_off), name="panel")
    graph.add_node(publish)
    graph.add_edge("opener", "panel")
    graph.add_edge("panel", "publish")
    graph.add_edge("publish", END, when="turn >= 6")
    graph.add_edge("publish", "opener")
    graph.set_start("opener")
    return graph


def review(evidence: Evidence) -> ConversationGraph:
    """A sub-conversation in the middle, with tools and a question inside it, and a second one inside that."""
    check = ConversationGraph("check")

    async def prove(ctx: Context) -> str:
        return await ctx.effect("prove", outside(evidence, "proven"), ctx.last.text if ctx.last else "", idempotent=True)

    check.add_node(prove)
    check.add_node(agent(evidence, "referee"))
    check.add_edge("prove", "referee")
    check.add_edge("referee", END)
    check.set_start("prove")

    inner = ConversationGraph("inner")

    async def revise(ctx: Context) -> str:
        await ctx.effect("revise", outside(evidence, None), ctx.turn)
        return f"revision {ctx.turn}"

    async def ask_author(ctx: Context) -> str:
        return await ctx.ask("May I?")

    inner.add_node(agent(evidence, "critic"))
    inner.add_node(revise)
    inner.add_node(check, name="check")
    inner.add_node(ask_author)
    inner.add_edge("critic", "ask_author", when="turn > 4")
    inner.add_edge("critic", "revise")
    inner.add_edge("revise", "check")
    inner.add_edge("check", "critic")
    inner.add_edge("ask_author", END)
    inner.set_start("critic")

    async def publish(ctx: Context) -> str:
        return await ctx.effect("publish", outside(evidence, "published"), kind="code", idempotent=True)

    graph = ConversationGraph("review")
    graph.add_node(agent(evidence, "planner"))
    graph.add_node(inner, name="review")
    graph.add_node(publish)
    graph.add_edge("planner", "review")
    graph.add_edge("review", "publish")
    graph.add_edge("publish", END)
    graph.set_start("planner")
    return graph


class Notes(BaseModel):
    """What the desk remembers."""

    seen: list[str] = []
    rounds: int = 0


def desk(evidence: Evidence) -> ConversationGraph:
    """Tools, questions, retries, the clock and chance, and a model that chooses who is next."""

    def choice(request: ModelRequest) -> dict[str, str]:
        heard = len(request.messages)
        return {"next": "search" if heard < 4 else "compute" if heard < 8 else END}

    async def triage(ctx: Context) -> Reply:
        stamp = (ctx.now(), ctx.random(), ctx.uuid())
        await ctx.effect("file", outside(evidence, "filed"), kind="code")
        return Reply(f"triage with {len(stamp)} stamps", update={"rounds": ctx.state.rounds + 1})

    async def search(ctx: Context) -> Reply:
        first = await ctx.effect("query", outside(evidence, {"page": 1}), "cats")
        second = await ctx.effect("query", outside(evidence, {"page": 2}), "cats", 2, idempotent=True)
        return Reply(f"pages {first['page']} and {second['page']}", update={"seen": [*ctx.state.seen, "search"]})

    def compute(ctx: Context) -> str:
        def stumble(idempotency_key: str) -> str:
            evidence.call(f"act {idempotency_key} {FLAKY}")
            if f"stumbled over {idempotency_key}" not in evidence.notes():
                evidence.note(f"stumbled over {idempotency_key}")
                raise OSError("the first time never works")
            return "computed"

        before = ctx.sync.effect("reserve", outside(evidence, "reserved"), kind="code")
        done = ctx.sync.effect("stumble", stumble, kind="code", idempotent=True)
        word = ctx.sync.ask("Shall it count?", schema={"type": "string", "minLength": 2})
        return f"{before}, {done}, {word}"

    graph = ConversationGraph("desk", state=Notes, select="auto", selector_model=witnessed_model(evidence, "selector", choice))
    graph.add_node(triage)
    graph.add_node(search)
    graph.add_node(compute, retry=Retry(attempts=2, wait=0))
    graph.add_node(agent(evidence, "clerk"))
    for speaker in ("triage", "search", "compute"):
        graph.add_edge(speaker, "clerk")
    graph.add_edge("clerk", "search")
    graph.add_edge("clerk", "compute")
    graph.add_edge("clerk", END)
    graph.set_start("triage")
    return graph


def relay(evidence: Evidence) -> ConversationGraph:
    """A short one to fight over: a tool, plain code that the trap can be in, a model, a tool."""

    async def first(ctx: Context) -> str:
        return await ctx.effect("first", outside(evidence, "done"))

    async def think(ctx: Context) -> str:
        evidence.call(f"plain {ctx.turn}")
        reply = await ctx.call_model(model, ModelRequest(ctx.messages, "think"))
        return reply.content

    async def last(ctx: Context) -> str:
        return await ctx.effect("last", outside(evidence, "done"), idempotent=True)

    model = witnessed_model(evidence, "think-model", lambda _: "a thought")
    graph = ConversationGraph("relay")
    graph.add_node(first)
    graph.add_node(think)
    graph.add_node(last)
    graph.add_edge("first", "think")
    graph.add_edge("think", "last")
    graph.add_edge("last", END)
    graph.set_start("first")
    return graph


CONVERSATIONS: dict[str, Callable[[Evidence], ConversationGraph]] = {"panel": panel, "review": review, "desk": desk}
ALL = {**CONVERSATIONS, "relay": relay}
