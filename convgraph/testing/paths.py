"""Playing a scripted conversation against a real graph: what the generated pytest files call.

The graph runs for real, with its own guards, priorities, limits and transitions, and a journal in memory. Only what a
script must decide is replaced: the speakers, the selectors that would choose among several transitions, and the guards
that the path assumes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from convgraph.errors import InputError
from convgraph.graph.definition import START, Definition, Edge, Limits, Node
from convgraph.graph.guards import GuardView
from convgraph.graph.paths import ScriptedPath, ScriptedTurn
from convgraph.graph.state import State
from convgraph.journal.events import Moved, Recorded, Stepped
from convgraph.journal.memory import MemoryStore
from convgraph.journal.turn_paths import is_inner
from convgraph.messages import NO_USAGE, Message, Reply, ReplyLike, Usage
from convgraph.protocols import ModelReply, ModelRequest
from convgraph.runtime.context import Context
from convgraph.runtime.inputs import Options, prepared
from convgraph.runtime.lifecycle import start
from convgraph.runtime.program import GRAPH, Program
from convgraph.runtime.result import RunResult
from convgraph.sync import run_sync


class HasProgram(Protocol):
    """A graph that can be run: a `ConversationGraph`."""

    def program(self) -> Program: ...


def follow(graph: HasProgram, path: ScriptedPath) -> RunResult:
    """Run `graph` with the speakers replaced by the script of `path`, and return the run's result.

    Raises `AssertionError` with the first turn at which the conversation leaves the path, or where it ends
    otherwise than expected, and `InputError` for a path that belongs to another graph.
    """
    program = _program_at(graph.program(), path.graph)
    _check_belongs(program.definition, path)
    taken: list[tuple[str, int | None]] = []

    def note(recorded: Any) -> None:
        event = recorded.event if isinstance(recorded, Recorded) else recorded
        if isinstance(event, Stepped | Moved) and not is_inner(event.path):
            taken.append((event.node if isinstance(event, Stepped) else START, event.edge))

    played, options = scripted(program, path), Options(listener=note)
    run = start(played, prepared(played, path.input, path.state, None, _bounded(path), options), MemoryStore(), options)
    result, lost = None, ""
    try:
        result = run_sync(run)
    except _OffScript as off:
        lost = off.node
    first = 1 if path.spoken == path.turns else 0
    for place, turn in enumerate(path.turns):
        _check_turn(program.definition, path, first + place, turn, taken[place] if place < len(taken) else None, result, lost)
    if result is None or result.status != path.status:
        ended = f"is {result.status}: {result.stop_reason}" if result is not None else f"goes on with {lost}"
        raise AssertionError(f"{path.name}\nshould end {path.status}, but {ended}")
    return result


def scripted(program: Program, path: ScriptedPath) -> Program:
    """The program with every speaker, sub-graph and group replaced by the script of `path`, and choices made by it."""
    definition = program.definition
    nodes = {name: _scripted_node(node) for name, node in definition.nodes.items()}
    edges = tuple(_with_assumed_guard(edge, path.assume) for edge in definition.edges)
    twin = replace(definition, nodes=nodes, edges=edges, select="first" if definition.select == "first" else "callable")
    return Program(
        twin,
        {name: _Script(name, path.spoken) for name in nodes},
        selectors={GRAPH: _selector(path)},
        codec=program.codec,
    )


class _OffScript(BaseException):
    """A node has the turn for which nothing is written. No error of the node, which the graph might have an edge for."""

    def __init__(self, node: str) -> None:
        super().__init__(f"the conversation has left its script: {node} has the turn")
        self.node = node


@dataclass(frozen=True, slots=True)
class _Script:
    """A speaker that says what is written for the turn, whoever it is."""

    name: str
    turns: tuple[ScriptedTurn, ...]
    description: str = ""

    def describe(self) -> Mapping[str, Any]:
        return {"type": "script"}

    async def speak(self, ctx: Context) -> ReplyLike:
        if ctx.turn > len(self.turns) or self.turns[ctx.turn - 1].node != self.name:
            raise _OffScript(self.name)
        turn = self.turns[ctx.turn - 1]
        if turn.usage != NO_USAGE:
            await ctx.call_model(_Spending(turn.usage), ModelRequest(()))
        if turn.error is not None:
            raise type(turn.error.type, (Exception,), {})(turn.error.message)
        said = None if turn.content is None else Message(self.name, turn.content, data=turn.data)
        return Reply(said, turn.update, turn.goto)


@dataclass(frozen=True, slots=True)
class _Spending:
    """A model whose answer is empty and costs what the script says."""

    usage: Usage
    name: str = "script"
    priced: bool = True

    def describe(self) -> Mapping[str, Any]:
        return {"type": "script"}

    async def respond(self, request: ModelRequest, on_delta: Callable[[str], None] | None = None) -> ModelReply:  # noqa: ARG002
        return ModelReply(usage=self.usage)


@dataclass(frozen=True, slots=True)
class _Assumed:
    """A guard with a fixed value, under the text of the one that it stands for."""

    text: str
    value: bool
    opaque: bool = True
    reads: frozenset[str] = field(default_factory=frozenset[str])

    def __call__(self, state: State) -> bool:  # noqa: ARG002
        return self.value


def _scripted_node(node: Node) -> Node:
    """The node as a single speaker; what was a retry or a timeout is part of the script."""
    select = node.select if node.select in (None, "first") else "callable"
    return replace(node, kind="function", inner=None, over=None, detail={"type": "script"}, select=select, retry=None, timeout=None)


def _with_assumed_guard(edge: Edge, assume: Mapping[int, bool]) -> Edge:
    if edge.index not in assume:
        return edge
    return replace(edge, guard=_Assumed(edge.guard.text if edge.guard else "", assume[edge.index]))


def _selector(path: ScriptedPath) -> Callable[[GuardView, tuple[str, ...]], str | None]:
    def choose(view: GuardView, targets: tuple[str, ...]) -> str | None:
        target = (path.spoken[view.turn - 1] if view.turn else path.turns[0]).target
        return target if target in targets else None

    return choose


def _bounded(path: ScriptedPath) -> Limits:
    """The path's limits; where there is none on turns, one that stops a conversation which has left its script."""
    return path.limits if path.limits.turns is not None else replace(path.limits, turns=len(path.turns) + 1)


