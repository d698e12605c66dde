"""What differs between two JSON values, place by place."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from convgraph.studio.said import shortened
from convgraph.studio.schemas.base import ChangeOut

MOST = 500
"""Places that are told; a page cannot show more in any useful way."""


def changes(before: Any, after: Any) -> list[ChangeOut]:
    """The innermost places at which two values differ, as in `a.b[0]`; the whole value has the empty place."""
    found: list[ChangeOut] = []
    for change in _changes(before, after, ""):
        if len(found) == MOST:
            break
        found.append(change)
    return found


def _changes(before: Any, after: Any, place: str) -> Iterator[ChangeOut]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        yield from _members(cast("Mapping[str, Any]", before), cast("Mapping[str, Any]", after), place)
    elif isinstance(before, list) and isinstance(after, list):
        yield from _items(cast("list[Any]", before), cast("list[Any]", after), place)
    elif not _same(before, after):
        yield ChangeOut(place=place, kind="changed", before=shortened(before), after=shortened(after))


def _members(before: Mapping[str, Any], after: Mapping[str, Any], place: str) -> Iterator[ChangeOut]:
    for key in dict.fromkeys([*before, *after]):
        inner = f"{place}.{key}" if place else key
        if key not in after:
            yield ChangeOut(place=inner, kind="removed", before=shortened(before[key]))
        elif key not in before:
            yield ChangeOut(place=inner, kind="added", after=shortened(after[key]))
        else:
            yield from _changes(before[key], after[key], inner)


def _items(before: Sequence[Any], after: Sequence[Any], place: str) -> Iterator[ChangeOut]:
    for index, (old, new) in enumerate(zip(before, after, strict=False)):
        yield from _changes(old, new, f"{place}[{index}]")
    for index in range(len(after), len(before)):
        yield ChangeOut(place=f"{place}[{index}]", kind="removed", before=shortened(before[index]))
    for index in range(len(before), len(after)):
        yield ChangeOut(place=f"{place}[{index}]", kind="added", after=shortened(after[index]))


def _same(before: Any, after: Any) -> bool:
    """Whether two JSON values are written alike: 1, 1.0 and true are three values."""
    return before is after or (before == after and json.dumps(before, sort_keys=True) == json.dumps(after, sort_keys=True))
