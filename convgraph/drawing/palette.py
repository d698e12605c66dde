"""The look of all drawings: muted colours, one accent for what a run did, one for where it stands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

# Families of one width: what Graphviz measures on one machine fits its box on another.
SANS: Final = "DejaVu Sans,Verdana,Helvetica,Arial,sans-serif"
MONO: Final = "DejaVu Sans Mono,Menlo,Consolas,monospace"

INK: Final = "#263238"
SOFT_INK: Final = "#5f6f78"
FAINT: Final = "#b4bec4"
FAINT_INK: Final = "#8a979e"
PAPER: Final = "#ffffff"
CLUSTER_FILL: Final = "#f6f8fa"
CLUSTER_LINE: Final = "#c9d3da"
TAKEN: Final = "#1f6f8b"
CURRENT: Final = "#d9822b"


class Colours(NamedTuple):
    """A symbol's inside and its border."""

    fill: str
    line: str


NODES: Final[Mapping[str, Colours]] = {
    "agent": Colours("#e6eef8", "#5f86b3"),
    "function": Colours("#f3f0e7", "#a39776"),
    "graph": Colours("#ece8f4", "#8474ad"),
    "parallel": Colours("#e4f1ec", "#5f9c86"),
    "foreach": Colours("#e4f1ec", "#5f9c86"),
    "hub": Colours("#ffffff", "#78909c"),
    "everyone": Colours("#ffffff", "#78909c"),
    "missing": Colours("#fdf1f0", "#b85c52"),
    "start": Colours("#37474f", "#37474f"),
    "end": Colours("#37474f", "#37474f"),
    "fork": Colours("#5f9c86", "#5f9c86"),
    "join": Colours("#5f9c86", "#5f9c86"),
}

EDGES: Final[Mapping[str, str]] = {"reply": "#607d8b", "flow": "#607d8b", "error": "#b85c52", "limit": "#b07f2e"}
