"""What is written on nodes, edges and clusters, line by line, before any format has its say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from convgraph.drawing import palette
from convgraph.drawing.picture import Activity, Cluster, Picture, PictureEdge, PictureNode, Way
from convgraph.drawing.text import shorten, wrap
from convgraph.messages import Usage
from convgraph.wording import counted, money

KIND_NAMES = {"graph": "sub-graph", "parallel": "parallel", "foreach": "for each"}

_BLANK = "\u00a0"
"""Keeps a label's text off the arrow beside it."""


class Line(NamedTuple):
    """One line of a label and how it looks."""

    text: str
    size: float = 10
    colour: str = palette.SOFT_INK
    bold: bool = False
    italic: bool = False
    mono: bool = False
    align: str = "CENTER"


def node_lines(node: PictureNode, ink: str = palette.INK) -> list[Line]:
    """The name, what it is for, its settings, and what a run did there."""
    soft = palette.SOFT_INK if ink == palette.INK else palette.FAINT_INK
    lines = [Line(part, 12, ink, bold=node.shape not in ("hub", "everyone")) for part in wrap(node.name, 32, 2)]
    if node.hidden:
        lines.append(Line(f"{KIND_NAMES.get(node.shape, node.shape)}: {counted(node.hidden, 'node')} inside", 9.5, soft, italic=True))
    lines += [Line(part, 9.5, soft) for part in wrap(node.description, 32, 2)]
    lines += [Line(part, 9, soft, italic=True) for note in node.notes for part in wrap(note, 36, 3)]
    if node.shape not in ("hub", "everyone"):
        lines += [Line(did, 9.5, palette.TAKEN, bold=True) for did in activity_texts(node.activity)]
    if node.activity is not None and node.activity.current:
        lines.append(Line("the run is here", 9.5, palette.CURRENT, bold=True))
    return lines


def cluster_lines(cluster: Cluster) -> list[Line]:
    """The heading of a cluster."""
    kind = KIND_NAMES.get(cluster.shape, cluster.shape)
    lines = [Line(f"{cluster.name}  ·  {kind}", 11, palette.INK, bold=True, align="LEFT")]
    lines += [Line(part, 9.5, align="LEFT") for part in wrap(cluster.description, 48, 2)]
    lines += [Line(part, 9, italic=True, align="LEFT") for part in wrap(" · ".join(cluster.notes), 48, 3)]
    lines += [Line(did, 9.5, palette.TAKEN, bold=True, align="LEFT") for did in activity_texts(cluster.activity)]
    return lines


def edge_lines(edge: PictureEdge, ink: str = palette.INK) -> list[Line]:
    """The place in the order, the label, what it fires on, the priority, the guard, and how often it was taken."""
    soft = palette.SOFT_INK if ink == palette.INK else palette.FAINT_INK
    lines: list[Line] = []
    heading = palette.EDGES[edge.style] if edge.style in ("error", "limit") and ink == palette.INK else ink
    for head, guard, opaque in edge_texts(edge):
        lines += [Line(part, 10, heading, bold=True) for part in wrap(head, 34, 3)]
        lines += [Line(part, 9, soft, mono=True, italic=opaque) for part in wrap(guard, 38, 6)]
    if run := edge_run_text(edge):
        lines.append(Line(run, 9.5, palette.TAKEN if edge.taken else palette.FAINT_INK, bold=bool(edge.taken), italic=not edge.taken))
    return [line._replace(text=f"{_BLANK}{line.text}{_BLANK}") for line in lines]


def edge_texts(edge: PictureEdge) -> list[tuple[str, str, bool]]:
    """The heading, the guard, and whether that is opaque, of each way that the arrow shows."""
    if not edge.ways:
        return [(edge_head(edge), "" if edge.both else guard_text(edge), edge.opaque)]
    if edge.in_short:
        return [(" / ".join(_way_head(way) or guard_text(way) for way in edge.ways), "", False)]
    fires = [(edge_head(edge), "", False)] if edge_head(edge) else []
    return [*fires, *((_way_head(way), guard_text(way), way.opaque) for way in edge.ways)]


def _way_head(way: Way) -> str:
    parts = [order_text(way.order) if way.order else "", way.label or ("else" if way.otherwise else "")]
    return " · ".join(filter(None, parts))


def guard_text(edge: PictureEdge | Way) -> str:
    """The guard as it is drawn: its source, or the name of a Python function, marked as such."""
    return f"ƒ {edge.guard} (opaque)" if edge.opaque else edge.guard


