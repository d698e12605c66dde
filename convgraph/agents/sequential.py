"""AutoGen's chats in sequence: `initiate_chats`, its asynchronous form with prerequisites, and nested chats."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from convgraph.agents.chatting import ChatOptions
from convgraph.agents.console import Console
from convgraph.agents.exchange import Exchange
from convgraph.agents.message_mappings import to_mapping, to_mappings
from convgraph.agents.standalone import from_sync
from convgraph.chat.result import ChatResult
from convgraph.chat.sequence import OPENING, ChatInSequence, opened_messages, sequence, sequence_by_prerequisites
from convgraph.chat.state import ChatState
from convgraph.errors import DefinitionError, InputError, NodeFailed, RunNotFound
from convgraph.graph.machine import State
from convgraph.journal.events import EffectFinished, Event, Stepped
from convgraph.journal.store_url import as_store
from convgraph.journal.turn_paths import around
from convgraph.messages import NO_USAGE, Message
from convgraph.models.costs import added, cost_document, usage_by_model
from convgraph.runtime.context import Context, current_turn
from convgraph.runtime.threads import called

if TYPE_CHECKING:
    from convgraph.agents.conversable import ConversableAgent
    from convgraph.conversation import ConversationGraph

_RUN_OPTIONS = ("store", "run_id", "limits", "human", "answers", "deps", "cache")
_OF_THE_CHAT = frozenset(
    {
        "sender", "recipient", "message", "max_turns", "summary_method", "summary_args", "clear_history", "silent", "cache",
        "chat_id", "prerequisites", "finished_chat_indexes_to_exclude_from_carryover", "finished_chat_indexes_to_exclude",
    }
)  # fmt: skip


_PICTURED: ContextVar[tuple[NestedChats, ...]] = ContextVar("convgraph_nested_chats", default=())
"""The nested chats whose graph is being made: an agent that has them sits in them itself."""


@dataclass(frozen=True)
class _Asked:
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


def initiate_chats(chat_queue: Sequence[Mapping[str, Any]], **options: Any) -> list[ChatResult]:
    """Have chats one after another: see `a_initiate_chats_in_turn`, whose synchronous form this is."""
    return from_sync(a_initiate_chats_in_turn(chat_queue, **options))


async def a_initiate_chats_in_turn(chat_queue: Sequence[Mapping[str, Any]], **options: Any) -> list[ChatResult]:
    """Have chats one after another, each taking over the summaries of those before it. Returns their results, in order.

    Each is a mapping with `sender`, `recipient`, `message` and the other parameters of `initiate_chat`;
    `finished_chat_indexes_to_exclude_from_carryover` names those (from 0) whose summaries it does not take over. All are one
    run: `store`, `run_id`, `limits`, `human`, `answers` and `deps` are for that, as in `initiate_chat`.
    """
    asked = _asked(chat_queue)
    chats = _in_turn(asked)
    results = await _have(asked, chats, sequence(_name(asked), chats), options)
    return [results[one.name] for one in asked]


def chats_graph(chat_queue: Sequence[Mapping[str, Any]]) -> ConversationGraph:
    """The graph of chats that `initiate_chats` has one after another, to be drawn and looked at."""
    asked = _asked(chat_queue)
    return sequence(_name(asked), _in_turn(asked))


async def a_initiate_chats(chat_queue: Sequence[Mapping[str, Any]], **options: Any) -> dict[Any, ChatResult]:
    """Have chats, each when those that it needs are finished. Returns their results by `chat_id`.

    Each mapping has a `chat_id` of its own, and may have `prerequisites`: ids of chats that it waits for, and whose summaries
    it takes over. Chats that need not wait for each other are had at the same time, in steps: a step begins when all chats
    of the one before are finished. Raises `DefinitionError` for chats that wait for each other, or for one that is not there.
    """
    asked = _asked(chat_queue)
    ids = [one.given.get("chat_id") for one in asked]
    if None in ids or len(set(ids)) < len(ids):
        raise DefinitionError(f"each chat needs a chat_id of its own; these have {ids}")
    names = {one.given["chat_id"]: one.name for one in asked}
    chats: list[ChatInSequence] = []
    for one in asked:
        waits = tuple(names.get(earlier, f"chat_id {earlier!r}") for earlier in one.given.get("prerequisites", ()))
        chats.append(one.in_sequence(waits, waits))
    results = await _have(asked, chats, sequence_by_prerequisites(_name(asked), chats), options)
    return {one.given["chat_id"]: replace(results[one.name], chat_id=one.given["chat_id"]) for one in asked}


class NestedChats:
    """The reply of an agent that has chats of its own about a message before it replies: the last one's summary.

    The chats are AutoGen's mappings, of which the sender is the agent, unless another is named. The first without a message
    takes that of the message replied to. A message may be a function `(recipient, messages, sender, config)`: of the agent, the
    messages of the chat that it replies in, and whom it replies to. A chat whose function has nothing to say is not had, and
    where none is had the next reply function is asked.
    """

    def __init__(self, agent: ConversableAgent, chat_queue: Sequence[Mapping[str, Any]], config: Any) -> None:
        self._agent = agent
        self._config = config
        self._asked = _asked([{"sender": agent, **chat} for chat in chat_queue])

    def picture(self) -> ConversationGraph | None:
        """The chats as a graph, to be drawn and compared; None inside a picture of the same chats, which would never end."""
        if self in _PICTURED.get():
            return None
        with _pictured(self):
            return self._sequence(_in_turn(self._asked))

    def graph(self, exchange: Exchange) -> ConversationGraph:
        """The chats about the message replied to, as a graph."""
        with _pictured(self):
            chats = _in_turn(self._asked)
        chats = [replace(chat, open=_OpenNested(self, one, exchange)) for chat, one in zip(chats, self._asked, strict=True)]
        return self._sequence(chats)

    def _sequence(self, chats: Sequence[ChatInSequence]) -> ConversationGraph:
        return sequence(f"{self._agent.name[:50]}-nested", chats)

    async def __call__(self, agent: Any, exchange: Exchange) -> tuple[bool, Any]:
        """Have the chats, as a conversation inside the turn."""
        last = exchange.messages[-1:]
        state: State = await exchange.ctx.converse(self.graph(exchange).program(), list(last))
        if state.status != "finished":
            raise NodeFailed(f"agent {agent.name!r}: its nested chats ended {state.status}: {state.reason}")
        said = state.history[len(last) :]
        return (True, Message(agent.name, said[-1].content)) if said else (False, None)

    async def message_of(self, one: _Asked, exchange: Exchange) -> Any:
        """What the chat is opened with."""
        message = one.given.get("message")
        if callable(message):
            messages = to_mappings(exchange.messages, self._agent.name)
            return await called(message, self._agent, messages, exchange.sender, self._config)
        if message is None and one.number == 0:
            return to_mapping(exchange.messages[-1], self._agent.name)["content"]
        return message


@contextmanager
def _pictured(chats: NestedChats) -> Generator[None]:
    token = _PICTURED.set((*_PICTURED.get(), chats))
    try:
        yield
    finally:
        _PICTURED.reset(token)


@dataclass(frozen=True)
class _OpenNested:
    """How a nested chat begins."""

    nested: NestedChats
    asked: _Asked
    exchange: Exchange

    async def __call__(self, ctx: Context, carried: list[str]) -> Sequence[Message] | None:
        said = await self.nested.message_of(self.asked, self.exchange)
        if not said:
            return None
        one = replace(self.asked, given={**self.asked.given, "message": said})
        return await one.open(ctx, carried)


async def _have(
    asked: Sequence[_Asked], chats: Sequence[ChatInSequence], graph: ConversationGraph, options: Mapping[str, Any]
) -> dict[str, ChatResult]:
    unknown = sorted(set(options) - set(_RUN_OPTIONS))
    if unknown:
        raise DefinitionError(f"chats in sequence take no {', '.join(unknown)}; they take {', '.join(_RUN_OPTIONS)}")
    turn = current_turn()
    if turn is not None:
        return _results_inside(asked, await turn.converse(graph.program(), []), turn.run_id)
    how = ChatOptions(**options)
    shown = [one for one in asked if not one.given.get("silent")]
    common: dict[str, Any] = {
        "human": how.human, "deps": how.deps, "limits": how.limits, "cache": how.cache, "listener": Console() if shown else None,
    }  # fmt: skip
    async with as_store(how.store) as store:
        goes_on = how.run_id is not None and await _is_there(store, how.run_id)
        if how.answers is not None and not goes_on:
            raise InputError(f"there are no chats with run_id={how.run_id!r} in this store that could wait for answers=")
        if how.run_id is not None and goes_on:
            result = await graph.aresume(how.run_id, store=store, answers=how.answers, **common)
        else:
            result = await graph.arun(store=store, run_id=how.run_id, **common)
        events = [recorded.event for recorded in await store.load(result.run_id)]
    found = {chat.name: _result(chat, one, events) for chat, one in zip(chats, asked, strict=True)}
    if result.status != "finished":  # the chat that did not come to its end says so
        found = {
            name: each if each.run_id else replace(each, status=result.status, stop_reason=result.stop_reason)
            for name, each in found.items()
        }
    return {
        name: replace(each, run_id=result.run_id, questions=result.questions, exception=result.exception) for name, each in found.items()
    }


def _result(chat: ChatInSequence, asked: _Asked, events: Sequence[Event]) -> ChatResult:
    """What came of one chat, from the run's events. Without a run's id, if it did not come to its end."""
    path = _path_of(chat.name, events)
    if path is None:
        return ChatResult(status="cancelled", stop_reason="it was not begun")
    inside = [event for event in events if f"{getattr(event, 'path', '')}/".startswith(f"{path}/")]
    opening = next((event.result for event in inside if isinstance(event, EffectFinished) and event.name == OPENING), None) or ()
    steps = [event for event in inside if isinstance(event, Stepped) and around(event.path) == path]
    messages = [*opened_messages(opening), *(message for step in steps for message in step.messages)]
    ended = bool(steps) and steps[-1].target == "END"
    state = ChatState(**{key: value for step in steps for update in step.updates for key, value in update.items()})
    usage = sum(added([usage_by_model(inside)]).values(), NO_USAGE)
    return ChatResult(
        to_mappings(messages, asked.sender.name),
        chat.summary.found(messages, state) if ended else "",
        cost_document(inside),
        [
            event.result
            for event in inside
            if isinstance(event, EffectFinished) and event.effect == "human" and isinstance(event.result, str)
        ],
        "ended" if ended else "",
        _why_ended(chat, steps),
        messages=messages,
        usage=usage,
    )


def _why_ended(chat: ChatInSequence, steps: Sequence[Stepped]) -> str:
    for step in reversed(steps):
        if step.reason:
            return step.reason
        label = chat.graph.definition.edge(step.edge).label if step.edge is not None else ""
        if label:
            return label
    return ""


def _path_of(name: str, events: Sequence[Event]) -> str | None:
    """Where the chat's conversation lies in the run: the turn (or branch) in which its opening was made."""
    number = 0
    for event in events:
        if isinstance(event, EffectFinished) and event.name == OPENING:
            if "/" in event.path:
                if event.path.endswith(f"/{name}"):
                    return event.path
                continue
            number += 1
            if name == f"chat_{event.path}":
                return event.path
    return None


