"""What a page is sent of a run that it follows: what it has missed, what is being said at the moment, and whatever comes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Iterable, Iterator
from itertools import groupby

from fastapi.sse import ServerSentEvent
from pydantic import TypeAdapter

from convgraph.journal.events import Delta
from convgraph.studio.live import Ear
from convgraph.studio.looking import run_out
from convgraph.studio.schemas.runs import RunOut
from convgraph.studio.schemas.steps import EffectOut, StepRow
from convgraph.studio.steps import under_way
from convgraph.studio.studio import Studio
from convgraph.studio.timeline import Timeline

BATCH = 500
"""Rows in one event, for a page that has missed many."""
_FEW = 20
_ROWS = TypeAdapter(list[StepRow | EffectOut])
_BETWEEN_SUMS = 0.25
"""Seconds between two events with the run's sums."""


async def follow(studio: Studio, run_id: str, after: int) -> AsyncGenerator[ServerSentEvent]:
    """What happened after the event of this number, then what happens, until the run is deleted or the studio ends.

    Ids are numbers of events, in order: whoever connects again with the last one misses nothing, and is sent nothing twice.
    """
    sums = _Sums()
    with studio.live.listening(run_id) as ear, studio.timelines.following(run_id, ear):
        heard: list[Delta | None] = [None]
        while not studio.timelines.closed:
            looked = studio.timelines.latest(run_id)
            if looked is None and studio.timelines.is_gone(run_id):
                yield ServerSentEvent(data={"run_id": run_id}, event="gone")
                return
            if looked is not None:
                for delta in _together(heard):
                    place = looked.timeline.tracer.place(delta.path) or delta.node
                    yield ServerSentEvent(data={"path": delta.path, "node": place, "text": delta.text}, event="delta")
                for event in _news(looked.timeline, after):
                    after = int(event.id or after)
                    yield event
                if sums.due and (told := sums.news(await run_out(studio, looked))) is not None:
                    yield ServerSentEvent(data=told, event="run", retry=1000)
            heard = await _heard(ear, sums.wait)


class _Sums:
    """The run's sums as the page knows them, and when it may be told anew."""

    def __init__(self) -> None:
        self._told: RunOut | None = None
        self._at = float("-inf")

    @property
    def due(self) -> bool:
        """Whether enough time has passed since the page was told."""
        return time.monotonic() - self._at >= _BETWEEN_SUMS

    @property
    def wait(self) -> float | None:
        """For how long something else is waited for: until the sums may be told again, or for ever."""
        return None if self.due else _BETWEEN_SUMS

    def news(self, now: RunOut) -> RunOut | None:
        """What to tell the page, if it has changed."""
        if now == self._told:
            return None
        self._told, self._at = now, time.monotonic()
        return now


async def _heard(ear: Ear, seconds: float | None) -> list[Delta | None]:
    """All that there is to hear, when there is something; nothing after so many seconds."""
    try:
        async with asyncio.timeout(seconds):
            heard = [await ear.said.get()]
    except TimeoutError:
        return []
    while not ear.said.empty():
        heard.append(ear.said.get_nowait())
    return heard


def _together(heard: Iterable[Delta | None]) -> Iterator[Delta]:
    """The pieces of text that were heard, those of one turn as one."""
    pieces: dict[str, Delta] = {}
    for piece in heard:
        if piece is not None:
            before = pieces[piece.path].text if piece.path in pieces else ""
            pieces[piece.path] = Delta(piece.path, piece.node, before + piece.text)
    yield from pieces.values()


def _news(timeline: Timeline, after: int) -> Iterator[ServerSentEvent]:
    """Rows that are new or have changed, and what was done in the turn that is not over, in the order of the journal."""
    rows: list[tuple[int, str, StepRow | EffectOut]] = [(seq, "step", timeline.rows[step - 1]) for seq, step in timeline.since(after)]
    news = sorted([*rows, *under_way(timeline, after)], key=lambda one: one[0])
    for name, group in groupby(news, key=lambda one: one[1]):
        alike = list(group)
        if name != "step" or len(alike) <= _FEW:
            yield from (ServerSentEvent(data=one, event=name, id=str(seq)) for seq, _, one in alike)
            continue
        for first in range(0, len(alike), BATCH):
            batch = alike[first : first + BATCH]
            yield ServerSentEvent(raw_data=_ROWS.dump_json([row for _, _, row in batch]).decode(), event="steps", id=str(batch[-1][0]))
