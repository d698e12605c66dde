"""Replay: the same interpreter, given recorded effects only, and a journal that compares instead of writing."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from convgraph.errors import ReplayDivergence
from convgraph.graph.definition import Limits
from convgraph.graph.machine import resumed
from convgraph.graph.state import Edit, State, Turn
from convgraph.journal.codec import encode_event
from convgraph.journal.events import (
    AttemptFailed,
    BranchFinished,
    Delta,
    Edited,
    EffectFinished,
    Ended,
    Event,
    Moved,
    Recorded,
    Resumed,
    Said,
    Stepped,
)
from convgraph.journal.store import Store
from convgraph.journal.turn_paths import (
    around,
    attempt_path,
    beginning_path,
    choice_path,
    is_inner,
    is_within,
    opened_path,
    outermost,
    turn_number,
    without_attempts,
)
from convgraph.messages import Usage
from convgraph.runtime.divergence import as_error
from convgraph.runtime.fold import Standing, as_edit, fold, limits_from
from convgraph.runtime.inputs import Options
from convgraph.runtime.ledger import Ledger
from convgraph.runtime.lifecycle import fork, settle
from convgraph.runtime.migration import Part, part_of
from convgraph.runtime.people import People
from convgraph.runtime.program import Program
from convgraph.runtime.result import RunResult, result_of
from convgraph.runtime.run import Run
from convgraph.runtime.scope import Scope
from convgraph.runtime.secrets import secrets_in
from convgraph.runtime.signals import Diverged, EndOfRecord, Missing

OUTSIDE = frozenset({"tool", "code", "reply", "human"})
"""The kinds of effects that may have effects of their own, and open conversations."""

_DEFINED_AT = re.compile(r" \([^()]*:\d+\)(?= failed with )")

Milestone = Stepped | Moved | BranchFinished | AttemptFailed


class Record:
    """A run's record as a replay reads it: what is expected next, what came from outside, and what the clock did."""

    streaming = False

    def __init__(self, events: Sequence[Recorded]) -> None:
        self.ledger = Ledger()
        self._expected: dict[tuple[str, str, int], Recorded] = {}
        self._outside = [recorded for recorded in events if isinstance(recorded.event, Edited | Resumed)]
        self._turns: set[str] = set()
        self._failed: dict[str, int] = {}
        self._done = _finished_frames(events)
        first, self._made_again = _generations(events)
        self._expect(first)
        self.position = 0

    def _expect(self, events: Iterable[Recorded]) -> None:
        for recorded in events:
            event = recorded.event
            if not isinstance(event, AttemptFailed):
                self.ledger.add(event)
            if isinstance(event, Milestone) and not _is_inside(event.path, self._done):
                self._expected[_key(event)] = recorded
                if isinstance(event, Stepped | Moved):
                    self._turns.add(without_attempts(event.path))
                elif isinstance(event, AttemptFailed):
                    self._failed[event.path] = event.attempt

    def record(self, event: Event) -> None:
        """Compare an event with the one recorded at its place."""
        if not isinstance(event, Milestone):
            return
        where = f"turn {event.path}"
        recorded = self._expected.pop(_key(event), None)
        if recorded is None:
            raise self.missing(event.path, f"a {event.kind} event")
        expected, actual = _comparable(recorded.event), _comparable(event)
        if expected != actual:
            raise Diverged(where, f"the {event.kind} is not the recorded one", expected, actual)
        for unused in self.ledger.unused_under(self._executed(event)):
            raise Diverged(
                where,
                f"the record has {unused.effect} effect {unused.name!r} (number {unused.ordinal + 1}), which the code no longer asks for",
            )
        self._forget_inside(event)
        self.position = max(self.position, recorded.seq)

    def _forget_inside(self, event: Milestone) -> None:
        """Expect no more of a turn that was cut short, or of an attempt that failed: how far its inside comes is chance."""
        if isinstance(event, AttemptFailed):
            inside = f"{attempt_path(event.path, event.attempt)}/"
            rest = [key for key in self._expected if key[1].startswith(inside)]
        elif isinstance(event, Stepped) and event.limit is not None:
            rest = [key for key in self._expected if f"{without_attempts(key[1])}/".startswith(f"{event.path}/")]
        else:
            return
        for key in rest:
            del self._expected[key]

    def _executed(self, event: Milestone) -> str:
        """The path of the attempt that was re-executed to make this event; empty where it was taken from the record."""
        if isinstance(event, AttemptFailed):
            number = event.attempt if event.cause == "error" else 0
        else:
            number = 0 if isinstance(event, Stepped) and event.limit is not None else 1 + self._failed.get(event.path, 0)
        return attempt_path(event.path, number) if number else ""

    record_soon = record

    def content(self, digest: str, text: str) -> None:
        """Contents are in the store already."""

    def tell(self, live: Delta | Said) -> None:
        """Nothing is streamed: the model is not asked."""

    async def now(self) -> float:
        """A replay waits for nothing."""
        return 0.0

    async def confirm(self) -> None:
        """Nobody else writes to a record."""

    async def commit(self) -> None:
        """Nothing is written."""

    def missing(self, path: str, what: str) -> BaseException:
        """What to raise where the record has nothing: it ends here, or the code does more than it did."""
        turn = outermost(path)
        if turn not in self._turns:
            return EndOfRecord(path)
        return Missing(f"turn {path}", f"the code asks for {what}, which the record does not have")

    def seconds(self, path: str) -> float:
        """How long the turn took when it was made."""
        recorded = self._expected.get(("step", path, 0))
        return recorded.event.seconds if recorded is not None and isinstance(recorded.event, Stepped) else 0.0

    def limits(self, path: str, current: Limits) -> Limits:
        """The limits in force when the turn (or the choice) at `path` was made: a resume may have set new ones."""
        recorded = self._expected.get(("step", path, 0)) or self._expected.get(("moved", path, 0))
        if recorded is None:
            return current
        for outside in self._outside:
            event = outside.event
            if outside.seq < recorded.seq and isinstance(event, Resumed) and event.limits is not None:
                current = limits_from(event.limits)
        return current

    def edits(self, turn: int, begun: int) -> Sequence[Edit]:
        """The edits that were made from outside after this turn (and so many choices of who begins) and before the next."""
        keys = ("step", str(turn + 1), 0), ("moved", str(turn), 0), ("moved", beginning_path(turn, begun), 0)
        upcoming = [self._expected[key].seq for key in keys if key in self._expected]
        before = min(upcoming, default=2**62)
        due = [recorded for recorded in self._outside if isinstance(recorded.event, Edited) and self.position < recorded.seq < before]
        for recorded in due:
            self._outside.remove(recorded)
            if again := self._made_again.pop(recorded.seq, None):
                self.ledger.forget(choice_path(str(turn)))
                self._expect(again)
        return [as_edit(recorded.event) for recorded in due if isinstance(recorded.event, Edited)]

    def cut_turn(self, path: str) -> Turn | None:
        """The recorded turn, if a limit cut it short: where that was cannot be re-executed."""
        recorded = self._expected.get(("step", path, 0))
        event = recorded.event if recorded is not None else None
        return event.turn() if isinstance(event, Stepped) and event.limit is not None else None

    def cut_choice(self, path: str) -> tuple[str, str, Usage] | None:
        """The limit (and what the choosing had cost) that cut short the choice after the turn at `path`, if one did."""
        for kind in ("step", "moved"):
            recorded = self._expected.get((kind, path, 0))
            event = recorded.event if recorded is not None else None
            if isinstance(event, Stepped) and event.move_limit is not None and any(event.move_usage):
                return event.move_limit, "", event.move_usage
            if isinstance(event, Moved) and event.limit is not None and any(event.usage):
                return event.limit, "", event.usage
        return None

    def stopped_attempt(self, path: str, attempt: int) -> AttemptFailed | None:
        """The recorded attempt, if it was ended by the clock or by a person: that cannot be re-executed."""
        recorded = self._expected.get(("attempt_failed", path, attempt))
        event = recorded.event if recorded is not None else None
        return event if isinstance(event, AttemptFailed) and event.cause != "error" else None

    def next_return(self) -> Resumed | None:
        """The next time the run was resumed after where the replay is now."""
        for recorded in self._outside:
            if recorded.seq > self.position and isinstance(recorded.event, Resumed):
                self.position = recorded.seq
                return recorded.event
        return None

    def left(self) -> Recorded | None:
        """The first recorded milestone that the replay has not come to, if it is one that it should have."""
        rest = [recorded for key, recorded in self._expected.items() if without_attempts(key[1]).partition("/")[0] in self._turns]
        return min(rest, key=lambda recorded: recorded.seq, default=None)


