"""What a chat takes over from those before it: AutoGen's carryover, put under the opening message."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from convgraph.content_parts import Content, Part, part_text
from convgraph.errors import InputError


def with_carryover(content: Content, carryover: Any) -> Content:
    """The opening message's content with what is carried over: a text, or a list of texts and messages.

    Raises `InputError` for anything else.
    """
    text = carried_text(carryover)
    if not text:
        return content
    if isinstance(content, str):
        return f"{content}\nContext: \n{text}"
    return [{"type": "text", "text": f"Context: \n{text}"}, *content]


def carried_text(carryover: Any) -> str:
    """What is carried over, as one text."""
    if not carryover:
        return ""
    if isinstance(carryover, str):
        return carryover
    if isinstance(carryover, list | tuple):
        return "\n".join(_one(item) for item in cast("Sequence[Any]", carryover))
    raise InputError(f"carryover is a text, or a list of texts and messages, not {carryover!r:.200}")


def _one(item: Any) -> str:
    if not isinstance(item, Mapping):
        return str(item)
    content: Any = cast("Mapping[str, Any]", item).get("content", "")
    return "\n".join(map(part_text, cast("list[Part]", content))) if isinstance(content, list) else str(content)
