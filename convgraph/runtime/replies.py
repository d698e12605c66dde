"""What a node gave back, as a turn: its messages, what it changes in the state, and to whom it hands over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from convgraph.errors import InputError
from convgraph.graph.definition import Node
from convgraph.graph.machine import advance, enabled
from convgraph.graph.state import Turn
from convgraph.journal.events import JsonObject
from convgraph.messages import Message, Reply, as_messages, plain_message
from convgraph.plain_data import replaced
from convgraph.runtime.scope import Scope, Turning


def turn_of(scope: Scope, node: Node, turning: Turning, value: Any) -> Turn:
    """The turn that a reply makes. A bad reply is an error of the node, found before anything is written."""
    if turning.update is not None:
        value = _with_update(value, turning.update)
    if scope.run.secrets is None and (said := plain_message(value, node.name)) is not None:
        return Turn(node.name, (said,), asked=turning.asked)
    if value is None:
        return Turn(node.name, asked=turning.asked)
    if isinstance(value, Turn):
        turn = replaced(value, asked=turning.asked)
    else:
        messages, update, goto = reply_parts(scope, node.name, value, turning.path)
        reason = _reason(scope, node.name, value, turning.path) if isinstance(value, Reply) and not messages else ""
        if scope.run.secrets is not None:
            reason = scope.run.secrets.in_text(reason)
        turn = Turn(node.name, messages, (update,) if update else (), goto, asked=turning.asked, reason=reason)
    if turn.updates or turn.goto is not None:
        _check_turn(scope, turn)
    return turn


def _reason(scope: Scope, name: str, reply: Reply, path: str) -> str:
    reason: Any = reply.reason
    if isinstance(reason, str):
        return str(reason)
    raise InputError(f"{_where(scope, name, path)}: a reply's reason is a text, not {reason!r:.100}")


def _with_update(value: Any, update: Mapping[str, Any]) -> Reply:
    reply = value if isinstance(value, Reply) else Reply(value)
    return replace(reply, update={**update, **(reply.update or {})})


def reply_parts(scope: Scope, name: str, value: Any, path: str) -> tuple[tuple[Message, ...], JsonObject | None, str | None]:
    """A reply-like value as messages, an update in JSON, and a handover, without secrets. Raises `InputError` for what cannot be one."""
    said, given, goto = (value.content, value.update, value.goto) if isinstance(value, Reply) else (value, None, None)
    try:
        messages = as_messages(said, name)
    except InputError as error:
        raise InputError(f"{_where(scope, name, path)}: {error}; a node returns a str, a Message, a Reply or None") from None
    update = _update(scope, given, _where(scope, name, path)) if given else None
    secrets = scope.run.secrets
    if secrets is not None:
        return secrets.in_messages(messages), secrets.in_json(update), goto
    return messages, update, goto


def _update(scope: Scope, update: Mapping[str, Any], where: str) -> JsonObject:
    schema = scope.program.definition.state
    if schema is None:
        raise InputError(f"{where}: the reply has an update, but the graph has no state; give it one with ConversationGraph(state=…)")
    return schema.to_json(schema.check_update(update, where), where)


def _where(scope: Scope, name: str, path: str) -> str:
    return f"graph {scope.program.definition.name!r}, node {name!r}, turn {path}"


def _check_turn(scope: Scope, turn: Turn) -> None:
    """See that the turn's update fits the state and that its handover names an enabled target, before it counts."""
    definition = scope.program.definition
    after = advance(definition, scope.state, turn)
    if turn.goto is None:
        return
    targets = [edge.target for edge in enabled(definition, after, scope.evaluate)]
    if turn.goto not in targets:
        raise InputError(
            f"node {turn.node!r} hands over to {turn.goto!r}, which is not an enabled target; "
            f"it may name {', '.join(map(repr, targets)) or 'none'}"
        )
