"""What a node is given when it has the turn: the conversation, read only, and the effects."""

from __future__ import annotations

import asyncio
import datetime
import inspect
import math
import random
import uuid
from collections.abc import Callable, Coroutine, Hashable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar

from pydantic import TypeAdapter

from convgraph.errors import InputError, NotEncodable
from convgraph.graph.state import State
from convgraph.graph.views import View
from convgraph.journal.answers import schema_of
from convgraph.journal.events import Said
from convgraph.journal.values import canonical
from convgraph.messages import Message, Usage
from convgraph.protocols import Model, ModelReply, ModelRequest, Speaker
from convgraph.runtime import effects
from convgraph.runtime.run import Run
from convgraph.runtime.scope import Turning
from convgraph.runtime.secrets import Secrets
from convgraph.runtime.threads import called, in_thread
from convgraph.sync import running_loop

if TYPE_CHECKING:
    from convgraph.runtime.program import Program

T = TypeVar("T")

OutsideKind: TypeAlias = Literal["tool", "code", "reply", "human"]
"""What may leave traces outside: a tool, code, a reply function of a user's own, a person asked by a function of a user's own."""

_CURRENT: ContextVar[Context | None] = ContextVar("convgraph_turn", default=None)


def current_turn() -> Context | None:
    """The turn (or the effect of one) that the calling code is part of, in whichever thread; None outside a conversation.

    So it is that a chat which a tool or a reply function starts becomes part of the conversation around it.
    """
    return _CURRENT.get()


class entered:  # noqa: N801  # reads as a verb: `with entered(context):`
    """Make `context` the current turn of the code in the block."""

    __slots__ = ("_context", "_token")

    def __init__(self, context: Context) -> None:
        self._context = context

    def __enter__(self) -> None:
        self._token = _CURRENT.set(self._context)

    def __exit__(self, *_: object) -> None:
        _CURRENT.reset(self._token)