async def replay(program: Program, run_id: str, store: Store, options: Options, *, live: bool = False) -> RunResult:
    """Re-execute a run with its recorded effects: no call is made, nothing is written.

    Works against a changed graph as long as it does what the record says; of a run that was migrated, it is the part
    that the given version has made. Raises `ReplayDivergence` at the first difference; with `live`, goes on from there
    for real, as a new run forked at the last step that agreed.
    """
    events = await store.load(run_id)
    part = part_of(program.fingerprint, events)
    before = fold(program.definition, events[: part.start], run_id)
    recorded = fold(program.definition, events[: part.stop], run_id)
    record = Record(events[part.start : part.stop])
    run = Run(run_id, record, program.codec, People(run_id, "park"), record.ledger, options.deps, replaying=record, sleep=_no_sleep)
    run.secrets = secrets_in(options.deps, program.redactions)
    run.warnings.extend(_warnings(program, run_id, part, before.state.turn, recorded.state.turn))
    scope = Scope(run, program, before.state, limits=before.limits)
    try:
        state = await _walk(scope, record, recorded, events[: part.stop])
    except Diverged as diverged:
        error = await as_error(diverged, store, run_id)
        if not live or error.step < before.state.turn + 2:
            raise error from None
        return await _go_live(program, run_id, store, options, error)
    return result_of(run_id, state, store, warnings=tuple(run.warnings))


