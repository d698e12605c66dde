"""What the SQLite store tells the disk: full durability unless asked otherwise, and one commit for many runs."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from convgraph import END, Context, ConversationGraph, Parallel, open_store
from convgraph.errors import InputError

ROOT = Path(__file__).parents[2]
Statements = list[str]


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> Statements:
    """Every statement that is executed from here on, by any connection."""
    seen: Statements = []
    connect: Callable[..., sqlite3.Connection] = sqlite3.connect

    def watched(*args: Any, **options: Any) -> sqlite3.Connection:
        db = connect(*args, **options)
        db.set_trace_callback(seen.append)
        return db

    monkeypatch.setattr(sqlite3, "connect", watched)
    return seen


def chatter(turns: int = 10) -> ConversationGraph:
    async def speak(ctx: Context) -> str:
        await asyncio.sleep(0)  # as anything does that really waits for something
        return f"turn {ctx.turn}"

    graph = ConversationGraph("chatter")
    graph.add_node(speak)
    graph.add_edge("speak", END, when=f"turn >= {turns}")
    graph.add_edge("speak", "speak")
    graph.set_start("speak")
    return graph


@pytest.mark.parametrize(("asked", "wanted"), [(None, "FULL"), ("FULL", "FULL"), ("NORMAL", "NORMAL")])
def test_power_loss_settings_are_what_was_asked_for(tmp_path: Path, statements: Statements, asked: Any, wanted: str) -> None:
    with open_store(tmp_path / "runs.db", **({} if asked is None else {"synchronous": asked})):
        pragmas = {text for text in statements if "synchronous" in text or "journal_mode" in text}
    assert pragmas == {"PRAGMA journal_mode=WAL", f"PRAGMA synchronous={wanted}"}
    db = sqlite3.connect(tmp_path / "runs.db")
    assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    db.close()


@pytest.mark.parametrize("options", [{"synchronous": "OFF"}, {"synchronous": "full"}, {"lease": 0}, {"lease": -1}, {"lease": float("nan")}])
def test_a_setting_that_would_lose_data_is_refused(tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        open_store(tmp_path / "runs.db", **options)
    assert not (tmp_path / "runs.db").exists()


def test_a_step_is_one_commit(tmp_path: Path, statements: Statements) -> None:
    with open_store(tmp_path / "runs.db") as store:
        del statements[:]
        chatter(10).run("hello", store=store)
        assert statements.count("COMMIT") == 11  # the run's beginning, and ten steps; the end shares the last one's


async def test_many_runs_share_commits(tmp_path: Path, statements: Statements) -> None:
    graph = chatter(10)
    with open_store(tmp_path / "runs.db") as store:
        del statements[:]
        results = await asyncio.gather(*(graph.arun("hello", store=store) for _ in range(50)))
        assert {result.status for result in results} == {"finished"}
        assert statements.count("COMMIT") < 50  # alone they would need 550
        assert all(len(store.events(result.run_id)) == 12 for result in results)


@pytest.fixture
def on_commit(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], None]]:
    """What happens, one after the other, at the commits to come; nothing once it is used up."""
    due: list[Callable[[], None]] = []

    class Disk(sqlite3.Connection):
        def commit(self) -> None:
            if due:
                due.pop(0)()
            super().commit()

    connect: Callable[..., sqlite3.Connection] = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *args, **options: connect(*args, **options, factory=Disk))
    return due


async def test_the_loop_goes_on_while_many_wait_for_the_disk(tmp_path: Path, on_commit: list[Callable[[], None]]) -> None:
    """The disk is done only when the loop says so: a commit that held the loop up would wait in vain."""
    reached, lets_go, waited = threading.Event(), threading.Event(), list[bool]()

    def slow() -> None:
        reached.set()
        waited.append(lets_go.wait(5))

    with open_store(tmp_path / "runs.db") as store:
        on_commit.extend([lambda: None, lambda: None, slow])
        running = [asyncio.create_task(chatter(3).arun("hello", store=store)) for _ in range(40)]
        await asyncio.to_thread(reached.wait, 5)
        lets_go.set()
        assert {(await run).status for run in running} == {"finished"}
        assert waited == [True]


async def test_a_failed_commit_of_many_is_told_to_all_and_loses_nothing(tmp_path: Path, on_commit: list[Callable[[], None]]) -> None:
    def breaks() -> None:
        raise sqlite3.OperationalError("disk I/O error")

    graph = chatter(5)
    with open_store(tmp_path / "runs.db") as store:
        on_commit.extend([lambda: None, lambda: None, lambda: None, breaks])
        outcomes = await asyncio.gather(
            *(graph.arun("hello", store=store, run_id=f"run-{number}") for number in range(40)), return_exceptions=True
        )
        told = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
        assert len(told) > 1
        assert {str(error) for error in told} == {f"{store.url}: disk I/O error"}
        for number in range(40):
            result = await graph.aresume(f"run-{number}", store=store)
            assert [message.content for message in result.messages] == ["hello", *(f"turn {turn}" for turn in range(1, 6))]


def test_two_loops_with_many_busy_runs_each_share_one_store(tmp_path: Path) -> None:
    """A commit that one loop notices while it is busy is told once, and by the loop whose runs wait for it."""
    graph, results = chatter(), dict[str, list[Any]]()
    with open_store(tmp_path / "runs.db") as store:

        async def everyone() -> list[Any]:
            return await asyncio.gather(*(graph.arun("go", store=store) for _ in range(60)))

        def one_loop(name: str) -> None:
            results[name] = asyncio.run(everyone())

        loops = [threading.Thread(target=one_loop, args=(name,)) for name in ("a", "b")]
        for loop in loops:
            loop.start()
        for loop in loops:
            loop.join(60)
        assert [(len(made), {(each.status, each.steps) for each in made}) for made in results.values()] == [(60, {("finished", 10)})] * 2
        assert all([event.seq for event in store.events(each.run_id)] == list(range(12)) for made in results.values() for each in made)


async def test_branches_of_many_runs_write_at_the_same_time(tmp_path: Path) -> None:
    async def left(ctx: Context) -> str:
        return f"left {await ctx.effect('dig', _dig, idempotent=True)}"

    async def right(ctx: Context) -> str:
        return f"right {await ctx.effect('dig', _dig, idempotent=True)}"

    graph = ConversationGraph("branches")
    graph.add_node(Parallel(left, right), name="both")
    graph.add_edge("both", END)
    graph.set_start("both")
    with open_store(tmp_path / "runs.db") as store:
        results = await asyncio.gather(*(graph.arun("hello", store=store) for _ in range(10)))
        assert [(result.status, result.stop_reason) for result in results] == [("finished", "reached END")] * 10
        for result in results:
            events = store.events(result.run_id)
            assert [recorded.seq for recorded in events] == list(range(len(events)))


async def test_cancelling_one_run_of_many_loses_nothing_of_any(tmp_path: Path) -> None:
    graph = chatter(200)
    with open_store(tmp_path / "runs.db", synchronous="NORMAL") as store:
        tasks = [asyncio.create_task(graph.arun("hello", store=store, run_id=f"run-{number}")) for number in range(20)]
        for task in tasks[::2]:
            await asyncio.sleep(0.003)
            task.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes[::2])
        assert all(not isinstance(outcome, BaseException) and outcome.status == "finished" for outcome in outcomes[1::2])
        for number in range(0, 20, 2):
            assert store.runs(status="cancelled")
            resumed = await graph.aresume(f"run-{number}", store=store)
            assert [message.content for message in resumed.messages] == ["hello", *(f"turn {turn}" for turn in range(1, 201))]


_WRITER = """
import sys
from tests.stores.test_sqlite_commits import chatter
from convgraph import open_store
with open_store(sys.argv[1]) as store:
    for number in range(int(sys.argv[3])):
        assert chatter(20).run("hello", store=store, run_id=f"{sys.argv[2]}-{number}").status == "finished"
