"""Answers that must fit a JSON schema: the schema as providers want it, and the check of what comes back."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, cast

from convgraph.errors import InputError, ModelConfigError, ModelOutputError
from convgraph.json_schema import Schema, faults
from convgraph.models.text import sound_json
from convgraph.plain_data import replaced
from convgraph.protocols import ModelReply, ModelRequest

WRAPPED = "value"
"""The property that carries an answer which is not an object: providers want an object at the top."""


def response_format(request: ModelRequest) -> dict[str, Any] | None:
    """The `response_format` of a chat completion for this request's schema, or None when it has none."""
    if request.schema is None:
        return None
    schema = _with_object_root(request.schema)
    strict = strict_schema(schema)
    name = re.sub(r"[^a-zA-Z0-9_-]", "_", request.schema_name)[:64] or "answer"
    described = {"name": name, "schema": strict or dict(schema), "strict": strict is not None}
    return {"type": "json_schema", "json_schema": described}


def with_data(reply: ModelReply, request: ModelRequest) -> ModelReply:
    """The reply with its content parsed as `data`, if it fits the request's schema.

    A reply that calls tools has not answered yet, and an unchecked one is for the asker to judge: both are returned
    as they are. Raises `ModelOutputError`, with the reply on it, saying every place where content and schema differ.
    """
    if request.schema is None or reply.tool_calls or not request.checked:
        return reply
    why = {"length": "; it was cut off: raise max_completion_tokens", "content_filter": "; a content filter stopped it"}
    hint = why.get(reply.finish_reason, "; it is a refusal" if reply.finish_reason == "refusal" else "")
    try:
        data = parse_json(sound_json(reply.content))
    except ValueError as error:
        raise ModelOutputError(f"{reply.model!r} was to answer with JSON: {error}{hint}. It said: {reply.content!r:.200}", reply) from error
    if _is_wrapped(request.schema) and isinstance(data, dict) and set(cast("dict[str, Any]", data)) == {WRAPPED}:
        data = cast("dict[str, Any]", data)[WRAPPED]
    problems = _problems(data, request.schema)
    if problems:
        raise ModelOutputError(f"{reply.model!r} gave an answer that does not fit the schema: {'; '.join(problems[:5])}{hint}", reply)
    return replaced(reply, data=data)


def _problems(data: Any, schema: Schema) -> list[str]:
    try:
        return [f"${path}: {what}" for path, what in faults(data, schema)]
    except InputError as error:
        raise ModelConfigError(f"the schema of an answer cannot be used: {error}") from error


def parse_json(text: str) -> Any:
    """The JSON value in `text`; unlike `json.loads`, refuses NaN and infinities. Raises `ValueError`."""
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def strict_schema(schema: Schema) -> dict[str, Any] | None:
    """The schema as OpenAI's strict mode wants it, or None where it cannot be put so (objects with free keys).

    Every property becomes required, every object closed, and defaults go: a strict model leaves nothing out.
    A reference with siblings is replaced by what it refers to, merged with them.
    """
    try:
        return _strict(schema, schema, ())
    except _NotStrict:
        return None


class _NotStrict(Exception):
    """The schema allows what strict mode cannot express."""


def _strict(schema: Any, root: Schema, inside: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(schema, Mapping):
        raise _NotStrict
    result = {key: value for key, value in cast("Schema", schema).items() if key != "default"}
    reference = result.get("$ref")
    if reference is not None and len(result) > 1:
        if reference in inside:
            raise _NotStrict
        siblings = {key: value for key, value in result.items() if key != "$ref"}
        return _strict({**_referenced(reference, root), **siblings}, root, (*inside, reference))
    if result.get("type") == "object" or "properties" in result:
        if result.get("additionalProperties") not in (None, False) or "patternProperties" in result or "properties" not in result:
            raise _NotStrict
        result["additionalProperties"] = False
        result["required"] = list(result["properties"])
    for key in ("properties", "$defs", "definitions"):
        if key in result:
            result[key] = {name: _strict(value, root, inside) for name, value in result[key].items()}
    if "items" in result:
        result["items"] = _strict(result["items"], root, inside)
    for key in ("anyOf", "oneOf", "allOf", "prefixItems"):
        if key in result:
            result[key] = [_strict(value, root, inside) for value in result[key]]
    return result


def _is_wrapped(schema: Schema) -> bool:
    return _dereferenced(schema, schema).get("type") != "object"


def _with_object_root(schema: Schema) -> Schema:
    if not _is_wrapped(schema):
        return schema if schema.get("type") == "object" else {**_dereferenced(schema, schema), **_definitions(schema)}
    inner = {key: value for key, value in schema.items() if key not in ("$defs", "definitions")}
    return {
        "type": "object",
        "properties": {WRAPPED: inner},
        "required": [WRAPPED],
        "additionalProperties": False,
        **_definitions(schema),
    }


def _definitions(schema: Schema) -> dict[str, Any]:
    return {key: schema[key] for key in ("$defs", "definitions") if key in schema}


def _referenced(reference: str, root: Schema) -> Schema:
    """What `#/$defs/Name` means in `root`. Raises `ModelConfigError` when it leads nowhere."""
    found: Any = root
    for part in filter(None, reference.removeprefix("#").split("/")):
        name = part.replace("~1", "/").replace("~0", "~")
        found = cast("Schema", found).get(name) if isinstance(found, Mapping) else None
    if not isinstance(found, Mapping):
        raise ModelConfigError(f"the answer's schema refers to {reference!r}, which it does not define")
    return cast("Schema", found)


def _dereferenced(schema: Schema, root: Schema) -> Schema:
    """The schema itself, or what it refers to. Raises `ModelConfigError` when that leads nowhere."""
    seen: set[str] = set()
    while (reference := schema.get("$ref")) is not None and reference not in seen:
        seen.add(reference)
        schema = _referenced(reference, root)
    return schema
