"""Fields of JSON from servers of any make: of the type that is needed, or empty."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any, cast


def text_in(holder: Mapping[str, Any], key: str) -> str:
    """The text under `key`, or an empty one."""
    value = holder.get(key)
    return value if isinstance(value, str) else ""


def count_in(holder: Mapping[str, Any], key: str) -> int:
    """The number from 0 under `key`, or 0."""
    value = holder.get(key)
    return value if isinstance(value, int) and value >= 0 else 0


def number_in(holder: Mapping[str, Any], key: str) -> float | None:
    """The finite number under `key`, or None."""
    value = holder.get(key)
    return value if isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value) else None


def mapping_in(holder: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """The object under `key`, or an empty one."""
    value = holder.get(key)
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


def items_in(holder: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    """The objects in the list under `key`; none where there is no list."""
    value = holder.get(key)
    listed = cast("list[Any]", value) if isinstance(value, list) else []
    return [cast("Mapping[str, Any]", item) for item in listed if isinstance(item, Mapping)]
