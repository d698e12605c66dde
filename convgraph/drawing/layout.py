"""DOT to SVG, PNG or PDF through the `dot` program: offline, within a time that cannot run away."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from typing import Final

from convgraph.errors import DrawingError, InputError

FORMATS: Final = ("svg", "png", "pdf", "dot")

_SVG = "http://www.w3.org/2000/svg"
_XLINK = "http://www.w3.org/1999/xlink"
LAYOUTS: Final = (
    ("dot", (), 3.0),
    ("dot", ("-Gsplines=polyline", "-Gnslimit=1", "-Gmclimit=0.3", "-Gnslimit1=1"), 3.0),
    ("sfdp", ("-Goverlap=prism", "-Gsep=+90", "-GK=5", "-Gsplines=line", "-Goutputorder=edgesfirst"), 10.0),
)
"""Engine, options and seconds, tried one after the other: the last ones are for graphs too dense for a layered drawing."""


def render(dot: str, format: str = "svg") -> bytes:
    """The drawing that `dot` describes. Raises `InputError` for an unknown format, `DrawingError` where it cannot be made."""
    if format not in FORMATS:
        raise InputError(f"format={format!r}: a drawing is one of {', '.join(FORMATS)}")
    if format == "dot":
        return dot.encode()
    for engine, options, seconds in LAYOUTS:
        drawn = _layout(dot, format, engine, options, seconds)
        if drawn is not None:
            return safe_svg(drawn) if format == "svg" else drawn
    spent = sum(seconds for _, _, seconds in LAYOUTS)
    raise DrawingError(
        f"Graphviz found no layout within {spent:g} s: the graph is too dense. "
        "Draw it with depth= or collapse=, or use to_mermaid(), which needs no layout here"
    )


def _layout(dot: str, format: str, engine: str, options: tuple[str, ...], seconds: float) -> bytes | None:
    """The drawing by one engine, or None when its time is up."""
    import subprocess

    from graphviz import backend, exceptions

    command = [*backend.dot_command.command(engine, format), *options]
    try:
        done = backend.execute.run_check(command, input=dot.encode(), capture_output=True, quiet=True, timeout=seconds)
    except exceptions.ExecutableNotFound as error:
        raise DrawingError(
            "the 'dot' program of Graphviz is not on the PATH, so there is no svg, png or pdf. Install it (Debian: apt install graphviz, "
            "macOS: brew install graphviz), or use to_mermaid() or format='dot', which need no program"
        ) from error
    except subprocess.TimeoutExpired:
        return None
    except subprocess.CalledProcessError as error:
        said = (error.stderr or b"").decode(errors="replace").strip()
        raise DrawingError(
            f"Graphviz failed to draw the graph ({engine}, exit status {error.returncode}): {said or 'no message'}"
        ) from error
    except OSError as error:
        raise DrawingError(f"the 'dot' program of Graphviz cannot be started: {error}. to_mermaid() needs no program") from error
    return done.stdout


def safe_svg(svg: bytes) -> bytes:
    """The SVG without document type and links: what Graphviz wraps in `<a>` to show a tooltip becomes a `<title>`."""
    ElementTree.register_namespace("", _SVG)
    ElementTree.register_namespace("xlink", _XLINK)
    root = ElementTree.fromstring(re.sub(rb"<!DOCTYPE[^>]*>", b"", svg, count=1))  # noqa: S314  # Graphviz wrote it, with every text escaped
    for group in list(root.iter(f"{{{_SVG}}}g")):
        tooltip = _unwrap_links(group)
        title = group.find(f"{{{_SVG}}}title")
        if title is not None and tooltip:
            title.text = tooltip
    return ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)


def _unwrap_links(group: ElementTree.Element) -> str:
    """Put what the links in this group hold in the links' place; returns the tooltip that they carried."""
    tooltip = ""
    children: list[ElementTree.Element] = []
    for child in group:
        wrapped = child.get("id", "").startswith("a_") and len(child) == 1
        link = child[0] if wrapped else child
        if link.tag != f"{{{_SVG}}}a":
            children.append(child)
            continue
        tooltip = link.get(f"{{{_XLINK}}}title", "").strip() or tooltip
        children.extend(link)
    group[:] = children
    return tooltip
