"""The graphs that the studio knows, and how they are drawn."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query, Response

from convgraph.conversation import ConversationGraph
from convgraph.errors import InputError
from convgraph.studio.catalog import Known
from convgraph.studio.drafts import source_of
from convgraph.studio.pictures import findings_out, picture_out
from convgraph.studio.schemas.drafts import SourceOut
from convgraph.studio.schemas.graphs import GraphOut, GraphRow, PictureOut
from convgraph.studio.studio import InStudio

router = APIRouter(prefix="/api/graphs", tags=["graphs"])
_NOTHING = '<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>'


@router.get("")
async def graphs(studio: InStudio) -> list[GraphRow]:
    """The graphs that the studio was given, those in its folder, and those of the gallery."""
    return [row_of(known) for known in studio.catalog]


@router.get("/{graph_id}")
async def graph(studio: InStudio, graph_id: str) -> GraphOut:
    """A graph: its definition, what `check` finds, and its picture."""
    known = studio.catalog.find(graph_id)
    return await asyncio.to_thread(_whole, known, studio.catalog.live(graph_id))


@router.get("/{graph_id}/picture")
async def picture(
    studio: InStudio,
    graph_id: str,
    depth: Annotated[int | None, Query(ge=0, le=100)] = None,
    collapse: Annotated[list[str] | None, Query()] = None,
) -> PictureOut:
    """The graph's picture, with sub-graphs and groups closed: below `depth` levels, and those named by `collapse`."""
    definition = studio.catalog.live(graph_id).definition
    return await asyncio.to_thread(picture_out, definition, depth=depth, collapse=collapse or ())


@router.get("/{graph_id}/picture.svg", response_class=Response, responses={200: {"content": {"image/svg+xml": {}}}})
async def small_picture(studio: InStudio, graph_id: str) -> Response:
    """The graph in small, as an image: sub-graphs and groups are closed. Empty where Graphviz is missing."""
    definition = studio.catalog.live(graph_id).definition
    picture = await asyncio.to_thread(picture_out, definition, depth=0)
    return Response(picture.svg or _NOTHING, media_type="image/svg+xml")


@router.get("/{graph_id}/source")
async def source(studio: InStudio, graph_id: str) -> SourceOut:
    """The text to open in the editor: the file itself for a document of the studio's folder, else a copy.

    `problem` says why a graph cannot be a document as it is: it lives in Python.
    """
    return await asyncio.to_thread(source_of, studio.catalog.find(graph_id), studio.catalog.allow)


def row_of(known: Known) -> GraphRow:
    """A graph as it is listed."""
    findings = known.graph.check() if known.graph is not None else []
    errors = sum(finding.severity == "error" for finding in findings)
    return GraphRow(
        id=known.id,
        name=known.name,
        target=known.target,
        kind=known.kind,
        editable=known.editable,
        nodes=len(known.graph.definition.nodes) if known.graph is not None else 0,
        errors=errors,
        warnings=len(findings) - errors,
        description=known.description,
        problem=known.problem,
    )


def _whole(known: Known, graph: ConversationGraph) -> GraphOut:
    definition = graph.definition
    if not definition.nodes:
        raise InputError(f"the graph at {known.target} has no nodes yet, so there is nothing to draw")
    return GraphOut(
        **row_of(known).model_dump(),
        fingerprint=graph.fingerprint,
        document=graph.program().document,
        yaml=graph.to_yaml(),
        findings=findings_out(definition, graph.check()),
        picture=picture_out(definition),
        state_schema=definition.state.model.model_json_schema() if definition.state is not None else None,
    )
