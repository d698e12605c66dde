# pyright: reportUnnecessaryIsInstance=false
# What callers really pass is checked, whether their code is typed or not.
"""Swarms: agents that hand over to each other by tools that their models are told of, along the edges of a graph."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias, cast

from convgraph.agents.agent import Agent
from convgraph.agents.chatting import Chat, ChatOptions, have
from convgraph.agents.conversable import ConversableAgent
from convgraph.agents.message_mappings import from_mapping
from convgraph.agents.opening_pictures import with_pictures
from convgraph.agents.standalone import from_sync
from convgraph.chat.handoff import HandOff, HandoffState, Swarm, handoff_chat
from convgraph.chat.result import ChatResult
from convgraph.chat.summary import Summary
from convgraph.conversation import ConversationGraph
from convgraph.errors import DefinitionError, InputError
from convgraph.graph.definition import END
from convgraph.runtime.context import Context
from convgraph.tools import Tool, tool
from convgraph.tools.results import Handoff

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class AfterWorkOption(StrEnum):
    """Who follows an agent that hands over to nobody, where that is no agent: nobody, the user, or itself."""

    TERMINATE = "TERMINATE"
    REVERT_TO_USER = "REVERT_TO_USER"
    STAY = "STAY"


@dataclass(frozen=True)
class OnCondition:
    """The agent may hand over to `target`; `condition` tells its model when.

    `available`: the name of a context variable that must be true for that, or a function of the context variables.
    """

    target: Agent
    condition: str
    available: str | Callable[[Mapping[str, Any]], Any] | None = None


@dataclass(frozen=True)
class AfterWork:
    """Who follows the agent when it hands over to nobody."""

    agent: Agent | AfterWorkOption | str


After: TypeAlias = AfterWork | AfterWorkOption | Agent | str | None


def SwarmResult(  # noqa: N802  # AutoGen's name, which is a class there
    values: str = "", agent: Agent | str | None = None, context_variables: Mapping[str, Any] | None = None
) -> Handoff | str:
    """A tool's result in a swarm: what the model is told, to whom to hand over, and which context variables change."""
    target = agent if isinstance(agent, str) else agent.name if agent is not None else ""
    if not target and not context_variables:
        return values
    return Handoff(target, values, {"context": dict(context_variables)} if context_variables else None)


def checked(agent: ConversableAgent, hand_to: Any) -> tuple[OnCondition | AfterWork, ...]:
    """The hand-offs that `agent` is given. Raises `DefinitionError` for what is none, or is there already."""
    given: list[Any] = list(cast("Sequence[Any]", hand_to)) if isinstance(hand_to, list | tuple) else [hand_to]
    known = [one.target.name for one in agent.hand_offs if isinstance(one, OnCondition)]
    for one in given:
        if isinstance(one, AfterWork):
            _check_after(agent, one)
        elif not isinstance(one, OnCondition) or not isinstance(one.target, Agent) or not one.condition:
            raise DefinitionError(f"agent {agent.name!r}: a hand-off is OnCondition(agent, 'when') or AfterWork(…), not {one!r:.100}")
        elif one.target.name in known:
            raise DefinitionError(f"agent {agent.name!r}: there is a hand-off to {one.target.name!r} already; say both conditions in one")
        elif isinstance(one.available, str) and _NAME.fullmatch(one.available) is None:
            raise DefinitionError(
                f"agent {agent.name!r}: available= names a context variable, or is a function; not {one.available!r:.100}"
            )
        else:
            known.append(one.target.name)
    return tuple(given)


def transfer_tool(way: OnCondition | AfterWork) -> Tool | None:
    """The tool by which a model hands over."""
    if isinstance(way, AfterWork):
        return None
    target, available = way.target.name, way.available

    def transfer(ctx: Context) -> str | Handoff:
        context: Mapping[str, Any] = getattr(ctx.state, "context", {})
        ready = available is None or (context.get(available) is True if isinstance(available, str) else available(context))
        return Handoff(target) if ready else f"{target} cannot take over now."

    return tool(transfer, name=f"transfer_to_{target}", description=way.condition, idempotent=True)


