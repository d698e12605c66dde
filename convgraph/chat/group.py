"""A group chat: a node for each member, an edge for each transition that is allowed, and the ways in which the chat may end."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from convgraph.chat.seat import Replier, Seat
from convgraph.chat.state import ChatState
from convgraph.chat.summary import Summary
from convgraph.chat.two_agents import summed_up
from convgraph.conversation import ConversationGraph, Nested
from convgraph.errors import DefinitionError
from convgraph.graph.definition import END, START
from convgraph.graph.guards import GuardView
from convgraph.messages import Message
from convgraph.protocols import Model
from convgraph.runtime.program import Selector
from convgraph.runtime.selector_prompt import SelectorPrompt

MAX_ROUND = "max_round"
_ENDING, _CALLED = 20, 10
"""Priorities: what ends the chat comes first, then who can carry out the tools that were called."""


class Manager(Protocol):
    """Who the members of a group reply to."""

    @property
    def name(self) -> str: ...

    def is_termination(self, message: Message) -> bool:
        """Whether the message ends the chat."""
        ...

    def termination_guard(self) -> str | Callable[[GuardView], bool]:
        """The same as a guard."""
        ...


@dataclass(frozen=True)
class Group:
    """What a group chat is made of.

    `allowed` names, for each member, those who may speak after it, in the order in which members take turns; a member that
    is not in it, or has nobody, ends the chat. `max_round` counts the messages, the opening one included. `tools` are the
    names of the tools that a member can carry out: who is called by them is next. `select` is a method of the core, or a
    callable; with `may_stop`, that callable may end the chat. A `Nested` member has a conversation of its own.
    """

    name: str
    members: Mapping[str, Replier | Nested]
    manager: Any
    allowed: Mapping[str, Sequence[str]]
    max_round: int
    select: str | Selector = "auto"
    may_stop: bool = False
    tools: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])
    selector_model: Model | None = None
    selector_prompt: SelectorPrompt | None = None


def group_chat(group: Group, initiator: Replier | None = None, summary: Summary | None = None) -> ConversationGraph:
    """The graph of the group chat. The opening message is its input; who speaks after it is chosen like everyone after that.

    `initiator` is who says the opening message: a member is followed by those who may follow it, anyone else by everybody.
    """
    if isinstance(group.max_round, bool) or not isinstance(group.max_round, int) or group.max_round < 1:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise DefinitionError(f"group chat {group.name!r}: max_round= is a whole number, 1 or more, not {group.max_round!r}")
    graph = ConversationGraph(
        group.name, state=ChatState, select=group.select, selector_model=group.selector_model, selector_prompt=group.selector_prompt
    )
    for name, member in group.members.items():
        if isinstance(member, Nested):
            graph.add_node(member, name=name)
        else:
            graph.add_node(Seat(member, group.manager, group.max_round - 1))
    end = summed_up(graph, summary)
    _add_ways(graph, group, START, _followers(group, initiator.name if initiator is not None else ""), end)
    for name in group.members:
        _add_ways(graph, group, name, tuple(group.allowed.get(name, ())), end)
    return graph


def _followers(group: Group, first: str) -> tuple[str, ...]:
    """Who may speak after the opening message. Where members go around, whoever has opened the chat has had its turn."""
    if first not in group.members:
        return tuple(group.members)
    followers = tuple(group.allowed.get(first, ()))
    return tuple(name for name in followers if name != first) or followers if group.select == "round_robin" else followers


def _add_ways(graph: ConversationGraph, group: Group, source: str, followers: tuple[str, ...], end: str) -> None:
    """The edges that leave `source`: those that end the chat, those that a call of tools takes, and those to who may follow."""
    made = group.max_round - 1
    if source != START:
        graph.add_edge(source, end, when="declined", priority=_ENDING, label="no reply")
    graph.add_edge(source, end, when=group.manager.termination_guard(), priority=_ENDING, label="termination message")
    if source != START or made == 0:
        guard = f"turn - state.turns_before >= {made}"
        graph.add_edge(source, end, when=guard, priority=_ENDING, label=MAX_ROUND)
    if not followers:
        graph.add_edge(source, end, label="nobody follows")
        return
    if not group.may_stop:
        for follower in followers:
            if names := list(group.tools.get(follower, ())):
                guard = f"size(last.tool_calls) > 0 && last.tool_calls.all(call, call.name in {names})"
                graph.add_edge(source, follower, when=guard, priority=_CALLED, label="can carry out the call")
    for follower in followers:
        graph.add_edge(source, follower)
    if group.may_stop:
        graph.add_edge(source, end, label="the selector chose nobody")


def everyone(names: Sequence[str], repeating: Sequence[str]) -> dict[str, list[str]]:
    """All transitions between these, each followed by the next in order first; `repeating` may follow themselves."""
    return {name: in_turn(names, name, repeating=name in repeating) for name in names}


def in_turn(names: Sequence[str], after: str, *, repeating: bool) -> list[str]:
    """The names in the order in which they follow `after`, itself last, if it may repeat."""
    place = list(names).index(after)
    others = [*names[place + 1 :], *names[:place]]
    return [*others, after] if repeating else others


def end_of(targets: Sequence[str]) -> str:
    """Of a selector's targets, the one that ends the chat: the end, or the summary before it."""
    return END if END in targets else targets[-1]