class Context:
    """The turn that a node is having.

    The conversation can be read, not written: what a node returns is what it says. Everything that is not a
    function of the conversation (a tool, a person, the clock, chance) goes through the effects here, so that it
    is recorded and never done twice.
    """

    __slots__ = ("_data", "_node", "_run", "_state", "_turning", "item", "messages")

    def __init__(self, run: Run, turning: Turning, node: str, state: State, messages: Sequence[Message], item: Any = None) -> None:
        self._run = run
        self._turning = turning
        self._node = node
        self._state = state
        self._data: Any = None
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
    def why_here(self) -> str:
        """Why the node has the turn: the reason for which the one before declined to speak, or else the label of the transition taken."""
        state = self._state
        edge = None if state.came_by is None else self._turning.scope.program.definition.edge(state.came_by)
        return state.why_declined or ("" if edge is None else edge.label)

    @property
    def view(self) -> View | None:
        """What limits what the node is shown: the view of the edge taken here, or else of the node."""
        definition, state = self._turning.scope.program.definition, self._state
        edge = None if state.came_by is None else definition.edge(state.came_by)
        return edge.view if edge is not None and edge.view is not None else definition.nodes[state.node].view

    async def shown(self, model: Model | None = None) -> Sequence[Message]:
        """What the node is shown of `messages`: by the view of the edge taken here, or else of the node; without one, all of them.

        A view with a summary has `model` make it. What is stored is not changed, and tools' results are with their calls.
        """
        view = self.view
        if view is None:
            return self.messages
        from convgraph.runtime.shown import apply_view

        shown, grown = await apply_view(self, view, model)
        if grown:
            self.keep(grown)
        return shown

    def keep(self, update: Mapping[str, Any]) -> None:
        """Change the conversation's state when the turn is over, whatever the node says; what it says of the same fields counts more."""
        self._turning.update = {**(self._turning.update or {}), **update}

    @property
    def node(self) -> str:
        """The name of the node that has the turn."""
        return self._node

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self._run.run_id

    @property
    def path(self) -> str:
        """Where in the run the turn (or the effect of one) is, as `convgraph.journal.turn_paths` spells it."""
        return self._turning.path

    @property
    def deps(self) -> Any:
        """The live objects given to `run(deps=…)`. Never journaled."""
        return self._run.deps

    @property
    def secrets(self) -> Secrets | None:
        """What may be recorded nowhere, where there is something: for those who keep texts outside of the journal."""
        return self._run.secrets

    @property
    def sync(self) -> SyncEffects:
        """The effects for a node that is a plain function, which runs in a thread of its own."""
        if running_loop() is not None:
            raise InputError(
                f"node {self._node!r}: ctx.sync is for nodes that are plain functions; an async one awaits ctx.effect and ctx.ask"
            )
        return SyncEffects(self, self._run.loop)

    def participant(self, name: str) -> Speaker | None:
        """Who speaks at the node `name` of this conversation; None for a name that is no speaker's (the user's, say)."""
        return self._turning.scope.program.speakers.get(name)

    def conversations(self) -> Iterator[tuple[Mapping[str, Speaker], Sequence[Message]]]:
        """The conversations that the turn is part of, from its own outwards: who speaks in each, and what was said there."""
        scope = self._turning.scope
        yield scope.program.speakers, self.messages
        turning = self._turning.outer
        while turning is not None:
            if turning.scope is not scope:
                scope = turning.scope
                yield scope.program.speakers, scope.state.history
            turning = turning.outer

    def tell(self, to: str, messages: Sequence[Message]) -> None:
        """Tell who listens to the run what is said to whom. Nothing is recorded by it."""
        self._run.journal.tell(Said(self._turning.path, to, tuple(messages)))

    async def in_thread(self, fn: Callable[[Context], T]) -> T:
        """Call `fn(self)` in a thread, from which it reaches the effects as `ctx.sync`."""
        return await in_thread(fn, self)

    async def effect(
        self, name: str, fn: Callable[..., Any], *args: Any, idempotent: bool = False, kind: OutsideKind = "tool", about: str | None = None
    ) -> Any:
        """Call `fn(*args)`, sync or async, once: its result is journaled, and given back on resume and replay.

        A call is the same call as far as its arguments are the same; or, with `about`, as far as that text is.

        If `fn` has a parameter `idempotency_key`, it is given one that stays the same however often this call
        has to be made. If the process dies while `fn` runs, nobody knows whether it happened: with
        `idempotent=True` it is called again, otherwise the run waits for a person to decide. If `fn` had opened a
        conversation and the process died in that, `fn` is called again and the conversation goes on.

        Returns what `fn` returned. Raises `EffectFailed` if it raised (the same from the record later), and
        `NotEncodable` if its result cannot be journaled.
        """
        if not callable(fn):
            raise InputError(f"node {self._node!r}: effect {name!r} takes a function, not {fn!r:.100}")

        async def call(key: str, own: Turning) -> Any:
            keywords = {"idempotency_key": key} if _takes_key(fn) else {}
            with entered(Context(self._run, own, self._node, self._state, self.messages, self.item)):
                return await called(fn, *args, **keywords)

        request = canonical([name, [self._digestible(arg) for arg in args] if about is None else about])
        return await effects.outside(self._run, self._turning, kind, name, request, idempotent, call)

    async def ask(self, prompt: str, *, id: str | None = None, schema: Any = str, to: str | None = None) -> Any:
        """Ask a person. `schema` is the type of the answer: str, int, a pydantic model, or a JSON schema.

        `to` is the person's name, where that is not the node's: in whose inbox the question is, and by which a run's
        `human=` tells people apart.

        Asked at the console where there is one; otherwise the run stops as `waiting`, and goes on when it is
        resumed with the answer. A person is never asked the same question twice. Returns the answer as an
        instance of `schema` (a plain JSON value where that is a JSON schema).
        """
        where = f"node {self._node!r}: ask({prompt!r:.50})"
        if not all(isinstance(text, str) for text in (prompt, id or "", to or "")):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InputError(f"{where}: the prompt, id={id!r:.50} and to={to!r:.50} are texts")
        with entered(self):  # whoever answers in code may look at the conversation
            answer = await effects.ask_person(self._run, self._turning, to or self._node, prompt, schema_of(schema, where), id)
        return answer if isinstance(schema, Mapping) or schema is str else TypeAdapter(schema).validate_python(answer)

    def call_model(self, model: Model, request: ModelRequest) -> Coroutine[Any, Any, ModelReply]:
        """Ask a model; the answer is journaled, and given back on resume and replay. Raises `EffectFailed`."""
        return effects.ask_model(self._run, self._turning, self._node, model, request)

    async def hold(self, key: Hashable, open: Callable[[], AbstractAsyncContextManager[T]]) -> T:
        """What `open()` gives (a sandbox, say): opened once, and closed when this execution of the run stops. Never journaled."""
        return await self._run.hold(key, open)

    async def converse(self, program: Program, messages: Sequence[Message], state: Any = None) -> State:
        """Have a conversation of its own inside this turn, in the same journal. Returns its state when it has stopped.

        After a crash it goes on where it stood. Its turns and its cost count here as well.
        """
        from convgraph.runtime.opened import converse_inside

        return await converse_inside(self._run, self._turning, program, messages, state)

    async def sleep(self, seconds: float) -> None:
        """Wait, once: the time at which the wait is over is recorded, and a run that is resumed waits only for what is left.

        Under a worker a long wait parks the run (`waiting`), without a process, until it is due. Raises `InputError` for a
        negative time.
        """
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds < math.inf:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InputError(f"node {self._node!r}: sleep({seconds!r:.100}) takes a number of seconds, 0 or more")
        from convgraph.runtime import timers

        await timers.sleep(self._run, self._turning, float(seconds))

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
        if running_loop() is self._run.loop:
            return effects.instant(self._run, self._turning, kind, name, make)

        async def in_loop() -> T:  # a plain node is in a thread of its own, and the journal belongs to the loop's
            return effects.instant(self._run, self._turning, kind, name, make)

        return asyncio.run_coroutine_threadsafe(in_loop(), self._run.loop).result()

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
        self, name: str, fn: Callable[..., Any], *args: Any, idempotent: bool = False, kind: OutsideKind = "tool", about: str | None = None
    ) -> Any:
        """See `Context.effect`."""
        return self.wait(self._context.effect(name, fn, *args, idempotent=idempotent, kind=kind, about=about))

    def ask(self, prompt: str, *, id: str | None = None, schema: Any = str, to: str | None = None) -> Any:
        """See `Context.ask`."""
        return self.wait(self._context.ask(prompt, id=id, schema=schema, to=to))

    def sleep(self, seconds: float) -> None:
        """See `Context.sleep`."""
        self.wait(self._context.sleep(seconds))

    def shown(self, model: Model | None = None) -> Sequence[Message]:
        """See `Context.shown`."""
        return self.wait(self._context.shown(model))

    def call_model(self, model: Model, request: ModelRequest) -> ModelReply:
        """See `Context.call_model`."""
        return self.wait(self._context.call_model(model, request))

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Have `work` done in the run's event loop, and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


def _takes_key(fn: Callable[..., Any]) -> bool:
    try:
        return "idempotency_key" in inspect.signature(fn).parameters
    except (TypeError, ValueError):  # some built-ins have no signature
        return False
