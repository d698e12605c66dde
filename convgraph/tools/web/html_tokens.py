"""HTML as tags and text, in one pass: the time that a page takes grows with its length, however it is written.

Parsers that build a tree take minutes for a page of a megabyte whose elements are never closed; such pages can be made on purpose.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

_NAME = re.compile(r"[a-zA-Z][^\s/>]*")
_ATTRIBUTE = re.compile(r"""[\s/]*([^\s/>=][^\s/>=]*)(?:\s*=\s*("[^"]*"|'[^']*'|[^\s>]+))?""")
_SPACE = re.compile(r"[\s/]*")
_RAW = frozenset("script style title textarea xmp noembed noframes iframe".split())
"""Elements that hold text alone, whatever it looks like."""


class Token(NamedTuple):
    """A piece of a page: a tag that opens (with its attributes) or closes, or text."""

    kind: Literal["open", "close", "text"]
    text: str
    attributes: dict[str, str] = {}  # noqa: RUF012  # never changed


def html_tokens(source: str) -> Iterator[Token]:
    """The page's tags and texts, in order. Comments, doctypes and the like are left out; what is no tag is text."""
    place = 0
    while place < len(source):
        start = source.find("<", place)
        if start < 0:
            yield Token("text", html.unescape(source[place:]))
            return
        if start > place:
            yield Token("text", html.unescape(source[place:start]))
        place, token = _markup(source, start)
        if token is not None:
            yield token
        if token is not None and token.kind == "open" and token.text in _RAW:
            end = _end_of_raw(source, place, token.text)
            if end > place:
                yield Token("text", source[place:end] if token.text in ("script", "style") else html.unescape(source[place:end]))
            place = end


def _markup(source: str, start: int) -> tuple[int, Token | None]:
    """What begins with the `<` at `start`: where it ends, and the tag, if it is one."""
    if source.startswith("<!--", start):
        end = source.find("-->", start + 4)
        return (end + 3 if end >= 0 else len(source)), None
    closing = source.startswith("</", start)
    name = _NAME.match(source, start + (2 if closing else 1))
    if name is not None:
        end, attributes = _attributes(source, name.end())
        return end, Token("close" if closing else "open", name[0].lower(), {} if closing else attributes)
    if source.startswith(("<!", "<?", "</"), start):
        end = source.find(">", start)
        return (end + 1 if end >= 0 else len(source)), None
    return start + 1, Token("text", "<")


def _attributes(source: str, place: int) -> tuple[int, dict[str, str]]:
    """A tag's attributes, and where the tag ends."""
    attributes: dict[str, str] = {}
    while found := _ATTRIBUTE.match(source, place):
        value = found[2] or ""
        attributes.setdefault(
            found[1].lower(), html.unescape(value[1:-1] if value[:1] in ("'", '"') and value[-1:] == value[:1] else value)
        )
        place = found.end()
    end = source.find(">", _SPACE.match(source, place).end())  # type: ignore[union-attr]  # it matches nothing as well
    return (end + 1 if end >= 0 else len(source)), attributes


def _end_of_raw(source: str, place: int, name: str) -> int:
    found = re.compile(rf"</{name}\b", re.IGNORECASE).search(source, place)
    return found.start() if found else len(source)
