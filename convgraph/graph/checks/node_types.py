"""What nodes say of themselves: the types they accept and return, the state fields they write.

The description of a speaker may carry `accepts` and `returns` (also `input` and `output`): the name of a Python
type (`"str"`, `"Draft | None"`), several of them (a class and its bases, any of which will do), or a JSON
schema; and `writes`, the state fields it updates. What is not said is not checked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias, cast

from convgraph.graph.definition import END, START, Definition, Node

Types: TypeAlias = frozenset[str] | None
"""The names of the types that are possible; None: any."""

# Not the name of one type of value: a message's content may be anything, a mapping may fit any model.
_OPEN = frozenset(
    "Any object Message Reply ReplyLike Content Context Literal TypeVar Awaitable Coroutine dict Dict Mapping TypedDict".split()
)
_WIDER: Mapping[str, frozenset[str]] = {"bool": frozenset({"int", "float"}), "int": frozenset({"float"})}
_JSON_TYPES: Mapping[str, str] = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "array": "list", "null": "None"}
_SEPARATOR = re.compile(r"[|,](?![^\[]*\])")


def accepts(node: Node) -> list[Types]:
    """What a node takes as input, all of which must fit: a group passes it to each branch, a sub-graph to who begins."""
    if node.kind == "graph":
        return _accepts_inside(node.inner) if node.inner is not None else []
    if node.kind == "parallel":
        return [types for branch in node.branches for types in accepts(branch)]
    if node.kind == "foreach":
        return []
    types = _declared(node, "accepts", "input")
    # Every message has a text, so who takes a text takes anything.
    return [] if types is None or "str" in types else [types]


def _accepts_inside(graph: Definition) -> list[Types]:
    """What a sub-graph takes. Where it is chosen who begins, it is enough that somebody may take it."""
    if graph.beginning != START:
        first = graph.nodes.get(graph.start or "")
        return accepts(first) if first is not None else []
    targets = dict.fromkeys(edge.target for edge in graph.edges if edge.source == START)
    taken = [accepts(graph.nodes[name]) if name in graph.nodes else [] for name in targets]
    return [_union(types for one in taken for types in one)] if all(taken) else []


def returns(node: Node) -> Types:
    """What a node gives. A group gives what any of its branches gives, a sub-graph what it says before its END."""
    if node.kind in ("parallel", "foreach"):
        return _union(returns(branch) for branch in node.branches)
    if node.kind == "graph":
        if node.inner is None:
            return None
        last = dict.fromkeys(edge.source for edge in node.inner.edges if edge.target == END and edge.source in node.inner.nodes)
        return _union(returns(node.inner.nodes[name]) for name in last)
    return _declared(node, "returns", "output")


def writes(node: Node) -> frozenset[str]:
    """The state fields that a node says it writes."""
    declared: Any = node.detail.get("writes") or ()
    return frozenset(str(name) for name in declared) if not isinstance(declared, str) else frozenset({declared})


def mismatch(given: Types, taken: Types) -> tuple[str, str] | None:
    """The two sides in words where nothing that is given can be taken; None where something may fit."""
    if given is None or taken is None:
        return None
    given = given - {"None"}
    if not given or given & taken or any(_WIDER.get(name, frozenset()) & taken for name in given):
        return None
    return " or ".join(sorted(given)), " or ".join(sorted(taken - {"None"})) or "nothing"


def _union(many: Iterable[Types]) -> Types:
    names: frozenset[str] = frozenset()
    for types in many:
        if types is None:
            return None
        names |= types
    return names or None


def _declared(node: Node, *keys: str) -> Types:
    for key in keys:
        if node.detail.get(key) is not None:
            return _names(node.detail[key])
    return None


def _names(declared: Any) -> Types:
    if isinstance(declared, str):
        return _union(_name(part) for part in _SEPARATOR.split(declared))
    if isinstance(declared, Mapping):
        return _schema_names(cast(Mapping[str, Any], declared))
    if isinstance(declared, list | tuple):
        return _union(_names(item) for item in cast(Sequence[Any], declared))
    return None


def _name(text: str) -> Types:
    text = text.strip().strip("'\"")
    head, _, arguments = text.partition("[")
    head = head.rpartition(".")[2].strip()
    if head in ("Optional", "Union", "Annotated"):
        inner = arguments.removesuffix("]")
        return _names(inner.partition(",")[0] if head == "Annotated" else inner + " | None" * (head == "Optional"))
    return None if head in _OPEN or not head.isidentifier() else frozenset({head})


def _schema_names(schema: Mapping[str, Any]) -> Types:
    for union in ("anyOf", "oneOf"):
        if union in schema:
            return _names(list(schema[union]))
    kind: Any = schema.get("type")
    if isinstance(kind, list):
        return _union(_schema_names({**schema, "type": one}) for one in cast(list[str], kind))
    if kind == "object":
        return frozenset({str(schema["title"])}) if schema.get("title") else None
    return frozenset({_JSON_TYPES[kind]}) if kind in _JSON_TYPES else None
