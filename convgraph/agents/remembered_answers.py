"""What an endpoint remembers of a conversation: read from the agent's own answers in it, and written there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from convgraph.messages import History, Joined, Message, digest_of
from convgraph.protocols import ModelReply, Remembered


def remembered_by(name: str, messages: Sequence[Message]) -> Remembered | None:
    """The last answer of the agent `name` from which the endpoint can go on; None where it has to be told everything.

    That is one to which the endpoint was told exactly what stands before it now, and whose calls of tools have results.
    """
    told = messages if isinstance(messages, History | Joined) else History(messages)
    answered: set[str] = set()
    for position in range(len(told) - 1, -1, -1):
        message = told[position]
        if message.role == "tool" and message.tool_call_id:
            answered.add(message.tool_call_id)
        data: Any = message.data
        if message.sender != name or position == len(told) - 1 or not isinstance(data, Mapping):
            continue
        data = cast("Mapping[str, Any]", data)
        response_id, seen = data.get("response_id"), data.get("seen")
        if not isinstance(response_id, str) or not all(call.id in answered for call in message.tool_calls):
            continue
        if digest_of(told, position).hex() == seen:
            return Remembered(response_id, position + 1)
    return None


def answer_data(reply: ModelReply, messages: Sequence[Message]) -> dict[str, Any]:
    """What a message says besides its text that is the answer to `messages`: how to go on from it, and what came with it."""
    data: dict[str, Any] = {}
    if reply.response_id:
        data |= {"response_id": reply.response_id, "seen": digest_of(messages).hex()}
    if reply.items:
        data["items"] = [dict(item) for item in reply.items]
    if reply.data is not None:
        data["answer"] = reply.data
    return data