def _results_inside(asked: Sequence[_Asked], state: State, run_id: str) -> dict[str, ChatResult]:
    """What came of chats that were part of a turn: their summaries. The messages are in the run's journal."""
    if state.status != "finished":
        raise NodeFailed(f"chats in sequence ended {state.status}: {state.reason}")
    summaries = {message.sender: message.text for message in state.history}
    return {one.name: ChatResult(summary=summaries.get(one.name, ""), run_id=run_id, stop_reason="finished") for one in asked}


def _in_turn(asked: Sequence[_Asked]) -> list[ChatInSequence]:
    """The chats one after another, each with whose summaries it takes over."""
    chats: list[ChatInSequence] = []
    for one in asked:
        excluded = one.given.get("finished_chat_indexes_to_exclude_from_carryover", ())
        chats.append(one.in_sequence((), tuple(earlier.name for earlier in asked[: one.number] if earlier.number not in excluded)))
    return chats


def _asked(chat_queue: Sequence[Mapping[str, Any]]) -> list[_Asked]:
    from convgraph.agents.conversable import ConversableAgent

    if not chat_queue:
        raise DefinitionError("there is no chat to be had: the list is empty")
    asked: list[_Asked] = []
    for number, chat in enumerate(chat_queue):
        for key in ("sender", "recipient"):
            if not isinstance(chat.get(key), ConversableAgent):
                raise DefinitionError(f"chat {number} (from 0): its {key!r} is an agent, not {chat.get(key)!r:.100}")
        asked.append(_Asked(number, cast("ConversableAgent", chat["sender"]), cast("ConversableAgent", chat["recipient"]), dict(chat)))
    return asked


def _name(asked: Sequence[_Asked]) -> str:
    return f"{asked[0].sender.name[:50]}-chats"


async def _is_there(store: Any, run_id: str) -> bool:
    try:
        await store.info(run_id)
    except RunNotFound:
        return False
    return True
