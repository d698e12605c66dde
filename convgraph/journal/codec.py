"""Events as JSON text, and back. They are declared types, checked on reading; an unknown one is an error that names it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

import msgspec
from pydantic_core import from_json

from convgraph.errors import NotEncodable, StoreCorrupt, StoreFormat
from convgraph.journal.events import EVENTS, Event
from convgraph.journal.turn_paths import is_inner
from convgraph.journal.values import ValueCodec
from convgraph.plain_data import PlainData

DEEPEST = 150
"""Levels of JSON that every reader can follow. More brackets than that may be flat or deep: it is tried."""


def _plainly(value: object) -> str | int | float:
    """A text or a number of a subclass as what it is at bottom."""
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    raise TypeError(f"a {type(value).__qualname__} is no JSON value")


_write: Callable[[Event], bytes] = msgspec.json.Encoder(enc_hook=_plainly).encode
_READERS: Mapping[str, Callable[[str | bytes], Any]] = {
    kind: msgspec.json.Decoder(event).decode
    for kind, event in {**EVENTS, "inner_step": EVENTS["step"], "inner_moved": EVENTS["moved"]}.items()
}


def encode_event(event: Event) -> str:
    """The event as JSON text, without its defaults. Raises `NotEncodable` with the path of what does not fit.

    What could be written and not be read back (a number where a text belongs) is refused: it would cost the whole run. Steps and
    effects, of which there are one or two in every turn, are made of parts that were looked at one by one.
    """
    try:
        body = _write(event)
        if event.kind not in ("step", "effect_finished"):
            _READERS[event.kind](body)
        if len(body) > 2 * DEEPEST and body.count(b"[") + body.count(b"{") > DEEPEST:
            from_json(body)  # may nest too deeply to be read back
        return body.decode()
    except (ValueError, TypeError, RecursionError) as error:  # lone surrogates are ValueErrors
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
    except (ValueError, RecursionError) as error:  # msgspec's errors of reading are ValueErrors, and say where
        raise StoreCorrupt(f"run {run_id!r}, event {seq} ({kind}) cannot be read: {error}", run_id, seq) from error


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
    if isinstance(value, PlainData):
        return {name: _plain(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in cast("list[Any]", value)]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in cast("dict[Any, Any]", value).items()}
    return value
