"""What an agent is shown of a long conversation: AutoGen's message transforms. What is stored stays as it is.

Each transform is a pure function of messages, as mappings. A call of tools and its results stay together, and the newest
message is always there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, cast, runtime_checkable

from convgraph.agents.hooks import ALL_MESSAGES
from convgraph.agents.message_mappings import MessageMapping
from convgraph.errors import DefinitionError
from convgraph.graph.views import estimated_tokens, newest, units

if TYPE_CHECKING:
    from convgraph.agents.replying import ReplyingAgent

_RESULTS = ("tool", "function")
_Unit: TypeAlias = list[MessageMapping]
"""A message, or a message that calls tools with their results: what is shown whole or not at all."""


@runtime_checkable
class MessageTransform(Protocol):
    """What `TransformMessages` takes, besides plain functions."""

    def apply_transform(self, messages: Sequence[MessageMapping]) -> list[MessageMapping]:
        """The messages to show. The given ones are not to be changed."""
        ...


Transform: TypeAlias = MessageTransform | Callable[[list[MessageMapping]], Sequence[MessageMapping]]


class TransformMessages:
    """Transforms, one after another, of what an agent is shown before it replies. A system message at the beginning stays.

    `TransformMessages([MessageHistoryLimiter(10)]).add_to_agent(agent)`; or as the `select_speaker_transform_messages` of a
    `GroupChat`. `verbose` is taken as AutoGen has it; nothing is printed: what a model was sent is in the journal.
    """

    def __init__(self, transforms: Iterable[Transform] = (), verbose: bool = False) -> None:  # noqa: ARG002  # AutoGen's
        self._transforms = list(transforms)
        for one in self._transforms:
            if not (isinstance(one, MessageTransform) or callable(one)):
                raise DefinitionError(f"a transform is a function of messages, or has apply_transform(messages); not {one!r:.100}")

    def add_to_agent(self, agent: ReplyingAgent) -> None:
        """Show the agent what these transforms leave. Raises `DefinitionError` where they were added already."""
        agent.register_hook(ALL_MESSAGES, self)

    def __call__(self, messages: Sequence[MessageMapping]) -> list[MessageMapping]:
        """The messages to show."""
        system = list(messages[:1]) if messages and messages[0].get("role") == "system" else []
        shown = list(messages[len(system) :])
        for one in self._transforms:
            shown = list(one.apply_transform(shown) if isinstance(one, MessageTransform) else one(shown))
        return [*system, *shown]


@dataclass(frozen=True)
class MessageHistoryLimiter:
    """The last `max_messages` (None: all), and with `keep_first_message` the first one among them.

    Results of tools are not parted from their call, so that there may be fewer; the newest message, with what belongs to it,
    is shown even where that makes more.
    """

    max_messages: int | None = None
    keep_first_message: bool = False

    def __post_init__(self) -> None:
        _check_number("MessageHistoryLimiter", "max_messages", self.max_messages)

    def apply_transform(self, messages: Sequence[MessageMapping]) -> list[MessageMapping]:
        """The messages to show."""
        if self.max_messages is None or len(messages) <= self.max_messages:
            return list(messages)
        whole = _units(messages)
        first = whole[:1] if self.keep_first_message and len(whole) > 1 else []
        room = self.max_messages - sum(map(len, first))
        return _joined([*first, *newest(whole[len(first) :], room, len)])


@dataclass(frozen=True)
class MessageTokenLimiter:
    """Each message cut to `max_tokens_per_message`, and of all together the newest that fit into `max_tokens`.

    Nothing is done where all have fewer than `min_tokens`. Texts are cut at their end; the newest message is shown even
    where it has to be cut to fit. `count` says how many tokens a text is; it should grow with the text. `model` is
    taken as AutoGen has it: the estimate is the same for all, so give the `count` of a tokenizer where it matters.
    """

    max_tokens_per_message: int | None = None
    max_tokens: int | None = None
    min_tokens: int | None = None
    model: str = ""
    count: Callable[[str], int] = estimated_tokens

    def __post_init__(self) -> None:
        for name in ("max_tokens_per_message", "max_tokens"):
            _check_number("MessageTokenLimiter", name, getattr(self, name))
        if self.min_tokens is not None and self.max_tokens is not None and self.min_tokens > self.max_tokens:
            raise DefinitionError(f"MessageTokenLimiter: min_tokens={self.min_tokens} is more than max_tokens={self.max_tokens}")

    def apply_transform(self, messages: Sequence[MessageMapping]) -> list[MessageMapping]:
        """The messages to show."""
        if self.min_tokens is not None and self._tokens(messages) < self.min_tokens:
            return list(messages)
        most = self.max_tokens_per_message
        cut = list(messages) if most is None else [self._cut(message, most) for message in messages]
        if self.max_tokens is None or not cut:
            return cut
        shown = newest(_units(cut), self.max_tokens, self._tokens)
        return self._cut_to_fit(shown[0], self.max_tokens) if len(shown) == 1 else _joined(shown)

    def _tokens(self, messages: Sequence[MessageMapping]) -> int:
        return sum(self._of(message) for message in messages)

    def _of(self, message: MessageMapping) -> int:
        return sum(map(self.count, [*_texts(message.get("content")), *_called(message)]))

    def _cut_to_fit(self, unit: _Unit, room: int) -> _Unit:
        """The newest unit within `room`, as far as cutting texts can do that: the newest of its messages has it first."""
        fitting: _Unit = []
        for message in reversed(unit):
            whole = self._of(message)
            shorter = message if whole <= room else self._cut(message, max(room, 0))
            room -= min(whole, self._of(shorter))
            fitting.insert(0, shorter)
        return fitting

    def _cut(self, message: MessageMapping, most: int) -> MessageMapping:
        """The message with at most so many tokens of text."""
        content = message.get("content")
        if sum(map(self.count, _texts(content))) <= most:
            return message
        if not isinstance(content, list):
            cut = {**message, "content": self._beginning(str(content), most)}
        else:
            cut = {**message, "content": self._cut_parts(cast("list[Any]", content), most)}
        responses: Any = message.get("tool_responses")
        if responses:
            cut["tool_responses"] = self._cut_responses(responses, most)
        return cut

    def _cut_parts(self, parts: list[Any], most: int) -> list[Any]:
        cut: list[Any] = []
        for part in parts:
            text = _texts([part])
            if text:
                part = {**part, "text": self._beginning(text[0], max(most, 0))}
                most -= self.count(part["text"])
            cut.append(part)
        return cut

    def _cut_responses(self, responses: Sequence[Mapping[str, Any]], most: int) -> list[dict[str, Any]]:
        """The results of several calls that are one message share what it may have, in order; none goes missing."""
        cut: list[dict[str, Any]] = []
        for response in responses:
            if isinstance(response.get("content"), list):  # pictures are shown whole
                cut.append(dict(response))
                continue
            text = self._beginning(str(response.get("content", "")), max(most, 0))
            most -= self.count(text)
            cut.append({**response, "content": text})
        return cut

    def _beginning(self, text: str, most: int) -> str:
        """The longest beginning of the text that is no more than `most` tokens."""
        if self.count(text) <= most:
            return text
        fits, too_long = 0, len(text)
        while too_long - fits > 1:
            middle = (fits + too_long) // 2
            fits, too_long = (middle, too_long) if self.count(text[:middle]) <= most else (fits, middle)
        return text[:fits]


@dataclass(frozen=True)
class TextMessageContentName:
    """Each message's speaker said in its text, for models that do not look at `name`.

    `position`: at the `start` or the `end`; `{name}` in `format_string` is the speaker; nothing is said twice where `deduplicate`.
    """

    position: Literal["start", "end"] = "start"
    format_string: str = "{name}:\n"
    deduplicate: bool = True

    def __post_init__(self) -> None:
        if self.position not in ("start", "end"):
            raise DefinitionError(f"TextMessageContentName: position= is 'start' or 'end', not {self.position!r}")
        if "{name}" not in self.format_string:
            raise DefinitionError(f"TextMessageContentName: format_string= has {{name}} in it, which {self.format_string!r} has not")

    def apply_transform(self, messages: Sequence[MessageMapping]) -> list[MessageMapping]:
        """The messages to show."""
        return [self._named(message) for message in messages]

    def _named(self, message: MessageMapping) -> MessageMapping:
        name, content = message.get("name"), message.get("content")
        if not name or not content or not isinstance(content, str) or message.get("role") in _RESULTS:
            return message
        said = self.format_string.replace("{name}", str(name))
        at_start = self.position == "start"
        if self.deduplicate and (content.startswith(said) if at_start else content.endswith(said)):
            return message
        return {**message, "content": f"{said}{content}" if at_start else f"{content}{said}"}


def _units(messages: Sequence[MessageMapping]) -> list[_Unit]:
    return units(messages, lambda message: message.get("role") in _RESULTS)


def _joined(whole: Iterable[_Unit]) -> list[MessageMapping]:
    return [message for unit in whole for message in unit]


def _texts(content: Any) -> list[str]:
    """The texts of a message's content; images have none."""
    if isinstance(content, str):
        return [content]
    parts: list[Any] = cast("list[Any]", content) if isinstance(content, list) else []
    return [part["text"] for part in parts if isinstance(part, Mapping) and isinstance(cast("Any", part).get("text"), str)]


def _called(message: MessageMapping) -> list[str]:
    """What a message calls, as texts: they count, and cannot be cut."""
    old: Any = message.get("function_call")
    functions: list[Any] = [*(call["function"] for call in message.get("tool_calls") or ()), *([old] if old else [])]
    return [str(text) for function in functions for text in function.values()]


def _check_number(where: str, name: str, value: Any) -> None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
        raise DefinitionError(f"{where}: {name}= is a whole number, 1 or more, or None, not {value!r}")
