"""A step in full, as the page shows it: what was said and done, why the next one came, the state and what it changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias, cast

from convgraph.drawing.picture import edge_id
from convgraph.errors import ConvgraphError
from convgraph.graph.definition import START, Limits
from convgraph.graph.state import State
from convgraph.journal.events import AttemptFailed, Edited, EffectFinished, EffectStarted, Ended, Moved, Recorded, Stepped
from convgraph.journal.turn_paths import is_inner, without_attempts
from convgraph.messages import NO_USAGE, Message, Usage
from convgraph.plain_data import replaced
from convgraph.runtime.explain import Explanation, explained_choice, explained_step
from convgraph.studio.differences import changes
from convgraph.studio.said import LONGEST, beginning, effect_out, message_out, shortened, usage_out
from convgraph.studio.schemas.base import LimitOut
from convgraph.studio.schemas.steps import ChoiceOut, EffectOut, GuardOut, StepOut, StepRow
from convgraph.studio.timeline import Timeline

_Place: TypeAlias = tuple[str, str, str, int]


def step_out(timeline: Timeline, step: int) -> StepOut:
    """A step in full; 0 is the beginning, before anybody has spoken. There are `timeline.total` of them."""
    turn, aftermath = timeline.turn(step), timeline.aftermath(step)
    row = timeline.rows[step - 1] if step else _beginning_row(timeline)
    whole = StepOut(
        **row.model_dump(),
        messages=[message_out(message) for message in _said(turn, aftermath)],
        done=list(effects_out(turn)),
        nested=[inner for recorded in turn if (inner := timeline.inner_row(recorded, LONGEST)) is not None],
        attempts=[_failure(event) for recorded in turn if isinstance(event := recorded.event, AttemptFailed)],
        choice=None,
        state=None,
        changes=[],
        usage=usage_out(NO_USAGE),
        limits=[],
    )
    try:
        stand = timeline.stand(step)
        before = timeline.stand(step - 1) if step else None
        choice = _choice(timeline, step, before.state if before is not None else None)
    except ConvgraphError as error:
        return whole.model_copy(update={"problem": str(error)})
    state = stand.state.dump_data()
    return whole.model_copy(
        update={
            "choice": choice,
            "state": shortened(state),
            "changes": changes(before.state.dump_data(), state) if before is not None else [],
            "usage": usage_out(stand.state.usage),
            "limits": limits_out(stand.limits, stand.state),
            "visits": stand.visits,
        }
    )


def _beginning_row(timeline: Timeline) -> StepRow:
    first = timeline.events[0]
    opening = _said([], timeline.aftermath(0))
    return StepRow(
        step=0,
        seq=first.seq,
        path="0",
        node=START,
        sender=opening[-1].sender if opening else "",
        text=beginning(opening),
        target=None,
        edge=None,
        at=first.at,
        seconds=0.0,
        tokens=0,
        usd=0.0,
    )


def opening_of(timeline: Timeline) -> list[Message]:
    """What was said before the first turn."""
    return _said([], timeline.aftermath(0))


def _said(turn: Sequence[Recorded], aftermath: Sequence[Recorded]) -> list[Message]:
    """What a step said, as it stands: a fork may have put other words in its place, its user may have said more."""
    said = list(turn[-1].event.messages) if turn and isinstance(turn[-1].event, Stepped) else []
    for recorded in aftermath:
        event = recorded.event
        if isinstance(event, Edited):
            said = [*(said[:-1] if event.last is not None else said), *([event.last] if event.last is not None else []), *event.messages]
        elif event.kind == "run_started":
            said.extend(getattr(event, "messages", ()))
    return said


def under_way(timeline: Timeline, after: int) -> Iterator[tuple[int, str, StepRow | EffectOut]]:
    """What was done in the turn that is not over, after the event of this number: that number, `inner` or `effect`, and what it was."""
    turn = timeline.under_way(-1)
    asked = {_place(event): request for event, request in _requests(turn)}
    intents = {_place(event): event for recorded in turn if isinstance(event := recorded.event, EffectStarted)}
    for recorded in timeline.under_way(after):
        event = recorded.event
        if isinstance(event, EffectStarted):
            yield recorded.seq, "effect", effect_out(event, None, asked.get(_place(event)))
        elif isinstance(event, EffectFinished):
            yield recorded.seq, "effect", effect_out(intents.get(_place(event)), event, asked.get(_place(event)))
        elif (row := timeline.inner_row(recorded, LONGEST)) is not None:
            yield recorded.seq, "inner", row


def effects_out(events: Sequence[Recorded]) -> Iterator[EffectOut]:
    """What was done, in the order in which it was begun: each with its intent and its result, where there are both."""
    begun: dict[_Place, EffectStarted | None] = {}
    finished: dict[_Place, EffectFinished] = {}
    for recorded in events:
        event = recorded.event
        if isinstance(event, EffectStarted):
            begun[_place(event)] = event
        elif isinstance(event, EffectFinished):
            begun.setdefault(_place(event), None)
            finished[_place(event)] = event
    asked = {_place(event): request for event, request in _requests(events)}
    for place, intent in begun.items():
        yield effect_out(intent, finished.get(place), asked.get(place))


def _requests(events: Sequence[Recorded]) -> Iterator[tuple[EffectStarted | EffectFinished, str]]:
    """What tools were called with: the journal has that in the answer of the model that called them."""
    called: dict[tuple[str, str], list[str]] = {}
    for recorded in events:
        event = recorded.event
        if not isinstance(event, EffectStarted | EffectFinished):
            continue
        path = without_attempts(event.path)
        if isinstance(event, EffectFinished):
            for _, name, arguments in _calls(event):
                called.setdefault((path, name), []).append(arguments)
        asked = called.get((path, event.name), ())
        if event.effect == "tool" and event.ordinal < len(asked):
            yield event, asked[event.ordinal]


def _place(event: EffectStarted | EffectFinished) -> _Place:
    return without_attempts(event.path), event.effect, event.name, event.ordinal


def _calls(event: EffectFinished) -> list[list[str]]:
    """The tools that a model's answer calls: id, name and arguments."""
    answer: Any = event.result if event.effect == "model" else None
    return cast("dict[str, Any]", answer).get("tool_calls", []) if isinstance(answer, dict) else []


