"""Text that can be written anywhere: models and users now and then produce code points that UTF-8 cannot carry."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

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


class Pieces:
    """Hands a text on as it comes, but never half of a character. Does nothing where nobody listens."""

    def __init__(self, on_text: Callable[[str], None] | None) -> None:
        self._on_text = on_text
        self._pending = ""

    def add(self, text: str) -> None:
        """The next piece of the text."""
        if self._on_text is None or not text:
            return
        text = self._pending + text
        ready = len(text) - held_back(text)
        self._pending = text[ready:]
        if ready:
            self._on_text(sound(text[:ready]))
