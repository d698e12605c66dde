"""A chat of agents that hand over to each other: a node for each, an edge for each hand-off, and what follows without one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

from pydantic import Field

from convgraph.chat.group import MAX_ROUND
from convgraph.chat.seat import Replier, Seat
from convgraph.chat.state import ChatState
from convgraph.conversation import ConversationGraph
from convgraph.errors import DefinitionError
from convgraph.graph.definition import END
from convgraph.graph.guards import GuardView
from convgraph.graph.schema import Reducer
from convgraph.messages import Reply, ReplyLike
from convgraph.runtime.context import Context


def with_changes(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """The context variables after some of them have changed."""
    return {**old, **new}


class HandoffState(ChatState):
    """A chat's state, and: to whom the last speaker hands over (empty: to nobody), who that was, and the context variables."""

    handed_to: str = ""
    speaker: str = ""
    context: Annotated[dict[str, Any], Reducer(with_changes)] = Field(default_factory=dict[str, Any])


@dataclass(frozen=True)
class HandOff:
    """A hand-off to `target`; `label` says when. `available`: a context variable that must be true, or a function of them all."""

    target: str
    label: str = ""
    available: str | Callable[[Mapping[str, Any]], Any] | None = None

    def guard(self) -> str | Callable[[GuardView], bool]:
        """When the edge of this hand-off may be taken."""
        handed = f"state.handed_to == '{self.target}'"
        if self.available is None:
            return handed
        if isinstance(self.available, str):
            return f"{handed} && '{self.available}' in state.context && state.context['{self.available}'] == true"
        return _Available(self.target, self.available)


class _Available:
    """A user's function of the context variables as a guard: it is drawn by the function's name."""

    def __init__(self, target: str, available: Callable[[Mapping[str, Any]], Any]) -> None:
        self._target = target
        self._available = available
        self.__qualname__ = getattr(available, "__qualname__", "available")

    def __call__(self, view: GuardView) -> bool:
        return view.state.handed_to == self._target and bool(self._available(view.state.context))


@dataclass(frozen=True)
class Swarm:
    """What a chat by hand-offs is made of.

    `hand_offs` are each member's; `after_work` says who follows a member that hands over to nobody (a member, itself, `user`,
    or the end). After the `user`, if there is one, whoever spoke before it goes on. `max_rounds` counts the messages' turns, the
    opening included.
    """

    name: str
    members: Mapping[str, Replier]
    manager: Any
    first: str
    hand_offs: Mapping[str, Sequence[HandOff]]
    after_work: Mapping[str, str] = field(default_factory=dict[str, str])
    user: Replier | None = None
    max_rounds: int = 20


def handoff_chat(swarm: Swarm) -> ConversationGraph:
    """The graph of the chat. Raises `DefinitionError` for hand-offs to who is not in it, and for `max_rounds` below 1."""
    if isinstance(swarm.max_rounds, bool) or not isinstance(swarm.max_rounds, int) or swarm.max_rounds < 1:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise DefinitionError(f"swarm {swarm.name!r}: max_rounds= is a whole number, 1 or more, not {swarm.max_rounds!r}")
    graph = ConversationGraph(swarm.name, state=HandoffState, select="first")
    speakers = {**swarm.members, **({swarm.user.name: swarm.user} if swarm.user is not None else {})}
    for agent in speakers.values():
        graph.add_node(HandoffSeat(agent, swarm.manager, swarm.max_rounds - 1, keeps_place=agent is swarm.user))
    for name in speakers:
        graph.add_edge(name, END, when="declined", label="no reply")
        graph.add_edge(name, END, when=f"turn - state.turns_before >= {swarm.max_rounds - 1}", label=MAX_ROUND)
    for name in swarm.members:
        for way in swarm.hand_offs.get(name, ()):
            _known(swarm, speakers, name, way.target)
            graph.add_edge(name, way.target, when=way.guard(), label=way.label)
        after = swarm.after_work.get(name, END)
        if after != END:
            _known(swarm, speakers, name, after)
        graph.add_edge(name, after, label="after work")
    if swarm.user is not None:
        for name in swarm.members:
            if name != swarm.first:
                graph.add_edge(swarm.user.name, name, when=f"state.speaker == '{name}'", label="goes on")
        graph.add_edge(swarm.user.name, swarm.first)
    graph.set_start(swarm.first)
    return graph


class HandoffSeat(Seat):
    """An agent's place in such a chat: its turn says to whom it hands over. Who `keeps_place` leaves it to the one before it."""

    def __init__(self, agent: Replier, hears: Replier, turns: int, *, keeps_place: bool = False) -> None:
        super().__init__(agent, hears, turns)
        self._keeps_place = keeps_place

    async def speak(self, ctx: Context) -> ReplyLike:
        """Reply, and note who has spoken and who is to be next."""
        reply = await super().speak(ctx)
        whole = reply if isinstance(reply, Reply) else Reply(reply)
        noted = {"handed_to": whole.goto or ""} if self._keeps_place else {"handed_to": whole.goto or "", "speaker": self.name}
        return replace(whole, update={**(whole.update or {}), **noted})


def _known(swarm: Swarm, speakers: Mapping[str, Replier], source: str, target: str) -> None:
    if target not in speakers:
        raise DefinitionError(f"swarm {swarm.name!r}: {source!r} hands over to {target!r}, who is not in it ({', '.join(speakers)})")
