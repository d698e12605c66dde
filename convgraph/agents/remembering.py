"""What an agent knows of its chats: views of the latest with each peer, and what those have cost."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, cast

from convgraph.agents.agent import Agent
from convgraph.agents.console import print_line
from convgraph.agents.latest import LatestChat
from convgraph.agents.message_mappings import MessageMapping, to_mappings
from convgraph.agents.replying import ReplyingAgent
from convgraph.agents.usage import usage_of
from convgraph.chat.seat import Seat
from convgraph.errors import InputError
from convgraph.messages import Message
from convgraph.models.costs import usage_document, usage_summary
from convgraph.runtime.context import current_turn


class RememberingAgent(ReplyingAgent):
    """An agent that refers to its latest chat with each peer. It holds none of them: these are views of journals.

    Inside a chat the views are of that chat.
    """

    @property
    def chat_messages(self) -> dict[Agent, list[MessageMapping]]:
        """The messages of the agent's latest chat with each peer, as it sees them; inside a chat, those of that chat."""
        peers = [latest.peer for latest in self._latest.values()]
        heard = self._hears_now()
        views: dict[Agent, list[MessageMapping]] = defaultdict(list)
        for peer in [*peers, *([heard] if heard is not None else [])]:
            views[peer] = to_mappings(self.messages_with(peer), self.name)
        return views

    def last_message(self, agent: Agent | None = None) -> MessageMapping | None:
        """The last message of the latest chat with `agent`; with several peers, one has to be named. None where nothing was said."""
        agent = agent or self._hears_now()
        if agent is None:
            if len(self._latest) > 1:
                raise InputError(f"agent {self.name!r} has chatted with {', '.join(self._latest)}; name one: last_message(agent)")
            if not self._latest:
                return None
            agent = next(iter(self._latest.values())).peer
        messages = to_mappings(self.messages_with(agent), self.name)
        if not messages:
            raise InputError(f"agent {self.name!r} has not chatted with {agent.name!r}")
        return messages[-1]

    def chat_messages_for_summary(self, agent: Agent) -> list[MessageMapping]:
        """The messages of the latest chat with `agent`, as this agent sees them: what a summary is made from."""
        return to_mappings(self.messages_with(agent), self.name)

    def latest_runs(self) -> list[LatestChat]:
        """The agent's latest chats that are runs of their own, rather than a part of another's."""
        return [latest for latest in self._latest.values() if latest.run_id and latest.store is not None]

    def clear_history(self, recipient: Agent | None = None, nr_messages_to_preserve: int | None = None) -> None:
        """Forget the latest chat with `recipient`, or with everybody, but for so many last messages. Journals keep theirs."""
        for name, latest in list(self._latest.items()):
            if recipient is None or name == recipient.name:
                kept = _last_whole(latest.messages, nr_messages_to_preserve or 0)
                if kept:
                    self._latest[name] = LatestChat(latest.peer, kept, redact=latest.redact)
                else:
                    del self._latest[name]

    def reset(self) -> None:
        """Forget the latest chats."""
        self._latest.clear()

    def get_actual_usage(self) -> dict[str, Any] | None:
        """What the agent's model was paid in its latest runs (see `convgraph.gather_usage_summary`); None without a model."""
        return None if self.model is None else usage_document(usage_of([self], cached=False))

    def get_total_usage(self) -> dict[str, Any] | None:
        """What it would have come to, had no answer come from a cache; None without a model."""
        return None if self.model is None else usage_document(usage_of([self], cached=True))

    def print_usage_summary(self, mode: str | Sequence[str] = ("actual", "total")) -> None:
        """Print what the agent's model was paid (`actual`), what it would have come to without a cache (`total`), or both."""
        text = usage_summary(usage_of([self], cached=True), usage_of([self], cached=False), mode)
        print_line(f"Agent {self.name!r}: {text}")

    def latest_with(self, peer: Agent) -> LatestChat | None:
        """The latest chat with a peer."""
        return self._latest.get(peer.name)

    def remember(self, latest: LatestChat) -> None:
        """Refer to a chat as the latest with its peer."""
        self._latest[latest.peer.name] = latest

    def messages_with(self, peer: Agent) -> Sequence[Message]:
        """The messages with a peer: inside a chat with it, those of that chat."""
        for heard, messages in self._chats_now():
            if heard is peer:
                return messages
        latest = self._latest.get(peer.name)
        return latest.messages if latest is not None else ()

    def _hears_now(self) -> Agent | None:
        """Whom the agent replies to in the chat that the calling code is part of, if it is."""
        return next((heard for heard, _ in self._chats_now()), None)

    def _chats_now(self) -> Iterator[tuple[Agent, Sequence[Message]]]:
        """The chats that the calling code is part of and the agent sits in, the innermost first: whom it replies to, and what was said."""
        turn = current_turn()
        for speakers, messages in turn.conversations() if turn is not None else ():
            seat = speakers.get(self.name)
            if isinstance(seat, Seat):
                yield cast("Agent", seat.hears), messages


def _last_whole(messages: Sequence[Message], number: int) -> tuple[Message, ...]:
    """The last `number` messages, and what it takes to have no tool's result without its call."""
    if not number:
        return ()
    start = max(len(messages) - number, 0)
    while start > 0 and messages[start].role == "tool":
        start -= 1
    return tuple(messages[start:])
