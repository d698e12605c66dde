"""Exploring what a conversation can do: scripted turns tried on the pure machine, under the real guards."""

from __future__ import annotations

import itertools
import re
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from convgraph.errors import GuardError, InputError
from convgraph.graph.definition import END, START, Definition, Edge, Limits, On
from convgraph.graph.guards import Guard
from convgraph.graph.machine import Verdict, advance, holds, limit_reached, verdict
from convgraph.graph.paths.candidates import Literals, proposals
from convgraph.graph.paths.scripts import ScriptedTurn
from convgraph.graph.state import Move, State
from convgraph.plain_data import replaced

TRIES = 1_500
"""How many turns are tried at one place before its remaining transitions are given up there."""

FEW_TRIES, PATIENCE = 60, 20
"""How many turns are tried for a transition that was given up at so many places before."""

COUNTED = 200
"""Up to which number turns, visits and messages are told apart."""

_VISITS_OF = re.compile(r"""\bvisits\s*(?:\.\s*([A-Za-z_]\w*)|\[\s*["']([^"']+)["']\s*\])""")


class Position(NamedTuple):
    """A conversation in which `state.node` has the turn, under `limits`; `cut` says that those were lowered on the way.

    At START nobody has: a turn of START says nothing, and leaves the state as it is.
    """

    state: State
    limits: Limits
    cut: bool = False


class Step(NamedTuple):
    """A scripted turn, the transition that follows, and where that leads."""

    turn: ScriptedTurn
    edge: Edge
    after: Position


