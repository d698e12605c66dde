"""Tests from the model: scripted conversations that together take every transition of a graph.

The search is greedy: from where a conversation stands, it goes the shortest way (breadth first over the pure
machine, with the real guards) to the nearest transition not taken yet, as long as there is one, and then to the
end. That gives few conversations, not provably the fewest.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any, Literal

from convgraph.errors import DefinitionError, InputError
from convgraph.graph.coverage import graphs_within
from convgraph.graph.definition import END, START, Definition, Edge
from convgraph.graph.guards import Guard
from convgraph.graph.machine import Verdict, advance, begin
from convgraph.graph.paths.candidates import Literals, plain, proposals, values_of
from convgraph.graph.paths.exploration import FEW_TRIES, TRIES, Explorer, Position, Step, lowered
from convgraph.graph.paths.scripts import Paths, ScriptedPath, ScriptedTurn, Uncovered
from convgraph.messages import Message
from convgraph.plain_data import replaced

OPENING = "Begin."


def paths(
    definition: Definition,
    cover: Literal["edges", "nodes"] = "edges",
    *,
    assume: Mapping[str, bool] | None = None,
    state: Mapping[str, Any] | None = None,
    subgraphs: bool = True,
    max_turns: int = 200,
    effort: int = 100_000,
) -> Paths:
    """Scripted conversations that together take every transition (or visit every node) of `definition`.

    A sub-graph, a parallel group and a `ForEach` are one speaker each; with `subgraphs`, the graphs inside get
    conversations of their own, whose `graph` says where they belong. `assume` gives guards a value that
    the search cannot bring about, by edge (`critic->END`, its id or its label) or guard text. `state` is the state to start from;
    without it, required fields are given values that fit. The limit on turns is lowered where that fires a limit edge sooner.
    A conversation has about `max_turns` turns at most; about `effort` turns are tried for each graph.

    What stays uncovered is listed with the reason. Raises `InputError` for an unknown `cover` or `assume`, and
    `DefinitionError` for a graph without a start or with edges to nowhere.
    """
    if cover not in ("edges", "nodes"):
        raise InputError(f"cover= is 'edges' or 'nodes', not {cover!r}")
    graphs = list(graphs_within(definition)) if subgraphs else [((), definition)]
    assumed = _assumed([graph for _, graph in graphs], assume or {})
    found: list[Paths] = []
    for (prefix, graph), fixed in zip(graphs, assumed, strict=True):
        search = _Search(graph, cover, Explorer(graph, fixed, effort), max_turns, None if prefix else state, prefix)
        found.append(search.run())
    return Paths(
        tuple(itertools.chain.from_iterable(part.paths for part in found)),
        tuple(itertools.chain.from_iterable(part.uncovered for part in found)),
        sum(part.total for part in found),
    )


class _Search:
    """The greedy search in one graph: what is not covered yet, and the conversations found so far."""

    def __init__(
        self, graph: Definition, cover: str, explorer: Explorer, max_turns: int, state: Mapping[str, Any] | None, prefix: tuple[str, ...]
    ) -> None:
        _check_endpoints(graph)
        self.graph = graph
        self.explorer = explorer
        self.max_turns = max_turns
        self.prefix = prefix
        self.by_node = cover == "nodes"
        places: list[str | int] = [*graph.nodes] if self.by_node else [edge.index for edge in graph.edges]
        self.left = set(places)
        self.total = len(places)
        self.hopeless: set[str | int] = set()
        self.given = _initial_state(graph, state)

    def run(self) -> Paths:
        """Conversations until a new one would add nothing."""
        found: list[ScriptedPath] = []
        inputs = self._inputs()
        while True:
            before = len(self.left)
            path = (
                min((self._conversation(text) for text in inputs), key=lambda path: len(self._after(path)))
                if len(inputs) > 1
                else self._conversation(inputs[0])
            )
            self.left = self._after(path)
            if found and len(self.left) == before:
                break
            found.append(path)
            if not self.left:
                break
        self.explorer.effort += 10 * TRIES  # the reasons are worth a little more
        uncovered = tuple(Uncovered(what, self._reason(what), self.prefix) for what in self._uncovered())
        return Paths(tuple(found), uncovered, self.total)

    def _conversation(self, text: str) -> ScriptedPath:
        """One conversation that takes as much of what is left as it can."""
        left = self.left - {self.graph.start or ""}
        at = self._opened(text)
        taken: list[Step] = []
        while not taken or taken[-1].edge.target != END:
            way = self._way_on(at, left - self.hopeless, len(taken))
            if way is None:
                return self._stopped(at, taken, text)
            taken.extend(way)
            at = way[-1].after
            left -= {self._place(step) for step in way}
        return self._path(at, [step.turn for step in taken], text)

    def _way_on(self, at: Position, left: set[str | int], length: int) -> list[Step] | None:
        """The way to the nearest place in `left`, those at the end last; without any, the way to the end."""

        def rank(step: Step) -> int:
            ends = step.edge.target == END
            if self._place(step) in left:
                return 1 if ends else 0
            return 2 if ends else -1

        if length >= self.max_turns:
            left = set()
        ends_left = {edge.index for edge in self.graph.edges if edge.target == END}
        best = 2 if not left else 1 if left <= ends_left else 0
        depth = max(self.max_turns - length, len(self.graph.nodes) + 1)
        found = self.explorer.nearest(at, rank, best, depth)
        if (found is None or found[0] > best) and not at.cut and any(edge.on == "limit" for edge in self.graph.edges):
            cut_short = self.explorer.nearest(at, rank, best, depth, cuts=True)
            found = min((way for way in (found, cut_short) if way is not None), key=lambda way: way[0], default=None)
        if not length and best == 0 and not self.explorer.exhausted and len(self._inputs()) == 1 and (found is None or found[0] > 0):
            self.hopeless |= left - ends_left  # a search from the very beginning has not found them: do not search again
        return None if found is None else found[1]

    def _stopped(self, at: Position, taken: list[Step], text: str) -> ScriptedPath:
        """The conversation with a last turn after which it cannot go on; where it always can, cut by a limit on turns."""
        turns = [step.turn for step in taken]
        if at.state.node == START:
            step = next(self.explorer.taken(at, ScriptedTurn(START)), None)
            if step is None:
                _, verdict = self.explorer.judge(at, ScriptedTurn(START))
                status = verdict.status if isinstance(verdict, Verdict) else "failed"
                return self._path(at._replace(state=replaced(at.state, status=status)), [ScriptedTurn(START)], text)
            turns, at = [step.turn], step.after
        guards = self.explorer.guards(self.graph.out(at.state.node))
        for turn in itertools.islice(proposals(at.state.node, guards, at.state, "reply"), TRIES):
            state, verdict = self.explorer.judge(at, turn)
            if isinstance(verdict, Verdict) and verdict.status is not None:
                return self._path(at._replace(state=replaced(state, status=verdict.status)), [*turns, turn], text)
        at = at if at.cut else lowered(at)
        while True:  # ends: after a limit no node speaks twice
            last = plain(at.state.node)
            step = next(self.explorer.taken(at, last), None)
            if step is None:
                _, verdict = self.explorer.judge(at, last)
                status = verdict.status if isinstance(verdict, Verdict) else "failed"
                return self._path(at._replace(state=replaced(at.state, status=status)), [*turns, last], text)
            turns.append(step.turn)
            at = step.after
            if at.state.status is not None:
                return self._path(at, turns, text)

    def _path(self, at: Position, turns: list[ScriptedTurn], text: str) -> ScriptedPath:
        return ScriptedPath(tuple(turns), text, self.given, at.limits, self.explorer.assumed, at.state.status or "finished", self.prefix)

    def _place(self, step: Step) -> str | int:
        return step.edge.target if self.by_node else step.edge.index

    def _after(self, path: ScriptedPath) -> set[str | int]:
        places: tuple[str | int, ...] = path.nodes if self.by_node else path.edges
        return self.left - set(places)

    def _inputs(self) -> list[str]:
        """What the conversation may open with: other than the plain opening only where a guard looks back at it."""
        guards = [
            guard for guard in self.explorer.guards(self.graph.edges) if "messages" in guard.reads or {"last", "declined"} <= guard.reads
        ]
        return list(dict.fromkeys([OPENING, *Literals.of(guards).texts[:5], *self._inputs_at_start()]))

    def _inputs_at_start(self) -> list[str]:
        """What the conversation may open with so that each transition from START is taken, as far as that is found."""
        edges = self.graph.out(START)
        guards = [guard for guard in self.explorer.guards(edges) if guard.reads & {"last", "messages"}]
        missing = {edge.index for edge in edges} if guards else set[int]()
        inputs: list[str] = []
        tried = proposals(START, guards, self._opened(OPENING).state, "reply")
        for text in [OPENING, *(turn.content or "" for turn in itertools.islice(tried, FEW_TRIES if missing else 0))]:
            taken = {step.edge.index for step in self.explorer.taken(self._opened(text), ScriptedTurn(START))} if missing else set[int]()
            if taken & missing:
                inputs.append(text)
                missing -= taken
        return inputs

    def _opened(self, text: str) -> Position:
        return Position(begin(self.graph, [Message("user", text, "user")], self.given), self.graph.limits)

    def _uncovered(self) -> list[Edge | str]:
        if self.by_node:
            return [name for name in self.graph.nodes if name in self.left]
        return [edge for edge in self.graph.edges if edge.index in self.left]

    def _reason(self, what: Edge | str) -> str:
        """Why the place is not covered, in words."""
        source = what if isinstance(what, str) else what.source
        at = self.explorer.samples.get(source)
        if at is None:
            stopped = f"; the search stopped after {self.explorer.tried} turns, effort= makes it longer" if self.explorer.exhausted else ""
            return f"node {source!r} is never reached{stopped}"
        if isinstance(what, str):
            return "no conversation found"
        return self._refusal(what, at)

    def _refusal(self, edge: Edge, at: Position) -> str:
        """What the edge's guard says at its source, for all the turns that can be tried there."""
        guard = edge.guard
        if guard is None:
            return "it is never reached: other transitions come first, or a limit ends the conversation before"
        if edge.index in self.explorer.assumed:
            return f"its guard {guard.text} is assumed to be {str(self.explorer.assumed[edge.index]).lower()}"
        if edge.source == START:
            what = f"its {'opaque ' if guard.opaque else ''}guard {guard.text}"
            return f"{what} was false for each input tried, or another transition came first"
        on = "error" if edge.on == "error" else "reply"
        tried, error, ever = 0, "", False
        for turn in itertools.islice(proposals(edge.source, [guard], at.state, on), TRIES):
            tried += 1
            try:
                ever = ever or self.explorer.evaluate(edge, advance(self.graph, at.state, turn.event))
            except (DefinitionError, InputError) as failure:
                error = str(failure)
        if ever:
            return f"its guard {guard.text} can be true, but then another transition comes first or a limit ends the conversation"
        why = f"; it failed with: {error}" if error else ""
        advice = f"; assume={{{guard.text!r}: True}} forces it" if guard.opaque else ""
        return f"its {'opaque ' if guard.opaque else ''}guard {guard.text} was false after each of {tried} turns tried{why}{advice}"


