"""Two graphs, or two models on one graph, over the same cases: what differs, at which price, and whether it is noise."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convgraph.evaluation.cases import Case, checked_cases, selected
from convgraph.evaluation.evaluating import aevaluate, check_cases
from convgraph.evaluation.noise import Noise, noise
from convgraph.evaluation.results import CaseResult, Evaluation
from convgraph.evaluation.tables import comparison_document, comparison_markdown, comparison_text
from convgraph.evaluation.variants import Variant
from convgraph.journal.store_url import StoreLike, as_store
from convgraph.sync import run_sync

if TYPE_CHECKING:
    from convgraph.conversation import ConversationGraph
    from convgraph.protocols import Model


@dataclass(frozen=True, slots=True)
class Difference:
    """A case under both: `score` and `usd` are the second's less the first's, `usd` and `tokens` for a run of it."""

    case: Case
    before: CaseResult
    after: CaseResult

    @property
    def score(self) -> float:
        """How much the score has changed."""
        return self.after.score - self.before.score

    @property
    def usd(self) -> float:
        """How much more a run of it costs."""
        return self.after.usage.usd / len(self.after.attempts) - self.before.usage.usd / len(self.before.attempts)

    @property
    def tokens(self) -> float:
        """How many more tokens a run of it takes."""
        return self.after.usage.tokens / len(self.after.attempts) - self.before.usage.tokens / len(self.before.attempts)

    @property
    def change(self) -> str:
        """What has become of the case: `fixed`, `broken`, `better`, `worse`, or nothing."""
        if self.before.passed != self.after.passed:
            return "fixed" if self.after.passed else "broken"
        return "" if abs(self.score) < 1e-9 else "better" if self.score > 0 else "worse"


@dataclass(frozen=True)
class Comparison:
    """Two evaluations over the same cases, the first being what the second is held against."""

    before: Evaluation
    after: Evaluation

    @property
    def differences(self) -> list[Difference]:
        """Each case under both, in order."""
        return [Difference(one.case, one, other) for one, other in zip(self.before.cases, self.after.cases, strict=True)]

    @property
    def changed(self) -> list[Difference]:
        """The cases that have become better or worse."""
        return [difference for difference in self.differences if difference.change]

    @cached_property
    def score(self) -> Noise:
        """How much the score differs, and whether that is noise. A case is one pair, however often it was run."""
        return noise([each.score for each in self.differences], [each.case.weight for each in self.differences])

    @cached_property
    def usd(self) -> Noise:
        """How much more a run costs, and whether that is noise."""
        return noise([each.usd for each in self.differences])

    @property
    def passed(self) -> bool:
        """Whether every case passed under the second."""
        return self.after.passed

    def __str__(self) -> str:
        return comparison_text(self)

    def as_document(self) -> dict[str, Any]:
        """The comparison as JSON values."""
        return comparison_document(self)

    def to_markdown(self) -> str:
        """The comparison as a Markdown table."""
        return comparison_markdown(self)

    def _repr_markdown_(self) -> str:
        return self.to_markdown()

    def plot(self, path: str | Path) -> Path:
        """Draw both beside each other, into a file of the suffix svg or png. Needs the extra `plots`."""
        from convgraph.evaluation.plots import plot

        return plot([self.before, self.after], path)


def compare(before: ConversationGraph | Variant, after: ConversationGraph | Variant, cases: Iterable[Case], **options: Any) -> Comparison:
    """Run the same cases through two graphs, or variants of one. See `acompare` for the options."""
    return run_sync(acompare(before, after, cases, **options))


async def acompare(
    before: ConversationGraph | Variant,
    after: ConversationGraph | Variant,
    cases: Iterable[Case],
    *,
    store: StoreLike | None = None,
    judge: Model | None = None,
    only: Collection[str] = (),
    allow: Collection[str] = (),
    name: str | None = None,
    **options: Any,
) -> Comparison:
    """Run the same cases through two graphs, or variants of one (`Variant(graph, model=…)`), one after the other.

    Takes the options of `aevaluate`; `repeat` makes scores of models less a matter of luck. Returns a `Comparison`. Raises what
    `aevaluate` raises; what is wrong with the cases for the second is said before the first is run.
    """
    chosen = selected(checked_cases(cases), only)
    for graph in (before, after):
        check_cases(graph, chosen, judge=judge, allow=allow)
    first, second = (None, None) if name is None else (f"{name}-a", f"{name}-b")
    async with as_store(store) as opened:
        one = await aevaluate(before, chosen, store=opened, judge=judge, allow=allow, name=first, **options)
        other = await aevaluate(after, chosen, store=opened, judge=judge, allow=allow, name=second, **options)
    return Comparison(one, other)
