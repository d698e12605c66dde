"""Whether a JSON value has the shape that a JSON Schema asks for, and where not. The part of the standard that documents need."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

_PYTHON_TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (Mapping,),
    "array": (list, tuple),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}
_A = {"object": "a mapping", "array": "a list", "string": "a text", "integer": "a whole number", "boolean": "true or false"}


def faults(value: Any, schema: Mapping[str, Any], root: Mapping[str, Any] | None = None, path: str = "") -> Iterator[str]:
    """What is wrong with `value`, each with its path: `nodes[2].kind: 'agnet' is not one of …`.

    Knows `$ref` (within the schema), `type`, `enum`, `const`, `pattern`, the bounds of numbers, `properties`,
    `required`, `additionalProperties`, `items`, `anyOf` and `not`.
    """
    root = schema if root is None else root
    if "$ref" in schema:
        schema = _referred(root, schema["$ref"])
    here = path or "the document"
    if "anyOf" in schema and all(any(faults(value, option, root, path)) for option in schema["anyOf"]):
        yield f"{here}: {value!r:.80} is not {schema.get('description', 'any of what is allowed')}"
        return
    kind = schema.get("type")
    if kind is not None and not has_type(value, kind):
        quote = "; put it in quotes" if kind == "string" and isinstance(value, bool | int | float) else ""
        yield f"{here}: {value!r:.80} is not {_A.get(kind, f'a {kind}')}{quote}"
        return
    yield from (f"{here}: {fault}" for fault in _value_faults(value, schema, root))
    if isinstance(value, Mapping):
        yield from _mapping_faults(cast(Mapping[str, Any], value), schema, root, path)
    elif isinstance(value, list | tuple) and "items" in schema:
        for index, item in enumerate(cast(Sequence[Any], value)):
            yield from faults(item, schema["items"], root, f"{path}[{index}]")


def has_type(value: Any, kind: str) -> bool:
    """Whether `value` is of a JSON type. True and False are no numbers."""
    return isinstance(value, _PYTHON_TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))


def _referred(root: Mapping[str, Any], reference: str) -> Mapping[str, Any]:
    found: Any = root
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return found


def _value_faults(value: Any, schema: Mapping[str, Any], root: Mapping[str, Any]) -> Iterator[str]:
    if "const" in schema and value != schema["const"]:
        yield f"{value!r:.80} is not {schema['const']!r}"
    if "enum" in schema and value not in schema["enum"]:
        yield f"{value!r:.80} is not one of {', '.join(map(repr, schema['enum']))}"
    if "pattern" in schema and isinstance(value, str) and not re.search(_whole(schema["pattern"]), value):
        yield f"{value!r:.80} is not {schema.get('description', 'of the form ' + schema['pattern'])}"
    if "minimum" in schema and has_type(value, "number") and value < schema["minimum"]:
        yield f"{value!r} is less than {schema['minimum']}"
    if "exclusiveMinimum" in schema and has_type(value, "number") and value <= schema["exclusiveMinimum"]:
        yield f"{value!r} is not above {schema['exclusiveMinimum']}"
    if "not" in schema and not any(faults(value, schema["not"], root)):
        yield schema["not"].get("description", f"{value!r:.80} is not allowed")


def _whole(pattern: str) -> str:
    """A JSON Schema's pattern for Python, whose `$` would let a line end pass."""
    return re.sub(r"(?<!\\)\$$", r"\\Z", pattern)


def _mapping_faults(value: Mapping[str, Any], schema: Mapping[str, Any], root: Mapping[str, Any], path: str) -> Iterator[str]:
    here = path or "the document"
    known: Mapping[str, Any] = schema.get("properties", {})
    for key in schema.get("required", ()):
        if key not in value:
            yield f"{here}: {key!r} is missing"
    others: Any = schema.get("additionalProperties", True)
    for key, item in value.items():
        place = f"{path}.{key}" if path else str(key)
        if key in known:
            yield from faults(item, known[key], root, place)
        elif others is False:
            yield f"{here}: {key!r} is not known here; known are {', '.join(known)}"
        elif others is not True:
            yield from faults(item, others, root, place)
