# pyright: reportUnnecessaryIsInstance=false
# What callers really pass is checked, whether their code is typed or not.
"""AutoGen's GroupChat: who takes part, who may follow whom, and who chooses."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias, cast, overload

from convgraph.agents.agent import Agent
from convgraph.agents.latest import LatestChat
from convgraph.agents.message_mappings import MessageMapping, from_mappings, to_mappings
from convgraph.chat.group import Group, end_of, everyone, group_chat, in_turn
from convgraph.chat.seat import Seat
from convgraph.conversation import Nested
from convgraph.errors import DefinitionError, InputError
from convgraph.graph.definition import METHODS, START
from convgraph.graph.guards import GuardView
from convgraph.messages import Message
from convgraph.runtime.context import Context, current_turn
from convgraph.runtime.selector_prompt import SelectorPrompt
from convgraph.runtime.threads import called

if TYPE_CHECKING:
    from convgraph.agents.conversable import ConversableAgent
    from convgraph.agents.group_chat_manager import GroupChatManager
    from convgraph.chat.summary import Summary
    from convgraph.conversation import ConversationGraph
    from convgraph.protocols import Model

SpeakerSelection: TypeAlias = Literal["auto", "manual", "random", "round_robin"] | Callable[..., Any]
Transitions: TypeAlias = Mapping[Any, Sequence[Agent]]
"""From each member to others. A mapping's keys are of one type exactly, so `Agent` would refuse a dict of assistants."""


class MessagesView:
    """`GroupChat.messages`: what was given, until there was a chat; then what is said in it. Setting it makes that what was given."""

    @overload
    def __get__(self, group: None, _: type[GroupChat]) -> tuple[()]: ...
    @overload
    def __get__(self, group: GroupChat, _: type[GroupChat]) -> list[MessageMapping]: ...
    def __get__(self, group: GroupChat | None, _: type[GroupChat]) -> list[MessageMapping] | tuple[()]:
        return () if group is None else to_mappings(group.heard(), "")

    def __set__(self, group: GroupChat, messages: Sequence[Any]) -> None:
        group.given = tuple(from_mappings(messages, "", "user"))
        group.latest = None


