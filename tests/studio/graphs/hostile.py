"""Graphs whose models, tools, questions, guards and labels say what is in the corpus."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[3]))

from pydantic import BaseModel

from convgraph import END, ConversationGraph, Message, Reply, ToolCall
from convgraph.runtime.approval import refusal
from convgraph.runtime.context import Context
from convgraph.tools import run_tool_calls, tool
from tests.studio.hostile import PAYLOADS, PICTURES


class Said(BaseModel):
    """What was said, by number: state is shown too."""

    said: dict[str, str] = {}


def mallory(ctx: Context) -> Reply:
    """Say the next of the corpus."""
    text = PAYLOADS[(ctx.turn - 1) % len(PAYLOADS)]
    parts: Any = [{"type": "text", "text": text}, *({"type": "image_url", "image_url": {"url": url}} for url in PICTURES if ctx.turn == 1)]
    data = {text: text}
    return Reply(Message("mallory", parts if ctx.turn == 1 else text, data=data), {"said": {**ctx.state.said, text: text}})


def failing(ctx: Context) -> str:
    """Fail with something hostile."""
    raise ValueError(PAYLOADS[6])


speech = ConversationGraph("speech", state=Said)
speech.add_node(mallory, description=PAYLOADS[0])
speech.add_node(failing, description=PAYLOADS[6])
speech.add_edge("mallory", "failing", when=f"turn >= {len(PAYLOADS)}", label=PAYLOADS[6])
speech.add_edge("mallory", END, when=f"last.content == {json.dumps(PAYLOADS[9] + PAYLOADS[0])}", label=PAYLOADS[0])
speech.add_edge("mallory", "mallory")
speech.add_edge("failing", END)
speech.set_start("mallory")


@tool(approval=True)
def send(text: str) -> str:
    """Send something."""
    return text


async def caller(ctx: Context) -> str:
    """Have people asked about everything in the corpus: as a call, as code, as a question, as a form."""
    number = int(ctx.last.text) if ctx.last is not None else 0
    text = PAYLOADS[number]
    match number % 4:
        case 0:
            await run_tool_calls(ctx, [ToolCall("a", "send", json.dumps({"text": text}))], [send])
        case 1:
            subject = {"executor": text, "isolation": text, "code": [{"language": text, "code": text}]}
            await refusal(ctx, text, id=f"code-{number}", kind="code", subject=subject)
        case 2:
            await ctx.ask(text, id=text, schema={"enum": [text, "b"]})
        case _:
            field = {"type": "string", "title": text, "description": text, "default": text}
            other = {"oneOf": [{"const": text, "title": text}, {"const": 2}], "description": text}
            form = {"type": "object", "title": text, "description": text, "properties": {"x": field, "y": other, text: {"enum": [text]}}}
            await ctx.ask(text, schema=form)
    return "done"


asking = ConversationGraph("asking")
asking.add_node(caller)
asking.add_edge("caller", END)
asking.set_start("caller")
