# pyright: reportUnnecessaryIsInstance=false
# What callers really pass is checked, whether their code is typed or not.
"""A conversation graph as plain data: nodes, guarded transitions, limits. Running a graph never changes it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final, Literal, TypeAlias

from convgraph.errors import DefinitionError
from convgraph.graph.guards import CelExpression, Guard
from convgraph.graph.schema import StateSchema
from convgraph.graph.views import View

START: Final = "START"
"""Where the transitions leave among which the first speaker of a conversation is chosen."""

END: Final = "END"
"""The target that ends a conversation."""

On: TypeAlias = Literal["reply", "error", "limit"]
NodeKind: TypeAlias = Literal["function", "agent", "graph", "parallel", "foreach"]
SelectMethod: TypeAlias = Literal["first", "round_robin", "random", "auto", "manual", "callable"]

ON: Final = ("reply", "error", "limit")
METHODS: Final = ("first", "round_robin", "random", "auto", "manual")
NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
RESERVED: Final = frozenset({START, END})


@dataclass(frozen=True, slots=True)
class Limits:
    """What a run may cost. None means without limit; each is checked after every turn and holds across resume.

    `turns` counts turns, `visits` the turns of one node (one number for all, or a mapping from node to
    number), `seconds` the time spent running (not parked), `tokens` input and output tokens of all model
    calls, `usd` their price in US dollars.
    """

    turns: int | None = None
    visits: int | Mapping[str, int] | None = None
    seconds: float | None = None
    tokens: int | None = None
    usd: float | None = None

    def __post_init__(self) -> None:
        for name in ("turns", "seconds", "tokens", "usd"):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int | float) or value <= 0):
                raise DefinitionError(f"Limits({name}={value!r}): a limit is a number above zero, or None")
        counts = self.visits.values() if isinstance(self.visits, Mapping) else [self.visits] if self.visits is not None else []
        for count in counts:
            if isinstance(count, bool) or not isinstance(count, int) or count <= 0:
                raise DefinitionError(f"Limits(visits={self.visits!r}): a limit is a whole number above zero, or None")

    def visits_of(self, node: str) -> int | None:
        """How many turns `node` may have."""
        return self.visits.get(node) if isinstance(self.visits, Mapping) else self.visits


UNLIMITED: Final = Limits()


@dataclass(frozen=True, slots=True)
class Retry:
    """How often a failing node is tried, and how long to wait in between.

    `attempts` counts all tries; the wait starts at `wait` seconds and doubles up to `max_wait`; `on` names
    the error types that are worth it (none: all of them).
    """

    attempts: int = 3
    wait: float = 0.5
    max_wait: float = 30.0
    on: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.attempts < 1 or self.wait < 0 or self.max_wait < 0:
            raise DefinitionError(f"{self!r}: attempts is at least 1, the waits are not negative")


@dataclass(frozen=True, slots=True)
class Node:
    """A named place that speaks.

    `detail` is the canonical, JSON-like description of the speaker (an agent's prompt and model, a function's
    import path and signature); it is what a fingerprint and a YAML file hold. `inner` is a sub-graph's
    definition, or that of the conversation that an agent has before it replies; `branches` are a parallel
    group's members, `over` is what a `ForEach` runs over; `distributed`, whether its items are runs of their own for any worker.
    `select` and `fallback` override the graph's for the choice after this node. `view` says what it is shown of the
    conversation, where the edge taken to it does not. `origin` is the file and line that defined it.
    """

    name: str
    kind: NodeKind
    description: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict[str, Any])
    inner: Definition | None = None
    branches: tuple[Node, ...] = ()
    over: CelExpression | None = None
    concurrency: int | None = None
    distributed: bool = False
    select: SelectMethod | None = None
    fallback: str | None = None
    retry: Retry | None = None
    timeout: float | None = None
    view: View | None = None
    origin: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Edge:
    """A transition. `index` is its place in the order of declaration, and its identity within the graph.

    `view` says what its target is shown of the conversation when it is taken.
    """

    source: str
    target: str
    guard: Guard | None = None
    priority: int = 0
    label: str = ""
    on: On = "reply"
    index: int = 0
    origin: str = field(default="", compare=False)
    view: View | None = None

    @property
    def id(self) -> str:
        """`source->target`, with the declared index where it is needed to tell parallel edges apart."""
        return f"{self.source}->{self.target}#{self.index}"

    @property
    def names(self) -> set[str]:
        """What it may be called by a caller: its id, `source->target`, its label, its guard's text."""
        return {self.id, f"{self.source}->{self.target}", self.label, self.guard.text if self.guard else ""} - {""}

    @property
    def told(self) -> str:
        """Its label, and what its target is shown: what is written on its arrow."""
        return " · ".join(filter(None, (self.label, str(self.view or ""))))

    def __str__(self) -> str:
        guard = f" when {self.guard.text}" if self.guard else ""
        on = f" on {self.on}" if self.on != "reply" else ""
        label = f" ({self.label})" if self.label else ""
        return f"{self.source} -> {self.target}{on}{guard}{label}"


