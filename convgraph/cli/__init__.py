"""The terminal's door: each command is a thin function over the floors below."""

from __future__ import annotations

from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line: does what `arguments` (default: the process's own) ask for and returns the exit code."""
    from convgraph.cli.app import perform

    return perform(arguments)
