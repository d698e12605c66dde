"""check() tells the truth about where a conversation can go: judged by exploring the pure machine exhaustively."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product
from typing import NamedTuple

import pytest

from convgraph.graph.checks import check
from convgraph.graph.definition import END, ON, START, Definition, Edge, Limits, Node, On, SelectMethod
from convgraph.graph.guards import CelGuard, Guard
from convgraph.graph.machine import Evaluate, advance, begin, enabled, verdict
from convgraph.graph.state import ErrorInfo, Move, State, Turn
from convgraph.messages import Message
from convgraph.plain_data import replaced

FREE = [CelGuard(f"last.content == 'say {number}'") for number in range(4)]
ALWAYS, NEVER = CelGuard("1 < 2"), CelGuard("turn < 1")
CONSTANT = (ALWAYS, NEVER)
LATE = 8
"""The turn from which on each guard of `BOUNDED` depends on no turn any more."""
BOUNDED: list[Guard] = [CelGuard(text) for text in ("turn < 4", "declined && turn < 6", "turn >= 5", "turn > 6 || declined", "declined")]
WORDS = (Message("someone", "hello"),)
NO_LIMITS = Limits()
KINDS = {"dead-end", "trap-cycle", "unreachable-node", "never-enabled", "shadowed-edge", "guard-gap"}
SELECTS: tuple[SelectMethod, ...] = ("first", "first", "round_robin", "random", "auto", "manual")


def random_graph(seed: int, guards: Sequence[Guard]) -> Definition:
    """A small graph, sound or mutated: edges at random, then a repair of most nodes, then perhaps some damage."""
    rng = random.Random(seed)
    names = [f"n{number}" for number in range(rng.randint(1, 5))]
    edges: list[Edge] = []

    def add(source: str, target: str, guard: Guard | None, on: On = "reply") -> None:
        if sum(edge.source == source for edge in edges) < 7:
            edges.append(Edge(source, target, guard, rng.choice([0, 0, 0, 1, -1]), on=on))

    for _ in range(rng.randint(0, 5 * len(names))):
        add(rng.choice(names), rng.choice([*names, END]), rng.choice([None, *guards]), rng.choices(ON, [5, 2, 2])[0])
    if rng.random() < 0.5:  # a sound graph: each node has an else-edge, a chain leads on to END
        for source, target in zip(names, [*names[1:], END], strict=True):
            add(source, target, None)
    first = rng.random() < 0.4  # who begins is chosen
    for _ in range(rng.randint(1, 4) if first else 0):
        edges.insert(
            rng.randint(0, len(edges)),
            Edge(START, rng.choice([*names, *names, END]), rng.choice([None, *guards]), rng.choice([0, 0, 1, -1])),
        )
    if edges and rng.random() < 0.3:  # damage: a transition is lost
        edges.pop(rng.randrange(len(edges)))
    edges = [replace(edge, index=index, origin=f"e{index}") for index, edge in enumerate(edges)]
    nodes = {name: Node(name, "function", select=rng.choice([None, None, "first", "auto"])) for name in names}
    start = None if any(edge.source == START for edge in edges) else rng.choice(names)
    return Definition("random", nodes, tuple(edges), start, select=rng.choice(SELECTS))


class Explored(NamedTuple):
    """What can happen: the nodes that get the turn, the moves to count on, the edges chosen, where a reply is stuck or hopeless."""

    nodes: set[str]
    moves: set[tuple[str, str]]
    chosen: set[int]
    stuck: set[str]
    hopeful: set[str]


def outcomes(graph: Definition, node: str, handovers: bool) -> Iterator[Turn]:
    if node == START:  # nobody has the turn: what follows is chosen at once
        yield Turn(START)
        return
    yield Turn(node, WORDS)
    yield Turn(node, error=ErrorInfo("ValueError", "oops", node))
    yield Turn(node, WORDS, limit="turns")
    if handovers:
        yield from (Turn(node, WORDS, goto=edge.target) for edge in graph.out(node))


def explore(graph: Definition, handovers: bool) -> Explored:
    """START, if it is chosen who begins, and every node that can have the turn, with every outcome and every value of every guard."""
    start = begin(graph, WORDS)
    seen = Explored({start.node}, set(), set(), set(), set())
    waiting = [start]
    while waiting:
        state = waiting.pop()
        free = [
            guard
            for guard in (*FREE, *([NEVER] if state.node == START else []))
            if any(edge.guard == guard for edge in graph.edges if edge.source == state.node)
        ]
        for turn in outcomes(graph, state.node, handovers):
            after = state if state.node == START else advance(graph, state, turn)
            for values in product([False, True], repeat=len(free)):
                evaluate = forcing(dict(zip(free, values, strict=True)))
                decision = verdict(graph, after, NO_LIMITS, evaluate)
                plain = turn.error is None and turn.limit is None and turn.goto is None
                if plain and enabled(graph, after, evaluate):
                    seen.hopeful.add(state.node)
                if plain and decision.status == "stuck":
                    seen.stuck.add(state.node)
                for edge in decision.edges:
                    seen.chosen.add(edge.index)
                    if turn.error is None:  # nobody can count on a failure to lead on
                        seen.moves.add((state.node, edge.target))
                    if edge.target != END and edge.target not in seen.nodes:
                        seen.nodes.add(edge.target)
                        following = advance(graph, after, Move(edge.target, edge.index, limit=decision.limit))
                        waiting.append(replaced(following, turn=0, visits={}, last_turn={}, spent_limits={}))
    return seen


def forcing(values: dict[CelGuard, bool]) -> Evaluate:
    """Guards of one text are true or false as the explorer likes; constant ones have their value.

    At START no turn has been made yet, or many where an ended conversation is continued.
    """

    def evaluate(edge: Edge, state: State) -> bool:
        if edge.guard is None or (edge.guard in CONSTANT and edge.guard not in values):
            return edge.guard is None or edge.guard == ALWAYS
        return values[edge.guard]  # type: ignore[index]  # only CEL guards are made here

    return evaluate


def following(explored: Explored, node: str) -> frozenset[str]:
    """All that can come after a turn of `node`."""
    found: set[str] = set()
    while more := {target for source, target in explored.moves if source in {node, *found}} - found:
        found |= more
    return frozenset(found)


def judge(seed: int) -> set[str]:
    """Compare all that check() says of a random graph with all that can happen in it. Returns the codes it found."""
    graph = random_graph(seed, [*FREE, *CONSTANT])
    said: dict[str, set[str]] = {}
    for finding in check(graph):
        said.setdefault(finding.code, set()).add(finding.where)
    everything = explore(graph, handovers=True)

    after = {node: following(everything, node) for node in everything.nodes}
    lost = {node for node in everything.nodes if END not in after[node]}
    assert not lost or said.keys() & {"dead-end", "trap-cycle"}, f"seed {seed}: {lost} cannot reach END, and nothing is said of it"
    traps = {after[node] for node in lost if node in after[node] and all(after[other] == after[node] for other in after[node])}
    assert said.get("trap-cycle", set()) == {place(min(trap)) for trap in traps}, f"seed {seed}"
    assert said.get("dead-end", set()) == {place(node) for node in everything.nodes - everything.hopeful}, f"seed {seed}"
    assert said.get("unreachable-node", set()) == {place(node) for node in graph.nodes if node not in everything.nodes}, f"seed {seed}"

    orderly = explore(graph, handovers=False)
    here = {place(node) for node in orderly.nodes}
    assert said.get("guard-gap", set()) & here == {place(node) for node in orderly.stuck & orderly.hopeful}, f"seed {seed}"
    idle = {place(edge) for edge in graph.edges if edge.source in orderly.nodes and edge.index not in orderly.chosen}
    theirs = {place(edge) for edge in graph.edges if edge.source in orderly.nodes}
    assert (said.get("shadowed-edge", set()) | said.get("never-enabled", set())) & theirs == idle, f"seed {seed}"
    return set(said)


def place(item: str | Edge) -> str:
    if item == START:
        return "graph 'random'"
    if isinstance(item, str):
        return f"graph 'random', node {item!r}"
    return f"graph 'random', edge {item.source} -> {item.target} ({item.origin})"


def judge_cycles(seed: int) -> set[str]:
    """Where no cycle is said to be unbounded, every conversation ends, whoever speaks, fails, declines and selects."""
    graph = random_graph(seed, BOUNDED)
    codes = {finding.code for finding in check(graph)}
    if "unbounded-cycle" in codes:
        return codes
    at = {begin(graph, WORDS).node: begin(graph, WORDS)}
    for _ in range(LATE + len(graph.nodes) + (START in at)):
        reached: dict[str, State] = {}
        for state in at.values():
            for turn in (Turn(state.node, WORDS), Turn(state.node), Turn(state.node, error=ErrorInfo("ValueError", "oops"))):
                after = state if state.node == START else advance(graph, state, turn)
                for edge in verdict(graph, after, NO_LIMITS).edges:
                    if edge.target != END:
                        reached[edge.target] = advance(graph, after, Move(edge.target, edge.index))
        at = reached
    assert not at, f"seed {seed}: after {LATE} turns and one more for each node, {sorted(at)} still has the turn"
    return codes


@pytest.mark.parametrize("part", range(3))
def test_what_is_said_of_a_graph_is_what_can_happen_in_it(part: int) -> None:
    """Dead ends, traps, unreachable nodes, gaps, shadows: neither one too few nor one too many, in random graphs."""
    seen = [judge(seed) for seed in range(100 * part, 100 * part + 100)]
    assert set().union(*seen) >= KINDS
    assert sum(not codes & {"dead-end", "trap-cycle"} for codes in seen) > 20, "some of the graphs must be good"


def test_a_graph_without_unbounded_cycles_ends() -> None:
    seen = [judge_cycles(seed) for seed in range(300)]
    assert 60 < sum("unbounded-cycle" in codes for codes in seen) < 270


@pytest.mark.long
@pytest.mark.parametrize("part", range(10))
def test_what_is_said_of_many_graphs_is_what_can_happen_in_them(part: int) -> None:
    for seed in range(10_000 + 1_200 * part, 10_000 + 1_200 * (part + 1)):
        judge(seed)
        judge_cycles(seed)
