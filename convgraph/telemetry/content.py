"""What was said, in the form that the conventions have for it. Only where the program wants it in its spans."""

from __future__ import annotations

import json
from typing import Any

from convgraph.journal.events import JsonObject
from convgraph.messages import Message, ToolCall
from convgraph.protocols import ModelRequest

LONGEST = 64_000
"""Characters of one attribute: what is longer is cut, since whole spans are refused for less."""


def asked(request: ModelRequest) -> str:
    """The messages of a request, as JSON. A picture in them is described, not carried along."""
    return as_text([_message(message, request.speaker) for message in request.messages])


def instructions(request: ModelRequest) -> str:
    """What the model is told of itself, as JSON."""
    return as_text([{"type": "text", "content": request.system}])


def answered(result: JsonObject) -> str:
    """A recorded answer of a model, as JSON."""
    calls = [_call(ToolCall(*call)) for call in result.get("tool_calls", ())]
    text = [{"type": "text", "content": result["content"]}] if result["content"] else []
    return as_text([{"role": "assistant", "parts": [*text, *calls], "finish_reason": result.get("finish_reason", "stop")}])


def as_text(value: Any) -> str:
    """A value as JSON, and not longer than an attribute may be."""
    return json.dumps(value, ensure_ascii=False, default=str)[:LONGEST]


def _message(message: Message, speaker: str) -> JsonObject:
    if message.tool_call_id is not None:
        return {"role": "tool", "parts": [{"type": "tool_call_response", "id": message.tool_call_id, "response": message.text}]}
    role = message.role if message.role == "system" else "assistant" if message.sender == speaker else "user"
    text = [{"type": "text", "content": message.text}] if message.content else []
    return {"role": role, "name": message.sender, "parts": [*text, *map(_call, message.tool_calls)]}


def _call(call: ToolCall) -> JsonObject:
    return {"type": "tool_call", "id": call.id, "name": call.name, "arguments": call.arguments}
