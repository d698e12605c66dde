"""Machines that die, stand still and race each other: every run ends, and what was recorded is never done again."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

from convgraph import open_store
from convgraph.engines.worker import Worker
from convgraph.errors import AnswerError
from convgraph.journal.events import EffectFinished
from convgraph.journal.store import Store
from tests.failures import distributed_graphs as graphs
from tests.failures.machines import LEASE, UNHURRIED, Machine, Machines, all_end, judge, until


def dug(machines: Machines, *by: Machine) -> int:
    """How many steps were begun, by these machines or by all."""
    pids = {machine.pid for machine in by}
    return sum(1 for _, pid, _ in machines.evidence() if not pids or pid in pids)


def submitted(store: Store, count: int, seconds: float = 0.1) -> list[str]:
    return [graphs.digging.submit(str(seconds), store=store) for _ in range(count)]


def test_machines_share_the_runs_and_do_each_step_once(machines: Machines, runs_in: Store) -> None:
    runs = submitted(runs_in, 8)
    machines.start(lease=UNHURRIED)
    machines.start(lease=UNHURRIED)
    judge(machines, runs_in, runs)


def test_of_a_machine_whose_power_fails_others_take_over(machines: Machines, runs_in: Store) -> None:
    runs = submitted(runs_in, 4)
    first = machines.start()
    until(lambda: dug(machines) >= 6)
    first.kill()
    machines.start()
    judge(machines, runs_in, runs, repeated=len(runs))


def test_a_machine_that_stood_still_and_ends_its_step_first_writes_nothing(machines: Machines, runs_in: Store) -> None:
    """The race of a slow step: who wakes up late is done before the rightful owner is, and is refused all the same."""
    runs = submitted(runs_in, 2, seconds=1.5)
    first = machines.start(lease=0.6)
    until(lambda: dug(machines) >= 2)
    first.stop()
    second = machines.start(lease=0.6)
    until(lambda: dug(machines, second) >= 2)
    first.go_on()
    judge(machines, runs_in, runs, late=[first], repeated=3 * len(runs))
    assert dug(machines, second) >= len(runs)


def test_two_failures_in_a_row(machines: Machines, runs_in: Store) -> None:
    """The first stands still, the second takes over, the first is fenced off, and then the second dies."""
    runs = submitted(runs_in, 3, seconds=0.25)
    first = machines.start()
    until(lambda: dug(machines) >= 3)
    first.stop()
    second = machines.start()
    until(lambda: dug(machines, second) >= 3)
    first.go_on()
    second.kill()
    judge(machines, runs_in, runs, late=[first], repeated=3 * len(runs))


def test_clocks_that_are_wrong_by_an_hour_change_nothing(machines: Machines, runs_in: Store) -> None:
    """Leases and timers go by the database's clock: nobody is given up too early, and no timer is an hour off."""
    runs = submitted(runs_in, 4)
    waits = graphs.asking.submit("1.5", store=runs_in)
    for wrong in (3600.0, -3600.0):
        machines.start(wrong_by=wrong, lease=UNHURRIED)
    until(lambda: runs_in.questions(waits), told=machines.logs)
    runs_in.answer(waits, "well", "yes")
    judge(machines, runs_in, [*runs, waits])


def test_a_timer_and_an_answer_that_come_while_no_machine_is_up(machines: Machines, runs_in: Store) -> None:
    run = graphs.asking.submit("1.2", store=runs_in)
    first = machines.start("asking")
    until(lambda: runs_in.runs(status="waiting"))
    first.kill()
    time.sleep(0.1)
    second = machines.start("asking")
    until(lambda: runs_in.questions(run) and runs_in.runs(status="waiting"), told=machines.logs)
    second.kill()
    runs_in.answer(run, "well", "yes")
    machines.start("asking")
    all_end(machines, runs_in, [run])
    assert graphs.asking.replay(run, store=runs_in).messages[-1].text == "yes"


def test_one_run_that_all_race_for_is_done_once(machines: Machines, runs_in: Store) -> None:
    run = graphs.digging.submit("0.1", store=runs_in)
    for _ in range(3):
        machines.start("digging", lease=3 * LEASE)
    judge(machines, runs_in, [run])


def test_an_answer_that_is_delivered_twice_counts_once(machines: Machines, runs_in: Store) -> None:
    """By two people at the same moment, over different ways: one is taken, the other is told."""
    run = graphs.asking.submit("0", store=runs_in)
    machines.start("asking")
    machines.start("asking")
    until(lambda: runs_in.questions(run) and runs_in.runs(status="waiting"), told=machines.logs)

    def answer(value: str) -> str:
        with open_store(machines.url) as store:
            try:
                store.answer(run, "well", value)
            except AnswerError:
                return ""
            return value

    with ThreadPoolExecutor(4) as people:
        [taken] = filter(None, people.map(answer, ["one", "two", "three", "four"]))
    all_end(machines, runs_in, [run])
    used = [recorded.event for recorded in runs_in.events(run) if getattr(recorded.event, "question", None) == "well"]
    assert [event.result for event in used if isinstance(event, EffectFinished)] == [taken]
    assert graphs.asking.replay(run, store=runs_in).messages[-1].text == taken


def test_wake_ups_that_are_delivered_twice_do_nothing_twice(machines: Machines, runs_in: Store) -> None:
    """While a machine is at work, a worker elsewhere is woken for the same runs again and again."""
    runs = submitted(runs_in, 3)
    machines.start(lease=UNHURRIED)
    worker = Worker([graphs.digging], runs_in)

    async def wake_all() -> None:
        for _ in range(20):
            await asyncio.gather(*(worker.advance(run) for run in runs for _ in range(2)))
            await asyncio.sleep(0.02)

    asyncio.run(wake_all())
    judge(machines, runs_in, runs)
