"""AutoGen's chats in sequence: `initiate_chats`, and its asynchronous form with prerequisites."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypeAlias

from convgraph.agents.chat_queue import AskedChat, asked_chats, in_turn, queue_name
from convgraph.agents.chatting import ChatOptions
from convgraph.agents.console import Console
from convgraph.agents.latest import LatestChat
from convgraph.agents.sequence_results import result_from, results_inside
from convgraph.agents.standalone import from_sync
from convgraph.chat.result import ChatResult
from convgraph.chat.sequence import ChatInSequence, sequence, sequence_by_prerequisites
from convgraph.conversation import ConversationGraph
from convgraph.errors import DefinitionError, InputError, RunNotFound
from convgraph.graph.guards import GuardView
from convgraph.journal.store_url import as_store
from convgraph.runtime.context import current_turn

Shape: TypeAlias = Callable[[str, Sequence[ChatInSequence]], ConversationGraph]
"""How chats become a graph: one after another, or by their prerequisites."""

_RUN_OPTIONS = ("store", "run_id", "limits", "human", "answers", "deps", "cache", "redact")


def initiate_chats(chat_queue: Sequence[Mapping[str, Any]], **options: Any) -> list[ChatResult]:
    """Have chats one after another: see `a_initiate_chats_in_turn`, whose synchronous form this is."""
    return from_sync(a_initiate_chats_in_turn(chat_queue, **options))


async def a_initiate_chats_in_turn(chat_queue: Sequence[Mapping[str, Any]], **options: Any) -> list[ChatResult]:
    """Have chats one after another, each taking over the summaries of those before it. Returns their results, in order.

    Each is a mapping with `sender`, `recipient`, `message` and the other parameters of `initiate_chat`;
    `finished_chat_indexes_to_exclude_from_carryover` names those (from 0) whose summaries it does not take over. All are one
    run: `store`, `run_id`, `limits`, `human`, `answers`, `deps` and `redact` are for that, as in `initiate_chat`.
    """
    asked = asked_chats(chat_queue)
    chats = in_turn(asked)
    results = await _have(asked, chats, sequence, options)
    return [results[one.name] for one in asked]


def chats_graph(chat_queue: Sequence[Mapping[str, Any]]) -> ConversationGraph:
    """The graph of chats that `initiate_chats` has one after another, to be drawn and looked at."""
    asked = asked_chats(chat_queue)
    return sequence(queue_name(asked), in_turn(asked))


async def a_initiate_chats(chat_queue: Sequence[Mapping[str, Any]], **options: Any) -> dict[Any, ChatResult]:
    """Have chats, each when those that it needs are finished. Returns their results by `chat_id`.

    Each mapping has a `chat_id` of its own, and may have `prerequisites`: ids of chats that it waits for, and whose summaries
    it takes over. Chats that need not wait for each other are had at the same time, in steps: a step begins when all chats
    of the one before are finished. Raises `DefinitionError` for chats that wait for each other, or for one that is not there.
    """
    asked = asked_chats(chat_queue)
    ids = [one.given.get("chat_id") for one in asked]
    if None in ids or len(set(ids)) < len(ids):
        raise DefinitionError(f"each chat needs a chat_id of its own; these have {ids}")
    names = {one.given["chat_id"]: one.name for one in asked}
    chats: list[ChatInSequence] = []
    for one in asked:
        waits = tuple(names.get(earlier, f"chat_id {earlier!r}") for earlier in one.given.get("prerequisites", ()))
        chats.append(one.in_sequence(waits, waits))
    results = await _have(asked, chats, sequence_by_prerequisites, options)
    return {one.given["chat_id"]: replace(results[one.name], chat_id=one.given["chat_id"]) for one in asked}


async def _have(
    asked: Sequence[AskedChat], chats: Sequence[ChatInSequence], shape: Shape, options: Mapping[str, Any]
) -> dict[str, ChatResult]:
    """Have the chats, as a run of their own or as a part of the turn that asks for them. Their results, by their nodes."""
    unknown = sorted(set(options) - set(_RUN_OPTIONS))
    if unknown:
        raise DefinitionError(f"chats in sequence take no {', '.join(unknown)}; they take {', '.join(_RUN_OPTIONS)}")
    turn = current_turn()
    if turn is not None:
        seen: dict[str, GuardView] = {}
        graph = _shaped(shape, asked, [replace(chat, ended=partial(seen.__setitem__, chat.name)) for chat in chats], options)
        return _remembered(asked, results_inside(asked, await turn.converse(graph.program(), []), seen, turn.run_id))
    return _remembered(asked, await _run(asked, chats, _shaped(shape, asked, chats, options), ChatOptions(**options)))


def _shaped(shape: Shape, asked: Sequence[AskedChat], chats: Sequence[ChatInSequence], options: Mapping[str, Any]) -> ConversationGraph:
    graph, redact = shape(queue_name(asked), chats), options.get("redact")
    return graph if redact is None else graph.redacting(redact)


async def _run(
    asked: Sequence[AskedChat], chats: Sequence[ChatInSequence], graph: ConversationGraph, how: ChatOptions
) -> dict[str, ChatResult]:
    shown = any(not one.given.get("silent") for one in asked)
    common: dict[str, Any] = {
        "human": how.human,
        "deps": how.deps,
        "limits": how.limits,
        "cache": how.cache,
        "listener": Console() if shown else None,
    }
    async with as_store(how.store) as store:
        if how.run_id is not None and await _is_there(store, how.run_id):
            result = await graph.aresume(how.run_id, store=store, answers=how.answers, **common)
        elif how.answers is not None:
            raise InputError(f"there are no chats with run_id={how.run_id!r} in this store that could wait for answers=")
        else:
            result = await graph.arun(store=store, run_id=how.run_id, **common)
        events = [recorded.event for recorded in await store.load(result.run_id)]
    ends: dict[str, Any] = {"run_id": result.run_id, "questions": result.questions, "exception": result.exception}
    stopped: dict[str, Any] = {"status": result.status, "stop_reason": result.stop_reason}
    found = {chat.name: result_from(chat, one, events) for chat, one in zip(chats, asked, strict=True)}
    return {name: replace(each, **ends, **({} if each.status == "finished" else stopped)) for name, each in found.items()}


def _remembered(asked: Sequence[AskedChat], results: dict[str, ChatResult]) -> dict[str, ChatResult]:
    """The results, to which the agents of each chat now refer as their latest with each other."""
    for one in asked:
        latest = LatestChat(one.recipient, results[one.name].messages, results[one.name].run_id)
        one.sender.remember(latest)
        one.recipient.remember(replace(latest, peer=one.sender))
    return results


async def _is_there(store: Any, run_id: str) -> bool:
    try:
        await store.info(run_id)
    except RunNotFound:
        return False
    return True
