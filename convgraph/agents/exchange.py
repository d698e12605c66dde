"""A turn as the parts of an agent see it that make its reply: who is spoken to, and what the agent goes by."""

from __future__ import annotations

from collections.abc import Sequence

from convgraph.agents.agent import Agent
from convgraph.messages import Message
from convgraph.runtime.context import Context


class Exchange:
    """A message that an agent replies to, in a turn.

    `messages` is what the agent goes by: the conversation, or what its hooks have made of it. `incoming` is the message that is
    replied to; None where nothing was said yet, or the agent itself spoke last. `limit` is how many replies in a row
    it may make by itself (None: any number), `since` where the messages after the opening of the present chat begin.
    """

    __slots__ = ("_hears", "ctx", "incoming", "limit", "messages", "name", "since")

    def __init__(
        self, name: str, ctx: Context, hears: Agent | None, limit: int | None, since: int = 0, messages: Sequence[Message] | None = None
    ) -> None:
        self.name = name
        self.ctx = ctx
        self.limit = limit
        self.since = since
        self.messages: Sequence[Message] = ctx.messages if messages is None else messages
        self._hears = hears
        last = self.messages[-1] if len(self.messages) else None
        self.incoming: Message | None = None if last is None or last.sender == name else last

    @property
    def sender(self) -> Agent | None:
        """Whom the agent replies to: the one whom it hears in this chat, or else the agent that spoke last."""
        if self._hears is not None or not len(self.messages):
            return self._hears
        speaker = self.ctx.participant(self.messages[-1].sender)
        return speaker if isinstance(speaker, Agent) else None

    @property
    def hears(self) -> Agent | None:
        """Whom the agent hears in this chat: the other one, or the group's manager; None where it is no chat."""
        return self._hears

    @property
    def sender_name(self) -> str:
        """What whoever is replied to is called."""
        if self._hears is not None:
            return self._hears.name
        return self.messages[-1].sender if len(self.messages) else "user"

    def replies_in_a_row(self, at_most: int) -> int:
        """How many replies the agent has made by itself since its person last said something, counted up to `at_most`.

        What an agent says in one turn is one reply. Fewer turns than that are no such number, and are not counted: 0. In a
        first turn (as when it is asked for a reply outside a chat) the messages that it was given say how many there were.
        """
        if self.ctx.turn > 1 and self.ctx.visits.get(self.ctx.node, 0) < at_most:
            return 0
        counted = 0
        messages = self.ctx.messages  # what was said, whatever hooks have left of it
        for position in range(len(messages) - 1, self.since - 1, -1):
            message = messages[position]
            if message.sender != self.name or (position > self.since and messages[position - 1].sender == self.name):
                continue
            if message.role == "user" or counted >= at_most:
                break
            counted += 1
        return counted

    def heard_since_last_reply(self) -> list[Message]:
        """What others have said since the agent last spoke, newest first."""
        heard: list[Message] = []
        for position in range(len(self.messages) - 1, -1, -1):
            message = self.messages[position]
            if message.sender == self.name:
                break
            heard.append(message)
        return heard
