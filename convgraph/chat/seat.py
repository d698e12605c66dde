"""A seat: an agent's place in a chat, with whom it replies to there. The agent itself knows of no chat."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol

from convgraph.chat.state import ChatState
from convgraph.messages import Message, Reply, ReplyLike, as_messages
from convgraph.protocols import Model
from convgraph.runtime.context import Context


class Replier(Protocol):
    """What an agent has to be able to do to sit in a chat."""

    @property
    def name(self) -> str: ...
    @property
    def description(self) -> str: ...
    @property
    def models(self) -> tuple[Model, ...]: ...

    def describe(self) -> Mapping[str, Any]: ...

    def max_consecutive_auto_reply(self, sender: Any = None) -> int:
        """How many replies in a row it makes to `sender` by itself."""
        ...

    def is_termination(self, message: Message) -> bool:
        """Whether the message ends a chat for it."""
        ...

    async def reply(
        self, ctx: Context, hears: Any, *, limit: int | None, since: int = 0, said_to: Any = None, silent: bool = False
    ) -> ReplyLike:
        """Its reply to the conversation as it stands."""
        ...


class Seat:
    """An agent in a chat: it replies to `hears`, the other one or the group's manager.

    In a chat of so many `turns`, whoever has the last one hands over to nobody.
    """

    def __init__(self, agent: Replier, hears: Replier, turns: int | None = None) -> None:
        self.agent = agent
        self.hears = hears
        self._turns = turns

    @property
    def name(self) -> str:
        """The agent's name."""
        return self.agent.name

    @property
    def description(self) -> str:
        """The agent's description."""
        return self.agent.description

    @property
    def models(self) -> tuple[Model, ...]:
        """The models whose calls the agent causes."""
        return self.agent.models

    @property
    def inner(self) -> Any:
        """The graph of the chats that the agent has before it replies to whom it hears; None where it has none."""
        chats = getattr(self.agent, "chats_before_reply", None)
        return None if chats is None else chats(self.hears)

    def describe(self) -> Mapping[str, Any]:
        """The agent's definition."""
        return self.agent.describe()

    async def speak(self, ctx: Context) -> ReplyLike:
        """Reply to whom the agent hears, and tell those who listen."""
        since = ctx.state.since if isinstance(ctx.state, ChatState) else 0
        limit = self.agent.max_consecutive_auto_reply(self.hears)
        reply = await self.agent.reply(ctx, self.hears, limit=limit, since=since, said_to=self.hears)
        if isinstance(reply, Reply) and reply.goto is not None and self._is_last(ctx):
            reply = replace(reply, goto=None)
        said = as_messages(reply.content if isinstance(reply, Reply) else reply, self.name)
        if said:
            ctx.tell(self.hears.name, said)
        return reply

    def _is_last(self, ctx: Context) -> bool:
        before = ctx.state.turns_before if isinstance(ctx.state, ChatState) else 0
        return self._turns is not None and ctx.turn - before >= self._turns
