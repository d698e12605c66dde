"""Words for people that several floors use: amounts, counted nouns, tables."""

from __future__ import annotations

from collections.abc import Sequence


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The rows under their head in aligned columns: numbers to the right, words to the left."""
    lines = [list(head), *(list(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    right = [bool(rows) and all(row[column][:1].isdigit() for row in rows) for column in range(len(head))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if number else cell.ljust(width) for cell, width, number in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in lines
    )


def money(usd: float) -> str:
    """An amount in US dollars, with as many digits as it needs to be told from nothing."""
    return f"${usd:,.2f}" if usd >= 1 or usd == 0 else f"${usd:.4f}"


def counted(number: int, noun: str) -> str:
    """`1 visit`, `3 visits`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
