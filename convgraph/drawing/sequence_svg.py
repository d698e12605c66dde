"""A sequence diagram as SVG, drawn here: columns of equal width, rows from top to bottom, plain shapes and texts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Sequence as Items

from convgraph.drawing import palette
from convgraph.drawing.sequence import PERSON, USER, Arrow, Box, Item, Note, Sequence, sequence_of, who
from convgraph.drawing.text import markup, shorten, wrap
from convgraph.graph.definition import END, Definition
from convgraph.journal.events import Event, Recorded

COLUMN = 190.0
MARGIN = 24.0
HEAD = 40.0
LINE = 15.0
CHAR = 6.4
"""The width that is reckoned for a character of 11 px; real fonts are narrower."""


def sequence_svg(
    events: Iterable[Recorded | Event], graph: Definition | None = None, opened: Mapping[str, Definition] | None = None
) -> bytes:
    """The run recorded in `events` as an SVG sequence diagram. With its `graph`, transitions show their labels and guards."""
    return to_sequence_svg(sequence_of(events, graph, opened))


def to_sequence_svg(sequence: Sequence) -> bytes:
    """A sequence diagram as SVG: no scripts, no links, no fonts from elsewhere."""
    return _Sheet(sequence).drawing()


class _Sheet:
    """Draws downwards; `y` is the place of the next row. Boxes are behind everything, so they are kept apart."""

    def __init__(self, sequence: Sequence) -> None:
        self.sequence = sequence
        self.columns = {name: MARGIN + COLUMN * (number + 0.5) for number, name in enumerate(sequence.participants)}
        self.width = max(2 * MARGIN + COLUMN * len(sequence.participants), 320.0)
        self.y = MARGIN + HEAD + 22
        self.back: list[str] = []
        self.front: list[str] = []

    def drawing(self) -> bytes:
        self._draw(self.sequence.items, 0)
        bottom = self.y + 8
        lives = [
            f'<line x1="{x:g}" y1="{MARGIN + HEAD:g}" x2="{x:g}" y2="{bottom:g}" stroke="{palette.CLUSTER_LINE}" stroke-dasharray="3 4"/>'
            for x in self.columns.values()
        ]
        for name in self.columns:
            self._head(name)
        size = f'width="{self.width:g}" height="{bottom + MARGIN:g}" viewBox="0 0 {self.width:g} {bottom + MARGIN:g}"'
        paper = f'<rect width="100%" height="100%" fill="{palette.PAPER}"/>'
        parts = [f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="{palette.SANS}" font-size="11">', paper]
        return "\n".join([*parts, *self.back, *lives, *self.front, "</svg>", ""]).encode()

    def _draw(self, items: Items[Item], depth: int) -> None:
        for item in items:
            if isinstance(item, Box):
                self._box(item, depth)
            elif isinstance(item, Note):
                self._note(item)
            elif item.source == item.target:
                self._self_arrow(item)
            else:
                self._arrow(item)

    def _head(self, name: str) -> None:
        x, person = self.columns[name], name in (USER, PERSON)
        fill, line = palette.NODES["end" if name == END else "function" if person else "agent"]
        ink = palette.PAPER if name == END else palette.INK
        radius = HEAD / 2 if person else 8
        outer = name.rpartition("/")[0]
        box = f'x="{x - COLUMN * 0.4:g}" y="{MARGIN:g}" width="{COLUMN * 0.8:g}" height="{HEAD:g}" rx="{radius:g}"'
        self.front.append(f'<rect {box} fill="{fill}" stroke="{line}"/>')
        self._text(x, MARGIN + (18 if outer else 25), shorten(who(name), 20), size=13, colour=ink, weight="bold", full=name)
        if outer:
            self._text(x, MARGIN + 32, shorten(f"in {outer}", 26), size=9, colour=palette.SOFT_INK)

    def _arrow(self, item: Arrow) -> None:
        start, end = self.columns[item.source], self.columns[item.target]
        room = int((abs(end - start) - 24) / CHAR)
        lines = wrap(item.text, room, 3)
        reasons = wrap(item.reason, int(room * 1.15), 3)
        middle = (start + end) / 2
        for line in lines:
            self._text(middle, self.y, line, full=item.text)
            self.y += LINE
        y = self.y - 7
        colour = palette.EDGES["error"] if item.kind == "error" else palette.TAKEN if item.kind == "say" else palette.EDGES["limit"]
        self._line(start, end, y, colour, dashed=item.kind != "say")
        self.y += 7
        for reason in reasons:
            self._text(middle, self.y, reason, size=9.5, colour=palette.SOFT_INK, style="italic", full=item.reason)
            self.y += LINE - 3
        self.y += 10

    def _self_arrow(self, item: Arrow) -> None:
        """Something said that goes nowhere else: a hook at the speaker's own line, the text beside it."""
        x = self.columns[item.source]
        side = -1 if x + COLUMN * 1.2 > self.width else 1
        room = int((COLUMN - 44) / CHAR)
        lines = [*wrap(item.text, room, 3), *wrap(item.reason, room, 2)] or ["(says nothing)"]
        top, height = self.y - 4, max(LINE * len(lines), 2 * LINE) - 6
        colour = palette.EDGES["error"] if item.kind == "error" else palette.TAKEN
        turn = x + side * 22
        self.front.append(
            f'<path d="M {x:g} {top:g} H {turn:g} V {top + height:g} H {x + side * 6:g}" fill="none" stroke="{colour}" stroke-width="1.4"/>'
        )
        self._head_at(x, top + height, -side, colour)
        for line in lines:
            self._text(turn + side * 6, self.y + 3, line, anchor="start" if side > 0 else "end", full=item.text)
            self.y += LINE
        self.y += 14

    def _note(self, item: Note) -> None:
        whole = item.over == ""
        x = self.width / 2 if whole else self.columns[item.over]
        width = self.width - 2 * MARGIN if whole else COLUMN * 0.86
        lines = wrap(item.text, int((width - 12) / (CHAR * 0.92)), 2 if whole else 3)
        height = len(lines) * (LINE - 2) + 8
        fill, line = (palette.CLUSTER_FILL, palette.CLUSTER_LINE) if item.kind != "error" else palette.NODES["missing"]
        self.front.append(
            f'<rect x="{x - width / 2:g}" y="{self.y - 10:g}" width="{width:g}" height="{height:g}" rx="4" fill="{fill}" stroke="{line}"/>'
        )
        colour = palette.EDGES["error"] if item.kind == "error" else palette.SOFT_INK
        for number, text in enumerate(lines):
            weight = "bold" if item.kind == "run" else "normal"
            self._text(x, self.y + 4 + number * (LINE - 2), text, size=10, colour=colour, weight=weight, full=item.text)
        self.y += height + 12

    def _box(self, box: Box, depth: int) -> None:
        inside = sorted(self.columns[name] for name in _named(box.items))
        left = (inside[0] if inside else self.width / 2) - COLUMN * 0.48 + depth * 5
        right = (inside[-1] if inside else self.width / 2) + COLUMN * 0.48 - depth * 5
        top = self.y - 8
        place = len(self.back)
        self.y += 20
        self._draw(box.items, depth + 1)
        self.back.insert(
            place,
            f'<rect x="{left:g}" y="{top:g}" width="{right - left:g}" height="{self.y - top - 4:g}" rx="8" '
            f'fill="{palette.CLUSTER_FILL}" stroke="{palette.CLUSTER_LINE}"/>',
        )
        self._text(left + 10, top + 16, box.title, size=10, colour=palette.SOFT_INK, weight="bold", anchor="start")
        self.y += 16

    def _line(self, start: float, end: float, y: float, colour: str, dashed: bool) -> None:
        way = 1 if end > start else -1
        dash = ' stroke-dasharray="5 4"' if dashed else ""
        self.front.append(f'<line x1="{start:g}" y1="{y:g}" x2="{end - way * 6:g}" y2="{y:g}" stroke="{colour}" stroke-width="1.4"{dash}/>')
        self._head_at(end, y, way, colour)

    def _head_at(self, x: float, y: float, way: int, colour: str) -> None:
        self.front.append(f'<path d="M {x:g} {y:g} l {-way * 8:g} -4 v 8 z" fill="{colour}"/>')

    def _text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: float = 11,
        colour: str = palette.INK,
        weight: str = "normal",
        style: str = "normal",
        anchor: str = "middle",
        full: str = "",
    ) -> None:
        """One line of text; where it was shortened, the full text is its tooltip."""
        title = f"<title>{markup(full)}</title>" if full and full != text else ""
        look = f'font-size="{size:g}" font-weight="{weight}" font-style="{style}" text-anchor="{anchor}" fill="{colour}"'
        self.front.append(f'<text x="{x:g}" y="{y:g}" {look}>{title}{markup(text)}</text>')


def _named(items: Iterable[Item]) -> set[str]:
    names: set[str] = set()
    for item in items:
        if isinstance(item, Box):
            names |= _named(item.items)
        elif isinstance(item, Arrow):
            names |= {item.source, item.target}
        elif item.over:
            names.add(item.over)
    return names
