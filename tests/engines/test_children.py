"""Items of a `ForEach` on other machines: runs of their own that any worker takes, joined in order, each counted once."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from convgraph import END, Context, ConversationGraph, ForEach, Limits, Reply, Retry, Usage, open_store
from convgraph.engines.local import LocalEngine
from convgraph.engines.worker import Worker
from convgraph.errors import DefinitionError, StoreUnavailable
from convgraph.journal.events import Stepped
from convgraph.journal.store import Store
from tests.engines.conftest import Start
from tests.engines.spread import STEPS, TOGETHER, library, reading, spread
from tests.engines.watching import until
from tests.evidence import evidence

TEXTS = [f"text {number}" for number in range(6)]
SUMMARIES = [f"summary of text {number}" for number in range(6)]


def parent_status(store: Store, run: str) -> str:
    return next(info.status for info in store.runs() if info.run_id == run)


def read_to_the_end(store: Store, graph: ConversationGraph, run: str) -> None:
    """Be a worker until the run has ended."""

    async def work() -> None:
        over = asyncio.Event()
        worker = Worker(
            [graph], store, told=lambda run_id, _: over.set() if run_id == run and parent_status(store, run) != "waiting" else None
        )
        engine = LocalEngine(store, graphs=worker.graphs, poll=0.01)
        working = asyncio.create_task(worker.work(engine))
        await asyncio.wait_for(over.wait(), 20)
        await worker.drain(engine)
        await working

    asyncio.run(work())


def test_two_workers_share_the_items_and_the_parent_joins_them_in_order(url: str, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOGETHER, "2")
    with open_store(url) as store:
        for _ in range(2):
            start("spread", options=("--concurrency", "2"))
        until(lambda: len(store.workers()) == 2)
        run = spread.submit("read", state={"texts": TEXTS}, store=store)
        until(lambda: parent_status(store, run) == "finished")
        replayed = spread.replay(run, store=store)
        processes = {line.split()[-1] for line in evidence()}

        assert [message.text for message in replayed.messages] == ["read", *SUMMARIES, "shelved 6"]
        assert replayed.usage == Usage(6, 60, 30)
        assert len(store.runs(parent=run)) == 6
        assert len(processes) == 2
        assert not store.questions()


def test_of_killed_workers_nothing_is_lost_and_nothing_recorded_is_done_again(url: str, start: Start) -> None:
    with open_store(url) as store:
        run = spread.submit("read", state={"texts": TEXTS}, store=store)
        for seen in (3, 9, 14):
            worker = start("spread", options=("--concurrency", "3"))
            until(lambda seen=seen: len(evidence()) >= seen)
            worker.kill()
            worker.wait()
        for _ in range(2):
            start("spread")
        until(lambda: parent_status(store, run) == "finished")
        looks = Counter(line.rsplit(" ", 1)[0].split(".", 1)[1] for line in evidence())
        replayed = spread.replay(run, store=store)

        assert [message.text for message in replayed.messages] == ["read", *SUMMARIES, "shelved 6"]
        assert set(looks) == {f"1/#{item} {turn}" for item in range(6) for turn in range(1, STEPS + 1)}
        assert sum(looks.values()) - len(looks) <= 3 * 3, "at most what was in flight"


def test_an_item_that_fails_fails_the_branch_and_those_not_begun_are_cancelled(tmp_path: Path) -> None:
    with open_store(tmp_path / "runs.db") as store:
        run = spread.submit("read", state={"texts": ["bad", *[f"text {number}" for number in range(30)]]}, store=store)
        read_to_the_end(store, spread, run)
        info = next(info for info in store.runs() if info.run_id == run)
        statuses = Counter(child.status for child in store.runs(parent=run))

        assert info.status == "failed"
        assert "this cannot be read" in info.reason
        assert statuses["failed"] == 1
        assert statuses["cancelled"] > 0
        assert spread.replay(run, store=store).status == "failed"


def test_without_workers_the_items_are_spoken_in_place(tmp_path: Path) -> None:
    with open_store(tmp_path / "runs.db") as store:
        result = spread.run("read", state={"texts": TEXTS}, store=store)

        assert [message.text for message in result.messages] == ["read", *SUMMARIES, "shelved 6"]
        assert len(store.runs()) == 1
        assert spread.replay(result.run_id, store=store).messages == result.messages


def test_a_parent_costs_the_same_whether_its_items_are_runs_or_not(tmp_path: Path) -> None:
    with open_store(tmp_path / "runs.db") as store:
        here = spread.run("read", state={"texts": TEXTS}, store=store)
        run = spread.submit("read", state={"texts": TEXTS}, store=store)
        read_to_the_end(store, spread, run)
        there = spread.resume(run, store=store)
        inner = [sum(one.event.inner_turns for one in store.events(name) if isinstance(one.event, Stepped)) for name in (here.run_id, run)]

    assert there.messages == here.messages
    assert there.usage == here.usage
    assert inner == [6 * (STEPS + 1)] * 2


def test_what_children_cost_counts_in_the_limits_of_the_parent(tmp_path: Path) -> None:
    graph = library(Limits(tokens=80))
    with open_store(tmp_path / "runs.db") as store:
        run = graph.submit("read", state={"texts": TEXTS}, store=store)
        read_to_the_end(store, graph, run)
        info = next(info for info in store.runs() if info.run_id == run)

    assert (info.status, "tokens" in info.reason) == ("limited", True)


def test_a_parent_that_nobody_tells_looks_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker of the last child died between the child's end and telling the parent."""

    async def silent(*_: object) -> None:
        return

    monkeypatch.setattr("convgraph.engines.worker.tell_parent", silent)
    monkeypatch.setattr("convgraph.runtime.children.LOOKS_AGAIN", 0.3)
    with open_store(tmp_path / "runs.db") as store:
        run = spread.submit("read", state={"texts": TEXTS}, store=store)
        read_to_the_end(store, spread, run)

        assert spread.replay(run, store=store).status == "finished"


