"""Runs as they are listed: each with its graph, where the studio knows it, and how many questions of it are open."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from convgraph.journal.runs import RunInfo
from convgraph.studio.schemas.runs import RunRow
from convgraph.studio.studio import Studio

_MAY_ASK = frozenset({"waiting", "running", "interrupted"})


async def run_row(studio: Studio, run_id: str) -> RunRow:
    """A run as it is listed. Raises `RunNotFound`."""
    [row] = await run_rows(studio, [await studio.store.info(run_id)])
    return row


async def run_rows(studio: Studio, infos: Sequence[RunInfo]) -> list[RunRow]:
    """Runs as they are listed. The store is asked once for the questions of all of them, and not at all where none can have any."""
    asking = [info.run_id for info in infos if info.status in _MAY_ASK]
    questions = await studio.store.aquestions(asking[0] if len(asking) == 1 else None) if asking else []
    waiting = Counter(question.run_id for question in questions if not question.answered)
    known: dict[tuple[str, str, str], str | None] = {}
    return [_row(studio, info, waiting, known) for info in infos]


def _row(studio: Studio, info: RunInfo, waiting: Mapping[str, int], known: dict[tuple[str, str, str], str | None]) -> RunRow:
    definition = (info.target, info.fingerprint, info.graph)
    if definition not in known:  # runs of one graph are many, and finding it looks at files
        found = studio.catalog.of_run(info)
        known[definition] = found.id if found is not None else None
    return RunRow(
        run_id=info.run_id,
        graph=info.graph,
        graph_id=known[definition],
        status=info.status,
        reason=info.reason,
        created=info.created,
        updated=info.updated,
        parent=info.parent,
        parent_step=info.parent_step,
        labels=list(info.labels),
        questions=waiting.get(info.run_id, 0),
        live=info.run_id in studio.live,
    )
