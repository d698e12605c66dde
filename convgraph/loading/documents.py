"""From a document (YAML or JSON) to the live graph that it defines."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, cast

from convgraph.conversation import ConversationGraph, ForEach, Nested, Parallel
from convgraph.errors import DefinitionError, InputError
from convgraph.graph.definition import Definition, Node, NodeKind
from convgraph.graph.documents import from_document, loads_yaml
from convgraph.journal.values import ValueCodec
from convgraph.loading.allowed import callable_at, function_in, object_at
from convgraph.loading.keys import check_keys
from convgraph.loading.models import model_of
from convgraph.loading.speakers import speaker_of
from convgraph.protocols import Model, Speaker
from convgraph.runtime.functions import FunctionSpeaker
from convgraph.runtime.redaction import Redact
from convgraph.runtime.selector_prompt import SelectorPrompt

DOCUMENTS = (".yaml", ".yml", ".json")
EVERYWHERE = "*"
"""The key of the graph's own selector among a document's `detail.selectors`; the others are nodes."""


def from_yaml(
    source: str | Path,
    *,
    allow: Collection[str] = (),
    speakers: Mapping[str, Any] | None = None,
    selector_model: Model | None = None,
) -> ConversationGraph:
    """The live graph that a YAML or JSON text, or a file of one, defines.

    Functions, guards, selectors, types and state models are imported by their paths, from the modules in `allow` (or
    below them) and no others. `speakers` are used instead of what the document describes, by node, `group/branch` or
    `node/inner`; `selector_model` is used instead of the graph's own. Raises `DefinitionError` naming the place in the
    document, `InputError` for a file that cannot be read.
    """
    text, where = _read(source)
    definition = from_document(_parsed(text, where), allow=allow, where=where)
    builder = _Loader(frozenset([allow] if isinstance(allow, str) else allow), dict(speakers or {}), selector_model, where)
    graph = builder.graph(definition, "")
    unused = sorted(set(builder.given) - builder.used)
    if unused:
        raise DefinitionError(
            f"{where}: speakers= names {unused}, which are no nodes of graph {graph.name!r} ({', '.join(builder.places)})"
        )
    return graph


def _read(source: str | Path) -> tuple[str, str]:
    """The text, and what to call it in messages."""
    if isinstance(source, str) and ("\n" in source or not source.lower().endswith(DOCUMENTS)):
        return source, "graph document"
    try:
        return Path(source).read_text(encoding="utf-8"), str(source)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{str(source)!r} cannot be read: {error}") from error


def _parsed(text: str, where: str) -> dict[str, Any]:
    """The document. JSON has number forms that YAML reads as texts, so a JSON text is read as JSON."""
    if not where.lower().endswith(".json") and not text.lstrip().startswith("{"):
        return loads_yaml(text, where)
    try:
        found: Any = json.loads(text, object_pairs_hook=_without_repeats)
    except (json.JSONDecodeError, RecursionError) as error:
        if where.lower().endswith(".json"):
            raise DefinitionError(f"{where}: this is not JSON: {error}") from error
        return loads_yaml(text, where)
    except ValueError as error:
        raise DefinitionError(f"{where}: {error}") from error
    if isinstance(found, dict):
        return found  # pyright: ignore[reportUnknownVariableType]  # JSON's keys are texts
    raise DefinitionError(f"{where}: a graph is a mapping with 'version', 'name', 'nodes' …, not {found!r:.80}")


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read = dict(pairs)
    if len(read) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(key for key in keys if keys.count(key) > 1)!r} is there twice")
    return read


class _Loader:
    """Builds live graphs from definitions. A place is the way to a node: `panel/legal`, `review/critic`."""

    def __init__(self, allowed: frozenset[str], given: dict[str, Any], selector_model: Model | None, where: str) -> None:
        self.allowed = allowed
        self.given = given
        self.selector_model = selector_model
        self.where = where
        self.used: set[str] = set()
        self.places: list[str] = []

    def graph(self, definition: Definition, prefix: str) -> ConversationGraph:
        where = f"{self.where}{', ' + prefix.rstrip('/') if prefix else ''}"
        selectors = self._selectors(definition, where)
        graph = ConversationGraph(
            definition.name,
            state=definition.state,
            select=_selector(definition.select, EVERYWHERE, selectors, where),
            fallback=definition.fallback,
            limits=definition.limits,
            selector_model=self._selector_model(definition, prefix, where),
            selector_prompt=self._selector_prompt(definition, where),
            types=self._types(definition, where),
            redact=self._redact(definition, where),
        )
        for node in definition.nodes.values():
            graph.add_node(
                self._member(node, f"{prefix}{node.name}", node.kind),
                node.name,
                description=node.description,
                select=_selector(node.select, node.name, selectors, node.origin) if node.select is not None else None,
                fallback=node.fallback,
                retry=node.retry,
                timeout=node.timeout,
                view=node.view,
                origin=node.origin,
            )
        for edge in definition.edges:
            graph.add_edge(
                edge.source,
                edge.target,
                edge.guard,
                priority=edge.priority,
                label=edge.label,
                on=edge.on,
                view=edge.view,
                origin=edge.origin,
            )
        if definition.start is not None:
            graph.set_start(definition.start)
        return graph

    def _selectors(self, definition: Definition, where: str) -> dict[str, Any]:
        """The callable selectors, imported: the graph's own and those of nodes."""
        found: Any = definition.detail.get("selectors", {})
        paths: Mapping[str, Any] = cast(Mapping[str, Any], found) if isinstance(found, Mapping) else {"": None}
        place = f"{where}, detail.selectors"
        if not all(isinstance(path, str) for path in paths.values()):
            raise DefinitionError(f"{place}: they are a mapping of nodes ({EVERYWHERE!r}: the graph) to package.module:name")
        return {name: callable_at(path, self.allowed, f"{place}.{name}") for name, path in paths.items()}

    def _selector_model(self, definition: Definition, prefix: str, where: str) -> Model | None:
        """The model that selects: given by the caller for the outermost graph, or made from what the document says."""
        if self.selector_model is not None and not prefix:
            return self.selector_model
        described = definition.detail.get("selector_model")
        return None if described is None else model_of(described, f"{where}, detail.selector_model")

    def _selector_prompt(self, definition: Definition, where: str) -> SelectorPrompt:
        """How that model is asked."""
        place = f"{where}, detail.selector_prompt"
        described: Any = definition.detail.get("selector_prompt", {})
        check_keys(described, [one.name for one in fields(SelectorPrompt)], place)
        given: dict[str, Any] = dict(described)
        if "view" in given:
            given["view"] = function_in(given["view"], self.allowed, f"{place}.view")
        return SelectorPrompt(**given)

    def _types(self, definition: Definition, where: str) -> list[Any]:
        """What effects may return, imported."""
        place = f"{where}, detail.types"
        found = [object_at(path, self.allowed, f"{place}[{index}]") for index, path in enumerate(definition.detail.get("types", ()))]
        for index, kind in enumerate(found):
            try:
                ValueCodec([kind])
            except DefinitionError as error:
                raise DefinitionError(f"{place}[{index}]: {error}") from error
        return found

    def _redact(self, definition: Definition, where: str) -> Redact | dict[str, str] | None:
        """What is never recorded."""
        described, place = definition.detail.get("redact"), f"{where}, detail.redact"
        if described is None or isinstance(described, Mapping):
            return None if described is None else function_in(described, self.allowed, place)
        patterns: list[Mapping[str, str]] = list(described)
        by_name = {each["name"]: each["pattern"] for each in patterns}
        if len(by_name) < len(patterns):
            raise DefinitionError(f"{place}: two patterns have one name")
        return by_name

    def _member(self, node: Node, place: str, kind: NodeKind) -> Any:
        """What is behind a node: given by the caller, or made from what the document says."""
        self.places.append(place)
        if place in self.given:
            self.used.add(place)
            return _as_given(self.given[place], node)
        if kind == "graph":
            if node.inner is None:
                raise DefinitionError(f"{node.origin}.graph: a node of kind graph has its graph there")
            return self._nested(node, self.graph(node.inner, f"{place}/"))
        if kind == "parallel" or kind == "foreach":
            return self._group(node, place)
        if node.inner is not None:
            raise DefinitionError(
                f"{node.origin}.graph: {node.name!r} has conversations of its own before it replies, and no document says what opens "
                f"them; give the agent: speakers={{{place!r}: …}}"
            )
        return speaker_of(node, self.allowed, node.origin)

    def _nested(self, node: Node, graph: ConversationGraph) -> ConversationGraph | Nested:
        """The graph with the ways in and out that the document names."""
        check_keys(node.detail, ("opening", "closing"), f"{node.origin}.detail")
        doors = {name: function_in(door, self.allowed, f"{node.origin}.detail.{name}") for name, door in node.detail.items()}
        return Nested(graph, **doors, name=node.name) if doors else graph

    def _group(self, node: Node, place: str) -> Parallel | ForEach:
        if not node.branches:
            raise DefinitionError(f"{node.origin}.branches: a group without members could never be joined")
        for branch in node.branches:
            _check_branch(branch)
        members = [self._member(branch, f"{place}/{branch.name}", branch.kind) for branch in node.branches]
        if node.kind == "parallel":
            return Parallel(*members, concurrency=node.concurrency)
        if node.over is None or len(members) != 1:
            raise DefinitionError(f"{node.origin}: a node of kind foreach has 'over' and one branch")
        return ForEach(members[0], over=node.over.text, concurrency=node.concurrency, distributed=node.distributed)


def _check_branch(branch: Node) -> None:
    """Refuse what a branch says and would not do."""
    for option in ("select", "fallback", "retry", "timeout"):
        if getattr(branch, option) is not None:
            raise DefinitionError(f"{branch.origin}.{option}: a branch has none of its own; set it on the group")
    if branch.kind in ("parallel", "foreach"):
        raise DefinitionError(f"{branch.origin}: a group in a group is not supported; put the inner one into a graph of its own")
    if branch.inner is not None and branch.inner.name != branch.name:
        raise DefinitionError(f"{branch.origin}.name: a graph that is a branch is known by its own name, {branch.inner.name!r}")


def _selector(select: Any, name: str, selectors: Mapping[str, Any], where: str) -> Any:
    if select != "callable":
        return select
    if name in selectors:
        return selectors[name]
    raise DefinitionError(f"{where}: select is 'callable', but detail.selectors of the graph does not say which for {name!r}")


def _as_given(speaker: Any, node: Node) -> Any:
    """A speaker given by the caller, under the node's name."""
    if isinstance(speaker, Speaker | ConversationGraph | Nested | Parallel | ForEach) or not callable(speaker):
        return speaker
    return FunctionSpeaker(speaker, node.name, node.description)
