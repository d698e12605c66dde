"""A queue of chats as a user describes it: AutoGen's mappings, checked, and made into what a graph is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from convgraph.agents.opening_pictures import with_pictures
from convgraph.chat.sequence import ChatInSequence
from convgraph.chat.state import ChatState
from convgraph.errors import DefinitionError
from convgraph.messages import Message
from convgraph.runtime.context import Context

if TYPE_CHECKING:
    from convgraph.agents.conversable import ConversableAgent

_OF_THE_CHAT = frozenset(
    {
        "sender", "recipient", "message", "max_turns", "summary_method", "summary_args", "clear_history", "silent", "cache",
        "chat_id", "prerequisites", "finished_chat_indexes_to_exclude_from_carryover", "finished_chat_indexes_to_exclude",
    }
)  # fmt: skip


@dataclass(frozen=True)
class AskedChat:
    """One chat as a user describes it, in AutoGen's keys."""

    number: int
    sender: ConversableAgent
    recipient: ConversableAgent
    given: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The name of its node."""
        return f"chat_{self.number + 1}"

    @property
    def context(self) -> dict[str, Any]:
        """What the message's function is given."""
        return {key: value for key, value in self.given.items() if key not in _OF_THE_CHAT}

    @property
    def plain(self) -> str | None:
        """What opens it, as a text; None where a function of the user's own does."""
        message = self.given.get("message")
        return None if callable(message) else repr((message, self.given.get("carryover")))

    def in_sequence(self, after: tuple[str, ...], takes: tuple[str, ...]) -> ChatInSequence:
        """The chat, for the graph of all."""
        summary = self.sender.summary_of(self.recipient, self.given.get("summary_method", "last_msg"), self.given.get("summary_args"))
        state = ChatState(max_turns=self.given.get("max_turns"))
        graph = self.recipient.chat_graph(self.sender, summary)
        return ChatInSequence(self.name, graph, self.open, summary, state, after, takes, self.plain)

    async def open(self, ctx: Context, carried: list[str]) -> Sequence[Message]:  # noqa: ARG002  # what opens a chat is given the turn
        """Its opening message, with its own carryover and what is carried over from chats before."""
        own: Any = self.given.get("carryover")
        carryover = [*([own] if isinstance(own, str) else own or []), *carried]
        context = {**self.context, "carryover": carryover}
        return await self.sender.opening(self.recipient, self.given.get("message"), context)


def asked_chats(chat_queue: Sequence[Mapping[str, Any]]) -> list[AskedChat]:
    """The chats that a user asks for. Raises `DefinitionError` for what is none."""
    from convgraph.agents.conversable import ConversableAgent

    if not chat_queue:
        raise DefinitionError("there is no chat to be had: the list is empty")
    asked: list[AskedChat] = []
    for number, chat in enumerate(chat_queue):
        for key in ("sender", "recipient"):
            if not isinstance(chat.get(key), ConversableAgent):
                raise DefinitionError(f"chat {number} (from 0): its {key!r} is an agent, not {chat.get(key)!r:.100}")
        sender, recipient = cast("ConversableAgent", chat["sender"]), cast("ConversableAgent", chat["recipient"])
        given = {**chat, "message": with_pictures(chat["message"], (sender, recipient))} if "message" in chat else dict(chat)
        asked.append(AskedChat(number, sender, recipient, given))
    return asked


def in_turn(asked: Sequence[AskedChat]) -> list[ChatInSequence]:
    """The chats one after another, each with whose summaries it takes over."""
    chats: list[ChatInSequence] = []
    for one in asked:
        excluded = one.given.get("finished_chat_indexes_to_exclude_from_carryover", ())
        chats.append(one.in_sequence((), tuple(earlier.name for earlier in asked[: one.number] if earlier.number not in excluded)))
    return chats


def queue_name(asked: Sequence[AskedChat]) -> str:
    """A name for the graph of these chats."""
    return f"{asked[0].sender.name[:50]}-chats"
