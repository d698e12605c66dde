"""A conversation in progress: the run's own, or one nested in a turn of another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from convgraph.errors import InputError
from convgraph.graph.definition import UNLIMITED, Edge, Limits
from convgraph.graph.machine import limit_reached
from convgraph.graph.state import State
from convgraph.journal.turn_paths import opened_path
from convgraph.messages import NO_USAGE, Usage
from convgraph.plain_data import replaced
from convgraph.protocols import ModelRequest
from convgraph.runtime.program import Program
from convgraph.runtime.signals import LimitStop

if TYPE_CHECKING:
    from convgraph.runtime.run import Run


class Turning:
    """The books of one turn: where it is, what its effects are called, and what it has cost so far.

    A turn inside another (of a nested conversation, of a branch) reports its cost to the outer one.
    """

    __slots__ = ("asked", "carried", "closed", "ordinals", "outer", "path", "scope", "started", "turns", "update", "usage")

    def __init__(self, scope: Scope, path: str, outer: Turning | None, usage: Usage, started: float) -> None:
        self.scope = scope
        self.path = path
        self.outer = outer
        self.usage = usage
        self.started = started
        self.turns = 0
        self.ordinals: dict[str, int] | None = None
        self.asked: tuple[str, ...] = ()
        self.closed = False
        self.update: dict[str, Any] | None = None  # what the turn changes in the state, whatever the node says
        self.carried = NO_USAGE  # spent just before, and not part of the state yet: a turn's cost while its transition is chosen

    def ordinal(self, kind: str, name: str) -> int:
        """The number of this effect among those of its kind and name in this turn, from 0.

        Raises `InputError` once the turn is over: a thread that outlived its node's timeout can do nothing more.
        """
        if self.closed or (self.outer is not None and self.outer.is_over):
            raise InputError(f"{kind} effect {name!r}: turn {self.path} is over (it timed out), nothing was done")
        if self.ordinals is None:
            self.ordinals = {}
        key = f"{kind} {name}"  # no kind has a space in it
        number = self.ordinals.get(key, 0)
        self.ordinals[key] = number + 1
        return number

    @property
    def is_over(self) -> bool:
        """Whether this turn, or one that it is part of, is over."""
        return self.closed or (self.outer is not None and self.outer.is_over)

    def opened(self, kind: str, name: str, ordinal: int) -> Turning:
        """The books of what an effect, or a conversation that code opens, does itself: part of this turn's."""
        run = self.scope.run
        path = opened_path(self.path, kind, name, ordinal)
        return Turning(self.scope, path, self, run.ledger.usage_under(path) if run.ledger else NO_USAGE, run.clock())

    def spend(self, usage: Usage) -> None:
        """Count what a model call has cost, here and in every turn around this one."""
        turning: Turning | None = self
        while turning is not None:
            turning.usage = usage if turning.usage is NO_USAGE else turning.usage + usage
            turning = turning.outer

    def count_turns(self, turns: int) -> None:
        """Count turns of a nested conversation, here and in every turn around this one."""
        turning: Turning | None = self
        while turning is not None:
            turning.turns += turns
            turning = turning.outer

    def check_limits(self, now: float) -> None:
        """Raise `LimitStop` where a limit is reached already, so that no further call is made.

        Looks at this conversation's limits and at those of every conversation around it.
        """
        turning: Turning | None = self
        while turning is not None:
            scope, outermost = turning.scope, turning
            while outermost.outer is not None and outermost.outer.scope is scope:
                outermost = outermost.outer
            if scope.limits is not UNLIMITED:
                state = replaced(scope.state, choosing=False, seconds=scope.state.seconds + now - outermost.started)
                found = limit_reached(scope.limits, state, outermost.usage + outermost.carried, outermost.turns)
                if found is not None and found[0] not in state.spent_limits:
                    raise LimitStop(outermost, *found)
            turning = outermost.outer


class Scope:
    """One conversation: its program, the prefix of its paths, its limits, and the state as it stands."""

    __slots__ = ("limits", "opaque", "outer", "prefix", "program", "requests", "run", "state")

    def __init__(
        self, run: Run, program: Program, state: State, *, prefix: str = "", outer: Turning | None = None, limits: Limits | None = None
    ) -> None:
        self.run = run
        self.program = program
        self.state = state
        self.prefix = prefix
        self.outer = outer
        self.limits = program.definition.limits if limits is None else limits
        self.opaque: dict[str, bool] | None = {} if program.has_opaque_guards else None
        self.requests: dict[tuple[str, tuple[str, ...]], ModelRequest] = {}

    def evaluate(self, edge: Edge, state: State) -> bool:
        """The value of the edge's guard, noted where a replay could not tell it. Raises `GuardError`."""
        guard = edge.guard
        if guard is None:
            return True
        value = guard(state)
        if guard.opaque and self.opaque is not None:
            self.opaque[str(edge.index)] = value
        return value

    def opaque_values(self) -> dict[str, bool] | None:
        """The opaque guards' values of the choice just made, by edge index; the next choice starts afresh."""
        if not self.opaque:
            return None
        values, self.opaque = self.opaque, {}
        return values

    def turning(self, path: str, now: float) -> Turning:
        """The books for a turn at `path`, with what earlier entries into it have cost."""
        ledger = self.run.ledger
        return Turning(self, path, self.outer, ledger.usage_under(path) if ledger else NO_USAGE, now)
