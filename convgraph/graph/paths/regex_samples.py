"""Strings that a regular expression probably matches: proposals, to be tried on the real thing."""

from __future__ import annotations

import re
from dataclasses import dataclass

_CLASSES = {"d": "0", "w": "a", "s": " ", "D": "a", "W": "-", "S": "a", "n": "\n", "t": "\t", "b": "", "B": "", "A": "", "z": "", "Z": ""}
_REPEAT = re.compile(r"\{(\d+)(?:,\d*)?\}")
_MEMBER = re.compile(r"(\w)-(\w)|(\\?.)", re.DOTALL)
_GROUP = re.compile(r"\?(?:P?<[A-Za-z_]\w*>|[a-zA-Z]*:|[a-zA-Z]+(?=\)))")


def sample(pattern: str, branch: int = 0) -> str:
    """A string that `pattern` probably matches, taking the alternative number `branch` of each choice.

    Understands literals, escapes, classes, groups, alternation and repeats; anything else is read as a literal.
    """
    return _alternatives(_Reader(pattern), branch)


@dataclass(slots=True)
class _Reader:
    text: str
    at: int = 0

    @property
    def next(self) -> str:
        return self.text[self.at : self.at + 1]

    def take(self) -> str:
        char = self.next
        self.at += 1
        return char

    def skip(self, pattern: re.Pattern[str]) -> str | None:
        found = pattern.match(self.text, self.at)
        if found is None:
            return None
        self.at = found.end()
        return found.group(found.lastindex or 0)


def _alternatives(reader: _Reader, branch: int) -> str:
    options = [_sequence(reader, branch)]
    while reader.next == "|":
        reader.take()
        options.append(_sequence(reader, branch))
    return options[branch % len(options)]


def _sequence(reader: _Reader, branch: int) -> str:
    said = ""
    while reader.next and reader.next not in "|)":
        said += _repeated(_atom(reader, branch), reader)
    return said


def _atom(reader: _Reader, branch: int) -> str:
    char = reader.take()
    if char == "(":
        reader.skip(_GROUP)
        inside = _alternatives(reader, branch)
        reader.take()
        return inside
    if char == "[":
        return _one_of(reader)
    if char == "\\":
        escaped = reader.take()
        return _CLASSES.get(escaped, escaped)
    return {".": "a", "^": "", "$": ""}.get(char, char)


def _one_of(reader: _Reader) -> str:
    start = reader.at
    while reader.next and (reader.next != "]" or (reader.at in (start, start + 1) and reader.text[start] in "]^")):
        reader.at += 2 if reader.next == "\\" else 1
    members = reader.text[start : reader.at]
    reader.take()
    if members.startswith("^"):
        return next((char for char in "a0 -_" if not _contains(members[1:], char)), "~")
    return _CLASSES.get(members[1:2], members[1:2]) if members.startswith("\\") else members[:1]


def _contains(members: str, char: str) -> bool:
    """Whether a class with these members contains `char`."""
    kinds = {"d": char.isdigit(), "w": char.isalnum() or char == "_", "s": char.isspace()}
    for low, high, single in _MEMBER.findall(members):
        if (low and low <= char <= high) or single == char or (single.startswith("\\") and kinds.get(single[1:], single[1:] == char)):
            return True
    return False


def _repeated(said: str, reader: _Reader) -> str:
    times = 1
    if reader.next in ("*", "?", "+") and reader.next:
        reader.take()
    elif (least := reader.skip(_REPEAT)) is not None:
        times = int(least)
    if reader.next == "?":
        reader.take()
    return said * min(times, 1_000)
