"""Messages as AutoGen's code sees them: mappings with `content`, `role` and `name`, from one agent's point of view."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias, cast

from convgraph.content_parts import Content
from convgraph.errors import InputError
from convgraph.messages import Message, ToolCall, as_message

MessageMapping: TypeAlias = dict[str, Any]
_KNOWN = frozenset(
    {"content", "role", "name", "sender", "tool_calls", "tool_call_id", "tool_responses", "function_call", "context", "data"}
)


def to_mappings(messages: Iterable[Message], owner: str) -> list[MessageMapping]:
    """The messages as `owner` sees them: its own are the assistant's, all others the user's.

    The results of several tool calls that follow each other are one mapping of the role `tool`, as in AutoGen: its
    `tool_responses` holds each, its `content` all of them. The mappings are the caller's own: changing them changes nothing.
    """
    mappings: list[MessageMapping] = []
    for message in messages:
        before = mappings[-1] if mappings else {}
        if message.role == "tool" and before.get("role") == "tool" and before["name"] == message.sender:
            before["tool_responses"].append(_response(message))
            before["content"] = f"{before['content']}\n\n{message.text}"
        else:
            mappings.append(to_mapping(message, owner))
    return mappings


def to_mapping(message: Message, owner: str) -> MessageMapping:
    """One message as `owner` sees it."""
    if message.role == "tool":
        return {"content": message.text, "tool_responses": [_response(message)], "role": "tool", "name": message.sender}
    content = _content(message)
    role = message.role if message.role == "system" else "assistant" if message.sender == owner or message.tool_calls else "user"
    mapping: MessageMapping = {"content": content, "role": role, "name": message.sender}
    if message.tool_calls:
        mapping["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}} for call in message.tool_calls
        ]
    return mapping


def from_mapping(value: Any, sender: str) -> tuple[Message, ...]:
    """The messages that a reply or an opening message stands for, said by `sender` unless it says otherwise.

    Takes a str, a `Message`, a list of parts, or AutoGen's mapping, whose `tool_responses` are a message each.
    Raises `InputError` for what is none of these.
    """
    if not isinstance(value, Mapping):
        return (as_message(value, sender),)
    given = cast("Mapping[str, Any]", value)
    unknown = sorted(set(given) - _KNOWN)
    if unknown:
        raise InputError(f"a message has unknown keys {unknown}; it takes {sorted(_KNOWN)}")
    sender = str(given.get("sender") or given.get("name") or sender)
    responses = cast("Sequence[Mapping[str, Any]] | None", given.get("tool_responses"))
    if responses:
        return tuple(Message(sender, _said(one.get("content")), "tool", tool_call_id=str(one.get("tool_call_id", ""))) for one in responses)
    calls = _calls(given)
    content = given.get("content")
    if content is None and not calls:
        raise InputError("a message given as a mapping has a 'content', or calls tools")
    role = given.get("role", "assistant")
    return (
        as_message(
            Message(
                sender,
                "" if content is None else content,
                role if role in ("user", "system", "tool") else "assistant",
                tool_calls=calls,
                tool_call_id=given.get("tool_call_id"),
                data=given.get("data"),
            ),
            sender,
        ),
    )


def from_mappings(values: Iterable[Any], owner: str, other: str) -> list[Message]:
    """Messages from mappings as `owner` sees them: those without a name are its own where their role is `assistant`, else `other`'s."""
    messages: list[Message] = []
    for value in values:
        own = isinstance(value, Mapping) and cast("Mapping[str, Any]", value).get("role") == "assistant"
        messages.extend(from_mapping(value, owner if own else other))
    return messages


def _calls(given: Mapping[str, Any]) -> tuple[ToolCall, ...]:
    listed = cast("Sequence[Mapping[str, Any]]", given.get("tool_calls") or ())
    calls = [ToolCall(str(call.get("id", "")), _function(call)["name"], _text(_function(call).get("arguments", "{}"))) for call in listed]
    old = given.get("function_call")
    if old:  # what function calling was before tools: a call without an id
        calls.append(ToolCall("", str(old["name"]), _text(old.get("arguments", "{}"))))
    return tuple(calls)


def _function(call: Mapping[str, Any]) -> Mapping[str, Any]:
    function = call.get("function")
    if not isinstance(function, Mapping) or "name" not in function:
        raise InputError(f"a tool call is {{'id': …, 'function': {{'name': …, 'arguments': …}}}}, not {call!r:.200}")
    return cast("Mapping[str, Any]", function)


def _response(message: Message) -> MessageMapping:
    return {"tool_call_id": message.tool_call_id, "role": "tool", "content": _content(message)}


def _content(message: Message) -> Content:
    return message.content if isinstance(message.content, str) else [dict(part) for part in message.content]


def _said(content: Any) -> Content:
    """The content of a result: a text, or parts with pictures among them."""
    return as_message(content, "").content if isinstance(content, list) else _text(content)


def _text(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else str(value)
