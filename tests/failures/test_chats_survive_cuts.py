"""A chat that is cut off between any two appends goes on as if nothing had happened, whatever had opened it and whatever it had opened.

Judged from outside: each call of a model, a function or a person is noted where no cut can unwrite it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from convgraph import ChatResult
from convgraph.journal.events import EffectFinished, EffectStarted, Event
from convgraph.journal.store import Store
from convgraph.journal.turn_paths import last_part, opened_path
from tests.failures.chats import CHATS, Have, answers_of, label
from tests.failures.cuts import WatchedStore, results
from tests.failures.evidence import Evidence
from tests.failures.judge import essence


@dataclass(frozen=True)
class Reference:
    """A chat that nobody disturbed."""

    store: WatchedStore
    calls: Counter[str]
    said: Any
    events: dict[str, list[str]]


@pytest.fixture(scope="module", params=CHATS)
def chat(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def reference(chat: str, tmp_path_factory: pytest.TempPathFactory) -> Reference:
    evidence, store = Evidence(tmp_path_factory.mktemp(chat) / "log"), WatchedStore()
    result = CHATS[chat](evidence)(store=store, run_id="RUN", human=answers_of(evidence))
    assert store.runs()[0].status == "finished", store.runs()[0].reason
    assert max(evidence.counted().values()) == 1, "each label stands for one call"
    return Reference(store, evidence.counted(), what_came_of(result), essence_of(store))


def test_a_chat_cut_between_any_two_appends_ends_as_if_undisturbed(chat: str, reference: Reference, tmp_path: Path) -> None:
    """What is finished is not done again, what is in doubt waits for a decision, and the rest is what it would have been."""
    for cut in range(1, len(reference.store.appended)):
        store, evidence = reference.store.after(cut), Evidence(tmp_path / f"{cut}.log")
        where = f"{chat}, cut after append {cut} of {len(reference.store.appended)}"
        finished = results(store, "RUN")
        if "'status': 'failed'" not in finished:
            finished = finished.replace("[stumble", "[tried")  # a chat that has not ended yet may try again what has failed in it
        doubtful = in_doubt(chat, [recorded.event for recorded in store.events("RUN")])

        result, asked = gone_on(CHATS[chat](evidence), store, evidence)

        assert store.runs()[0].status == "finished", (where, store.runs()[0].reason)
        assert what_came_of(result) == reference.said, where
        assert essence_of(store) == reference.events, where
        assert Counter(labels(evidence.counted())) == Counter(one for one in labels(reference.calls) if one not in finished), where
        assert sorted(question for question in asked if question.startswith("doubt-")) == sorted(doubtful), where


def gone_on(have: Have, store: Store, evidence: Evidence) -> tuple[Any, list[str]]:
    """Go on with the chat; let what is in doubt be done again, and answer what it asks. Returns its result and the questions."""
    asked: list[str] = []
    result = have(store=store, run_id="RUN", human="park")
    while questions := [question.id for question in store.questions("RUN")]:
        answers = {question: "retry" if question.startswith("doubt-") else label("person", question) for question in questions}
        for answer in answers.values():
            if answer != "retry":
                evidence.call(answer)
        asked += answers
        result = have(store=store, run_id="RUN", human="park", answers=answers)
    return result, asked


def in_doubt(chat: str, events: list[Event]) -> list[str]:
    """The questions about what had begun, had not ended, and had not stopped in something that is recorded itself."""
    begun = {place(event): event for event in events if isinstance(event, EffectStarted)}
    for event in events:
        if isinstance(event, EffectFinished):
            begun.pop(place(event), None)
    doubtful: list[str] = []
    for event in begun.values():
        inside = opened_path(event.path, event.effect, event.name, event.ordinal)
        if event.effect not in ("tool", "reply") or any(f"{other.path}/".startswith(f"{inside}/") for other in begun.values()):
            continue
        if event.name == "opening" and not (chat in ("nested", "sequential") and last_part(event.path) == "2"):
            continue  # a plain text opens the chat: that can be made again
        if chat == "agent_tool":
            continue  # there is nothing in such a call but its conversation
        doubtful.append(f"doubt-{event.path.replace('/', '.')}-{event.effect}-{event.name}-{event.ordinal}")
    return doubtful


def place(event: EffectStarted | EffectFinished) -> tuple[str, str, str, int]:
    return event.path, event.effect, event.name, event.ordinal


def labels(calls: Counter[str]) -> list[str]:
    """The calls but for what plain code does beside its effects: that may be done again, where a person decides so."""
    return [call for call in calls.elements() if not call.startswith("plain")]


def what_came_of(result: Any) -> Any:
    each: list[Any] = result if isinstance(result, list) else [result]
    return [
        (
            [(message.sender, message.content) for message in one.messages],
            one.usage,
            one.stop_reason,
            (one.summary, one.cost, one.chat_history) if isinstance(one, ChatResult) else None,
        )
        for one in each
    ]


def essence_of(store: Store) -> dict[str, list[str]]:
    """The journal path by path; what tools do at the same time has no order."""
    found = essence([recorded.event for recorded in store.events("RUN")], "RUN", attempts=False)
    return {path: sorted(events) for path, events in found.items()}
