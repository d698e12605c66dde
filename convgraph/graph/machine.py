"""The pure machine: what a conversation's state is, which transitions are enabled, and what an event does to it.

No input or output, no clock, no asyncio. The interpreter, the replayer, the simulator, the path generator
and the checker all stand on the four functions here:

    enabled(graph, state)         the transitions that may be taken now, in the order they are considered
    verdict(graph, state, limits) what must happen now: choose among edges, or end, and why
    advance(graph, state, event)  the state after a turn, a move, an edit or an end
    begin(graph, messages, data)  the state before the first turn, or before it is chosen who has that

`advance_steps` does what `advance` does for many steps at once. What a state is, and which events there are, is in `graph/state`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from convgraph.errors import GuardError, InternalError
from convgraph.graph.definition import END, START, Definition, Edge, Limits, On
from convgraph.graph.state import Edit, End, Event, Move, State, Status, Turn
from convgraph.messages import NO_USAGE, History, Message, Usage
from convgraph.plain_data import PlainData, replaced


@dataclass(frozen=True, slots=True)
class GuardValue:
    """An edge and what its guard said: True, False, or the error that it raised (as text)."""

    edge: Edge
    value: bool | str

    def __str__(self) -> str:
        text = self.edge.guard.text if self.edge.guard else "(no guard)"
        label = f" ({self.edge.label})" if self.edge.label else ""
        return f"{self.edge.source} -> {self.edge.target}{label}: {text} = {str(self.value).lower()}"


class Verdict(PlainData, frozen=True):
    """What must happen in the choosing phase: pick one of `edges`, or end with `status` and `reason`.

    `limit` names the limit whose edge `edges` holds.
    """

    edges: tuple[Edge, ...] = ()
    status: Status | None = None
    reason: str = ""
    limit: str | None = None


Evaluate: TypeAlias = Callable[[Edge, State], bool]
"""How a guard is given its value: by evaluating it, from the record, or by chance in a simulation."""


def holds(edge: Edge, state: State) -> bool:
    """Whether the edge's guard (if any) is true now. Raises `GuardError`."""
    return edge.guard is None or edge.guard(state)


def begin(graph: Definition, messages: Sequence[Message], data: Any = None) -> State:
    """The state before the first turn, or before it is chosen who has that.

    Raises `InputError` where `data` does not fit the graph's schema.
    """
    place = graph.beginning
    if place is None:
        raise InternalError(f"graph {graph.name!r} was run without a start; check() reports this as an error")
    return State(
        node=place,
        history=History(messages),
        choosing=place == START,
        schema=graph.state,
        data=graph.state.initial(data) if graph.state is not None else None,
        visits=dict.fromkeys(graph.speakers, 0),
    )


def outcome(state: State) -> On:
    """Which edges the turn just made fires: those of a reply, of an error, or of a limit that cut it short."""
    return "error" if state.error is not None else "reply"


def enabled(graph: Definition, state: State, evaluate: Evaluate = holds) -> tuple[Edge, ...]:
    """The transitions that may be taken now, in the order in which they are considered."""
    if not state.choosing or state.status is not None:
        return ()
    return tuple(edge for edge in graph.out(state.node, outcome(state)) if evaluate(edge, state))


def guard_values(graph: Definition, state: State, on: On | None = None, evaluate: Evaluate = holds) -> tuple[GuardValue, ...]:
    """Each way out of the current node with its guard's value, for explanations. Never raises."""
    return tuple(GuardValue(edge, _value(edge, state, evaluate)) for edge in graph.out(state.node, on or outcome(state)))


def verdict(graph: Definition, state: State, limits: Limits, evaluate: Evaluate = holds) -> Verdict:
    """What must happen after a turn, by the rules alone.

    A turn that leads to the end finishes the conversation even at a limit. The edge for a limit is taken once
    for each limit; after that the conversation may run on to its end, but not in circles: a node that has
    spoken since may not speak again.
    """
    edges = _candidates(graph, state, evaluate) if state.limit is None else ()
    if edges and all(edge.target == END for edge in edges):
        return Verdict(edges)
    reached = limit_reached(limits, state) if state.limit is None else (state.limit, f"limit reached: {state.limit}")
    if reached is not None:
        return _at_limit(graph, state, edges, *reached, evaluate)
    if edges:
        return Verdict(edges)
    if state.error is not None:
        return Verdict(status="failed", reason=_failure(graph, state))
    return Verdict(status="stuck", reason=_stuck(graph, state, evaluate))


