"""Functions as speakers: async ones are awaited, plain ones run in a thread."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from convgraph.errors import DefinitionError
from convgraph.messages import ReplyLike
from convgraph.runtime.context import Context, entered


class FunctionSpeaker:
    """A function `(ctx) -> str | Message | Reply | None`, sync or async, as a speaker."""

    __slots__ = ("_is_async", "description", "fn", "name")

    def __init__(self, fn: Callable[[Context], Any], name: str, description: str = "") -> None:
        self.fn = fn
        self.name = name
        self.description = description or _first_line(fn)
        self._is_async = inspect.iscoroutinefunction(fn) or inspect.iscoroutinefunction(getattr(fn, "__call__", None))  # noqa: B004  # asks how it is called, not whether
        _check_arity(fn, name)

    def describe(self) -> Mapping[str, Any]:
        """Where the function is and what it looks like; never its source."""
        fn = inspect.unwrap(self.fn)
        return {
            "type": "function",
            "call": f"{getattr(fn, '__module__', '?')}:{getattr(fn, '__qualname__', type(fn).__qualname__)}",
            "signature": _signature(self.fn),
        }

    async def speak(self, ctx: Context) -> ReplyLike:
        """Call the function."""
        with entered(ctx):
            if self._is_async:
                return await self.fn(ctx)
            reply = await ctx.in_thread(self.fn)
            return await reply if inspect.isawaitable(reply) else reply


def _check_arity(fn: Callable[..., Any], name: str) -> None:
    try:
        inspect.signature(fn).bind(None)
    except TypeError:
        raise DefinitionError(
            f"node {name!r}: {fn!r} must take exactly one argument, the turn's context: (ctx) -> str | Message | Reply | None"
        ) from None
    except ValueError:  # some built-ins have no signature; calling them will tell
        return


def _signature(fn: Callable[..., Any]) -> str:
    try:
        return str(inspect.signature(fn))
    except (TypeError, ValueError):
        return "(ctx)"


def _first_line(fn: Callable[..., Any]) -> str:
    doc = inspect.getdoc(fn) if not isinstance(fn, type(len)) else None
    return doc.strip().splitlines()[0] if doc and doc.strip() else ""
