# pyright: reportUnknownMemberType=false
# (matplotlib leaves its keyword arguments untyped.)
"""An evaluation as a picture: scores, cost and the transitions taken. The same evaluation gives the same bytes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convgraph.errors import InputError, MissingDependency
from convgraph.evaluation.results import Evaluation
from convgraph.evaluation.transitions import edge_name
from convgraph.messages import Usage

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SUFFIXES = (".svg", ".png")
_COLOURS = ("#4477aa", "#ee6677", "#228833")
_ROW = 0.32
"""Inches for each bar."""


def plot(evaluations: Sequence[Evaluation], path: str | Path) -> Path:
    """Draw evaluations over the same cases beside each other. Returns the path that the picture was written to.

    Raises `InputError` for another suffix than svg or png and for a file that cannot be written, `MissingDependency` where
    matplotlib is missing.
    """
    path = checked_path(path)
    import matplotlib as mpl
    from matplotlib.figure import Figure

    cases = [result.case.name for result in evaluations[0].cases]
    edges = list(dict.fromkeys(name for evaluation in evaluations for name in _times_taken(evaluation)))
    heights = [max(len(cases) * len(evaluations), 2), max(len(cases) * len(evaluations), 2), max(len(edges) * len(evaluations), 2)]
    with mpl.rc_context({"svg.hashsalt": "convgraph", "svg.fonttype": "none", "font.family": "DejaVu Sans", "font.size": 9}):
        figure = Figure(figsize=(9, _ROW * sum(heights) + 2.4), layout="constrained")
        scores, costs, taken = figure.subplots(3, 1, gridspec_kw={"height_ratios": heights})
        measure, unit = _measure(evaluations)
        _bars(scores, cases, [[result.score for result in evaluation.cases] for evaluation in evaluations], "score")
        scores.set_xlim(0, 1)
        _bars(costs, cases, [[measure(result.usage) for result in evaluation.cases] for evaluation in evaluations], unit)
        times = [_times_taken(evaluation) for evaluation in evaluations]
        _bars(taken, edges, [[each.get(edge, 0) for edge in edges] for each in times], "times taken")
        if len(evaluations) > 1:
            figure.legend([f"{side}: {each.graph}" for side, each in zip("AB", evaluations, strict=False)], loc="outside upper left")
        else:
            figure.suptitle(evaluations[0].graph)
        try:
            figure.savefig(path, dpi=120, metadata={"Date": None} if path.suffix.lower() == ".svg" else {"Software": None})
        except OSError as error:
            raise InputError(f"{str(path)!r} cannot be written: {error}") from error
    return path


def checked_path(path: str | Path) -> Path:
    """The path, if a picture can be drawn into such a file. To be asked before anything is run."""
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"{str(path)!r}: a plot is a file of the suffix {' or '.join(SUFFIXES)}")
    if not path.parent.is_dir():
        raise InputError(f"{str(path)!r} cannot be written: there is no folder {str(path.parent)!r}")
    from importlib.util import find_spec

    if find_spec("matplotlib") is None:
        raise MissingDependency("plots need matplotlib: pip install 'convgraph[plots]'")
    return path


def _measure(evaluations: Sequence[Evaluation]) -> tuple[Callable[[Usage], float], str]:
    """In what the cost is drawn: US dollars; tokens where nothing has a price; calls where a script counts none."""
    if any(evaluation.usage.usd for evaluation in evaluations):
        return lambda usage: usage.usd, "US dollars"
    if any(evaluation.usage.tokens for evaluation in evaluations):
        return lambda usage: usage.tokens, "tokens"
    return lambda usage: usage.calls, "model calls"


def _times_taken(evaluation: Evaluation) -> dict[str, int]:
    """How often each transition was taken, over all runs. Parallel transitions of one name are told apart by their number."""
    covered = evaluation.coverage
    definition = covered.definitions[()]
    names = {place: edge_name(definition, place) for place in covered.edges}
    repeated = {name for name in names.values() if list(names.values()).count(name) > 1}
    return {f"{name} #{place[1]}" if (name := names[place]) in repeated else name: count for place, count in covered.edges.items()}


def _bars(axes: Axes, names: Sequence[str], values: Sequence[Sequence[float]], label: str) -> None:
    width = 0.8 / len(values)
    places: Any = range(len(names))
    for number, row in enumerate(values):
        axes.barh([place + number * width for place in places], list(row), height=width, color=_COLOURS[number])
    axes.set_yticks([place + width * (len(values) - 1) / 2 for place in places], [_short(name) for name in names])
    axes.invert_yaxis()
    axes.set_xlim(left=0)
    axes.set_xlabel(label)
    axes.spines[["top", "right"]].set_visible(False)


def _short(name: str) -> str:
    plain = name.replace("$", r"\$")  # which would begin a formula
    return plain if len(plain) <= 48 else f"{plain[:45]}…"
