"""Why a step went where it went: recomputed from the fold, with what only the journal knows (opaque guards, a selector's answers)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

from convgraph.errors import InputError
from convgraph.graph.definition import START, Definition, Edge, On
from convgraph.graph.machine import Evaluate, GuardValue, advance, guard_values, holds
from convgraph.graph.state import State
from convgraph.journal.events import EffectFinished, Event, Moved, Stepped
from convgraph.journal.store import Store
from convgraph.journal.turn_paths import beginning_path, choice_path, is_inner, without_attempts
from convgraph.plain_data import replaced
from convgraph.protocols import Distribution
from convgraph.runtime.distributions import recorded_distribution, weighed
from convgraph.runtime.fold import fold
from convgraph.runtime.inputs import check_step
from convgraph.runtime.program import Program

NOT_ASKED = "not asked"
"""In place of the value of a guard that is code and was not evaluated."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """One step explained: who spoke, every way out with its guard's value, which was taken, and who chose it.

    Step 0 is the choice of who begins, after START.
    `answers` are what a selecting model or person answered, in order, and `distribution` is how probable that made each of the
    enabled targets, where a model was asked. `reason` says why the run stopped here, if it did.
    """

    run_id: str
    step: int
    node: str
    guards: tuple[GuardValue, ...]
    target: str | None
    edge: Edge | None
    chosen_by: str
    answers: tuple[str, ...] = ()
    reason: str = ""
    error: str = ""
    said: tuple[str, ...] = field(default=())
    distribution: Distribution | None = None

    @property
    def enabled(self) -> tuple[Edge, ...]:
        """The transitions that were enabled."""
        return tuple(guard.edge for guard in self.guards if guard.value is True)

    def why(self, guard: GuardValue) -> str:
        """What became of a way out, in words."""
        if self.edge is not None and guard.edge.index == self.edge.index:
            return "taken"
        if guard.value == NOT_ASKED:
            return "an earlier one was taken"
        return "enabled, not chosen" if guard.value is True else "not enabled"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {"text/plain": str(self)}

    def __str__(self) -> str:
        lines = [f"step {self.step}: {self.node}" + (f" failed: {self.error}" if self.error else "")]
        for guard in self.guards:
            why = self.why(guard)
            lines.append(f"  {'->' if why == 'taken' else '  '} {guard} [{why}]")
        lines.extend(f"     the selector was answered: {answer!r}" for answer in self.answers)
        if self.distribution is not None and self.distribution.by != "stated":
            lines.append(f"     by {self.distribution.by}: {self.distribution}")
        lines.append(f"  next: {self.target}, chosen by {self.chosen_by!r}" if self.target else f"  the run stopped: {self.reason}")
        return "\n".join(lines)


async def explain(program: Program, run_id: str, store: Store, step: int) -> Explanation:
    """Explain the transition after a step; step 0 is the choice of who begins. Raises `InputError` where the run has no such step."""
    if type(step) is int and step == 0:
        return await _beginning(program, run_id, store)
    check_step(step, "explain(step=…)")
    events = await store.load(run_id, upto_step=step)
    last = events[-1].event
    if not isinstance(last, Stepped):
        raise TypeError(f"step {step} of run {run_id!r} is a {last.kind}")
    definition = program.definition
    before = fold(definition, events[:-1], run_id).state
    reason = "" if last.target else await _stop_reason(store, run_id, step)
    return explained_step(definition, run_id, step, before, last, (recorded.event for recorded in events), reason)


def explained_step(
    definition: Definition, run_id: str, step: int, before: State, stepped: Stepped, events: Iterable[Event], reason: str
) -> Explanation:
    """A step explained from the state `before` it. `events` are those among which a selector's answers are found.

    `reason` says why the run stopped after it, if it did.
    """
    after = advance(definition, replaced(before, status=None), stepped.turn())
    on = "limit" if stepped.move_limit else None
    explanation = explained_choice(definition, run_id, step, after, stepped, events, reason, on)
    return replace(
        explanation,
        error=f"{stepped.error.type}: {stepped.error.message}" if stepped.error else "",
        said=tuple(message.text for message in stepped.messages),
    )


def explained_choice(
    definition: Definition,
    run_id: str,
    step: int,
    choosing: State,
    chosen: Stepped | Moved | None,
    events: Iterable[Event],
    reason: str,
    on: On | None = None,
) -> Explanation:
    """A choice explained from the state in which it was made; `chosen` holds what came of it, None where nothing did."""
    recorded = (chosen.guards if chosen else None) or {}
    guards = guard_values(definition, choosing, on, _as_recorded(recorded))
    if chosen is not None and chosen.target is not None:
        guards = tuple(_as_asked(guard, recorded) for guard in guards)
    asked = list(_asked(events, chosen.path if chosen else beginning_path(0, 0)))
    return Explanation(
        run_id,
        step,
        choosing.node,
        guards,
        chosen.target if chosen else None,
        _edge(definition, chosen.edge if chosen else None),
        chosen.chosen_by if chosen else "",
        _answers(asked),
        reason,
        distribution=_distribution(asked, guards),
    )


async def _beginning(program: Program, run_id: str, store: Store) -> Explanation:
    """The choice of who begins, explained."""
    definition, events = program.definition, await store.load(run_id)
    place = beginning_path(0, 0)
    end, moved = next(
        (
            (position, event)
            for position, recorded in enumerate(events)
            if isinstance(event := recorded.event, Moved) and event.path == place
        ),
        (len(events), None),
    )
    before = replaced(fold(definition, events[:end], run_id).state, status=None)
    if before.node != START:
        raise InputError(f"run {run_id!r} began with {definition.start!r}, as its graph says; nothing was chosen before step 1")
    reason = "" if moved else await _stop_reason(store, run_id, 0)
    return explained_choice(definition, run_id, 0, before, moved, (recorded.event for recorded in events), reason)


def _edge(definition: Definition, index: int | None) -> Edge | None:
    return definition.edges[index] if index is not None and 0 <= index < len(definition.edges) else None


def _as_asked(guard: GuardValue, recorded: Mapping[str, bool]) -> GuardValue:
    """A guard that is code and was not evaluated, because an earlier way out was taken, has no value."""
    code = guard.edge.guard is not None and guard.edge.guard.opaque
    return replace(guard, value=NOT_ASKED) if code and str(guard.edge.index) not in recorded else guard


def _as_recorded(opaque: Mapping[str, bool]) -> Evaluate:
    """Guards as they were then: opaque ones by their recorded values."""

    def evaluate(edge: Edge, state: State) -> bool:
        if edge.guard is not None and edge.guard.opaque:
            return opaque.get(str(edge.index), False)
        return holds(edge, state)

    return evaluate


def _answers(asked: Iterable[EffectFinished]) -> tuple[str, ...]:
    return tuple(f"error: {event.error.message}" if event.error else _text(event.result) for event in asked)


def _asked(events: Iterable[Event], path: str) -> Iterator[EffectFinished]:
    """What was asked for the choice after the turn at `path`."""
    for event in events:
        if isinstance(event, EffectFinished) and without_attempts(event.path) == choice_path(path) and not is_inner(path):
            yield event


def _text(result: Any) -> str:
    answer = cast("dict[str, Any]", result) if isinstance(result, dict) else {"content": result}
    return str(answer.get("content", "") or answer.get("misfit", ""))


def _distribution(asked: Iterable[EffectFinished], guards: tuple[GuardValue, ...]) -> Distribution | None:
    replies = [event.result for event in asked if event.effect == "model" and event.error is None]
    answers = [(reply["content"], recorded_distribution(reply)) for reply in replies]
    return weighed(answers, (guard.edge.target for guard in guards if guard.value is True))


async def _stop_reason(store: Store, run_id: str, step: int) -> str:
    """The reason of the first stop after this step; empty where the run has not stopped there."""
    from convgraph.journal.events import Ended

    made = 0
    for recorded in await store.load(run_id):
        if isinstance(recorded.event, Stepped) and not is_inner(recorded.event.path):
            made += 1
        elif isinstance(recorded.event, Ended) and made == step:
            return f"{recorded.event.status}: {recorded.event.reason}"
    return ""
