"""A run's journal as an overlay for the picture of its graph.

The conversation and everything nested in it are folded by the machine, just as the interpreter did it, and each
event is laid on the picture's ids: the turn `12` of node `review` and its inner turn `12/3` of `critic` are visits of
`review` and of `review/critic`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from convgraph.drawing.picture import Overlay, edge_id, join_path
from convgraph.errors import GuardError, InputError
from convgraph.graph.definition import END, START, Definition, Edge, Node
from convgraph.graph.machine import advance, begin, outcome, resumed
from convgraph.graph.state import Edit, End, Move, State
from convgraph.journal.events import BranchFinished, Edited, EffectFinished, Ended, Event, Moved, Recorded, Resumed, RunStarted, Stepped
from convgraph.journal.turn_paths import around, conversation_name, is_choice, is_frame, is_numbered, last_part, turn_path, without_attempts
from convgraph.messages import NO_USAGE, Message, Usage
from convgraph.runtime.fold import fold, last_migration


def overlay(graph: Definition, events: Iterable[Recorded | Event], *, run_id: str = "") -> Overlay:
    """What the run recorded in `events` did, for a picture of `graph`: of a migrated run, what it did since.

    Raises `InputError` where the events name a node that the graph does not have: they are another graph's.
    """
    tracer = Tracer(graph)
    record = [item if isinstance(item, Recorded) else Recorded(number, 0.0, item) for number, item in enumerate(events, 1)]
    turned = last_migration(record)
    if turned:
        tracer.go_on_from(fold(graph, record[: turned + 1], run_id).state)
    for recorded in record[turned + 1 if turned else 0 :]:
        tracer.see(recorded.event)
    return tracer.overlay(run_id)


@dataclass(slots=True)
class _Talk:
    """One conversation of the run: the outermost, or one nested in a node. `place` is that node's id in the picture."""

    graph: Definition
    place: str
    state: State


@dataclass(frozen=True, slots=True)
class _Choice:
    """A node as it was left: the state in which its ways out were considered, and its opaque guards' recorded values."""

    graph: Definition
    node: str
    state: State
    recorded: Mapping[str, bool]

    def refused(self) -> Iterator[Edge]:
        """The ways out whose guard was false, or could not be evaluated. Those that were not asked are not refused."""
        for edge in self.graph.out(self.node, outcome(self.state)):
            if not self._held(edge):
                yield edge
            elif self.graph.select_at(self.node) == "first":
                return

    def _held(self, edge: Edge) -> bool:
        if edge.guard is None:
            return True
        if edge.guard.opaque:
            return self.recorded.get(str(edge.index), True)
        try:
            return edge.guard(self.state)
        except GuardError:
            return False


