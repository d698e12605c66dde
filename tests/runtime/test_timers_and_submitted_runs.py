"""Waits that survive: a timer is recorded when it begins, parks under a worker, and is not waited for twice. Runs that others begin."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest

from convgraph import END, Context, ConversationGraph, Retry, open_store
from convgraph.errors import CheckFailed, InputError, RunExists
from convgraph.journal import sqlite_schema
from convgraph.journal.sqlite import SqliteStore
from convgraph.journal.store import Store
from convgraph.runtime import lifecycle
from convgraph.runtime.inputs import Options
from convgraph.runtime.result import RunResult


def waiting(seconds: float, **node: Any) -> ConversationGraph:
    async def wait(ctx: Context) -> str:
        await ctx.sleep(seconds)
        return "awake"

    graph = ConversationGraph("waiting")
    graph.add_node(wait, **node)
    graph.add_edge("wait", END)
    graph.set_start("wait")
    return graph


def parking(graph: ConversationGraph, run_id: str, store: Store) -> RunResult:
    """Go on with the run as a worker does: it parks for every wait."""
    options = Options(human="park", longest_wait=0.0)
    return asyncio.run(lifecycle.resume(graph.program(), run_id, store, None, None, False, options))


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return open_store(":memory:" if request.param == "memory" else tmp_path / "runs.db")


def test_a_run_waits_in_place_and_a_replay_does_not_wait(store: Store) -> None:
    graph = waiting(0.2)
    began = time.monotonic()
    result = graph.run("go", store=store)
    waited = time.monotonic() - began
    began = time.monotonic()
    replayed = graph.replay(result.run_id, store=store)

    assert result.messages[-1].text == "awake"
    assert waited >= 0.2
    assert time.monotonic() - began < 0.15
    assert replayed.messages == result.messages


def test_under_a_worker_a_wait_parks_and_is_gone_on_with_when_it_is_due(store: Store) -> None:
    graph = waiting(0.3)
    run_id = graph.submit("go", store=store)
    assert [info.status for info in asyncio.run(store.arunnable())] == ["ready"]

    parked = parking(graph, run_id, store)
    [timer] = asyncio.run(store.atimers())
    assert parked.status == "waiting"
    assert parked.stop_reason.startswith("waiting for 2")
    assert parked.questions == ()
    assert store.questions() == []
    assert asyncio.run(store.arunnable()) == []
    assert parking(graph, run_id, store).status == "waiting", "a worker that is woken too early"
    assert timer.due is not None

    time.sleep(max(timer.due - time.time(), 0) + 0.01)
    assert [info.run_id for info in asyncio.run(store.arunnable())] == [run_id]
    assert parking(graph, run_id, store).status == "finished"
    assert asyncio.run(store.arunnable()) == []
    assert asyncio.run(store.atimers()) == []
    assert graph.replay(run_id, store=store).status == "finished"


def test_a_run_that_is_resumed_waits_for_what_is_left(store: Store) -> None:
    graph = waiting(0.4)
    run_id = graph.submit("go", store=store)
    began = time.monotonic()
    parking(graph, run_id, store)
    time.sleep(0.1)
    result = graph.resume(run_id, store=store)

    assert result.status == "finished"
    assert 0.35 < time.monotonic() - began < 0.8


def test_a_retried_turn_does_not_wait_again(store: Store) -> None:
    tries: list[float] = []

    async def wait(ctx: Context) -> str:
        await ctx.sleep(0.2)
        tries.append(time.monotonic())
        if len(tries) < 3:
            raise RuntimeError("not yet")
        return "done"

    graph = ConversationGraph("retried")
    graph.add_node(wait, retry=Retry(attempts=3, wait=0))
    graph.add_edge("wait", END)
    graph.set_start("wait")
    result = graph.run("go", store=store)

    assert result.status == "finished"
    assert tries[-1] - tries[0] < 0.15
    tries.clear()
    assert graph.replay(result.run_id, store=store).status == "finished"


def test_plain_functions_wait_too_and_a_timeout_ends_a_wait(store: Store) -> None:
    def plain(ctx: Context) -> str:
        ctx.sync.sleep(0.05)
        return "awake"

    graph = ConversationGraph("plain")
    graph.add_node(plain)
    graph.add_edge("plain", END)
    graph.set_start("plain")

    assert graph.run("go", store=store).status == "finished"
    assert "no reply within 0.1 s" in waiting(30, timeout=0.1).run("go", store=store).stop_reason


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf"), "1", True])
def test_what_is_no_time_is_refused(seconds: Any) -> None:
    result = waiting(seconds).run("go")
    assert result.status == "failed"
    assert "takes a number of seconds" in result.stop_reason


def test_a_submitted_run_is_checked_before_anything_is_written(store: Store) -> None:
    graph = waiting(0)
    with pytest.raises(InputError, match="has no state"):
        graph.submit("go", store=store, state={"a": 1})
    broken = ConversationGraph("broken")
    with pytest.raises(CheckFailed):
        broken.submit("go", store=store)
    assert store.runs() == []

    graph.submit("go", store=store, run_id="mine", target="file.py:graph")
    with pytest.raises(RunExists):
        graph.submit("go", store=store, run_id="mine")
    assert [(info.run_id, info.status, info.target) for info in store.runs()] == [("mine", "ready", "file.py:graph")]
    assert graph.resume("mine", store=store).messages[0].text == "go"


def test_runs_whose_owner_has_died_or_whose_answer_is_there_are_to_be_gone_on_with(store: Store) -> None:
    async def ask(ctx: Context) -> str:
        return await ctx.ask("Well?", id="well")

    graph = ConversationGraph("asking")
    graph.add_node(ask)
    graph.add_edge("ask", END)
    graph.set_start("ask")
    waits = graph.run("go", store=store, human="park").run_id
    done = graph.run("go", store=store, human=lambda question: "yes").run_id
    assert done not in [info.run_id for info in asyncio.run(store.arunnable())]
    assert asyncio.run(store.arunnable()) == []

    store.answer(waits, "well", "yes")
    assert [info.run_id for info in asyncio.run(store.arunnable())] == [waits]
    assert parking(graph, waits, store).status == "finished"


def test_a_file_of_the_format_before_is_read_and_brought_up_to_date(tmp_path: Path) -> None:
    """A store that was made before there were timers: its tables gain columns, and nothing is lost."""
    path = tmp_path / "old.db"
    with open_store(path) as store:
        waiting(0).run("go", store=store, run_id="old")
    _take_back_to_the_first_format(path)
    with open_store(path) as store:
        assert isinstance(store, SqliteStore)
        assert waiting(0).replay("old", store=store).status == "finished"
        run_id = waiting(60).submit("go", store=store)
        parking(waiting(60), run_id, store)
        assert len(asyncio.run(store.atimers(run_id))) == 1


def _take_back_to_the_first_format(path: Path) -> None:
    """Take away whatever later formats have added."""
    first = sqlite3.connect(":memory:")
    for statement in sqlite_schema._FIRST.split(";"):
        first.execute(statement.replace("@", ";"))
    now = sqlite3.connect(path)
    for (table,) in now.execute("SELECT name FROM sqlite_master WHERE type='table'").fetchall():
        before = {row[1] for row in first.execute(f"PRAGMA table_info({table})")}
        added = [row[1] for row in now.execute(f"PRAGMA table_info({table})") if row[1] not in before]
        for statement in [f"ALTER TABLE {table} DROP COLUMN {column}" for column in added] if before else [f"DROP TABLE {table}"]:
            now.execute(statement)
    now.execute("PRAGMA user_version=1")
    now.commit()
    now.close()
    first.close()
