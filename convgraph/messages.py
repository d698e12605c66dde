"""What is said: messages, the replies that nodes return, and the history that holds them."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias, cast, get_args, overload

from convgraph.content_parts import Content, Part, abbreviated, check_image, part_text
from convgraph.errors import InputError
from convgraph.plain_data import PlainData, replaced

Role: TypeAlias = Literal["user", "assistant", "system", "tool"]
ROLES: tuple[Role, ...] = get_args(Role)


class ToolCall(PlainData, frozen=True):
    """A model's wish to call a tool: an id to answer to, the tool's name, and its arguments as JSON text."""

    id: str
    name: str
    arguments: str = "{}"


class Message(PlainData, frozen=True):
    """One utterance.

    `sender` is the node (or person) that said it, `content` its text or its list of parts, `role` the role
    it has in a model's request when nobody's point of view applies. `tool_calls` and `tool_call_id` follow
    OpenAI's chat completions. `data` is any JSON value that travels along (a parsed answer, a score).
    """

    sender: str = ""
    content: Content = ""
    role: Role = "assistant"
    name: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    data: Any = None

    @property
    def text(self) -> str:
        """The content as plain text; a picture in it appears as `<image png, 12 kB>`, other parts as `<type>`."""
        return self.content if isinstance(self.content, str) else "\n".join(map(part_text, self.content))

    def __repr__(self) -> str:
        """All fields, as of every dataclass; a picture as its kind, its size and a digest."""
        shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__struct_fields__)
        return f"Message({abbreviated(shown)})"


@dataclass(frozen=True, slots=True)
class Reply:
    """What a node returns when it has more to give than a text.

    `content` is what is said (None: nothing; a list of messages: all of them, in one turn), `update` the changes to
    the conversation's state, `goto` the name of the node to hand over to: one of the enabled targets, nothing else.
    `reason` says why a node declines to speak; a conversation that ends there gives it as its `stop_reason`.
    """

    content: str | Message | Sequence[Message] | list[Part] | None = None
    update: Mapping[str, Any] | None = None
    goto: str | None = None
    reason: str = ""


ReplyLike: TypeAlias = str | Message | Reply | None


class Usage(NamedTuple):
    """Model calls, their tokens, and their price in US dollars. Adds with `+`.

    `cached_tokens` are those of the input tokens that a provider had in its prompt cache, and bills for less.
    """

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    usd: float = 0.0
    cached_tokens: int = 0

    @property
    def tokens(self) -> int:
        """Input and output tokens together."""
        return self.input_tokens + self.output_tokens

    def __add__(self, other: tuple[Any, ...]) -> Usage:  # type: ignore[override]  # a sum of records, not a longer tuple
        calls, input_tokens, output_tokens, usd, cached_tokens = other
        return Usage(
            self.calls + calls,
            self.input_tokens + input_tokens,
            self.output_tokens + output_tokens,
            self.usd + usd,
            self.cached_tokens + cached_tokens,
        )


NO_USAGE = Usage()


def as_texts(messages: Sequence[Message]) -> Sequence[Message]:
    """The messages for somebody who reads and does not look: each content as its text. The same ones where all are texts."""
    if isinstance(messages, History) and not messages.has_parts:
        return messages
    if all(isinstance(message.content, str) for message in messages):
        return messages
    return [message if isinstance(message.content, str) else replaced(message, content=message.text) for message in messages]


def as_message(value: Any, sender: str, role: Role = "assistant") -> Message:
    """The message that `value` stands for, said by `sender` unless it names another.

    Takes a str, a `Message`, a list of parts, or a mapping with `content` (and `role`, `name`, …).
    Raises `InputError` for anything else.
    """
    if isinstance(value, Message):
        calls: Any = value.tool_calls
        if isinstance(calls, list):  # read back, it would be another message
            value = replaced(value, tool_calls=tuple(cast("list[ToolCall]", calls)))
        _check_message(value)
        return value if value.sender else replaced(value, sender=sender)
    if isinstance(value, str):
        _check_text(value, "a message's content")
        return Message(sender, str(value), role)
    if isinstance(value, Mapping):
        return _message_from_mapping(cast(Mapping[str, Any], value), sender, role)
    if isinstance(value, list):
        _check_content(value)
        return Message(sender, cast(list[Part], value), role)
    raise InputError(
        f"a message is a str, a Message, a list of content parts or a mapping with 'content', not {type(value).__name__}: {value!r:.200}"
    )


def plain_message(value: Any, sender: str) -> Message | None:
    """The message that `value` stands for, where that is a text of `sender` and nothing else, as most are; otherwise None."""
    if type(value) is str:
        return Message(sender, value) if value.isascii() else None
    if type(value) is not Message or type(value.content) is not str or not value.content.isascii():
        return None
    said = value.sender == sender and value.role == "assistant"
    return value if said and value.name is value.tool_call_id is value.data is None and value.tool_calls == () else None


def as_messages(value: Any, sender: str) -> tuple[Message, ...]:
    """The messages that the content of a reply stands for: none, one, or those of a list. Raises `InputError`."""
    if value is None:
        return ()
    if isinstance(value, list | tuple) and value and all(isinstance(item, Message) for item in cast("Sequence[Any]", value)):
        return tuple(as_message(item, sender) for item in cast("Sequence[Any]", value))
    return (as_message(value, sender),)


def _message_from_mapping(value: Mapping[str, Any], sender: str, role: Role) -> Message:
    allowed = {"sender", "content", "role", "name", "tool_call_id", "data"}
    unknown = sorted(set(value) - allowed)
    if unknown or "content" not in value:
        what = f"unknown keys {unknown}" if unknown else "no 'content'"
        raise InputError(f"a message given as a mapping has {what}; it takes {sorted(allowed)}")
    return _check_message(
        Message(
            sender=str(value.get("sender") or value.get("name") or sender),
            content=value["content"],
            role=value.get("role", role),
            name=value.get("name"),
            tool_call_id=value.get("tool_call_id"),
            data=value.get("data"),
        )
    )


def _check_message(message: Message) -> Message:
    names: tuple[Any, ...] = (message.sender, message.name, message.tool_call_id)
    for text in names:
        if text is None:
            continue
        if not isinstance(text, str):
            raise InputError(f"a message's sender, name and tool_call_id are texts, not {text!r:.100}")
        _check_text(text, "a message's sender, name or tool_call_id")
    if message.role not in ROLES:
        raise InputError(f"a message's role is user, assistant, system or tool, not {message.role!r:.100}")
    _check_content(message.content)
    check_json(message.data, "a message's data")
    _check_calls(message.tool_calls)
    return message


def _check_calls(calls: Any) -> None:
    for call in cast("tuple[Any, ...]", calls) if isinstance(calls, tuple) else (calls,):
        parts: tuple[Any, ...] = (call.id, call.name, call.arguments) if isinstance(call, ToolCall) else (None,)
        if not all(isinstance(part, str) for part in parts):
            raise InputError(f"a message's tool calls are ToolCall(id, name, arguments), each a text, arguments as JSON; not {call!r:.200}")
        for part in parts:
            _check_text(part, "a message's tool call")


def _check_content(content: Any) -> None:
    if isinstance(content, str):
        _check_text(content, "a message's content")
        return
    if not isinstance(content, list) or not all(isinstance(part, dict) and "type" in part for part in cast(list[Any], content)):
        raise InputError(f"a message's content is a str or a list of parts like {{'type': 'text', 'text': …}}, not {content!r:.200}")
    check_json(content, "a message's content")
    for part in cast("list[Part]", content):
        check_image(part, "a message's content")


def check_json(value: Any, what: str) -> None:
    """Raise `InputError` unless `value` is plain JSON, which is what comes back from a journal as it was."""
    if isinstance(value, str):
        _check_text(value, what)
        return
    if value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return
    if isinstance(value, list):
        for index, item in enumerate(cast("list[Any]", value)):
            check_json(item, f"{what}[{index}]")
        return
    if isinstance(value, dict):
        for key, item in cast("dict[Any, Any]", value).items():
            if not isinstance(key, str):
                raise InputError(f"{what} has the key {key!r}; JSON has texts as keys")
            _check_text(key, f"{what}'s key")
            check_json(item, f"{what}.{key}")
        return
    raise InputError(f"{what} is {value!r:.100}, which is no JSON value")


def _check_text(text: str, what: str) -> None:
    if text.isascii():
        return
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"{what} holds a lone surrogate at position {error.start}; it is not valid Unicode") from None


class History(Sequence[Message]):
    """An immutable sequence of messages that grows in constant time.

    `extend` returns a new history; both share one list, and each knows how much of it is its own. A history
    that is extended twice copies its part once, so that no branch sees another's messages.
    """

    __slots__ = ("_chain", "_items", "_size", "has_parts")

    def __init__(self, messages: Sequence[Message] = ()) -> None:
        self._items: list[Message] = list(messages)
        self._chain: list[bytes] = []
        self._size = len(self._items)
        self.has_parts = any(type(message.content) is not str for message in self._items)
        """Whether any message has a content that is more than a text: known without looking at each."""

    def extend(self, messages: Sequence[Message]) -> History:
        """This history followed by `messages`."""
        if not messages:
            return self
        grown = History.__new__(History)
        if len(self._items) == self._size:
            grown._items, grown._chain = self._items, self._chain
        else:
            grown._items, grown._chain = self._items[: self._size], self._chain[: self._size]
        grown._items.extend(messages)
        grown._size = self._size + len(messages)
        grown.has_parts = self.has_parts
        for message in messages:
            if type(message.content) is not str:
                grown.has_parts = True
        return grown

    def then(self, messages: Sequence[Message]) -> Joined:
        """This history followed by `messages`, as a view: for a request that says more than the conversation does."""
        return Joined(self, tuple(messages))

    def replace_last(self, message: Message) -> History:
        """This history with its last message replaced: what a fork with an edited message starts from."""
        return History([*self._items[: self._size - 1], message])

    def digest(self, size: int | None = None) -> bytes:
        """A hash over all messages, or the first `size`. Each message is hashed once, however often the digest is asked for."""
        chain, size = self._chain, self._size if size is None else size
        for position in range(len(chain), size):
            previous = chain[position - 1] if position else b""
            chain.append(hashlib.blake2b(previous + message_bytes(self._items[position]), digest_size=16).digest())
        return chain[size - 1] if size else b""

    @overload
    def __getitem__(self, index: int) -> Message: ...
    @overload
    def __getitem__(self, index: slice) -> list[Message]: ...
    def __getitem__(self, index: int | slice) -> Message | list[Message]:
        if isinstance(index, slice):
            start, stop, step = index.indices(self._size)
            return [self._items[position] for position in range(start, stop, step)]
        if not -self._size <= index < self._size:
            raise IndexError(f"message {index} of a history of {self._size}")
        return self._items[index if index >= 0 else self._size + index]

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Message]:
        for position in range(self._size):
            yield self._items[position]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, History):
            return NotImplemented
        return self._size == other._size and all(mine == theirs for mine, theirs in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]  # equal histories may hold unhashable contents

    def __repr__(self) -> str:
        return f"History({self._size} messages)"


class Joined(Sequence[Message]):
    """Messages followed by a few more that are not part of them. Costs what is added, not what is there."""

    __slots__ = ("_added", "_history")

    def __init__(self, history: Sequence[Message], added: tuple[Message, ...]) -> None:
        self._history = history
        self._added = added

    def digest(self, size: int | None = None) -> bytes:
        """A hash over all messages, or the first `size`, equal to that of a history that holds the same."""
        before = len(self._history)
        if size is not None and size <= before:
            return digest_of(self._history, size)
        digest = digest_of(self._history)
        for message in self._added[: None if size is None else size - before]:
            digest = hashlib.blake2b(digest + message_bytes(message), digest_size=16).digest()
        return digest

    @overload
    def __getitem__(self, index: int) -> Message: ...
    @overload
    def __getitem__(self, index: slice) -> list[Message]: ...
    def __getitem__(self, index: int | slice) -> Message | list[Message]:
        if isinstance(index, slice):
            return [self[position] for position in range(*index.indices(len(self)))]
        place = index if index >= 0 else len(self) + index
        if not 0 <= place < len(self):
            raise IndexError(f"message {index} of {len(self)}")
        return self._history[place] if place < len(self._history) else self._added[place - len(self._history)]

    def __len__(self) -> int:
        return len(self._history) + len(self._added)

    def __iter__(self) -> Iterator[Message]:
        yield from self._history
        yield from self._added

    def __repr__(self) -> str:
        return f"Joined({len(self._history)} + {len(self._added)} messages)"


def digest_of(messages: Sequence[Message], size: int | None = None) -> bytes:
    """A hash over `messages`, or the first `size`: chained, so that a history costs only what it has grown by."""
    if isinstance(messages, History | Joined):
        return messages.digest(size)
    return History(messages).digest(size)


def message_bytes(message: Message) -> bytes:
    """The message as bytes for hashing: equal messages give equal bytes, in every process."""
    content, data = message.content, message.data
    if type(content) is not str or data is not None:
        content, data = _ordered(content), _ordered(data)
    return repr((message.sender, content, message.role, message.name, message.tool_calls, message.tool_call_id, data)).encode(
        "utf-8", "surrogatepass"
    )


def _ordered(value: Any) -> Any:
    """A JSON value with the keys of its objects in one order, and its texts as plain `str`: what reading it back may change."""
    if isinstance(value, Mapping):
        items = cast(Mapping[Any, Any], value)
        return {_ordered(key): _ordered(items[key]) for key in sorted(items, key=repr)}
    if isinstance(value, list):
        return [_ordered(inner) for inner in cast(list[Any], value)]
    return str.__str__(value) if isinstance(value, str) else value