def swarm_graph(
    initial_agent: ConversableAgent,
    agents: Sequence[ConversableAgent],
    user_agent: ConversableAgent | None = None,
    max_rounds: int = 20,
    after_work: After = None,
) -> ConversationGraph:
    """The graph of a swarm: an edge for each hand-off that was registered, and one for what follows without a hand-off.

    Raises `DefinitionError` where the initial agent or a target is not among the agents, or two have one name.
    """
    members = {agent.name: agent for agent in agents}
    if len(members) < len(agents) or (user_agent is not None and user_agent.name in members):
        raise DefinitionError("two agents of the swarm have one name; names are identities")
    if members.get(initial_agent.name) is not initial_agent:
        raise DefinitionError(f"the initial agent {initial_agent.name!r} is not among the agents ({', '.join(members)})")
    user = user_agent.name if user_agent is not None else None
    hand_offs = {
        name: [HandOff(one.target.name, one.condition, one.available) for one in agent.hand_offs if isinstance(one, OnCondition)]
        for name, agent in members.items()
    }
    after = {name: _after(agent, _own_after(agent) or after_work, user) for name, agent in members.items()}
    manager = _SwarmManager("swarm", human_input_mode="NEVER")
    return handoff_chat(Swarm("swarm", members, manager, initial_agent.name, hand_offs, after, user_agent, max_rounds))


def initiate_swarm_chat(
    initial_agent: ConversableAgent, messages: Any, agents: Sequence[ConversableAgent], **options: Any
) -> tuple[ChatResult, dict[str, Any], ConversableAgent]:
    """Have a swarm talk. See `a_initiate_swarm_chat`."""
    return from_sync(a_initiate_swarm_chat(initial_agent, messages, agents, **options))


async def a_initiate_swarm_chat(
    initial_agent: ConversableAgent,
    messages: Any,
    agents: Sequence[ConversableAgent],
    user_agent: ConversableAgent | None = None,
    max_rounds: int = 20,
    context_variables: Mapping[str, Any] | None = None,
    after_work: After = None,
    *,
    silent: bool = False,
    **run: Any,
) -> tuple[ChatResult, dict[str, Any], ConversableAgent]:
    """Have a swarm talk about `messages` (a text, or a list of messages), which `initial_agent` answers first.

    The agents hand over as `register_hand_off` has said; without a hand-off `after_work` says who follows (an agent's own
    `AfterWork` goes first; by default the chat ends). `context_variables` are the state's `context`, which guards and tools
    read and `SwarmResult` changes. `max_rounds` counts messages, the opening included. `run` are `store`, `run_id`, `limits`,
    `human`, `answers`, `deps` and `cache`, as for `initiate_chat`.

    Returns the result, the context variables as they ended, and the agent that spoke last. Raises `DefinitionError` for agents
    that do not fit together, and `InputError` where there is nothing to talk about.
    """
    graph = swarm_graph(initial_agent, agents, user_agent, max_rounds, after_work)
    opener = user_agent or ConversableAgent("user", human_input_mode="NEVER")
    manager = _SwarmManager("swarm", human_input_mode="NEVER")
    several = isinstance(messages, list | tuple)  # which may be what was said before
    listed: list[Any] = list(cast("Sequence[Any]", messages)) if several else [with_pictures(messages, agents)]
    opening = tuple(message for one in listed for message in from_mapping(one, opener.name))
    if not opening:
        raise InputError("a swarm needs something to talk about: messages='…'")
    state = HandoffState(context=dict(context_variables or {}))
    chat = Chat(graph, opener, manager, opening, state, Summary("last_msg", opener, manager))
    result = await have(chat, ChatOptions(silent=silent, **run))
    ended = cast("HandoffState", result.state)
    last = next((agent for agent in agents if agent.name == ended.speaker), initial_agent)
    return result, dict(ended.context), last


class _SwarmManager(ConversableAgent):
    """Whom the agents of a swarm reply to. It says nothing."""

    is_manager = True


def _own_after(agent: ConversableAgent) -> AfterWork | None:
    return next((one for one in reversed(agent.hand_offs) if isinstance(one, AfterWork)), None)


def _check_after(agent: Agent, after: AfterWork) -> None:
    if not isinstance(after.agent, Agent) and str(after.agent) not in AfterWorkOption.__members__:
        raise DefinitionError(
            f"agent {agent.name!r}: AfterWork takes an agent, or one of {', '.join(AfterWorkOption.__members__)}, not {after.agent!r:.100}"
        )


def _after(agent: ConversableAgent, after: After, user: str | None) -> str:
    """The node that follows `agent` without a hand-off."""
    made = after if isinstance(after, AfterWork) else AfterWork(after or AfterWorkOption.TERMINATE)
    _check_after(agent, made)
    if isinstance(made.agent, Agent):
        return made.agent.name
    word = str(made.agent)
    if word == AfterWorkOption.REVERT_TO_USER.value:
        if user is None:
            raise DefinitionError(f"agent {agent.name!r}: after its work comes the user, but the swarm has none; give a user_agent=")
        return user
    return agent.name if word == AfterWorkOption.STAY.value else END
