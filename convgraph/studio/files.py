"""What a file says of itself, found by a short look: whether it is meant to be a graph, and what its first lines tell of it."""

from __future__ import annotations

import ast
import re
from itertools import dropwhile, takewhile
from pathlib import Path
from typing import Final

FIRST: Final = 65_536
"""Characters that are looked at: a graph says what it is near its beginning, and a folder may hold large files."""

_KEY: Final = re.compile(r"""(?:^|[{,])\s*["']?(version|name|start|nodes|edges)["']?\s*:""", re.MULTILINE)
_IN_BLOCKS: Final = re.compile(r"^(version|name|start|nodes|edges)\s*:", re.MULTILINE)


def looks_like_a_graph(path: Path) -> bool:
    """Whether a YAML or JSON file is meant to be a graph: it speaks of nodes or edges, and of another thing that graphs have."""
    text = _beginning(path)
    flow = text.lstrip().startswith("{")
    keys = set((_KEY if flow else _IN_BLOCKS).findall(text))
    if flow and "version" not in keys:  # many JSON files hold nodes and edges of something else
        return False
    return bool(keys & {"nodes", "edges"}) and len(keys) > 1


def said_at_the_top(target: str) -> str:
    """The first paragraph of a document's leading comment, or of a Python file's docstring; empty where there is none."""
    place = re.match(r".+?\.(?:py|yaml|yml)(?=:|$)", target, re.IGNORECASE)
    if place is None:
        return ""
    text = _beginning(Path(place[0]))
    said = _docstring(text) if place[0].lower().endswith(".py") else _comment(text)
    return " ".join(said.strip().partition("\n\n")[0].split())


def _comment(text: str) -> str:
    lines = takewhile(lambda line: line.startswith("#"), dropwhile(lambda line: not line.strip(), text.splitlines()))
    return "\n".join(line.lstrip("#").strip() for line in lines)


def _docstring(text: str) -> str:
    try:
        return ast.get_docstring(ast.parse(text)) or ""
    except (SyntaxError, ValueError):
        return ""  # the file is too long to be read to its end, or no Python: then it says nothing


def _beginning(path: Path) -> str:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.read(FIRST)
    except OSError:
        return ""  # whoever loads the graph says why it cannot be read
