"""An evaluation and a comparison in words: a table for terminals, Markdown for people, JSON for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from convgraph.evaluation.results import Attempt, CaseResult, Evaluation
from convgraph.messages import Usage
from convgraph.wording import counted, money, table

NAMED = 6
"""How many transitions that were never taken are named."""
_HEAD = ("case", "passed", "score", "status", "turns", "tokens", "cost", "seconds")


def as_text(evaluation: Evaluation) -> str:
    """The table, why cases failed, the totals, and which transitions nothing took."""
    parts = [table(_HEAD, [_row(result) for result in evaluation.cases])]
    parts += [f"{_where(result)}\n" + "\n".join(f"  {reason}" for reason in result.reasons) for result in evaluation.failed]
    parts += [f"warning: {result.case.name}: {warning}" for result in evaluation.cases for warning in result.warnings]
    return "\n".join([*parts, *totals(evaluation)])


def as_markdown(evaluation: Evaluation) -> str:
    """The same as Markdown."""
    lines = [f"## Evaluation of {_cell(evaluation.graph)}", "", *markdown_table(_HEAD, [_row(result) for result in evaluation.cases]), ""]
    for result in evaluation.failed:
        lines += [f"- **{_cell(result.case.name)}**", *(f"  - {_cell(reason)}" for reason in result.reasons)]
    warnings = [f"- {_cell(result.case.name)}: {_cell(warning)}" for result in evaluation.cases for warning in result.warnings]
    return (
        "\n".join(
            [*lines, *warnings, *([""] if evaluation.failed or warnings else []), *(f"{line}  " for line in totals(evaluation))]
        ).rstrip()
        + "\n"
    )


def totals(evaluation: Evaluation) -> Iterator[str]:
    """What the cases come to together, line by line."""
    passed = len(evaluation.cases) - len(evaluation.failed)
    yield f"{evaluation.graph}: {passed} of {len(evaluation.cases)} cases passed, score {evaluation.score:.3f}"
    yield f"{counted(len(evaluation.attempts), 'run')}, {_spent(evaluation.usage)}"
    if any(evaluation.judge_usage):
        yield f"judges: {_spent(evaluation.judge_usage)}"
    yield from (f"warning: {warning}" for warning in evaluation.warnings)
    covered = evaluation.coverage
    missing = covered.missing_edges
    more = [f"and {len(missing) - NAMED} more"] if len(missing) > NAMED else []
    never = f"; never {'; '.join([*missing[:NAMED], *more])}" if missing else ""
    yield f"transitions taken: {len(covered.edges) - len(missing)} of {len(covered.edges)}{never}"


def as_document(evaluation: Evaluation) -> dict[str, Any]:
    """The evaluation as JSON values."""
    covered = evaluation.coverage
    return {
        "evaluation": evaluation.name,
        "graph": evaluation.graph,
        "store": evaluation.store,
        "passed": evaluation.passed,
        "score": evaluation.score,
        "cases_passed": len(evaluation.cases) - len(evaluation.failed),
        "usage": evaluation.usage._asdict(),
        "judge_usage": evaluation.judge_usage._asdict(),
        "coverage": {"nodes": covered.node_share, "edges": covered.edge_share, "missing_edges": covered.missing_edges},
        "warnings": list(evaluation.warnings),
        "cases": [_case_document(result) for result in evaluation.cases],
    }


def attempt_line(attempt: Attempt) -> str:
    """An attempt in a line, as it is told when it is over."""
    how = f"{'passed' if attempt.passed else 'FAILED'} {attempt.case} ({attempt.score:.2f}, {attempt.seconds:.1f} s)"
    return " ".join(f"{how}: {'; '.join(attempt.reasons)}".split()) if attempt.reasons else how


def _case_document(result: CaseResult) -> dict[str, Any]:
    case = result.case
    return {
        "name": case.name,
        "tags": list(case.tags),
        "weight": case.weight,
        "passed": result.passed,
        "score": result.score,
        "attempts": [_attempt_document(attempt) for attempt in result.attempts],
    }


def _attempt_document(attempt: Attempt) -> dict[str, Any]:
    return {
        "run_id": attempt.run_id,
        "status": attempt.status,
        "stop_reason": attempt.stop_reason,
        "passed": attempt.passed,
        "score": attempt.score,
        "checks": [{"check": each.check, "score": each.score, "passed": each.passed, "reason": each.reason} for each in attempt.verdicts],
        "usage": attempt.usage._asdict(),
        "judge_usage": attempt.judge_usage._asdict(),
        "turns": attempt.turns,
        "seconds": attempt.seconds,
        "path": list(attempt.path),
        "edges": list(attempt.edges),
        "last": attempt.last,
        "warnings": list(attempt.warnings),
    }


def _row(result: CaseResult) -> list[str]:
    passed = sum(attempt.passed for attempt in result.attempts)
    statuses = "/".join(dict.fromkeys(attempt.status for attempt in result.attempts))
    return [
        result.case.name,
        ("yes" if passed else "no") if len(result.attempts) == 1 else f"{passed} of {len(result.attempts)}",
        f"{result.score:.2f}",
        statuses,
        f"{result.turns:g}" if result.turns == int(result.turns) else f"{result.turns:.1f}",
        f"{result.usage.tokens:,}",
        money(result.usage.usd),
        f"{result.seconds:.2f}",
    ]


def _where(result: CaseResult) -> str:
    return f"{result.case.place} failed:" if result.case.where else f"{result.case.name} failed:"


def _spent(usage: Usage) -> str:
    return f"{counted(usage.calls, 'model call')}, {counted(usage.tokens, 'token')}, {money(usage.usd)}"


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The rows under their head as the lines of a Markdown table."""
    return [f"| {' | '.join(map(_cell, row))} |" for row in (head, ["---"] * len(head), *rows)]


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
