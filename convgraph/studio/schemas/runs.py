"""Runs as the studio gives them: listed, whole, replayed, compared."""

from __future__ import annotations

from convgraph.journal.runs import RunStatus
from convgraph.studio.schemas.base import ChangeOut, LimitOut, Out, UsageOut
from convgraph.studio.schemas.steps import MessageOut, StepRow


class RunRow(Out):
    """A run as it is listed. `live` says whether it goes on in the studio's own process, `graph_id` which known graph is its."""

    run_id: str
    graph: str
    graph_id: str | None
    status: RunStatus
    reason: str
    created: float
    updated: float
    parent: str
    parent_step: int
    labels: list[str]
    questions: int
    live: bool


class RunPage(Out):
    """Some of the runs, the newest first. `before` is what to ask for to get those that follow, None where there are none."""

    runs: list[RunRow]
    before: str | None


class RunOut(RunRow):
    """A run with its sums so far. `problem` says why it cannot be shown on a graph or gone on with, where it cannot."""

    steps: int
    usage: UsageOut
    limits: list[LimitOut]
    opening: list[MessageOut]
    current: str | None
    last_seq: int
    problem: str = ""


class DivergenceOut(Out):
    """Where a replay differed from the record."""

    step: int
    message: str
    diff: str


class ReplayOut(Out):
    """What came of a replay: no model, tool or person was asked."""

    same: bool
    steps: int
    warnings: list[str]
    divergence: DivergenceOut | None


class ComparedStep(Out):
    """The same place in two runs."""

    step: int
    left: StepRow | None
    right: StepRow | None
    same: bool


class ComparisonOut(Out):
    """Two runs beside each other: how many steps they share, then each step of both, and how their states and costs differ."""

    left: RunOut
    right: RunOut
    common: int
    steps: list[ComparedStep]
    state: list[ChangeOut]
