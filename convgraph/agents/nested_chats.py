"""Chats that an agent has about a message before it replies: the last one's summary is the reply."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from convgraph.agents.chat_queue import AskedChat, asked_chats, in_turn
from convgraph.agents.exchange import Exchange
from convgraph.agents.message_mappings import to_mapping, to_mappings
from convgraph.chat.sequence import ChatInSequence, sequence
from convgraph.errors import NodeFailed
from convgraph.graph.state import State
from convgraph.messages import Message
from convgraph.runtime.context import Context
from convgraph.runtime.threads import called

if TYPE_CHECKING:
    from convgraph.agents.conversable import ConversableAgent
    from convgraph.conversation import ConversationGraph

_PICTURED: ContextVar[tuple[NestedChats, ...]] = ContextVar("convgraph_nested_chats", default=())
"""The nested chats whose graph is being made: an agent that has them sits in them itself."""


class NestedChats:
    """The reply of an agent that has chats of its own about a message before it replies: the last one's summary.

    The chats are AutoGen's mappings, of which the sender is the agent, unless another is named. The first without a message
    takes that of the message replied to. A message may be a function `(recipient, messages, sender, config)`: of the agent, the
    messages of the chat that it replies in, and whom it replies to. A chat whose function has nothing to say is not had, and
    where none is had the next reply function is asked.
    """

    def __init__(self, agent: ConversableAgent, chat_queue: Sequence[Mapping[str, Any]], config: Any) -> None:
        self._agent = agent
        self._config = config
        self._asked = asked_chats([{"sender": agent, **chat} for chat in chat_queue])

    def picture(self) -> ConversationGraph | None:
        """The chats as a graph, to be drawn and compared; None inside a picture of the same chats, which would never end."""
        if self in _PICTURED.get():
            return None
        with _pictured(self):
            return self._sequence(in_turn(self._asked))

    def graph(self, exchange: Exchange) -> ConversationGraph:
        """The chats about the message replied to, as a graph."""
        with _pictured(self):
            chats = in_turn(self._asked)
        chats = [replace(chat, open=_OpenNested(self, one, exchange)) for chat, one in zip(chats, self._asked, strict=True)]
        return self._sequence(chats)

    def _sequence(self, chats: Sequence[ChatInSequence]) -> ConversationGraph:
        return sequence(f"{self._agent.name[:50]}-nested", chats)

    async def __call__(self, agent: Any, exchange: Exchange) -> tuple[bool, Any]:
        """Have the chats, as a conversation inside the turn."""
        last = exchange.messages[-1:]
        state: State = await exchange.ctx.converse(self.graph(exchange).program(), list(last))
        if state.status != "finished":
            raise NodeFailed(f"agent {agent.name!r}: its nested chats ended {state.status}: {state.reason}")
        said = state.history[len(last) :]
        return (True, Message(agent.name, said[-1].content)) if said else (False, None)

    async def message_of(self, one: AskedChat, exchange: Exchange) -> Any:
        """What the chat is opened with."""
        message = one.given.get("message")
        if callable(message):
            messages = to_mappings(exchange.messages, self._agent.name)
            return await called(message, self._agent, messages, exchange.sender, self._config)
        if message is None and one.number == 0:
            return to_mapping(exchange.messages[-1], self._agent.name)["content"]
        return message


@contextmanager
def _pictured(chats: NestedChats) -> Generator[None]:
    token = _PICTURED.set((*_PICTURED.get(), chats))
    try:
        yield
    finally:
        _PICTURED.reset(token)


@dataclass(frozen=True)
class _OpenNested:
    """How a nested chat begins."""

    nested: NestedChats
    asked: AskedChat
    exchange: Exchange

    async def __call__(self, ctx: Context, carried: list[str]) -> Sequence[Message] | None:
        said = await self.nested.message_of(self.asked, self.exchange)
        if not said:
            return None
        one = replace(self.asked, given={**self.asked.given, "message": said})
        return await one.open(ctx, carried)
