"""What is asked of PostgreSQL has an index, whatever is stored: nothing goes through all runs."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from benchmarks.distributed import fill
from benchmarks.distributed_conversation import pair
from convgraph import open_store
from convgraph.journal.listing import POSTGRES, Wanted, page_query
from convgraph.journal.postgres_statements import LISTED, QUESTIONS, RUNNABLE


def paged(wanted: Wanted, below: int | None = None, size: int = 50) -> tuple[str, list[Any]]:
    """What a page is asked for by."""
    query, values = page_query(POSTGRES, "", wanted, size, below, sealed=False)
    return query.replace("?", "%s"), list(values)


ASKED: dict[str, tuple[str, list[Any]]] = {
    "the newest": paged(Wanted()),
    "the next": paged(Wanted(), 9_000),
    "of a status": paged(Wanted(status="stuck")),
    "of a graph": paged(Wanted(graph="graph-7")),
    "of a graph and a status": paged(Wanted(graph="graph-7", status="failed")),
    "of a parent": paged(Wanted(parent="copy-9")),
    "of a label": paged(Wanted(label="kept"), size=10),  # which one of fifty has
    "the next of a label": paged(Wanted(label="kept"), 9_000, size=10),
    "of a label that nothing has": paged(Wanted(label="lost")),
    "one": (LISTED + " AND run_id=%s", ["", "copy-9"]),
    "an inbox": (QUESTIONS + " AND q.due IS NULL AND (%s::text IS NULL OR q.node=%s)", ["", None, None, "boss-1", "boss-1"]),
    "a look": (RUNNABLE, ["", "", ["graph-1"], None, 10, "", "host", "owner", ["graph-1"], None]),
}


@pytest.fixture(scope="module")
def filled(cluster: str) -> str:
    """A database with twenty thousand runs."""
    from tests.knowledge.postgres_cluster import new_database

    url = new_database(cluster)
    with open_store(url) as store:
        fill(url, pair(2).run("go", store=store).run_id, 20_000)
    return url


@pytest.mark.parametrize("asked", ASKED)
def test_no_question_goes_through_all_runs(filled: str, asked: str) -> None:
    statement, values = ASKED[asked]
    with psycopg.connect(filled, options="-c search_path=convgraph") as connection:
        explained = connection.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}".encode(), values).fetchone()
    assert explained is not None
    looked_at = list(_rows(explained[0][0]["Plan"]))

    assert sum(looked_at) < 1000, explained[0]


def _rows(plan: dict[str, Any]) -> list[int]:
    """How many rows each scan of a plan has looked at, kept or not."""
    own = (plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)) * plan["Actual Loops"] if "Scan" in plan["Node Type"] else 0
    return [own, *(rows for inner in plan.get("Plans", ()) for rows in _rows(inner))]
