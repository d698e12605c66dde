"""The table: a line for each figure, a column for each contestant, convgraph's ratios, and whether it met the marks."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from contextlib import suppress

from benchmarks.plan import COLUMNS, LINES, NOTES, OURS, Figures, Line

_SIGN = {True: "✓", False: "✗", None: "?"}
_OTHERS = tuple(column for column in COLUMNS if column != OURS)
_HEAD = ("", *COLUMNS, *(f"÷ {column}" for column in _OTHERS), "mark")


def table(results: Mapping[tuple[str, str], Figures], circumstances: str) -> str:
    """All lines that have a figure, the verdicts (✓ met, ✗ missed, ? not measured), and what one must know to read them."""
    rows: list[tuple[str, ...]] = [_HEAD]
    for line in LINES:
        values = _values(line, results)
        if values:
            first, *more = [f"{_SIGN[mark.met(values)]} {mark}" for mark in line.marks] or [""]
            rows.append((line.title, *_figures(values), *_ratios(values), first))
            rows += [(*("" for _ in _HEAD[:-1]), another) for another in more]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(_aligned(cell, width, at) for at, (cell, width) in enumerate(zip(row, widths, strict=True))).rstrip() for row in rows
    ]
    lines.insert(1, "─" * max(map(len, lines)))
    machine = f"{platform.python_implementation()} {platform.python_version()}, {circumstances}."
    return "\n".join([*lines, "", machine, *NOTES])


def _values(line: Line, results: Mapping[tuple[str, str], Figures]) -> dict[str, float]:
    values: dict[str, float] = {}
    for column in COLUMNS:
        with suppress(KeyError):  # not measured, or a figure that this contestant does not have
            values[column] = line.figure(results[line.row, column])
    return values


def _figures(values: Mapping[str, float]) -> list[str]:
    return [_number(values[column]) if column in values else "–" for column in COLUMNS]


def _ratios(values: Mapping[str, float]) -> list[str]:
    """Ours to each of the others."""
    return [_number(values[OURS] / values[column]) if OURS in values and values.get(column) else "" for column in _OTHERS]


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _aligned(cell: str, width: int, column: int) -> str:
    return cell.rjust(width) if 0 < column < len(_HEAD) - 1 else cell.ljust(width)
