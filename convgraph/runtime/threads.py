"""Plain functions in threads: each call has one of its own, which nobody waits for once the call has been given up."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import inspect
import threading
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


async def in_thread(fn: Callable[..., T], *args: Any, **keywords: Any) -> T:
    """Call `fn` in a thread of its own and return what it returns.

    Not a pool: a plain node waits in its thread for tools that need threads as well, and in a pool enough of them
    wait for each other for ever. When the caller is cancelled (a timeout, say) the thread is left alone: its late
    result is dropped, and neither the loop nor the process stays for it.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()
    context = contextvars.copy_context()

    def body() -> None:
        try:
            value = context.run(fn, *args, **keywords)
        except BaseException as error:  # noqa: BLE001  # carried over to the caller, whatever it is
            tell(future.set_exception, _carried(error))
        else:
            tell(future.set_result, value)

    def tell(deliver: Callable[[Any], None], outcome: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: the result is too late for anybody
            loop.call_soon_threadsafe(_deliver, future, deliver, outcome)

    threading.Thread(target=body, name=f"convgraph-{getattr(fn, '__name__', 'call')}", daemon=True).start()
    return await future


async def called(fn: Callable[..., Any], *args: Any, **keywords: Any) -> Any:
    """What a user's function returns, be it sync or async. A sync one is called in a thread."""
    if inspect.iscoroutinefunction(fn):
        return await fn(*args, **keywords)
    result = await in_thread(fn, *args, **keywords)
    return await result if inspect.isawaitable(result) else result


def _deliver(future: asyncio.Future[Any], deliver: Callable[[Any], None], outcome: Any) -> None:
    if not future.done():
        deliver(outcome)


def _carried(error: BaseException) -> BaseException:
    """The error as a future can hold it: a `StopIteration` would end the coroutine that waits, instead of reaching it."""
    if not isinstance(error, StopIteration):
        return error
    carried = RuntimeError(f"raised StopIteration: {error}")
    carried.__cause__ = error
    return carried