"""


def test_two_processes_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(tmp_path / "runs.db"), name, "15"], cwd=ROOT, stderr=subprocess.PIPE, text=True
        )
        for name in ("left", "right")
    ]
    for writer in writers:
        _, said = writer.communicate(timeout=100)
        assert writer.returncode == 0, said
    with open_store(tmp_path / "runs.db") as store:
        assert len(store.runs(status="finished")) == 30
        assert {len(store.events(info.run_id)) for info in store.runs()} == {22}


@pytest.mark.parametrize("runs", [1, 40])
def test_a_locked_file_is_waited_for(tmp_path: Path, runs: int) -> None:
    """A backup tool or a shell may hold the file for a while; the run goes on when it lets go."""
    path = tmp_path / "runs.db"
    with open_store(path) as store:
        other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        other.execute("BEGIN IMMEDIATE")

        async def scene() -> set[str]:
            running = [asyncio.create_task(chatter(3).arun("hello", store=store)) for _ in range(runs)]
            await asyncio.sleep(0.05)
            assert not any(run.done() for run in running)
            other.execute("ROLLBACK")
            return {(await run).status for run in running}

        assert asyncio.run(scene()) == {"finished"}
        other.close()


async def _dig() -> str:
    await asyncio.sleep(0)
    return "gold"
