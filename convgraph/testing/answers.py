"""What a scripted server can answer: texts, tool calls, and everything that goes wrong with real endpoints."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, cast


@dataclass(frozen=True, slots=True)
class Answer:
    """A chat completion.

    `tool_calls` are mappings with `name` and `arguments` (a mapping, or JSON text), and an `id` where it matters.
    `usage` is (input, output) tokens; by default they are counted. `cached` of the input tokens are reported as read
    from the prompt cache, and `written` as put there. `reports_usage=False` leaves them out, as some servers do.
    `extra` is merged into the message, for what the other fields cannot say. Of a response, it may hold `output` (items that come
    before the message, as those of the endpoint's own tools), `annotations` of its text, and a `refusal`.
    """

    content: str = ""
    tool_calls: Sequence[Mapping[str, Any]] = ()
    finish_reason: str = ""
    usage: tuple[int, int] | None = None
    cached: int = 0
    written: int = 0
    reports_usage: bool = True
    latency: float = 0.0
    extra: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def ending(self) -> str:
        """Why the answer ends."""
        return self.finish_reason or ("tool_calls" if self.tool_calls else "stop")

    @property
    def calls(self) -> list[dict[str, Any]]:
        """The tool calls in the form of the wire."""
        return [
            {
                "id": call.get("id", f"call_{number}"),
                "type": "function",
                "function": {"name": call["name"], "arguments": _as_json(call.get("arguments", {}))},
            }
            for number, call in enumerate(self.tool_calls)
        ]


@dataclass(frozen=True, slots=True)
class HttpError:
    """An error status with OpenAI's error object as its body."""

    status: int
    message: str = "scripted error"
    code: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class RawBody:
    """Status 200 (or another) with any bytes at all: a proxy's HTML page, cut JSON, a garbled stream."""

    body: bytes
    content_type: str = "application/json"
    status: int = 200


@dataclass(frozen=True, slots=True)
class Drop:
    """The connection is cut: before anything is sent, or in a stream after `after` pieces of `content`."""

    content: str = ""
    after: int = 0


@dataclass(frozen=True, slots=True)
class Truncated:
    """A stream that ends in good order after `content`, but without a reason to end and without `[DONE]`."""

    content: str = ""


Scripted: TypeAlias = Answer | HttpError | RawBody | Drop | Truncated
Line: TypeAlias = str | Mapping[str, Any] | Scripted
"""A text, a mapping with the fields of `Answer`, or one of the classes above."""
Script: TypeAlias = Sequence[Line] | Callable[[dict[str, Any]], Line]
"""Lines in order, or a function of the request's JSON."""


def as_scripted(line: Any) -> Scripted:
    """The answer that a script's line stands for. Raises `TypeError` for what cannot be one."""
    if isinstance(line, str):
        return Answer(line)
    if isinstance(line, Mapping):
        return Answer(**cast("dict[str, Any]", line))
    if isinstance(line, Answer | HttpError | RawBody | Drop | Truncated):
        return line
    raise TypeError(f"a script's line is a str, a mapping with the fields of Answer, or one of the answer classes, not {line!r:.200}")


def count_tokens(text: str) -> int:
    """The server's own idea of tokens: words and punctuation marks. What counts is that it is always the same."""
    return len(re.findall(r"\w+|[^\w\s]", text))


def input_tokens(request: Mapping[str, Any]) -> int:
    """The tokens of a request: those of its messages' (or items') texts, and four for each one's frame."""
    said: Any = request.get("messages") or request.get("input") or []
    messages: list[Any] = [{"content": said}] if isinstance(said, str) else said
    if request.get("instructions"):
        messages = [{"content": request["instructions"]}, *messages]
    return sum(4 + count_tokens(_text(message)) for message in messages)


def output_tokens(answer: Answer) -> int:
    """The tokens of an answer: its text, and the names and arguments of its tool calls."""
    called = [call["function"] for call in answer.calls]
    return count_tokens(answer.content) + sum(count_tokens(f"{call['name']} {call['arguments']}") for call in called)


def pieces(text: str) -> list[str]:
    """The text as a stream sends it: word by word."""
    return re.findall(r"\s*\S+|\s+$", text)


def _text(message: Any) -> str:
    said: Mapping[str, Any] = cast("Mapping[str, Any]", message) if isinstance(message, Mapping) else {}
    content: Any = said.get("content") or said.get("output") or ""
    if isinstance(content, list):
        return " ".join(str(part.get("text", "")) for part in cast("list[dict[str, Any]]", content))
    return content if isinstance(content, str) else ""


def _as_json(arguments: Any) -> str:
    return arguments if isinstance(arguments, str) else json.dumps(arguments)