@dataclass
class Explorer:
    """Finds scripted turns for the transitions of one graph.

    It tries at most `effort` turns altogether, and remembers what it found at places that its guards cannot tell apart.
    `assumed` gives guards, by their edge's index, a fixed value.
    """

    graph: Definition
    assumed: Mapping[int, bool]
    effort: int
    tried: int = 0
    samples: dict[str, Position] = field(default_factory=dict[str, Position])
    _failures: Counter[int] = field(default_factory=Counter[int])
    _known: dict[Any, list[tuple[ScriptedTurn, int]]] = field(default_factory=dict[Any, list[tuple[ScriptedTurn, int]]])

    def __post_init__(self) -> None:
        after_errors = self.guards(tuple(edge for edge in self.graph.edges if edge.on == "error"))
        self._facts = _facts(self.guards(self.graph.edges), after_errors)

    @property
    def exhausted(self) -> bool:
        """Whether all effort is spent."""
        return self.tried >= self.effort

    def guards(self, edges: tuple[Edge, ...]) -> list[Guard]:
        """The guards of `edges` that are evaluated for real."""
        return [edge.guard for edge in edges if edge.guard is not None and edge.index not in self.assumed]

    def evaluate(self, edge: Edge, state: State) -> bool:
        """The guard's value: the assumed one, or its own."""
        assumed = self.assumed.get(edge.index)
        return holds(edge, state) if assumed is None else assumed

    def judge(self, at: Position, turn: ScriptedTurn) -> tuple[State, Verdict | GuardError | InputError]:
        """What the machine says after `turn`; its error where the turn does not fit or a guard cannot be evaluated."""
        self.tried += 1
        try:
            state = at.state if at.state.choosing else advance(self.graph, at.state, turn.event)
            return state, verdict(self.graph, state, at.limits, self.evaluate)
        except (GuardError, InputError) as error:
            return at.state, error

    def steps(self, at: Position, cuts: bool) -> Iterator[Step]:
        """A step for each transition that some turn at this place makes possible; with `cuts`, also by lowering the limit on turns."""
        self.samples.setdefault(at.state.node, at)
        if at.state.node == START:  # what may begin depends on the input, which no key tells apart
            yield from self.taken(at, ScriptedTurn(START))
            return
        known = self._known.get(key := (self.key(at), cuts))
        if known is not None:
            steps = [self._again(at, turn, index, cuts) for turn, index in known]
            if all(step is not None for step in steps):
                yield from (step for step in steps if step is not None)
                return
        found = list(self._found(at, cuts))
        self._known[key] = [(step.turn, step.edge.index) for step in found]
        yield from found

    def key(self, at: Position) -> Any:
        """What tells this place from others, as far as guards and limits can see."""
        state = at.state
        since = max(state.spent_limits.values(), default=None)
        spoken = () if since is None else frozenset(node for node, turn in state.last_turn.items() if turn > since)
        visits = {**state.visits, state.node: state.visits.get(state.node, 0) + 1}
        near = limit_reached(at.limits, replaced(state, turn=state.turn + 1, visits=visits, choosing=True)) is not None
        return (state.node, at.cut, near, spoken, *(fact(state) for fact in self._facts))

    def nearest(
        self, start: Position, rank: Callable[[Step], int], best: int, depth: int, cuts: bool = False
    ) -> tuple[int, list[Step]] | None:
        """The shortest way to a step of the lowest rank, breadth first; `best` is a rank that cannot be bettered.

        Ranks below 0 are no goal. None where there is no goal within `depth` steps.
        """
        reached: dict[int, tuple[int, Step]] = {}
        queue: deque[tuple[int, int, Position]] = deque([(0, 0, start)])
        seen = {self.key(start)}
        goal: tuple[int, int] | None = None
        while queue and not self.exhausted:
            number, length, at = queue.popleft()
            for step in self.steps(at, cuts):
                reached[index := len(reached) + 1] = (number, step)
                ranked = rank(step)
                if ranked >= 0 and (goal is None or ranked < goal[0]):
                    goal = (ranked, index)
                if ranked == best:
                    return ranked, _way(reached, index)
                if step.edge.target != END and length + 1 < depth and (key := self.key(step.after)) not in seen:
                    seen.add(key)
                    queue.append((index, length + 1, step.after))
        return None if goal is None else (goal[0], _way(reached, goal[1]))

    def _found(self, at: Position, cuts: bool) -> Iterator[Step]:
        node = at.state.node
        for on in ("reply", "error"):
            if edges := self.graph.out(node, on):
                yield from self._search(at, on, edges)
        if cuts and not at.cut and (edges := self.graph.out(node, "limit")):
            found = list(self._search(lowered(at), "reply", edges))
            yield from found
            if missing := tuple(edge for edge in edges if all(step.edge != edge for step in found)):
                yield from self._search(lowered(at), "error", missing)  # where every reply leads to the end, a failure does not

    def _search(self, at: Position, on: On, wanted: tuple[Edge, ...]) -> Iterator[Step]:
        """Steps for as many of the `wanted` transitions as turns are found, the simplest turn for each."""
        considered = tuple(dict.fromkeys((*wanted, *self.graph.out(at.state.node, on))))
        turns = proposals(at.state.node, self.guards(considered), at.state, on)
        missing = {edge.index for edge in wanted}
        for tried, turn in enumerate(itertools.islice(turns, TRIES), 1):
            for step in self.taken(at, turn):
                if step.edge.index in missing:
                    missing.discard(step.edge.index)
                    yield step
                    yield from self._preparing(at, step)
            if not missing or self.exhausted or (tried == FEW_TRIES and all(self._failures[index] >= PATIENCE for index in missing)):
                break
        if on == "reply":
            for step in self._handed_over(at, sorted(missing)):
                missing.discard(step.edge.index)
                yield step
                yield from self._preparing(at, step)
        self._failures.update(missing)

    def _preparing(self, at: Position, step: Step) -> Iterator[Step]:
        """The same step with other turns: a node that then raises can set nothing itself, so what its error edges ask for must be there."""
        if step.edge.target == END or step.turn.error is not None:
            return
        for edge in self.graph.out(step.edge.target, "error"):
            guards = self.guards((edge,))
            if not guards or not guards[0].reads & {"state", "last", "messages"} or self._would_fire(edge, step):
                continue
            around = (edge, *self.graph.out(at.state.node))
            for turn in itertools.islice(proposals(at.state.node, self.guards(around), at.state, "reply"), FEW_TRIES):
                turn = replace(turn, goto=step.turn.goto)
                other = next((other for other in self.taken(at, turn) if other.edge == step.edge), None)
                if other is not None and self._would_fire(edge, other):
                    yield other
                    break

    def _would_fire(self, edge: Edge, step: Step) -> bool:
        """Whether the error edge is enabled if the node that the step leads to raises."""
        for turn in itertools.islice(proposals(edge.source, self.guards((edge,)), step.after.state, "error"), FEW_TRIES):
            try:
                if self.evaluate(edge, advance(self.graph, step.after.state, turn.event)):
                    return True
            except GuardError:
                continue
        return False

    def _handed_over(self, at: Position, indexes: list[int]) -> Iterator[Step]:
        """Steps for transitions that order or priority puts behind others, so that only a handoff takes them."""
        for index in indexes:
            edge = self.graph.edge(index)
            for turn in itertools.islice(proposals(at.state.node, self.guards((edge,)), at.state, "reply"), FEW_TRIES):
                handed = replace(turn, goto=edge.target)
                step = next((step for step in self.taken(at, handed) if step.edge.index == index), None)
                if step is not None:
                    yield step
                    break

    def taken(self, at: Position, turn: ScriptedTurn) -> Iterator[Step]:
        """The steps that the machine allows after `turn`."""
        state, verdict = self.judge(at, turn)
        if not isinstance(verdict, Verdict):
            return
        for edge in {edge.target: edge for edge in reversed(verdict.edges)}.values():  # selectors choose among targets
            after = advance(self.graph, state, Move(edge.target, edge.index, limit=verdict.limit))
            scripted = replace(turn, edge=edge.index, target=edge.target, chosen=len(verdict.edges) > 1, limit=verdict.limit)
            yield Step(scripted, edge, at._replace(state=after))

    def _again(self, at: Position, turn: ScriptedTurn, index: int, cuts: bool) -> Step | None:
        fires = (
            cuts and turn.limit == "turns" and not at.cut and limit_reached(at.limits, replaced(at.state, turn=at.state.turn + 1)) is None
        )
        return next((step for step in self.taken(lowered(at) if fires else at, turn) if step.edge.index == index), None)