def advance(graph: Definition, state: State, event: Event) -> State:
    """The state after `event`. Updates are validated (`InputError`); guards are not evaluated again."""
    if isinstance(event, Turn):
        return _after_turns(graph, state, ((event, None),))
    if isinstance(event, Move):
        return _after_move(graph, state, event)
    if isinstance(event, End):
        return replaced(state, status=event.status, reason=event.reason)
    return _after_edit(graph, state, event)


def advance_steps(graph: Definition, state: State, steps: Iterable[tuple[Turn, Move | None]]) -> State:
    """The state after turns, each with the transition after it: what `advance` by one after the other gives.

    Reading a journal does this for all steps of a run: the states in between are not made.
    """
    leading_on: list[tuple[Turn, Move | None]] = []
    for turn, move in steps:
        leads_on = move is not None and move.target != END and move.limit is None
        leading_on.append((turn, move if leads_on else None))
        if not leads_on:
            state = _after_turns(graph, state, leading_on)
            leading_on = []
            if move is not None:
                state = _after_move(graph, state, move)
    return _after_turns(graph, state, leading_on) if leading_on else state


def resumed(state: State) -> State:
    """The state of a conversation that had stopped for a while and goes on."""
    return replaced(state, status=None, reason="")


def _after_turns(graph: Definition, state: State, steps: Sequence[tuple[Turn, Move | None]]) -> State:
    """The state after turns, each of which has led to another node; but for the last, after which that may still be to be chosen."""
    number, data, usage, seconds, inner_turns = state.turn, state.data, state.usage, state.seconds, state.inner_turns
    visits, last_turn, asked = dict(state.visits), dict(state.last_turn), state.asked
    said: list[Message] = []
    for turn, move in steps:
        number += 1
        said += turn.messages
        visits[turn.node] = visits.get(turn.node, 0) + 1
        last_turn[turn.node] = number
        seconds += turn.seconds
        inner_turns += turn.inner_turns
        if turn.updates and graph.state is not None and data is not None:
            for update in turn.updates:
                data = graph.state.apply(data, update, f"graph {graph.name!r}, node {turn.node!r}, turn {number}: the update")
        if turn.visits:
            for branch, count in turn.visits.items():
                visits[branch] = visits.get(branch, 0) + count
        if turn.asked:
            asked = {**asked, **dict.fromkeys(turn.asked, number)}
        if turn.usage is not NO_USAGE:
            usage = usage + turn.usage
        if move is not None and move.usage is not NO_USAGE:
            usage = usage + move.usage
    turn, move = steps[-1]
    return State(
        turn.node if move is None else move.target,
        state.history.extend(said),
        move is None,
        number,
        state.schema,
        data,
        visits,
        last_turn,
        usage,
        seconds,
        inner_turns,
        not turn.messages and turn.error is None,
        turn.error,
        turn.goto if move is None else None,
        turn.limit if move is None else None,
        state.spent_limits,
        asked,
        why_declined=turn.reason,
        came_by=None if move is None else move.edge,
        begun=state.begun,
    )


def _after_move(graph: Definition, state: State, move: Move) -> State:
    spent = state.spent_limits if move.limit is None else {**state.spent_limits, move.limit: state.turn}
    usage = state.usage + move.usage if move.usage is not NO_USAGE else state.usage
    begun = state.begun + 1 if state.node == START else state.begun
    if move.target == END:
        why = state.why_declined or graph.edges[move.edge].label
        reason = f"reached END: {why}" if why else "reached END"
        return replaced(
            state, node=END, choosing=False, usage=usage, spent_limits=spent, goto=None, status="finished", reason=reason, begun=begun
        )
    return replaced(
        state,
        node=move.target,
        choosing=False,
        usage=usage,
        spent_limits=spent,
        goto=None,
        limit=None,
        came_by=move.edge,
        begun=begun,
    )


