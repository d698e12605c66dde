"""A picture as DOT, the language of Graphviz.

Every text of the graph's goes through `markup` (labels, which are HTML-like) or `quoted` (everything else), so
that nothing in a name, guard or description is read as DOT or as markup. Each node, edge and cluster has an `id`
made from the picture's id and a `class` that says what it is: both end up in the SVG, for highlighting.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from convgraph.drawing import palette
from convgraph.drawing.labels import Line, choosing_texts, cluster_lines, edge_lines, edge_tooltip, node_lines, node_tooltip, title_lines
from convgraph.drawing.picture import Activity, Cluster, Picture, PictureEdge, PictureNode
from convgraph.drawing.text import clean, markup
from convgraph.graph.definition import START

_SHAPES: Mapping[str, Mapping[str, str]] = {
    "agent": {"shape": "box", "style": "rounded,filled"},
    "function": {"shape": "box", "style": "filled"},
    "graph": {"shape": "box", "style": "rounded,filled", "peripheries": "2"},
    "parallel": {"shape": "hexagon", "style": "filled", "margin": "0.02,0.04"},
    "foreach": {"shape": "box3d", "style": "filled"},
    "hub": {"shape": "ellipse", "style": "filled,dashed", "margin": "0.04,0.02"},
    "everyone": {"shape": "ellipse", "style": "filled,dashed", "margin": "0.04,0.02"},
    "missing": {"shape": "box", "style": "filled,dashed"},
    "start": {"shape": "circle", "style": "filled", "width": "0.5", "fixedsize": "true"},
    "end": {"shape": "doublecircle", "style": "filled", "width": "0.42", "fixedsize": "true"},
    "fork": {"shape": "box", "style": "filled", "width": "1.4", "height": "0.06", "fixedsize": "true"},
    "join": {"shape": "box", "style": "filled", "width": "1.4", "height": "0.06", "fixedsize": "true"},
}
_LINES: Mapping[str, str] = {"reply": "solid", "flow": "solid", "error": "dashed", "limit": "dotted"}
_KINDS = frozenset({"agent", "function", "graph", "parallel", "foreach"})


def to_dot(picture: Picture) -> str:
    """The picture as DOT text. The same picture gives the same text."""
    lines = [f"digraph {quoted(picture.name)} {{", *_indented(_body(picture)), "}"]
    return "\n".join(lines) + "\n"


def dom_id(kind: str, id: str) -> str:
    """The `id` in an SVG of the node, edge or cluster that the picture calls `id`: `node-review.critic`, `edge-review.3`."""
    # Names hold no dots, so that the four signs stay apart.
    return f"{kind}-" + id.removeprefix("#").replace("/", ".").replace("#", ".").replace(":", "..").replace(">", "...")


def quoted(text: str) -> str:
    """The text as a DOT string that means exactly this text: no escape, entity or end of the string in it."""
    safe = clean(text).replace("&", "&amp;").replace("\\", "\\\\").replace('"', '\\"')
    return '"' + safe.replace("\r", "").replace("\n", "\\n") + '"'


def _body(picture: Picture) -> Iterator[str]:
    yield "graph " + _attributes(
        {
            "rankdir": "TB",
            "compound": "true",
            "newrank": "true",
            "labelloc": "t",
            "labeljust": "l",
            "nodesep": "0.45",
            "ranksep": "0.5",
            "pad": "0.2",
            "bgcolor": palette.PAPER,
            "fontname": palette.SANS,
            "fontsize": "11",
            "fontcolor": palette.SOFT_INK,
            "tooltip": " ",
        },
        _table(title_lines(picture)),
    )
    yield "node " + _attributes(
        {"fontname": palette.SANS, "fontsize": "12", "fontcolor": palette.INK, "penwidth": "1.2", "margin": "0.12,0.06", "height": "0.4"}
    )
    yield "edge " + _attributes({"fontname": palette.SANS, "fontsize": "10", "arrowsize": "0.75", "penwidth": "1.2"})
    yield from _inside(picture, "")
    yield "{ rank=source; " + quoted(START) + " }"
    yield from _levels(picture)
    below = _spokes_below(picture)
    for edge in picture.edges:
        yield from _edge(_turned(edge) if edge.id in below else edge, picture.run is not None)


def _inside(picture: Picture, cluster: str) -> Iterator[str]:
    for node in picture.nodes:
        if node.cluster == cluster:
            yield _node(node)
    for inner in picture.clusters:
        if inner.parent == cluster:
            yield from (_loop_point(edge, picture.run is not None) for edge in picture.edges if _is_loop(edge) and edge.leaves == inner.id)
            yield f"subgraph {quoted('cluster_' + inner.id)} {{"
            yield from _indented([_cluster(inner), *_inside(picture, inner.id)])
            yield "}"


def _levels(picture: Picture) -> Iterator[str]:
    """What stands at one height: the branches of a group, and the label of a cluster's loop with the cluster's exit."""
    for fork in (node.id for node in picture.nodes if node.shape == "fork"):
        branches = [edge.target for edge in picture.edges if edge.source == fork]
        yield "{ rank=same; " + " ".join(f"{quoted(branch)};" for branch in branches) + " }"
    for edge in picture.edges:
        if _is_loop(edge):
            yield f"{{ rank=same; {quoted(edge.source)}; {quoted(_point(edge))}; }}"


def _node(node: PictureNode) -> str:
    fill, line = palette.NODES[node.shape]
    attributes = {
        **_SHAPES[node.shape],
        "id": dom_id("node", node.id),
        "class": _node_class(node.shape, node.activity),
        "tooltip": node_tooltip(node),
        "fillcolor": fill,
        "color": line,
    }
    if node.shape in ("start", "end"):
        attributes |= {"label": node.name, "fontcolor": palette.PAPER, "fontsize": "7.5", **_current(node.activity)}
        beside = [Line(part, 9.5, palette.TAKEN, bold=True) for text in choosing_texts(node.activity) for part in text.split(": ")]
        return f"{quoted(node.id)} " + _attributes(attributes, _table(beside) if beside else None, "xlabel")
    if node.shape in ("fork", "join"):
        return f"{quoted(node.id)} " + _attributes({**attributes, "label": ""})
    ink = palette.INK
    attributes |= _current(node.activity)
    if node.activity is not None and not node.activity.current and node.shape in _KINDS and not node.activity.visits:
        attributes |= {"fillcolor": palette.PAPER, "color": palette.FAINT}
        ink = palette.FAINT_INK
    return f"{quoted(node.id)} " + _attributes(attributes, _table(node_lines(node, ink)))


def _current(activity: Activity | None) -> dict[str, str]:
    return {"color": palette.CURRENT, "penwidth": "3"} if activity is not None and activity.current else {}


def _cluster(cluster: Cluster) -> str:
    attributes = {
        "id": dom_id("cluster", cluster.id),
        "class": _node_class(cluster.shape, cluster.activity),
        "tooltip": cluster.description or cluster.name,
        "style": "rounded,filled",
        "fillcolor": palette.CLUSTER_FILL,
        "color": palette.CLUSTER_LINE,
        "margin": "14",
    }
    if cluster.activity is not None and cluster.activity.current:
        attributes |= {"color": palette.CURRENT, "penwidth": "2.5"}
    return "graph " + _attributes(attributes, _table(cluster_lines(cluster)))


def _edge(edge: PictureEdge, has_run: bool) -> Iterator[str]:
    attributes = _arrow(edge, has_run)
    tail = {"ltail": f"cluster_{edge.leaves}"} if edge.leaves else {}
    head = {"lhead": f"cluster_{edge.enters}"} if edge.enters else {}
    source, target, point = quoted(edge.source), quoted(edge.target), quoted(_point(edge))
    if _is_loop(edge):
        yield f"{source} -> {point} " + _attributes(attributes | tail | {"arrowhead": "none"})
        yield f"{point} -> {target} " + _attributes(attributes | head | {"id": dom_id("edge", edge.id) + "_back", "constraint": "false"})
    else:
        yield f"{source} -> {target} " + _attributes(attributes | tail | head, _edge_label(edge, has_run))


def _spokes_below(picture: Picture) -> set[str]:
    """Half the spokes of a large hub: turned round, they put their members below the hub instead of in one long row above."""
    hubs: dict[str, list[str]] = {}
    for edge in picture.edges:
        if edge.both:
            hubs.setdefault(edge.target, []).append(edge.id)
    return {spoke for spokes in hubs.values() if len(spokes) > 6 for spoke in spokes[len(spokes) // 2 :]}


def _turned(edge: PictureEdge) -> PictureEdge:
    return replace(edge, source=edge.target, target=edge.source, leaves=edge.enters, enters=edge.leaves)


def _arrow(edge: PictureEdge, has_run: bool) -> dict[str, str]:
    attributes = {
        "id": dom_id("edge", edge.id),
        "class": _edge_class(edge),
        "tooltip": edge_tooltip(edge),
        "style": _LINES[edge.style],
        "color": palette.EDGES[edge.style],
    }
    if edge.both:
        attributes |= {"dir": "both", "arrowsize": "0.6"}
    if edge.taken:
        attributes |= {"penwidth": f"{1.6 + 0.7 * math.log2(1 + len(edge.taken)):.1f}"}
        attributes |= {"color": palette.TAKEN} if edge.style in ("reply", "flow") else {}
    elif has_run:
        attributes |= {"color": palette.FAINT, "style": "dashed" if edge.refused else _LINES[edge.style]}
    return attributes


def _edge_label(edge: PictureEdge, has_run: bool) -> str | None:
    lines = edge_lines(edge, palette.FAINT_INK if has_run and not edge.taken else palette.INK)
    return _table(lines) if lines else None


def _is_loop(edge: PictureEdge) -> bool:
    """Whether the edge leads from an open cluster to itself.

    Graphviz cannot loop an arrow around a cluster: it is drawn out to a point that holds the label, and back.
    """
    return edge.leaves != "" and edge.leaves == edge.enters


def _point(edge: PictureEdge) -> str:
    return f"{edge.id} loop"


def _loop_point(edge: PictureEdge, has_run: bool) -> str:
    return f"{quoted(_point(edge))} " + _attributes(
        {"shape": "plaintext", "height": "0", "margin": "0.02"}, _edge_label(edge, has_run) or " "
    )


def _node_class(shape: str, activity: Activity | None) -> str:
    seen = () if activity is None else ("visited" if activity.visits else "unvisited", "current" if activity.current else "")
    return " ".join(word for word in (shape, *seen) if word)


def _edge_class(edge: PictureEdge) -> str:
    words = (edge.style, "hub-spoke" if edge.both else "", "opaque" if edge.opaque else "")
    run = ("taken" if edge.taken else "untaken", "refused" if edge.refused else "") if edge.taken is not None else ()
    return " ".join(word for word in (*words, *run) if word)


def _attributes(attributes: Mapping[str, str], label: str | None = None, name_of_label: str = "label") -> str:
    parts = [f"{name}={quoted(value)}" for name, value in attributes.items()]
    if label is not None:
        parts.append(f"{name_of_label}=<{label}>")
    return "[" + ", ".join(parts) + "]"


def _table(lines: Iterable[Line]) -> str:
    rows = "".join(f'<TR><TD ALIGN="{line.align}">{_row(line)}</TD></TR>' for line in lines)
    return f'<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="1">{rows}</TABLE>'


def _row(line: Line) -> str:
    text = markup(line.text)
    if line.bold:
        text = f"<B>{text}</B>"
    if line.italic:
        text = f"<I>{text}</I>"
    face = f' FACE="{palette.MONO}"' if line.mono else ""
    return f'<FONT POINT-SIZE="{line.size:g}" COLOR="{line.colour}"{face}>{text}</FONT>'


def _indented(lines: Iterable[str]) -> Iterator[str]:
    return (f"  {line}" for line in lines)
