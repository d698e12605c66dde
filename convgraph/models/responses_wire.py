"""From a `ModelRequest` to the body of a request to OpenAI's Responses interface.

Unless the request says otherwise, nothing is left with the endpoint: it is told the whole conversation and asked not to store it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from convgraph.errors import ModelConfigError
from convgraph.models.structured import response_format
from convgraph.models.wire import WireMessage, chat_messages
from convgraph.protocols import ModelRequest

_REMEMBERED = ("previous_response_id", "conversation", "background")
_RENAMED = {"max_tokens": "max_output_tokens", "max_completion_tokens": "max_output_tokens"}
"""What chat completions call otherwise: settings are shared by entries of both interfaces."""


def responses_body(request: ModelRequest, model: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON body that asks `model` this request.

    `params` are the model's own settings; the request's override them, and its tools come after theirs. Settings of
    chat completions that have another place here (`max_tokens`, `reasoning_effort`, `verbosity`, `response_format`,
    `tool_choice` of a function) are put there. Raises `ModelConfigError` for those that need the endpoint's memory.
    """
    given: dict[str, Any] = {_RENAMED.get(key, key): value for key, value in {**params, **request.params}.items()}
    for key in _REMEMBERED:
        if given.get(key):
            raise ModelConfigError(
                f"{key}= relies on what the endpoint remembers, and here it is told the whole conversation: leave it out, or use a "
                "GPTAssistantAgent, which goes on from its own last answer"
            )
    # Here functions are strict unless one says otherwise, and most schemas are not meant to be.
    tools = [
        _function(tool, parameters={"type": "object", "properties": {}}, strict=False)
        for tool in (*(given.pop("tools", None) or ()), *request.tools)
    ]
    text = _text(given, response_format(request))
    reasoning: dict[str, Any] = dict(given.pop("reasoning", None) or {})
    if (effort := given.pop("reasoning_effort", None)) is not None:
        reasoning["effort"] = effort
    body: dict[str, Any] = {"model": model, **_conversation(request), "store": False, **given}
    told: dict[str, Any] = {"tools": tools, "text": text, "reasoning": reasoning}
    body |= {key: value for key, value in told.items() if value}
    if request.remembered is not None:
        body["previous_response_id"] = request.remembered.response_id
    if isinstance(body.get("tool_choice"), Mapping):
        body["tool_choice"] = _function(body["tool_choice"])
    return body


def _conversation(request: ModelRequest) -> dict[str, Any]:
    messages = chat_messages(request)
    spoken = messages[1:] if request.system else messages
    said = {"input": [item for message in spoken for item in _items(message)]}
    return {"instructions": messages[0]["content"], **said} if request.system else said


def _items(message: WireMessage) -> Iterator[dict[str, Any]]:
    """A chat message as items: there is a text, calls and results are items of their own, and nobody has a name."""
    role, content, name = message["role"], message.get("content"), message.get("name")
    if role == "tool":
        yield {"type": "function_call_output", "call_id": message["tool_call_id"], "output": content}
        return
    if content:
        # llama.cpp tells the model's own words from other items by their type alone; OpenAI takes both.
        kind = {"type": "message"} if role == "assistant" else {}
        yield {**kind, "role": role, "content": _content(content, f"{name}: " if name else "")}
    elif role != "assistant":
        yield {"role": role, "content": ""}
    for call in message.get("tool_calls", ()):
        # Without an id of its own: the endpoint would look for the item, and for the reasoning that led to it.
        yield {"type": "function_call", "call_id": call["id"], **call["function"]}


def _content(content: str | list[dict[str, Any]], prefix: str) -> Any:
    if isinstance(content, str):
        return prefix + content
    parts = [_part(part) for part in content]
    return [{"type": "input_text", "text": prefix}, *parts] if prefix else parts


def _part(part: Mapping[str, Any]) -> dict[str, Any]:
    """A content part of chat completions as this interface calls it; others are passed on as they are."""
    if part.get("type") == "text":
        return {"type": "input_text", "text": part["text"]}
    if part.get("type") == "image_url" and isinstance(part.get("image_url"), Mapping):
        image = cast("Mapping[str, Any]", part["image_url"])
        return {"type": "input_image", "image_url": image.get("url"), "detail": image.get("detail", "auto")}
    if part.get("type") == "file" and isinstance(part.get("file"), Mapping):
        return {"type": "input_file", **cast("Mapping[str, Any]", part["file"])}
    return dict(part)


def _function(tool: Mapping[str, Any], **defaults: Any) -> dict[str, Any]:
    """A function of chat completions, or the choice of one, as this interface has it; other tools are passed on as they are."""
    if tool.get("type") != "function" or not isinstance(tool.get("function"), Mapping):
        return dict(tool)
    return {"type": "function", **defaults, **cast("Mapping[str, Any]", tool["function"])}


def _text(given: dict[str, Any], format_: Mapping[str, Any] | None) -> dict[str, Any]:
    text: dict[str, Any] = dict(given.pop("text", None) or {})
    verbosity, asked = given.pop("verbosity", None), format_ or given.get("response_format")
    given.pop("response_format", None)
    if verbosity is not None:
        text["verbosity"] = verbosity
    if isinstance(asked, Mapping):
        asked = cast("Mapping[str, Any]", asked)
        schema = cast("Mapping[str, Any]", asked.get("json_schema") or {})
        text["format"] = {"type": asked.get("type"), **schema}
    return text
