"""Ways to leave a turn, or a run, that are not errors: from BaseException, so that no `except Exception` in a node swallows them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from convgraph.runtime.scope import Turning


class Parked(BaseException):
    """The turn waits for a person's answer, or for the clock; the run stops here and goes on when it is there."""

    def __init__(self, question_id: str, what: str = "") -> None:
        super().__init__(question_id)
        self.question_id = question_id
        self.what = what or f"an answer to {question_id!r}"


class HandedOver(BaseException):
    """The run stops here so that others go on with it; it has not ended, and nothing of it is lost."""


class LimitStop(BaseException):
    """A limit was reached in the middle of a turn. `turning` is that turn, of the conversation whose limit it is."""

    def __init__(self, turning: Turning, limit: str, reason: str) -> None:
        super().__init__(reason)
        self.turning = turning
        self.limit = limit
        self.reason = reason


class Diverged(BaseException):
    """The code does not do what the record says. Whoever runs the conversation turns it into a `ReplayDivergence` with a diff.

    `old` and `new` are texts to compare, or digests of contents that the store holds (`stored`).
    """

    def __init__(self, where: str, what: str, old: str = "", new: str = "", *, stored: bool = False) -> None:
        super().__init__(f"{where}: {what}")
        self.where = where
        self.what = what
        self.old = old
        self.new = new
        self.stored = stored


class Missing(Diverged):
    """The code asks for something that the record does not have. In a branch that a failing sibling ended, it need not."""


class EndOfRecord(BaseException):
    """A replay has come to where the record ends."""


def is_stop(error: BaseException) -> bool:
    """Whether this is the cancellation of the task that is running, rather than that of something it had been waiting for."""
    task = asyncio.current_task()
    return isinstance(error, asyncio.CancelledError) and (task is None or task.cancelling() > 0)


@dataclass(slots=True)
class Stop:
    """How a run is asked to stop.

    `requested`: a run whose task is cancelled was asked to stop, and has to say where it stands. `hand_over`: others are to go on
    with it, from the end of its present turn, or, when its task is cancelled, from where that stands.
    """

    requested: bool = False
    hand_over: bool = False
    task: asyncio.Task[Any] | None = None