class Tracer:
    """Folds events, and counts them by the picture's ids: for a run that is still going on, one event after the other.

    Conversations are found by the path of the attempt they are nested in, everything else by paths without
    attempts. What was nested in a node that has nothing inside (a tool that consulted an agent) is in no picture:
    its cost counts for that node.
    """

    def __init__(self, graph: Definition) -> None:
        self.graph = graph
        self.talks: dict[str, _Talk] = {}
        self.choices: dict[tuple[str, str], _Choice] = {}
        self.places: dict[str, str] = {}
        self.visits: dict[str, int] = {}
        self.spent: dict[str, Usage] = {}
        self.chosen_after: dict[str, str] = {}
        self.choosing: dict[str, Usage] = {}
        self.taken: dict[str, list[str]] = {}
        self.branches: dict[str, str] = {}
        self.ended: Ended | None = None

    def go_on_from(self, state: State) -> None:
        """Begin in the middle: what led to `state` was done by another graph."""
        self.talks[""] = _Talk(self.graph, "", state)

    def see(self, event: Event) -> None:
        """Lay one event on the picture."""
        if isinstance(event, RunStarted):
            self.talks[""] = _Talk(self.graph, "", begin(self.graph, event.messages, event.state))
        elif isinstance(event, Stepped):
            self._step(event)
        elif isinstance(event, Moved):
            self._moved(event)
        elif isinstance(event, BranchFinished):
            place, node = self._resolve(event.path)
            if node is not None:
                self.branches[without_attempts(event.path)] = place
        elif isinstance(event, EffectFinished):
            self._effect(event)
        elif isinstance(event, Edited | Resumed | Ended):
            self._outer(event)

    def place(self, path: str) -> str:
        """The picture's id of where a path lies: a node or branch, or the innermost around it that is in the picture."""
        path = turn_path(path)
        return self.places.get(path) or self._resolve(path)[0]

    def current(self) -> str | None:
        """Where the run is: the innermost node that has the turn; where a nested conversation has just ended, the node around it."""
        outer = self.talks.get("")
        if outer is None or outer.state.node == END:
            return None
        current = outer.state.node
        turn = str(outer.state.turn + 1)
        for path, talk in self.talks.items():
            if not outer.state.choosing and without_attempts(path).partition("/")[0] == turn:
                current = join_path(talk.place, talk.state.node) if talk.state.node != END else talk.place
        return current

    def overlay(self, run_id: str) -> Overlay:
        """What was seen."""
        visits = dict(self.visits)
        for place in self.branches.values():
            visits[place] = visits.get(place, 0) + 1
        usage: dict[str, Usage] = {}
        for path, spent in self.spent.items():
            if path in self.places:
                usage[self.places[path]] = usage.get(self.places[path], NO_USAGE) + spent
        choosing: dict[str, Usage] = {}
        for path, place in self.chosen_after.items():
            choosing[place] = choosing.get(place, NO_USAGE) + self.choosing[path]
        return Overlay(
            run_id,
            self.ended.status if self.ended else "running" if self.talks else "",
            self.ended.reason if self.ended else "",
            self.current(),
            visits,
            usage,
            {edge: tuple(steps) for edge, steps in self.taken.items()},
            frozenset(edge_id(place, edge.index) for (place, _), choice in self.choices.items() for edge in choice.refused()),
            choosing,
        )

    def _step(self, event: Stepped) -> None:
        talk = self._talk(around(event.path))
        if talk is None:
            return
        if event.node not in talk.graph.nodes:
            raise InputError(
                f"the run has a turn of {event.node!r}, which graph {talk.graph.name!r} does not have: it is a run of another graph"
            )
        path, place = without_attempts(event.path), join_path(talk.place, event.node)
        self.places[path] = place
        self.spent[path] = event.usage
        self._count(place)
        self._count_branches(path, place, event.visits)
        talk.state = advance(talk.graph, talk.state, event.turn())
        self.choices[talk.place, event.node] = _Choice(talk.graph, event.node, talk.state, event.guards or {})
        if (move := event.move()) is not None:
            self._take(talk, path, move)
            self._count_choice(path, place, move.usage)

    def _moved(self, event: Moved) -> None:
        talk = self._talk(around(event.path))
        if talk is None:
            return
        node, path = talk.state.node, without_attempts(event.path)
        self.choices[talk.place, node] = _Choice(talk.graph, node, talk.state, event.guards or {})
        self._take(talk, path, event.move())
        self._count_choice(path, join_path(talk.place, node), event.usage)

    def _outer(self, event: Edited | Resumed | Ended) -> None:
        talk = self._talk("")
        if talk is None:
            return
        self.ended = event if isinstance(event, Ended) else None
        if isinstance(event, Edited):
            edit = Edit(event.node, event.last, event.messages, event.update, event.data, event.choosing)
            talk.state = advance(talk.graph, talk.state, edit)
        elif isinstance(event, Resumed):
            talk.state = resumed(talk.state)
        else:
            if talk.state.node == START and event.status == "stuck":
                self.choices[talk.place, START] = _Choice(talk.graph, START, talk.state, {})
            talk.state = advance(talk.graph, talk.state, End(event.status, event.reason))

    def _effect(self, event: EffectFinished) -> None:
        """Count what it cost for its turn and all turns around that; a finished turn brings its own sum."""
        path = event.path
        if is_choice(path):  # it is made between two turns
            place, node = self._resolve(turn_path(path))
            if node is not None or last_part(place) == START:
                spent = self.choosing.get(turn_path(path), NO_USAGE) + event.usage
                self._count_choice(turn_path(path), place, spent)
            path = around(path)
        while path:
            place, node = self._resolve(path)
            if node is not None and not is_frame(path):  # what the turn's code has opened is part of that turn's cost
                self.places[without_attempts(path)] = place
            self.spent[without_attempts(path)] = self.spent.get(without_attempts(path), NO_USAGE) + event.usage
            path = around(path)

    def _take(self, talk: _Talk, path: str, move: Move) -> None:
        if move.edge >= 0:
            self.taken.setdefault(edge_id(talk.place, move.edge), []).append(path)
        talk.state = advance(talk.graph, talk.state, move)

    def _count_choice(self, path: str, place: str, usage: Usage) -> None:
        """Count what a choice cost; a transition brings the sum of its choice's calls, if there were any."""
        if any(usage):
            self.chosen_after[path], self.choosing[path] = place, usage

    def _count(self, place: str, times: int = 1) -> None:
        self.visits[place] = self.visits.get(place, 0) + times

    def _count_branches(self, path: str, place: str, counts: Mapping[str, int] | None) -> None:
        """The finished group knows how often its branches had their say; until then, their own events count."""
        for branch in [branch for branch in self.branches if around(branch) == path]:
            finished = self.branches.pop(branch)
            if counts is None:
                self._count(finished)
        for name, times in (counts or {}).items():
            self._count(join_path(place, name), times)

    def _talk(self, path: str) -> _Talk | None:
        """The conversation nested in the turn or branch at `path` (the outermost: the empty path), or None if the graph has none."""
        if path not in self.talks:
            place, node = self._resolve(path) if path else ("", None)
            graph = self.graph if not path else node.inner if node is not None else None
            if graph is None:
                return None
            self.talks[path] = _Talk(graph, place, begin(graph, self._last_around(path)))
        return self.talks[path]

    def _last_around(self, path: str) -> tuple[Message, ...]:
        """What a nested conversation starts from: the last message of the one around it."""
        while path:
            path = around(path)
            if path in self.talks:
                return tuple(self.talks[path].state.history[-1:])
        return ()

    def _resolve(self, path: str) -> tuple[str, Node | None]:
        """The picture's id of what is at a path, and its node: the turn's, or a group's branch. None where it is in no picture."""
        if not path:
            return "", None
        parent, last = around(path), without_attempts(last_part(path))
        if is_numbered(last):
            talk = self._talk(parent)
            if talk is None:
                return "", None
            place = self.places.get(without_attempts(path)) or join_path(talk.place, talk.state.node)
            return place, talk.graph.nodes.get(place.rpartition("/")[2])
        place, group = self._resolve(parent)
        if is_frame(last):
            own = group is not None and group.inner is not None and group.inner.name == conversation_name(last)
            return place, group if own else None
        for branch in group.branches if group is not None else ():
            if branch.name == last or last.startswith("#"):
                return join_path(place, branch.name), branch
        return place, None
