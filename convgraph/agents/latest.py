"""What an agent knows of its chats: a reference to the latest run with each peer. AutoGen's `chat_messages` is a view of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from convgraph.agents.agent import Agent
from convgraph.agents.message_mappings import from_mappings
from convgraph.journal.store_url import StoreLike
from convgraph.messages import Message
from convgraph.runtime.redaction import Redact


@dataclass(frozen=True, slots=True)
class LatestChat:
    """An agent's latest chat with a peer: its messages, and the run (none where the chat was part of another's).

    `store` is where the run is kept, as it was named: one that was opened for the chat is closed by now. `redact` is what it never
    records; a chat that goes on from it does not either.
    """

    peer: Agent
    messages: Sequence[Message]
    run_id: str = ""
    store: StoreLike | None = None
    fingerprint: str = ""
    redact: Redact | None = None


def earlier_chats(owner: str, chat_messages: Mapping[Agent, Sequence[Any]] | None) -> dict[str, LatestChat]:
    """The latest chats that an agent is made with, by the names of the peers."""
    return {
        peer.name: LatestChat(peer, tuple(from_mappings(messages, owner, peer.name))) for peer, messages in (chat_messages or {}).items()
    }
