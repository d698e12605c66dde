"""A run's journal, folded as it grows: a row for each step, and the state at any step at the cost of a few dozen.

States are immutable and share their histories, so that one is kept every `EVERY` steps; others are folded again from there, by the same
functions by which the interpreter and a resume fold.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from convgraph.drawing.overlay import Tracer
from convgraph.drawing.picture import edge_id, join_path
from convgraph.errors import ConvgraphError, InputError, InternalError
from convgraph.graph.definition import Definition, Limits
from convgraph.graph.state import State
from convgraph.journal.events import BranchFinished, Edited, EffectFinished, Ended, Event, Moved, Recorded, Resumed, RunStarted, Stepped
from convgraph.journal.turn_paths import around, is_inner, outermost, without_attempts
from convgraph.messages import NO_USAGE, Message, Usage
from convgraph.runtime.fold import Standing, begun, go_on, last_migration
from convgraph.runtime.ledger import Ledger
from convgraph.studio.said import beginning, is_plain
from convgraph.studio.schemas.steps import StepRow

EVERY = 32
"""Steps between two states that are kept."""
_IN_PLAIN_SIGHT = frozenset({"model", "clock", "random", "timer"})
"""Effects of which a row says enough by counting them."""


@dataclass(frozen=True, slots=True)
class Stand:
    """Where the run stood at a step: its state, the limits then in force, and how often each node had had the turn."""

    state: State
    limits: Limits
    visits: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class _Kept:
    """A state that is kept: what follows the event at `position` leads on from it; `outer` is how many such changes come before."""

    position: int
    outer: int
    stand: Stand


class Timeline:
    """All that is known of a run, up to its latest event.

    `definition` is the graph that it is shown on; `rows` has one for each step, `news` the events that made or changed one: the event's
    number and the step's. `problem` says why the run cannot be folded any further, if it cannot: rows go on all the same.
    """

    def __init__(self, run_id: str, definition: Definition, problem: str = "", events: Sequence[Recorded] = ()) -> None:
        """`events` are those known so far, for what they say of the graph; `add` takes them in."""
        self.run_id = run_id
        self.definition = definition
        self.events: list[Recorded] = []
        self.rows: list[StepRow] = []
        self.news: list[tuple[int, int]] = []
        self.problem = problem
        self.tracer = Tracer(definition)
        self._turned = last_migration(events)
        self._earlier = replace(definition, state=None) if self._turned else definition
        self._standing: Standing | None = None
        self._ends: list[int] = []
        self._outer: list[int] = []
        self._kept: list[_Kept] = []
        self._visits: dict[str, int] = {}
        self._inside: dict[str, int] = {}
        self._spent = NO_USAGE

    @property
    def total(self) -> int:
        """How many steps there are."""
        return len(self.rows)

    @property
    def last_seq(self) -> int:
        """The number of the latest event; 0 before the first."""
        return self.events[-1].seq if self.events else 0

    @property
    def usage(self) -> Usage:
        """What the run has cost so far, the turn that is not over included."""
        return self._spent if self._standing is None else self._standing.state.usage + self._spent

    @property
    def running(self) -> Usage:
        """What the turn that is not over has cost so far."""
        return self._spent

    @property
    def migrated_after(self) -> int:
        """The step after which the run was given over to the graph that it is shown on; 0 where it never was."""
        return bisect_left(self._ends, self._turned) if self._turned else 0

    def add(self, events: Iterable[Recorded]) -> None:
        """Take in what follows."""
        for recorded in events:
            self.events.append(recorded)
            self._fold(recorded.event)
            self._trace(recorded.event)
            self._note(len(self.events) - 1, recorded)

    def stand(self, step: int | None = None) -> Stand:
        """Where the run stood after a step and what followed until the next turn; without a step, where it stands.

        Raises `InputError` where it cannot be told.
        """
        if self._standing is None or self.problem:
            raise InputError(self.problem or f"run {self.run_id!r} has not begun")
        if step is None:
            return Stand(self._standing.state, self._standing.limits, dict(self._visits))
        return self._stand_at(self._ends[step] if step < len(self._ends) else len(self.events))

    def stand_before(self, event: Event) -> State:
        """The state before an event that is the run's own. Raises `InputError` where it cannot be told."""
        if self._standing is None or self.problem:
            raise InputError(self.problem or f"run {self.run_id!r} has not begun")
        return self._stand_at(next(position for position in reversed(self._outer) if self.events[position].event is event)).state

    def _stand_at(self, stop: int) -> Stand:
        """Where the run stood when this many events had been recorded."""
        if self._standing is None:
            raise InternalError("a run is begun before it is gone on with")
        kept = self._kept[bisect_left(self._kept, stop, key=lambda one: one.position) - 1]
        scratch = replace(self._standing, state=kept.stand.state, limits=kept.stand.limits, unfinished=Ledger())
        for position in self._outer[kept.outer : bisect_left(self._outer, stop)]:
            go_on(self._definition_at(position), scratch, self.events[position].event)
        visits = dict(kept.stand.visits)
        for recorded in self.events[kept.position + 1 : stop]:
            self._count(recorded.event, visits)
        return Stand(scratch.state, scratch.limits, visits)

    def step(self, step: int) -> Stepped:
        """The event of a step, from 1."""
        event = self.events[self._ends[step - 1]].event
        if not isinstance(event, Stepped):
            raise InternalError(f"run {self.run_id!r}: step {step} is a {event.kind}")
        return event

    def turn(self, step: int) -> list[Recorded]:
        """What was recorded of a turn, up to the step itself; of the one after the last, what is known so far."""
        if step == 0:
            return []
        first = self._ends[step - 2] + 1 if step > 1 else 1
        return self.events[first : self._ends[step - 1] + 1 if step <= len(self._ends) else len(self.events)]

    def aftermath(self, step: int) -> list[Recorded]:
        """What was recorded after a step and before the next one; for 0, before the first."""
        first = self._ends[step - 1] + 1 if step else 0
        return self.events[first : self._ends[step] if step < len(self._ends) else len(self.events)]

    def since(self, seq: int) -> Iterator[tuple[int, int]]:
        """The steps that were made or changed by events after this one, each once: the number of the latest such event, and the step."""
        latest: dict[int, int] = {}
        for number, step in self.news[bisect_right(self.news, (seq, 2**62)) :]:
            latest.pop(step, None)
            latest[step] = number
        for step, number in latest.items():
            yield number, step

    def under_way(self, seq: int) -> list[Recorded]:
        """What was recorded of the turn that is not over, after this event."""
        first = self._ends[-1] + 1 if self._ends else 0
        return self.events[max(first, bisect_right(self.events, seq, key=lambda recorded: recorded.seq)) :]

    def inner_row(self, recorded: Recorded, longest: int) -> StepRow | None:
        """The row of a turn that is nested in another, or of a group's branch; None for any other event."""
        event = recorded.event
        if isinstance(event, BranchFinished):
            return self._row(recorded, event.path, self.tracer.place(event.path), event.messages, longest)
        if not isinstance(event, Stepped) or not is_inner(event.path):
            return None
        row = self._row(recorded, event.path, self.tracer.place(event.path), event.messages, longest)
        return row.model_copy(update=self._sums(event, self.tracer.place(around(event.path))))

    def _definition_at(self, position: int) -> Definition:
        return self.definition if position >= self._turned else self._earlier

    def _trace(self, event: Event) -> None:
        position = len(self.events) - 1
        if self.problem or position < self._turned:
            return  # another graph's turns are in no picture of this one
        try:
            if self._turned and position == self._turned and self._standing is not None:
                self.tracer.go_on_from(self._standing.state)
            else:
                self.tracer.see(event)
        except ConvgraphError as error:
            self.problem = self.problem or str(error)

    def _fold(self, event: Event) -> None:
        if self.problem:
            return
        try:
            if self._standing is None:
                self._standing = begun(self._definition_at(0), event, self.run_id)
            else:
                go_on(self._definition_at(len(self.events) - 1), self._standing, event)
        except ConvgraphError as error:
            self.problem = f"the journal cannot be followed with this graph: {error}"

    def _note(self, position: int, recorded: Recorded) -> None:
        event = recorded.event
        self._count(event, self._visits)
        if isinstance(event, EffectFinished):
            self._inside[event.effect] = self._inside.get(event.effect, 0) + 1
            self._spent += event.usage
        if isinstance(event, RunStarted):
            self._keep(position)
        elif isinstance(event, Ended | Resumed) or (
            isinstance(event, Stepped | Moved | Edited) and not is_inner(getattr(event, "path", ""))
        ):
            self._outer.append(position)
        if isinstance(event, Stepped) and not is_inner(event.path):
            self._stepped(position, recorded, event)
        elif isinstance(event, Moved) and not is_inner(event.path):
            self._moved(recorded, event)
        elif isinstance(event, Edited):
            self._edited(recorded, event)

    def _stepped(self, position: int, recorded: Recorded, event: Stepped) -> None:
        done, self._inside, self._spent = self._inside, {}, NO_USAGE
        row = self._row(recorded, without_attempts(event.path), event.node, event.messages)
        more = not is_plain(event.messages) or event.inner_turns > 0 or not done.keys() <= _IN_PLAIN_SIGHT
        self.rows.append(
            row.model_copy(
                update={**self._sums(event, ""), "step": len(self.rows) + 1, "inner": event.inner_turns, "effects": done, "more": more}
            )
        )
        self._ends.append(position)
        self.news.append((recorded.seq, len(self.rows)))
        if len(self.rows) % EVERY == 0:
            self._keep(position)

    def _moved(self, recorded: Recorded, event: Moved) -> None:
        self._spent = NO_USAGE
        if self.rows and without_attempts(event.path) == self.rows[-1].path:  # otherwise it is chosen who begins
            tokens = self.rows[-1].tokens + event.usage.tokens
            self._change(recorded, target=event.target, edge=self._edge(event.edge), tokens=tokens, usd=self.rows[-1].usd + event.usage.usd)

    def _edited(self, recorded: Recorded, event: Edited) -> None:
        if not self.rows:
            return
        if event.last is not None:
            self._change(recorded, text=beginning([event.last]), sender=event.last.sender, edited=True, more=not is_plain([event.last]))
        elif event.update is not None and event.why == "forked":
            self._change(recorded, edited=True)
        if event.messages:
            self._change(recorded, then=beginning(event.messages))

    def _change(self, recorded: Recorded, **values: Any) -> None:
        self.rows[-1] = self.rows[-1].model_copy(update=values)
        self.news.append((recorded.seq, len(self.rows)))

    def _row(self, recorded: Recorded, path: str, node: str, messages: Sequence[Message], longest: int | None = None) -> StepRow:
        senders = {message.sender for message in messages}
        return StepRow(
            step=int(outermost(path).partition("+")[0]),
            seq=recorded.seq,
            path=path,
            node=node,
            sender=senders.pop() if len(senders) == 1 else node.rpartition("/")[2],
            text=beginning(messages) if longest is None else beginning(messages, longest),
            target=None,
            edge=None,
            at=recorded.at,
            seconds=0.0,
            tokens=0,
            usd=0.0,
        )

    def _sums(self, event: Stepped, place: str) -> dict[str, Any]:
        """What a row says besides who spoke: where it went, what it cost, what went wrong."""
        spent = event.usage + event.move_usage
        return {
            "target": event.target,
            "edge": self._edge(event.edge, place),
            "seconds": event.seconds,
            "tokens": spent.tokens,
            "usd": spent.usd,
            "error": f"{event.error.type}: {event.error.message}" if event.error is not None else "",
        }

    def _edge(self, index: int | None, place: str = "") -> str | None:
        return edge_id(place, index) if index is not None and index >= 0 else None

    def _count(self, event: Event, visits: dict[str, int]) -> None:
        if not isinstance(event, Stepped):
            return
        place = self.tracer.places.get(without_attempts(event.path))
        if place is None:
            return
        visits[place] = visits.get(place, 0) + 1
        for branch, times in (event.visits or {}).items():
            visits[join_path(place, branch)] = visits.get(join_path(place, branch), 0) + times

    def _keep(self, position: int) -> None:
        if self._standing is not None and not self.problem:
            stand = Stand(self._standing.state, self._standing.limits, dict(self._visits))
            self._kept.append(_Kept(position, len(self._outer), stand))
