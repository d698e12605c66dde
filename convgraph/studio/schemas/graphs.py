"""Graphs as the studio gives them: listed, whole, drawn, and what is wrong with them."""

from __future__ import annotations

from typing import Literal

from convgraph.studio.schemas.base import Json, Out


class FindingOut(Out):
    """A finding of `check`; `node` or `edge` is the picture's id of what it concerns, where that is in the picture."""

    code: str
    severity: Literal["error", "warning"]
    message: str
    where: str
    hint: str
    node: str | None = None
    edge: str | None = None


class PictureNodeOut(Out):
    """A node or symbol of the picture. `dom` is the id of its group in the SVG; `inside` counts what a closed node holds."""

    id: str
    dom: str
    name: str
    shape: str
    cluster: str
    description: str
    notes: list[str]
    inside: int
    origin: str


class PictureEdgeOut(Out):
    """An arrow. `stands_for` are the ids of the transitions that it shows (an arrow may show several)."""

    id: str
    dom: str
    source: str
    target: str
    on: str
    label: str
    guard: str
    opaque: bool
    priority: int
    stands_for: list[str]
    origin: str


class ClusterOut(Out):
    """A sub-graph or group that is drawn open; closing it is `collapse=<id>`."""

    id: str
    dom: str
    name: str
    shape: str
    parent: str


class PictureOut(Out):
    """The graph as it is drawn: an SVG without scripts or links, and what its parts mean. Without Graphviz `svg` is empty."""

    svg: str
    mermaid: str
    nodes: list[PictureNodeOut]
    edges: list[PictureEdgeOut]
    clusters: list[ClusterOut]
    problem: str = ""


class GraphRow(Out):
    """A graph that the studio knows. `kind` says where it is from; a `document` in the studio's folder can be edited."""

    id: str
    name: str
    target: str
    kind: Literal["python", "document", "gallery"]
    editable: bool
    nodes: int
    errors: int
    warnings: int
    description: str = ""
    problem: str = ""


class GraphOut(GraphRow):
    """A graph with all that can be told of it without running it."""

    fingerprint: str
    document: dict[str, Json]
    yaml: str
    findings: list[FindingOut]
    picture: PictureOut
    state_schema: dict[str, Json] | None
    origin: str = ""
