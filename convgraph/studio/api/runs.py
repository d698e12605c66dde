"""Runs that are looked at: a run, its picture, its steps, and the stream of what happens in it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query
from fastapi.sse import EventSourceResponse, ServerSentEvent

from convgraph.errors import InputError
from convgraph.studio.following import follow
from convgraph.studio.looking import comparison, run_out
from convgraph.studio.pictures import picture_out
from convgraph.studio.schemas.graphs import PictureOut
from convgraph.studio.schemas.runs import ComparisonOut, RunOut
from convgraph.studio.schemas.steps import StepOut, StepPage
from convgraph.studio.steps import step_out
from convgraph.studio.studio import InStudio
from convgraph.studio.timelines import Looked

router = APIRouter(prefix="/api", tags=["runs"])


async def _looked(studio: InStudio, run_id: str) -> Looked:
    return await studio.timelines.of(run_id)


Found = Annotated[Looked, Depends(_looked)]
"""The run that a path names, up to date."""


@router.get("/runs/{run_id}")
async def run(studio: InStudio, found: Found) -> RunOut:
    """A run with its sums so far."""
    return await run_out(studio, found)


@router.get("/runs/{run_id}/picture")
async def picture(
    found: Found,
    depth: Annotated[int | None, Query(ge=0, le=100)] = None,
    collapse: Annotated[list[str] | None, Query()] = None,
) -> PictureOut:
    """The graph that the run was last run with, with sub-graphs and groups closed: below `depth` levels, and those named by `collapse`."""
    definition = found.timeline.definition
    if not definition.nodes:
        return PictureOut(svg="", mermaid="", nodes=[], edges=[], clusters=[], problem=found.timeline.problem)
    return await asyncio.to_thread(picture_out, definition, depth=depth, collapse=collapse or ())


@router.get("/runs/{run_id}/steps")
async def steps(found: Found, first: Annotated[int, Query(ge=1)] = 1, count: Annotated[int, Query(ge=1, le=1000)] = 200) -> StepPage:
    """Steps in short, from step `first`."""
    rows = found.timeline.rows
    return StepPage(total=len(rows), first=first, steps=rows[first - 1 : first - 1 + count])


@router.get("/runs/{run_id}/steps/{step}")
async def one_step(found: Found, step: int) -> StepOut:
    """A step in full; 0 is the beginning."""
    if not 0 <= step <= found.timeline.total:
        raise InputError(f"run {found.info.run_id!r} has steps 0 to {found.timeline.total}, and no step {step}")
    return step_out(found.timeline, step)


@router.get("/runs/{run_id}/events", response_class=EventSourceResponse)
async def events(
    studio: InStudio,
    found: Found,
    after: Annotated[int, Query(ge=-1, le=2**53)] = 0,
    last_event_id: Annotated[int | None, Header()] = None,
) -> AsyncIterable[ServerSentEvent]:
    """What happens in the run, as it happens, after the event numbered `after` (or `Last-Event-ID`): see the events' names.

    `step` (a StepRow, new or changed), `steps` (many of them), `effect` (an EffectOut) and `inner` (a StepRow nested in another turn)
    of the turn that is not over, `run` (a RunOut), `delta` (a piece of text as a model says it: `{path, node, text}`; the first after
    connecting is all that its turn has said so far), `gone` (the run was deleted).
    """
    async for event in follow(studio, found.info.run_id, after if last_event_id is None else last_event_id):
        yield event


@router.get("/compare")
async def compare(studio: InStudio, left: str, right: str) -> ComparisonOut:
    """Two runs beside each other, step by step, and how their states differ at the end."""
    return await comparison(studio, await studio.timelines.of(left), await studio.timelines.of(right))
