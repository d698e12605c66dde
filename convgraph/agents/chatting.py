"""Having a chat: a graph is run, gone on with, or made part of the turn that starts it; what comes of it is a `ChatResult`."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from convgraph.agents.console import Console
from convgraph.agents.latest import LatestChat
from convgraph.agents.message_mappings import to_mappings
from convgraph.chat.result import ChatResult
from convgraph.chat.state import ChatState
from convgraph.chat.summary import Summary
from convgraph.errors import InputError, NodeFailed, RunNotFound
from convgraph.graph.definition import Limits
from convgraph.graph.state import State
from convgraph.journal.events import Edited, EffectFinished, RunStarted
from convgraph.journal.runs import ENDED
from convgraph.journal.store import Store
from convgraph.journal.store_url import StoreLike, as_store
from convgraph.messages import NO_USAGE, Message, Usage
from convgraph.runtime.context import Context, current_turn
from convgraph.runtime.people import Human
from convgraph.runtime.redaction import Redactions
from convgraph.runtime.result import RunResult

if TYPE_CHECKING:
    from convgraph.agents.conversable import ConversableAgent
    from convgraph.conversation import ConversationGraph
    from convgraph.models.cache import Cache

log = logging.getLogger("convgraph.agents")

_AT_END = "reached END: "


@dataclass(frozen=True, slots=True)
class ChatOptions:
    """How a chat is run. None of it is part of what is said."""

    store: StoreLike | None = None
    run_id: str | None = None
    limits: Limits | None = None
    human: Human = "console"
    answers: Mapping[str, Any] | None = None
    deps: Any = None
    silent: bool = False
    cache: Cache | None = None
    redact: Redactions | None = None


@dataclass(frozen=True, slots=True)
class Chat:
    """A chat that is to be had: its graph, who opens it to whom, what was said before, the opening message, and its state.

    `goes_on`: where it has a run already, the opening is that run's next message.
    """

    graph: ConversationGraph
    initiator: ConversableAgent
    recipient: ConversableAgent
    opening: tuple[Message, ...]
    state: ChatState
    summary: Summary
    before: LatestChat | None = None
    goes_on: bool = False

    @property
    def others(self) -> list[ConversableAgent]:
        """Everybody in the chat but the one who opens it."""
        from convgraph.chat.seat import Seat

        speakers = self.graph.program().speakers.values()
        found: list[Any] = [speaker.agent for speaker in speakers if isinstance(speaker, Seat)]
        return [*dict.fromkeys([*(agent for agent in found if agent is not self.initiator), self.recipient])]


async def have(chat: Chat, options: ChatOptions) -> ChatResult:
    """Have the chat. Inside a turn it is part of that turn's journal, and raises `NodeFailed` where it does not finish."""
    redact = options.redact if options.redact is not None or chat.before is None else chat.before.redact
    if redact is not None:
        chat = replace(chat, graph=chat.graph.redacting(redact))
    turn = current_turn()
    if turn is not None:
        return await _inside(chat, turn)
    if options.answers is not None and options.run_id is None:
        raise InputError("answers= are for a chat that waits for them: name its run with run_id=, and give its store=")
    goes_on = _goes_on(chat, options)
    where = goes_on.store if goes_on is not None else options.store
    async with as_store(where) as store:
        result = await _run(chat, options, store, goes_on)
        events = [recorded.event for recorded in await store.load(result.run_id)]
    if result.status == "failed":  # AutoGen raises here; the result says it all, but a script may not look at it
        log.warning("the chat of %s with %s failed: %s", chat.initiator.name, chat.recipient.name, result.stop_reason)
    from convgraph.models.costs import added, cost_document, usage_by_model

    return _remembered(
        chat,
        replace(
            _result(chat, result.messages, result.state, result.usage),
            run_id=result.run_id,
            status=result.status,
            stop_reason=result.stop_reason.removeprefix(_AT_END),
            questions=result.questions,
            exception=result.exception,
            cost=cost_document(events),
            usage=sum(added([usage_by_model(events)]).values(), NO_USAGE),
            human_input=[
                event.result for event in events if isinstance(event, EffectFinished) and event.effect == "human" and _is_text(event)
            ],
        ),
        store if where is None else where,
    )


def _goes_on(chat: Chat, options: ChatOptions) -> LatestChat | None:
    """The run that the chat is a part of: that of the one before, if it is to be gone on with and kept where this one is."""
    before = chat.before
    if before is None or before.store is None or options.run_id is not None or before.fingerprint != chat.graph.fingerprint:
        return None
    return before if options.store is None or options.store == before.store else None


async def _inside(chat: Chat, turn: Context) -> ChatResult:
    said_before = chat.before.messages if chat.before is not None else ()
    turn.tell(chat.recipient.name, chat.opening)
    state = await turn.converse(chat.graph.program(), [*said_before, *chat.opening], _since(chat, said_before))
    if state.status != "finished":
        raise NodeFailed(f"the chat of {chat.initiator.name!r} with {chat.recipient.name!r} ended {state.status}: {state.reason}")
    return _remembered(chat, _result_inside(chat, state, turn.run_id), None)


