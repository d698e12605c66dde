"""What came of chats in sequence: from the events of their run, or, inside a turn, from what was seen of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from convgraph.agents.chat_queue import AskedChat
from convgraph.agents.message_mappings import to_mappings
from convgraph.chat.result import ChatResult
from convgraph.chat.sequence import OPENING, ChatInSequence, opened_messages
from convgraph.chat.state import ChatState
from convgraph.errors import NodeFailed
from convgraph.graph.guards import GuardView
from convgraph.graph.state import State
from convgraph.journal.events import EffectFinished, Event, Stepped
from convgraph.journal.turn_paths import around, last_part, without_attempts
from convgraph.messages import NO_USAGE
from convgraph.models.costs import added, cost_document, usage_by_model


def result_from(chat: ChatInSequence, asked: AskedChat, events: Sequence[Event]) -> ChatResult:
    """What came of one chat, from the run's events. `cancelled` where it has not come to its end."""
    path = _path_of(asked, events)
    if path is None:
        return ChatResult(status="cancelled", stop_reason="it was not begun")
    inside = [event for event in events if f"{getattr(event, 'path', '')}/".startswith(f"{path}/")]
    opening = next((event.result for event in inside if isinstance(event, EffectFinished) and event.name == OPENING), None) or ()
    steps = [event for event in inside if isinstance(event, Stepped) and around(event.path) == path]
    messages = [*opened_messages(opening), *(message for step in steps for message in step.messages)]
    ended = bool(steps) and steps[-1].target == "END"
    state = ChatState(**{key: value for step in steps for update in step.updates for key, value in update.items()})
    return ChatResult(
        to_mappings(messages, asked.sender.name),
        chat.summary.found(messages, state) if ended else "",
        cost_document(inside),
        [
            event.result
            for event in inside
            if isinstance(event, EffectFinished) and event.effect == "human" and isinstance(event.result, str)
        ],
        status="finished" if ended else "cancelled",
        stop_reason=_why_ended(chat, steps),
        messages=messages,
        usage=sum(added([usage_by_model(inside)]).values(), NO_USAGE),
    )


def results_inside(asked: Sequence[AskedChat], state: State, seen: Mapping[str, GuardView], run_id: str) -> dict[str, ChatResult]:
    """What came of chats that were part of a turn. Of one that had ended before the turn was entered again, the summary alone."""
    if state.status != "finished":
        raise NodeFailed(f"chats in sequence ended {state.status}: {state.reason}")
    summaries = {message.sender: message.text for message in state.history}
    results: dict[str, ChatResult] = {}
    for one in asked:
        view = seen.get(one.name)
        messages = list(view.messages) if view is not None else []
        usage = view.usage if view is not None else NO_USAGE
        cost = {"total_cost": usage.usd}
        results[one.name] = ChatResult(
            to_mappings(messages, one.sender.name),
            summaries.get(one.name, ""),
            {"usage_including_cached_inference": cost, "usage_excluding_cached_inference": cost},
            run_id=run_id,
            stop_reason="finished",
            messages=messages,
            usage=usage,
        )
    return results


def _why_ended(chat: ChatInSequence, steps: Sequence[Stepped]) -> str:
    for step in reversed(steps):
        label = chat.graph.definition.edge(step.edge).label if step.edge is not None else ""
        if step.reason or label:
            return step.reason or label
    return ""


def _path_of(asked: AskedChat, events: Sequence[Event]) -> str | None:
    """Where the chat's conversation lies in the run: the latest turn (or branch) in which its opening was made.

    One after another, the first chat is the first turn, and so on; at the same time, each is a branch of its own name.
    """
    openings = [event.path for event in events if isinstance(event, EffectFinished) and event.name == OPENING]
    mine = [path for path in openings if last_part(path) == asked.name or without_attempts(path) == str(asked.number + 1)]
    return mine[-1] if mine else None
