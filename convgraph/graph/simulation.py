"""What a graph may cost before it is run: many random walks over the pure machine, under a virtual clock.

Guards that read only the conversation's structure (turn, visits, usage, sender, declined) are evaluated for
real. All others (contents, state, errors, Python) are drawn, since nobody says anything in a simulation.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, TypeAlias

from convgraph.errors import DefinitionError, InputError
from convgraph.graph.definition import START, Definition, Edge, Limits
from convgraph.graph.guards import Guard
from convgraph.graph.machine import advance, begin, enabled, holds, verdict
from convgraph.graph.round_robin import longest_waiting
from convgraph.graph.state import ErrorInfo, Move, State, Turn
from convgraph.messages import NO_USAGE, Message, Usage
from convgraph.plain_data import replaced
from convgraph.wording import table

STRUCTURAL = frozenset({"turn", "visits", "usage", "sender", "declined"})
"""What a guard may read and still be evaluated for real."""

Measure: TypeAlias = Literal["turns", "seconds", "tokens", "usd"]
MEASURES: tuple[Measure, ...] = ("turns", "seconds", "tokens", "usd")
_COSTS = ("seconds", "tokens", "usd")
_PROBABILITIES = ("error", "declined", "handoff")


@dataclass(frozen=True, slots=True)
class Distribution:
    """How a measure is spread over the runs."""

    mean: float
    p50: float
    p90: float
    p99: float
    max: float

    @classmethod
    def of(cls, samples: Sequence[float]) -> Distribution:
        """The distribution of some samples; a quantile is the smallest sample that so many do not exceed."""
        ordered = sorted(samples)
        p50, p90, p99 = (ordered[math.ceil(share * len(ordered)) - 1] for share in (0.5, 0.9, 0.99))
        return cls(math.fsum(ordered) / len(ordered), p50, p90, p99, ordered[-1])


@dataclass(frozen=True)
class Simulation:
    """The outcome of many simulated runs.

    `endings` counts how they ended (`finished: …`, `stuck: …`, `limited: …`, `failed: …`, and `endless: …` for those
    given up after `horizon` turns), `edges` and `nodes` how often each transition was taken and each node had
    the turn, over all runs (those that never were are there with 0).
    """

    runs: int
    seed: int
    endings: Mapping[str, int]
    edges: Mapping[str, int]
    nodes: Mapping[str, int]
    samples: Mapping[Measure, tuple[float, ...]] = field(repr=False)

    @cached_property
    def distributions(self) -> Mapping[Measure, Distribution]:
        """The distribution of each measure."""
        return {measure: Distribution.of(self.samples[measure]) for measure in MEASURES}

    @property
    def turns(self) -> Distribution:
        """How long the conversations were."""
        return self.distributions["turns"]

    @property
    def seconds(self) -> Distribution:
        """How long they took, by the virtual clock."""
        return self.distributions["seconds"]

    @property
    def tokens(self) -> Distribution:
        """How many tokens they spent."""
        return self.distributions["tokens"]

    @property
    def usd(self) -> Distribution:
        """What they cost, in US dollars."""
        return self.distributions["usd"]

    def share(self, status: str) -> float:
        """The share of the runs that ended so, from 0 to 1: `finished`, `stuck`, `limited`, `failed` or `endless`."""
        return sum(count for ending, count in self.endings.items() if ending.startswith(f"{status}:")) / self.runs

    def histogram(self, measure: Measure = "turns", bins: int = 20) -> list[tuple[float, float, int]]:
        """How many runs fall into each of `bins` equal intervals: (from, to, count); the last one includes its end."""
        if measure not in MEASURES or bins < 1:
            raise InputError(f"histogram({measure!r}, bins={bins!r}): the measure is one of {', '.join(MEASURES)}, bins is at least 1")
        samples = self.samples[measure]
        low, high = min(samples), max(samples)
        if low == high:
            return [(low, high, len(samples))]
        width = (high - low) / bins
        counts = Counter(min(int((sample - low) / width), bins - 1) for sample in samples)
        return [(low + width * place, low + width * (place + 1), counts[place]) for place in range(bins)]

    def __str__(self) -> str:
        measures = [
            [name, *(f"{value:,.{4 if name == 'usd' else 1}f}" for value in _values(spread))] for name, spread in self.distributions.items()
        ]
        endings = [[f"{count / self.runs:.1%}", ending] for ending, count in sorted(self.endings.items(), key=lambda item: -item[1])]
        places = [[name, f"{count / self.runs:.2f}"] for name, count in (*self.nodes.items(), *self.edges.items())]
        return "\n\n".join(
            [
                f"{self.runs:,} simulated runs (seed {self.seed})",
                table(["", "mean", "p50", "p90", "p99", "max"], measures),
                table(["share", "ended"], endings),
                table(["node or edge", "per run"], places),
            ]
        )


def simulate(
    definition: Definition,
    runs: int = 1_000,
    seed: int = 0,
    weights: Mapping[str, float] | None = None,
    profile: Mapping[str, Mapping[str, float]] | None = None,
    limits: Limits | None = None,
    horizon: int = 1_000,
) -> Simulation:
    """Walk `definition` at random `runs` times and say how long the conversations were, what they cost and how they ended.

    `weights` names transitions by `source->target`, id, label or guard text. Where the guard is drawn, the weight is
    its probability of being true (0.5 without one); where not, it is the transition's weight against the
    other enabled ones when a selector chooses (1 without one). `profile` gives nodes, by name, the `seconds`, `tokens`
    and `usd` of a turn, and its probabilities of an `error`, of saying nothing (`declined`) and of handing over to any
    of the enabled targets (`handoff`).
    `limits` replace the graph's own. A run that makes `horizon` turns is given up as endless.

    The result depends on the arguments alone. A sub-graph is one speaker. Raises `InputError` for a name or a number that does not
    fit, `DefinitionError` for a graph that cannot start.
    """
    if runs < 1 or horizon < 1:
        raise InputError(f"simulate(runs={runs!r}, horizon={horizon!r}): both are at least 1")
    if definition.beginning != START and definition.start not in definition.nodes:
        raise DefinitionError(f"graph {definition.name!r} has no start among its nodes; call set_start, or let edges leave START")
    graph = replace(definition, state=None)  # nothing writes the state, and every guard that reads it is drawn
    walk = _Walk(
        graph, random.Random(seed), _weights_by_edge(graph, weights or {}), _costs(graph, profile or {}), limits or graph.limits, horizon
    )
    edges, nodes, endings = Counter[int](), Counter[str](), Counter[str]()
    samples: dict[Measure, list[float]] = {measure: [] for measure in MEASURES}
    for _ in range(runs):
        state, ending, taken = walk.run()
        endings[ending] += 1
        edges.update(taken)
        nodes.update({name: visits for name, visits in state.visits.items() if visits})
        for measure, value in zip(MEASURES, (state.turn, state.seconds, state.usage.tokens, state.usage.usd), strict=True):
            samples[measure].append(value)
    return Simulation(
        runs,
        seed,
        dict(endings),
        {_edge_name(edge): edges[edge.index] for edge in graph.edges},
        {name: nodes[name] for name in graph.nodes},
        {measure: tuple(values) for measure, values in samples.items()},
    )


@dataclass(frozen=True, slots=True)
class _Cost:
    """What a node's turn costs, as the events that it may be."""

    speaks: Turn
    declines: Turn
    fails: Turn
    error: float
    declined: float
    handoff: float


