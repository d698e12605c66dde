"""Judging a run that was killed: what its journal knew at that moment, and whether it ended as if nothing had happened."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

from convgraph.journal.codec import encode_event
from convgraph.journal.events import AttemptFailed, EffectFinished, EffectStarted, Ended, Event, Resumed
from convgraph.journal.turn_paths import without_attempts
from tests.failures.conversations import FLAKY

Place: TypeAlias = tuple[str, str, str, int]
OUTSIDE = ("tool", "code")
IDEMPOTENT = {("panel", "look-up", 0), ("review", "prove", 0), ("review", "publish", 0), ("desk", "query", 1), ("desk", "stumble", 0)}
"""The effects that are declared so, by conversation, name and ordinal."""


def place_of(event: EffectStarted | EffectFinished) -> Place:
    """Where the effect belongs, attempts apart."""
    return without_attempts(event.path), event.effect, event.name, event.ordinal


def finished_calls(events: Sequence[Event]) -> Counter[str]:
    """The calls whose results the journal holds, by their labels in the evidence."""
    keys = {place_of(event): event.key for event in events if isinstance(event, EffectStarted)}
    counted: Counter[str] = Counter()
    for event in events:
        if not isinstance(event, EffectFinished):
            continue
        if event.effect == "model" and event.request is not None:
            counted[f"model {event.name}/{event.request['messages']}"] += 1
        elif event.effect == "human":
            counted[f"human {event.question}"] += 1
        elif event.effect in OUTSIDE:
            counted[_act(event.name, keys[place_of(event)])] += 1
    return counted


def in_doubt(events: Sequence[Event]) -> list[EffectStarted]:
    """The intents of tools and code that no result follows."""
    open_now: dict[Place, EffectStarted] = {}
    for event in events:
        if isinstance(event, EffectStarted) and event.effect in OUTSIDE:
            open_now[place_of(event)] = event
        elif isinstance(event, EffectFinished):
            open_now.pop(place_of(event), None)
    return list(open_now.values())


def needs_a_person(conversation: str, doubtful: Iterable[EffectStarted]) -> list[EffectStarted]:
    """Those that may not simply be done again."""
    return [event for event in doubtful if (conversation, event.name, event.ordinal) not in IDEMPOTENT]


def stumbled_unseen(events: Sequence[Event], notes: Iterable[str]) -> Counter[str]:
    """The flaky calls that have failed outside without the journal knowing: they will not fail again."""
    seen = {place_of(event) for event in events if isinstance(event, EffectFinished) and event.error is not None}
    failed = {event.key for event in in_doubt(events) if place_of(event) not in seen and f"stumbled over {event.key}" in notes}
    return Counter(f"act {key} {FLAKY}" for key in failed)


def label_of(event: EffectStarted) -> str:
    """The label that the effect's call has in the evidence."""
    return _act(event.name, event.key)


def essence(events: Sequence[Event], run_id: str, *, attempts: bool = True) -> dict[str, list[str]]:
    """The journal path by path, without what depends on the moment: times, chance, claims, and what was done about doubts.

    Without `attempts`, failed attempts are left out too.
    """
    found: dict[str, list[str]] = {}
    intents: set[Place] = set()
    for event in events:
        if isinstance(event, Resumed | Ended) or getattr(event, "effect", "") == "doubt":
            continue
        if isinstance(event, EffectStarted):
            if place_of(event) in intents:
                continue
            intents.add(place_of(event))
        failed = isinstance(event, AttemptFailed) or (isinstance(event, EffectFinished) and event.error is not None)
        if failed and not attempts:
            continue
        document: dict[str, Any] = json.loads(encode_event(event).replace(f'"{run_id}:', '"RUN:'))
        document.pop("seconds", None)
        if "asked" in document:
            document["asked"] = sorted(document["asked"])  # which of several tools has asked first depends on the moment
        if document.get("effect") in ("clock", "random"):
            document["result"] = "…"
        path = without_attempts(document.pop("path", ""))
        found.setdefault(path, []).append(f"{event.kind} {json.dumps(document, sort_keys=True)}")
    return found


def _act(name: str, key: str) -> str:
    return f"act {key} {FLAKY}" if name == "stumble" else f"act {key}"
