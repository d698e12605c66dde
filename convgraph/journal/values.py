"""Values inside events as JSON-ready data, and back: JSON, plus a few types written with a tag.

Tuples, sets, bytes, dates, durations, decimals, UUIDs, and the pydantic models and dataclasses that a graph
has registered. Reading imports nothing and calls nothing but the types listed here.
"""

from __future__ import annotations

import base64
import dataclasses
import datetime
import hashlib
import json
import math
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any, cast
from uuid import UUID

from pydantic import BaseModel, TypeAdapter

from convgraph.errors import DefinitionError, NotEncodable, StoreFormat
from convgraph.plain_data import PlainData

TAG = "$type"
MAX_DEPTH = 120
"""How deep the JSON of a value may nest: what is written must be readable, and readers of JSON have limits of their own."""

_TAGGED: Mapping[type, tuple[str, Callable[[Any], Any]]] = {
    bytes: ("bytes", lambda value: base64.b64encode(value).decode("ascii")),
    datetime.datetime: ("datetime", datetime.datetime.isoformat),
    datetime.date: ("date", datetime.date.isoformat),
    datetime.time: ("time", datetime.time.isoformat),
    datetime.timedelta: ("timedelta", datetime.timedelta.total_seconds),
    Decimal: ("decimal", str),
    UUID: ("uuid", str),
}
_UNTAGGED: Mapping[str, Callable[[Any], Any]] = {
    "bytes": base64.b64decode,
    "datetime": datetime.datetime.fromisoformat,
    "date": datetime.date.fromisoformat,
    "time": datetime.time.fromisoformat,
    "timedelta": lambda value: datetime.timedelta(seconds=value),
    "decimal": Decimal,
    "uuid": UUID,
    "float": float,
}


class ValueCodec:
    """Values to JSON-ready ones and back. `types` are the pydantic models and dataclasses that may appear, found by their names."""

    __slots__ = ("_by_name", "_names")

    def __init__(self, types: Iterable[type] = ()) -> None:
        self._by_name: dict[str, TypeAdapter[Any]] = {}
        self._names: dict[type, str] = {}
        for kind in types:
            if not (dataclasses.is_dataclass(kind) or (isinstance(kind, type) and issubclass(kind, BaseModel | PlainData))):
                raise DefinitionError(f"types=: {kind!r} is neither a pydantic model class nor a dataclass")
            name = kind.__name__
            if name in self._by_name:
                raise DefinitionError(f"types=: two types are called {name!r}; journaled types are found by their names")
            self._by_name[name] = TypeAdapter(kind)
            self._names[kind] = name

    @property
    def types(self) -> tuple[type, ...]:
        """The types that may appear, in the order in which they were given."""
        return tuple(self._names)

    def joined(self, others: Iterable[ValueCodec]) -> ValueCodec:
        """A codec of these types and those of `others`. Raises `DefinitionError` where two of them have one name."""
        types = dict.fromkeys([*self._names, *(kind for other in others for kind in other._names)])
        return self if len(types) == len(self._names) else ValueCodec(types)

    def encode(self, value: Any, path: str = "$") -> Any:
        """`value` as JSON-ready data. Raises `NotEncodable` naming the path of the first part that cannot be."""
        return self._encode(value, path, 0)

    def _encode(self, value: Any, path: str, depth: int) -> Any:
        kind = cast("type[Any]", type(value))
        if value is None or kind is bool or kind is int:
            return value
        if kind is str:
            return value if value.isascii() else _checked_text(value, path)
        if kind is float:
            return value if math.isfinite(value) else {TAG: "float", "value": str(value)}
        if kind in _TAGGED:
            tag, write = _TAGGED[kind]
            return {TAG: tag, "value": write(value)}
        if depth >= MAX_DEPTH:
            raise NotEncodable(f"{path:.200}: the value nests deeper than {MAX_DEPTH} levels of JSON", path)
        if kind is list:
            return [self._encode(item, f"{path}[{index}]", depth + 1) for index, item in enumerate(value)]
        if kind is dict:
            return self._encode_mapping(value, path, depth)
        if kind in (tuple, set, frozenset):
            items = value if kind is tuple else sorted(value, key=repr)
            return {TAG: kind.__name__, "value": [self._encode(item, f"{path}[{index}]", depth + 2) for index, item in enumerate(items)]}
        if kind in self._names:
            name = self._names[kind]
            return {TAG: f"registered:{name}", "value": self._by_name[name].dump_python(value, mode="json")}
        raise NotEncodable(
            f"{path}: a {kind.__module__}.{kind.__qualname__} cannot be journaled; return JSON values, "
            f"or register the type with ConversationGraph(types=[{kind.__name__}])",
            path,
        )

    def decode(self, value: Any, path: str = "$") -> Any:
        """What `encode` was given. Raises `StoreFormat`, with its path, for what it cannot have given back."""
        return self._decode(value, path, 0)

    def _decode(self, value: Any, path: str, depth: int) -> Any:
        if depth > 2 * MAX_DEPTH:
            raise StoreFormat(f"{path:.200}: the value is nested deeper than {2 * MAX_DEPTH} levels, which convgraph never writes")
        if isinstance(value, list):
            return [self._decode(item, f"{path}[{index}]", depth + 1) for index, item in enumerate(cast("list[Any]", value))]
        if not isinstance(value, dict):
            return value
        document = cast("dict[str, Any]", value)
        tag: Any = document.get(TAG)
        if TAG not in document:
            return {key: self._decode(item, f"{path}.{key}", depth + 1) for key, item in document.items()}
        try:
            return self._untagged(tag, document.get("value"), path, depth)
        except (TypeError, ValueError, ArithmeticError, AttributeError) as error:
            raise StoreFormat(f"{path:.200}: this is no value of type {tag!r:.100}: {error}") from error

    def _untagged(self, tag: Any, inner: Any, path: str, depth: int) -> Any:
        if not isinstance(tag, str):
            raise TypeError("a type has a name")
        if tag in _UNTAGGED:
            return _UNTAGGED[tag](inner)
        if tag in ("tuple", "set", "frozenset"):
            items = [self._decode(item, f"{path}[{index}]", depth + 2) for index, item in enumerate(inner)]
            return tuple(items) if tag == "tuple" else set(items) if tag == "set" else frozenset(items)
        if tag == "dict":
            return {self._decode(key, path, depth + 3): self._decode(item, path, depth + 3) for key, item in inner}
        if tag.startswith("registered:") and (adapter := self._by_name.get(tag.removeprefix("registered:"))) is not None:
            return adapter.validate_python(inner)
        raise StoreFormat(f"{path:.200}: unknown type {tag!r:.100}; register it with ConversationGraph(types=[…]) to read this run")

    def _encode_mapping(self, value: dict[Any, Any], path: str, depth: int) -> Any:
        if TAG not in value and all(type(key) is str for key in value):
            return {key: self._encode(item, f"{path}.{key}", depth + 1) for key, item in value.items()}
        pairs = [[self._encode(part, f"{path}.{key}", depth + 3) for part in (key, item)] for key, item in value.items()]
        return {TAG: "dict", "value": pairs}


def canonical(value: Any) -> str:
    """JSON text that is equal for equal values, in every process: what digests are taken over."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, default=repr)


def digest_text(text: str) -> str:
    """A short hash of a text: the name under which it is stored once."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _checked_text(value: str, path: str) -> str:
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise NotEncodable(f"{path}: the text holds a lone surrogate at position {error.start}; it is not valid Unicode", path) from error
    return value
