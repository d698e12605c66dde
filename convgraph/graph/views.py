# pyright: reportUnnecessaryIsInstance=false
# What callers really pass is checked, whether their code is typed or not.
"""What a node is shown of a long conversation: pure, as data. What is stored stays as it is.

A call of tools and its results are one unit: shown together or not at all. The newest unit is always shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from convgraph.errors import DefinitionError
from convgraph.messages import Message

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class View:
    """How much of the conversation a node is shown, on the node (`add_node(view=…)`) or on an edge that leads to it.

    `last`: the newest messages, at most so many. `tokens`: at most so many tokens of them together, as `estimated_tokens` counts.
    `keep_first`: the conversation's first message as well. `summary`: a summary of what is left out, made by the model of the agent
    that is shown it, and kept in the field of this name of the graph's state (`{"type": "object", "default": {}}`); each summary
    adds to the one before, and is made when at least `every` messages (by default `last`) have left the view since.

    Raises `DefinitionError` for what limits nothing, and for numbers that are none.
    """

    last: int | None = None
    tokens: int | None = None
    keep_first: bool = False
    summary: str | None = None
    every: int | None = None

    def __post_init__(self) -> None:
        for name in ("last", "tokens", "every"):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
                raise DefinitionError(f"View({name}={value!r}): it is a whole number, 1 or more")
        if self.last is None and self.tokens is None:
            raise DefinitionError(f"{self!r} shows everything; say last= (messages) or tokens=")
        if self.every is not None and self.summary is None:
            raise DefinitionError(f"{self!r}: every= says how often a summary is made; name the state's field that keeps it with summary=")

    def begins(self, messages: Sequence[Message]) -> int:
        """Where what is shown begins among `messages`: all from there on, and perhaps the first."""
        room = len(messages) if self.last is None else self.last
        left = self.tokens
        shown = len(messages)
        for start, end in _units_backwards(messages, _is_result):
            room -= end - start
            left = None if left is None else left - sum(map(message_tokens, messages[start:end]))
            if end < len(messages) and (room < 0 or (left is not None and left < 0)):
                break
            shown = start
        return shown

    def document(self) -> dict[str, Any]:
        """The view as plain JSON: what differs from the default."""
        return {one.name: value for one in fields(self) if (value := getattr(self, one.name)) != one.default}

    def __str__(self) -> str:
        parts = [f"last {self.last}" if self.last else "", f"{self.tokens:,} tokens" if self.tokens else ""]
        parts += ["the first" if self.keep_first else "", f"a summary ({self.summary})" if self.summary else ""]
        return "shown: " + ", ".join(filter(None, parts))


def estimated_tokens(text: str) -> int:
    """About how many tokens a text is for a model: one for each four bytes of it, rounded up.

    A tokenizer's vocabulary would have to be downloaded. For English the estimate is rather high, for code about right, for
    other languages within a factor of two.
    """
    return (len(text.encode("utf-8", "surrogatepass")) + 3) // 4


def message_tokens(message: Message) -> int:
    """About how many tokens a message is: its texts, and the tools that it calls. Pictures count nothing."""
    texts = [message.content] if isinstance(message.content, str) else [str(part.get("text", "")) for part in message.content]
    return sum(map(estimated_tokens, [*texts, *(f"{call.name}{call.arguments}" for call in message.tool_calls)]))


def units(messages: Sequence[T], is_result: Callable[[T], bool]) -> list[list[T]]:
    """The messages in what is shown whole or not at all: each by itself, but results of tools with the message that called them."""
    return [list(messages[start:end]) for start, end in _units_backwards(messages, is_result)][::-1]


def newest(parts: Sequence[list[T]], room: int, size: Callable[[list[T]], int]) -> list[list[T]]:
    """The newest units that fit into `room` together; the newest one in any case."""
    for number, unit in enumerate(reversed(parts)):
        room -= size(unit)
        if room < 0 and number > 0:
            return list(parts[len(parts) - number :])
    return list(parts)


def checked_view(view: Any, where: str) -> View | None:
    """The view that a user gave. Raises `DefinitionError` for what is none."""
    if view is None or isinstance(view, View):
        return view
    raise DefinitionError(f"{where}: view= takes a View, such as View(last=10), not {view!r:.100}")


def _units_backwards(messages: Sequence[T], is_result: Callable[[T], bool]) -> Iterable[tuple[int, int]]:
    end = len(messages)
    while end > 0:
        start = end - 1
        while start > 0 and is_result(messages[start]):
            start -= 1
        yield start, end
        end = start


def _is_result(message: Message) -> bool:
    return message.role == "tool"
