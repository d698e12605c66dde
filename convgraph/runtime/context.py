"""What a node is given when it has the turn: the conversation, read only, and the effects."""

from __future__ import annotations

import asyncio
import datetime
import inspect
import random
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Literal, TypeVar

from pydantic import TypeAdapter

from convgraph.errors import InputError, NotEncodable
from convgraph.graph.machine import State
from convgraph.journal.answers import schema_of
from convgraph.journal.values import canonical
from convgraph.messages import Message, Usage
from convgraph.protocols import Model, ModelReply, ModelRequest
from convgraph.runtime import effects
from convgraph.runtime.run import Run
from convgraph.runtime.scope import Turning
from convgraph.runtime.threads import in_thread

T = TypeVar("T")


class Context:
    """The turn that a node is having.

    The conversation can be read, not written: what a node returns is what it says. Everything that is not a
    function of the conversation (a tool, a person, the clock, chance) goes through the effects here, so that it
    is recorded and never done twice.
    """

    __slots__ = ("_data", "_loop", "_node", "_run", "_state", "_turning", "item", "messages")

    def __init__(self, run: Run, turning: Turning, node: str, state: State, messages: Sequence[Message], item: Any = None) -> None:
        self._run = run
        self._turning = turning
        self._node = node
        self._state = state
        self._data: Any = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.messages = messages
        """All messages so far, oldest first."""
        self.item = item
        """What this branch of a `ForEach` is about; None elsewhere."""

    @property
    def last(self) -> Message | None:
        """The last message, or None before anything was said."""
        messages = self.messages
        return messages[-1] if len(messages) else None

    @property
    def state(self) -> Any:
        """The conversation's state: an instance of its model. A copy, so that changing it changes nothing: return an update."""
        if self._data is None and self._state.data is not None:
            self._data = self._state.data.model_copy(deep=True)
        return self._data

    @property
    def turn(self) -> int:
        """The number of the turn being made, from 1."""
        return self._state.turn + 1

    @property
    def visits(self) -> Mapping[str, int]:
        """How often each node has had the turn before this one."""
        return self._state.visits

    @property
    def usage(self) -> Usage:
        """What the conversation had cost when the turn began."""
        return self._state.usage

    @property
    def error(self) -> Any:
        """The error that led here over an error edge (`type`, `message`, `node`), or None."""
        return self._state.error

    @property
    def node(self) -> str:
        """The name of the node that has the turn."""
        return self._node

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self._run.run_id

    @property
    def deps(self) -> Any:
        """The live objects given to `run(deps=…)`. Never journaled."""
        return self._run.deps

    @property
    def sync(self) -> SyncEffects:
        """The effects for a node that is a plain function, which runs in a thread of its own."""
        if self._loop is None:
            raise InputError(
                f"node {self._node!r}: ctx.sync is for nodes that are plain functions; an async one awaits ctx.effect and ctx.ask"
            )
        return SyncEffects(self, self._loop)

    async def in_thread(self, fn: Callable[[Context], T]) -> T:
        """Call `fn(self)` in a thread, from which it reaches the effects as `ctx.sync`."""
        self._loop = asyncio.get_running_loop()
        return await in_thread(fn, self)

    async def effect(
        self, name: str, fn: Callable[..., Any], *args: Any, idempotent: bool = False, kind: Literal["tool", "code"] = "tool"
    ) -> Any:
        """Call `fn(*args)`, sync or async, once: its result is journaled, and given back on resume and replay.

        If `fn` has a parameter `idempotency_key`, it is given one that stays the same however often this call
        has to be made. If the process dies while `fn` runs, nobody knows whether it happened: with
        `idempotent=True` it is called again, otherwise the run waits for a person to decide.

        Returns what `fn` returned. Raises `EffectFailed` if it raised (the same from the record later), and
        `NotEncodable` if its result cannot be journaled.
        """
        if not callable(fn):
            raise InputError(f"node {self._node!r}: effect {name!r} takes a function, not {fn!r:.100}")

        async def call(key: str) -> Any:
            keywords = {"idempotency_key": key} if _takes_key(fn) else {}
            if inspect.iscoroutinefunction(fn):
                return await fn(*args, **keywords)
            result = await in_thread(fn, *args, **keywords)
            return await result if inspect.isawaitable(result) else result

        request = canonical([name, [self._digestible(arg) for arg in args]])
        return await effects.outside(self._run, self._turning, kind, name, request, idempotent, call)

    async def ask(self, prompt: str, *, id: str | None = None, schema: Any = str) -> Any:  # the question's id is what it is
        """Ask a person. `schema` is the type of the answer: str, int, a pydantic model, or a JSON schema.

        Asked at the console where there is one; otherwise the run stops as `waiting`, and goes on when it is
        resumed with the answer. A person is never asked the same question twice. Returns the answer as an
        instance of `schema` (a plain JSON value where that is a JSON schema).
        """
        where = f"node {self._node!r}: ask({prompt!r:.50})"
        answer = await effects.ask_person(self._run, self._turning, self._node, prompt, schema_of(schema, where), id)
        return answer if isinstance(schema, Mapping) or schema is str else TypeAdapter(schema).validate_python(answer)

    async def call_model(self, model: Model, request: ModelRequest) -> ModelReply:
        """Ask a model; the answer is journaled, and given back on resume and replay. Raises `EffectFailed`."""
        return await effects.ask_model(self._run, self._turning, self._node, model, request)

    def now(self) -> datetime.datetime:
        """The time, in UTC; the same on resume and replay."""
        return self._instant("clock", "now", lambda: datetime.datetime.now(datetime.UTC))

    def random(self) -> float:
        """A random number in [0, 1); the same on resume and replay."""
        return self._instant("random", "random", random.random)

    def uuid(self) -> uuid.UUID:
        """A fresh UUID; the same on resume and replay."""
        return self._instant("random", "uuid", uuid.uuid4)

    def _instant(self, kind: Literal["clock", "random"], name: str, make: Callable[[], T]) -> T:
        if self._loop is None:
            return effects.instant(self._run, self._turning, kind, name, make)

        async def in_loop() -> T:  # a plain node is in a thread of its own, and the journal belongs to the loop's
            return effects.instant(self._run, self._turning, kind, name, make)

        return asyncio.run_coroutine_threadsafe(in_loop(), self._loop).result()

    def _digestible(self, value: Any) -> Any:
        """An argument as far as it can be told apart: its JSON form, or its type for a live object."""
        try:
            return self._run.codec.encode(value)
        except NotEncodable:
            return f"<{type(value).__qualname__}>"


