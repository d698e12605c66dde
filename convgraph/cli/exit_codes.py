"""What the process's exit code says. One number, one meaning, whichever command it was."""

from __future__ import annotations

from enum import IntEnum

from convgraph import errors


class ExitCode(IntEnum):
    """The exit codes; the docstring of the command line and `docs/cli.md` list them."""

    DONE = 0
    ERROR = 1
    BAD_INPUT = 2
    DIVERGED = 3
    WAITING = 4
    STUCK = 5
    LIMITED = 6
    FAILED = 7
    FINDINGS = 8
    BUSY = 9
    GRAPH_CHANGED = 10
    STORE = 11
    CASES_FAILED = 12
    CANCELLED = 130


MEANINGS = {
    ExitCode.DONE: "finished, or clean",
    ExitCode.ERROR: "an error that is none of the below (a picture that cannot be drawn, a bug)",
    ExitCode.BAD_INPUT: "bad usage or input: nothing was run",
    ExitCode.DIVERGED: "a replay (or a resumed turn) does not do what the record says",
    ExitCode.WAITING: "the run waits for a person's answer",
    ExitCode.STUCK: "the run is stuck: no transition was enabled",
    ExitCode.LIMITED: "the run has reached a limit",
    ExitCode.FAILED: "the run failed",
    ExitCode.FINDINGS: "`check` finds errors (with `--strict` also warnings), `diff` differences; a graph with errors is not run",
    ExitCode.BUSY: "another process is running the run",
    ExitCode.GRAPH_CHANGED: "the graph is not the one that the run was made with",
    ExitCode.STORE: "the store cannot be used",
    ExitCode.CASES_FAILED: "`eval`: cases failed, or the score is less than --fail-under",
    ExitCode.CANCELLED: "stopped by Ctrl-C; the run can be resumed",
}

_STATUSES = {
    "finished": ExitCode.DONE,
    "waiting": ExitCode.WAITING,
    "stuck": ExitCode.STUCK,
    "limited": ExitCode.LIMITED,
    "failed": ExitCode.FAILED,
    "cancelled": ExitCode.CANCELLED,
}

_ERRORS: tuple[tuple[type[Exception], ExitCode], ...] = (
    (errors.CheckFailed, ExitCode.FINDINGS),
    (errors.ReplayDivergence, ExitCode.DIVERGED),
    (errors.RunBusy, ExitCode.BUSY),
    (errors.Fenced, ExitCode.BUSY),
    (errors.GraphChanged, ExitCode.GRAPH_CHANGED),
    (errors.StoreError, ExitCode.STORE),
    (errors.DefinitionError, ExitCode.BAD_INPUT),
    (errors.InputError, ExitCode.BAD_INPUT),
    (errors.ModelConfigError, ExitCode.BAD_INPUT),
)


def code_of_status(status: str) -> ExitCode:
    """The exit code for a run that stopped with this status."""
    return _STATUSES[status]


def code_of_error(error: BaseException) -> ExitCode:
    """The exit code for an error that ended a command."""
    return next((code for kind, code in _ERRORS if isinstance(error, kind)), ExitCode.ERROR)
