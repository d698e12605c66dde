"""A conversation as a node of another: it starts from the last message, and its own last message is the reply."""

from __future__ import annotations

from dataclasses import replace

from convgraph.errors import NodeFailed
from convgraph.graph.definition import Node
from convgraph.graph.machine import State, advance, begin
from convgraph.journal.events import Stepped
from convgraph.messages import Message
from convgraph.runtime.context import Context
from convgraph.runtime.program import Program
from convgraph.runtime.scope import Scope, Turning


async def speak_nested(scope: Scope, node: Node, turning: Turning, context: Context, key: str = "") -> Message | None:
    """Run (or go on with) the conversation nested in this turn. Raises `NodeFailed` where it does not finish."""
    from convgraph.runtime.interpreter import converse

    program = scope.program.inner[key or node.name]
    last = context.last
    inner = Scope(
        scope.run, program, begin(program.definition, (last,) if last is not None else ()), prefix=f"{turning.path}/", outer=turning
    )
    if scope.run.replaying is None and scope.run.ledger:
        inner.state = _known_so_far(scope, program, inner.state, turning)
    started_with = 1 if last is not None else 0
    state = await converse(inner)
    turning.asked = (*turning.asked, *state.asked)
    if state.status != "finished":
        raise NodeFailed(f"the conversation {program.definition.name!r} in node {node.name!r} ended {state.status}: {state.reason}")
    if len(state.history) <= started_with:
        return None
    return replace(state.history[-1], sender=node.name, role="assistant", tool_calls=(), tool_call_id=None)


def _known_so_far(scope: Scope, program: Program, state: State, turning: Turning) -> State:
    """The nested conversation's state after the steps of it that were recorded before the run stopped."""
    definition = program.definition
    for event in scope.run.ledger.inner_steps(turning.path):
        if isinstance(event, Stepped):
            turn = event.turn()
            state = advance(definition, state, turn)
            turning.count_turns(1 + turn.inner_turns)
            move = event.move()
            if move is not None:
                state = advance(definition, state, move)
    return state