async def _run(chat: Chat, options: ChatOptions, store: Store, goes_on: LatestChat | None) -> RunResult:
    graph, before = chat.graph, chat.before
    listener = None
    if not options.silent:
        silent = {agent.name for agent in (chat.initiator, *chat.others) if agent.silent}
        listener = Console(silent, announces=chat.recipient.is_manager, tells_choices=chat.recipient.tells_choices)
    common: dict[str, Any] = {
        "store": store,
        "human": options.human,
        "deps": options.deps,
        "limits": options.limits,
        "cache": options.cache,
        "listener": listener,
    }
    openings = [] if options.run_id is None else await _openings(options.run_id, store)
    if options.run_id is not None and openings:
        begun, max_turns = openings[-1] if chat.goes_on else openings[0]
        if begun[-len(chat.opening) :] == chat.opening:
            if max_turns != chat.state.max_turns:
                raise InputError(f"run {options.run_id!r} was begun with max_turns={max_turns}: that goes on with it")
            return await graph.aresume(options.run_id, answers=options.answers, **common)
        if not chat.goes_on:
            raise InputError(
                f"run {options.run_id!r} is there already, and was opened with another message; give this chat a run_id of its own, "
                "or go on with that one: clear_history=False"
            )
        goes_on = await _ended(chat, options.run_id, store)
    if options.answers is not None:
        raise InputError(f"there is no chat with run_id={options.run_id!r} in this store that could wait for answers=")
    if listener is not None:
        listener.show(chat.opening, chat.recipient.name)
    if goes_on is not None:
        state = _since(chat, goes_on.messages, turns_before=await _turns_so_far(chat, store, goes_on.run_id))
        update = state.model_dump(exclude={"captions"})  # what pictures show is known from before
        return await graph.acontinue(goes_on.run_id, list(chat.opening), state=update, **common)
    said_before = before.messages if before is not None else ()
    return await graph.arun([*said_before, *chat.opening], state=_since(chat, said_before), run_id=options.run_id, **common)


async def recorded_opening(run_id: str | None, store: StoreLike | None, *, last: bool) -> tuple[Message, ...] | None:
    """What the chat that is this run was opened with, or `last` gone on with; None where there is none: nobody is asked for it twice."""
    if run_id is None or store is None or current_turn() is not None:
        return None
    async with as_store(store) as opened:
        openings = await _openings(run_id, opened)
    return None if not openings else (openings[-1] if last else openings[0])[0]


async def _openings(run_id: str, store: Store) -> list[tuple[tuple[Message, ...], int | None]]:
    """The messages (and `max_turns`) with which the run was begun, and gone on with since; empty where there is no such run."""
    try:
        events = [recorded.event for recorded in await store.load(run_id, steps_only=True)]
    except RunNotFound:
        return []
    openings: list[tuple[tuple[Message, ...], int | None]] = []
    for event in events:
        if isinstance(event, RunStarted):
            openings.append((event.messages, (event.state or {}).get("max_turns")))
        elif isinstance(event, Edited) and event.why == "continued":
            openings.append((event.messages, (event.update or {}).get("max_turns")))
    return openings


async def _ended(chat: Chat, run_id: str, store: Store) -> LatestChat:
    """The run as a chat that can be gone on with. Raises `InputError` for one that has not come to its end."""
    status = (await store.info(run_id)).status
    if status not in ENDED:
        raise InputError(f"run {run_id!r} is {status}: say what it was last opened with once more, and it comes to its end first")
    said = (await chat.graph.aresume(run_id, store=store)).messages
    return LatestChat(chat.recipient, said, run_id)


async def _turns_so_far(chat: Chat, store: Store, run_id: str) -> int:
    """How many turns the recipient has had in the run that goes on."""
    from convgraph.journal.events import Stepped

    events = await store.load(run_id)
    mine = [recorded.event for recorded in events if isinstance(recorded.event, Stepped) and "/" not in recorded.event.path]
    return len(mine) if chat.recipient.is_manager else sum(1 for step in mine if step.node == chat.recipient.name)


def _since(chat: Chat, said_before: Sequence[Message], turns_before: int = 0) -> ChatState:
    return chat.state.model_copy(update={"since": len(said_before) + len(chat.opening), "turns_before": turns_before})


def _result(chat: Chat, messages: Sequence[Message], state: Any, usage: Usage) -> ChatResult:
    return ChatResult(
        to_mappings(messages, chat.initiator.name), chat.summary.found(messages, state), messages=list(messages), usage=usage, state=state
    )


def _result_inside(chat: Chat, state: State, run_id: str) -> ChatResult:
    result = _result(chat, state.history, state.data, state.usage)
    cost = {"total_cost": state.usage.usd}
    return replace(
        result,
        run_id=run_id,
        stop_reason=state.reason.removeprefix(_AT_END),
        human_input=[message.text for message in state.history if message.role == "user" and message not in chat.opening],
        cost={"usage_including_cached_inference": cost, "usage_excluding_cached_inference": cost},
    )


def _remembered(chat: Chat, result: ChatResult, store: StoreLike | None) -> ChatResult:
    """The result, to which the agents of the chat now refer as their latest with each other."""
    latest = LatestChat(chat.recipient, result.messages, result.run_id, store, chat.graph.fingerprint, chat.graph.program().redact)
    chat.initiator.remember(latest)
    for agent in chat.others:
        if agent is chat.initiator:
            continue
        peer = chat.initiator if agent is chat.recipient else chat.recipient
        agent.remember(replace(latest, peer=peer))
    chat.recipient.chat_had(latest)
    return result


def _is_text(event: EffectFinished) -> bool:
    return isinstance(event.result, str)
