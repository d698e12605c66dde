"""What a conversation's state is, and what can happen to it: plain, immutable data.

A conversation alternates between two phases. In the first, the node at `state.node` has the turn; a `Turn` says what it did and leads to
the second, `choosing`, in which a transition is picked; a `Move` leads back to the first, at the next node, or to the end. Where edges
leave START, it begins in the second. An `Edit` changes a state from outside, an `End` stops it. What follows from what is the machine's
affair (`graph/machine`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, TypeAlias

from pydantic import BaseModel

from convgraph.messages import NO_USAGE, History, Message, Usage
from convgraph.plain_data import PlainData, replaced

Status: TypeAlias = Literal["finished", "stuck", "waiting", "limited", "cancelled", "failed"]


class ErrorInfo(NamedTuple):
    """An error as data: its type's name, its text, and the node that raised it."""

    type: str
    message: str
    node: str = ""


class Turn(PlainData, frozen=True):
    """A node has had the turn. `messages` is what it added, `update` what it changes in the state.

    `visits` counts a parallel group's branches; `limit` names a limit that cut the turn short;
    `asked` lists the ids of the questions that the turn put to people. `reason` is why the node declined to speak.
    """

    node: str
    messages: tuple[Message, ...] = ()
    updates: tuple[Mapping[str, Any], ...] = ()
    goto: str | None = None
    error: ErrorInfo | None = None
    usage: Usage = NO_USAGE
    seconds: float = 0.0
    inner_turns: int = 0
    visits: Mapping[str, int] | None = None
    limit: str | None = None
    asked: tuple[str, ...] = ()
    reason: str = ""

    def booked(self, usage: Usage, seconds: float, inner_turns: int) -> Turn:
        """The turn with what it has cost."""
        return replaced(self, usage=usage, seconds=seconds, inner_turns=inner_turns)


class Move(PlainData, frozen=True):
    """A transition was taken. `edge` is its index; `limit` names the limit whose edge it is."""

    target: str
    edge: int
    usage: Usage = NO_USAGE
    limit: str | None = None


class Edit(PlainData, frozen=True):
    """The conversation was changed from outside: a fork's edited message or state, a migration, a further input."""

    node: str | None = None
    last: Message | None = None
    messages: tuple[Message, ...] = ()
    update: Mapping[str, Any] | None = None
    data: Mapping[str, Any] | None = None
    choosing: bool | None = None


class End(PlainData, frozen=True):
    """The conversation stopped. Only `finished` and `stuck` are for good."""

    status: Status
    reason: str


Event: TypeAlias = Turn | Move | Edit | End


class State(PlainData, frozen=True):
    """Where a conversation stands. Immutable; a fold of its events.

    `node` is the node that has the turn or, while `choosing`, has just had it; it is START while it is chosen who
    begins, and `begun` counts how often that was chosen. `last_turn` is the number of each node's latest turn. `spent_limits`
    maps a limit whose edge was taken to the turn at which it was. `why_declined` is the reason that the node which has just
    had the turn gave for saying nothing.
    """

    node: str
    history: History
    choosing: bool = False
    turn: int = 0
    schema: Any = None
    data: BaseModel | None = None
    visits: Mapping[str, int] = {}
    last_turn: Mapping[str, int] = {}
    usage: Usage = NO_USAGE
    seconds: float = 0.0
    inner_turns: int = 0
    declined: bool = False
    error: ErrorInfo | None = None
    goto: str | None = None
    limit: str | None = None
    spent_limits: Mapping[str, int] = {}
    asked: Mapping[str, int] = {}
    status: Status | None = None
    reason: str = ""
    why_declined: str = ""
    came_by: int | None = None
    begun: int = 0

    def dump_data(self, fields: frozenset[str] | None = None) -> dict[str, Any]:
        """The typed state as plain JSON values: all of it, or some fields."""
        return {} if self.data is None else self.schema.dump(self.data, fields)
