"""A conversation as a node of another: it starts from the last message, and its own last message is the reply."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from convgraph.errors import NodeFailed
from convgraph.graph.definition import Node
from convgraph.graph.guards import GuardView
from convgraph.graph.machine import advance, advance_steps, begin
from convgraph.graph.state import State
from convgraph.journal.events import Stepped
from convgraph.messages import Message, ReplyLike, as_message, as_messages
from convgraph.plain_data import replaced
from convgraph.runtime.context import Context
from convgraph.runtime.program import Program
from convgraph.runtime.run import Run
from convgraph.runtime.scope import Scope, Turning

Opening: TypeAlias = Callable[[Context], Any]
"""What a nested conversation begins with: a message, a list of them, or a `Begins` with its state as well; None: there is none."""

Closing: TypeAlias = Callable[[Context, GuardView], ReplyLike]
"""What a nested conversation amounts to: the node's reply, given a view of the conversation as it ended."""


@dataclass(frozen=True, slots=True)
class Begins:
    """What a nested conversation begins with: its messages, and its typed state where it has one."""

    messages: Any = ()
    state: Any = None


@dataclass(frozen=True, slots=True)
class Doors:
    """How one gets into a nested conversation and out of it, where that is not from last message to last message."""

    opening: Opening | None = None
    closing: Closing | None = None


async def speak_nested(scope: Scope, node: Node, turning: Turning, context: Context, key: str = "") -> ReplyLike:
    """Run (or go on with) the conversation nested in this turn. Raises `NodeFailed` where it does not finish."""
    from convgraph.runtime.interpreter import converse

    key = key or node.name
    program, doors = scope.program.inner[key], scope.program.doors.get(key, Doors())
    first = await _beginning(scope.run, program, doors, context)
    if first is None:
        return None
    inner = Scope(scope.run, program, first, prefix=f"{turning.path}/", outer=turning)
    if scope.run.replaying is None and scope.run.ledger:
        inner.state = steps_so_far(scope.run, program, first, turning)
    state = await converse(inner)
    turning.asked = (*turning.asked, *state.asked)
    if state.status != "finished":
        raise NodeFailed(f"the conversation {program.definition.name!r} in node {node.name!r} ended {state.status}: {state.reason}")
    if doors.closing is not None:
        return doors.closing(context, GuardView(state))
    if len(state.history) <= len(first.history):
        return None
    return replaced(state.history[-1], sender=node.name, role="assistant", tool_calls=(), tool_call_id=None)


def steps_so_far(run: Run, program: Program, state: State, turning: Turning) -> State:
    """The conversation's state after the steps of it that were recorded at `turning` before the run stopped."""
    definition = program.definition
    for event in run.ledger.inner_steps(turning.path):
        if isinstance(event, Stepped):
            turning.count_turns(1 + event.inner_turns)
            state = advance_steps(definition, state, [(event.turn(), event.move())])
        else:
            state = advance(definition, state, event.move())
    return state


async def _beginning(run: Run, program: Program, doors: Doors, context: Context) -> State | None:
    """The state before the nested conversation's first turn; None where there is to be none. Raises `InputError`."""
    last = context.last
    given: Any = () if last is None else last
    if doors.opening is not None:
        given = doors.opening(context)
        if inspect.isawaitable(given):
            given = await given
        if given is None:
            return None
    begins = given if isinstance(given, Begins) else Begins(given)
    messages = _messages(begins.messages)
    return begin(program.definition, messages if run.secrets is None else run.secrets.in_messages(messages), begins.state)


def _messages(given: Any) -> tuple[Message, ...]:
    if isinstance(given, list | tuple) and not given:
        return ()
    return as_messages(as_message(given, "user", "user") if isinstance(given, str) else given, "user")
