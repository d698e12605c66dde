"""What differs between two documents of a graph, and whether a run that was made with the one may go on with the other.

Compatible is what changes how well or how dearly a conversation goes on, but not where it can go or what its
record means: labels, descriptions, prompts, the model, its parameters and where it is served, limits, timeouts,
retries, and the module that a function is imported from. Everything else is not.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

from convgraph.graph.documents.edge_matching import edge_text, match_edges
from convgraph.graph.documents.identity import guard_name, of_graph, of_speaker

Document: TypeAlias = Mapping[str, Any]

_PROMPTS = frozenset({"system_message", "prompt", "instructions"})
_PARAMETERS = frozenset(
    "model models selector_model selector_prompt model_client llm_config config_list params temperature top_p seed max_tokens stop "
    "timeout retries max_retries".split()
)
_COMPATIBLE = frozenset({"description", "limits", "timeout", "retry", "label", "view"})


@dataclass(frozen=True, slots=True)
class Change:
    """One difference: `kind` (`node-removed`, `guard`, `prompt` …), where it is, and what was and is there (None: nothing).

    `compatible` says that a stored run may go on in spite of it.
    """

    kind: str
    where: str
    before: Any
    after: Any
    compatible: bool

    def __str__(self) -> str:
        mark = "" if self.compatible else " (incompatible)"
        if isinstance(self.before, str) and isinstance(self.after, str) and "\n" in self.before + self.after:
            lines = difflib.unified_diff(self.before.splitlines(), self.after.splitlines(), "before", "after", lineterm="", n=1)
            return f"{self.where}: {self.kind} changed{mark}\n" + "\n".join(f"    {line}" for line in lines)
        if self.before is None:
            return f"{self.where}: {self.kind}: {_short(self.after)}{mark}"
        if self.after is None:
            return f"{self.where}: {self.kind}: was {_short(self.before)}{mark}"
        return f"{self.where}: {self.kind}: {_short(self.before)} -> {_short(self.after)}{mark}"


def difference(old_document: Document, new_document: Document) -> list[Change]:
    """All that differs between two documents of `to_document`; none if, and only if, they are equal."""
    graph = new_document.get("name", "?")
    changes = list(_field_changes(old_document, new_document, f"graph {graph!r}", ("version",)))
    return [*changes, *_graph_changes(old_document, new_document, f"graph {graph!r}", "")]


def summary(changes: Sequence[Change], most: int = 12) -> str:
    """The changes as lines of an error message: the incompatible ones first, and not too many."""
    lines = [f"- {change}" for change in sorted(changes, key=lambda change: change.compatible)]
    if len(lines) > most:
        lines = [*lines[:most], f"… and {len(lines) - most} more"]
    return "\n".join(lines) or "no differences"


def _graph_changes(old: Document, new: Document, graph: str, path: str) -> Iterator[Change]:
    """`path` leads from the outermost graph to this one, with a slash at its end."""
    where = f"{graph}, node {path[:-1]!r}" if path else graph
    yield from _field_changes(old, new, where, ("name", "select", "fallback"))
    yield from _limit_changes(old, new, where)
    yield from _state_changes(old.get("state"), new.get("state"), where)
    yield from _detail_changes(old.get("detail", {}), new.get("detail", {}), where, "graph-detail")
    renamed = _renamed(old["nodes"], new["nodes"])
    if renamed.get(old.get("start"), old.get("start")) != new.get("start"):
        yield Change("start", where, old.get("start"), new.get("start"), False)
    yield from _members_changes(old["nodes"], new["nodes"], graph, path, renamed)
    yield from _edge_changes(old.get("edges", ()), new.get("edges", ()), where, renamed)


def _renamed(old: Sequence[Document], new: Sequence[Document]) -> dict[Any, str]:
    """Old names of nodes that seem to have been renamed: gone here, and come there with all else equal."""
    old_names, new_names = {node["name"] for node in old}, {node["name"] for node in new}
    come = [node for node in new if node["name"] not in old_names]
    renamed: dict[Any, str] = {}
    for node in old:
        # A node that says nothing of itself is like every other: its disappearance is not a renaming.
        if node["name"] in new_names or len(node) <= 2:
            continue
        twin = next((other for other in come if {**other, "name": ""} == {**node, "name": ""}), None)
        if twin is not None:
            renamed[node["name"]] = twin["name"]
            come.remove(twin)
    return renamed


def _members_changes(
    old: Sequence[Document], new: Sequence[Document], graph: str, path: str, renamed: Mapping[Any, str], *, branches: bool = False
) -> Iterator[Change]:
    kind = "branch" if branches else "node"
    before, after = _by_name(old), _by_name(new)
    for name, node in before.items():
        where = f"{graph}, node {path + name!r}"
        if name in renamed:
            yield Change(f"{kind}-renamed", where, name, renamed[name], False)
        elif name not in after:
            yield Change(f"{kind}-removed", where, _told(node), None, False)
        else:
            yield from _node_changes(node, after[name], graph, path)
    for name, node in after.items():
        if name not in before and name not in renamed.values():
            yield Change(f"{kind}-added", f"{graph}, node {path + name!r}", None, _told(node), False)
    kept = [renamed.get(name, name) for name in before if name in after or name in renamed]
    order = [name for name in after if name in kept]
    if kept != order:
        # Messages of branches enter in declared order; for nodes the order means nothing.
        yield Change(f"{kind}-order", f"{graph}, node {path[:-1]!r}" if path else graph, kept, order, not branches)


def _by_name(nodes: Sequence[Document]) -> dict[str, Document]:
    """Nodes by name; of several with one name (which `check` refuses) each later one gets its place for a suffix."""
    named: dict[str, Document] = {}
    for index, node in enumerate(nodes):
        named[node["name"] if node["name"] not in named else f"{node['name']}[{index}]"] = node
    return named


def _node_changes(old: Document, new: Document, graph: str, path: str) -> Iterator[Change]:
    where = f"{graph}, node {path + new['name']!r}"
    fields = ("name", "kind", "description", "select", "fallback", "over", "concurrency", "distributed", "timeout", "retry", "view")
    yield from _field_changes(old, new, where, fields)
    yield from _detail_changes(old.get("detail", {}), new.get("detail", {}), where, "detail")
    below = f"{path}{new['name']}/"
    before, after = old.get("branches", ()), new.get("branches", ())
    yield from _members_changes(before, after, graph, below, _renamed(before, after), branches=True)
    if "graph" in old and "graph" in new:
        yield from _graph_changes(old["graph"], new["graph"], graph, below)
    elif "graph" in old or "graph" in new:
        yield Change("graph", where, old.get("graph"), new.get("graph"), False)


def _field_changes(old: Document, new: Document, where: str, names: Sequence[str]) -> Iterator[Change]:
    for name in names:
        if not _same(old.get(name), new.get(name)):
            yield Change(name, where, old.get(name), new.get(name), name in _COMPATIBLE)


def _limit_changes(old: Document, new: Document, where: str) -> Iterator[Change]:
    before, after = old.get("limits", {}), new.get("limits", {})
    for name in dict.fromkeys([*before, *after]):
        if not _same(before.get(name), after.get(name)):
            yield Change(f"limits.{name}", where, before.get(name), after.get(name), True)


def _state_changes(old: Document | None, new: Document | None, where: str) -> Iterator[Change]:
    if old is None or new is None:
        if old is not new:
            yield Change("state", where, old, new, False)
        return
    for path, before, after in _walk(old, new, ""):
        # A model's import path and what its schema tells people say nothing about the values that a run has stored.
        steps = path.split(".")
        told = (
            steps[-1] in ("description", "title")
            and "default" not in steps
            and all(isinstance(value, str | None) for value in (before, after))
        )
        moved = path == "python" and "schema" in old and "schema" in new
        yield Change(f"state.{path}", where, before, after, told or moved)


def _detail_changes(old: Document, new: Document, where: str, kind: str) -> Iterator[Change]:
    essence = of_graph if kind == "graph-detail" else of_speaker
    essential = {path for path, _, _ in _walk(essence(old), essence(new), "")}
    for path, before, after in _walk(old, new, ""):
        first = path.partition(".")[0]
        moved = path not in essential
        if first in _PROMPTS:
            yield Change("prompt", where, before, after, True)
        else:
            yield Change(f"{kind}.{path}", where, before, after, first in _PARAMETERS or first == "description" or moved)


def _edge_changes(old: Sequence[Document], new: Sequence[Document], where: str, renamed: Mapping[Any, str]) -> Iterator[Change]:
    pairs, removed, added = match_edges(old, new, renamed)
    for index in removed:
        yield Change("edge-removed", f"{where}, edge {edge_text(old[index])}", edge_text(old[index]), None, False)
    for index in added:
        yield Change("edge-added", f"{where}, edge {edge_text(new[index])}", None, edge_text(new[index]), False)
    for one, other in pairs:
        before = {key: renamed.get(value, value) if key in ("from", "to") else value for key, value in old[one].items()}
        yield from _one_edge_changes(before, new[other], f"{where}, edge {edge_text(old[one])}")
    order = [other for _, other in sorted(pairs)]
    if order != sorted(order):
        yield Change(
            "edge-order", where, [edge_text(old[one]) for one, _ in sorted(pairs)], [edge_text(new[n]) for n in sorted(order)], False
        )


def _one_edge_changes(old: Document, new: Document, where: str) -> Iterator[Change]:
    if old["to"] != new["to"]:
        yield Change("edge-retargeted", where, old["to"], new["to"], False)
    if (old.get("when"), old.get("python")) != (new.get("when"), new.get("python")):
        moved = "python" in old and "python" in new and guard_name(old) == guard_name(new)
        yield Change("guard", where, old.get("when", old.get("python")), new.get("when", new.get("python")), moved)
    yield from _field_changes(old, new, where, ("priority", "label", "on", "view"))


def _walk(old: Any, new: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
    """The innermost places at which two JSON values differ, with both values."""
    if isinstance(old, dict) and isinstance(new, dict):
        before, after = cast(dict[str, Any], old), cast(dict[str, Any], new)
        for key in dict.fromkeys([*before, *after]):
            place = f"{path}.{key}" if path else key
            if (key in before) != (key in after):
                yield place, before.get(key), after.get(key)
            else:
                yield from _walk(before[key], after[key], place)
    elif not _same(old, new):
        yield path, old, new


def _same(old: Any, new: Any) -> bool:
    """Whether two JSON values are written alike: 1, 1.0 and true are three values."""
    return old == new and json.dumps(old, sort_keys=True) == json.dumps(new, sort_keys=True)


def _told(node: Document) -> str:
    return f"{node['kind']} {node['name']!r}"


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = repr(text) if isinstance(value, str) else text
    return text if len(text) <= 120 else f"{text[:117]}…"
