"""Text for drawings: made safe, wrapped, shortened."""

from __future__ import annotations

import re
from html import escape

from convgraph.content_parts import abbreviated

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_BREAKS = (re.compile(r"(?<=&&)|(?<=\|\|)"), re.compile(r"(?<=[ ,])"), re.compile(r"(?<=[([{/_-])|(?=\.)"))


def clean(text: str) -> str:
    """The text without the characters that XML (and so SVG) cannot hold; of a picture in it, what kind it is and how large."""
    return _NOT_XML.sub("\ufffd", abbreviated(text))


def markup(text: str) -> str:
    """The text as it stands in XML or HTML: nothing in it can be markup."""
    return escape(clean(text), quote=True)


def one_line(text: str) -> str:
    """The text with every run of white space as one blank."""
    return " ".join(clean(text).split())


def shorten(text: str, width: int) -> str:
    """At most `width` characters on one line; an ellipsis says where something is missing."""
    line = one_line(text)
    return line if len(line) <= width else line[: width - 1].rstrip() + "…"


def wrap(text: str, width: int, lines: int) -> list[str]:
    """The text in at most `lines` lines of at most `width` characters, shortened where it is longer.

    Breaks come after an `&&` or `||`, else after a blank or a comma, else at another sign of code, else in mid-word.
    """
    wrapped: list[str] = []
    rest = one_line(text)
    while rest:
        if len(wrapped) == lines - 1 or len(rest) <= width:
            wrapped.append(shorten(rest, width))
            break
        at = _break_at(rest, width)
        wrapped.append(rest[:at].rstrip())
        rest = rest[at:].lstrip()
    return wrapped


def _break_at(text: str, width: int) -> int:
    for breaks in _BREAKS:
        places = [found.start() for found in breaks.finditer(text[: width + 1]) if width // 3 < found.start() <= width]
        if places:
            return places[-1]
    return width
