"""A run is written as a file and put into another store of any kind, where it goes on; a damaged or hostile file is refused whole."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from convgraph import END, AssistantAgent, Context, ConversationGraph, Reply, ScriptedModel, open_store
from convgraph.errors import ConvgraphError, InputError, RunExists, RunNotFound, StoreCorrupt, StoreFormat
from convgraph.journal.events import Ended, Resumed, RunStarted
from convgraph.journal.keyring import Keyring
from convgraph.journal.record_text import from_text, to_text
from convgraph.journal.records import export_run, import_run
from convgraph.journal.runs import NewRun
from convgraph.journal.store import Store
from convgraph.journal.values import digest_text
from convgraph.testing.records import record_of


def survey(answers: int = 2) -> ConversationGraph:
    """A model speaks, a person is asked twice, code notes what was said."""

    async def ask(ctx: Context) -> Reply:
        said = await ctx.ask(f"question {ctx.turn}?", id=f"q{ctx.turn}", schema={"type": "string"})
        return Reply(f"you say {said}", {"said": [*ctx.state.said, said]})

    graph = ConversationGraph("survey", state={"said": {"type": "array", "items": {"type": "string"}, "default": []}})
    model = ScriptedModel(["Welcome.", "Go on.", "Thank you."])
    graph.add_node(AssistantAgent("host", "You host a survey.", model=model))
    graph.add_node(ask)
    graph.add_edge("host", END, when=f"turn > {2 * answers}")
    graph.add_edge("host", "ask")
    graph.add_edge("ask", "host")
    graph.set_start("host")
    return graph


@pytest.fixture
def here() -> Any:
    """A store with a finished run, one that waits, one whose answer waits, a fork, and one that nobody has begun."""
    with open_store(":memory:") as store:
        survey().run("Hi.", store=store, run_id="finished", human=lambda question: f"{question.id} — ünï", labels=["eu", "kept"])
        survey().run("Hi.", store=store, run_id="waiting", human="park")
        survey().run("Hi.", store=store, run_id="answered", human="park")
        store.answer("answered", "q2", "blue")
        survey().fork("finished", store=store, at=2, message="you say red", new_id="fork")
        survey().submit("Hi.", store=store, run_id="ready", queue="slow", priority=3, labels=["later"])
        yield store


def moved(here: Store, there: Store, name: str, **options: Any) -> Any:
    return import_run(export_run(name, store=here), store=there, **options)


def test_a_finished_run_is_the_same_in_every_store(here: Store, store: Store) -> None:
    info = moved(here, store, "finished")
    assert (info.run_id, info.status, info.labels) == ("finished", "finished", ("eu", "kept"))
    assert store.events("finished") == here.events("finished")
    assert [run.run_id for run in store.runs(label="eu", text="ÜNÏ")] == ["finished"]
    assert survey().replay("finished", store=store).messages == survey().replay("finished", store=here).messages
    assert export_run("finished", store=store) == export_run("finished", store=here)


def test_a_run_that_waits_goes_on_where_it_was_put(here: Store, store: Store) -> None:
    info = moved(here, store, "waiting")
    [question] = store.questions()
    assert (info.status, question.run_id, question.id, question.answered) == ("waiting", "waiting", "q2", False)
    result = survey().resume("waiting", store=store, answers={"q2": "red"}, human=lambda _: "green")
    assert (result.status, result.state.said) == ("finished", ["red", "green"])
    assert [run.status for run in here.runs(limit=10) if run.run_id == "waiting"] == ["waiting"], "nothing has happened where it came from"


def test_an_answer_that_waits_is_taken_along(here: Store, store: Store) -> None:
    moved(here, store, "answered")
    [question] = store.questions()
    assert (question.answered, question.answer) == (True, "blue")
    assert survey().resume("answered", store=store, human=lambda _: "green").state.said == ["blue", "green"]


def test_a_fork_is_put_there_without_its_parent(here: Store, store: Store) -> None:
    info = moved(here, store, "fork")
    assert (info.status, info.parent) == ("ready", "")
    assert store.events("fork") == here.events("fork")
    survey().resume("fork", store=here, human=lambda _: "green")
    result = survey().resume("fork", store=store, human=lambda _: "green")
    assert (result.status, [message.text for message in result.messages]) == (
        "finished",
        [message.text for message in survey().replay("fork", store=here).messages],
    )


def test_a_run_that_nobody_has_begun_waits_in_its_queue(here: Store, store: Store) -> None:
    info = moved(here, store, "ready")
    assert (info.status, info.queue, info.priority, info.labels) == ("ready", "slow", 3, ("later",))
    assert survey().resume("ready", store=store, human=lambda _: "red").status == "finished"


async def test_an_interrupted_run_is_interrupted_there_whatever_it_had_been_before(store: Store) -> None:
    with open_store(":memory:") as here:
        started = RunStarted("chat", "print", "document")
        claim = await here.create(NewRun("run", "chat", "print"), [started, Ended("limited", "at its limit")])
        await here.append(claim, [Resumed()])
        await here.release(claim)
        claim = await here.claim("run")
        await here.append(claim, [Resumed()])
        await here.release(claim)
        info = moved(here, store, "run", run_id="other")
        assert (info.run_id, info.status) == ("other", "interrupted")
        assert [event.event for event in await store.load("other")] == [event.event for event in await here.load("run")]
        assert [run.run_id for run in await store.arunnable()] == ["other"]
        again = await store.claim("other")
        assert again.next_seq == 4
        await store.append(again, [Ended("finished", "done")])
        assert (await store.info("other")).status == "finished"


def test_a_run_gets_another_id_where_its_own_is_taken(here: Store, store: Store) -> None:
    moved(here, store, "finished")
    with pytest.raises(RunExists, match=r"'finished'.*another id"):
        moved(here, store, "finished")
    for wrong in ("", "a\nb", "x" * 201):
        with pytest.raises(InputError, match="run's id"):
            moved(here, store, "finished", run_id=wrong)
    assert moved(here, store, "finished", run_id="../../copy").run_id == "../../copy"
    assert [run.run_id for run in store.runs()] == ["../../copy", "finished"]
    assert survey().replay("../../copy", store=store).status == "finished"


def test_what_is_encrypted_goes_from_store_to_store(tmp_path: Path) -> None:
    with open_store(tmp_path / "a.db", keys=Keyring.new("a")) as one, open_store(tmp_path / "b.db", keys=Keyring.new("b")) as two:
        survey().run("Hi.", store=one, run_id="r", human="park", labels=["secret"])
        one.answer("r", "q2", "blue")
        moved(one, two, "r")
        assert two.runs(label="secret")[0].run_id == "r"
        assert survey().resume("r", store=two, human=lambda _: "green").state.said == ["blue", "green"]
    assert b"Welcome" not in b"".join(file.read_bytes() for file in tmp_path.glob("b.db*"))


async def test_what_cannot_be_exported_is_said() -> None:
    with open_store(":memory:") as store:
        await store.create(NewRun("run", "chat", "print"), [RunStarted("chat", "print", "document")])
        with pytest.raises(InputError, match="running"):
            export_run("run", store=store)
        with pytest.raises(RunNotFound, match="nowhere"):
            export_run("nowhere", store=store)


Change = Callable[[dict[str, Any]], Any]
DAMAGED: dict[str, tuple[Change, type[ConvgraphError], str]] = {
    "no format": (lambda r: r.pop("convgraph_record"), InputError, "no record of a run"),
    "a newer format": (lambda r: r.update(convgraph_record=2), InputError, "format 2"),
    "true is no format": (lambda r: r.update(convgraph_record=True), InputError, "format True"),
    "no id": (lambda r: r.pop("run_id"), InputError, "run_id"),
    "an id that is none": (lambda r: r.update(run_id="a\x1b[31m"), InputError, "run's id"),
    "an id that is no text": (lambda r: r.update(run_id=["a"]), InputError, "run's id"),
    "a graph that is no text": (lambda r: r.update(graph=7), InputError, "graph is a text"),
    "a graph with a NUL": (lambda r: r.update(graph="a\0b"), InputError, "NUL"),
    "a graph with half a character": (lambda r: r.update(graph="\ud800"), InputError, "damaged"),
    "no events": (lambda r: r.update(events=[]), InputError, "start of a run"),
    "events that are none": (lambda r: r.update(events={"a": 1}), InputError, "damaged"),
    "an unknown kind": (lambda r: r["events"].append(["exploded", {}]), StoreFormat, "unknown kind 'exploded'"),
    "a streamed kind": (lambda r: r["events"].append(["delta", {"path": "1", "node": "n", "text": "t"}]), StoreFormat, "'delta'"),
    "a kind that is no text": (lambda r: r["events"].append([["step"], {}]), InputError, "kind is a text"),
    "an event without what belongs to it": (lambda r: r["events"].append(["step", {"path": "9"}]), StoreCorrupt, "node"),
    "an event with what does not fit": (lambda r: r["events"][0][1].update(messages="hello"), StoreCorrupt, "event 0"),
    "no beginning": (lambda r: r["events"].pop(0), InputError, "start of a run"),
    "two beginnings": (lambda r: r["events"].append(r["events"][0]), InputError, "start of a run"),
    "half a character": (lambda r: r["events"][-1][1].update(reason="\ud800"), ConvgraphError, "event"),
    "a changed prompt": (lambda r: r["contents"].update({next(iter(r["contents"])): "You rob."}), InputError, "somebody has changed it"),
    "a planted content": (lambda r: r["contents"].update({"digest": "planted"}), InputError, "somebody has changed it"),
    "a content that is no text": (lambda r: r["contents"].update({"digest": 7}), InputError, "contents is a text"),
    "contents that are none": (lambda r: r.update(contents=["a"]), InputError, "damaged"),
    "a status that does not fit": (lambda r: r.update(status="ready"), InputError, "does not fit"),
    "a status that is none": (lambda r: r.update(status="running"), InputError, "does not fit"),
    "too few times": (lambda r: r["times"].pop(), InputError, "times"),
    "times that are none": (lambda r: r.update(times=["now"] * len(r["events"])), InputError, "times"),
    "a time without end": (lambda r: r["times"].__setitem__(0, float("inf")), InputError, "times"),
    "labels that are none": (lambda r: r.update(labels=["a,b"]), InputError, "label"),
    "labels that are a text": (lambda r: r.update(labels="abc"), InputError, "label"),
    "a queue that is none": (lambda r: r.update(queue="../x"), InputError, "queue"),
    "a priority that is none": (lambda r: r.update(priority=1e9), InputError, "priority"),
    "an answer that nobody asked for": (lambda r: r.update(answers={"q9": "x"}), InputError, "q9"),
    "an answer that does not fit": (lambda r: r.update(answers={"q2": 7}), InputError, "q2"),
    "answers that are none": (lambda r: r.update(answers=7), InputError, "damaged"),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_or_hostile_file_is_refused_before_anything_is_written(here: Store, damage: str) -> None:
    change, error, said = DAMAGED[damage]
    document = json.loads(export_run("waiting", store=here))
    change(document)
    with open_store(":memory:") as store:
        with pytest.raises(error, match=said) as refused:
            import_run(json.dumps(document), store=store, where="run.json")
        assert "run.json" in str(refused.value)
        assert store.runs() == []


@pytest.mark.parametrize(
    "text", ["", "[]", "null", "7", "{", "[" * 100_000, '{"convgraph_record": 1}', '{"a": NaN', "9" * 5000], ids=range(9)
)
def test_what_is_no_record_at_all_is_refused(text: str) -> None:
    with open_store(":memory:") as store, pytest.raises(InputError, match="the record"):
        import_run(text, store=store)


def test_a_file_does_not_say_what_is_imported_to_go_on_with_it(here: Store, store: Store) -> None:
    """A run names the file that its graph lies in, and `resume` imports that: one from elsewhere must not choose it."""
    survey().run("Hi.", store=here, run_id="named", human="park", target="/home/ada/survey.py:graph")
    text = export_run("named", store=here)
    assert "/home/ada" not in text
    document = json.loads(text)
    document["target"] = document["events"][0][1]["target"] = "/tmp/evil.py:graph"
    assert import_run(json.dumps(document), store=store).target == ""
    assert isinstance(started := store.events("named")[0].event, RunStarted)
    assert started.target == ""
    assert moved(here, store, "named", run_id="mine", target="survey.py:graph").target == "survey.py:graph"


def test_what_no_event_refers_to_is_not_kept(here: Store) -> None:
    document = json.loads(export_run("finished", store=here))
    document["contents"][digest_text("planted")] = "planted"
    with open_store(":memory:") as store:
        import_run(json.dumps(document), store=store)
        assert asyncio.run(store.content(digest_text("planted"))) is None
        assert asyncio.run(store.content(survey().program().document_digest)) is not None


def test_a_record_of_a_test_can_be_imported_too(here: Store, store: Store) -> None:
    record = asyncio.run(record_of(here, "finished"))
    assert from_text(to_text(record), "r.json") == record
    assert import_run(to_text(record), store=store).status == "finished"
    assert survey().replay("finished", store=store).status == "finished"


def test_an_exported_run_is_plain_text(tmp_path: Path) -> None:
    with open_store(tmp_path / "runs.db", keys=Keyring.new("a")) as store:
        survey().run("Rumpelstilzchen", store=store, run_id="r", human="park")
        assert "Rumpelstilzchen" in export_run("r", store=store)


def test_a_record_is_believed(here: Store, store: Store) -> None:
    """Nothing signs it: whoever changes what was said, and keeps to the form, is not found out."""
    text = export_run("waiting", store=here).replace("Welcome.", "Pay up!!")
    import_run(text, store=store)
    assert survey().resume("waiting", store=store, human=lambda _: "red").messages[1].text == "Pay up!!"
