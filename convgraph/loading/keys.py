"""What a mapping in a document may hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from convgraph.errors import DefinitionError


def check_keys(described: Mapping[str, Any], known: Sequence[str], place: str) -> None:
    """Raise `DefinitionError` for a key that is none of `known`."""
    for key in described:
        if key not in known:
            raise DefinitionError(f"{place}: {key!r} is not known here; known are {', '.join(known)}")


def checked_text(value: Any, place: str) -> str:
    """The value, which is a text. Raises `DefinitionError`."""
    if isinstance(value, str):
        return value
    raise DefinitionError(f"{place}: {value!r:.80} is not a text")