@dataclass
class GroupChat:
    """A group chat: its members, who may follow whom, and how the next speaker is chosen.

    The parameters are AutoGen's. `max_round` counts messages, the opening one included. `speaker_selection_method`: `auto`
    (a model chooses), `manual` (a person), `random`, `round_robin`, or a function `(last_speaker, groupchat)` that returns a
    member, one of these words, or None to end the chat. Whoever chooses, chooses among the transitions that are allowed:
    `allowed_or_disallowed_speaker_transitions` (a mapping from members to those who may, or may not, follow; a member with
    nobody to follow ends the chat), or else all, a member following itself where `allow_repeat_speaker` says so. With
    `selection_overrides_graph=True` a function may choose anybody, and the graph has all edges.

    `select_speaker_*` say how a selecting model is asked; in the templates `{roles}` and `{agentlist}` stand for the choices.
    `send_introductions` has everybody told before the opening message who takes part.

    `messages` is a view: of the messages that were given (a chat with `clear_history=False` goes on from them), and once there
    was a chat, of the latest one; in a function that chooses the next speaker, of the chat that it chooses in. Nothing else
    changes in a group chat when it runs.
    """

    agents: Sequence[Agent]
    messages: MessagesView = MessagesView()  # a descriptor: dataclasses take its default from itself
    max_round: int = 10
    admin_name: str = "Admin"
    func_call_filter: bool = True
    speaker_selection_method: SpeakerSelection = "auto"
    max_retries_for_selecting_speaker: int = 2
    allow_repeat_speaker: bool | Sequence[Agent] | None = None
    allowed_or_disallowed_speaker_transitions: Transitions | None = None
    speaker_transitions_type: Literal["allowed", "disallowed"] | None = None
    enable_clear_history: bool = False
    send_introductions: bool = False
    select_speaker_message_template: str | None = None
    select_speaker_prompt_template: str | None = None
    select_speaker_auto_multiple_template: str | None = None
    select_speaker_auto_none_template: str | None = None
    select_speaker_transform_messages: Any = None
    select_speaker_auto_verbose: bool | None = False
    select_speaker_auto_model_client_cls: Any = None
    select_speaker_auto_llm_config: Any = None
    role_for_select_speaker_messages: Literal["system", "user"] = "system"
    selection_overrides_graph: bool = False
    given: tuple[Message, ...] = field(default=(), init=False, repr=False)
    latest: LatestChat | None = field(default=None, init=False, repr=False, compare=False)

    DEFAULT_INTRO_MSG: ClassVar[str] = "Hello everyone. Here is who takes part in this conversation:"

    def __post_init__(self) -> None:
        self._check_agents()
        method = self.speaker_selection_method
        if not callable(method) and str(method).lower() not in METHODS:
            raise DefinitionError(f"speaker_selection_method= is one of {', '.join(METHODS[1:])} or a function, not {method!r}")
        if self.enable_clear_history:
            raise DefinitionError("enable_clear_history= is not there: a text in a message must not clear histories; see from-autogen.md")
        graph, kind = self.allowed_or_disallowed_speaker_transitions, self.speaker_transitions_type
        if (graph is None) != (kind is None):
            raise DefinitionError("allowed_or_disallowed_speaker_transitions= and speaker_transitions_type= are given together")
        if graph is not None and kind not in ("allowed", "disallowed"):
            raise DefinitionError(f"speaker_transitions_type= is 'allowed' or 'disallowed', not {kind!r}")
        if graph is not None and self.allow_repeat_speaker is not None:
            raise DefinitionError(
                "who may repeat is said by the transitions (an agent that may follow itself): give no allow_repeat_speaker="
            )
        retries = self.max_retries_for_selecting_speaker
        if isinstance(retries, bool) or not isinstance(retries, int) or retries < 0:
            raise DefinitionError(f"max_retries_for_selecting_speaker= is a whole number, 0 or more, not {retries!r}")
        if self.role_for_select_speaker_messages not in ("system", "user"):
            raise DefinitionError(f"role_for_select_speaker_messages= is 'system' or 'user', not {self.role_for_select_speaker_messages!r}")
        self.transitions()

    @property
    def agent_names(self) -> list[str]:
        """The members' names."""
        return [agent.name for agent in self.agents]

    def agent_by_name(self, name: str, recursive: bool = False, raise_on_name_conflict: bool = False) -> Agent | None:
        """The member of this name; with `recursive`, of the groups of its managers as well. None where there is none."""
        found = [agent for agent in (self.nested_agents() if recursive else self.agents) if agent.name == name]
        if raise_on_name_conflict and len(found) > 1:
            raise DefinitionError(f"{len(found)} agents are called {name!r}")
        return found[0] if found else None

    def nested_agents(self) -> list[Agent]:
        """The members, and those of the groups that members manage."""
        nested: list[Agent] = []
        for agent in self.agents:
            nested.append(agent)
            inner = getattr(agent, "groupchat", None)
            if isinstance(inner, GroupChat):
                nested.extend(inner.nested_agents())
        return nested

    def next_agent(self, agent: Agent, agents: Sequence[Agent] | None = None) -> Agent:
        """Who comes after `agent` in the order of the list; of `agents` only, if they are given. Raises `InputError` where nobody does."""
        names = self.agent_names
        order = in_turn(names, agent.name, repeating=True) if agent.name in names else names
        among = names if agents is None else [one.name for one in agents]
        for name in order:
            if name in among and (found := self.agent_by_name(name)) is not None:
                return found
        raise InputError(f"none of {', '.join(among) or 'nobody'} is in the group ({', '.join(names)})")

    def to_graph(
        self, initiator: ConversableAgent | None = None, manager: GroupChatManager | None = None, summary: Summary | None = None
    ) -> ConversationGraph:
        """The group chat as a graph: a node for each member, its edges the allowed transitions.

        `initiator` is who says the opening message, which is the graph's input; `manager` is whom members reply to.
        """
        from convgraph.agents.group_chat_manager import GroupChatManager

        manager = manager or GroupChatManager(self)
        members = {
            agent.name: agent.groupchat.as_node(agent) if isinstance(agent, GroupChatManager) else cast("Any", agent)
            for agent in self.agents
        }
        method = self.speaker_selection_method
        group = Group(
            manager.name,
            members,
            manager,
            self.transitions(),
            self.max_round,
            self._selector(initiator or manager) if callable(method) else str(method).lower(),
            may_stop=callable(method),
            tools=self._tools(),
            selector_model=self._selector_model(manager),
            selector_prompt=self._selector_prompt(),
        )
        return group_chat(group, initiator, summary)

    def draw(self, *args: Any, **options: Any) -> Any:
        """Draw the graph: see `ConversationGraph.draw`."""
        return self.to_graph().draw(*args, **options)

    def introductions_msg(self, agents: Sequence[Agent] | None = None) -> str:
        """The message that introduces the members to each other."""
        lines = [f"{agent.name}: {agent.description}" for agent in agents or self.agents]
        return "\n\n".join([self.DEFAULT_INTRO_MSG, "\n".join(lines)])

    def introductions(self, manager: str) -> tuple[Message, ...]:
        """What everybody is told before the opening message."""
        return (Message(manager, self.introductions_msg(), "user"),) if self.send_introductions else ()

    def heard(self) -> Sequence[Message]:
        """The messages of the chat that the calling code is part of; elsewhere of the latest one, or those that were given."""
        turn = current_turn()
        if turn is not None and self._is_had_in(turn):
            return turn.messages
        return self.given if self.latest is None else self.latest.messages

    def reset(self) -> None:
        """Forget the latest chat, and the messages that were given. Journals keep theirs."""
        self.messages = []

    def as_node(self, manager: GroupChatManager) -> Nested:
        """The group chat as a member of another one: it talks about that one as a whole, and its own last message is the reply."""

        def opening(ctx: Context) -> list[Message] | None:
            return [*self.introductions(manager.name), *ctx.messages] if len(ctx.messages) else None

        return Nested(self.to_graph(manager=manager), opening=opening)

    def _is_had_in(self, turn: Context) -> bool:
        seats = (turn.participant(name) for name in self.agent_names)
        return any(isinstance(seat, Seat) and getattr(seat.hears, "groupchat", None) is self for seat in seats)

    def _check_agents(self) -> None:
        if not self.agents:
            raise DefinitionError("a group chat has at least one member: agents=[…]")
        for agent in self.agents:
            if not isinstance(agent, Agent):
                raise DefinitionError(f"a group chat's members are agents, not {agent!r:.100}")
        names = self.agent_names
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise DefinitionError(f"two members of the group chat are called {', '.join(map(repr, twice))}; names are identities")

    def transitions(self) -> dict[str, list[str]]:
        """Who may follow whom, by names, in the order in which members take turns. Raises `DefinitionError` for who is no member."""
        names, graph = self.agent_names, self.allowed_or_disallowed_speaker_transitions
        if graph is None:
            repeat = self.allow_repeat_speaker
            if repeat is None or isinstance(repeat, bool):
                return everyone(names, [] if repeat is False else names)
            return everyone(names, [self._member(one, "allow_repeat_speaker= names") for one in _listed(repeat)])
        listed = {
            self._member(source): [self._member(target) for target in _listed(targets)] for source, targets in _mapping(graph).items()
        }
        if self.selection_overrides_graph and callable(self.speaker_selection_method):
            return everyone(names, names)
        ordered = {name: in_turn(names, name, repeating=True) for name in names}
        if self.speaker_transitions_type == "disallowed":
            return {name: [other for other in ordered[name] if other not in listed.get(name, ())] for name in names}
        return {name: [other for other in ordered[name] if other in listed.get(name, ())] for name in names}

    def _member(self, agent: Any, who: str = "the speaker transitions name") -> str:
        if isinstance(agent, Agent) and agent in self.agents:
            return agent.name
        raise DefinitionError(f"{who} {agent!r:.100}, which is no member of the group ({', '.join(self.agent_names)})")

    def _tools(self) -> dict[str, list[str]]:
        """The names of the tools that members carry out."""
        if not self.func_call_filter:
            return {}
        return {agent.name: list(tools.names) for agent in self.agents if (tools := getattr(agent, "executable_tools", None))}

    def _selector(self, before_all: Agent) -> Callable[[GuardView, tuple[str, ...]], Any]:
        """The user's function as the core's selector."""
        choose = cast("Callable[..., Any]", self.speaker_selection_method)

        async def select(view: GuardView, targets: tuple[str, ...]) -> Any:
            last = before_all if view.sender == START else self.agent_by_name(view.sender)
            chosen = await called(choose, last, self)
            if chosen is None:
                return end_of(targets)
            return self._by_method(str(chosen).lower(), view, targets) if str(chosen).lower() in METHODS else chosen

        select.__qualname__ = getattr(choose, "__qualname__", "select")
        select.__module__ = getattr(choose, "__module__", select.__module__)
        return select

    def _by_method(self, method: str, view: GuardView, targets: Sequence[str]) -> str:
        """A method that the user's function leaves the choice to; but if one member alone can carry out what was called, that one."""
        calls = view.last.tool_calls if view.last is not None else ()
        able = [name for name, tools in self._tools().items() if calls and name in targets and all(call.name in tools for call in calls)]
        return able[0] if len(able) == 1 else method

    def _selector_model(self, manager: GroupChatManager) -> Model | None:
        if self.select_speaker_auto_llm_config is None:
            return manager.model
        from convgraph.models.client_model import register_model_client
        from convgraph.models.config import model_from_config

        model = model_from_config(self.select_speaker_auto_llm_config)
        given = self.select_speaker_auto_model_client_cls
        clients = cast("Sequence[Any]", given if isinstance(given, list | tuple) else () if given is None else (given,))
        for client in clients:
            model = register_model_client(model, client)
        return model

    def _selector_prompt(self) -> SelectorPrompt:
        given: dict[str, Any] = {
            "instruction": self.select_speaker_message_template,
            "question": self.select_speaker_prompt_template,
            "if_several": self.select_speaker_auto_multiple_template,
            "if_none": self.select_speaker_auto_none_template,
        }
        return SelectorPrompt(
            attempts=1 + self.max_retries_for_selecting_speaker,
            question_role=self.role_for_select_speaker_messages,
            view=self._selector_view(),
            **{name: text for name, text in given.items() if text is not None},
        )

    def _selector_view(self) -> Callable[[Sequence[Message]], Sequence[Message]] | None:
        given = self.select_speaker_transform_messages
        if given is None:
            return None
        transform = getattr(given, "apply_transform", given)
        if not callable(transform):
            raise DefinitionError(f"select_speaker_transform_messages= is a function of the messages, not {given!r:.100}")

        def view(messages: Sequence[Message]) -> Sequence[Message]:
            return from_mappings(cast("Any", transform(to_mappings(messages, ""))), "", "user")

        return view


def _mapping(graph: Any) -> Mapping[Any, Any]:
    if isinstance(graph, Mapping):
        return cast("Mapping[Any, Any]", graph)
    raise DefinitionError(f"the speaker transitions are a mapping from agents to lists of agents, not {graph!r:.100}")


def _listed(targets: Any) -> Sequence[Any]:
    if isinstance(targets, list | tuple):
        return cast("Sequence[Any]", targets)
    raise DefinitionError(f"who may follow, or repeat, is a list of agents, not {targets!r:.100}")
