"""What is already known of the turns that are entered again: their effects, attempts, inner steps and branches.

Resume fills it with the unfinished turn, replay with the whole record. An effect is found by its place (path,
kind, name, ordinal); its request's digest must then agree.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from convgraph.journal.events import (
    AttemptFailed,
    BranchFinished,
    EffectFinished,
    EffectKind,
    EffectStarted,
    Moved,
    Recorded,
    Stepped,
)
from convgraph.journal.turn_paths import around, is_within, without_attempts
from convgraph.messages import NO_USAGE, Usage

Place: TypeAlias = tuple[str, str, str, int]
"""A path, and an effect's kind, name and ordinal."""

KEPT_ACROSS_ATTEMPTS = frozenset({"tool", "code", "reply", "human", "timer"})


@dataclass(slots=True)
class Ledger:
    """The known effects and inner events of turns that are being re-entered."""

    finished: dict[Place, EffectFinished] = field(default_factory=dict[Place, EffectFinished])
    started: dict[Place, EffectStarted] = field(default_factory=dict[Place, EffectStarted])
    kept: dict[Place, list[EffectFinished]] = field(default_factory=dict[Place, list[EffectFinished]])
    attempts: dict[str, list[AttemptFailed]] = field(default_factory=dict[str, list[AttemptFailed]])
    steps: dict[str, list[Stepped | Moved]] = field(default_factory=dict[str, list[Stepped | Moved]])
    branches: dict[str, BranchFinished] = field(default_factory=dict[str, BranchFinished])
    usage: dict[str, Usage] = field(default_factory=dict[str, Usage])
    used: set[Place] = field(default_factory=set[Place])

    @classmethod
    def of(cls, events: Iterable[Recorded]) -> Ledger:
        """A ledger of what `events` say."""
        ledger = cls()
        for recorded in events:
            ledger.add(recorded.event)
        return ledger

    def __bool__(self) -> bool:
        return bool(self.finished or self.started or self.attempts or self.steps or self.branches)

    def add(self, event: object) -> None:
        """Take note of an event; those that say nothing about the inside of a turn are passed over."""
        if isinstance(event, EffectFinished):
            self._add_finished(event)
        elif isinstance(event, EffectStarted):
            self.started[without_attempts(event.path), event.effect, event.name, event.ordinal] = event
            if event.effect in ("tool", "code", "reply"):
                # It is begun anew: what a person decided about it was about the time before.
                self.finished.pop((event.path, "doubt", doubt_about(event.effect, event.name), event.ordinal), None)
                self.started.pop((without_attempts(event.path), "doubt", doubt_about(event.effect, event.name), event.ordinal), None)
        elif isinstance(event, AttemptFailed):
            self.attempts.setdefault(event.path, []).append(event)
        elif isinstance(event, BranchFinished):
            self.branches[event.path] = event
        elif isinstance(event, Stepped | Moved):
            self.steps.setdefault(around(event.path), []).append(event)

    def find(self, path: str, kind: EffectKind, name: str, ordinal: int, digest: str) -> EffectFinished | None:
        """The recorded result for this place, of this attempt or, for what must not happen twice, of an earlier one."""
        if not self.finished:
            return None
        place = (path, kind, name, ordinal)
        found = self.finished.get(place)
        if found is None and kind in KEPT_ACROSS_ATTEMPTS:
            for earlier in self.kept.get((without_attempts(path), kind, name, ordinal), ()):
                if earlier.digest == digest:
                    return earlier
        if found is not None:
            self.used.add(place)
        return found

    def begun(self, path: str, kind: EffectKind, name: str, ordinal: int) -> EffectStarted | None:
        """The intent at this place, of any attempt, whether or not there is a result beside it."""
        return self.started.get((without_attempts(path), kind, name, ordinal))

    def doubtful(self, path: str, kind: EffectKind, name: str, ordinal: int) -> EffectStarted | None:
        """The intent at this place, of any attempt, that has no result beside it: nobody knows whether it happened."""
        intent = self.begun(path, kind, name, ordinal)
        return None if intent is None or (intent.path, kind, name, ordinal) in self.finished else intent

    def stopped_inside(self, path: str) -> bool:
        """Whether what ran at `path` had stopped in something that is recorded itself (a conversation, a question): it can go on there."""
        inside = f"{path}/"
        return any(
            f"{intent.path}/".startswith(inside) and (intent.path, kind, name, ordinal) not in self.finished
            for (_, kind, name, ordinal), intent in self.started.items()
        )

    def asked_under(self, path: str) -> tuple[str, ...]:
        """The ids of the questions that were answered inside what ran at `path`."""
        inside = f"{path}/"
        return tuple(event.question for event in self.finished.values() if event.question and f"{event.path}/".startswith(inside))

    def has_question(self, question: str, path: str) -> bool:
        """Whether another turn than the one at `path` (a branch beside it, say) has put a question with this id."""
        return any(
            intent.question is not None and intent.question.id == question and place[0] != without_attempts(path)
            for place, intent in self.started.items()
        )

    def clear(self) -> None:
        """Forget everything: the turn that it was about is over."""
        for known in (self.finished, self.started, self.kept, self.attempts, self.steps, self.branches, self.usage, self.used):
            known.clear()

    def forget(self, path: str) -> None:
        """Forget what was done at `path`, by whichever attempt, and inside it: it is made again."""
        for known in (self.finished, self.started, self.kept):
            for place in [place for place in known if is_within(place[0], path)]:
                del known[place]
        for inner in (self.attempts, self.steps, self.branches, self.usage):
            for place in [place for place in inner if is_within(place, path)]:
                del inner[place]

    def inner_steps(self, path: str) -> list[Stepped | Moved]:
        """The steps of the conversation that is nested in the turn (or branch) at `path`."""
        return self.steps.get(path, [])

    def turns_inside(self, path: str) -> int:
        """How many turns, at any depth, were made inside the attempt at `path`: those of items that are runs of their own as well."""
        inside = f"{path}/"
        steps = (step for outer, made in self.steps.items() if f"{outer}/".startswith(inside) for step in made)
        children = (event.result for event in self.finished.values() if event.effect == "child" and event.path.startswith(inside))
        return sum(isinstance(step, Stepped) for step in steps) + sum(result["turns"] for result in children if result)

    def usage_under(self, path: str) -> Usage:
        """What the model calls recorded in this turn have cost, all attempts and everything nested included."""
        return self.usage.get(without_attempts(path), NO_USAGE)

    def unused_under(self, path: str) -> Iterator[EffectFinished]:
        """The recorded effects at exactly this path that nobody has asked for."""
        for place, event in self.finished.items():
            if place[0] == path and place not in self.used and event.effect != "doubt":
                yield event

    def _add_finished(self, event: EffectFinished) -> None:
        place = (event.path, event.effect, event.name, event.ordinal)
        self.finished[place] = event
        keepable = event.error is None or event.error.type == "NotEncodable"
        if event.effect in KEPT_ACROSS_ATTEMPTS and keepable:
            self.kept.setdefault((without_attempts(event.path), *place[1:]), []).append(event)
        if event.usage is not NO_USAGE and any(event.usage):
            path = without_attempts(event.path)
            while path:
                self.usage[path] = self.usage.get(path, NO_USAGE) + event.usage
                path = around(path)


def doubt_about(kind: EffectKind, name: str) -> str:
    """The name of the decision about an effect in doubt: effects of two kinds may have one name."""
    return f"{kind}-{name}"
