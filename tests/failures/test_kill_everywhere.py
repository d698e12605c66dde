"""Kill -9 between any two appends and inside any call: nothing finished is done again, and the run ends as if undisturbed.

What happened is judged from outside, by a log that each call appends to before it does anything else.
"""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import pytest

from convgraph import open_store
from convgraph.journal.events import EffectFinished, EffectStarted, Ended, Event
from tests.failures.children import Children, Order, worker
from tests.failures.conversations import CONVERSATIONS
from tests.failures.evidence import Evidence
from tests.failures.judge import essence, finished_calls, in_doubt, label_of, needs_a_person, stumbled_unseen

SIGKILL = 9
Decision = Literal["retry", "fail", "result"]


@dataclass(frozen=True)
class Reference:
    """A run that nobody disturbed."""

    conversation: str
    calls: Counter[str]
    events: list[Event]
    appends: int

    @property
    def points(self) -> list[dict[str, Any]]:
        """Every place to die: before and after each append, inside each call."""
        boundaries = [{"boundary": number, "side": side} for number in range(1, self.appends + 1) for side in ("before", "after")]
        return [*boundaries, *({"trap": number} for number in range(1, self.calls.total() + 1))]


class Ground:
    """Where the runs of this module live, and the worker that makes their processes."""

    def __init__(self, folder: Path, children: Children) -> None:
        self.folder = folder
        self.children = children
        self.numbers = itertools.count(1)
        self.references = {name: self._reference(name) for name in CONVERSATIONS}

    def order(self, conversation: str, run_id: str) -> Order:
        return Order(conversation, str(self.folder / f"{conversation}.db"), run_id, str(self.folder / f"{conversation}-{run_id}.log"))

    def events(self, order: Order) -> list[Event]:
        with open_store(order.store) as store:
            return [recorded.event for recorded in store.events(order.run_id)]

    def questions(self, order: Order) -> list[str]:
        with open_store(order.store) as store:
            return [question.id for question in store.questions(order.run_id)]

    def _reference(self, conversation: str) -> Reference:
        order = self.order(conversation, "RUN")
        fate = self.children.send(order)
        assert fate.status == "finished", fate
        evidence = Evidence(Path(order.evidence))
        appends = sum(note.startswith("appended") for note in evidence.notes())
        return Reference(conversation, evidence.counted(), self.events(order), appends)


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with worker() as children:
        yield Ground(tmp_path_factory.mktemp("killed"), children)


def test_there_are_two_hundred_points_to_die_at(ground: Ground) -> None:
    assert sum(len(reference.points) for reference in ground.references.values()) >= 200
    assert all(in_doubt(reference.events) == [] for reference in ground.references.values())


@pytest.mark.parametrize("conversation", CONVERSATIONS)
def test_a_killed_run_ends_as_if_undisturbed(ground: Ground, conversation: str) -> None:
    """A seeded sample of the points; the next test takes them all."""
    points = ground.references[conversation].points
    for point in random.Random(7).sample(points, 22):
        die_and_return(ground, conversation, point)


@pytest.mark.long
@pytest.mark.parametrize("decision", ["retry", "result", "fail"])
@pytest.mark.parametrize("conversation", CONVERSATIONS)
def test_a_run_killed_anywhere_ends_as_if_undisturbed(ground: Ground, conversation: str, decision: Decision) -> None:
    for point in ground.references[conversation].points:
        die_and_return(ground, conversation, point, decision)


@pytest.mark.parametrize("decision", ["retry", "result", "fail"])
@pytest.mark.parametrize(("conversation", "name"), [("panel", "keep"), ("review", "revise"), ("desk", "file")])
def test_an_effect_in_doubt_waits_for_a_decision(ground: Ground, conversation: str, name: str, decision: Decision) -> None:
    """In a branch, in a sub-conversation, in a plain turn: not declared idempotent, it is never silently done again."""
    calls = list(ground.references[conversation].calls.elements())
    first = Evidence(Path(ground.order(conversation, "RUN").evidence)).calls()
    trap = next(number for number, label in enumerate(first, 1) if f":{name}:" in label)
    assert len(first) == len(calls)
    assert die_and_return(ground, conversation, {"trap": trap}, decision) == 1


def test_a_second_kill_inside_a_repeated_effect_is_a_second_doubt(ground: Ground) -> None:
    """A decision is about one attempt: if that one is cut short as well, somebody decides again."""
    order = ground.order("desk", "twice")
    back = replace(order, verb="resume", somebody_there=False)
    assert ground.children.send(replace(order, trap=1)).signal == SIGKILL
    assert ground.children.send(back).status == "waiting"
    assert ground.children.send(replace(back, answers={"doubt-1-code-file-0": "retry"}, trap=2)).signal == SIGKILL
    assert ground.children.send(back).status == "waiting"
    assert ground.questions(order) == ["doubt-1-code-file-0"]
    assert len(Evidence(Path(order.evidence)).calls()) == 2


