"""From a `ModelRequest` to the body of an OpenAI chat completion: whose words are whose, and in which order."""

from __future__ import annotations

import re
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from convgraph.content_parts import is_image
from convgraph.errors import ModelConfigError
from convgraph.messages import Message, Part, ToolCall
from convgraph.models.structured import response_format
from convgraph.models.text import sound
from convgraph.protocols import ModelRequest

WireMessage: TypeAlias = dict[str, Any]

_NOT_IN_A_NAME = re.compile(r"[^a-zA-Z0-9_-]+")


def chat_body(request: ModelRequest, model: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON body of the chat completion that asks `model` this request.

    `params` are the model's own settings; the request's override them, and its tools come after theirs. Raises
    `ModelConfigError` for a request that relies on what an endpoint remembers.
    """
    if request.remembered is not None:
        raise ModelConfigError(
            f"model {model!r} is asked for chat completions, which remember nothing; ask for it by the Responses interface"
        )
    body: dict[str, Any] = {"model": model, "messages": chat_messages(request), **params, **request.params}
    tools = [*(body.get("tools") or ()), *request.tools]
    if tools:
        body["tools"] = tools
    format_ = response_format(request)
    if format_ is not None:
        body["response_format"] = format_
    return body


def chat_messages(request: ModelRequest) -> list[WireMessage]:
    """The request's messages as its speaker sees them.

    The system message comes first. What the speaker said itself is the assistant's; what others said is the
    user's, with a name. A message that calls tools is the assistant's, whoever said it, and the results follow it
    directly: a provider refuses a call without its result, and a result without its call. Where the conversation
    holds only one of the two (the other was cut away, or is still to come), it is told as text.

    What the endpoint remembers is left out; the result of a call that it remembers is not.
    """
    messages, known = request.messages, 0 if request.remembered is None else request.remembered.messages
    wire: list[WireMessage] = [{"role": "system", "content": sound(request.system)}] if request.system else []
    results = _results_of_calls(messages)
    paired = {position for answers in results.values() for position in answers.values()}
    remembered = {position: call_id for caller, answers in results.items() if caller < known for call_id, position in answers.items()}
    for position, message in enumerate(messages):
        if position < known:
            continue
        if position in remembered:
            wire.append(_result(message, remembered[position]))
            wire.extend(_pictures_of([message]))
        elif position in results:
            wire.append(_calling(message, results[position], request.speaker))
            wire.extend(_result(messages[answer], call_id) for call_id, answer in results[position].items())
            wire.extend(_pictures_of([messages[answer] for answer in results[position].values()]))
        elif position not in paired:
            wire.append(_plain(message, request.speaker))
    return wire


def wire_name(name: str) -> str:
    """The name as providers accept it: `[a-zA-Z0-9_-]{1,64}`; empty when nothing of it is left."""
    cleaned = _NOT_IN_A_NAME.sub("_", name)
    return (cleaned if cleaned == name else cleaned.strip("_"))[:64]


def _results_of_calls(messages: Sequence[Message]) -> dict[int, dict[str, int]]:
    """For each message whose tool calls have results: call ids to the positions of the results.

    An id may be used anew later in a conversation (small servers count from zero in each answer), so a result
    belongs to the nearest call before it that has none yet.
    """
    waiting: defaultdict[str, deque[int]] = defaultdict(deque)
    found: dict[int, dict[str, int]] = {}
    for position, message in enumerate(messages):
        for call in message.tool_calls:
            waiting[call.id].append(position)
        if message.role == "tool" and message.tool_call_id and waiting[message.tool_call_id]:
            caller = waiting[message.tool_call_id].pop()
            found.setdefault(caller, {})[message.tool_call_id] = position
    return found


def _calling(message: Message, results: Mapping[str, int], speaker: str) -> WireMessage:
    told = [sound(message.text), *(_told(call) for call in message.tool_calls if call.id not in results)]
    calls = [_tool_call(call) for call in message.tool_calls if call.id in results]
    wire: WireMessage = {"role": "assistant", "content": "\n".join(filter(None, told)) or None, "tool_calls": calls}
    return wire if _is_own(message, speaker) else _named(wire, message)


def _tool_call(call: ToolCall) -> WireMessage:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": sound(call.arguments)}}


def _result(message: Message, call_id: str) -> WireMessage:
    return {"role": "tool", "tool_call_id": call_id, "content": sound(message.text)}


def _pictures_of(results: Sequence[Message]) -> Iterator[WireMessage]:
    """What the results of tools show. A result is a text for providers, so the pictures come after it, as the user's."""
    shown = [part for result in results if not isinstance(result.content, str) for part in result.content if is_image(part)]
    if shown:
        yield {"role": "user", "content": [{"type": "text", "text": "[the pictures in the results of the tools]"}, *shown]}


def _plain(message: Message, speaker: str) -> WireMessage:
    text = "\n".join(filter(None, (sound(message.text), *(_told(call) for call in message.tool_calls))))
    if message.role == "system":
        return {"role": "system", "content": text}
    if message.role == "tool":
        return _named({"role": "user", "content": f"[result of a tool] {text}"}, message)
    if _is_own(message, speaker) or (not speaker and message.role == "assistant"):
        return {"role": "assistant", "content": text}
    has_parts = not isinstance(message.content, str) and not message.tool_calls
    return _named({"role": "user", "content": _parts(message.content) if has_parts else text}, message)


def _is_own(message: Message, speaker: str) -> bool:
    return bool(speaker) and message.sender == speaker


def _told(call: ToolCall) -> str:
    return f"[called {call.name}({sound(call.arguments)})]"


def _parts(content: str | list[Part]) -> Any:
    if isinstance(content, str):
        return sound(content)
    return [{**part, "text": sound(part["text"])} if isinstance(part.get("text"), str) else part for part in content]


def _named(wire: WireMessage, message: Message) -> WireMessage:
    """The message with its sender's name; the person who gave the input is simply the user."""
    name = wire_name(message.name or message.sender)
    return {**wire, "name": name} if name and name != "user" else wire
