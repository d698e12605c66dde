"""When an agent ends a chat, and when it asks its person: AutoGen's three modes, as one rule without input or output."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from convgraph.errors import DefinitionError

HumanInputMode: TypeAlias = Literal["ALWAYS", "TERMINATE", "NEVER"]
MODES = ("ALWAYS", "TERMINATE", "NEVER")

EXIT = "exit"
"""What a person says to end a chat."""


@dataclass(frozen=True, slots=True)
class GoOn:
    """The agent replies by itself."""


@dataclass(frozen=True, slots=True)
class Ends:
    """The agent says nothing more, and why."""

    reason: str


@dataclass(frozen=True, slots=True)
class Asks:
    """The person is asked. `empty_ends`: no input ends the chat; otherwise it means that the agent replies by itself."""

    empty_ends: bool


def check_mode(mode: str, where: str) -> HumanInputMode:
    """The mode. Raises `DefinitionError` for an unknown one."""
    if mode in MODES:
        return mode
    raise DefinitionError(f"{where}: human_input_mode= is one of {', '.join(MODES)}, not {mode!r}")


def judged(mode: HumanInputMode, *, ends: str, replies: int, limit: int | None) -> GoOn | Ends | Asks:
    """What an agent does with a message that it was sent.

    `ends`: why the message ends the chat, if it does. `replies`: how many replies the agent has made by itself since its person
    last said something; `limit`: how many it may.
    """
    if mode == "ALWAYS":
        return Asks(empty_ends=bool(ends))
    at_limit = limit is not None and replies >= limit
    if not (at_limit or ends):
        return GoOn()
    if mode == "TERMINATE":
        return Asks(empty_ends=bool(ends))
    return Ends(f"max_consecutive_auto_reply ({limit})" if at_limit else ends)


def question(name: str, sender: str, asks: Asks) -> str:
    """What the person is asked."""
    if asks.empty_ends:
        return f"Feedback from {name} to {sender} (Enter or 'exit' ends the chat): "
    return f"Feedback from {name} to {sender} (Enter: {name} replies by itself; 'exit' ends the chat): "