def _after_edit(graph: Definition, state: State, edit: Edit) -> State:
    data = state.data
    if graph.state is not None and data is not None:
        if edit.data is not None:
            data = graph.state.initial(edit.data)
        if edit.update is not None:
            data = graph.state.initial({**data.model_dump(), **edit.update})
    history = state.history if edit.last is None else state.history.replace_last(edit.last)
    if edit.node == START:
        # Who begins is not chosen by what the turn before the end has left behind.
        state = replaced(state, declined=False, why_declined="", error=None, goto=None, limit=None)
    goes_on = edit.node is not None or edit.choosing is not None
    return replaced(
        state,
        node=edit.node if edit.node is not None else state.node,
        choosing=edit.choosing if edit.choosing is not None else state.choosing,
        history=history.extend(edit.messages),
        data=data,
        status=None if goes_on else state.status,
        reason="" if goes_on else state.reason,
    )


def _candidates(graph: Definition, state: State, evaluate: Evaluate) -> tuple[Edge, ...]:
    """What the selector may choose from: enabled edges of the highest priority present, or the one handed over to."""
    handed_to = state.goto if state.error is None else None
    one_is_enough = handed_to is not None or graph.select_at(state.node) == "first"
    chosen: list[Edge] = []
    for edge in graph.out(state.node, outcome(state)):
        if handed_to is not None and edge.target != handed_to:
            continue
        if chosen and edge.priority < chosen[0].priority:
            break
        if evaluate(edge, state):
            if one_is_enough:
                return (edge,)
            chosen.append(edge)
    return tuple(chosen)


def limit_reached(limits: Limits, state: State, extra: Usage = NO_USAGE, extra_turns: int = 0) -> tuple[str, str] | None:
    """The first limit that is reached by `state` and what was spent on top of it: its name, and the reason in words.

    A limit on visits has a name of its own for each node (`visits:writer`).
    """
    turns = state.turn + state.inner_turns + extra_turns
    if limits.turns is not None and turns >= limits.turns:
        return "turns", f"limit reached: turns ({turns} of {limits.turns})"
    if limits.visits is not None and state.choosing:
        allowed, visits = limits.visits_of(state.node), state.visits.get(state.node, 0)
        if allowed is not None and visits >= allowed:
            return f"visits:{state.node}", f"limit reached: visits of {state.node} ({visits} of {allowed})"
    if limits.seconds is not None and state.seconds >= limits.seconds:
        return "seconds", f"limit reached: seconds ({state.seconds:.1f} of {limits.seconds:g})"
    if limits.tokens is not None and (tokens := state.usage.tokens + extra.tokens) >= limits.tokens:
        return "tokens", f"limit reached: tokens ({tokens} of {limits.tokens})"
    if limits.usd is not None and (usd := state.usage.usd + extra.usd) >= limits.usd:
        return "usd", f"limit reached: usd ({usd:.4f} of {limits.usd:g})"
    return None


def _at_limit(graph: Definition, state: State, edges: tuple[Edge, ...], limit: str, reason: str, evaluate: Evaluate) -> Verdict:
    spent = state.spent_limits.get(limit)
    if spent is not None:
        onward = tuple(edge for edge in edges if state.last_turn.get(edge.target, 0) <= spent)
        return Verdict(onward) if onward else Verdict(status="limited", reason=reason)
    for edge in graph.out(state.node, "limit"):
        if evaluate(edge, state):
            return Verdict((edge,), limit=limit, reason=reason)
    return Verdict(status="limited", reason=reason)


def _failure(graph: Definition, state: State) -> str:
    error = state.error
    if error is None:
        raise InternalError("a failure without an error")
    node = graph.nodes.get(state.node)
    origin = f" ({node.origin})" if node is not None and node.origin else ""
    return f"node {state.node!r}{origin} failed with {error.type}: {error.message}"


def _stuck(graph: Definition, state: State, evaluate: Evaluate) -> str:
    values = guard_values(graph, state, evaluate=evaluate)
    if state.goto is not None:
        ways = "; ".join(str(value) for value in values) or "no transitions"
        return f"node {state.node!r} handed over to {state.goto!r}, which is not an enabled target ({ways})"
    if state.node == START:
        return "nobody may begin: " + "; ".join(str(value) for value in values)
    if not values:
        return f"no transition leaves node {state.node!r}"
    return f"no transition is enabled after node {state.node!r}: " + "; ".join(str(value) for value in values)


def _value(edge: Edge, state: State, evaluate: Evaluate) -> bool | str:
    try:
        return evaluate(edge, state)
    except GuardError as error:
        return f"error: {error}"
