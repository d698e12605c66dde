"""JSON schema, as far as models' answers need it: references, and what does not fit."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias, cast

from convgraph.errors import ModelConfigError

Schema: TypeAlias = Mapping[str, Any]


def referenced(reference: str, root: Schema) -> Schema:
    """What `#/$defs/Name` means in `root`. Raises `ModelConfigError` when it leads nowhere."""
    found: Any = root
    for part in filter(None, reference.removeprefix("#").split("/")):
        name = part.replace("~1", "/").replace("~0", "~")
        found = cast("Schema", found).get(name) if isinstance(found, Mapping) else None
    if not isinstance(found, Mapping):
        raise ModelConfigError(f"the answer's schema refers to {reference!r}, which it does not define")
    return cast("Schema", found)


def dereferenced(schema: Schema, root: Schema) -> Schema:
    """The schema itself, or what it refers to. Raises `ModelConfigError` when that leads nowhere."""
    seen: set[str] = set()
    while (reference := schema.get("$ref")) is not None and reference not in seen:
        seen.add(reference)
        schema = referenced(reference, root)
    return schema


_TYPES: Mapping[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: not isinstance(value, bool) and (isinstance(value, int) or (isinstance(value, float) and value.is_integer())),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
}


def violations(value: Any, schema: Any, root: Schema | None = None, path: str = "$") -> Iterator[str]:
    """Each place where `value` does not fit the JSON schema, as a sentence that names it.

    Knows the vocabulary that pydantic and function schemas use; other keywords are left to the reader of the
    answer. Nothing is yielded for a value that fits.
    """
    if schema is False:
        yield f"{path} is not allowed"
    if not isinstance(schema, Mapping):
        return
    root = cast("Schema", schema) if root is None else root
    rules = dereferenced(cast("Schema", schema), root)
    kinds: Any = rules.get("type")
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(kind not in _TYPES or _TYPES[kind](value) for kind in kinds):
        yield f"{path} is to be of type {' or '.join(kinds)}, not {_short(value)}"
        return
    if "enum" in rules and not any(_same(value, allowed) for allowed in rules["enum"]):
        yield f"{path} is to be one of {_short(rules['enum'])}, not {_short(value)}"
    if "const" in rules and not _same(value, rules["const"]):
        yield f"{path} is to be {_short(rules['const'])}, not {_short(value)}"
    yield from _violated_bounds(value, rules, path)
    if isinstance(value, dict):
        yield from _violated_members(cast("dict[str, Any]", value), rules, root, path)
    elif isinstance(value, list):
        for index, item in enumerate(cast("list[Any]", value)):
            yield from violations(item, rules.get("items"), root, f"{path}[{index}]")
    for part in rules.get("allOf", ()):
        yield from violations(value, part, root, path)
    for key in ("anyOf", "oneOf"):
        if key in rules and not any(not list(violations(value, part, root, path)) for part in rules[key]):
            yield f"{path} fits none of its {len(rules[key])} alternatives: {_short(value)}"


def _violated_members(value: dict[str, Any], rules: Schema, root: Schema, path: str) -> Iterator[str]:
    properties: Mapping[str, Any] = rules.get("properties", {})
    for key in rules.get("required", ()):
        if key not in value:
            yield f"{path}.{key} is missing"
    for key, item in value.items():
        if key in properties:
            yield from violations(item, properties[key], root, f"{path}.{key}")
        elif "additionalProperties" in rules:
            yield from violations(item, rules["additionalProperties"], root, f"{path}.{key}")


_BOUNDS: Mapping[str, Callable[[Any, Any], bool]] = {
    "minimum": lambda value, bound: value >= bound,
    "maximum": lambda value, bound: value <= bound,
    "exclusiveMinimum": lambda value, bound: value > bound,
    "exclusiveMaximum": lambda value, bound: value < bound,
    "minLength": lambda value, bound: len(value) >= bound,
    "maxLength": lambda value, bound: len(value) <= bound,
    "pattern": lambda value, bound: re.search(bound, value) is not None,
    "minItems": lambda value, bound: len(value) >= bound,
    "maxItems": lambda value, bound: len(value) <= bound,
}
_BOUNDS_OF: Mapping[type, tuple[str, ...]] = {
    int: ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
    float: ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
    str: ("minLength", "maxLength", "pattern"),
    list: ("minItems", "maxItems"),
}


def _violated_bounds(value: Any, rules: Schema, path: str) -> Iterator[str]:
    for keyword in _BOUNDS_OF.get(value.__class__, ()):
        if keyword in rules and not _BOUNDS[keyword](value, rules[keyword]):
            yield f"{path} breaks {keyword} {rules[keyword]!r}: {_short(value)}"


def _same(one: Any, other: Any) -> bool:
    """Equality as JSON has it: true is not 1, at any depth."""
    if isinstance(one, list) and isinstance(other, list):
        ours, theirs = cast("list[Any]", one), cast("list[Any]", other)
        return len(ours) == len(theirs) and all(map(_same, ours, theirs))
    if isinstance(one, dict) and isinstance(other, dict):
        mine, yours = cast("dict[str, Any]", one), cast("dict[str, Any]", other)
        return mine.keys() == yours.keys() and all(_same(mine[key], yours[key]) for key in mine)
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=repr)
    return text if len(text) <= 100 else f"{text[:97]}..."
