"""What differs between the interfaces that OpenAI-compatible endpoints have: how to ask, and how to read the answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from convgraph.models.prices import Price
from convgraph.protocols import ModelReply, ModelRequest


class Collector(Protocol):
    """What has come of a streamed answer so far."""

    def add_chunk(self, chunk: Any) -> None:
        """Take in one event of the stream. Raises `ModelOutputError` when it is none."""
        ...

    def reply(self, price: Price | None) -> ModelReply:
        """The reply so far; its `finish_reason` is empty while it has not ended."""
        ...


@dataclass(frozen=True, slots=True)
class Dialect:
    """An interface: what it is called, its path below the base URL, and its words.

    `write` makes a request's JSON body, `read` a reply of an answer's body, `collect` takes a stream in; `streamed` is
    what a request for a stream says besides.
    """

    kind: str
    path: str
    write: Callable[[ModelRequest, str, Mapping[str, Any]], dict[str, Any]]
    read: Callable[[Any, str, Price | None], ModelReply]
    collect: Callable[[str, Callable[[str], None]], Collector]
    streamed: Mapping[str, Any] = field(default_factory=dict[str, Any])
