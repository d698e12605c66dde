"""Events as JSON text, and back. They are declared types, validated on reading; an unknown one is an error that names it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, cast

from pydantic import TypeAdapter, ValidationError

from convgraph.errors import NotEncodable, StoreCorrupt, StoreFormat
from convgraph.journal.events import EVENTS, Event
from convgraph.journal.turn_paths import is_inner
from convgraph.journal.values import ValueCodec

_ADAPTERS: Mapping[str, TypeAdapter[Any]] = {kind: TypeAdapter(event) for kind, event in EVENTS.items()}
_WRITERS: Mapping[str, Callable[..., bytes]] = {kind: adapter.serializer.to_json for kind, adapter in _ADAPTERS.items()}
_READERS: Mapping[str, Callable[[str | bytes], Any]] = {
    kind: adapter.validator.validate_json
    for kind, adapter in {**_ADAPTERS, "inner_step": _ADAPTERS["step"], "inner_moved": _ADAPTERS["moved"]}.items()
}

DEEPEST = 150
"""Levels of JSON that every reader can follow. More brackets than that may be flat or deep: it is tried."""


def encode_event(event: Event) -> str:
    """The event as JSON text, without its defaults. Raises `NotEncodable` with the path of what does not fit."""
    try:
        body = _WRITERS[event.kind](event, exclude_defaults=True)
        if body.count(b"[") + body.count(b"{") > DEEPEST:
            _READERS[event.kind](body)  # may nest too deeply to be read back
        return body.decode()
    except ValueError as error:  # pydantic's serialization errors are ValueErrors; so are lone surrogates
        raise NotEncodable(f"{event.kind} cannot be written to the journal: {_explain(event) or error}", _path(event)) from error


def row_kind(event: Event) -> str:
    """The kind under which a row is stored: steps inside a turn have one of their own, so that a store can leave them out."""
    kind = event.kind
    if kind in ("step", "moved") and is_inner(event.path):  # type: ignore[union-attr]  # both have a path
        return f"inner_{kind}"
    return kind


def decode_event(kind: str, body: str | bytes, run_id: str, seq: int) -> Event:
    """The event that was written. Raises `StoreFormat` for an unknown kind, `StoreCorrupt` for a body that does not fit."""
    read = _READERS.get(kind)
    if read is None:
        raise StoreFormat(f"run {run_id!r}, event {seq}: unknown kind {kind!r}; a newer convgraph wrote it, so read it with that one")
    try:
        return read(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(["$", *map(str, first["loc"])])
        raise StoreCorrupt(f"run {run_id!r}, event {seq} ({kind}) cannot be read: {place}: {first['msg']}", run_id, seq) from error


def _explain(event: Event) -> str:
    try:
        ValueCodec().encode(_plain(event))
    except NotEncodable as error:
        return str(error)
    except RecursionError:
        return "it is nested too deeply"
    return ""


def _path(event: Event) -> str:
    try:
        ValueCodec().encode(_plain(event))
    except NotEncodable as error:
        return error.path
    except RecursionError:
        return "$"
    return "$"


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {item.name: _plain(getattr(value, item.name)) for item in dataclasses.fields(value)}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in cast("list[Any]", value)]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in cast("dict[Any, Any]", value).items()}
    return value
