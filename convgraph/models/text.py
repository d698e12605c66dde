"""Text that can be written anywhere: models and users now and then produce code points that UTF-8 cannot carry."""

from __future__ import annotations

import json
import re

_SURROGATE = re.compile("[\ud800-\udfff]")


def sound(text: str) -> str:
    """The text with halves of surrogate pairs joined, and lone ones replaced by U+FFFD."""
    if _SURROGATE.search(text) is None:
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def sound_json(text: str) -> str:
    """The same for a JSON text, whose strings may hold lone surrogates as escapes. Text that is not JSON is made sound as text."""
    if r"\ud" not in text.lower():
        return sound(text)
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return sound(text)
    return sound(json.dumps(value, ensure_ascii=False))


def held_back(text: str) -> int:
    """How many characters at the end of `text` wait for their other half: 1 or 0."""
    return 1 if text and "\ud800" <= text[-1] <= "\udbff" else 0