def _assumed(graphs: list[Definition], assume: Mapping[str, bool]) -> list[dict[int, bool]]:
    """For each graph, the fixed values by edge index. Raises `InputError` for a key that names nothing."""
    fixed: list[dict[int, bool]] = [{} for _ in graphs]
    for key, value in assume.items():
        named = [(found, edge.index) for graph, found in zip(graphs, fixed, strict=True) for edge in graph.edges if key in edge.names]
        if not named or value not in (True, False):
            raise InputError(
                f"assume={{{key!r}: {value!r}}}: the key names an edge (its id, source->target or label) or is a guard's text; "
                "the value is True or False"
            )
        for found, index in named:
            found[index] = value
    return fixed


def _check_endpoints(graph: Definition) -> None:
    if graph.beginning != START and graph.start not in graph.nodes:
        raise DefinitionError(f"graph {graph.name!r} has no start among its nodes; call set_start, or let edges leave START")
    for edge in graph.edges:
        if (edge.source not in graph.nodes and edge.source != START) or (edge.target != END and edge.target not in graph.nodes):
            raise DefinitionError(f"graph {graph.name!r}: the edge {edge} has an end that is not a node; add it with add_node")


def _initial_state(graph: Definition, given: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """The state to start from: the given one, none where the defaults do, else values for the required fields that fit."""
    if graph.state is None:
        return None
    if given is not None:
        graph.state.initial(given)
        return given
    document = graph.state.model.model_json_schema()
    required: list[str] = document.get("required", [])
    if not required:
        return None
    guards: list[Guard] = [edge.guard for edge in graph.edges if edge.guard is not None]
    options = [
        list(itertools.islice(values_of(document["properties"][name], Literals.of(guards), document.get("$defs", {})), 20))
        for name in required
    ]
    for values in itertools.islice(itertools.product(*options), TRIES):
        candidate = dict(zip(required, values, strict=True))
        try:
            graph.state.initial(candidate)
        except InputError:
            continue
        return candidate
    raise InputError(f"graph {graph.name!r}: no start was found for the state's required fields {required}; pass state=")
