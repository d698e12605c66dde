"""The JSON Schema (draft 2020-12) of a graph's document."""

from __future__ import annotations

from typing import Any

from convgraph.graph.definition import METHODS, NAME, ON

VERSION = 1
"""The document's format. A reader refuses a newer one."""

_TEXT = {"type": "string"}
_ABOVE_ZERO = {"type": "number", "exclusiveMinimum": 0}
_NOT_NEGATIVE = {"type": "number", "minimum": 0}
_WHOLE_ABOVE_ZERO = {"type": "integer", "exclusiveMinimum": 0}


def json_schema() -> dict[str, Any]:
    """The JSON Schema of what `to_document` gives and `from_document` takes."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A conversation graph",
        **_graph({"version": {"description": "The format of this document.", "const": VERSION}}, ["version", "name", "nodes"]),
        "$defs": {
            "name": {
                "description": "1 to 64 letters, digits, '_' or '-'",
                "type": "string",
                "pattern": f"^{NAME.pattern}$",
            },
            "select": {"description": "Who chooses among the enabled transitions.", "enum": [*METHODS, "callable"]},
            "graph": _graph({}, ["name", "nodes"]),
            "node": _node(),
            "edge": _edge(),
            "limits": _limits(),
            "retry": _retry(),
            "view": _view(),
            "state": _state(),
        },
    }


def _object(description: str, properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    return {
        "description": description,
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _graph(more: dict[str, Any], required: list[str]) -> dict[str, Any]:
    return _object(
        "Nodes speak; edges say who may speak next.",
        {
            **more,
            "name": {"$ref": "#/$defs/name"},
            "start": {"description": "The node that speaks first, where no edges leave START.", **_TEXT},
            "state": {"$ref": "#/$defs/state"},
            "select": {"$ref": "#/$defs/select"},
            "fallback": {"description": "The target to take when a selector gives no usable answer.", **_TEXT},
            "limits": {"$ref": "#/$defs/limits"},
            "detail": {"description": "What else belongs to the graph.", "type": "object", "properties": _graph_detail()},
            "nodes": {"type": "array", "items": {"$ref": "#/$defs/node"}},
            "edges": {"description": "In the order in which they are considered.", "type": "array", "items": {"$ref": "#/$defs/edge"}},
        },
        required,
    )


def _graph_detail() -> dict[str, Any]:
    return {
        "selector_model": {
            "description": "The model that selects: its name, or a mapping like {model: …, base_url: …, params: {…}}.",
            "type": ["string", "object"],
        },
        "selector_prompt": {
            "description": "How that model is asked, where that is not as usual.",
            "type": "object",
            "properties": {
                **dict.fromkeys(("instruction", "question", "if_none", "if_several"), _TEXT),
                "question_role": {"enum": ["system", "user"]},
                "attempts": {"type": "integer", "minimum": 1},
                "votes": {"type": "integer", "minimum": 1},
                "view": {"description": "{type: function, call: package.module:name}", "type": "object"},
            },
        },
        "types": {
            "description": "What effects may return: package.module:Name of pydantic models and dataclasses.",
            "type": "array",
            "items": _TEXT,
        },
        "redact": {
            "description": "What is never recorded: patterns, each with a name, or {type: function, call: package.module:name}.",
            "type": ["array", "object"],
            "items": _object("What is taken out of texts.", {"name": _TEXT, "pattern": _TEXT}, ["name", "pattern"]),
        },
    }


def _node() -> dict[str, Any]:
    return _object(
        "A named place that speaks.",
        {
            "name": {"$ref": "#/$defs/name"},
            "kind": {"enum": ["function", "agent", "graph", "parallel", "foreach"]},
            "description": {"description": "What a selecting model is told about it.", **_TEXT},
            "detail": {"description": "What the speaker says of itself: its type, prompt, model …", "type": "object"},
            "graph": {"$ref": "#/$defs/graph"},
            "branches": {"description": "The members of a group, or a foreach's body.", "type": "array", "items": {"$ref": "#/$defs/node"}},
            "over": {"description": "CEL: the list that a foreach runs over.", **_TEXT},
            "concurrency": {"type": "integer"},
            "distributed": {"description": "Whether a foreach's items are runs of their own, for any worker.", "type": "boolean"},
            "select": {"$ref": "#/$defs/select"},
            "fallback": _TEXT,
            "retry": {"$ref": "#/$defs/retry"},
            "timeout": {"description": "Seconds.", **_ABOVE_ZERO},
            "view": {"$ref": "#/$defs/view"},
        },
        ["name", "kind"],
    )


def _edge() -> dict[str, Any]:
    edge = _object(
        "A transition.",
        {
            "from": {"description": "A node, or START.", "$ref": "#/$defs/name"},
            "to": {"description": "A node, or END.", "$ref": "#/$defs/name"},
            "when": {"description": "CEL: the guard.", **_TEXT},
            "python": {"description": "The guard as a Python callable: package.module:name", **_TEXT},
            "priority": {"type": "integer"},
            "label": _TEXT,
            "on": {"enum": list(ON)},
            "view": {"$ref": "#/$defs/view"},
        },
        ["from", "to"],
    )
    return {**edge, "not": {"description": "'when' and 'python' exclude each other", "required": ["when", "python"]}}


def _limits() -> dict[str, Any]:
    visits = {
        "description": "a whole number above zero, or a mapping of nodes to such numbers",
        "anyOf": [_WHOLE_ABOVE_ZERO, {"type": "object", "additionalProperties": _WHOLE_ABOVE_ZERO}],
    }
    numbers = dict.fromkeys(("turns", "seconds", "tokens", "usd"), _ABOVE_ZERO)
    return _object("What a run may cost.", {**numbers, "visits": visits}, [])


def _retry() -> dict[str, Any]:
    return _object(
        "How often a failing node is tried, and how long to wait in between.",
        {
            "attempts": {"type": "integer", "minimum": 1},
            "wait": _NOT_NEGATIVE,
            "max_wait": _NOT_NEGATIVE,
            "on": {"description": "The names of the errors that are worth it.", "type": "array", "items": _TEXT},
        },
        [],
    )


def _view() -> dict[str, Any]:
    return _object(
        "What a node is shown of the conversation.",
        {
            **dict.fromkeys(("last", "tokens", "every"), _WHOLE_ABOVE_ZERO),
            "keep_first": {"type": "boolean"},
            "summary": {"description": "The field of the state that keeps a summary of what is left out.", **_TEXT},
        },
        [],
    )


def _state() -> dict[str, Any]:
    state = _object(
        "The conversation's typed state: fields, or a pydantic model.",
        {
            "fields": {
                "description": "Field names and their small JSON schemas.",
                "type": "object",
                "additionalProperties": {"type": "object"},
            },
            "python": {"description": "A pydantic model: package.module:Name", **_TEXT},
            "schema": {"description": "The model's JSON schema, for readers and comparisons.", "type": "object"},
        },
        [],
    )
    return {**state, "anyOf": [{"required": ["fields"]}, {"required": ["python"]}]}
