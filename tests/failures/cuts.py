"""A run that ends between two appends: what a store holds after so many of them, with nobody running it any more."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from convgraph.journal.events import Event
from convgraph.journal.memory import MemoryStore
from convgraph.journal.runs import Claim, NewRun
from convgraph.journal.store import Store


class WatchedStore(MemoryStore):
    """A store that remembers what was appended to it, append by append. For one run."""

    def __init__(self) -> None:
        super().__init__()
        self.made: list[NewRun] = []
        self.appended: list[tuple[list[Event], dict[str, str]]] = []

    async def create(
        self,
        run: NewRun,
        events: Sequence[Event] = (),
        contents: Mapping[str, str] | None = None,
        *,
        claim: bool = True,
        times: Sequence[float] = (),
    ) -> Claim:
        self.made.append(run)
        self.appended.append((list(events), dict(contents or {})))
        return await super().create(run, events, contents, claim=claim, times=times)

    async def append(self, claim: Claim, events: Sequence[Event], contents: Mapping[str, str] | None = None) -> None:
        await super().append(claim, events, contents)
        self.appended.append((list(events), dict(contents or {})))

    def after(self, appends: int) -> Store:
        """A store that holds the run's first so many appends, and no owner of it."""
        return asyncio.run(self._after(appends))

    async def _after(self, appends: int) -> Store:
        (events, contents), *rest = self.appended[:appends]
        store = MemoryStore()
        claim = await store.create(self.made[0], events, contents)
        for more, texts in rest:
            await store.append(claim, more, texts)
        await store.release(claim)
        return store


def results(store: Store, run_id: str) -> Any:
    """Everything that effects have given back, or failed with, as one text: what is finished can be found in it by its label."""
    from convgraph.journal.events import EffectFinished

    events = [recorded.event for recorded in store.events(run_id)]
    return repr([(event.result, event.error) for event in events if isinstance(event, EffectFinished)])
