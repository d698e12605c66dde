"""Runs in PostgreSQL: they outlive processes and lost connections, tenants do not see each other, and no password is told."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest

from convgraph import END, Context, ConversationGraph, ForEach, Limits, Reply, open_store
from convgraph.errors import Fenced, InputError, RunBusy, StoreFormat, StoreUnavailable
from convgraph.journal.events import RunStarted, Stepped
from convgraph.journal.runs import NewRun

STARTED = RunStarted("chat", "print", "document")


def ping_pong(turns: int) -> ConversationGraph:
    async def ping(ctx: Context) -> str:
        return f"ping {await ctx.effect('count', lambda: ctx.turn)}"

    async def pong(ctx: Context) -> Reply:
        return Reply(f"pong {ctx.turn}", {"seen": ctx.turn})

    graph = ConversationGraph("ping_pong", state={"seen": {"type": "integer", "default": 0}}, limits=Limits(turns=500))
    graph.add_node(ping)
    graph.add_node(pong)
    graph.add_edge("ping", "pong")
    graph.add_edge("pong", END, when=f"turn >= {turns}")
    graph.add_edge("pong", "ping")
    graph.set_start("ping")
    return graph


def sever(database: str) -> None:
    """End every other connection to the database, as a restart or a failing network does."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def test_a_run_is_stored_replayed_forked_and_listed(database: str) -> None:
    graph = ping_pong(6)
    result = graph.run("go", store=database)
    with open_store(database) as store:
        replayed = graph.replay(result.run_id, store=store)
        fork = graph.fork(result.run_id, store=store, at=2)
        forked = graph.resume(fork, store=store)
        listed = {info.run_id: (info.status, info.parent) for info in store.runs()}

    assert replayed.messages == result.messages
    assert [message.text for message in forked.messages] == [message.text for message in result.messages]
    assert listed == {result.run_id: ("finished", ""), fork: ("finished", result.run_id)}


def test_a_run_goes_on_over_connections_that_are_lost(database: str) -> None:
    """Twenty times, at any moment: while it is written, between writes, while it is read."""
    stop = threading.Event()

    def disturb() -> None:
        for _ in range(20):
            sever(database)
            if stop.wait(0.03):
                return

    disturbing = threading.Thread(target=disturb)
    graph = ping_pong(200)
    with open_store(database) as store:
        store.runs()
        disturbing.start()
        result = graph.run("go", store=store)
        stop.set()
        disturbing.join()
        events = store.events(result.run_id)
        graph.replay(result.run_id, store=store)

    assert result.status == "finished"
    assert [recorded.seq for recorded in events] == list(range(len(events)))
    assert sum(isinstance(recorded.event, Stepped) for recorded in events) == 200