@pytest.mark.parametrize(
    ("conversation", "inside"),
    [
        ("desk", "model clerk"),
        ("desk", "act RUN:3:tool:query:1"),
        ("desk", "act RUN:1:code:file"),
        ("desk", "human"),
        ("desk", "model selector"),
        ("review", "act RUN:2/3/1:tool:prove"),
        ("panel", "model style"),
    ],
    ids=["model", "tool", "code", "question", "selection", "sub-conversation", "branch"],
)
def test_a_kill_from_outside_inside_each_kind_of_effect(ground: Ground, conversation: str, inside: str) -> None:
    """The process hangs in the call, and somebody else kills it there."""
    calls = Evidence(Path(ground.order(conversation, "RUN").evidence)).calls()
    trap = next(number for number, label in enumerate(calls, 1) if label.startswith(inside))
    die_and_return(ground, conversation, {"trap": trap}, from_outside=True)


def die_and_return(
    ground: Ground, conversation: str, point: dict[str, Any], decision: Decision = "retry", *, from_outside: bool = False
) -> int:
    """Kill a run at the point, resume it in another process, and judge. Returns how many effects a person had to decide about."""
    reference = ground.references[conversation]
    order = ground.order(conversation, f"run-{next(ground.numbers)}")
    evidence = Evidence(Path(order.evidence))
    where = f"{conversation}, killed at {point}, {decision}"

    dying = replace(order, **point)
    fate = ground.children.kill_when_hanging(dying) if from_outside else ground.children.send(dying)
    assert fate.signal == SIGKILL, (where, fate)
    before = evidence.counted()
    known = ground.events(order)
    unseen = stumbled_unseen(known, evidence.notes())
    appended = sum(int(note.removeprefix("appended ")) for note in evidence.notes() if note.startswith("appended"))
    assert len(known) >= 1 + appended, f"{where}: the journal has lost events that were committed"

    doubtful = in_doubt(known)
    to_decide = needs_a_person(conversation, doubtful)
    answers = decide(ground, order, evidence, to_decide, decision, reference) if to_decide else {}
    fate = ground.children.send(replace(order, verb="resume", answers=answers))
    after = evidence.counted() - before
    if decision == "fail" and to_decide:
        assert fate.status == "failed", (where, fate)
        if to_decide[0].name != "reserve":  # that one's node is tried a second time, and fails for another reason
            assert "InDoubt" in fate.reason
            assert not any(label_of(event) in after for event in to_decide), where
        return len(to_decide)
    assert (fate.status, fate.error) == ("finished", ""), (where, fate)

    expected = localized(reference.calls, order.run_id)
    expected.subtract(finished_calls(known))
    expected.subtract(unseen)
    if decision == "result":
        expected.subtract(label_of(event) for event in to_decide)
    assert after == +expected, where

    events = ground.events(order)
    for event in doubtful:  # the same idempotency key, however often it was begun
        assert len({other.key for other in events if isinstance(other, EffectStarted) and label_of(other) == label_of(event)}) == 1
    assert essence(events, order.run_id, attempts=not unseen) == essence(reference.events, "RUN", attempts=not unseen), where
    last, wanted = events[-1], reference.events[-1]
    assert isinstance(last, Ended)
    assert last == wanted
    return len(to_decide)


def decide(
    ground: Ground, order: Order, evidence: Evidence, to_decide: list[EffectStarted], decision: Decision, reference: Reference
) -> dict[str, Any]:
    """See that the run waits for a decision and does nothing of what is in doubt; then give the answers to decide with."""
    before = evidence.counted()
    fate = ground.children.send(replace(order, verb="resume", somebody_there=False))
    assert fate.status == "waiting", fate
    assert not any(label_of(event) in evidence.counted() - before for event in to_decide)
    results = {
        (event.path, event.name, event.ordinal): event.result
        for event in reference.events
        if isinstance(event, EffectFinished) and event.error is None
    }
    asked = [question for question in ground.questions(order) if question.startswith("doubt-")]
    assert len(asked) == len(to_decide)
    answers: dict[str, Any] = {}
    for event, question in zip(to_decide, sorted(asked), strict=True):
        answers[question] = {"result": results[event.path, event.name, event.ordinal]} if decision == "result" else decision
    return answers


def localized(calls: Counter[str], run_id: str) -> Counter[str]:
    """The reference's calls as this run labels them."""
    return Counter({label.replace("act RUN:", f"act {run_id}:"): count for label, count in calls.items()})
