# pyright: reportUnnecessaryIsInstance=false
# What callers really pass is checked, whether their code is typed or not.
"""From what users write (agents, functions, graphs, groups) to nodes and the live objects behind them."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convgraph.conversation.groups import ForEach, Nested, Parallel
from convgraph.errors import DefinitionError
from convgraph.graph.definition import Node, NodeKind, Retry, check_select
from convgraph.graph.guards import CelExpression
from convgraph.graph.import_paths import called_at, import_path
from convgraph.graph.views import View
from convgraph.protocols import Model, Speaker
from convgraph.runtime.functions import FunctionSpeaker
from convgraph.runtime.program import Program
from convgraph.runtime.redaction import Redaction
from convgraph.runtime.selector_prompt import SelectorPrompt

if TYPE_CHECKING:
    from convgraph.conversation.conversation_graph import ConversationGraph
    from convgraph.runtime.nested import Doors

_NOT_THE_CALLER = (str(Path(__file__).parents[1]), str(Path(asyncio.__file__).parent), threading.__file__)
"""Where code lies that stands between a user's line and a node that it makes: convgraph, and what runs its coroutines."""


@dataclass(frozen=True, slots=True)
class Part:
    """A node, and what is behind it: speakers, nested graphs and their doors, by `node` or `group/branch`."""

    node: Node
    speakers: Mapping[str, Speaker] = field(default_factory=dict[str, Speaker])
    graphs: Mapping[str, ConversationGraph] = field(default_factory=dict[str, "ConversationGraph"])
    doors: Mapping[str, Doors] = field(default_factory=dict[str, "Doors"])


@dataclass(frozen=True, slots=True)
class NodeOptions:
    """What `add_node` takes besides the speaker."""

    description: str = ""
    select: Any = None
    fallback: str | None = None
    retry: Retry | None = None
    timeout: float | None = None
    view: View | None = None


def assembled(speaker: Any, name: str | None, options: NodeOptions, where: str, origin: str) -> Part:
    """The part that `speaker` makes as a node called `name` (its own name, if it has one). Raises `DefinitionError`."""
    if isinstance(speaker, Parallel):
        return _group("parallel", speaker.members, speaker.concurrency, None, _required(name, speaker, where), options, where, origin)
    if isinstance(speaker, ForEach):
        name = _required(name, speaker, where)
        over = CelExpression(speaker.over, f"{where}, node {name!r}, over")
        group = _group("foreach", (speaker.member,), speaker.concurrency, over, name, options, where, origin)
        if not speaker.distributed:
            return group
        if group.node.branches[0].kind != "graph" or group.doors:
            raise DefinitionError(
                f"{where}, group {name!r}: distributed=True makes a run of each item, so its member is a ConversationGraph"
            )
        return replace(group, node=replace(group.node, distributed=True))
    return _single(speaker, name, options, where, origin)


def name_of(target: Any, where: str) -> str:
    """The node's name that an edge's endpoint stands for: a name, or something that was added under its own."""
    if isinstance(target, str):
        return target
    name = own_name(target)
    if name is None:
        raise DefinitionError(
            f"{where}: an edge's end is a node's name, or an agent, function or graph that is a node; not {target!r:.100}"
        )
    return name


def own_name(speaker: Any) -> str | None:
    """The name that a speaker brings along."""
    name = getattr(speaker, "name", None) or getattr(speaker, "__name__", None)
    return name if isinstance(name, str) else None


def caller_origin() -> str:
    """`file.py:12` of the nearest caller outside convgraph: where a node or an edge was defined."""
    frame = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]  # inspect.stack() reads source files, a hundred times slower
    while frame is not None and frame.f_code.co_filename.startswith(_NOT_THE_CALLER):
        frame = frame.f_back
    return f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}" if frame is not None else ""


def models_of(speakers: Mapping[str, Speaker]) -> tuple[Model, ...]:
    """The models that the speakers use, as far as they say."""
    return tuple(model for speaker in speakers.values() for model in getattr(speaker, "models", ()))


def graph_detail(
    selectors: Mapping[str, Callable[..., Any]],
    selector_model: Model | None,
    selector_prompt: SelectorPrompt,
    types: Iterable[type],
    redact: Redaction | None,
) -> dict[str, Any]:
    """What a definition's `detail` says of the graph: callables and types by import path, the selecting model as it describes itself.

    The graph's own selector stands under `*`.
    """
    detail = {
        "selectors": {name or "*": import_path(selector) for name, selector in selectors.items()},
        "selector_model": dict(selector_model.describe()) if selector_model is not None else {},
        "selector_prompt": selector_prompt.describe(),
        "types": [import_path(kind) for kind in types],
        "redact": redact.describe() if redact is not None else None,
    }
    return {key: value for key, value in detail.items() if value}


