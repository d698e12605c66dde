"""A stream that says when the lists of runs and questions have changed."""

from __future__ import annotations

from collections.abc import AsyncIterable

from fastapi import APIRouter
from fastapi.sse import EventSourceResponse, ServerSentEvent

from convgraph.studio.studio import InStudio

router = APIRouter(prefix="/api", tags=["studio"])


@router.get("/changes", response_class=EventSourceResponse)
async def changes(studio: InStudio) -> AsyncIterable[ServerSentEvent]:
    """Events `lists` with `{runs, questions}`: a number that rises when a run has changed, and how many questions are open."""
    async for lists in studio.changes.follow():
        yield ServerSentEvent(data={"runs": lists.runs, "questions": lists.questions}, event="lists", retry=1000)
