"""A node's turn, as often as its retry policy allows. Each attempt that fails is an event; what was spent is spent."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from convgraph.errors import AnswerError, InternalError, StoreError
from convgraph.graph.definition import Node, Retry
from convgraph.graph.state import ErrorInfo, Turn
from convgraph.journal.events import AttemptFailed
from convgraph.journal.turn_paths import attempt_path
from convgraph.runtime.context import Context
from convgraph.runtime.effects import error_info
from convgraph.runtime.replies import turn_of
from convgraph.runtime.run import Run
from convgraph.runtime.scope import Scope, Turning
from convgraph.runtime.signals import is_stop

Speak: TypeAlias = Callable[[Scope, Node, Turning, Context], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an attempt failed: its error, and what ended it: the node, the clock, a person's answer, or the wish for a new one."""

    error: ErrorInfo
    cause: Literal["error", "timeout", "redo", "answer"]


async def take_turn(scope: Scope, node: Node, path: str, speak: Speak) -> Turn:
    """Let the node speak. A turn that fails for good is a turn with an error."""
    run = scope.run
    if run.replaying is not None and (cut := run.replaying.cut_turn(path)) is not None:
        return cut
    if run.watch is not None:
        run.watch.turn_begins(path, node.name, node.kind)
    started = run.clock()
    turning = scope.turning(path, started)
    if node.retry is node.timeout is run.replaying is None and not run.ledger:  # one attempt, of which nothing is known yet
        try:
            outcome = turn_of(scope, node, turning, await _reply(scope, node, turning, speak))
        except (Exception, asyncio.CancelledError) as error:
            if _stops_the_run(error):
                raise
            outcome = _failure(run, node, turning, error)
            _record_failure(run, path, 1, outcome, started)
    else:
        attempts = Attempts(scope, node, path, turning, speak)
        outcome = await (attempts.once() if node.retry is None else _retried(node.retry, attempts, run))
        turning = attempts.turning
    if isinstance(outcome, Failure):
        outcome = Turn(node.name, error=outcome.error, asked=turning.asked)
    return outcome.booked(turning.usage, run.elapsed(path, started), turning.turns)


class Attempts:
    """The attempts at one turn: where they stand, and the books of the latest."""

    __slots__ = ("_number", "_speak", "failures", "node", "path", "scope", "turning")

    def __init__(self, scope: Scope, node: Node, path: str, turning: Turning, speak: Speak) -> None:
        self.scope = scope
        self.node = node
        self.path = path
        self.turning = turning
        self.failures: Sequence[AttemptFailed] = scope.run.attempts(path)
        self._number = len(self.failures) + 1
        self._speak = speak
        for failure in self.failures:
            self._count_recorded(failure.attempt)

    async def once(self) -> Turn | Failure:
        """One attempt, recorded if it fails. One that a person asked to be made anew is not an attempt."""
        run, replaying = self.scope.run, self.scope.run.replaying
        while True:
            recorded = replaying.stopped_attempt(self.path, self._number) if replaying is not None else None
            if recorded is not None:
                # What the clock or a person ended cannot be re-executed; it is taken from the record.
                outcome = Failure(recorded.error, recorded.cause)
                self._count_recorded(self._number)
            else:
                if self._number > 1:
                    self.turning = _again(self.turning, self._path(self._number))
                outcome = await _attempt(self.scope, self.node, self.turning, self._speak)
                if isinstance(outcome, Turn):
                    return outcome
            _record_failure(run, self.path, self._number, outcome, self.turning.started)
            self._number += 1
            if outcome.cause != "redo":
                return outcome

    def _path(self, number: int) -> str:
        return attempt_path(self.path, number)

    def _count_recorded(self, number: int) -> None:
        """Count the nested turns of an attempt that is not made again: they count against limits all the same."""
        self.turning.count_turns(self.scope.run.ledger.turns_inside(self._path(number)))


async def _retried(retry: Retry, attempts: Attempts, run: Run) -> Turn | Failure:
    from tenacity import AsyncRetrying, RetryCallState, retry_if_result, stop_after_attempt, wait_exponential

    def worth_another(outcome: Turn | Failure) -> bool:
        return isinstance(outcome, Failure) and (not retry.on or outcome.error.type in retry.on)

    def give_up(state: RetryCallState) -> Turn | Failure:
        if state.outcome is None:
            raise InternalError("a retry policy gave up before the first attempt")
        return state.outcome.result()

    async def commit(_: RetryCallState) -> None:
        await run.journal.commit()

    retrying = AsyncRetrying(
        stop=stop_after_attempt(_attempts_left(retry, attempts.failures)),
        wait=wait_exponential(multiplier=retry.wait, max=retry.max_wait),
        retry=retry_if_result(worth_another),
        retry_error_callback=give_up,
        before_sleep=commit,
        sleep=run.sleep,
    )
    return await retrying(attempts.once)


def _record_failure(run: Run, path: str, number: int, failure: Failure, started: float) -> None:
    run.attempt_failed(path, number, failure.error, failure.cause, round(run.clock() - started, 6))


def _attempt(scope: Scope, node: Node, turning: Turning, speak: Speak) -> Awaitable[Turn | Failure]:
    """The turn that the node makes, or why it makes none. A replay takes what the clock did from the record."""
    if node.timeout is None or scope.run.replaying is not None:
        return _guarded(scope, node, turning, speak)
    return _timed(scope, node, turning, speak, node.timeout)


async def _timed(scope: Scope, node: Node, turning: Turning, speak: Speak, seconds: float) -> Turn | Failure:
    deadline = asyncio.timeout(seconds)
    try:
        async with deadline:
            return await _guarded(scope, node, turning, speak)
    except TimeoutError:
        if not deadline.expired():
            raise
        turning.closed = True
        return Failure(ErrorInfo("TimeoutError", f"no reply within {seconds:g} s", node.name), "timeout")


async def _guarded(scope: Scope, node: Node, turning: Turning, speak: Speak) -> Turn | Failure:
    try:
        return turn_of(scope, node, turning, await _reply(scope, node, turning, speak))
    except (Exception, asyncio.CancelledError) as error:
        if _stops_the_run(error):
            raise
        return _failure(scope.run, node, turning, error)


def _reply(scope: Scope, node: Node, turning: Turning, speak: Speak) -> Awaitable[Any]:
    """What the node says to the conversation as it stands."""
    state = scope.state
    return speak(scope, node, turning, Context(scope.run, turning, node.name, state, state.history))


def _stops_the_run(error: BaseException) -> bool:
    """Whether it is no failure of the node: the store's, ours, or the end of the run."""
    return isinstance(error, StoreError | InternalError) or is_stop(error)


def _failure(run: Run, node: Node, turning: Turning, error: BaseException) -> Failure:
    """Whatever a node raises is its error, and an event."""
    turning.closed = True
    run.failure = error if isinstance(error, Exception) else None
    return Failure(error_info(error, node.name, run.secrets), "answer" if isinstance(error, AnswerError) else "error")


def _again(turning: Turning, path: str) -> Turning:
    """The books for a further attempt at the same turn: new effects, but what was spent is spent."""
    turning.closed = True
    fresh = Turning(turning.scope, path, turning.outer, turning.usage, turning.started)
    fresh.asked = turning.asked
    fresh.turns = turning.turns
    return fresh


def _attempts_left(retry: Retry, failures: Sequence[AttemptFailed]) -> int:
    """How many attempts the policy still allows. A run that was resumed after it had failed starts counting anew."""
    counted = sum(1 for failure in failures if failure.cause != "redo")
    return retry.attempts - counted % retry.attempts