def test_it_is_drawn_and_written_down_and_an_empty_list_needs_no_run(tmp_path: Path) -> None:
    assert "each a run of its own" in spread.to_mermaid()
    assert "distributed: true" in spread.to_yaml()
    assert library().fingerprint == spread.fingerprint
    with open_store(tmp_path / "runs.db") as store:
        run = spread.submit("read", store=store)
        read_to_the_end(store, spread, run)

        assert [message.text for message in spread.replay(run, store=store).messages] == ["read", "shelved 0"]


def test_what_cannot_be_a_run_is_refused() -> None:
    graph = ConversationGraph("bad", state={"texts": {"type": "array", "default": []}})
    with pytest.raises(DefinitionError, match="ConversationGraph"):
        graph.add_node(ForEach(lambda ctx: "hi", over="state.texts", distributed=True), name="each")
    with pytest.raises(DefinitionError, match="workers"):
        ForEach(reading(), over="state.texts", concurrency=2, distributed=True)


def test_a_new_attempt_at_the_group_makes_new_runs(tmp_path: Path) -> None:
    """What one attempt made is not taken for what the next one has asked for."""
    graph = library(retry=Retry(2))
    with open_store(tmp_path / "runs.db") as store:
        run = graph.submit("read", state={"texts": ["bad"]}, store=store)
        read_to_the_end(store, graph, run)
        children = sorted(info.run_id.removeprefix(f"{run}.") for info in store.runs(parent=run))

        assert children == ["1/#0", "1~2/#0"]
        assert graph.replay(run, store=store).status == "failed"


def shelf() -> ConversationGraph:
    """Splits what it is told in two, and has each half said by a run of its own."""

    async def split(ctx: Context) -> Reply:
        return Reply("split", {"halves": [f"{ctx.messages[0].text}{half}" for half in "ab"]})

    async def say(ctx: Context) -> str:
        return f"[{ctx.messages[0].text}]"

    async def join(ctx: Context) -> str:
        return "+".join(message.text for message in ctx.messages if message.sender == "leaf")

    leaf = ConversationGraph("leaf")
    leaf.add_node(say)
    leaf.add_edge("say", END)
    leaf.set_start("say")
    graph = ConversationGraph("shelf", state={"halves": {"type": "array", "default": []}})
    graph.add_node(split)
    graph.add_node(ForEach(leaf, over="state.halves", distributed=True), name="each")
    graph.add_node(join)
    graph.add_edge("split", "each")
    graph.add_edge("each", "join")
    graph.add_edge("join", END)
    graph.set_start("split")
    return graph


@pytest.mark.parametrize("spread_out", [True, False])
def test_children_have_children_and_so_have_graphs_that_are_nested_in_place(tmp_path: Path, spread_out: bool) -> None:
    graph = ConversationGraph("root", state={"items": {"type": "array", "default": ["x", "y"]}})
    graph.add_node(ForEach(shelf(), over="state.items", distributed=spread_out), name="all")
    graph.add_edge("all", END)
    graph.set_start("all")
    with open_store(tmp_path / "runs.db") as store:
        run = graph.submit("go", store=store)
        read_to_the_end(store, graph, run)
        listed = Counter(info.graph for info in store.runs())

        assert [message.text for message in graph.replay(run, store=store).messages] == ["go", "[xa]+[xb]", "[ya]+[yb]"]
        assert listed == Counter({"root": 1, "root/all/shelf/each/leaf": 4} | ({"root/all/shelf": 2} if spread_out else {}))


@pytest.mark.parametrize("texts", [TEXTS, ["bad", *TEXTS]])
def test_a_parent_that_is_lost_before_it_has_noted_that_it_waits_no_longer_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, texts: list[str]
) -> None:
    """What has come of the children is recorded by then, and nothing else of them is needed."""
    from convgraph.runtime import children

    note, lost = children._no_longer_waiting, []

    async def losing(*where: Any) -> None:
        if not lost:
            lost.append(where)
            raise StoreUnavailable("lost")
        await note(*where)

    monkeypatch.setattr(children, "_no_longer_waiting", losing)
    with open_store(tmp_path / "runs.db") as store:
        run = spread.submit("read", state={"texts": texts}, store=store)
        read_to_the_end(store, spread, run)

        assert lost
        assert parent_status(store, run) == ("failed" if "bad" in texts else "finished")
        assert spread.replay(run, store=store).status == parent_status(store, run)
        assert asyncio.run(store.atimers(run)) == []


def test_turns_of_children_count_as_well_when_their_branch_is_read_back(tmp_path: Path) -> None:
    """One branch is over, with its children, when the run parks for the children of the other."""
    graph = ConversationGraph("root", state={"items": {"type": "array", "default": ["x", "y"]}})
    graph.add_node(ForEach(shelf(), over="state.items"), name="all")
    graph.add_edge("all", END)
    graph.set_start("all")
    with open_store(tmp_path / "runs.db") as store:
        run = graph.submit("go", store=store)

        async def in_this_order() -> None:
            worker = Worker([graph], store)
            for branch in (1, 0):
                await worker.advance(run)
                for info in await store.aruns(parent=run):
                    if f"/#{branch}/" in info.run_id:
                        await worker.advance(info.run_id)
            await worker.advance(run)

        asyncio.run(in_this_order())

        assert parent_status(store, run) == "finished"
        assert [one.event.inner_turns for one in store.events(run) if isinstance(one.event, Stepped)][-1] == 2 * (3 + 2)
        assert graph.replay(run, store=store).status == "finished"
