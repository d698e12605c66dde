"""The JSON Schema (draft 2020-12) of a file of cases."""

from __future__ import annotations

from typing import Any

_TEXT = {"type": "string"}
_TEXTS = {"type": "array", "items": _TEXT}
_TEXT_OR_TEXTS = {"description": "a text or a list of texts", "anyOf": [_TEXT, _TEXTS]}
_COUNT = {"type": "integer", "minimum": 1}
_ABOVE_ZERO = {"type": "number", "exclusiveMinimum": 0}
_MODEL = {"description": "a model: its name, or a mapping like {model: …, base_url: …}", "anyOf": [_TEXT, {"type": "object"}]}


def json_schema() -> dict[str, Any]:
    """The JSON Schema of what a file of cases holds, as YAML or as JSON."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Cases that a conversation graph is evaluated over",
        **_object(
            {
                "graph": {
                    "description": "The graph: file.py:name (from where this file lies), package.module:name or graph.yaml.",
                    **_TEXT,
                },
                "judge": _MODEL,
                "repeat": {"description": "How often each case is run that does not say so itself.", **_COUNT},
                "cases": {"type": "array", "items": {"$ref": "#/$defs/case"}, "minItems": 1},
            },
            ["cases"],
        ),
        "$defs": {"case": _case(), "expect": _expect(), "line": _line(), "limits": _limits(), "judged": _judged()},
    }


def _object(properties: dict[str, Any], required: list[str] | None = None) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required or [], "additionalProperties": False}


def _lists(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": {"type": "array", "items": items}}


def _case() -> dict[str, Any]:
    return _object(
        {
            "name": _TEXT,
            "input": {"description": "What the user says: a text, or a list of messages."},
            "state": {"description": "The initial state.", "type": "object"},
            "limits": {"$ref": "#/$defs/limits"},
            "script": {"description": "The models' answers, by the speaker who asks.", **_lists({"$ref": "#/$defs/line"})},
            "answers": {"description": "What people say, by the name of who is asked.", **_lists({})},
            "tools": {"description": "What tools and other effects give, by their names.", **_lists({})},
            "expect": {"$ref": "#/$defs/expect"},
            "weight": _ABOVE_ZERO,
            "repeat": _COUNT,
            "tags": _TEXTS,
        },
        ["name"],
    )


def _expect() -> dict[str, Any]:
    return _object(
        {
            "contains": _TEXT_OR_TEXTS,
            "lacks": _TEXT_OR_TEXTS,
            "equals": _TEXT,
            "matches": _TEXT_OR_TEXTS,
            "status": {"enum": ["finished", "stuck", "waiting", "limited", "failed"]},
            "stop_reason": _TEXT,
            "path": _TEXTS,
            "edges": _TEXT_OR_TEXTS,
            "not_edges": _TEXT_OR_TEXTS,
            "state": {"type": "object"},
            "holds": _TEXT_OR_TEXTS,
            "schema": {"type": "object"},
            "judge": {
                "description": "a rubric, or {rubric: …, pass: 0.7}, or a list of these",
                "anyOf": [_TEXT, {"$ref": "#/$defs/judged"}, {"type": "array", "items": {"anyOf": [_TEXT, {"$ref": "#/$defs/judged"}]}}],
            },
            "call": _TEXT_OR_TEXTS,
        }
    )


def _judged() -> dict[str, Any]:
    return _object({"rubric": _TEXT, "pass": {"type": "number", "minimum": 0, "maximum": 1}}, ["rubric"])


def _line() -> dict[str, Any]:
    call = _object({"id": _TEXT, "name": _TEXT, "arguments": {}}, ["name"])
    usage = _object({"input_tokens": {"type": "integer"}, "output_tokens": {"type": "integer"}, "usd": {"type": "number"}})
    error = _object({"type": _TEXT, "message": _TEXT}, ["message"])
    whole = _object({"content": _TEXT, "json": {}, "tool_calls": {"type": "array", "items": call}, "usage": usage, "error": error})
    return {"description": "a text, or a mapping with content, json, tool_calls, usage or error", "anyOf": [_TEXT, whole]}


def _limits() -> dict[str, Any]:
    visits = {"description": "a number, or one for each node", "anyOf": [_COUNT, {"type": "object", "additionalProperties": _COUNT}]}
    return _object({"turns": _COUNT, "visits": visits, "seconds": _ABOVE_ZERO, "tokens": _COUNT, "usd": _ABOVE_ZERO})
