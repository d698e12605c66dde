"""What is written together with a step lies in its row; whoever reads sees events one by one, with their numbers, as they were appended."""

from __future__ import annotations

import sqlite3
import uuid
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from convgraph import END, AssistantAgent, ConversationGraph, Message, ScriptedModel, open_store
from convgraph.errors import StoreCorrupt
from convgraph.graph.state import ErrorInfo
from convgraph.journal.events import AttemptFailed, EffectFinished, EffectStarted, Event, RunStarted, Stepped
from convgraph.journal.runs import NewRun
from convgraph.journal.store import Store

STARTED = RunStarted("chat", "print", "document")
TEXTS = st.sampled_from(["", "Yes.", "two\nlines", '{"content": null}', "ü\u2028", "long " * 400])
PATHS = st.sampled_from(["1", "2", "2/1", "2.1"])
RESULTS = st.builds(
    lambda text, more: {"content": text, **more}, TEXTS | st.none(), st.sampled_from([{}, {"model": "small"}, {"data": {"deep": [None]}}])
)
EFFECTS = st.one_of(
    st.builds(lambda path, result: EffectFinished(path, "model", "small", 0, "digest", result), PATHS, RESULTS),
    st.builds(lambda path, value: EffectFinished(path, "tool", "dig", 0, "digest", value), PATHS, st.none() | TEXTS | RESULTS),
    st.builds(lambda path: EffectFinished(path, "model", "small", 1, "digest", None, ErrorInfo("ModelError", "lost")), PATHS),
)
STEPS = st.builds(
    lambda path, texts: Stepped(path, "speaker", tuple(Message("speaker", text) for text in texts), target="speaker", edge=0),
    PATHS,
    st.lists(TEXTS, max_size=2),
)
OTHERS = st.one_of(
    st.builds(lambda path: EffectStarted(path, "tool", "dig", 0, "digest"), PATHS),
    st.builds(lambda path: AttemptFailed(path, 1, ErrorInfo("ValueError", "no")), PATHS),
)
APPENDS = st.lists(st.lists(st.one_of(EFFECTS, EFFECTS, STEPS, OTHERS), min_size=1, max_size=5), min_size=1, max_size=4)


@given(APPENDS, st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_whatever_is_appended_is_read_back_one_by_one(store: Store, appends: list[list[Event]], data: st.DataObject) -> None:
    run_id = uuid.uuid4().hex  # one store for all examples
    claim = await store.create(NewRun(run_id, "chat", "print"), [STARTED])
    for events in appends:
        await store.append(claim, events)
    await store.release(claim)
    written = [STARTED, *(event for events in appends for event in events)]
    read = await store.load(run_id)
    assert [recorded.event for recorded in read] == written
    assert [recorded.seq for recorded in read] == list(range(len(written)))
    after = data.draw(st.integers(-1, len(written)))
    assert await store.load(run_id, after=after) == read[after + 1 :]
    again = await store.claim(run_id)
    await store.append(again, [STEP])
    assert [recorded.seq for recorded in await store.load(run_id)] == list(range(len(written) + 1))
    await store.release(again)


STEP = Stepped("9", "speaker", (Message("speaker", "Yes."),), target="speaker", edge=0)
ANSWER = EffectFinished("9", "model", "small", 0, "digest", {"content": "Yes.", "model": "small"})


async def test_effects_of_finished_turns_are_left_out_where_only_steps_are_wanted(store: Store) -> None:
    claim = await store.create(NewRun("run", "chat", "print"), [STARTED])
    await store.append(claim, [ANSWER, STEP])
    inner = Stepped("2/1", "inner", (Message("inner", "Yes."),))
    unfinished = EffectFinished("2/1", "model", "small", 0, "digest", {"content": "Yes."})
    await store.append(claim, [unfinished, inner])
    assert [each.event for each in await store.load("run", steps_only=True)] == [STARTED, STEP, unfinished, inner]


def rows(path: Path) -> list[tuple[Any, ...]]:
    db = sqlite3.connect(path)
    try:
        return db.execute("SELECT seq, kind, body FROM events ORDER BY seq").fetchall()
    finally:
        db.close()


def test_a_turn_with_one_model_call_is_one_row_and_says_its_text_once(tmp_path: Path) -> None:
    graph = ConversationGraph("chat")
    graph.add_node(AssistantAgent("writer", model=ScriptedModel(["A text of its own."])))
    graph.set_start("writer")
    graph.add_edge("writer", END)
    with open_store(tmp_path / "runs.db") as store:
        result = graph.run("Write.", store=store)
        events = [recorded.event for recorded in store.events(result.run_id)]
        assert [event.kind for event in events] == ["run_started", "effect_finished", "step", "ended"]
        assert isinstance(events[1], EffectFinished)
        assert events[1].result["content"] == "A text of its own."
        assert graph.replay(result.run_id, store=store).messages == result.messages
    stored = rows(tmp_path / "runs.db")
    assert [(seq, kind) for seq, kind, _ in stored] == [(0, "run_started"), (2, "step"), (3, "ended")]
    assert sum(body.count("A text of its own.") for *_, body in stored) == 1


@pytest.mark.parametrize(
    "damage", ['{"path": 1}\n', "\n", '{"path":"1","effect":"model","name":"m","ordinal":0,"digest":"d","result":{}}\n']
)
def test_a_damaged_line_is_told_by_its_number(tmp_path: Path, damage: str) -> None:
    graph = ConversationGraph("chat")
    graph.add_node(lambda ctx: None, name="silent")
    graph.set_start("silent")
    graph.add_edge("silent", END)
    with open_store(tmp_path / "runs.db") as store:
        run_id = graph.run("Write.", store=store).run_id
    db = sqlite3.connect(tmp_path / "runs.db")
    db.execute("UPDATE events SET seq=2 WHERE kind='ended'")
    db.execute("UPDATE events SET seq=seq+1 WHERE kind='ended'")
    db.execute("UPDATE events SET seq=2, body=? || body WHERE kind='step'", (damage,))
    db.commit()
    db.close()
    with open_store(tmp_path / "runs.db") as store, pytest.raises(StoreCorrupt, match="event 1 "):
        store.events(run_id)
