"""Values as plain JSON data, and without secrets."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from convgraph.errors import DefinitionError

MAX_DEPTH = 100
_SECRETS = tuple(
    "apikey apikeys secret secrets secretkey password passwd authorization privatekey credentials "
    "accesstoken authtoken bearertoken adtoken".split()
)


def plain(value: Any, path: str, depth: int = 0) -> Any:
    """The value as JSON data: mappings as dicts, sequences as lists. Raises `DefinitionError` with the path for anything else."""
    if depth > MAX_DEPTH:
        raise DefinitionError(f"{path}: values nest deeper than {MAX_DEPTH}")
    if value is None or isinstance(value, bool):
        return value
    # Subclasses, such as members of an Enum of texts, give way to the plain value.
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float) and math.isfinite(value):
        return float(value)
    if isinstance(value, Mapping):
        items = cast(Mapping[Any, Any], value).items()
        return {_key(key, path): plain(item, f"{path}.{key}", depth + 1) for key, item in items}
    if isinstance(value, list | tuple):
        return [plain(item, f"{path}[{index}]", depth + 1) for index, item in enumerate(cast(Sequence[Any], value))]
    raise DefinitionError(f"{path}: {value!r:.80} ({type(value).__name__}) has no JSON form; say it in texts, numbers, lists and mappings")


def without_secrets(value: Any) -> Any:
    """JSON data without the entries whose keys are names of secrets, such as `api_key`."""
    if isinstance(value, list):
        return [without_secrets(item) for item in cast(list[Any], value)]
    if not isinstance(value, dict):
        return value
    named = cast(dict[str, Any], value).items()
    return {key: _properties(item) if key == "properties" else without_secrets(item) for key, item in named if not _is_secret(key)}


def secrets_in(value: Any, path: str) -> Iterator[str]:
    """The paths of all entries that `without_secrets` would leave out."""
    if isinstance(value, list):
        for index, item in enumerate(cast(list[Any], value)):
            yield from secrets_in(item, f"{path}[{index}]")
    elif isinstance(value, dict):
        for key, item in cast(dict[str, Any], value).items():
            if _is_secret(key):
                yield f"{path}.{key}"
            elif key == "properties" and isinstance(item, dict):
                for name, schema in cast(dict[str, Any], item).items():
                    yield from secrets_in(schema if isinstance(schema, dict) else {name: schema}, f"{path}.properties")
            else:
                yield from secrets_in(item, f"{path}.{key}")


def _properties(properties: Any) -> Any:
    """The properties of a JSON schema, where `password: {type: string}` names a parameter and gives nothing away."""
    if not isinstance(properties, dict):
        return without_secrets(properties)
    named = cast(dict[str, Any], properties).items()
    return {key: without_secrets(item) for key, item in named if isinstance(item, dict) or not _is_secret(key)}


def _is_secret(key: str) -> bool:
    return key.lower().replace("_", "").replace("-", "").endswith(_SECRETS)


def _key(key: Any, path: str) -> str:
    if isinstance(key, str):
        return key
    raise DefinitionError(f"{path}: the key {key!r:.80} is not a text")
