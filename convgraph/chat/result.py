"""What a chat leaves its caller with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from convgraph.graph.state import Status
from convgraph.journal.runs import OpenQuestion
from convgraph.messages import NO_USAGE, Message, Usage


@dataclass(frozen=True, slots=True, repr=False)
class ChatResult:
    """The outcome of a chat, as AutoGen's `ChatResult`, with what that lacks: why the chat stopped, and its run.

    `chat_history` holds the messages as the initiator sees them (mappings with `content`, `role`, `name`), `messages` the
    same as they are. `summary` is what the chat amounts to. `cost` adds up every model call once, by model, those of
    selections and nested chats included. `human_input` is what people have said. `stop_reason` says why the chat stopped,
    `status` how (see `RunResult`); `run_id` names its run: in a store, the chat can be resumed, replayed and drawn by it.
    `questions` lists what a `waiting` chat waits for. `state` is the chat's typed state as it ended.
    """

    chat_history: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    summary: str = ""
    cost: dict[str, Any] = field(default_factory=dict[str, Any])
    human_input: list[str] = field(default_factory=list[str])
    run_id: str = ""
    stop_reason: str = ""
    status: Status = "finished"
    messages: list[Message] = field(default_factory=list[Message])
    usage: Usage = NO_USAGE
    questions: tuple[OpenQuestion, ...] = ()
    chat_id: int | str | None = None
    state: Any = field(default=None, compare=False)
    exception: Exception | None = field(default=None, compare=False)

    def __repr__(self) -> str:
        return (
            f"ChatResult({self.run_id!r}, {self.status!r}, {self.stop_reason!r}, "
            f"{len(self.messages)} messages, summary={self.summary!r:.60})"
        )