def _failure(event: AttemptFailed) -> str:
    return f"attempt {event.attempt} at {event.path} ({event.cause}): {event.error.type}: {event.error.message}"


def _choice(timeline: Timeline, step: int, before: State | None) -> ChoiceOut | None:
    if 0 < step <= timeline.migrated_after:
        return None  # it was chosen among another graph's transitions
    aftermath = timeline.aftermath(step)
    again = next(
        (recorded.event for recorded in aftermath if isinstance(recorded.event, Moved) and not is_inner(recorded.event.path)), None
    )
    events = [recorded.event for recorded in (*timeline.turn(step), *aftermath)]
    ended = next((event for event in events if isinstance(event, Ended)), None)
    reason = f"{ended.status}: {ended.reason}" if ended is not None else ""
    if before is None:
        state = timeline.stand_before(again) if again is not None else timeline.stand(0).state
        if state.node != START:
            return None  # the graph says who begins
        return _choice_out(explained_choice(timeline.definition, timeline.run_id, 0, replaced(state, status=None), again, events, reason))
    stepped = timeline.turn(step)[-1].event
    if not isinstance(stepped, Stepped):
        return None
    if again is not None and without_attempts(again.path) == without_attempts(stepped.path):
        state = replaced(timeline.stand_before(again), status=None)
        return _choice_out(explained_choice(timeline.definition, timeline.run_id, step, state, again, events, ""))
    return _choice_out(
        explained_step(timeline.definition, timeline.run_id, step, before, stepped, events, "" if stepped.target else reason)
    )


def _choice_out(explanation: Explanation) -> ChoiceOut:
    taken = explanation.edge.index if explanation.edge is not None else None
    return ChoiceOut(
        node=explanation.node,
        guards=[
            GuardOut(
                edge=edge_id("", guard.edge.index),
                target=guard.edge.target,
                label=guard.edge.label,
                guard=guard.edge.guard.text if guard.edge.guard is not None else "",
                on=guard.edge.on,
                priority=guard.edge.priority,
                value=str(guard.value).lower() if isinstance(guard.value, bool) else guard.value,
                taken=guard.edge.index == taken,
                why=explanation.why(guard),
            )
            for guard in explanation.guards
        ],
        target=explanation.target,
        edge=edge_id("", taken) if taken is not None else None,
        chosen_by=explanation.chosen_by,
        answers=list(explanation.answers),
        distribution=dict(explanation.distribution.of) if explanation.distribution is not None else None,
        reason=explanation.reason,
    )


def limits_out(limits: Limits, state: State, running: Usage = NO_USAGE) -> list[LimitOut]:
    """The limits that are set and how much of each is used; `running` is what the turn that is not over has cost."""
    used = {
        "turns": state.turn + state.inner_turns,
        "seconds": state.seconds,
        "tokens": state.usage.tokens + running.tokens,
        "usd": state.usage.usd + running.usd,
    }
    found = [LimitOut(name=name, used=used[name], limit=limit) for name in used if (limit := getattr(limits, name)) is not None]  # pyright: ignore[reportArgumentType]  # the names are LimitOut's
    for node, times in state.visits.items():
        if (allowed := limits.visits_of(node)) is not None:
            found.append(LimitOut(name="visits", used=times, limit=allowed, of=node))
    return found
