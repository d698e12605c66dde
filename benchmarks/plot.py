"""The plot: speed, flatness, bytes and concurrency at a glance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt

from benchmarks.plan import AUTOGEN, COLUMNS, FLOOR, OURS, PEER, PEER_BEST, Figures

_COLORS = {FLOOR: "#9aa0a6", PEER: "#e8a33d", PEER_BEST: "#c1792b", AUTOGEN: "#5b8def", OURS: "#1b998b"}
_SPEEDS = {
    "b1": "B1\nin memory",
    "b2": "B2\nSQLite FULL",
    "b2_normal": "B2\nSQLite NORMAL",
    "b2_model": "B2\nmodel call",
    "b7": "B7\nselected",
}


def draw(samples: Mapping[tuple[str, str], Sequence[Mapping[str, Any]]], results: Mapping[tuple[str, str], Figures], path: Path) -> Path:
    """Write the picture to `path`, and return it."""
    mpl.use("Agg")
    figure, ((speed, flat), (size, crowd)) = plt.subplots(2, 2, figsize=(13, 9), layout="constrained")
    _bars(speed, results, _SPEEDS, "rate", scale="log")
    speed.set(title="Steps per second")
    for column in COLUMNS:
        tenths = [run["tenths"] for run in samples.get(("b1_long", column), ()) if run["tenths"]]
        if tenths:
            rates = [median(tenth) for tenth in zip(*tenths, strict=True)]
            flat.plot(range(1, 11), [rate / rates[1] for rate in rates], marker="o", color=_COLORS[column], label=column)
    flat.set(title="B1, 10,000 turns: rate of each tenth, the second being 1", xlabel="tenth of the run", ylim=(0, None))
    if flat.lines:
        flat.legend()
    _bars(size, results, {"b2_short": "100 turns", "b2": "1,000 turns", "b2_long": "10,000 turns"}, "stored", scale="log")
    size.set(title="B2: bytes left on disk")
    _bars(crowd, results, {"b5": "1,000 conversations × 20 turns, latency 50 ms"}, "seconds")
    crowd.axhline(1.0, color="#444444", linestyle=":", label="ideal")
    crowd.set(title="B5: seconds")
    speed.legend()
    figure.savefig(path, dpi=110)
    plt.close(figure)
    return path


def _bars(axes: Any, results: Mapping[tuple[str, str], Figures], rows: Mapping[str, str], name: str, scale: str = "linear") -> None:
    width = 0.8 / len(COLUMNS)
    for at, column in enumerate(COLUMNS):
        heights = [results.get((row, column), {}).get(name, 0.0) for row in rows]
        axes.bar([x + (at - 2) * width for x in range(len(rows))], heights, width, color=_COLORS[column], label=column)
    if any((row, column) in results for row in rows for column in COLUMNS):  # nothing has no logarithm
        axes.set_yscale(scale)
    axes.set_xticks(range(len(rows)), list(rows.values()))