def title_lines(picture: Picture) -> list[Line]:
    """The graph's name and settings; below them the run's status."""
    lines = [Line(picture.name, 15, palette.INK, bold=True, align="LEFT")]
    lines += [Line(part, 10, align="LEFT") for part in wrap(" · ".join(picture.notes), 80, 2)]
    if picture.run is not None and (status := run_text(picture)):
        lines += [Line(part, 10, palette.TAKEN, bold=True, align="LEFT") for part in wrap(status, 80, 3)]
    lines.append(Line(" ", 6, align="LEFT"))
    return lines


def run_text(picture: Picture) -> str:
    """`run 7f3a: finished (reached END)`."""
    run = picture.run
    if run is None or not (run.run_id or run.status):
        return ""
    return f"run {run.run_id}".rstrip() + (f": {run.status}" if run.status else "") + (f" ({run.reason})" if run.reason else "")


def activity_texts(activity: Activity | None) -> list[str]:
    """`3 visits · 1,204 tokens · $0.0031`, and a line for what choosing who is next has cost; nothing where nothing happened."""
    if activity is None:
        return []
    lines = [" · ".join([counted(activity.visits, "visit"), *_cost(activity.usage)])] if activity.visits else []
    return lines + choosing_texts(activity)


def choosing_texts(activity: Activity | None) -> list[str]:
    """`choosing next: 2 calls · 310 tokens · $0.0004`, where a model chose who is next."""
    if activity is None or not any(activity.choosing):
        return []
    return [f"choosing next: {' · '.join([counted(activity.choosing.calls, 'call'), *_cost(activity.choosing)])}"]


def _cost(usage: Usage) -> list[str]:
    tokens = [counted(usage.tokens, "token")] if usage.tokens else []
    return [*tokens, money(usage.usd)] if usage.usd else tokens


def node_tooltip(node: PictureNode) -> str:
    """The whole text of what the label may have shortened."""
    did = choosing_texts(node.activity) if node.shape in ("start", "end") else activity_texts(node.activity)
    return "\n".join(part for part in (node.name, node.description, *node.notes, node.origin, *did) if part)


def edge_run_text(edge: PictureEdge) -> str:
    """`3x` for an edge that a run took three times, `refused` for one whose guard did not hold."""
    if edge.taken and edge.style != "flow":
        by_label = [f"{way.taken}\u00d7 {way.label}".strip() for way in edge.ways if way.taken]
        return ", ".join(by_label) or f"{len(edge.taken)}\u00d7" + (" out" if edge.both else "")
    return "refused" if edge.refused and not edge.taken else ""


def edge_tooltip(edge: PictureEdge) -> str:
    """The edge's ends and conditions in full, and at which steps it was taken."""
    parts = [f"{edge.source} -> {edge.target}"]
    if head := edge_head(edge):
        parts.append(head)
    parts += [_way_head(way) + (f" when {way.guard}" if way.guard else "") + (" (opaque)" if way.opaque else "") for way in edge.ways]
    if edge.guard:
        parts.append(f"when {edge.guard}" + (" (opaque)" if edge.opaque else ""))
    if len(edge.stands_for) > 1:
        parts.append(f"stands for {len(edge.stands_for)} edges")
    if edge.origin:
        parts.append(edge.origin)
    if edge.taken and edge.style != "flow":
        parts.append(shorten(f"taken {counted(len(edge.taken), 'time')}: step {', '.join(edge.taken)}", 200))
    if edge.refused:
        parts.append("refused: its guard did not hold when last asked")
    return "\n".join(parts)


def edge_head(edge: PictureEdge) -> str:
    """`(1) · approved`: the place in the order, what it fires on, the label, the priority."""
    return " · ".join(_head(edge))


def _head(edge: PictureEdge) -> Iterator[str]:
    if edge.order and not edge.both:
        yield order_text(edge.order)
    if edge.style in ("error", "limit"):
        yield f"on {edge.style}"
    if edge.label and not edge.both:
        yield edge.label
    elif edge.otherwise:
        yield "else"
    if edge.priority:
        yield f"priority {edge.priority}"


def order_text(order: tuple[int, ...]) -> str:
    """`(2)`; for an arrow that stands for several, `(1-5)` or `(1, 3)`."""
    if len(order) > 2 and order == tuple(range(order[0], order[-1] + 1)):
        return f"({order[0]}-{order[-1]})"
    return f"({', '.join(map(str, order))})"
