"""Values as plain JSON data."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, cast

from convgraph.errors import DefinitionError

MAX_DEPTH = 100


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


def _key(key: Any, path: str) -> str:
    if isinstance(key, str):
        return key
    raise DefinitionError(f"{path}: the key {key!r:.80} is not a text")