def lowered(at: Position) -> Position:
    """The same place with the limit on turns lowered so that the coming turn reaches it."""
    return at._replace(limits=replace(at.limits, turns=at.state.turn + 1), cut=True)


def _way(reached: Mapping[int, tuple[int, Step]], index: int) -> list[Step]:
    way: list[Step] = []
    while index:
        index, step = reached[index]
        way.append(step)
    return way[::-1]


def _facts(guards: list[Guard], after_errors: list[Guard]) -> list[Callable[[State], Any]]:
    """What the guards read and a coming turn cannot simply set: for telling places apart."""
    reads = frozenset[str]().union(*(guard.reads for guard in guards))
    literals = Literals.of(guards)
    bound = min(max([int(number) for number in literals.numbers] or [1]) + 2, COUNTED)
    facts: list[Callable[[State], Any]] = []
    if "turn" in reads:
        facts.append(lambda state: min(state.turn, bound))
    if reads & {"visits", "messages"}:
        names = _visits_read(guards)
        facts.append(lambda state: tuple(min(state.visits.get(name, 0), bound) for name in names or state.visits))
    if "messages" in reads:
        facts.append(lambda state: min(len(state.history), bound))
        facts.append(lambda state: frozenset(text for text in literals.texts if any(text in message.text for message in state.history)))
    if {"last", "declined"} <= reads or any("last" in guard.reads for guard in after_errors):
        facts.append(lambda state: state.history[-1].text if len(state.history) else "")
    if "state" in reads:
        keys = _state_read(guards)
        facts.append(lambda state: repr(state.dump_data(keys)))
    if "usage" in reads:
        facts.append(lambda state: tuple(min(spent, bound) for spent in (*state.usage, state.usage.tokens)))
    return facts


def _visits_read(guards: list[Guard]) -> tuple[str, ...]:
    """The nodes whose visits the guards read; empty: all."""
    names: dict[str, None] = {}
    for guard in guards:
        found = [first or second for first, second in _VISITS_OF.findall(guard.text)]
        if "messages" in guard.reads or ("visits" in guard.reads and len(found) < guard.text.count("visits")):
            return ()
        names.update(dict.fromkeys(found))
    return tuple(names)


def _state_read(guards: list[Guard]) -> frozenset[str] | None:
    """The fields of the state that the guards read; None: all."""
    keys: set[str] = set()
    for guard in guards:
        if "state" in guard.reads:
            named: frozenset[str] | None = getattr(guard, "state_keys", None)
            if named is None:
                return None
            keys |= named
    return frozenset(keys)
