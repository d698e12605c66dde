"""What happened, seen from outside of store and interpreter: the trace of a schedule, and what is wrong in it."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from typing import Any

from convgraph.journal.events import EffectFinished, Event
from convgraph.journal.turn_paths import without_attempts


class Evidence:
    """The trace of one schedule. `wrong` says which promises were broken, and when."""

    def __init__(self) -> None:
        self.trace: list[str] = []
        self.wrong: list[str] = []
        self.owners: dict[str, str] = {}
        """Who has each run, by the database."""
        self.recorded: set[str] = set()
        """The effects whose results the database has."""
        self.happened: dict[str, str] = {}
        """What came of each effect outside."""
        self.answers: dict[tuple[str, str], list[Any]] = defaultdict(list)
        """The answers that the database took for each question. A doubt may come up again, and is a question each time."""
        self.used: dict[tuple[str, str], list[Any]] = defaultdict(list)
        self._begun: Counter[str] = Counter()
        self._allowed: Counter[str] = Counter()

    def note(self, who: str, what: str) -> None:
        """Add a line to the trace."""
        self.trace.append(f"{asyncio.get_running_loop().time():9.3f} {who:8} {what}")

    def broken(self, who: str, promise: str) -> None:
        """Say that a promise was broken."""
        self.note(who, f"BROKEN: {promise}")
        self.wrong.append(promise)

    def begins(self, who: str, run_id: str, key: str, *, once: bool) -> None:
        """Something is about to be done outside. `once`: it may not be done again unless a person has said so."""
        is_owner = self.owners.get(run_id) == who
        self.note(who, f"does {key}{'' if is_owner else ', not the owner any more'}")
        if not is_owner:
            return  # the database's last word to it was still under way, or it stood still since: what it does is not recorded
        if key in self.recorded:
            self.broken(who, f"recorded, and done again: {key}")
        self._begun[key] += 1
        if once and self._begun[key] > 1 + self._allowed[key]:
            self.broken(who, f"in doubt, and done again though nobody had said so: {key}")

    def does(self, who: str, key: str) -> None:
        """It has been done; perhaps late, by one who had stood still since it had begun, and does not know of its successor."""
        is_owner = self.owners.get(key.partition(":")[0]) == who
        self.note(who, f"has done {key}{'' if is_owner else ', late'}")

    def allows(self, key: str) -> None:
        """It may be done once more: it had failed, or a person has said so."""
        self._allowed[key] += 1

    def commits(self, who: str, run_id: str, events: list[Event]) -> None:
        """The database takes these events."""
        self.note(who, f"writes {run_id}: {', '.join(_short(event) for event in events)}")
        for event in events:
            if not isinstance(event, EffectFinished):
                continue
            if event.question is not None and event.effect in ("human", "doubt"):
                self.used[run_id, event.question].append(event.result)
            key = effect_key(run_id, event.path, event.effect, event.name, event.ordinal)
            if event.error is None:
                self.recorded.add(key)
            else:
                self.allows(key)


def effect_key(run_id: str, path: str, kind: str, name: str, ordinal: int) -> str:
    """The idempotency key of what has one; of a model call, which every attempt makes anew, a key for each attempt."""
    return f"{run_id}:{path if kind == 'model' else without_attempts(path)}:{kind}:{name}:{ordinal}"


def _short(event: Event) -> str:
    parts = [str(getattr(event, name)) for name in ("path", "effect", "name", "ordinal", "status", "target") if hasattr(event, name)]
    return " ".join([event.kind, *parts])
