"""A run that was migrated to a changed graph is a run like any other: it is resumed, forked, continued, explained, drawn and replayed."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict

from convgraph import END, ConversationGraph, Limits, Reply, open_store
from convgraph.errors import GraphChanged, ReplayDivergence
from convgraph.journal.store import Store


class Old(BaseModel):
    model_config = ConfigDict(extra="forbid")
    score: int = 0


class New(BaseModel):
    """Shares no field with the old state, and has no defaults: nothing of the one passes for the other."""

    model_config = ConfigDict(extra="forbid")
    total: int


class Newest(BaseModel):
    model_config = ConfigDict(extra="forbid")
    sum: int


class Calls:
    """What the graphs have asked for, and what they say."""

    def __init__(self) -> None:
        self.made: list[str] = []
        self.word = "draft"

    def made_at(self, name: str) -> str:
        self.made.append(name)
        return name


def version_1(calls: Calls) -> ConversationGraph:
    graph = ConversationGraph("essay", state=Old)

    async def draft(ctx: Any) -> Reply:
        await ctx.effect("write", calls.made_at, f"draft {ctx.turn}")
        return Reply(f"{calls.word} {ctx.turn}", update={"score": ctx.state.score + 1})

    graph.add_node(draft)
    graph.add_edge(draft, END, when="turn > 50")
    graph.add_edge(draft, draft)
    graph.set_start(draft)
    return graph


def version_2(calls: Calls, *, more: int = 10) -> ConversationGraph:
    graph = ConversationGraph("essay", state=New)

    async def polish(ctx: Any) -> Reply:
        await ctx.effect("write", calls.made_at, f"polish {ctx.turn}")
        return Reply(f"total {ctx.state.total}", update={"total": ctx.state.total + more})

    graph.add_node(polish)
    graph.add_edge(polish, END, when="state.total > 130")
    graph.add_edge(polish, polish)
    graph.set_start(polish)
    graph.add_migration(version_1(calls).fingerprint, lambda old: {"node": "polish", "state": {"total": old["state"]["score"] + 100}})
    return graph


def version_3(calls: Calls) -> ConversationGraph:
    graph = ConversationGraph("essay", state=Newest)
    graph.add_node(lambda ctx: Reply(f"sum {ctx.state.sum}"), name="publish")
    graph.add_edge("publish", END, when='last.sender == "publish"')
    graph.add_edge("publish", "publish")
    graph.set_start("publish")
    graph.add_migration(version_2(calls).fingerprint, lambda old: {"node": "publish", "state": {"sum": old["state"]["total"]}})
    return graph


@pytest.fixture
def store() -> Any:
    with open_store(":memory:") as opened:
        yield opened


@pytest.fixture
def calls() -> Calls:
    return Calls()


SAID = ["user: Go.", "draft: draft 1", "draft: draft 2", "polish: total 102", "polish: total 112", "polish: total 122"]


def said(result: Any) -> list[str]:
    return [f"{message.sender}: {message.text}" for message in result.messages]


@pytest.fixture
def migrated(store: Store, calls: Calls) -> ConversationGraph:
    """A run `r` of two steps of the first version, one of the second, a pause, and two more."""
    assert version_1(calls).run("Go.", store=store, run_id="r", limits=Limits(turns=2)).state.score == 2
    graph = version_2(calls)
    assert graph.resume("r", store=store, limits=Limits(turns=3)).state.total == 112
    assert graph.resume("r", store=store, limits=Limits(turns=50)).status == "finished"
    return graph


def test_a_migrated_run_is_resumed_again(migrated: ConversationGraph, store: Store) -> None:
    result = migrated.resume("r", store=store)
    assert (result.status, said(result), result.state.total) == ("finished", SAID, 132)


def test_a_migrated_run_is_forked_continued_explained_and_drawn(migrated: ConversationGraph, store: Store) -> None:
    forked = migrated.resume(migrated.fork("r", store=store, at=4, state={"total": 200}), store=store)
    assert (forked.status, said(forked)) == ("finished", SAID[:-1])
    explained = migrated.explain("r", store=store, step=5)
    assert [str(guard.value) for guard in explained.guards] == ["True", "True"]
    assert "polish<br/>3 visits" in migrated.to_mermaid(run="r", store=store)
    more = migrated.continue_("r", "More.", store=store, limits=Limits(turns=50))
    assert more.messages[-1].text == "total 132"


def test_a_migrated_run_is_replayed_from_the_migration_on(migrated: ConversationGraph, store: Store, calls: Calls) -> None:
    calls.made.clear()
    events = store.events("r")
    result = migrated.replay("r", store=store)
    assert (result.status, said(result), result.state.total) == ("finished", SAID, 132)
    assert calls.made == []
    assert store.events("r") == events
    (warning,) = result.warnings
    assert warning.startswith("steps 1 to 2 of run 'r' were made with another version of graph 'essay', before it was migrated")


def test_what_the_new_graph_does_otherwise_is_a_divergence(migrated: ConversationGraph, store: Store, calls: Calls) -> None:
    with pytest.raises(ReplayDivergence) as raised:
        version_2(calls, more=11).replay("r", store=store)
    assert raised.value.step == 3
    assert '+  "total": 113' in raised.value.diff.replace("    ", "")


def test_the_old_graph_replays_what_it_did(migrated: ConversationGraph, store: Store, calls: Calls) -> None:
    calls.made.clear()
    result = version_1(calls).replay("r", store=store)
    assert (result.status, said(result), result.state.score) == ("limited", SAID[:3], 2)
    assert calls.made == []
    assert result.warnings == ("run 'r' was migrated to another version of graph 'essay' after step 2: what follows was not compared",)


def test_what_the_old_graph_does_otherwise_is_a_divergence(migrated: ConversationGraph, store: Store, calls: Calls) -> None:
    calls.word = "sketch"
    with pytest.raises(ReplayDivergence, match="turn 1"):
        version_1(calls).replay("r", store=store)
    migrated.replay("r", store=store)


def test_a_run_that_waits_after_its_migration_is_replayed(store: Store, calls: Calls) -> None:
    version_1(calls).run("Go.", store=store, run_id="r", limits=Limits(turns=1))
    graph = version_2(calls)
    graph.add_node(lambda ctx: None, name="unused")
    graph.add_edge("unused", END)
    waiting = graph.resume("r", store=store, limits=Limits(turns=1))
    assert waiting.status == "limited"
    assert graph.replay("r", store=store).status == "limited"


def test_a_run_is_migrated_from_the_version_that_it_was_last_run_with(store: Store, calls: Calls) -> None:
    version_1(calls).run("Go.", store=store, run_id="r", limits=Limits(turns=2))
    with pytest.raises(GraphChanged, match="add_migration"):
        version_3(calls).resume("r", store=store, limits=Limits(turns=50))
    version_2(calls).resume("r", store=store, limits=Limits(turns=3))
    graph = version_3(calls)
    result = graph.resume("r", store=store, limits=Limits(turns=50))
    assert (result.status, said(result)) == ("finished", [*SAID[:4], "publish: sum 112"])
    assert said(graph.replay("r", store=store)) == said(result)
    assert said(version_2(calls).replay("r", store=store)) == SAID[:4]
    assert said(version_1(calls).replay("r", store=store)) == SAID[:3]
