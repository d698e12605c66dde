"""The interpreter: walks a conversation one step at a time. Run, resume and replay are this one loop."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Any

from convgraph.graph.definition import START, Definition, Node
from convgraph.graph.machine import Verdict, advance, verdict
from convgraph.graph.state import Edit, End, Move, State, Turn
from convgraph.journal.events import Moved, Stepped
from convgraph.journal.turn_paths import beginning_path, choice_path
from convgraph.messages import NO_USAGE, Usage
from convgraph.plain_data import PlainData, replaced
from convgraph.runtime.attempts import take_turn
from convgraph.runtime.context import Context
from convgraph.runtime.scope import Scope, Turning
from convgraph.runtime.selection import Choice, choose
from convgraph.runtime.signals import HandedOver, LimitStop


async def converse(scope: Scope) -> State:
    """Walk on from where the conversation stands until it stops. The state is kept at `scope.state`."""
    definition = scope.program.definition
    run = scope.run
    while True:
        if run.replaying is not None and scope.outer is None:
            scope.state = _edited(scope, run.replaying.edits(scope.state.turn, scope.state.begun))
        if scope.state.status is not None:
            return scope.state
        path = path_of_next(scope)
        if run.replaying is not None and scope.outer is None:
            scope.limits = run.replaying.limits(path, scope.limits)
        if scope.state.choosing:
            await _move_on(scope, path)
            continue
        try:
            turn = await take_turn(scope, definition.nodes[scope.state.node], path, speak)
        except LimitStop as stop:
            if stop.turning.scope is not scope:
                raise
            cut = _cut_short(scope, stop, path)
            if cut is None:
                return scope.state
            turn = cut
        complete = await _step(scope, turn, path)
        del turn  # recorded by now; while many runs wait for a commit, their turns need not be kept
        if scope.outer is not None or scope.state.status is None:
            await run.journal.commit()  # a run's last step is committed together with its end
        if complete:
            _book_step(scope)
        if run.stop is not None and run.stop.hand_over and scope.state.status is None:
            raise HandedOver


def path_of_next(scope: Scope) -> str:
    """The path of what comes next: of the turn, or of the choice that is due between two turns or before the first."""
    state = scope.state
    if not state.choosing:
        return f"{scope.prefix}{state.turn + 1}"
    return scope.prefix + (beginning_path(state.turn, state.begun) if state.node == START else str(state.turn))


class Decision(PlainData, frozen=True):
    """What comes after a turn: a transition, or the end. `unfinished`: the turn is to be made again when the run goes on."""

    choice: Choice | None = None
    limit: str | None = None
    end: End | None = None
    unfinished: bool = False

    def applied(self, definition: Definition, state: State) -> State:
        """The state after it."""
        if self.choice is None:
            return advance(definition, state, self.end or End("stuck", ""))
        edge = self.choice.edge
        return advance(definition, state, Move(edge.target, edge.index, self.choice.usage, self.limit))


async def _step(scope: Scope, turn: Turn, path: str) -> bool:
    """Apply a turn, decide what comes after it, and record both as one event. False: the turn is left unfinished."""
    run, definition = scope.run, scope.program.definition
    state = advance(definition, scope.state, turn)
    decision = await _decide(scope, state, path, turn.usage)
    if decision.unfinished:
        scope.state = decision.applied(definition, scope.state)
        return False
    scope.state = decision.applied(definition, state)
    run.journal.record(_stepped(scope, turn, path, decision.choice, decision.limit))
    return True


def _book_step(scope: Scope) -> None:
    """The step is written: what was known of its turn is done with, and it counts in the turn around this conversation."""
    run = scope.run
    if scope.outer is None:
        if run.ledger and run.replaying is None:
            run.ledger.clear()
    else:
        scope.outer.count_turns(1)  # those nested in the turn were counted as they were made
        scope.outer.check_limits(run.clock())


async def _move_on(scope: Scope, path: str) -> None:
    """Decide who begins, or decide again for a conversation that had stopped between a turn and its transition."""
    run, definition, state = scope.run, scope.program.definition, scope.state
    decision = await _decide(scope, state, path, NO_USAGE)
    scope.state = decision.applied(definition, state)
    if decision.choice is not None:
        edge, usage, by = decision.choice.edge, decision.choice.usage, decision.choice.by
        run.journal.record(Moved(path, edge.target, edge.index, usage, decision.limit, by, scope.opaque_values()))
        await run.journal.commit()
        if scope.outer is None and run.ledger and run.replaying is None:
            run.ledger.clear()


async def _decide(scope: Scope, state: State, path: str, spent: Usage) -> Decision:
    """What comes after a turn, which has cost `spent`. A budget may also run out while the next speaker is being chosen."""
    definition, replaying = scope.program.definition, scope.run.replaying
    decided = verdict(definition, state, scope.limits, scope.evaluate)
    if not decided.edges:
        end = End(decided.status or "stuck", decided.reason)
        return Decision(end=end, unfinished=end.status == "failed")
    cut = replaying.cut_choice(path) if replaying is not None and decided.limit is None else None
    if cut is None:
        try:
            return Decision(await _choose(scope, state, decided, path, spent), decided.limit)
        except LimitStop as stop:
            if stop.turning.scope is not scope:
                raise
            cut = stop.limit, stop.reason, stop.turning.usage
    limit, reason, usage = cut
    at_limit = verdict(definition, replaced(state, limit=limit), scope.limits, scope.evaluate)
    if at_limit.edges:
        return Decision(Choice(at_limit.edges[0], "limit", usage), at_limit.limit)
    return Decision(end=End("limited", reason), unfinished=True)


async def _choose(scope: Scope, state: State, decided: Verdict, path: str, spent: Usage) -> Choice:
    """Pick one of the transitions that the verdict leaves. `spent` is what the turn before has cost."""
    edges = decided.edges
    if len(edges) == 1:
        return Choice(edges[0], _chosen_by(scope, state, decided))
    run = scope.run
    if run.watch is not None:
        run.watch.choice_begins(path, [edge.target for edge in edges])
    failed = len(run.attempts(path))
    path = choice_path(path, failed + 1)
    turning = Turning(scope, path, scope.outer, run.ledger.usage_under(path) if run.ledger else NO_USAGE, run.clock())
    turning.carried = spent
    return await choose(run, scope, turning, state, edges)


def _chosen_by(scope: Scope, state: State, decided: Verdict) -> str:
    """Who chose where there was nothing to choose from: `first` stops at the first enabled transition."""
    if decided.limit:
        return "limit"
    if state.goto:
        return "goto"
    return "first" if scope.program.definition.select_at(state.node) == "first" else "only"


def speak(scope: Scope, node: Node, turning: Turning, context: Context) -> Awaitable[Any]:
    """Let the node speak, whatever its kind."""
    if node.kind == "graph":
        from convgraph.runtime.nested import speak_nested

        return speak_nested(scope, node, turning, context)
    if node.kind == "parallel" or node.kind == "foreach":
        from convgraph.runtime.parallel import speak_together

        return speak_together(scope, node, turning, context)
    return scope.program.speakers[node.name].speak(context)


def _stepped(scope: Scope, turn: Turn, path: str, choice: Choice | None, limit: str | None) -> Stepped:
    edge = choice.edge if choice is not None else None
    return Stepped(
        path,
        turn.node,
        turn.messages,
        turn.updates,  # type: ignore[arg-type]  # updates are JSON objects by now
        turn.goto,
        turn.error,
        turn.usage,
        turn.seconds,
        turn.inner_turns,
        turn.visits,  # type: ignore[arg-type]
        turn.limit,
        turn.asked,
        edge.target if edge is not None else None,
        edge.index if edge is not None else None,
        choice.usage if choice is not None else NO_USAGE,
        limit,
        choice.by if choice is not None else "",
        scope.opaque_values(),
        turn.reason,
    )


def _cut_short(scope: Scope, stop: LimitStop, path: str) -> Turn | None:
    """The turn that a limit cut short, if it ends over a limit edge. If not, the conversation stops with the turn unfinished."""
    definition, turning = scope.program.definition, stop.turning
    turn = Turn(
        scope.state.node,
        usage=turning.usage,
        seconds=scope.run.elapsed(path, turning.started),
        inner_turns=turning.turns,
        limit=stop.limit,
        asked=turning.asked,
    )
    if verdict(definition, advance(definition, scope.state, turn), scope.limits, scope.evaluate).edges:
        return turn
    scope.state = advance(definition, scope.state, End("limited", stop.reason))
    return None


def _edited(scope: Scope, edits: Sequence[Edit]) -> State:
    state = scope.state
    for edit in edits:
        state = advance(scope.program.definition, state, edit)
    return state
