"""Which runs a listing is to hold, the newest first, a page at a time; and how a database is asked for a page."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from convgraph.journal.sealing import RUN_COLUMNS

if TYPE_CHECKING:
    from convgraph.journal.store import RunInfo, RunStatus

PAGE = 200
"""How many runs are looked at together, where not every one that is looked at is wanted."""

Page: TypeAlias = "list[tuple[int, RunInfo]]"
"""Runs, each after its place: the smaller it is, the older the run."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which runs are wanted: those that fit all that is given."""

    status: RunStatus | None = None
    graph: str | None = None
    parent: str | None = None
    since: float | None = None
    label: str | None = None

    def fits(self, run: RunInfo) -> bool:
        """Whether the run, as it is listed, is among them."""
        return (
            (self.status is None or run.status == self.status)
            and (self.graph is None or run.graph == self.graph)
            and (self.parent is None or run.parent == self.parent)
            and (self.since is None or run.updated >= self.since)
            and (self.label is None or self.label in run.labels)
        )


async def listed(
    page: Callable[[Wanted, int | None, int | None], Awaitable[Page]], wanted: Wanted, limit: int | None, below: int | None
) -> list[RunInfo]:
    """The first `limit` (None: all) of the runs that are wanted, from below a place on.

    `page` gives so many of the runs below a place, of which some may not be wanted: whether a run is running or was interrupted is
    seen from its owner, and in an encrypted store labels are read when the row was opened.
    """
    found: list[RunInfo] = []
    size = limit
    while True:
        runs = await page(wanted, size, below)
        found += [run for _, run in runs if wanted.fits(run)]
        if limit is None or size is None or len(runs) < size or len(found) >= limit:
            return found[:limit]
        below, size = runs[-1][0], max(PAGE, size)


@dataclass(frozen=True, slots=True)
class Dialect:
    """In what databases differ when they are asked for runs."""

    expired: str
    """Gives what says whether the lease of a run's owner has run out."""
    mine: str
    """Takes a namespace, and holds for the runs in it."""


SQLITE = Dialect("lease", "?=''")
POSTGRES = Dialect("lease < clock_timestamp()", "runs.namespace=?")


def page_query(
    dialect: Dialect, namespace: str, wanted: Wanted, size: int | None, below: int | None, *, sealed: bool
) -> tuple[str, Sequence[Any]]:
    """The statement, with `?` for each value, that gives a page: of each run its number, the columns of a `RunRow`, and its lease.

    In a `sealed` store, what is sealed is left to whoever opens the rows.
    """
    key, source = "runs.id", "runs"
    conditions: list[tuple[str, Any]] = [(dialect.mine, namespace)]
    if wanted.label is not None and not sealed:
        key, source = "labelled.run", "labelled JOIN runs ON runs.id=labelled.run"
        conditions = [("labelled.namespace=?", namespace), ("labelled.label=?", wanted.label)]
    stored = "running" if wanted.status == "interrupted" else wanted.status
    for condition, value in (("status=?", stored), ("graph=?", wanted.graph), ("parent=?", wanted.parent), ("updated>=?", wanted.since)):
        conditions += [(condition, value)] if value is not None else []
    conditions += [(f"{key}<?", below)] if below is not None else []
    where = " AND ".join(condition for condition, _ in conditions)
    cut, cuts = ("", []) if size is None else (" LIMIT ?", [size])
    query = f"SELECT runs.id, {RUN_COLUMNS}, {dialect.expired} FROM {source} WHERE {where} ORDER BY {key} DESC{cut}"  # noqa: S608  # constants
    return query, [*(value for _, value in conditions), *cuts]
