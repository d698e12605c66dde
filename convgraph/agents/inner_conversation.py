"""A conversation that an agent has others have before it replies, as a part of its turn."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, TypeAlias

from convgraph.agents.built_in_replies import Answer
from convgraph.agents.exchange import Exchange
from convgraph.agents.group_chat_manager import GroupChatManager
from convgraph.chat.state import ChatState
from convgraph.conversation import ConversationGraph
from convgraph.errors import NodeFailed
from convgraph.messages import Message, Reply, ReplyLike
from convgraph.protocols import Model
from convgraph.runtime.context import Context
from convgraph.runtime.program import Program

if TYPE_CHECKING:
    from convgraph.agents.replying import ReplyingAgent

Compose: TypeAlias = Callable[[Context, list[Message]], Awaitable[ReplyLike]]
"""Given the turn and what was said inside, the reply."""


class InnerConversation:
    """The reply of an agent that has others talk first: a group, by its manager, or any graph. `compose` makes the reply of it."""

    def __init__(self, owner: str, who: GroupChatManager | ConversationGraph, compose: Compose) -> None:
        self._owner = owner
        self._who = who
        self._compose = compose

    def picture(self) -> ConversationGraph:
        """The conversation as a graph: what is drawn and compared is what runs."""
        who = self._who
        return who if isinstance(who, ConversationGraph) else who.groupchat.to_graph(manager=who)

    @property
    def models(self) -> tuple[Model, ...]:
        """The models of who talk, and the one that chooses between them."""
        return tuple(_models(self.picture().program()))

    def __call__(self, agent: ReplyingAgent, exchange: Exchange) -> Awaitable[Answer] | None:  # noqa: ARG002  # given to every reply
        """Have the conversation, where there is something to talk about."""
        return self._had(exchange) if len(exchange.messages) else None

    async def _had(self, exchange: Exchange) -> Answer:
        begun = [*self._introductions(), *exchange.messages]
        state = None if isinstance(self._who, ConversationGraph) else ChatState(since=len(begun))
        ended = await exchange.ctx.converse(self.picture().program(), begun, state)
        if ended.status != "finished":
            raise NodeFailed(f"agent {self._owner!r}: its inner conversation ended {ended.status}: {ended.reason}")
        reply = await self._compose(exchange.ctx, ended.history[len(begun) :])
        return True, Reply(reason=f"{self._owner} has nothing to say") if reply is None else reply

    def _introductions(self) -> tuple[Message, ...]:
        return () if isinstance(self._who, ConversationGraph) else self._who.groupchat.introductions(self._who.name)


def _models(program: Program) -> Iterator[Model]:
    yield from program.models
    if program.selector_model is not None:
        yield program.selector_model
    for inner in program.inner.values():
        yield from _models(inner)
