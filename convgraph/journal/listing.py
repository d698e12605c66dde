"""Which runs a listing is to hold, the newest first, a page at a time; and how a database is asked for a page."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from convgraph.journal.sealing import RUN_COLUMNS
from convgraph.journal.searching import body_pattern, lists, pattern

if TYPE_CHECKING:
    from convgraph.journal.runs import RunInfo, RunStatus

MOST_EVENTS = 2**31 - 1
"""No journal has an event with a higher number."""

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
    text: str | None = None
    """A text in what is listed of them."""

    def fits(self, run: RunInfo) -> bool:
        """Whether the run, as it is listed, is among them."""
        return (
            (self.status is None or run.status == self.status)
            and (self.graph is None or run.graph == self.graph)
            and (self.parent is None or run.parent == self.parent)
            and (self.since is None or run.updated >= self.since)
            and (self.label is None or self.label in run.labels)
            and (self.text is None or lists(run, self.text))
        )


async def listed(
    page: Callable[[Wanted, int | None, int | None], Awaitable[Page]],
    wanted: Wanted,
    limit: int | None,
    below: int | None,
    among: Callable[[list[RunInfo]], Awaitable[list[RunInfo]]] | None = None,
) -> list[RunInfo]:
    """The first `limit` (None: all) of the runs that are wanted, from below a place on; with `among`, of those that it leaves of them.

    `page` gives so many of the runs below a place, of which some may not be wanted: whether a run is running or was interrupted is
    seen from its owner, and in an encrypted store labels are read when the row was opened.
    """
    found: list[RunInfo] = []
    size = limit if among is None else PAGE
    while limit is None or len(found) < limit:
        runs = await page(wanted, size, below)
        fit = [run for _, run in runs if wanted.fits(run)]
        found += fit if among is None else await among(fit)
        if size is None or len(runs) < size:
            break
        below, size = runs[-1][0], max(PAGE, size)
    return found[:limit]


@dataclass(frozen=True, slots=True)
class Dialect:
    """In what databases differ when they are asked for runs."""

    expired: str
    """Gives what says whether the lease of a run's owner has run out."""
    mine: str
    """Takes a namespace, and holds for the runs in it."""
    like: str
    """Compares with a pattern, whatever the case of Latin letters."""
    these: str
    """Takes what names runs, and holds for them."""
    body: str
    """An event's body, as text or bytes."""
    least: str
    """Gives the smaller of two numbers."""


SQLITE = Dialect("lease", "?=''", "LIKE", "run_id IN (SELECT value FROM json_each(?))", "CAST(events.body AS BLOB)", "min")
POSTGRES = Dialect("lease < clock_timestamp()", "runs.namespace=?", "ILIKE", "run_id=ANY(?)", "events.body", "least")


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
    if wanted.text is not None and not sealed:
        shown = "run_id || ' ' || graph || ' ' || reason || ' ' || labels"
        conditions += [(f"({shown}) {dialect.like} ? ESCAPE '\\'", pattern(wanted.text))]
    where = " AND ".join(condition for condition, _ in conditions)
    cut, cuts = ("", []) if size is None else (" LIMIT ?", [size])
    query = f"SELECT runs.id, {RUN_COLUMNS}, {dialect.expired} FROM {source} WHERE {where} ORDER BY {key} DESC{cut}"  # noqa: S608  # constants
    return query, [*(value for _, value in conditions), *cuts]


def saying_query(dialect: Dialect, namespace: str, runs: Any, text: str) -> tuple[str, Sequence[Any]]:
    """The statement, with `?` for each value, that gives the events in which a text may be.

    Of each: whose journal it is in, its number, kind and body. `runs` are what `dialect.these` takes. What a run shares with its parent
    belongs to its journal, as far as it shares it.
    """
    query = f"""
        WITH RECURSIVE part(top, run, parent, shared, until) AS (
            SELECT run_id, id, parent, parent_seq, {MOST_EVENTS} FROM runs WHERE {dialect.mine} AND {dialect.these}
            UNION
            SELECT part.top, runs.id, runs.parent, runs.parent_seq, {dialect.least}(part.until, part.shared)
            FROM part JOIN runs ON runs.run_id=part.parent WHERE part.parent <> '' AND {dialect.mine}
        )
        SELECT part.top, events.seq, events.kind, {dialect.body} FROM part JOIN events ON events.run=part.run AND events.seq <= part.until
        WHERE events.body {dialect.like} ? ESCAPE '\\'
    """  # noqa: S608  # constants
    return query, [namespace, runs, namespace, body_pattern(text)]
