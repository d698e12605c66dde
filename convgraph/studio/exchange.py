"""One request and its reply: a run that is begun, continued or answered, and what its nodes say until it stops."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field

from convgraph.journal.events import Delta, Stepped
from convgraph.journal.runs import OpenQuestion, RunInfo
from convgraph.journal.turn_paths import is_inner, without_attempts
from convgraph.messages import Usage
from convgraph.studio.studio import Studio


@dataclass(frozen=True, slots=True)
class Piece:
    """Some of what a node says. With `whole`, the turn is over, and this is all that its last message says."""

    node: str
    path: str
    text: str
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """Where the run stands when it has stopped: its status, what was said last, what it asks, and what the exchange has cost."""

    info: RunInfo
    last: str
    questions: tuple[OpenQuestion, ...]
    usage: Usage


@dataclass(slots=True)
class Exchange:
    """Goes on with a run by `begin`, from the event numbered `after` on; `spent` is what it had cost by then."""

    studio: Studio
    run_id: str
    begin: Callable[[], Awaitable[object]]
    after: int = 0
    spent: Usage = field(default_factory=Usage)

    async def pieces(self) -> AsyncGenerator[Piece | None]:
        """What is said, as it is said: None when the run has begun, then pieces of turns, each turn ended by one that is whole.

        Raises what `begin` raises, before anything else.
        """
        with self.studio.live.listening(self.run_id) as ear:
            await self.begin()
            yield None
            while True:
                going = self.run_id in self.studio.live
                for recorded in await self.studio.store.load(self.run_id, after=self.after):
                    self.after = recorded.seq
                    event = recorded.event
                    if isinstance(event, Stepped) and not is_inner(event.path):
                        said = "\n".join(message.text for message in event.messages if message.role != "tool" and message.text)
                        yield Piece(event.node, without_attempts(event.path), said, whole=True)
                if not going:
                    return
                heard = await ear.said.get()
                if isinstance(heard, Delta) and not is_inner(heard.path):
                    yield Piece(heard.node, without_attempts(heard.path), heard.text)

    async def outcome(self, last: str) -> Outcome:
        """Where the run stands now."""
        questions = tuple(each for each in await self.studio.store.aquestions(self.run_id) if not each.answered)
        timeline = (await self.studio.timelines.of(self.run_id)).timeline
        return Outcome(await self.studio.store.info(self.run_id), last, questions, _without(timeline.usage, self.spent))


def _without(all_of_it: Usage, before: Usage) -> Usage:
    return Usage._make(now - then for now, then in zip(all_of_it, before, strict=True))
