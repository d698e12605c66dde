"""Kill -9 in chats that open chats: between any two appends, and inside any call of a model, a function, a person or plain code."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from convgraph import open_store
from convgraph.journal.events import Stepped
from tests.failures.chats import CHATS
from tests.failures.children import Children, Order, worker
from tests.failures.cuts import results
from tests.failures.evidence import Evidence

SIGKILL = 9


class Ground:
    """Where the chats of this module are had, and the worker that makes their processes."""

    def __init__(self, folder: Path, children: Children) -> None:
        self.folder, self.children = folder, children
        self.numbers = itertools.count(1)
        self.undisturbed: dict[str, Order] = {}

    def order(self, chat: str, name: str) -> Order:
        return Order(chat, str(self.folder / f"{chat}-{name}.db"), "RUN", str(self.folder / f"{chat}-{name}.log"))

    def reference(self, chat: str) -> Order:
        if chat not in self.undisturbed:
            self.undisturbed[chat] = order = self.order(chat, "undisturbed")
            fate = self.children.send(order)
            assert fate.status == "finished", fate
        return self.undisturbed[chat]

    def points(self, chat: str) -> list[dict[str, Any]]:
        """Every place to die: before and after each append, and inside each call."""
        evidence = Evidence(Path(self.reference(chat).evidence))
        appends = sum(note.startswith("appended") for note in evidence.notes())
        boundaries = [{"boundary": number, "side": side} for number in range(2, appends + 1) for side in ("before", "after")]
        return [*boundaries, *({"trap": number} for number in range(1, len(evidence.calls()) + 1))]


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with worker() as children:
        yield Ground(tmp_path_factory.mktemp("killed"), children)


@pytest.mark.parametrize("chat", CHATS)
def test_a_killed_chat_ends_as_if_undisturbed(ground: Ground, chat: str) -> None:
    """A seeded sample of the places to die at; the next test takes them all."""
    for point in random.Random(7).sample(ground.points(chat), 6):
        die_and_return(ground, chat, point)


@pytest.mark.long
@pytest.mark.parametrize("chat", CHATS)
def test_a_chat_killed_anywhere_ends_as_if_undisturbed(ground: Ground, chat: str) -> None:
    for point in ground.points(chat):
        die_and_return(ground, chat, point)


@pytest.mark.parametrize("chat", ["sync_tool", "async_tool", "reply_function", "summing"])
def test_what_code_does_after_its_chat_is_in_doubt_and_never_silently_done_again(ground: Ground, chat: str) -> None:
    """It had stopped outside of every conversation: the run waits, and a person's `fail` or result is what counts."""
    calls = Evidence(Path(ground.reference(chat).evidence)).calls()
    trap = next(number for number, call in enumerate(calls, 1) if call.startswith("plain"))
    for decision in ("fail", {"result": [True, "decided"] if chat == "reply_function" else "decided"}):
        order = ground.order(chat, str(next(ground.numbers)))
        evidence = Evidence(Path(order.evidence))
        assert ground.children.send(replace(order, trap=trap)).signal == SIGKILL
        before = evidence.calls()
        assert ground.children.send(replace(order, somebody_there=False)).status == "waiting"
        with open_store(order.store) as store:
            questions = [question.id for question in store.questions("RUN")]
        assert any(question.startswith("doubt-") for question in questions)
        assert not [call for call in evidence.calls()[len(before) :] if call == before[-1]]
        fate = ground.children.send(replace(order, answers=dict.fromkeys(questions, decision)))
        assert fate.status == ("failed" if decision == "fail" else "finished"), fate
        assert evidence.counted()[before[-1]] == 1


def test_a_chat_inside_a_tool_is_gone_on_with_and_nobody_is_asked(ground: Ground) -> None:
    """Killed in the first answer of a model inside: that is in the conversation, and not in doubt."""
    calls = Evidence(Path(ground.reference("async_tool").evidence)).calls()
    trap = next(number for number, call in enumerate(calls, 1) if call.startswith("[expert"))
    order = ground.order("async_tool", "inside")
    assert ground.children.send(replace(order, trap=trap)).signal == SIGKILL
    assert ground.children.send(replace(order, somebody_there=False)).status == "finished"


def die_and_return(ground: Ground, chat: str, point: dict[str, Any]) -> None:
    """Kill a chat at the point, go on with it in another process, and judge from outside."""
    where = f"{chat}, killed at {point}"
    reference, order = ground.reference(chat), ground.order(chat, str(next(ground.numbers)))
    evidence, undisturbed = Evidence(Path(order.evidence)), Evidence(Path(reference.evidence))
    assert ground.children.send(replace(order, **point)).signal == SIGKILL, where
    before = evidence.counted()
    with open_store(order.store) as store:
        finished = results(store, "RUN")
        if "'status': 'failed'" not in finished:
            finished = finished.replace("[stumble", "[tried")  # a chat that has not ended yet may try again what has failed in it

    fate = ground.children.send(replace(order, somebody_there=False))
    while fate.status == "waiting":
        with open_store(order.store) as store:
            doubts = [question.id for question in store.questions("RUN") if question.id.startswith("doubt-")]
        fate = ground.children.send(replace(order, answers=dict.fromkeys(doubts, "retry")))

    assert fate.status == "finished", (where, fate)
    again = evidence.counted() - before
    for call, times in again.items():
        assert times == 1 or call.startswith("plain"), (where, call)
        assert call not in finished, (where, f"{call} was finished, and done again")
    assert set(evidence.counted()) == set(undisturbed.counted()), where
    assert said(order) == said(reference), where


def said(order: Order) -> dict[str, Any]:
    """Everything that was said at any depth, by its place, and what each turn has cost."""
    with open_store(order.store) as store:
        return {
            event.path: (event.messages, event.usage, event.target)
            for recorded in store.events("RUN")
            if isinstance(event := recorded.event, Stepped)
        }
