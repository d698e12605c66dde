"""A model that follows a script: for tests, demos, simulations, and benchmarks without a network."""

from __future__ import annotations

import asyncio
import inspect
import itertools
import json
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias, cast

from convgraph.errors import ModelConfigError, ModelError
from convgraph.messages import NO_USAGE, Usage
from convgraph.models.structured import with_data
from convgraph.models.wire import chat_body
from convgraph.plain_data import replaced
from convgraph.protocols import ModelReply, ModelRequest

Line: TypeAlias = str | ModelReply | Mapping[str, Any] | Exception
"""One scripted answer: a text, a whole reply, a mapping (answered as JSON), or an error to raise."""
Improvise: TypeAlias = Callable[[ModelRequest], "Line | Awaitable[Line]"]
Script: TypeAlias = Sequence[Line] | Improvise | Mapping[str, "Line | Sequence[Line] | Improvise"]

ONE_CALL = Usage(calls=1)


class ScriptedModel:
    """Answers from a script, at once (or after `latency` seconds), without a network.

    `replies` is one of

    - a list: its lines are given in order, over all runs that share this model. When it is exhausted the
      call fails, or the last line is given again with `repeat=True`;
    - a callable that takes the `ModelRequest` and returns a line (it may be async);
    - a mapping whose keys are speakers' names or else regular expressions, searched in the text of the last
      message, in order; its values are lines, lists of lines, or callables.

    A line is a str, a `ModelReply`, a mapping (given as JSON, as a model does that must fit a schema), or an
    exception, which is raised. A reply that counts no usage of its own costs `usage`. `calls` counts the calls.
    """

    priced = True

    def __init__(
        self,
        replies: Script,
        *,
        name: str = "scripted",
        latency: float = 0.0,
        usage: Usage = ONE_CALL,
        repeat: bool = False,
    ) -> None:
        self.name = name
        self.calls = 0
        self._latency = latency
        self._usage = usage
        self._choose = _chooser(replies, name, repeat)

    def __repr__(self) -> str:
        return f"ScriptedModel(name={self.name!r}, calls={self.calls})"

    def describe(self) -> Mapping[str, Any]:
        """Its identity: the name alone, for a script may be code."""
        return {"type": "scripted", "name": self.name}

    def sends(self, request: ModelRequest) -> Mapping[str, Any]:
        """Its name, who asks, and what another model would be sent: two scripts of one name count as one model."""
        return {"scripted": self.name, "speaker": request.speaker, "body": chat_body(request, self.name, {})}

    async def respond(self, request: ModelRequest, on_delta: Callable[[str], None] | None = None) -> ModelReply:
        """The script's next line. Raises `ModelError` when there is none, `ModelOutputError` when it does not fit the schema."""
        self.calls += 1
        line = self._choose(request)
        if inspect.isawaitable(line):
            line = await line
        if isinstance(line, Exception):
            raise line
        if on_delta is None and self._latency:
            await asyncio.sleep(self._latency)
        reply = self._reply(line)
        if on_delta is not None:
            await self._stream(reply.content, on_delta)
        return with_data(reply, request) if request.schema is not None and reply.data is None else reply

    def _reply(self, line: Line) -> ModelReply:
        if type(line) is str:
            return ModelReply(line, usage=self._usage, model=self.name)
        if isinstance(line, ModelReply):
            usage = self._usage if line.usage is NO_USAGE else line.usage
            return replaced(line, usage=usage, model=line.model or self.name)
        if isinstance(line, str | Mapping):
            text = line if isinstance(line, str) else json.dumps(line, ensure_ascii=False)
            return ModelReply(text, usage=self._usage, model=self.name)
        raise ModelConfigError(
            f"{self.name!r}: a script's line is a str, a ModelReply, a mapping or an exception, not {type(line).__name__}: {line!r:.100}"
        )

    async def _stream(self, text: str, on_delta: Callable[[str], None]) -> None:
        words = re.findall(r"\s*\S+|\s+$", text)
        pause = self._latency / max(len(words), 1)
        for word in words:
            if pause:
                await asyncio.sleep(pause)
            on_delta(word)


_Choose: TypeAlias = Callable[[ModelRequest], "Line | Awaitable[Line]"]


def _chooser(replies: Any, name: str, repeat: bool) -> _Choose:
    if isinstance(replies, Mapping):
        return _by_pattern(cast("Mapping[str, Any]", replies), name, repeat)
    if callable(replies):
        return cast(_Choose, replies)
    if isinstance(replies, Sequence) and not isinstance(replies, str | bytes):
        return _in_order(list(cast("Sequence[Line]", replies)), name, repeat)
    raise ModelConfigError(
        f"{name!r}: a script is a list of replies, a callable or a mapping, not {type(replies).__name__}: {replies!r:.100}"
    )


def _in_order(lines: list[Line], name: str, repeat: bool) -> _Choose:
    # `next` on a list's iterator is atomic: runs in several threads may share one script.
    remaining: Iterator[Line] = itertools.chain(lines, itertools.repeat(lines[-1])) if repeat and lines else iter(lines)

    def choose(request: ModelRequest) -> Line:
        for line in remaining:
            return line
        raise ModelError(
            f"{name!r}: the script has {len(lines)} replies and all are used up; {request.speaker or 'somebody'!r} asked for one more. "
            "Add replies, or pass repeat=True to give the last one again"
        )

    return choose


def _by_pattern(script: Mapping[str, Any], name: str, repeat: bool) -> _Choose:
    def as_chooser(value: Any) -> _Choose:
        if callable(value) or isinstance(value, list | tuple):
            return _chooser(value, name, repeat)
        return lambda _: value

    choosers = {key: as_chooser(value) for key, value in script.items()}
    patterns = [(_pattern(key, name), choose) for key, choose in choosers.items()]

    def choose(request: ModelRequest) -> Line | Awaitable[Line]:
        if request.speaker and request.speaker in choosers:
            return choosers[request.speaker](request)
        last = request.messages[-1].text if request.messages else ""
        for pattern, chosen in patterns:
            if pattern.search(last):
                return chosen(request)
        raise ModelError(f"{name!r}: none of {list(script)} is the speaker {request.speaker!r} or found in the last message: {last!r:.200}")

    return choose


def _pattern(key: str, name: str) -> re.Pattern[str]:
    try:
        return re.compile(key)
    except re.error as error:
        raise ModelConfigError(f"{name!r}: the script's key {key!r} is not a regular expression: {error}") from error
