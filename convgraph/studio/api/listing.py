"""The runs in the store: found, labelled and deleted."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from convgraph.journal.runs import RunStatus
from convgraph.studio.rows import run_row, run_rows
from convgraph.studio.schemas.asked import Labels
from convgraph.studio.schemas.runs import RunPage, RunRow
from convgraph.studio.studio import InStudio

router = APIRouter(prefix="/api/runs", tags=["runs"])


@router.get("")
async def runs(
    studio: InStudio,
    status: RunStatus | None = None,
    graph: Annotated[str | None, Query(max_length=200)] = None,
    label: Annotated[str | None, Query(max_length=64)] = None,
    text: Annotated[str, Query(max_length=200, description="in the id, the graph, the reason or a label")] = "",
    said: Annotated[bool, Query(description="whether `text` is looked for in what was said as well, which takes longer")] = False,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    before: Annotated[str | None, Query(max_length=200, description="only runs that are listed after this one")] = None,
) -> RunPage:
    """The runs that fit every filter, the newest first."""
    found = await studio.store.aruns(
        status=status, graph=graph, label=label, text=text.strip() or None, journals=said, limit=limit + 1, before=before
    )
    shown = found[:limit]
    return RunPage(runs=await run_rows(studio, shown), before=shown[-1].run_id if len(found) > limit else None)


@router.patch("/{run_id}")
async def relabel(studio: InStudio, run_id: str, labels: Labels) -> RunRow:
    """Give a run these labels in place of those that it has."""
    await studio.store.alabel(run_id, labels.labels)
    return await run_row(studio, run_id)


@router.delete("/{run_id}", status_code=204)
async def delete(studio: InStudio, run_id: str) -> None:
    """Delete a run. One that is running, or whose steps forks share, is refused."""
    await studio.store.adelete(run_id)
