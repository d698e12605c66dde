"""Chats one after another, each a nested conversation that takes over what those before it amounted to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias, cast

from convgraph.chat.state import ChatState
from convgraph.chat.summary import Summary
from convgraph.conversation import ConversationGraph, Nested, Parallel
from convgraph.errors import DefinitionError
from convgraph.graph.definition import END
from convgraph.graph.guards import GuardView
from convgraph.messages import Message
from convgraph.runtime.context import Context
from convgraph.runtime.nested import Begins

OPENING = "opening"
"""The effect that says what a chat of a sequence begins with: it is made once, and read back."""

Open: TypeAlias = Callable[[Context, list[str]], Awaitable[Sequence[Message] | None]]
"""Given the turn and what is carried over, the messages that a chat begins with; None where it is not to be had."""


@dataclass(frozen=True)
class ChatInSequence:
    """One chat of several: its node's name, its graph, how it begins, how it is summed up, and whose summaries it takes over.

    `plain` is what opens it, where that is no function of a user's own: it can be made again without anything happening outside.
    `ended` is told of the conversation as it ended, where it ends in this process.
    """

    name: str
    graph: ConversationGraph
    open: Open
    summary: Summary
    state: ChatState
    after: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()
    plain: str | None = None
    ended: Callable[[GuardView], None] | None = None


def sequence(name: str, chats: Sequence[ChatInSequence]) -> ConversationGraph:
    """The graph of chats that are had one after another."""
    graph = ConversationGraph(name)
    for chat in chats:
        graph.add_node(_node(chat), name=chat.name, description=chat.graph.name)
    for chat, follower in zip(chats, [*(chat.name for chat in chats[1:]), END], strict=True):
        graph.add_edge(chat.name, follower)
    graph.set_start(chats[0].name)
    return graph


def sequence_by_prerequisites(name: str, chats: Sequence[ChatInSequence]) -> ConversationGraph:
    """The graph of chats of which each waits for those that it comes `after`: what need not wait is had at the same time.

    Raises `DefinitionError` for an unknown prerequisite, and where chats wait for each other.
    """
    graph = ConversationGraph(name)
    levels: list[str] = []
    by_name = {chat.name: chat for chat in chats}
    for number, level in enumerate(_levels(chats), 1):
        group = f"step_{number}"
        graph.add_node(Parallel(*(_node(by_name[one], named=True) for one in level)), name=group)
        levels.append(group)
    for group, follower in zip(levels, [*levels[1:], END], strict=True):
        graph.add_edge(group, follower)
    graph.set_start(levels[0])
    return graph


def opened_messages(chats: Iterable[Mapping[str, Any]]) -> tuple[Message, ...]:
    """The messages that the recorded opening of a chat holds."""
    return tuple(Message(**message) for message in chats)


def _node(chat: ChatInSequence, *, named: bool = False) -> Nested:
    return Nested(chat.graph, opening=partial(_opening, chat), closing=partial(_closing, chat), name=chat.name if named else None)


async def _opening(chat: ChatInSequence, ctx: Context) -> Begins | None:
    """What the chat begins with, made once: it may ask a person, or call a function of a user's own."""
    carried = [message.text for message in ctx.messages if message.sender in chat.takes]

    async def make() -> list[dict[str, Any]] | None:
        messages = await chat.open(ctx, carried)
        return None if messages is None else [_plain(message) for message in messages]

    about = "\n".join([*([] if chat.plain is None else [chat.plain]), *carried])
    made = await ctx.effect(OPENING, make, kind="reply", about=about, idempotent=chat.plain is not None)
    if made is None:
        return None
    messages = opened_messages(made)
    ctx.tell(chat.summary.recipient.name, messages)
    return Begins(messages, chat.state.model_copy(update={"since": len(messages)}))


def _closing(chat: ChatInSequence, ctx: Context, view: GuardView) -> Message:  # noqa: ARG001  # a closing is given the turn
    if chat.ended is not None:
        chat.ended(view)
    return Message(chat.name, chat.summary.found(view.messages, view.state))


def _plain(message: Message) -> dict[str, Any]:
    return {"sender": message.sender, "content": message.content, "role": message.role, "data": message.data}


def _levels(chats: Sequence[ChatInSequence]) -> list[list[str]]:
    """The chats by how long they have to wait, in the order given."""
    import networkx

    names = [chat.name for chat in chats]
    waits: networkx.DiGraph[str] = networkx.DiGraph()
    waits.add_nodes_from(names)
    for chat in chats:
        unknown = sorted(set(chat.after) - set(names))
        if unknown:
            raise DefinitionError(f"{chat.name} waits for {', '.join(unknown)}, and there is no such chat ({', '.join(names)})")
        waits.add_edges_from((earlier, chat.name) for earlier in chat.after)
    try:
        return [sorted(level, key=names.index) for level in networkx.topological_generations(waits)]
    except networkx.NetworkXUnfeasible:
        cycle = cast("list[tuple[str, str]]", networkx.find_cycle(waits))  # pyright: ignore[reportUnknownMemberType]
        circle = " -> ".join(source for source, _ in cycle)
        raise DefinitionError(f"these chats wait for each other: {circle}; take a prerequisite away") from None
