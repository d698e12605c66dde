"""A comparison in words: a table with both sides, what has changed, and how sure that is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from convgraph.evaluation.noise import Noise
from convgraph.evaluation.reports import as_document, markdown_table
from convgraph.wording import money, table

if TYPE_CHECKING:
    from convgraph.evaluation.comparing import Comparison, Difference

_HEAD = ("case", "score A", "score B", "difference", "cost A", "cost B", "tokens A", "tokens B", "change")


def comparison_text(comparison: Comparison) -> str:
    """Both sides in a table, and below it what they come to."""
    return "\n".join([*_sides(comparison), table(_HEAD, [_row(each) for each in comparison.differences]), *_totals(comparison)])


def comparison_markdown(comparison: Comparison) -> str:
    """The same as Markdown."""
    rows = [_row(each) for each in comparison.differences]
    head = [f"{line}  " for line in _sides(comparison)]
    return (
        "\n".join(["## Comparison", "", *head, "", *markdown_table(_HEAD, rows), "", *(f"{line}  " for line in _totals(comparison))]) + "\n"
    )


def comparison_document(comparison: Comparison) -> dict[str, Any]:
    """The comparison as JSON values."""
    return {
        "before": as_document(comparison.before),
        "after": as_document(comparison.after),
        "score": _noise_document(comparison.score),
        "usd": _noise_document(comparison.usd),
        "changed": [{"name": each.case.name, "change": each.change, "score": each.score} for each in comparison.changed],
    }


def _sides(comparison: Comparison) -> Iterator[str]:
    for side, evaluation in (("A", comparison.before), ("B", comparison.after)):
        passed = len(evaluation.cases) - len(evaluation.failed)
        yield from (f"warning: {side}: {warning}" for warning in evaluation.warnings)
        yield f"{side}: {evaluation.graph}: {passed} of {len(evaluation.cases)} cases passed, score {evaluation.score:.3f}"


def _totals(comparison: Comparison) -> Iterator[str]:
    yield f"score, B less A: {comparison.score}"
    before, after = comparison.before.usage, comparison.after.usage
    if before.usd or after.usd:
        yield f"cost: {money(before.usd)} under A, {money(after.usd)} under B; a run, B less A: {comparison.usd}"
    yield f"tokens: {before.tokens:,} under A, {after.tokens:,} under B"
    judges = comparison.before.judge_usage + comparison.after.judge_usage
    if any(judges):
        yield f"judges: {money(judges.usd)}, {judges.tokens:,} tokens"
    yield from (f"{each.change}: {each.case.name}{_because(each)}" for each in comparison.changed)


def _because(difference: Difference) -> str:
    reasons = difference.after.reasons if difference.score < 0 else difference.before.reasons
    return f" ({'; '.join(reasons)})" if reasons else ""


def _row(each: Difference) -> list[str]:
    before, after = each.before, each.after
    return [
        each.case.name,
        f"{before.score:.2f}",
        f"{after.score:.2f}",
        f"{each.score:+.2f}",
        money(before.usage.usd),
        money(after.usage.usd),
        f"{before.usage.tokens:,}",
        f"{after.usage.tokens:,}",
        each.change or "same",
    ]


def _noise_document(noise: Noise) -> dict[str, Any]:
    return {
        "difference": noise.difference,
        "p": noise.p,
        "low": noise.low,
        "high": noise.high,
        "pairs": noise.pairs,
        "noise": noise.is_noise,
    }