class SyncEffects:
    """The same effects for a node that is not async: each call blocks its thread until the effect is there."""

    __slots__ = ("_context", "_loop")

    def __init__(self, context: Context, loop: asyncio.AbstractEventLoop) -> None:
        self._context = context
        self._loop = loop

    def effect(
        self, name: str, fn: Callable[..., Any], *args: Any, idempotent: bool = False, kind: Literal["tool", "code"] = "tool"
    ) -> Any:
        """See `Context.effect`."""
        return self._wait(self._context.effect(name, fn, *args, idempotent=idempotent, kind=kind))

    def ask(self, prompt: str, *, id: str | None = None, schema: Any = str) -> Any:
        """See `Context.ask`."""
        return self._wait(self._context.ask(prompt, id=id, schema=schema))

    def call_model(self, model: Model, request: ModelRequest) -> ModelReply:
        """See `Context.call_model`."""
        return self._wait(self._context.call_model(model, request))

    def _wait(self, work: Awaitable[T]) -> T:
        return asyncio.run_coroutine_threadsafe(_awaited(work), self._loop).result()


async def _awaited(work: Awaitable[T]) -> T:
    return await work


def _takes_key(fn: Callable[..., Any]) -> bool:
    try:
        return "idempotency_key" in inspect.signature(fn).parameters
    except (TypeError, ValueError):  # some built-ins have no signature
        return False
