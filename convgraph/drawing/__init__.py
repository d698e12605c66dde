"""Drawing: a definition (and a run) as SVG, PNG, PDF, DOT or mermaid.

Everything works offline; only `render` needs the `dot` program, and says so where it is missing.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Final

from convgraph.drawing.dot import to_dot
from convgraph.drawing.layout import FORMATS, render
from convgraph.drawing.mermaid import to_mermaid
from convgraph.drawing.picture import Overlay, picture_of
from convgraph.errors import DrawingError, InputError
from convgraph.graph.definition import Definition

__all__ = ["SUFFIXES", "draw", "mimebundle", "render", "to_dot", "to_mermaid"]

SUFFIXES: Final = {".svg": "svg", ".png": "png", ".pdf": "pdf", ".dot": "dot", ".gv": "dot", ".mmd": "mermaid", ".mermaid": "mermaid"}


def draw(
    graph: Definition,
    *,
    format: str | None = None,
    path: str | Path | None = None,
    overlay: Overlay | None = None,
    depth: int | None = None,
    collapse: Collection[str] = (),
) -> bytes | Path:
    """Draw `graph` as svg (the default), png, pdf, dot or mermaid, with a run on it if there is an `overlay`.

    Returns the drawing, or writes it to `path` and returns that; then the format follows from the path's suffix
    unless it is given. `depth` and `collapse` close sub-graphs and groups, see `picture_of`. Raises `InputError`
    for a format that is not one of these and for a path that cannot be written, `DrawingError` where it cannot be drawn.
    """
    chosen = _format(format, path)
    picture = picture_of(graph, overlay=overlay, depth=depth, collapse=collapse)
    drawn = to_mermaid(picture).encode() if chosen == "mermaid" else render(to_dot(picture), chosen)
    if path is None:
        return drawn
    try:
        Path(path).write_bytes(drawn)
    except OSError as error:
        raise InputError(f"path={str(path)!r}: the drawing of graph {graph.name!r} cannot be written there: {error}") from error
    return Path(path)


def mimebundle(graph: Definition, *, overlay: Overlay | None = None) -> dict[str, str]:
    """What a notebook shows: the SVG where Graphviz can draw it, else mermaid, which many draw themselves; and always the text."""
    picture = picture_of(graph, overlay=overlay)
    text = to_mermaid(picture)
    try:
        return {"text/plain": text, "image/svg+xml": render(to_dot(picture), "svg").decode()}
    except DrawingError:
        return {"text/plain": text, "text/vnd.mermaid": text}  # displaying a value must not fail


def _format(format: str | None, path: str | Path | None) -> str:
    known = (*FORMATS, "mermaid")
    if format is not None:
        if format not in known:
            raise InputError(f"format={format!r}: a drawing is one of {', '.join(known)}")
        return format
    if path is None:
        return "svg"
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"path={str(path)!r}: its suffix says no format; use one of {', '.join(SUFFIXES)}, or give format=")
    return SUFFIXES[suffix]
