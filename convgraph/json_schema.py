"""Whether a value fits a JSON Schema, and where not, in words that say what to change: for documents, answers and models alike.

The judging is the `jsonschema` library's; the words are ours, since its own are for those who know the standard.
Nothing is fetched: a reference that leads out of the schema is an error.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, cast

from convgraph.errors import InputError

if TYPE_CHECKING:
    from jsonschema import SchemaError, ValidationError
    from jsonschema.protocols import Validator

Schema: TypeAlias = Mapping[str, Any]


class Fault(NamedTuple):
    """One thing that is wrong with a value: `path` is where in it (`.nodes[2].kind`, empty for the whole), `what` says what."""

    path: str
    what: str


def faults(value: Any, schema: Schema) -> list[Fault]:
    """Everything in which `value` does not fit; nothing for one that fits. Raises `InputError` for what is no JSON Schema."""
    from referencing.exceptions import Unresolvable

    try:
        errors = list(_validator(_as_text(schema)).iter_errors(value))
    except Unresolvable as error:
        raise InputError(f"the JSON schema refers to {error.ref!r}, which it does not define") from error
    except RecursionError:
        return [Fault("", "it is nested too deeply")]
    return list(dict.fromkeys(Fault(_path(error), _what(error)) for error in errors))


def check_schema(schema: Schema) -> None:
    """Raise `InputError` for what is no JSON Schema."""
    _validator(_as_text(schema))


def _as_text(schema: Schema) -> str:
    try:
        return json.dumps(schema, default=dict)
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(f"a JSON schema is plain JSON data: {error}") from error


@lru_cache(maxsize=256)
def _validator(text: str) -> Validator:
    """The schema made ready. By its text, so that equal schemas are made ready once, whoever holds them."""
    from jsonschema import Draft202012Validator, SchemaError, validators
    from referencing import Registry

    schema = json.loads(text)
    kind = validators.validator_for(schema, default=Draft202012Validator)
    try:
        kind.check_schema(schema)
    except SchemaError as error:
        raise InputError(f"this is no JSON schema, at {_path(error) or 'its top'}: {error.message}") from error
    ours = cast(Any, validators).extend(kind, {"pattern": _pattern})
    return ours(schema, registry=cast(Any, Registry)())


def _pattern(_: Any, pattern: str, value: Any, __: Any) -> Iterator[ValidationError]:
    """As the standard has it: Python's `$` would let a line end pass."""
    from jsonschema import ValidationError

    if isinstance(value, str) and not re.search(re.sub(r"(?<!\\)\$$", r"\\Z", pattern), value):
        yield ValidationError(f"{value!r:.80} is not of the form {pattern}")


def _path(error: ValidationError | SchemaError) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in error.absolute_path)


def _what(error: ValidationError) -> str:
    keyword, wanted, schema = str(error.validator), cast(Any, error.validator_value), cast(Schema, error.schema)
    if keyword == "anyOf" and "description" not in schema:
        return _no_alternative(error)
    if keyword in _WORDS:
        return _WORDS[keyword](error.instance, wanted, schema)
    return error.message if len(error.message) <= 200 else f"{error.message[:197]}..."


def _no_alternative(error: ValidationError) -> str:
    here = len(_path(error))
    reasons = dict.fromkeys(f"{_path(each)[here:].lstrip('.')} {_what(each)}".lstrip() for each in error.context or ())
    return f"{error.instance!r:.80} fits none of what is allowed: {'; '.join(list(reasons)[:5])}"


def _wrong_type(value: Any, wanted: Any, _: Schema) -> str:
    kinds: list[str] = [wanted] if isinstance(wanted, str) else wanted
    quote = "; put it in quotes" if kinds == ["string"] and isinstance(value, bool | int | float) else ""
    return f"{value!r:.80} is not {' or '.join(_TYPES.get(kind, f'a {kind}') for kind in kinds)}{quote}"


def _missing(value: Any, wanted: Any, _: Schema) -> str:
    return _named([name for name in wanted if name not in value], "missing")


def _unknown(value: Any, _: Any, schema: Schema) -> str:
    known = schema.get("properties", {})
    return f"{_named([name for name in value if name not in known], 'not known here')}; known are {', '.join(known) or 'none'}"


def _named(names: list[str], what: str) -> str:
    return f"{', '.join(map(repr, names))} {'is' if len(names) == 1 else 'are'} {what}"


_TYPES = {
    "object": "a mapping",
    "array": "a list",
    "string": "a text",
    "integer": "a whole number",
    "boolean": "true or false",
    "null": "null",
}
_WORDS: Mapping[str, Callable[[Any, Any, Schema], str]] = {
    "type": _wrong_type,
    "required": _missing,
    "additionalProperties": _unknown,
    "anyOf": lambda value, _, schema: f"{value!r:.80} is not {schema['description']}",
    "enum": lambda value, wanted, _: f"{value!r:.80} is not one of {', '.join(map(repr, wanted))}",
    "const": lambda value, wanted, _: f"{value!r:.80} is not {wanted!r}",
    "pattern": lambda value, wanted, schema: f"{value!r:.80} is not {schema.get('description', f'of the form {wanted}')}",
    "minimum": lambda value, wanted, _: f"{value!r} is less than {wanted}",
    "maximum": lambda value, wanted, _: f"{value!r} is more than {wanted}",
    "exclusiveMinimum": lambda value, wanted, _: f"{value!r} is not above {wanted}",
    "exclusiveMaximum": lambda value, wanted, _: f"{value!r} is not below {wanted}",
    "not": lambda value, wanted, _: wanted.get("description", f"{value!r:.80} is not allowed"),
}