def _doors_detail(doors: Doors | None) -> dict[str, Any]:
    """What a nested conversation's node says of its ways in and out: which functions they are."""
    if doors is None:
        return {}
    return {name: called_at(door) for name, door in (("opening", doors.opening), ("closing", doors.closing)) if door is not None}


def with_nested(node: Node, programs: Mapping[str, Program]) -> Node:
    """The node with the definitions of its nested graphs as they are now: they may have been built on since it was added."""
    branches = tuple(
        replace(branch, inner=programs[f"{node.name}/{branch.name}"].definition) if branch.kind == "graph" else branch
        for branch in node.branches
    )
    return replace(node, branches=branches, inner=programs[node.name].definition if node.kind == "graph" else node.inner)


def _single(speaker: Any, name: str | None, options: NodeOptions, where: str, origin: str) -> Part:
    from convgraph.conversation.conversation_graph import ConversationGraph

    doors: Doors | None = None
    if isinstance(speaker, Nested):
        from convgraph.runtime.nested import Doors

        name = name or speaker.name
        speaker, doors = speaker.graph, Doors(speaker.opening, speaker.closing)
    name = name or own_name(speaker) or ""
    select = check_select(options.select, f"{where}, node {name!r}") if options.select is not None else None
    if options.retry is not None and not isinstance(options.retry, Retry):
        raise DefinitionError(f"{where}, node {name!r}: retry= takes a Retry, such as Retry(attempts=3), not {options.retry!r:.100}")
    common: dict[str, Any] = {
        "select": select,
        "fallback": options.fallback,
        "retry": options.retry,
        "timeout": options.timeout,
        "view": options.view,
        "origin": origin,
    }
    if isinstance(speaker, ConversationGraph):
        inner = speaker.definition
        node = Node(name, "graph", options.description or inner.name, _doors_detail(doors), inner=inner, **common)
        return Part(node, graphs={name: speaker}, doors={name: doors} if doors is not None else {})
    live = _speaker(speaker, name, options.description, where)
    kind: NodeKind = "function" if isinstance(live, FunctionSpeaker) else "agent"
    inner = getattr(live, "inner", None)
    chats = inner.definition if isinstance(inner, ConversationGraph) else None
    node = Node(name, kind, options.description or live.description, dict(live.describe()), chats, **common)
    return Part(node, {name: live})


def _speaker(speaker: Any, name: str, description: str, where: str) -> Speaker:
    if isinstance(speaker, type):
        raise DefinitionError(f"{where}: {speaker.__name__} is a class; add an instance of it")
    if isinstance(speaker, Speaker):
        return speaker
    if callable(speaker):
        function: Callable[..., Any] = speaker
        return FunctionSpeaker(function, name or "?", description)
    raise DefinitionError(
        f"{where}: a node is an agent, a function (ctx) -> reply, a ConversationGraph, a Parallel or a ForEach; not {speaker!r:.100}"
    )


def _group(
    kind: NodeKind,
    members: tuple[Any, ...],
    concurrency: int | None,
    over: CelExpression | None,
    name: str,
    options: NodeOptions,
    where: str,
    origin: str,
) -> Part:
    parts = [_single(member, None, NodeOptions(), f"{where}, group {name!r}", origin) for member in members]
    names = [part.node.name for part in parts]
    if len(set(names)) < len(names):
        raise DefinitionError(f"{where}, group {name!r}: two members have the same name ({', '.join(names)}); names are identities")
    if any(isinstance(member, Parallel | ForEach) for member in members):
        raise DefinitionError(f"{where}, group {name!r}: a group in a group is not supported; put the inner one into a graph of its own")
    node = Node(
        name,
        kind,
        options.description,
        branches=tuple(part.node for part in parts),
        over=over,
        concurrency=concurrency,
        select=check_select(options.select, f"{where}, node {name!r}") if options.select is not None else None,
        fallback=options.fallback,
        retry=options.retry,
        timeout=options.timeout,
        view=options.view,
        origin=origin,
    )
    return Part(
        node,
        {f"{name}/{key}": speaker for part in parts for key, speaker in part.speakers.items()},
        {f"{name}/{key}": graph for part in parts for key, graph in part.graphs.items()},
        {f"{name}/{key}": doors for part in parts for key, doors in part.doors.items()},
    )


def _required(name: str | None, speaker: Any, where: str) -> str:
    if not name:
        raise DefinitionError(f"{where}: a {type(speaker).__name__} has no name of its own; give it one: add_node(…, name='panel')")
    return name
