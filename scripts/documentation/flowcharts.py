"""Hand-written mermaid flowcharts, drawn when the site is built: no script has to be loaded from elsewhere to see them.

Only what the pages use is understood: `flowchart TB` or `LR`, lines such as `a["words<br/>more"] --> b ==> c(("3"))`, and `subgraph`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from convgraph.drawing import render
from convgraph.drawing.palette import CLUSTER_FILL, CLUSTER_LINE, EDGES, INK, NODES, SANS, TAKEN
from scripts.documentation.pictures import shown
from scripts.documentation.problems import DocumentationError

_FENCE = re.compile(r"^```mermaid\n(flowchart .*?)^```$", re.MULTILINE | re.DOTALL)
_NODE = re.compile(r'(\w+)(?:(\(\(|\(\[|\[)"([^"]*)"[\])]+)?')
_ARROW = re.compile(r"\s*(-->|==>)\s*")
_SHAPES = {"((": "circle", "([": "box", "[": "box"}


def with_flowcharts(text: str, name: str, pictures: Path) -> str:
    """A page's text with each flowchart replaced by its picture, which is drawn into the folder `pictures`.

    A flowchart with a comment is what `to_mermaid` has printed, and stays text. Raises `DocumentationError` for what is not understood.
    """
    numbers = count(1)

    def replaced(fence: re.Match[str]) -> str:
        if "%%" in fence[1]:
            return f"```text\n{fence[1]}```"
        flowchart = _read(fence[1])
        file = f"{name.replace('/', '-')}-flowchart-{next(numbers)}.svg"
        (pictures / file).write_bytes(_drawn(flowchart))
        return shown(file, f"A flowchart: {', '.join(flowchart.words)}", name.count("/"))

    return _FENCE.sub(replaced, text)


@dataclass
class _Flowchart:
    """What is said of it so far; each line of `statements` is DOT, in or outside of a cluster."""

    direction: str
    statements: list[str] = field(default_factory=list)
    words: list[str] = field(default_factory=list)

    def add(self, line: str) -> None:
        if line.startswith("subgraph "):
            title = line.removeprefix("subgraph ")
            self.statements.append(
                f'subgraph "cluster_{title}" {{ label="{title}"; style="rounded,filled"; fillcolor="{CLUSTER_FILL}"; color="{CLUSTER_LINE}"'
            )
        elif line == "end":
            self.statements.append("}")
        elif not line.startswith("direction "):
            self._add_chain(line)

    def _add_chain(self, line: str) -> None:
        first, *rest = _ARROW.split(line)
        before = self._node(first, line)
        for arrow, node in zip(rest[::2], rest[1::2], strict=True):
            after = self._node(node, line)
            look = f' [penwidth=2.2, color="{TAKEN}"]' if arrow == "==>" else ""
            self.statements.append(f'"{before}" -> "{after}"{look}')
            before = after

    def _node(self, text: str, line: str) -> str:
        found = _NODE.fullmatch(text)
        if found is None:
            raise DocumentationError(f"this line of a flowchart is not understood: {line!r}")
        name, bracket, words = found.groups()
        if words is not None:
            self.words.append(words.replace("<br/>", " "))
            escaped = words.replace("\\", "\\\\").replace("<br/>", "\\n")
            self.statements.append(f'"{name}" [label="{escaped}", shape={_SHAPES[bracket]}]')
        return name


def _read(text: str) -> _Flowchart:
    first, *lines = [line.strip() for line in text.strip().splitlines()]
    flowchart = _Flowchart(first.split()[1])
    for line in lines:
        flowchart.add(line)
    return flowchart


def _drawn(flowchart: _Flowchart) -> bytes:
    colours = NODES["agent"]
    look = f'fontname="{SANS}", fontsize=10, fontcolor="{INK}"'
    head = [
        f'digraph {{ rankdir={flowchart.direction}; bgcolor="#ffffff"; pad=0.2; ranksep=0.3; graph [{look}]',
        f'node [style="rounded,filled", fillcolor="{colours.fill}", color="{colours.line}", margin="0.15,0.08", {look}]',
        f'edge [color="{EDGES["flow"]}", arrowsize=0.7]',
    ]
    return render("\n".join([*head, *flowchart.statements, "}"]))
