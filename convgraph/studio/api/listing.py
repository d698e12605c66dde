"""The runs in the store: found, labelled and deleted."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from convgraph.journal.store import RunInfo, RunStatus
from convgraph.studio.rows import run_row, run_rows
from convgraph.studio.schemas import Labels, RunPage, RunRow
from convgraph.studio.studio import InStudio

LOOKED_AT = 200
"""How many runs are read together where a text is looked for."""
MOST_LOOKED_AT = 5000
"""How many are read for one page: where the text is found in few, the page may be short, and `before` leads on."""

router = APIRouter(prefix="/api/runs", tags=["runs"])


@router.get("")
async def runs(
    studio: InStudio,
    status: RunStatus | None = None,
    graph: Annotated[str | None, Query(max_length=200)] = None,
    label: Annotated[str | None, Query(max_length=64)] = None,
    text: Annotated[str, Query(max_length=200, description="in the id, the graph, the reason or a label")] = "",
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    before: Annotated[str | None, Query(max_length=200, description="only runs that are listed after this one")] = None,
) -> RunPage:
    """The runs that fit every filter, the newest first."""
    words = text.lower().split()
    found: list[RunInfo] = []
    looked_at = 0
    size = LOOKED_AT if words else limit + 1
    while True:
        some = await studio.store.aruns(status=status, graph=graph, label=label, limit=size, before=before)
        found += [info for info in some if _holds(info, words)]
        looked_at += len(some)
        if len(some) < size or len(found) > limit or looked_at >= MOST_LOOKED_AT:
            break
        before = some[-1].run_id
    shown = found[:limit]
    further = shown[-1].run_id if len(found) > limit else some[-1].run_id if some and len(some) == size else None
    return RunPage(runs=await run_rows(studio, shown), before=further)


@router.patch("/{run_id}")
async def relabel(studio: InStudio, run_id: str, labels: Labels) -> RunRow:
    """Give a run these labels in place of those that it has."""
    await studio.store.alabel(run_id, labels.labels)
    return await run_row(studio, run_id)


@router.delete("/{run_id}", status_code=204)
async def delete(studio: InStudio, run_id: str) -> None:
    """Delete a run. One that is running, or whose steps forks share, is refused."""
    await studio.store.adelete(run_id)


def _holds(info: RunInfo, words: list[str]) -> bool:
    """Whether every word is somewhere in what is listed of the run."""
    if not words:
        return True
    told = "\n".join((info.run_id, info.graph, info.status, info.reason, info.parent, *info.labels)).lower()
    return all(word in told for word in words)
