"""How an evaluation is shown while it goes on: a bar on a terminal, a line for each run where the output is piped."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from convgraph.cli.output import Output, is_terminal, printable

if TYPE_CHECKING:
    from convgraph.evaluation import Attempt


@contextmanager
def tally(output: Output, runs: int) -> Generator[Callable[[Attempt], None]]:
    """Shows each attempt when it is over, of so many runs."""
    from convgraph.evaluation.reports import attempt_line

    if output.as_json or not is_terminal(sys.stdout) or os.environ.get("TERM", "dumb") == "dumb":
        yield lambda attempt: output.line(attempt_line(attempt))
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(file=sys.stdout, highlight=False, markup=False, emoji=False)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task("0 failed", total=runs)
        failed: list[Attempt] = []

        def tell(attempt: Attempt) -> None:
            if not attempt.passed:
                failed.append(attempt)
            console.print(printable(attempt_line(attempt)), soft_wrap=True)
            progress.update(bar, advance=1, description=f"{len(failed)} failed")

        yield tell
