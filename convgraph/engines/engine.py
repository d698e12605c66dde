"""What an engine is: it says which run is to be gone on with, and when. How, only the journal and the interpreter know."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeAlias

Advance: TypeAlias = Callable[[str], Awaitable[None]]
"""Goes on with the run of this id until it stops. May be called for a run that needs nothing, or that somebody else has: both cost
a look. Raises nothing but what ends the worker."""


class Engine(Protocol):
    """Brings runs that can go on to workers. A wake-up is a hint: one too many costs a look, and none may be lost.

    `id` is what this process is called among the workers, `name` says which engine it is, `queues` from which queues it takes runs.
    """

    id: str
    name: str
    queues: tuple[str, ...]

    async def serve(self, advance: Advance, *, concurrency: int) -> None:
        """Have `advance` called for runs that can go on, for so many at a time, until `stop`; return when none is under way."""
        ...

    async def wake(self, run_id: str) -> None:
        """See that somebody goes on with the run soon. What is in the store already: an answer, a run that was made."""
        ...

    async def stop(self) -> None:
        """Begin nothing more. What is under way goes on; `serve` returns when it is over."""
        ...