@dataclass(frozen=True)
class Definition:
    """A whole graph. Made by a `Builder` (or `ConversationGraph`), which has checked names and endpoints.

    `start` is the node that speaks first; None where edges that leave START say among whom that is chosen.
    """

    name: str
    nodes: Mapping[str, Node]
    edges: tuple[Edge, ...]
    start: str | None
    state: StateSchema | None = None
    select: SelectMethod = "first"
    fallback: str | None = None
    limits: Limits = UNLIMITED
    detail: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @cached_property
    def ways_out(self) -> Mapping[tuple[str, On], tuple[Edge, ...]]:
        """The edges that leave a node on an outcome: higher priority first, then in order of declaration."""
        groups: dict[tuple[str, On], list[Edge]] = {}
        for edge in self.edges:
            groups.setdefault((edge.source, edge.on), []).append(edge)
        return {key: tuple(sorted(edges, key=lambda edge: (-edge.priority, edge.index))) for key, edges in groups.items()}

    def out(self, node: str, on: On = "reply") -> tuple[Edge, ...]:
        """The edges that leave `node` on `on`, in the order in which they are considered."""
        return self.ways_out.get((node, on), ())

    def edge(self, index: int) -> Edge:
        """The edge with this declared index."""
        return self.edges[index]

    @cached_property
    def beginning(self) -> str | None:
        """Where a conversation begins: at a node, or at START, where the first speaker is chosen. None where nothing says so."""
        return START if any(edge.source == START for edge in self.edges) else self.start

    def select_at(self, node: str) -> SelectMethod:
        """The selector that chooses after `node`; at START it is the graph's."""
        return (self.nodes[node].select if node != START else None) or self.select

    def fallback_at(self, node: str) -> str | None:
        """The target to take when the selector after `node` gives no usable answer; at START it is the graph's."""
        return (self.nodes[node].fallback if node != START else None) or self.fallback

    @cached_property
    def speakers(self) -> tuple[str, ...]:
        """Every name whose visits are counted: the nodes, and the branches of parallel groups."""
        names = list(self.nodes)
        for node in self.nodes.values():
            names.extend(branch.name for branch in node.branches if branch.name not in self.nodes)
        return tuple(dict.fromkeys(names))


_ONE_BEGINNING: Final = "says who begins already; a graph has either set_start or edges that leave START"


class Builder:
    """Collects nodes and edges, refusing what can be seen to be wrong at once: bad names, clashes, bad values.

    What needs the whole graph (reachability, dead ends, gaps) is the job of `check`.
    """

    def __init__(self, name: str) -> None:
        check_name(name, "graph")
        self.name = name
        self.nodes: dict[str, Node] = {}
        self.edges: list[Edge] = []
        self.start: str | None = None

    def node(self, node: Node) -> None:
        """Add a node. Raises `DefinitionError` for a bad or taken name."""
        where = f"graph {self.name!r}{_at(node.origin)}"
        check_name(node.name, where)
        if node.name in self.nodes:
            taken = self.nodes[node.name]
            raise DefinitionError(f"{where}: there is a node {node.name!r} already{_at(taken.origin)}; give this one a name= of its own")
        if node.timeout is not None and not node.timeout > 0:
            raise DefinitionError(f"{where}, node {node.name!r}: timeout is a number of seconds above zero, not {node.timeout!r}")
        self.nodes[node.name] = node

    def set_start(self, node: str, origin: str = "") -> None:
        """Say which node speaks first. Raises `DefinitionError` where edges that leave START say so already."""
        where = f"graph {self.name!r}, set_start({node!r}){_at(origin)}"
        if node == START:
            raise DefinitionError(f"{where}: START is no node; to have the first speaker chosen, use add_edge(START, node, when=…)")
        first = next((edge for edge in self.edges if edge.source == START), None)
        if first is not None:
            raise DefinitionError(f"{where}: the edge {first}{_at(first.origin)} {_ONE_BEGINNING}")
        self.start = node

    def edge(self, edge: Edge) -> Edge:
        """Add a transition and give it its index. Endpoints may be added later; `check` sees that they were."""
        where = f"graph {self.name!r}, edge {edge.source} -> {edge.target}{_at(edge.origin)}"
        if edge.source == END:
            raise DefinitionError(f"{where}: no edge can leave END")
        if edge.target == START:
            raise DefinitionError(f"{where}: no edge can lead to START; who begins is chosen once")
        if edge.source == START and self.start is not None:
            raise DefinitionError(f"{where}: set_start({self.start!r}) {_ONE_BEGINNING}")
        if edge.source == START and edge.on != "reply":
            raise DefinitionError(f"{where}: on={edge.on!r} cannot fire before anybody has spoken; leave on= out")
        if edge.on not in ON:
            raise DefinitionError(f"{where}: on= is 'reply', 'error' or 'limit', not {edge.on!r}")
        if isinstance(edge.priority, bool) or not isinstance(edge.priority, int):
            raise DefinitionError(f"{where}: priority= is a whole number, not {edge.priority!r}")
        placed = replace(edge, index=len(self.edges))
        self.edges.append(placed)
        return placed


def check_name(name: Any, where: str) -> None:
    """Raise `DefinitionError` unless `name` can be a node's or a graph's name."""
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise DefinitionError(f"{where}: {name!r} is not a usable name; use 1 to 64 letters, digits, '_' or '-'")
    if name in RESERVED:
        raise DefinitionError(f"{where}: the name {name!r} is reserved")


def check_select(select: Any, where: str) -> SelectMethod:
    """The selection method for what a user wrote. Raises `DefinitionError` for an unknown one."""
    if callable(select):
        return "callable"
    if select in METHODS:
        return select
    raise DefinitionError(f"{where}: select= is one of {', '.join(METHODS)} or a callable, not {select!r}")


def _at(origin: str) -> str:
    return f" ({origin})" if origin else ""


def named(names: Sequence[str]) -> str:
    """Names as prose: `'a', 'b'`."""
    return ", ".join(repr(name) for name in names)