def _program_at(program: Program, way: tuple[str, ...]) -> Program:
    """The program of the graph inside: the way names nodes, and branches of groups."""
    names = list(way)
    while names:
        key = next((key for key in ("/".join(names[:2]), names[0]) if key in program.inner), None)
        if key is None:
            raise InputError(f"graph {program.definition.name!r} has no graph inside at {'/'.join(names)!r}; make the paths anew")
        program = program.inner[key]
        names = names[key.count("/") + 1 :]
    return program


def _check_belongs(definition: Definition, path: ScriptedPath) -> None:
    edges = definition.edges
    for turn in path.turns:
        fits = turn.edge is None or (0 <= turn.edge < len(edges) and edges[turn.edge].source == turn.node)
        if (turn.node not in definition.nodes and turn.node != START) or not fits:
            raise InputError(f"graph {definition.name!r} has not what the path expects: {turn}; make the paths anew")


def _check_turn(
    definition: Definition,
    path: ScriptedPath,
    number: int,
    turn: ScriptedTurn,
    step: tuple[str, int | None] | None,
    result: RunResult | None,
    lost: str,
) -> None:
    """Raise `AssertionError` unless the step is the turn that is written, with the transition that is written."""
    if step == (turn.node, turn.edge):
        return
    if step is not None:
        node, edge = step
        way = "the run ended" if edge is None else f"{definition.edges[edge]} was taken (edge {edge})"
        happened = way if node == START else f"{node} had the turn and {way}"
    elif result is None:
        happened = f"{lost} had the turn"
    elif turn.edge is None and result.status == path.status and (path.status == "failed" or turn.node == START):
        return  # a turn that fails the run is no part of the conversation, and where nobody may begin there is none
    else:
        happened = f"the run ended {result.status}: {result.stop_reason}"
    raise AssertionError(f"{path.name}\nturn {number}: {turn} (edge {turn.edge})\nbut {happened}")