def _warnings(program: Program, run_id: str, part: Part, before: int, after: int) -> Iterator[str]:
    """What a replay has not looked at, and why. `before` and `after` are the steps at which its part begins and ends."""
    graph = f"graph {program.definition.name!r}"
    if not part.same:
        yield f"{graph} is not the version that run {run_id!r} was made with"
    if part.migrated and before:
        yield (
            f"steps 1 to {before} of run {run_id!r} were made with another version of {graph}, before it was migrated: "
            "they are taken from the record, not executed again"
        )
    if part.left:
        yield f"run {run_id!r} was migrated to another version of {graph} after step {after}: what follows was not compared"


async def _walk(scope: Scope, record: Record, recorded: Standing, events: Sequence[Recorded]) -> State:
    try:
        while True:
            await settle(scope)
            back = record.next_return()
            if back is None:
                break
            scope.state = resumed(scope.state)
            if back.limits is not None:
                scope.limits = limits_from(back.limits)
    except EndOfRecord:
        return recorded.state
    left = record.left()
    if left is not None:
        path = getattr(left.event, "path", "")
        raise Diverged(
            f"turn {path}",
            "the code stops before what the record has here",
            _comparable(left.event),
            f"{scope.state.status}: {scope.state.reason}",
        )
    last = events[-1].event
    if isinstance(last, Ended) and last.status not in ("waiting", "cancelled"):
        before, now = f"{last.status}: {last.reason}", f"{scope.state.status}: {scope.state.reason}"
        if _without_lines(before) != _without_lines(now):
            raise Diverged(f"turn {scope.state.turn}", "the run ends in another way", before, now)
    return scope.state if scope.state.status == recorded.state.status else recorded.state


async def _go_live(program: Program, run_id: str, store: Store, options: Options, divergence: ReplayDivergence) -> RunResult:
    """Go on for real, as a fork at the last step that agreed with the record."""
    from convgraph.runtime.lifecycle import resume

    forked = await fork(program, run_id, store, divergence.step - 1, None, None, None, changed=True)
    result = await resume(program, forked, store, None, None, False, options)
    return replace(result, warnings=(*result.warnings, f"went live at step {divergence.step}: {divergence.args[0].splitlines()[0]}"))


def _finished_frames(events: Sequence[Recorded]) -> frozenset[str]:
    """The paths of what finished effects did themselves. A replay reads such an effect's result and does not enter it."""
    return frozenset(
        opened_path(event.path, event.effect, event.name, event.ordinal)
        for recorded in events
        if isinstance(event := recorded.event, EffectFinished) and event.effect in OUTSIDE
    )


def _generations(events: Sequence[Recorded]) -> tuple[list[Recorded], dict[int, list[Recorded]]]:
    """The record, without the choices that were made again after an edit; and those, by the edit's sequence number.

    The choice after an edited turn stands at the same place as the one that it replaces.
    """
    first: list[Recorded] = []
    again: dict[int, list[Recorded]] = {}
    choice, current = "", first
    turn = 0
    for recorded in events:
        event = recorded.event
        path: str = getattr(event, "path", "")
        if isinstance(event, Stepped) and not is_inner(path):
            turn = turn_number(path)
        if isinstance(event, Edited) and event.choosing:
            choice, current = choice_path(str(turn)), again.setdefault(recorded.seq, [])
        (current if choice and is_within(path, choice) else first).append(recorded)
    return first, again


def _is_inside(path: str, frames: frozenset[str]) -> bool:
    """Whether a path lies in one of the frames."""
    while "@" in path:
        path = around(path)
        if path in frames:
            return True
    return False


def _key(event: Any) -> tuple[str, str, int]:
    return event.kind, event.path, event.attempt if isinstance(event, AttemptFailed) else 0


def _comparable(event: Any) -> str:
    """The event as text, without what depends on the moment; which of several tools has asked its question first does."""
    document = json.loads(encode_event(event))
    for name in ("seconds", "guards"):
        document.pop(name, None)
    document["asked"] = sorted(document.get("asked", ()))
    return _without_lines(json.dumps(document, sort_keys=True))


def _without_lines(text: str) -> str:
    """What is said of failures, without where a node was defined: a line that has moved is no other behaviour."""
    return _DEFINED_AT.sub("", text)


async def _no_sleep(_: float) -> None:
    await asyncio.sleep(0)