class _Walk:
    """One graph's random walks. Guards drawn within one turn keep their values until the next."""

    def __init__(
        self,
        graph: Definition,
        chance: random.Random,
        weights: Mapping[int, float],
        costs: Mapping[str, _Cost],
        limits: Limits,
        horizon: int,
    ) -> None:
        self.graph = graph
        self.chance = chance
        self.weights = weights
        self.costs = costs
        self.limits = limits
        self.horizon = horizon
        self.drawn = {
            edge.index: weights.get(edge.index, 0.5) for edge in graph.edges if edge.guard is not None and not is_structural(edge.guard)
        }
        self.values: dict[int, bool] = {}
        self.begun = begin(graph, ())

    def run(self) -> tuple[State, str, list[int]]:
        """One conversation: its last state, how it ended, and the transitions that it took."""
        graph, state, taken = self.graph, self.begun, list[int]()
        while True:
            self.values.clear()
            if not state.choosing:
                state = self._handed_over(advance(graph, state, self._turn(state.node)))
            found = verdict(graph, state, self.limits, self._evaluate)
            if found.status is not None:
                return state, f"{found.status}: {_ending(state, found.reason)}", taken
            edge = found.edges[0] if len(found.edges) == 1 else self._choose(state, found.edges)
            taken.append(edge.index)
            state = advance(graph, state, Move(edge.target, edge.index, limit=found.limit))
            if state.status is not None:
                return state, f"finished: {edge}", taken
            if state.turn >= self.horizon:
                return state, f"endless: still going after {self.horizon:,} turns", taken

    def _turn(self, node: str) -> Turn:
        cost = self.costs[node]
        if cost.error and self.chance.random() < cost.error:
            return cost.fails
        return cost.declines if cost.declined and self.chance.random() < cost.declined else cost.speaks

    def _handed_over(self, state: State) -> State:
        """The state with a handoff to one of the enabled targets, as often as the node's profile says."""
        handoff = self.costs[state.node].handoff
        if not handoff or state.error is not None or self.chance.random() >= handoff:
            return state
        ways = enabled(self.graph, state, self._evaluate)
        return replaced(state, goto=self._weighed(ways).target) if ways else state

    def _evaluate(self, edge: Edge, state: State) -> bool:
        probability = self.drawn.get(edge.index)
        if probability is None:
            return holds(edge, state)
        value = self.values.get(edge.index)
        if value is None:
            value = self.values[edge.index] = self.chance.random() < probability
        return value

    def _choose(self, state: State, edges: tuple[Edge, ...]) -> Edge:
        """The transition that a selector might choose; `round_robin` is a rule, the others are drawn."""
        if self.graph.select_at(state.node) == "round_robin":
            return longest_waiting(state, edges)
        return self._weighed(edges)

    def _weighed(self, edges: tuple[Edge, ...]) -> Edge:
        weights = [1.0 if edge.index in self.drawn else self.weights.get(edge.index, 1.0) for edge in edges]
        return self.chance.choices(edges, weights)[0] if any(weights) else self.chance.choice(edges)


