"""What a docstring says: the function's description, and a text for each parameter. Google's, NumPy's and Sphinx's styles."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

_OF_PARAMETERS = frozenset({"args", "arguments", "parameters", "params", "other parameters", "keyword args", "keyword arguments"})
_OTHERS = frozenset("returns return yields yield raises example examples note notes warning warnings references".split()) | {"see also"}
_ENTRY = {
    "google": re.compile(r"\*{0,2}(\w+)\s*(?:\(.*?\))?\s*:\s*(.*)"),
    "numpy": re.compile(r"\*{0,2}(\w+(?:\s*,\s*\w+)*)\s*(?::.*)?()"),
    "sphinx": re.compile(r":(?:param|parameter|arg|argument)\s+(?:[^:]*\s)?\*{0,2}(\w+)\s*:\s*(.*)"),
}
"""How the text for a parameter begins, in each style: its name (or names), and what stands on the same line."""


class DocText(NamedTuple):
    """A docstring's description (all before its first section), and its texts for parameters, by name."""

    description: str
    parameters: Mapping[str, str]


def read_docstring(doc: str | None) -> DocText:
    """The parts of a docstring; empty ones for what it does not say."""
    description = ""
    texts: dict[str, str] = {}
    for style, lines in _sections(inspect.cleandoc(doc or "").splitlines()):
        if style == "description":
            description = "\n".join(lines).strip()
        elif style != "other":
            texts |= _entries(style, textwrap.dedent("\n".join(lines)).splitlines())
    return DocText(description, texts)


def _sections(lines: list[str]) -> Iterator[tuple[str, list[str]]]:
    """The docstring's sections: the style in which each lists parameters (or `description`, or `other`), and its lines."""
    style, body = "description", list[str]()
    skip = False
    for line, below in zip(lines, [*lines[1:], ""], strict=False):
        if skip:
            skip = False
            continue
        begun = _begun(line, below.strip())
        if not begun:
            body.append(line)
            continue
        yield style, body
        style, body = begun, [line] if begun == "sphinx" else []
        skip = _is_rule(below.strip())
    yield style, body


def _begun(line: str, below: str) -> str:
    """The style of the section that begins with this line; empty where none does."""
    if _ENTRY["sphinx"].match(line):
        return "sphinx"
    if re.match(r":[a-z]+[^:]*:", line):
        return "other"
    title = line.rstrip(": ").lower()
    if title not in _OF_PARAMETERS | _OTHERS or not (_is_rule(below) or line.rstrip().endswith(":")):
        return ""
    if title in _OTHERS:
        return "other"
    return "numpy" if _is_rule(below) else "google"


def _is_rule(line: str) -> bool:
    return len(line) > 2 and not line.strip("-=")


def _entries(style: str, lines: Iterable[str]) -> dict[str, str]:
    """The texts of a section, by parameter. A line that is indented goes on with the text above."""
    texts: dict[str, list[str]] = {}
    names: list[str] = []
    for line in lines:
        entry = _ENTRY[style].fullmatch(line)
        if entry is not None:
            names = [name.strip() for name in entry[1].split(",")]
            texts |= {name: [entry[2]] for name in names}
        else:
            for name in names:
                texts[name].append(line.strip())
    return {name: " ".join(filter(None, text)) for name, text in texts.items()}
