"""The runs that are looked at: each folded once for all pages, brought up to date while somebody looks, and forgotten afterwards."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import OrderedDict
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from convgraph.errors import ConvgraphError, DefinitionError, RunNotFound
from convgraph.graph.definition import Definition
from convgraph.graph.documents import recorded_definition
from convgraph.journal.events import Recorded
from convgraph.journal.runs import RunInfo
from convgraph.journal.store import Store
from convgraph.runtime.fold import versions
from convgraph.studio.catalog import Catalog
from convgraph.studio.live import Ear, Live
from convgraph.studio.timeline import Timeline

log = logging.getLogger("convgraph.studio")

POLL = 0.2
"""Seconds between two looks at a run that goes on elsewhere."""
_TOGETHER = 0.02
"""Seconds for which events that come at once are waited for, so that they are read together."""
MOST_TIMELINES = 12
MOST_EVENTS = 400_000
"""Of all timelines together; the one that is looked at is kept whatever its length."""
_SLICE = 250
"""Events that are folded before others have their turn."""


@dataclass(frozen=True, slots=True)
class Looked:
    """A run as it was found: how it is listed, its timeline, and the digest of the graph that it was last run with."""

    info: RunInfo
    timeline: Timeline
    digest: str


@dataclass(eq=False, slots=True)
class _Watched:
    """A run that pages follow: who hears of it, and the task that looks for news."""

    ears: set[Ear] = field(default_factory=set[Ear])
    polling: asyncio.Task[None] | None = None
    gone: bool = False


class Timelines:
    """Timelines by run. `of` gives one up to date, `following` keeps it so for as long as a page looks."""

    def __init__(self, store: Store, catalog: Catalog, live: Live) -> None:
        self._store = store
        self._catalog = catalog
        self._live = live
        self._looked: OrderedDict[str, Looked] = OrderedDict()
        self._locks: dict[str, asyncio.Lock] = {}
        self._watched: dict[str, _Watched] = {}
        self.closed = False

    async def of(self, run_id: str) -> Looked:
        """A run with all that has been recorded of it. Raises `RunNotFound` and `StoreError`."""
        lock = self._locks.setdefault(run_id, asyncio.Lock())
        try:
            async with lock:
                looked = await self._refreshed(run_id, self._looked.get(run_id))
                self._looked[run_id] = looked
                self._looked.move_to_end(run_id)
        except RunNotFound:
            self._looked.pop(run_id, None)
            self._locks.pop(run_id, None)
            raise
        self._forget_others()
        return looked

    def latest(self, run_id: str) -> Looked | None:
        """A run as it was found the last time; None where nobody has looked yet, or it was deleted."""
        return self._looked.get(run_id)

    def is_gone(self, run_id: str) -> bool:
        """Whether a run that is followed was deleted."""
        watched = self._watched.get(run_id)
        return watched is not None and watched.gone

    @contextmanager
    def following(self, run_id: str, ear: Ear) -> Generator[None]:
        """Have a page told (by a None) whenever there is more to be found in `latest`. All pages on a run share one look."""
        watched = self._watched.setdefault(run_id, _Watched())
        watched.ears.add(ear)
        if watched.polling is None:
            watched.polling = asyncio.create_task(self._poll(run_id, watched), name=f"convgraph-studio-look-{run_id}")
        try:
            yield
        finally:
            watched.ears.discard(ear)
            if not watched.ears:
                watched.polling.cancel()
                self._watched.pop(run_id, None)

    def close(self) -> None:
        """Have all pages told that the studio ends."""
        self.closed = True
        for watched in self._watched.values():
            _tell(watched)

    async def _poll(self, run_id: str, watched: _Watched) -> None:
        seen: object = None
        with self._live.listening(run_id) as ear:
            while not watched.gone:
                try:
                    looked = await self.of(run_id)
                except RunNotFound:
                    watched.gone = True
                    _tell(watched)
                    return
                except ConvgraphError as error:
                    log.warning("run %s cannot be read at the moment: %s", run_id, error)
                    await asyncio.sleep(1.0)
                    continue
                now = (id(looked.timeline), looked.timeline.last_seq, looked.info, run_id in self._live)
                if now != seen:
                    seen = now
                    _tell(watched)
                await _grown(ear, POLL)

    async def _refreshed(self, run_id: str, known: Looked | None) -> Looked:
        info = await self._store.info(run_id)
        if known is not None and known.info.created != info.created:
            known = None  # it was deleted, and another made under its name
        if known is not None and known.info == info and not self._may_grow(info):
            return known
        events = await self._store.load(run_id, after=known.timeline.last_seq) if known is not None else await self._store.load(run_id)
        digest = _digest(events) or (known.digest if known is not None else "")
        if known is None or digest != known.digest:
            whole = [*known.timeline.events, *events] if known is not None else events
            timeline = Timeline(run_id, *await self._definition(info, whole, digest), whole)
            known, events = Looked(info, timeline, digest), whole
        for first in range(0, len(events), _SLICE):
            known.timeline.add(events[first : first + _SLICE])
            await asyncio.sleep(0)
        return Looked(info, known.timeline, digest)

    def _may_grow(self, info: RunInfo) -> bool:
        return info.status in ("running", "interrupted") or info.run_id in self._live

    async def _definition(self, info: RunInfo, events: Sequence[Recorded], digest: str) -> tuple[Definition, str]:
        """The graph that a run was last run with: a known one where it is the same, else as it was recorded.

        Where there is neither, an empty one, and why.
        """
        found = versions(events)
        fingerprint = found[-1][0] if found else info.fingerprint
        for known in self._catalog:
            if known.graph is not None and known.graph.fingerprint == fingerprint:
                return known.graph.definition, ""
        try:
            return recorded_definition(json.loads(await self._store.content(digest) or ""), f"the graph of run {info.run_id!r}"), ""
        except (DefinitionError, json.JSONDecodeError) as error:
            problem = f"the graph that run {info.run_id!r} was made with cannot be read, so that only what was said can be shown: {error}"
            return Definition(info.graph, {}, (), None), problem

    def _forget_others(self) -> None:
        """Keep what fits; what pages follow is kept in any case."""
        size = sum(len(looked.timeline.events) for looked in self._looked.values())
        for run_id in list(self._looked)[:-1]:
            if len(self._looked) <= MOST_TIMELINES and size <= MOST_EVENTS:
                return
            if run_id not in self._watched:
                size -= len(self._looked.pop(run_id).timeline.events)
                if not self._locks[run_id].locked():
                    del self._locks[run_id]


async def _grown(ear: Ear, seconds: float) -> None:
    """Wait until a run that goes on here has recorded something, or so many seconds have passed."""
    try:
        async with asyncio.timeout(seconds):
            while await ear.said.get() is not None:
                pass
    except TimeoutError:
        return
    await asyncio.sleep(_TOGETHER)
    while not ear.said.empty():
        ear.said.get_nowait()


def _digest(events: Sequence[Recorded]) -> str:
    """The digest of the graph that the events were last made with; empty where they do not say."""
    found = versions(events)
    return found[-1][1] if found else ""


def _tell(watched: _Watched) -> None:
    for ear in watched.ears:
        ear.hear(None)
