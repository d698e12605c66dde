"""What a server's answer to a call is for a model: a text. What is no text is said to be there."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mcp_types import CallToolResult


def text_of(result: CallToolResult) -> str:
    """The result's text. Where it has none, its structured content as JSON; pictures, sound and links are named in brackets."""
    parts = list(map(_part, result.content))
    if result.structured_content is not None and not any(block.type == "text" for block in result.content):
        parts.insert(0, json.dumps(result.structured_content, ensure_ascii=False))
    return "\n".join(parts)


def text_of_resource(contents: Iterable[Any]) -> str:
    """The contents of a resource that was read."""
    return "\n".join(map(_contents, contents))


def _part(block: Any) -> str:
    match block.type:
        case "text":
            return block.text
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


def _size(base64_text: str) -> int:
    return len(base64_text.rstrip("=")) * 3 // 4
