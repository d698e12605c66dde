"""From a journal to where the run stands: the state, its limits, and what is known of an unfinished turn."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, cast

from convgraph.errors import StoreCorrupt
from convgraph.graph.definition import Definition, Limits
from convgraph.graph.machine import advance, advance_steps, begin, resumed
from convgraph.graph.state import Edit, End, Move, State, Turn
from convgraph.journal.events import Edited, Ended, Event, Moved, Recorded, Resumed, RunStarted, Stepped
from convgraph.journal.turn_paths import is_inner
from convgraph.plain_data import replaced
from convgraph.runtime.ledger import Ledger


@dataclass(slots=True)
class Standing:
    """Where a run stands. `unfinished` tells of the turn it is in, `definition` is the digest of the graph it was last run with,
    `pending` holds events that a migration adds when the run goes on, `trace` is where it was last traced.
    """

    state: State
    limits: Limits
    unfinished: Ledger
    fingerprint: str
    definition: str
    started: RunStarted
    pending: list[Event] = field(default_factory=list[Event])
    trace: str = ""


def fold(definition: Definition, events: Iterable[Recorded], run_id: str) -> Standing:
    """Where the events lead. Raises `StoreCorrupt` for a journal that does not begin with `RunStarted`.

    What comes before the last migration was made by other graphs, whose state this one does not know: it is folded
    without it, and the migration says what the state is from there on.
    """
    events = list(events)
    turned = last_migration(events)
    earlier = replace(definition, state=None) if turned else definition
    standing = begun(earlier, events[0].event if events else None, run_id)
    _go_on_with_all(earlier, standing, events[1:turned])
    _go_on_with_all(definition, standing, events[max(turned, 1) :])
    return standing


def begun(definition: Definition, started: Event | None, run_id: str) -> Standing:
    """Where a run stands after its first event. Raises `StoreCorrupt` for one that does not begin with `RunStarted`."""
    if not isinstance(started, RunStarted):
        raise StoreCorrupt(f"run {run_id!r}: the journal does not begin with a run_started event", run_id, 0)
    state = begin(definition, started.messages, started.state)
    return Standing(state, limits_from(started.limits), Ledger(), started.fingerprint, started.definition, started, trace=started.trace)


def go_on(definition: Definition, standing: Standing, event: Event) -> None:
    """Bring where a run stands up to its next event."""
    standing.state = _after(definition, standing.state, event, standing)


def _go_on_with_all(definition: Definition, standing: Standing, events: Sequence[Recorded]) -> None:
    """The same for many events: of steps that follow one another, the states in between are not made."""
    steps: list[tuple[Turn, Move | None]] = []
    for recorded in events:
        event = recorded.event
        if isinstance(event, Stepped) and not is_inner(event.path):
            if not steps:
                standing.unfinished.clear()
            steps.append((event.turn(), event.move()))
            continue
        standing.state, steps = advance_steps(definition, standing.state, steps), []
        go_on(definition, standing, event)
    standing.state = advance_steps(definition, standing.state, steps)


def last_migration(events: Sequence[Recorded]) -> int:
    """The position of the last migration among the events; 0 where there is none."""
    return max((position for position, recorded in enumerate(events) if is_migration(recorded.event)), default=0)


def is_migration(event: Event) -> bool:
    """Whether the run was given over to another graph here."""
    return isinstance(event, Edited) and event.why == "migrated"


def migrated(definition: Definition, state: State, mark: Edited) -> State:
    """The state of a run of another graph, given over to this one. Raises `InputError` where the migrated data does not fit."""
    data = definition.state.initial(mark.data) if definition.state is not None else None
    visits = {**dict.fromkeys(definition.speakers, 0), **state.visits}
    return advance(definition, replaced(state, schema=definition.state, data=data, visits=visits), as_edit(mark))


def versions(events: Iterable[Recorded]) -> list[tuple[str, str]]:
    """Fingerprint and document digest of each version that the run was run with since it was last migrated, oldest first."""
    found: list[tuple[str, str]] = []
    for recorded in events:
        event = recorded.event
        if isinstance(event, RunStarted | Resumed | Edited) and event.fingerprint:
            found = [*([] if is_migration(event) else found), (event.fingerprint, event.definition)]
    return found


def _after(definition: Definition, state: State, event: Any, standing: Standing) -> State:
    if isinstance(event, Stepped) and not is_inner(event.path):
        if standing.unfinished:
            standing.unfinished.clear()
        return advance_steps(definition, state, [(event.turn(), event.move())])
    if isinstance(event, Moved) and not is_inner(event.path):
        if standing.unfinished:
            standing.unfinished.clear()
        return advance(definition, state, event.move())
    if isinstance(event, Ended):
        return advance(definition, state, End(event.status, event.reason))
    if isinstance(event, Resumed):
        if event.limits is not None:
            standing.limits = limits_from(event.limits)
        standing.trace = event.trace or standing.trace
        _note_graph(standing, event)
        return resumed(state)
    if isinstance(event, Edited):
        standing.trace = event.trace or standing.trace
        _note_graph(standing, event)
        if event.node is not None:
            standing.unfinished.clear()
        return migrated(definition, state, event) if is_migration(event) else advance(definition, state, as_edit(event))
    standing.unfinished.add(event)
    return state


def as_edit(event: Edited) -> Edit:
    """The edit, for the machine."""
    return Edit(event.node, event.last, event.messages, event.update, event.data, event.choosing)


def limits_from(document: dict[str, Any]) -> Limits:
    """Limits from their journaled form."""
    return Limits(**document)


def limits_document(limits: Limits) -> dict[str, Any]:
    """Limits in their journaled form: what is set, and nothing else."""
    given = ((item.name, getattr(limits, item.name)) for item in fields(limits))
    return {
        name: dict(cast("Mapping[str, Any]", value)) if isinstance(value, Mapping) else value for name, value in given if value is not None
    }


def _note_graph(standing: Standing, event: Resumed | Edited) -> None:
    if event.fingerprint:
        standing.fingerprint = event.fingerprint
        standing.definition = event.definition