def is_structural(guard: Guard) -> bool:
    """Whether the guard's value follows from the conversation's structure, whatever is said."""
    return not guard.opaque and guard.reads <= STRUCTURAL


def _ending(state: State, reason: str) -> str:
    """The reason without what differs from run to run."""
    return (
        reason.removeprefix("limit reached: ").partition(" (")[0]
        if reason.startswith("limit reached")
        else f"{state.node}: {reason}"
        if state.node not in reason
        else reason
    )


def _weights_by_edge(graph: Definition, weights: Mapping[str, float]) -> dict[int, float]:
    found: dict[int, float] = {}
    for key, weight in weights.items():
        named = [edge for edge in graph.edges if key in edge.names]
        if not named:
            raise InputError(f"weights={{{key!r}: …}}: no edge of graph {graph.name!r} has this id, source->target, label or guard text")
        drawn = [edge for edge in named if edge.guard is not None and not is_structural(edge.guard)]
        if not _is_number(weight) or weight < 0 or (drawn and weight > 1):
            what = "probability of a guard, from 0 to 1" if drawn else "number, not below 0"
            raise InputError(f"weights={{{key!r}: {weight!r}}}: the weight of {named[0]} is a {what}")
        found.update((edge.index, float(weight)) for edge in named)
    return found


def _costs(graph: Definition, profile: Mapping[str, Mapping[str, float]]) -> dict[str, _Cost]:
    for name, given in profile.items():
        if name not in graph.nodes:
            raise InputError(f"profile={{{name!r}: …}}: graph {graph.name!r} has no such node; it has {', '.join(graph.nodes)}")
        for key, value in given.items():
            where = f"profile={{{name!r}: {{{key!r}: {value!r}}}}}"
            if key not in (*_COSTS, *_PROBABILITIES):
                raise InputError(f"{where}: a profile has {', '.join((*_COSTS, *_PROBABILITIES))}")
            if not _is_number(value) or value < 0 or (key in _PROBABILITIES and value > 1):
                raise InputError(f"{where}: a cost is a number, not below 0; a probability is from 0 to 1")
    return {name: _cost(name, graph, profile.get(name, {})) for name in graph.nodes}


def _cost(name: str, graph: Definition, given: Mapping[str, float]) -> _Cost:
    tokens, usd = int(given.get("tokens", 0)), float(given.get("usd", 0.0))
    usage = Usage(1, tokens, 0, usd) if tokens or usd else NO_USAGE
    visits = {branch.name: 1 for branch in graph.nodes[name].branches} or None
    silent = Turn(name, usage=usage, seconds=float(given.get("seconds", 0.0)), visits=visits)
    return _Cost(
        replaced(silent, messages=(Message(name),)),
        silent,
        replaced(silent, error=ErrorInfo("SimulatedError", "drawn", name)),
        given.get("error", 0.0),
        given.get("declined", 0.0),
        given.get("handoff", 0.0),
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _edge_name(edge: Edge) -> str:
    return f"{edge.id} ({edge.label})" if edge.label else edge.id


def _values(spread: Distribution) -> tuple[float, ...]:
    return spread.mean, spread.p50, spread.p90, spread.p99, spread.max
