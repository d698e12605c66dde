"""Graphs with all that a run can show: tools, streamed text, a group, a graph in a graph, state, pictures, guards of every kind."""

from __future__ import annotations

import base64
import os
import struct
import zlib
from typing import Annotated, Any

from pydantic import BaseModel

from convgraph import END, AssistantAgent, ConversationGraph, Limits, Parallel, ScriptedModel, ToolCall
from convgraph.graph.schema import Reducer
from convgraph.messages import Message, Reply, Usage
from convgraph.protocols import ModelReply, ModelRequest
from convgraph.runtime.context import Context
from convgraph.tools import tool

PACE = float(os.environ.get("NEWSROOM_PACE", "0"))
"""Seconds that each answer of a model takes to be said."""
PAID = Usage(calls=1, input_tokens=310, output_tokens=42, usd=0.0009)
"""What each answer costs."""


def together(old: list[str], new: list[str]) -> list[str]:
    """Notes of all who write some."""
    return [*old, *new]


class Desk(BaseModel):
    """What the newsroom knows."""

    draft: int = 0
    score: float = 0.0
    notes: Annotated[list[str], Reducer(together)] = []
    plan: dict[str, Any] = {"title": "Bridges", "sections": ["why", "how"]}


@tool
def archive(topic: str, year: int = 2020) -> dict[str, Any]:
    """Look something up."""
    return {"topic": topic, "year": year, "found": ["The bridge opened in 1932.", "It is 503 metres long."]}


def square(shade: int) -> str:
    """A small picture of one colour, as a data URI."""
    rows = b"".join(b"\0" + bytes([shade, 120, 255 - shade] * 24) for _ in range(24))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 24, 24, 8, 2, 0, 0, 0)) + chunk(b"IDAT", zlib.compress(rows))
    return "data:image/png;base64," + base64.b64encode(png + chunk(b"IEND", b"")).decode()


def said(*lines: Any, name: str) -> ScriptedModel:
    """A model that says these lines, at the newsroom's pace, and the last one again."""
    return ScriptedModel(list(lines), name=name, latency=PACE, usage=PAID, repeat=True)


def by_turn(draft: str, name: str) -> ScriptedModel:
    """A model that writes one draft after the other, as often as it is asked, whoever else asks."""

    def write(request: ModelRequest) -> str:
        return f"{draft} {sum(message.sender == 'writer' for message in request.messages) + 1}."

    return ScriptedModel(write, name=name, latency=PACE, usage=PAID)


async def judge(ctx: Context) -> Reply:
    """Give the draft a score, which rises."""
    draft = ctx.state.draft + 1
    note = f"draft {draft} was read"
    return Reply(f"Score {draft * 0.45:.2f} for draft {draft}.", update={"draft": draft, "score": round(draft * 0.45, 2), "notes": [note]})


def illustrate(ctx: Context) -> Message:
    """Draw a picture."""
    shade = 40 * ctx.state.draft
    return Message("artist", [{"type": "text", "text": "Here is the cover."}, {"type": "image_url", "image_url": {"url": square(shade)}}])


def good_enough(view: Any) -> bool:
    """Whether the score is high enough."""
    return view.state.score >= 0.9


def review() -> ConversationGraph:
    """A graph of its own: a checker and a fixer."""
    graph = ConversationGraph("review")
    graph.add_node(
        AssistantAgent("checker", "Check facts.", model=said("The length is wrong: 503 metres.", "Now it holds.", name="checker-model"))
    )
    graph.add_node(AssistantAgent("fixer", "Fix.", model=said("It is 503 metres long, as you say.", name="fixer-model")))
    graph.set_start("checker")
    graph.add_edge("checker", "fixer", when='!last.content.contains("holds")', label="a fault")
    graph.add_edge("checker", END, label="it holds")
    graph.add_edge("fixer", "checker")
    return graph


def critic(name: str, line: str) -> AssistantAgent:
    """One voice of the panel."""
    return AssistantAgent(name, f"You care for {name}.", model=said(line, name=f"{name}-model"))


def newsroom() -> ConversationGraph:
    """Research, writing, critics side by side, a review, a score, a cover."""
    graph = ConversationGraph("newsroom", state=Desk, limits=Limits(turns=80, tokens=50_000))
    call = ModelReply("", tool_calls=(ToolCall("call-1", "archive", '{"topic": "harbour bridge", "year": 1932}'),))
    researcher = said(call, "The bridge opened in 1932 and is **503 metres** long.", name="research-model")
    graph.add_node(AssistantAgent("researcher", "You look things up.", model=researcher, tools=[archive]), description="Looks things up.")
    graph.add_node(
        AssistantAgent("writer", "You write.", model=by_turn("The harbour bridge has carried the city since 1932. Draft", "writer-model"))
    )
    graph.add_node(
        Parallel(
            critic("facts", "The year is right, the length is missing."),
            critic("style", "Shorter sentences, please."),
            critic("law", "Nothing that anybody could sue for."),
        ),
        name="panel",
    )
    graph.add_node(review(), name="review")
    graph.add_node(judge, name="judge")
    graph.add_node(illustrate, name="artist")
    graph.set_start("researcher")
    graph.add_edge("researcher", "writer")
    graph.add_edge("writer", "panel", label="to the critics")
    graph.add_edge("panel", "review")
    graph.add_edge("review", "judge")
    graph.add_edge("judge", "artist", when=good_enough, priority=2, label="good enough")
    graph.add_edge("judge", "writer", when="state.draft < 5", priority=1, label="once more")
    graph.add_edge("judge", END, label="given up")
    graph.add_edge("artist", END, label="printed")
    return graph


def counting() -> ConversationGraph:
    """Two nodes that count, for as long as the limits allow."""
    graph = ConversationGraph("counting", state={"count": {"type": "integer", "default": 0}, "even": {"type": "boolean", "default": True}})

    def ping(ctx: Context) -> Reply:
        count = ctx.state.count + 1
        return Reply(f"{count}: ping, " + "and so it goes on " * (count % 7), update={"count": count, "even": count % 2 == 0})

    def pong(ctx: Context) -> Reply:
        count = ctx.state.count + 1
        return Reply(f"{count}: pong", update={"count": count, "even": count % 2 == 0})

    graph.add_node(ping)
    graph.add_node(pong)
    graph.set_start("ping")
    graph.add_edge("ping", "pong", label="odd")
    graph.add_edge("pong", END, when="state.count >= 1000000")
    graph.add_edge("pong", "ping", when="!state.even || state.count > 0", label="even")
    return graph


def fickle() -> ConversationGraph:
    """A graph whose code says something else when the time has changed."""
    graph = ConversationGraph("fickle")

    def first(_: Context) -> str:
        return "The same as ever."

    def second(_: Context) -> str:
        return os.environ.get("FICKLE", "as it was") + "\nand a second line"

    graph.add_node(first)
    graph.add_node(second)
    graph.set_start("first")
    graph.add_edge("first", "second")
    graph.add_edge("second", END)
    return graph


news = newsroom()
count = counting()
moody = fickle()
