"""A graph as the page draws it: the picture's SVG, and what each of its parts stands for."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import lru_cache

from convgraph.drawing.dot import dom_id, to_dot
from convgraph.drawing.layout import render
from convgraph.drawing.mermaid import to_mermaid
from convgraph.drawing.picture import Cluster, Picture, PictureEdge, PictureNode, edge_id, picture_of
from convgraph.errors import DrawingError
from convgraph.graph.checks import Finding
from convgraph.graph.definition import Definition
from convgraph.studio.schemas.graphs import ClusterOut, FindingOut, PictureEdgeOut, PictureNodeOut, PictureOut


def picture_out(definition: Definition, *, depth: int | None = None, collapse: Collection[str] = ()) -> PictureOut:
    """The picture of a graph; `depth` and `collapse` close what has something inside. Takes as long as Graphviz does: call it in a thread.

    Where Graphviz is missing, or finds no layout, there is the mermaid text and the `problem`. Raises `InputError` for what cannot
    be closed.
    """
    picture = picture_of(definition, depth=depth, collapse=collapse)
    svg, problem = "", ""
    try:
        svg = _drawn(to_dot(picture))
    except DrawingError as error:
        problem = str(error)
    return PictureOut(
        svg=svg,
        mermaid=to_mermaid(picture),
        nodes=[_node(node) for node in picture.nodes],
        edges=[_edge(edge) for edge in picture.edges],
        clusters=[_cluster(cluster) for cluster in picture.clusters],
        problem=problem,
    )


def closable(definition: Definition) -> frozenset[str]:
    """The ids of the sub-graphs and groups that can be drawn closed."""
    return frozenset(cluster.id for cluster in picture_of(definition).clusters)


def findings_out(definition: Definition, findings: Sequence[Finding]) -> list[FindingOut]:
    """What is wrong with a graph, and at which part of its picture that shows."""
    picture = picture_of(definition)
    return [_finding(finding, picture) for finding in findings]


@lru_cache(maxsize=64)
def _drawn(dot: str) -> str:
    """Graphviz's SVG, kept for a while: lists show many pictures, and who writes a graph goes back and forth between a few."""
    return render(dot, "svg").decode()


def _node(node: PictureNode) -> PictureNodeOut:
    return PictureNodeOut(
        id=node.id,
        dom=dom_id("node", node.id),
        name=node.name,
        shape=node.shape,
        cluster=node.cluster,
        description=node.description,
        notes=list(node.notes),
        inside=node.hidden,
        origin=node.origin,
    )


def _edge(edge: PictureEdge) -> PictureEdgeOut:
    return PictureEdgeOut(
        id=edge.id,
        dom=dom_id("edge", edge.id),
        source=edge.source,
        target=edge.target,
        on=edge.style,
        label=edge.label,
        guard=edge.guard,
        opaque=edge.opaque,
        priority=edge.priority,
        stands_for=_stands_for(edge),
        origin=edge.origin,
    )


def _cluster(cluster: Cluster) -> ClusterOut:
    return ClusterOut(id=cluster.id, dom=dom_id("cluster", cluster.id), name=cluster.name, shape=cluster.shape, parent=cluster.parent)


def _finding(finding: Finding, picture: Picture) -> FindingOut:
    drawn = {node.id for node in picture.nodes} | {cluster.id for cluster in picture.clusters}
    arrow = next((edge.id for edge in picture.edges if finding.edge in _stands_for(edge)), None) if finding.edge else None
    return FindingOut(
        code=finding.code,
        severity=finding.severity,
        message=finding.message,
        where=finding.where,
        hint=finding.hint,
        node=finding.node if finding.node in drawn else None,
        edge=arrow,
    )


def _stands_for(edge: PictureEdge) -> list[str]:
    return [edge_id(edge.graph, index) for index in edge.stands_for]
