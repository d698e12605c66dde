"""A definition as a document of plain JSON values: what a file holds, a run stores, and a fingerprint is taken of.

::

    version: 1
    name: essay
    start: writer
    limits: {turns: 20}
    nodes:
    - {name: writer, kind: agent, detail: {type: AssistantAgent, system_message: You write.}}
    - {name: critic, kind: agent}
    edges:
    - {from: writer, to: critic}
    - {from: critic, to: END, when: last.content.contains("APPROVED"), label: approved}
    - {from: critic, to: writer}

Instead of `start`, edges may lead from START to those among whom it is chosen who begins. What has its default value
is left out. Python objects (opaque guards, state models) are named by import path.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import Any, cast

from convgraph.errors import DefinitionError
from convgraph.graph.definition import Builder, Definition, Edge, Limits, Node, Retry
from convgraph.graph.documents.document_schema import VERSION, json_schema
from convgraph.graph.documents.identity import identity
from convgraph.graph.documents.json_values import plain
from convgraph.graph.documents.secrets import secrets_in, without_secrets
from convgraph.graph.guards import CallableGuard, CelExpression, CelGuard, Guard, PythonGuard
from convgraph.graph.import_paths import import_path, is_importable
from convgraph.graph.schema import StateSchema, load_model, load_object
from convgraph.graph.views import View
from convgraph.json_schema import faults


def to_document(definition: Definition) -> dict[str, Any]:
    """The definition as plain JSON values, in the order of declaration. Values named like secrets (`api_key`) are left out.

    Raises `DefinitionError` with the path for a value in a `detail` that is not JSON.
    """
    return {"version": VERSION, **_graph_document(definition)}


def from_document(document: Mapping[str, Any], *, allow: Collection[str] = (), where: str = "graph document") -> Definition:
    """The definition that a document describes.

    Opaque guards and state models are imported by their path, and only from the modules in `allow` (or below
    them). Everything is looked through before anything is imported or built. The speakers are not made here: a
    node's `detail` describes its own. Raises `DefinitionError` naming the path within the document.
    """
    return DocumentReader(frozenset([allow] if isinstance(allow, str) else allow), where).graph(checked(document, where), "")


def checked(document: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The document as plain JSON, if it is one. Raises `DefinitionError` naming each fault's path."""
    data: Any = plain(document, where)
    found = list(_document_faults(data))
    if found:
        more = f"\n  … and {len(found) - 10} more" if len(found) > 10 else ""
        raise DefinitionError(f"{where}: " + "\n  ".join(found[:10]) + more)
    return data


def canonical_json(document: Any) -> str:
    """The one JSON text of a document: sorted keys, no spaces. Raises `DefinitionError` for what JSON cannot say."""
    return json.dumps(plain(document, "document"), sort_keys=True, separators=(",", ":"), allow_nan=False)


def fingerprint(definition: Definition) -> str:
    """The SHA-256 of the definition's identity, in hexadecimal.

    A Python callable counts by its name and signature; where it is imported from, and its source, do not count.
    """
    return hashlib.sha256(canonical_json(identity(to_document(definition))).encode()).hexdigest()


def dumps_yaml(document: Mapping[str, Any]) -> str:
    """The document as YAML text that is pleasant to read and to compare line by line. Raises `DefinitionError` for what is not JSON."""
    from convgraph.graph.documents import yaml_text

    return yaml_text.dumps(plain(document, "document"))


def loads_yaml(text: str, where: str = "YAML") -> dict[str, Any]:
    """The document in a YAML text. Raises `DefinitionError` for anything but plain data (tags, aliases, a key twice)."""
    from convgraph.graph.documents import yaml_text

    return yaml_text.loads(text, where)


# To a document


def _graph_document(graph: Definition) -> dict[str, Any]:
    limits = {name: value for name in ("turns", "visits", "seconds", "tokens", "usd") if (value := getattr(graph.limits, name)) is not None}
    where = f"graph {graph.name!r}"
    return _without_defaults(
        {
            "name": graph.name,
            "start": graph.start,
            "state": plain(graph.state.document(), f"{where}, state") if graph.state is not None else None,
            "select": graph.select if graph.select != "first" else None,
            "fallback": graph.fallback,
            "limits": plain(limits, f"{where}, limits"),
            "detail": without_secrets(plain(graph.detail, f"{where}, detail")),
        }
    ) | {
        "nodes": [_node_document(node, where) for node in graph.nodes.values()],
        "edges": [_edge_document(edge) for edge in graph.edges],
    }


def _node_document(node: Node, where: str) -> dict[str, Any]:
    where = f"{where}, node {node.name!r}"
    return _without_defaults(
        {
            "name": node.name,
            "kind": node.kind,
            "description": node.description,
            "detail": without_secrets(plain(node.detail, f"{where}, detail")),
            "graph": _graph_document(node.inner) if node.inner is not None else None,
            "branches": [_node_document(branch, where) for branch in node.branches],
            "over": node.over.text if node.over is not None else None,
            "concurrency": node.concurrency,
            "distributed": node.distributed or None,
            "select": node.select,
            "fallback": node.fallback,
            "retry": _without_defaults({**asdict(node.retry), "on": list(node.retry.on)}) if node.retry is not None else None,
            "timeout": node.timeout,
            "view": node.view.document() if node.view is not None else None,
        }
    )


def _edge_document(edge: Edge) -> dict[str, Any]:
    opaque = edge.guard is not None and edge.guard.opaque
    return _without_defaults(
        {
            "from": edge.source,
            "to": edge.target,
            "when": edge.guard.text if edge.guard is not None and not opaque else None,
            "python": import_path(_predicate(edge.guard)) if edge.guard is not None and opaque else None,
            "priority": edge.priority or None,
            "label": edge.label,
            "on": edge.on if edge.on != "reply" else None,
            "view": edge.view.document() if edge.view is not None else None,
        }
    )


