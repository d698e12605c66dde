"""A check that cannot fail proves nothing: each rule that keeps runs safe is taken away, and the simulation has to notice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from convgraph.engines.worker import Worker
from convgraph.journal.events import EffectStarted
from convgraph.journal.memory import MemoryStore
from convgraph.journal.writer import Journal
from convgraph.runtime import lifecycle
from convgraph.runtime.ledger import Ledger
from convgraph.runtime.run import Run
from tests.simulation.database import Database
from tests.simulation.hosts import Client
from tests.simulation.schedule import simulate

Mutation = Callable[[pytest.MonkeyPatch], None]
MOST_SEEDS = 60


def no_fence(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Database, "is_owned", lambda *_: True)


def no_intent(patch: pytest.MonkeyPatch) -> None:
    kept = Run.keep

    async def keep(self: Run, event: Any) -> None:
        if not (isinstance(event, EffectStarted) and event.question is None):
            await kept(self, event)

    patch.setattr(Run, "keep", keep)


def lost_answers_are_not_recognised(patch: pytest.MonkeyPatch) -> None:
    """What was committed already is written once more, behind what is there."""
    honest = Database.append_by

    async def append_by(self: Database, who: str, claim: Any, seq: int, events: Any, contents: Any) -> None:
        run = self._runs.get(claim.run_id)
        here = seq if run is None else run.first_seq + len(run.events)
        await honest(self, who, claim, max(seq, here), events, contents)

    patch.setattr(Database, "append_by", append_by)


def results_are_not_read_back(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Ledger, "find", lambda *_: None)


def doubts_are_not_asked_about(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Ledger, "doubtful", lambda *_: None)


def appends_overtake_one_that_failed(patch: pytest.MonkeyPatch) -> None:
    async def flush(self: Journal) -> None:
        if self._waiting:
            await self.store.append(self.claim, *self._taken())

    patch.setattr(Journal, "flush", flush)


def timers_go_by_the_hosts_clock(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Client, "anow", MemoryStore.anow)


def claims_are_kept_by_who_cannot_begin(patch: pytest.MonkeyPatch) -> None:
    honest = lifecycle._release

    async def release(store: Any, claim: Any) -> None:
        import sys

        if sys.exc_info()[0] is None:
            await honest(store, claim)

    patch.setattr(lifecycle, "_release", release)


def the_listing_is_not_set_right(patch: pytest.MonkeyPatch) -> None:
    async def leave(*_: Any) -> None:
        return None

    patch.setattr(lifecycle, "_set_right", leave)


def leases_never_run_out(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Database, "look_at_leases", lambda _: None)


def a_second_answer_replaces_the_first(patch: pytest.MonkeyPatch) -> None:
    honest = MemoryStore.deliver

    async def deliver(self: MemoryStore, run_id: str, question_id: str, value: Any) -> None:
        from dataclasses import replace

        questions = self._run(run_id).questions
        if question_id in questions:
            questions[question_id] = replace(questions[question_id], answered=False)
        await honest(self, run_id, question_id, value)

    patch.setattr(MemoryStore, "deliver", deliver)


def wake_ups_end_their_worker(patch: pytest.MonkeyPatch) -> None:
    async def advance(self: Worker, run_id: str) -> None:
        await self._advance(run_id, self._stops.setdefault(run_id, lifecycle.Stop()))
        del self._stops[run_id]

    patch.setattr(Worker, "advance", advance)


MUTATIONS: Mapping[Mutation, int] = {
    no_fence: 0,
    no_intent: 0,
    lost_answers_are_not_recognised: 0,
    results_are_not_read_back: 0,
    doubts_are_not_asked_about: 0,
    appends_overtake_one_that_failed: 410,
    timers_go_by_the_hosts_clock: 0,
    claims_are_kept_by_who_cannot_begin: 340,
    the_listing_is_not_set_right: 130,
    leases_never_run_out: 0,
    a_second_answer_replaces_the_first: 0,
    wake_ups_end_their_worker: 0,
}
"""Each with a seed from which it is noticed soon: some need faults that come together in one schedule of a hundred."""


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.__name__)
def test_without_this_rule_a_schedule_fails(mutation: Mutation, monkeypatch: pytest.MonkeyPatch) -> None:
    simulate(0)  # what an undisturbed run comes to is found out without the mutation
    first = MUTATIONS[mutation]
    mutation(monkeypatch)
    for seed in range(first, first + MOST_SEEDS):
        outcome = simulate(seed)
        if outcome.wrong:
            assert f"python -m tests.simulation {seed}" in str(outcome)
            return
    pytest.fail(f"{MOST_SEEDS} schedules, and none has noticed")
