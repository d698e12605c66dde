"""What has changed in the lists of runs and questions, for the pages that show them: one look at the store for all of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from convgraph.errors import StoreError
from convgraph.journal.store import Store

log = logging.getLogger("convgraph.studio")

WATCHED = 200
"""The newest runs, whose changes are noticed."""


@dataclass(frozen=True, slots=True)
class Lists:
    """The lists as they are: a number that rises when that of the runs changes, and how many questions are open."""

    runs: int = 0
    questions: int = 0


class Changes:
    """Looks into the store every `pause` seconds as long as somebody listens."""

    def __init__(self, store: Store, *, pause: float = 1.0) -> None:
        self._store = store
        self._pause = pause
        self._now = Lists()
        self._seen: object = None
        self._listeners = 0
        self._changed = asyncio.Condition()
        self._looking: asyncio.Task[None] | None = None
        self._closed = False

    async def follow(self) -> AsyncGenerator[Lists]:
        """The lists as they are, and again whenever they have changed, until the studio ends."""
        self._listeners += 1
        try:
            await self._look()
            if self._looking is None:
                self._looking = asyncio.create_task(self._go_on_looking(), name="convgraph-studio-changes")
            told = None
            while True:
                async with self._changed:
                    await self._changed.wait_for(lambda told=told: self._closed or self._now != told)
                    told = self._now
                if self._closed:
                    return
                yield told
        finally:
            self._listeners -= 1
            if self._listeners == 0 and self._looking is not None:
                self._looking.cancel()
                self._looking = None

    async def close(self) -> None:
        """Have all who follow come to an end."""
        async with self._changed:
            self._closed = True
            self._changed.notify_all()

    async def _go_on_looking(self) -> None:
        while True:
            await asyncio.sleep(self._pause)
            try:
                await self._look()
            except StoreError as error:
                log.warning("the store cannot be read at the moment: %s", error)

    async def _look(self) -> None:
        runs = await self._store.aruns(limit=WATCHED)
        questions = sorted((each.run_id, each.id) for each in await self._store.aquestions() if not each.answered)
        seen = ([(run.run_id, run.status, run.updated, run.labels) for run in runs], questions)
        if seen == self._seen:
            return
        async with self._changed:
            self._seen = seen
            self._now = Lists(self._now.runs + 1, len(questions))
            self._changed.notify_all()
