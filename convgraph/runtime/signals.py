"""Ways to leave a turn that are not errors. They derive from BaseException, so that no `except Exception` in a node swallows them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from convgraph.runtime.scope import Turning


class Parked(BaseException):
    """The turn waits for a person's answer, or for the clock; the run stops here and goes on when it is there."""

    def __init__(self, question_id: str, what: str = "") -> None:
        super().__init__(question_id)
        self.question_id = question_id
        self.what = what or f"an answer to {question_id!r}"


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
