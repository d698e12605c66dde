"""What a server's answer to a call is for a model: a text, with the pictures in it. What is neither is said to be there."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from convgraph.content_parts import Part, image
from convgraph.errors import InputError

if TYPE_CHECKING:
    from mcp_types import CallToolResult

Told: TypeAlias = str | list[str | Part]
"""What a model is told and shown of a result."""


def told_of(result: CallToolResult) -> Told:
    """The result's texts; its structured content as JSON, where there are none or they say the same in pieces.

    Pictures are shown as they are; sound, links, and pictures of a kind that no model takes, are named in brackets.
    """
    structured = _structured(result)
    if structured is None:
        return _joined(map(_part, result.content))
    return _joined([structured, *(_part(block) for block in result.content if block.type != "text")])


def _joined(parts: Iterable[str | Part]) -> Told:
    """A text, where there are only texts; else texts and pictures in their order."""
    listed = list(parts)
    texts = [part for part in listed if isinstance(part, str)]
    return "\n".join(texts) if len(texts) == len(listed) else listed


def text_of_resource(contents: Iterable[Any]) -> str:
    """The contents of a resource that was read."""
    return "\n".join(map(_contents, contents))


def _structured(result: CallToolResult) -> str | None:
    """The structured content, where nothing is lost by telling that alone. What is no object comes wrapped in one, as its `result`."""
    value: Any = result.structured_content
    if value is None:
        return None
    if isinstance(value, dict) and set(cast("dict[str, Any]", value)) == {"result"}:
        value = cast("dict[str, Any]", value)["result"]
    texts = [block.text for block in result.content if block.type == "text"]
    if texts and not _spell_out(texts, value):
        return None
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _spell_out(texts: list[str], value: Any) -> bool:
    """Whether the texts are the value, or its items."""
    if len(texts) == 1 and _is_spelled(texts[0], value):
        return True
    if not isinstance(value, list) or len(cast("list[Any]", value)) != len(texts):
        return False
    return all(_is_spelled(text, item) for text, item in zip(texts, cast("list[Any]", value), strict=True))


def _is_spelled(text: str, value: Any) -> bool:
    if isinstance(value, str):
        return text == value
    try:
        return json.loads(text) == value
    except ValueError:
        return False


def _part(block: Any) -> str | Part:
    match block.type:
        case "text":
            return block.text
        case "image" if (picture := _picture(block)) is not None:
            return picture
        case "image" | "audio":
            return f"[{block.type}: {block.mime_type}, {_size(block.data)} bytes]"
        case "resource_link":
            return f"[resource {block.uri}: {block.title or block.name}]"
        case "resource":
            return _contents(block.resource)
        case other:
            return f"[{other}]"


def _contents(contents: Any) -> str:
    text = getattr(contents, "text", None)
    return text if isinstance(text, str) else f"[{contents.mime_type or 'data'} of {contents.uri}, {_size(contents.blob)} bytes]"


def _picture(block: Any) -> Part | None:
    try:
        return image(base64.b64decode(block.data, validate=True))
    except (ValueError, InputError):  # no base64, or nothing that models take
        return None


def _size(base64_text: str) -> int:
    return len(base64_text.rstrip("=")) * 3 // 4
