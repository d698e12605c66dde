"""A sequence diagram as mermaid text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from convgraph.drawing.sequence import PERSON, USER, Arrow, Box, Item, Sequence, sequence_of
from convgraph.drawing.text import shorten
from convgraph.graph.definition import Definition
from convgraph.journal.events import Event, Recorded

_SPECIAL = re.compile(r"[^\w\s.,()=!?'/+·\u00d7…-]")


def sequence_mermaid(
    events: Iterable[Recorded | Event], graph: Definition | None = None, opened: Mapping[str, Definition] | None = None, *, width: int = 80
) -> str:
    """The run recorded in `events` as a mermaid sequence diagram; texts are shortened to `width` characters.

    With its `graph`, the transitions show their labels and guards.
    """
    return to_sequence_mermaid(sequence_of(events, graph, opened), width=width)


def to_sequence_mermaid(sequence: Sequence, *, width: int = 80) -> str:
    """A sequence diagram as mermaid text."""
    ids = {name: f"p{number}" for number, name in enumerate(sequence.participants)}
    lines = ["sequenceDiagram"]
    for name, participant in (ids or {"run": "p0"}).items():
        kind = "actor" if name in (USER, PERSON) else "participant"
        lines.append(f"    {kind} {participant} as {_escaped(name, width)}")
    lines += (f"    {line}" for line in _items(sequence.items, ids, width))
    return "\n".join(lines) + "\n"


def _items(items: Iterable[Item], ids: Mapping[str, str], width: int) -> Iterator[str]:
    for item in items:
        if isinstance(item, Box):
            yield f"opt {_escaped(item.title, width)}"
            yield from (f"    {line}" for line in _items(item.items, ids, width))
            yield "end"
        elif isinstance(item, Arrow):
            yield _arrow(item, ids, width)
        else:
            over = ids[item.over] if item.over else "p0" if len(ids) < 2 else f"p0,p{len(ids) - 1}"
            yield f"Note over {over}: {_escaped(item.text, width)}"


def _arrow(item: Arrow, ids: Mapping[str, str], width: int) -> str:
    line = {"say": "->>", "ask": "-->>", "error": "-x"}[item.kind]
    parts = [_escaped(item.text, width), f"({_escaped(item.reason, width)})" if item.reason else ""]
    return f"{ids[item.source]}{line}{ids[item.target]}: " + ("<br/>".join(filter(None, parts)) or "#8203;")


def _escaped(text: str, width: int) -> str:
    """The text with every sign that could mean something to mermaid as an entity code."""
    return _SPECIAL.sub(lambda found: f"#{ord(found.group())};", shorten(text, width))