def _predicate(guard: Guard) -> Any:
    return guard.predicate if isinstance(guard, CallableGuard) else guard


def _without_defaults(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None and value not in ("", [], {})}


# From a document


def _document_faults(document: Any) -> Iterator[str]:
    version: Any = cast(dict[str, Any], document).get("version") if isinstance(document, dict) else None
    if isinstance(version, int) and version > VERSION:
        yield f"it has version {version}, and this convgraph reads up to {VERSION}; use a newer convgraph"
        return
    yield from (f"{path.lstrip('.') or 'the document'}: {what}" for path, what in faults(document, json_schema()))
    for path in _secrets_of_speakers(document, ""):
        yield f"{path}: a secret has no place in a document; let it be read from the environment where it is used"


def _secrets_of_speakers(value: Any, path: str) -> Iterator[str]:
    items: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, dict):
        items = cast(dict[str, Any], value).items()
    elif isinstance(value, list):
        items = enumerate(cast(list[Any], value))
    for key, item in items:
        place = f"{path}[{key}]" if isinstance(key, int) else f"{path}.{key}" if path else key
        yield from secrets_in(item, place) if key == "detail" else _secrets_of_speakers(item, place)


class DocumentReader:
    """Builds what a document that fits the schema describes; `path` is where in the document the reader is."""

    def __init__(self, allowed: frozenset[str], where: str) -> None:
        self.allowed = allowed
        self.where = where

    def graph(self, document: Mapping[str, Any], path: str) -> Definition:
        builder = Builder(document["name"])
        for index, node in enumerate(document["nodes"]):
            builder.node(self.node(node, f"{path}nodes[{index}]"))
        for index, edge in enumerate(document.get("edges", ())):
            builder.edge(self.edge(edge, f"{path}edges[{index}]"))
        if "start" in document:
            builder.set_start(document["start"], self.at(f"{path}start"))
        return Definition(
            name=builder.name,
            nodes=builder.nodes,
            edges=tuple(builder.edges),
            start=builder.start,
            state=self.state(document["state"], f"{path}state") if "state" in document else None,
            select=document.get("select", "first"),
            fallback=document.get("fallback"),
            limits=_limits(document.get("limits", {})),
            detail=document.get("detail", {}),
        )

    def node(self, document: Mapping[str, Any], path: str) -> Node:
        return Node(
            name=document["name"],
            kind=document["kind"],
            description=document.get("description", ""),
            detail=document.get("detail", {}),
            inner=self.graph(document["graph"], f"{path}.graph.") if "graph" in document else None,
            branches=tuple(self.node(branch, f"{path}.branches[{index}]") for index, branch in enumerate(document.get("branches", ()))),
            over=CelExpression(document["over"], self.at(f"{path}.over")) if "over" in document else None,
            concurrency=_whole(document.get("concurrency")),
            distributed=bool(document.get("distributed", False)),
            select=document.get("select"),
            fallback=document.get("fallback"),
            retry=_retry(document["retry"]) if "retry" in document else None,
            timeout=document.get("timeout"),
            view=self.view(document, path),
            origin=self.at(path),
        )

    def edge(self, document: Mapping[str, Any], path: str) -> Edge:
        return Edge(
            source=document["from"],
            target=document["to"],
            guard=self.guard(document, path),
            priority=_whole(document.get("priority", 0)),
            label=document.get("label", ""),
            on=document.get("on", "reply"),
            origin=self.at(path),
            view=self.view(document, path),
        )

    def view(self, document: Mapping[str, Any], path: str) -> View | None:
        given: Mapping[str, Any] = document.get("view") or {}
        try:
            return View(**{key: _whole(value) for key, value in given.items()}) if given else None
        except DefinitionError as error:
            raise DefinitionError(f"{self.at(path)}.view: {error}") from None

    def guard(self, document: Mapping[str, Any], path: str) -> Guard | None:
        if "when" in document:
            return CelGuard(document["when"], self.at(f"{path}.when"))
        if "python" not in document:
            return None
        where = self.at(f"{path}.python")
        predicate: Any = load_object(self.importable(document["python"], where), self.allowed, where)
        if callable(predicate) and not inspect.isclass(predicate):
            return CallableGuard(cast(PythonGuard, predicate), where)
        raise DefinitionError(f"{where}: {document['python']!r} is not a function that can be a guard")

    def state(self, document: Mapping[str, Any], path: str) -> StateSchema:
        where = self.at(path)
        if "fields" in document:
            return StateSchema.of(document["fields"], where)
        return StateSchema(load_model(self.importable(document["python"], where), self.allowed, where))

    def importable(self, path: str, where: str) -> str:
        if is_importable(path):
            return path
        raise DefinitionError(
            f"{where}: {path!r} cannot be imported, because it was made inside a function, is a lambda or belongs to an instance; "
            "define it at the top level of a module"
        )

    def at(self, path: str) -> str:
        return f"{self.where}, {path}"


def _limits(document: Mapping[str, Any]) -> Limits:
    values = dict(document)
    visits = values.pop("visits", None)
    if isinstance(visits, Mapping):
        visits = {node: _whole(count) for node, count in cast(Mapping[str, Any], visits).items()}
    return Limits(visits=_whole(visits), **values)


def _retry(document: Mapping[str, Any]) -> Retry:
    values = {key: _whole(value) if key == "attempts" else value for key, value in document.items()}
    return Retry(on=tuple(values.pop("on", ())), **values)


def _whole(number: Any) -> Any:
    """JSON knows one kind of number: 2.0 is a whole one, and counts as 2."""
    return int(number) if isinstance(number, float) else number
