"""What an evaluation came to: every attempt at every case, and what they come to together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from convgraph.evaluation.cases import Case
from convgraph.evaluation.checks import Verdict
from convgraph.messages import NO_USAGE, Usage

if TYPE_CHECKING:
    from pathlib import Path

    from convgraph.graph.coverage import Coverage


@dataclass(frozen=True, slots=True)
class Attempt:
    """One run of a case: how it ended, what was checked, what it cost, and which way it took.

    `usage` is what the run spent, `judge_usage` what its judges did. `path` are the nodes that had the turn, `edges` the
    transitions taken, each once. `run_id` is the run's in the evaluation's store. `seconds` is how long it took. `warnings` say
    what the case has that the run never asked for.
    """

    case: str
    number: int
    run_id: str
    status: str
    stop_reason: str
    verdicts: tuple[Verdict, ...]
    usage: Usage
    judge_usage: Usage
    turns: int
    seconds: float
    path: tuple[str, ...]
    edges: tuple[str, ...]
    last: str
    warnings: tuple[str, ...] = ()

    @property
    def score(self) -> float:
        """The mean of what its checks say, from 0 to 1."""
        return sum(verdict.score for verdict in self.verdicts) / len(self.verdicts)

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return all(verdict.passed for verdict in self.verdicts)

    @property
    def reasons(self) -> list[str]:
        """Why it did not pass, in words."""
        return [f"{verdict.check}: {verdict.reason}" for verdict in self.verdicts if not verdict.passed]


@dataclass(frozen=True, slots=True)
class CaseResult:
    """A case with its attempts."""

    case: Case
    attempts: tuple[Attempt, ...]

    @property
    def score(self) -> float:
        """The mean of its attempts' scores."""
        return sum(attempt.score for attempt in self.attempts) / len(self.attempts)

    @property
    def passed(self) -> bool:
        """Whether every attempt passed."""
        return all(attempt.passed for attempt in self.attempts)

    @property
    def usage(self) -> Usage:
        """What its runs spent, all together."""
        return sum((attempt.usage for attempt in self.attempts), NO_USAGE)

    @property
    def seconds(self) -> float:
        """How long a run of it took, on average."""
        return sum(attempt.seconds for attempt in self.attempts) / len(self.attempts)

    @property
    def turns(self) -> float:
        """How many turns a run of it had, on average."""
        return sum(attempt.turns for attempt in self.attempts) / len(self.attempts)

    @property
    def warnings(self) -> list[str]:
        """What the case has that no run of it asked for."""
        return list(dict.fromkeys(warning for attempt in self.attempts for warning in attempt.warnings))

    @property
    def reasons(self) -> list[str]:
        """Why it did not pass, in words, each once."""
        return list(dict.fromkeys(reason for attempt in self.attempts for reason in attempt.reasons))


@dataclass(frozen=True)
class Evaluation:
    """A graph over a table of cases. `coverage` is what all the runs together have exercised of the graph.

    `warnings` say what of a variant's was never used.
    """

    name: str
    graph: str
    cases: tuple[CaseResult, ...]
    coverage: Coverage = field(repr=False)
    store: str = ":memory:"
    warnings: tuple[str, ...] = ()

    @property
    def score(self) -> float:
        """The mean of the cases' scores, by their weights, from 0 to 1."""
        weights = sum(result.case.weight for result in self.cases)
        return sum(result.score * result.case.weight for result in self.cases) / weights

    @property
    def passed(self) -> bool:
        """Whether every case passed."""
        return all(result.passed for result in self.cases)

    @property
    def failed(self) -> list[CaseResult]:
        """The cases that did not pass."""
        return [result for result in self.cases if not result.passed]

    @property
    def attempts(self) -> list[Attempt]:
        """Every attempt at every case, in order."""
        return [attempt for result in self.cases for attempt in result.attempts]

    @property
    def usage(self) -> Usage:
        """What all runs spent, without their judges."""
        return sum((attempt.usage for attempt in self.attempts), NO_USAGE)

    @property
    def judge_usage(self) -> Usage:
        """What all judges spent."""
        return sum((attempt.judge_usage for attempt in self.attempts), NO_USAGE)

    def __getitem__(self, name: str) -> CaseResult:
        """The result of the case of this name. Raises `KeyError`."""
        return {result.case.name: result for result in self.cases}[name]

    def __str__(self) -> str:
        from convgraph.evaluation.reports import as_text

        return as_text(self)

    def as_document(self) -> dict[str, Any]:
        """The evaluation as JSON values."""
        from convgraph.evaluation.reports import as_document

        return as_document(self)

    def to_markdown(self) -> str:
        """The evaluation as a Markdown table, for a pull request or a wiki."""
        from convgraph.evaluation.reports import as_markdown

        return as_markdown(self)

    def _repr_markdown_(self) -> str:
        return self.to_markdown()

    def plot(self, path: str | Path) -> Path:
        """Draw scores, cost and transitions taken, into a file of the suffix svg or png. Needs the extra `plots`."""
        from convgraph.evaluation.plots import plot

        return plot([self], path)
