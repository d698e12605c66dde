"""A picture as a mermaid flowchart: text that GitHub, GitLab and notebooks draw themselves.

Mermaid reads labels as markdown and ids as code, so neither holds a user's text as it stands: ids are made of
letters, digits and `_` behind a prefix (`end` is a keyword, a leading `o` or `x` is an arrow's head), and in labels
every sign that could mean something is an entity code.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from convgraph.drawing import palette
from convgraph.drawing.labels import KIND_NAMES, activity_texts, choosing_texts, edge_run_text, edge_texts, run_text
from convgraph.drawing.picture import Cluster, Picture, PictureEdge, PictureNode
from convgraph.drawing.text import one_line, shorten

MAX_LABEL = 300
"""Mermaid wraps labels by itself; a text longer than this is shortened."""

_SHAPES: Mapping[str, tuple[str, str]] = {
    "agent": ("(", ")"),
    "function": ("[", "]"),
    "graph": ("[[", "]]"),
    "parallel": ("{{", "}}"),
    "foreach": ("[/", "/]"),
    "hub": ("([", "])"),
    "everyone": ("([", "])"),
    "missing": ("[", "]"),
    "start": ("((", "))"),
    "end": ("(((", ")))"),
    "fork": ("[", "]"),
    "join": ("[", "]"),
}
_ARROWS: Mapping[str, str] = {"reply": "-->", "flow": "-->", "error": "-.->", "limit": "-.->"}
_SPECIAL = re.compile(
    r"""[^\w\s.,:;()=!?'/+%&·\u00d7ƒ…-]|&(?=[#\w])"""  # all but letters, digits and plain punctuation
    r"""|(?<![^\W_])_|_(?![^\W_])"""  # an underscore that could begin or end emphasis
    r"""|(?<=:)/(?=/)|(?<=www)\."""  # what would make a link
    r"""|^[-+](?=\s)|(?<=^\d)[.)]|(?<=^\d\d)[.)]""",  # what would make a list
    re.IGNORECASE,
)

_ENTITIES: Mapping[str, str] = {'"': "quot", "<": "lt", ">": "gt", "&": "amp"}


def to_mermaid(picture: Picture) -> str:
    """The picture as a mermaid flowchart. The same picture gives the same text."""
    ids = _ids(picture)
    lines = ["flowchart TD", *(f"    {line}" for line in _body(picture, ids))]
    return "\n".join(lines) + "\n"


def escaped(text: str) -> str:
    """The text for a quoted mermaid label: on one line, with entity codes for whatever mermaid or markdown would read."""
    return _SPECIAL.sub(lambda found: f"#{_ENTITIES.get(found.group(), ord(found.group()))};", shorten(text, MAX_LABEL))


def _ids(picture: Picture) -> dict[str, str]:
    """A mermaid id for each node and cluster: its path in letters, digits and `_`, numbered where two would be the same."""
    ids: dict[str, str] = {}
    taken: set[str] = set()
    for prefix, items in (("n", picture.nodes), ("g", picture.clusters)):
        for item in items:
            base = f"{prefix}_" + re.sub(r"[^A-Za-z0-9]+", "_", item.id).strip("_")
            unique, number = base, 2
            while unique in taken:
                unique, number = f"{base}_{number}", number + 1
            taken.add(unique)
            ids[item.id] = unique
    return ids


def _body(picture: Picture, ids: Mapping[str, str]) -> Iterator[str]:
    yield f"%% {one_line(picture.name)}: {'; '.join(one_line(note).replace('{', '(').replace('}', ')') for note in picture.notes)}"
    if status := run_text(picture):
        yield f"%% {one_line(status).replace('{', '(').replace('}', ')')}"
    yield from _inside(picture, "", ids)
    for edge in picture.edges:
        yield _edge(edge, ids)
    yield from _styles(picture, ids)


def _inside(picture: Picture, cluster: str, ids: Mapping[str, str]) -> Iterator[str]:
    for node in picture.nodes:
        if node.cluster == cluster:
            yield _node(node, ids[node.id])
    for inner in picture.clusters:
        if inner.parent == cluster:
            yield f'subgraph {ids[inner.id]}["{_lines(_cluster_texts(inner))}"]'
            yield from (f"    {line}" for line in _inside(picture, inner.id, ids))
            yield "end"


def _node(node: PictureNode, id: str) -> str:
    opening, closing = _SHAPES[node.shape]
    return f'{id}{opening}"{_lines(_node_texts(node))}"{closing}:::{_class(node)}'


def _class(node: PictureNode) -> str:
    """Mermaid's own words (`end`, `graph`) cannot name a class."""
    return f"{node.shape}_node"


def _node_texts(node: PictureNode) -> Iterator[str]:
    yield node.name
    if node.hidden:
        yield f"{KIND_NAMES.get(node.shape, node.shape)}, {node.hidden} inside"
    yield shorten(node.description, 80)
    yield from node.notes
    if node.shape in ("start", "end"):
        yield from choosing_texts(node.activity)
    elif node.shape not in ("hub", "everyone"):
        yield from activity_texts(node.activity)


def _cluster_texts(cluster: Cluster) -> Iterator[str]:
    yield f"{cluster.name} ({KIND_NAMES.get(cluster.shape, cluster.shape)})"
    yield " · ".join(cluster.notes)
    yield from activity_texts(cluster.activity)


def _edge(edge: PictureEdge, ids: Mapping[str, str]) -> str:
    loops = edge.leaves != "" and edge.leaves == edge.enters  # mermaid cannot draw an arrow from a subgraph to itself
    source = ids[edge.leaves if edge.leaves and not loops else edge.source]
    target = ids[edge.enters if edge.enters and not loops else edge.target]
    arrow = "==>" if edge.taken and edge.style in ("reply", "flow") else _ARROWS[edge.style]
    if edge.both:
        arrow = "<" + arrow
    label = _lines(_edge_texts(edge))
    return f'{source} {arrow}|"{label}"| {target}' if label else f"{source} {arrow} {target}"


def _edge_texts(edge: PictureEdge) -> Iterator[str]:
    for head, guard, _ in edge_texts(edge):
        yield head
        yield guard
    yield edge_run_text(edge)


def _lines(texts: Iterable[str]) -> str:
    return "<br/>".join(escaped(text) for text in texts if text.strip())


def _styles(picture: Picture, ids: Mapping[str, str]) -> Iterator[str]:
    for shape in dict.fromkeys(node.shape for node in picture.nodes):
        fill, line = palette.NODES[shape]
        ink = palette.PAPER if shape in ("start", "end", "fork", "join") else palette.INK
        yield f"classDef {shape}_node fill:{fill},stroke:{line},color:{ink}"
    for node in picture.nodes:
        if node.activity is not None and node.activity.current:
            yield f"style {ids[node.id]} stroke:{palette.CURRENT},stroke-width:3px"
    for cluster in picture.clusters:
        yield f"style {ids[cluster.id]} fill:{palette.CLUSTER_FILL},stroke:{palette.CLUSTER_LINE},color:{palette.INK}"
    for number, edge in enumerate(picture.edges):
        if style := _line_style(edge):
            yield f"linkStyle {number} {style}"


def _line_style(edge: PictureEdge) -> str:
    if edge.taken and edge.style in ("reply", "flow"):
        return f"stroke:{palette.TAKEN},stroke-width:3px"
    if edge.taken == ():
        return f"stroke:{palette.FAINT}" + (",stroke-dasharray:4 4" if edge.refused else "")
    if edge.style in ("error", "limit"):
        return f"stroke:{palette.EDGES[edge.style]}"
    return ""