def test_what_was_committed_before_the_answer_was_lost_is_not_written_twice(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worst moment: the commit has succeeded, and the connection breaks before anybody is told."""
    from convgraph.journal import postgres_appends, postgres_writes

    attempt, answer, lost = postgres_writes.PostgresWrites._attempt, postgres_appends.AtOnce.answer, [0]

    def losing(self: Any, batch: Any) -> Any:
        outcomes = attempt(self, batch)
        if lost[0] < 12 and not any(item.tried for item in batch):
            lost[0] += 1
            raise psycopg.OperationalError("the answer was lost")
        return outcomes

    def losing_at_once(self: Any) -> Any:
        outcome = answer(self)
        if lost[0] < 12:
            lost[0] += 1
            raise psycopg.OperationalError("the answer was lost")
        return outcome

    monkeypatch.setattr(postgres_writes.PostgresWrites, "_attempt", losing)
    monkeypatch.setattr(postgres_appends.AtOnce, "answer", losing_at_once)
    graph = ping_pong(10)
    with open_store(database) as store:
        result = graph.run("go", store=store)
        again = graph.resume(graph.fork(result.run_id, store=store, at=1), store=store)
        events = store.events(result.run_id)
        store.delete(again.run_id)

        assert lost[0] == 12
        assert [recorded.seq for recorded in events] == list(range(len(events)))
        assert [message.text for message in again.messages] == [message.text for message in result.messages]
        assert [info.run_id for info in store.runs()] == [result.run_id]


def test_tenants_do_not_see_each_other(database: str) -> None:
    graph = ping_pong(2)
    with open_store(f"{database}&namespace=acme") as acme, open_store(database, namespace="umbrella") as umbrella:
        graph.run("go", store=acme, run_id="same")
        graph.run("go", store=umbrella, run_id="same")
        graph.run("go", store=umbrella, run_id="other")

        assert [info.run_id for info in acme.runs()] == ["same"]
        assert len(umbrella.runs()) == 2
        assert umbrella.prune(status="finished") == 2
        assert [info.run_id for info in acme.runs()] == ["same"]
        assert graph.replay("same", store=acme).status == "finished"


CHILD = """
import sys, time
from convgraph import ConversationGraph, END
def slow(ctx):
    print("running", flush=True)
    time.sleep(60)
graph = ConversationGraph("slow")
graph.add_node(slow)
graph.add_edge("slow", END)
graph.set_start("slow")
graph.run("go", store=sys.argv[1], run_id="run")
"""


def test_an_owner_that_was_killed_is_seen_at_once_and_one_that_lives_is_busy(database: str) -> None:
    child = subprocess.Popen([sys.executable, "-c", CHILD, database], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "running\n"
    with open_store(database) as store:
        with pytest.raises(RunBusy, match=f"process {child.pid}"):
            asyncio.run(store.claim("run"))
        running = store.runs()[0]
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        child.stdout.close()

        assert running.status == "running"
        assert store.runs()[0].status == "interrupted"
        assert asyncio.run(_claimed_epoch(store, "run")) == 2


async def _claimed_epoch(store: Any, run_id: str) -> int:
    claim = await store.claim(run_id)
    await store.release(claim)
    return claim.epoch


def test_a_lease_goes_by_the_databases_clock_and_a_late_owner_writes_nothing(database: str) -> None:
    """The owner is on another host, as far as can be told: only its lease says that it lives."""

    async def scenario() -> None:
        late = open_store(database, lease=30)
        late._owner = "elsewhere|1|1|x"  # type: ignore[attr-defined]  # another host
        claim = await late.create(NewRun("run", "chat", "print"), [STARTED])
        rightful = open_store(database)
        with pytest.raises(RunBusy):
            await rightful.claim("run")
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute("UPDATE convgraph.runs SET lease = clock_timestamp() - interval '1 second'")
        taken = await rightful.claim("run")
        with pytest.raises(Fenced, match="was taken over"):
            await late.append(claim, [Stepped("1", "late", ())])
        await rightful.append(taken, [Stepped("1", "rightful", ())])

        assert [recorded.event.node for recorded in await rightful.load("run") if isinstance(recorded.event, Stepped)] == ["rightful"]
        await late.aclose()
        await rightful.aclose()

    asyncio.run(scenario())


def test_a_claim_and_an_append_at_the_same_moment_are_one_after_the_other(database: str) -> None:
    """However they fall: what a fenced owner was told is written, is there, and before everything of the new owner."""

    async def scenario(number: int) -> None:
        first, second = open_store(database), open_store(database)
        claim = await first.create(NewRun(f"run-{number}", "chat", "print"), [STARTED])
        first._claims.drop(claim)  # type: ignore[attr-defined]  # its lease is not renewed
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute("UPDATE convgraph.runs SET owner=''")
        writes = asyncio.gather(*(first.append(claim, [Stepped(str(turn), "first", ())]) for turn in range(1, 6)), return_exceptions=True)
        taken, outcomes = await asyncio.gather(second.claim(claim.run_id), writes)
        await second.append(taken, [Stepped("9", "second", ())])
        told = sum(outcome is None for outcome in outcomes)
        nodes = [recorded.event.node for recorded in await second.load(claim.run_id) if isinstance(recorded.event, Stepped)]

        assert all(outcome is None or isinstance(outcome, Fenced) for outcome in outcomes)
        assert nodes == ["first"] * told + ["second"]
        await first.aclose()
        await second.aclose()

    for number in range(10):
        asyncio.run(scenario(number))


def test_a_server_that_takes_its_time_does_not_hold_up_the_loop(database: str) -> None:
    """What a single run appends is sent from the loop; where the answer does not come, the loop goes on without it."""

    async def scenario() -> tuple[float, list[int]]:
        store = open_store(database)
        claim = await store.create(NewRun("run", "chat", "print"), [STARTED])
        await store.append(claim, [Stepped("1", "before", ())])
        with psycopg.connect(database) as other:
            other.execute("SELECT 1 FROM convgraph.runs FOR UPDATE")
            appending = asyncio.create_task(store.append(claim, [Stepped("2", "meanwhile", ())]))
            longest, last = 0.0, time.monotonic()
            for _ in range(60):
                await asyncio.sleep(0.002)
                longest, last = max(longest, time.monotonic() - last), time.monotonic()
            assert not appending.done()
        await appending
        await store.append(claim, [Stepped("3", "after", ())])
        seen = [recorded.seq for recorded in await store.load("run")]
        await store.aclose()
        return longest, seen

    longest, seen = asyncio.run(scenario())

    assert longest < 0.1
    assert seen == [0, 1, 2, 3]


def test_a_read_that_takes_its_time_holds_up_no_other(database: str) -> None:
    """Reads have a few connections between them; those that are in use when the store is closed are closed after it."""

    async def scenario() -> tuple[str, str | None]:
        store = open_store(database)
        await store.create(NewRun("run", "chat", "print"), [STARTED], {"d": "a text"})
        with psycopg.connect(database) as other:
            other.execute("LOCK TABLE convgraph.contents")
            reading = asyncio.create_task(store.content("d"))
            await asyncio.sleep(0.05)
            listed = await asyncio.wait_for(asyncio.gather(*(store.info("run") for _ in range(10))), 10)
            assert not reading.done()
            await store.aclose()
        return listed[0].run_id, await reading

    assert asyncio.run(scenario()) == ("run", "a text")
    left = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'convgraph'"
    with psycopg.connect(database, autocommit=True) as connection:
        deadline = time.monotonic() + 5
        while connection.execute(left).fetchone() != (0,):
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_a_cancellation_while_the_server_takes_its_time_loses_nothing(database: str) -> None:
    """It takes effect when it is known that the events are there, and the connection serves whoever comes next."""

    async def scenario() -> list[int]:
        store = open_store(database)
        claim = await store.create(NewRun("run", "chat", "print"), [STARTED])
        with psycopg.connect(database) as other:
            other.execute("SELECT 1 FROM convgraph.runs FOR UPDATE")
            appending = asyncio.create_task(store.append(claim, [Stepped("1", "a", ())]))
            await asyncio.sleep(0.02)
            appending.cancel()
        await asyncio.gather(appending, return_exceptions=True)
        await store.append(claim, [Stepped("2", "b", ())])
        seen = [recorded.seq for recorded in await store.load("run")]
        await store.aclose()
        return seen

    assert asyncio.run(scenario()) == [0, 1, 2]


def test_what_comes_at_one_moment_shares_commits(database: str) -> None:
    """Forty branches of a single run that end together: not forty transactions, though a single one is written at once."""

    async def spoke(ctx: Context) -> str:
        return str(ctx.item)

    graph = ConversationGraph("wide", state={"items": {"type": "array", "default": list(range(40))}})
    graph.add_node(ForEach(spoke, over="state.items"), name="each")
    graph.add_edge("each", END)
    graph.set_start("each")
    graph.run("go", store=database)
    with psycopg.connect(database) as connection:
        row = connection.execute("SELECT count(*), count(DISTINCT xmin::text) FROM convgraph.events WHERE kind='branch'").fetchone()

    assert row is not None
    assert row[0] == 40
    assert row[1] <= 10


def test_a_server_that_cannot_be_reached_is_told_after_some_patience_and_without_the_password(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="cannot be reached") as told:
        ping_pong(2).run("go", store=open_store(f"postgresql://me:hunter2@/nowhere?host={tmp_path}", patience=0.2))
    assert "hunter2" not in str(told.value)
    assert "hunter2" not in open_store(f"postgresql://me:hunter2@/nowhere?host={tmp_path}&password=hunter2").url


def test_what_is_wrong_with_a_url_or_a_database_is_said(database: str) -> None:
    with pytest.raises(InputError, match="postgresql"):
        open_store("postgresql://host:notaport/db")
    with pytest.raises(InputError, match="seconds above zero"):
        open_store(database, lease=0)
    with pytest.raises(StoreUnavailable, match="does not exist"):
        open_store(database.replace("/db_", "/no_")).runs()
    with open_store(database) as store:
        store.runs()
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("UPDATE convgraph.format SET version = 99")
    with pytest.raises(StoreFormat, match="a newer convgraph"):
        open_store(database).runs()


def test_two_processes_may_make_the_tables_at_the_same_time(database: str) -> None:
    code = "import sys; from convgraph import open_store; open_store(sys.argv[1]).runs()"
    children = [subprocess.Popen([sys.executable, "-c", code, database]) for _ in range(4)]

    assert [child.wait(60) for child in children] == [0, 0, 0, 0]


def test_runs_and_facts_share_a_database(database: str) -> None:
    from convgraph import open_facts

    graph = ping_pong(2)
    with open_facts(database) as facts:
        facts.remember("people", "Ada likes tea.")
        result = graph.run("go", store=database)

        assert [fact.text for fact in facts.recall("people", "tea")] == ["Ada likes tea."]
    assert graph.replay(result.run_id, store=database).status == "finished"
