"""A reply outside a chat: a conversation of one turn, run in memory, or as part of the turn that asks for it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from convgraph.agents.exchange import Exchange
from convgraph.agents.message_mappings import from_mappings
from convgraph.agents.reply_functions import BuiltIn, plain_reply
from convgraph.conversation import ConversationGraph
from convgraph.errors import NodeFailed
from convgraph.graph.definition import END
from convgraph.messages import Message, Reply, ReplyLike
from convgraph.runtime.blocking import from_sync
from convgraph.runtime.context import Context, current_turn

if TYPE_CHECKING:
    from convgraph.agents.agent import Agent
    from convgraph.agents.replying import ReplyingAgent

__all__ = ["answer", "from_sync", "generate_reply"]

_NOT_FINAL = "the function leaves the reply to the next one"


async def generate_reply(agent: ReplyingAgent, messages: Sequence[Any], sender: Agent | None, exclude: Collection[Any]) -> Any:
    """The agent's reply to these messages: None, a text, or a mapping."""

    async def speak(ctx: Context) -> ReplyLike:
        return await agent.reply(ctx, sender, limit=agent.max_consecutive_auto_reply(sender), exclude=exclude)

    said, _ = await _one_turn(agent, speak, messages, sender)
    return plain_reply(said, agent.name)


async def answer(agent: ReplyingAgent, made: BuiltIn, messages: Sequence[Any], sender: Agent | None) -> tuple[bool, Any]:
    """What one of the agent's own reply functions says to these messages, as AutoGen's functions return it."""

    async def speak(ctx: Context) -> ReplyLike:
        pending = made(agent, Exchange(agent.name, ctx, sender, agent.max_consecutive_auto_reply(sender)))
        final, reply = (False, None) if pending is None else await pending
        return reply if final else Reply(reason=_NOT_FINAL)

    said, reason = await _one_turn(agent, speak, messages, sender)
    return not reason.endswith(_NOT_FINAL), plain_reply(said, agent.name)


async def _one_turn(
    agent: ReplyingAgent, speak: Callable[[Context], Coroutine[Any, Any, ReplyLike]], messages: Sequence[Any], sender: Agent | None
) -> tuple[Sequence[Message], str]:
    """What the agent says in a conversation in which it has one turn, and why that ended. Raises what its turn failed with."""
    other = sender.name if sender is not None else "user" if agent.name != "user" else "sender"
    given = from_mappings(_heard(messages, other), agent.name, other)
    graph = ConversationGraph(f"{agent.name[:58]}-reply")
    graph.add_node(_Once(agent, speak))
    graph.add_edge(agent.name, END)
    graph.set_start(agent.name)
    turn = current_turn()
    if turn is not None:
        state = await turn.converse(graph.program(), given)
        if state.status != "finished":
            raise NodeFailed(f"agent {agent.name!r}: no reply: {state.reason}")
        return state.history[len(given) :], state.reason
    result = await graph.arun(given, human="console")
    if result.status == "finished":
        return result.messages[len(given) :], result.stop_reason
    if result.exception is not None:
        raise result.exception
    raise NodeFailed(f"agent {agent.name!r}: no reply: {result.stop_reason}")


def _heard(messages: Sequence[Any], other: str) -> Sequence[Any]:
    """The messages; a call of tools at their end is another's, since it is replied to, whatever its role: AutoGen's is `assistant`."""
    if not len(messages) or not isinstance(messages[-1], Mapping):
        return messages
    last = cast("Mapping[str, Any]", messages[-1])
    if "name" in last or "sender" in last or not (last.get("tool_calls") or last.get("function_call")):
        return messages
    return [*messages[:-1], {**last, "name": other}]


class _Once:
    """The agent, in a conversation of one turn."""

    def __init__(self, agent: ReplyingAgent, speak: Callable[[Context], Coroutine[Any, Any, ReplyLike]]) -> None:
        self.name = agent.name
        self.description = agent.description
        self.speak = speak
        self.models = agent.models
        self._agent = agent

    def describe(self) -> Any:
        """The agent's definition."""
        return self._agent.describe()
