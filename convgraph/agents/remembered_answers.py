"""What an endpoint remembers of a conversation: read from the agent's own answers in it, and written there."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, cast

from convgraph.messages import History, Joined, Message, digest_of, message_bytes
from convgraph.plain_data import replaced
from convgraph.protocols import ModelReply, Remembered


def remembered_by(name: str, messages: Sequence[Message]) -> Remembered | None:
    """The last answer of the agent `name` from which the endpoint can go on; None where it has to be told everything.

    That is one that stands there as the endpoint gave it, to exactly what stands before it now, and whose calls of tools have
    results.
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
        if _digest(told, position, message) == seen:
            return Remembered(response_id, position + 1)
    return None


def answer_data(reply: ModelReply, messages: Sequence[Message], answer: Message) -> dict[str, Any]:
    """What `answer`, which is the reply to `messages`, says besides its text: how to go on from it, and what came with it."""
    data: dict[str, Any] = {}
    if reply.response_id:
        data |= {"response_id": reply.response_id, "seen": _digest(messages, len(messages), answer)}
    if reply.items:
        data["items"] = [dict(item) for item in reply.items]
    if reply.data is not None:
        data["answer"] = reply.data
    return data


def _digest(messages: Sequence[Message], size: int, answer: Message) -> str:
    """What stands for the first `size` messages and the answer to them, as far as the endpoint knows that."""
    return hashlib.blake2b(digest_of(messages, size) + message_bytes(replaced(answer, data=None)), digest_size=16).hexdigest()
