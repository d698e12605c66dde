"""The reply functions of an agent: who is asked for a reply, in which order, and for which senders."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from convgraph.agents.built_in_replies import Answer
from convgraph.agents.exchange import Exchange
from convgraph.agents.message_mappings import from_mapping, to_mapping, to_mappings
from convgraph.agents.triggers import ANYONE, Trigger, matches
from convgraph.errors import DefinitionError, InputError
from convgraph.messages import Message, Reply, ReplyLike, digest_of
from convgraph.runtime.context import entered
from convgraph.runtime.threads import called

if TYPE_CHECKING:
    from convgraph.agents.replying import ReplyingAgent

BuiltIn: TypeAlias = Callable[["ReplyingAgent", Exchange], Awaitable[Answer] | None]
"""Says at once whether it has something to do (None: no), so that an agent with only a model costs little more than its model."""


@dataclass(frozen=True, slots=True)
class ReplyFunction:
    """A function that may make an agent's reply: `(recipient, messages, sender, config) -> (final, reply)`.

    `made` is how one of the agent's own is carried out; `fn` is then what it is called by those who exclude or replace it.
    A `silent` one is never asked: it is there because AutoGen counts it in positions.
    """

    trigger: Trigger
    fn: Callable[..., Any]
    config: Any = None
    made: BuiltIn | None = None
    idempotent: bool = False
    silent: bool = False

    def asked(self, agent: ReplyingAgent, exchange: Exchange, exclude: Collection[Any] = ()) -> Awaitable[Answer] | None:
        """The work of making the reply: whether it is final, and the reply. None where there is nothing for it to do.

        It is not asked where it is among those to `exclude`, or the sender does not trigger it. One that is not the agent's
        own is an effect, and called once.
        """
        if self.silent or (exclude and _is_among(self.fn, exclude)):
            return None
        if self.trigger is not ANYONE:
            with entered(exchange.ctx):
                if not matches(self.trigger, exchange.sender):
                    return None
        return self._recorded(agent, exchange) if self.made is None else self.made(agent, exchange)

    async def _recorded(self, agent: ReplyingAgent, exchange: Exchange) -> Answer:
        sender = exchange.sender
        about = f"{exchange.sender_name} {digest_of(exchange.messages).hex()}"

        async def call() -> list[Any]:
            messages = to_mappings(exchange.messages, agent.name)
            return _journaled(await called(self.fn, agent, messages=messages, sender=sender, config=self.config), self.name, agent.name)

        final, reply = await exchange.ctx.effect(self.name, call, kind="reply", about=about, idempotent=self.idempotent)
        return final, None if reply is None else _spoken(reply, agent.name)

    @property
    def name(self) -> str:
        """What it is called in the journal."""
        return name_of(self.fn)


def name_of(function: Any) -> str:
    """What a function is called, be it a partial or an instance that can be called."""
    function = getattr(function, "func", function)  # what a partial calls
    return getattr(function, "__name__", type(function).__name__)


def same_function(one: Any, other: Any) -> bool:
    """Whether two functions are one, be it as a method of an agent or as that of its class."""
    return getattr(one, "__func__", one) is getattr(other, "__func__", other)


def _is_among(function: Any, others: Collection[Any]) -> bool:
    return any(same_function(function, other) for other in others)


def plain_reply(messages: Sequence[Message], owner: str) -> Any:
    """A reply as `generate_reply` gives it: None, a text, or a mapping where a text does not say it all."""
    if not messages:
        return None
    last = messages[-1]
    if len(messages) == 1 and isinstance(last.content, str) and not last.tool_calls and last.role == "assistant":
        return last.content
    mapping = to_mappings(messages, owner)[-1] if last.role == "tool" else to_mapping(last, owner)
    return {key: value for key, value in mapping.items() if key != "name"} if last.role != "user" else {**mapping, "role": "user"}


def _journaled(answer: Any, name: str, agent: str) -> list[Any]:
    """The answer of a reply function as it is journaled. Raises `DefinitionError` for one that is no `(final, reply)`."""
    if not isinstance(answer, tuple) or len(cast("tuple[Any, ...]", answer)) != 2:
        raise DefinitionError(f"agent {agent!r}: reply function {name!r} is to return (final, reply), not {answer!r:.200}")
    final, reply = cast("tuple[Any, Any]", answer)
    if isinstance(reply, Message):
        reply = {**to_mapping(reply, agent), "data": reply.data}
    elif isinstance(reply, Reply):
        raise DefinitionError(f"agent {agent!r}: reply function {name!r} returns a text, a mapping, a Message or None, not a Reply")
    return [bool(final), dict(cast("Mapping[str, Any]", reply)) if isinstance(reply, Mapping) else reply]


def _spoken(reply: Any, owner: str) -> ReplyLike:
    if isinstance(reply, str):
        return reply
    try:
        return Reply(from_mapping(reply, owner))
    except InputError as error:
        raise InputError(f"agent {owner!r}: a reply function's reply cannot be said: {error}") from error
