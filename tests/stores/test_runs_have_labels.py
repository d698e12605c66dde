"""Runs are found by what people call them: in every store, while they run, after a migration, and by nobody without the keys."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import psycopg
import pytest

from convgraph import END, ConversationGraph, open_store
from convgraph.errors import InputError, RunNotFound, StoreCorrupt
from convgraph.journal.events import Ended, RunStarted
from convgraph.journal.keyring import Keyring
from convgraph.journal.rekeying import encrypt_store, rekey_store
from convgraph.journal.runs import NewRun
from convgraph.journal.store import Store
from tests.security.encrypted_stores import Place, dump_of, files_of

STARTED = RunStarted("chat", "print", "document")
BAD: list[Any] = ["", "a,b", "a\nb", "\x00", "\x1b[31m", " a", "a ", "x" * 65, 7, None, "\ud800", "\u200b"]


def echoing() -> ConversationGraph:
    graph = ConversationGraph("echo")
    graph.add_node(lambda ctx: ctx.last.text, name="echo")
    graph.add_edge("echo", END)
    graph.set_start("echo")
    return graph


async def made(store: Store, run_id: str, *labels: str, graph: str = "chat", done: bool = True) -> None:
    claim = await store.create(NewRun(run_id, graph, "print", labels=labels), [STARTED])
    if done:
        await store.append(claim, [Ended("finished", "because")])
        await store.release(claim)


async def ids(store: Store, **filters: Any) -> list[str]:
    return [run.run_id for run in await store.aruns(**filters)]


async def test_a_run_is_labelled_when_it_is_made_and_later(store: Store) -> None:
    await made(store, "one", "eu", "nightly")
    await made(store, "two")
    assert (await store.info("one")).labels == ("eu", "nightly")
    assert (await store.info("two")).labels == ()
    await store.alabel("two", {"nightly", "ünï — 名", "reviewed"})
    assert [run.labels for run in await store.aruns()] == [("nightly", "reviewed", "ünï — 名"), ("eu", "nightly")]
    await store.alabel("one", ["eu", "eu"])
    assert (await store.info("one")).labels == ("eu",)
    await store.alabel("one", ())
    assert (await store.info("one")).labels == ()


async def test_runs_are_found_by_a_label_together_with_all_other_filters(store: Store) -> None:
    for number in range(6):
        await made(store, f"run-{number}", *(["odd"] if number % 2 else ["even", "odder"]), graph="chat" if number < 4 else "other")
    assert await ids(store, label="odd") == ["run-5", "run-3", "run-1"]
    assert await ids(store, label="od") == await ids(store, label="ODD") == await ids(store, label="%") == []
    assert await ids(store, label="odd", graph="chat") == ["run-3", "run-1"]
    assert await ids(store, label="odd", status="finished", limit=1) == ["run-5"]
    assert await ids(store, label="odd", status="failed") == []
    assert await ids(store, label="odd", before="run-3") == ["run-1"]
    await store.alabel("run-1", ["even"])
    assert await ids(store, label="odd") == ["run-5", "run-3"]
    await store.adelete("run-3")
    await made(store, "run-3")
    assert await ids(store, label="odd") == ["run-5"]


async def test_a_page_at_a_time_all_runs_are_listed_once(store: Store) -> None:
    for number in range(7):
        await made(store, f"run-{number}", "all", done=number != 3)
    for filters in ({}, {"label": "all"}, {"status": "finished"}, {"status": "running"}):
        wanted = await ids(store, **filters)
        seen: list[str] = []
        while page := await ids(store, **filters, limit=2, **({"before": seen[-1]} if seen else {})):
            assert len(page) <= 2
            seen += page
        assert seen == wanted
    assert await ids(store, limit=0) == []
    with pytest.raises(RunNotFound, match="nowhere"):
        await store.aruns(before="nowhere")


async def test_a_run_is_labelled_while_it_is_running_and_keeps_its_labels_when_it_ends(store: Store) -> None:
    claim = await store.create(NewRun("run", "chat", "print"), [STARTED])
    await store.alabel("run", ["urgent"])
    changed = (await store.info("run")).updated
    await store.append(claim, [Ended("waiting", "for a name")])
    await store.release(claim)
    assert (await store.info("run")).labels == ("urgent",)
    await store.append(await store.claim("run"), [Ended("finished", "because")])
    assert await ids(store, label="urgent", status="finished") == ["run"]
    assert (await store.info("run")).updated >= changed


@pytest.mark.parametrize("label", BAD, ids=repr)
async def test_what_cannot_be_a_label_is_refused_before_anything_is_written(store: Store, label: Any) -> None:
    await made(store, "run", "kept")
    with pytest.raises(InputError, match="label"):
        await store.alabel("run", ["fine", label])
    assert (await store.info("run")).labels == ("kept",)


def test_a_run_with_labels_that_are_none_is_not_made(tmp_path: Path) -> None:
    for labels in ("nightly", [f"label-{number}" for number in range(21)], ["a,b"], 7):
        with open_store(tmp_path / "runs.db") as store:
            for verb in (echoing().run, echoing().submit):
                with pytest.raises(InputError, match="labels="):
                    verb("hi", store=store, labels=labels)
            assert store.runs() == []


async def test_a_run_that_is_not_there_gets_no_label(store: Store) -> None:
    with pytest.raises(RunNotFound, match="nowhere"):
        await store.alabel("nowhere", ["a"])


def test_a_graph_labels_its_runs(store: Store) -> None:
    run_id = echoing().run("hi", store=store, labels=["b", "a"]).run_id
    made_for_later = echoing().submit("hi", store=store, labels={"later"})
    assert echoing().resume(made_for_later, store=store).status == "finished"
    assert {run.run_id: run.labels for run in store.runs()} == {run_id: ("a", "b"), made_for_later: ("later",)}
    store.label(run_id, [])
    assert store.runs(label="a") == []


class TestOlderStores:
    """What was made before there were labels opens, is brought up to date, and can be labelled."""

    @pytest.mark.parametrize("keys", [None, Keyring.new("a")], ids=["plain", "encrypted"])
    def test_a_file(self, tmp_path: Path, keys: Keyring | None) -> None:
        path = tmp_path / "old.db"
        with open_store(path, keys=keys) as store:
            echoing().run("hi", store=store, run_id="old")
        with sqlite3.connect(path) as db:
            for statement in ("DROP TABLE labelled", "ALTER TABLE runs DROP COLUMN labels", "PRAGMA user_version=4"):
                db.execute(statement)
        db.close()
        with open_store(path, keys=keys) as store:
            self.check(store)

    @pytest.mark.parametrize("keys", [None, Keyring.new("a")], ids=["plain", "encrypted"])
    def test_a_database(self, database: str, keys: Keyring | None) -> None:
        with open_store(database, keys=keys) as store:
            echoing().run("hi", store=store, run_id="old")
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute("SET search_path TO convgraph")
            for statement in ("DROP TABLE labelled", "ALTER TABLE runs DROP COLUMN labels", "UPDATE format SET version=4"):
                connection.execute(statement.encode())
        with open_store(database, keys=keys) as store:
            self.check(store)

    def check(self, store: Store) -> None:
        assert [(run.run_id, run.labels) for run in store.runs()] == [("old", ())]
        assert echoing().replay("old", store=store).status == "finished"
        store.label("old", ["kept"])
        assert [run.run_id for run in store.runs(label="kept")] == ["old"]


class TestEncrypted:
    """Labels are sealed: nobody reads, exchanges or invents one without the keys."""

    KEYS = Keyring({"a": b"a" * 32})

    @pytest.fixture(params=["sqlite", "postgres"])
    def place(self, request: pytest.FixtureRequest, tmp_path: Path) -> Place:
        return Place(str(tmp_path / "runs.db") if request.param == "sqlite" else request.getfixturevalue("database"))

    def fill(self, place: Place, keys: Keyring | None) -> None:
        with open_store(place.url, keys=keys) as store:
            for name in ("one", "two"):
                asyncio.run(made(store, name, "Rumpelstilzchen", name))

    def stored(self, place: Place) -> bytes:
        return dump_of(place.url) if place.url.startswith("postgresql") else files_of(Path(place.url))

    def test_nobody_reads_them(self, place: Place) -> None:
        self.fill(place, self.KEYS)
        assert b"Rumpelstilzchen" not in self.stored(place)

    @pytest.mark.parametrize("change", ["(SELECT labels FROM runs o WHERE o.run_id='two')", "'invented'"])
    def test_those_of_another_run_and_invented_ones_are_noticed(self, place: Place, change: str) -> None:
        self.fill(place, self.KEYS)
        place.do(f"UPDATE runs SET labels={change} WHERE run_id='one'")
        with open_store(place.url, keys=self.KEYS) as store, pytest.raises(StoreCorrupt, match="labels of run 'one'"):
            store.runs()

    def test_encrypting_and_rekeying_carry_them(self, place: Place) -> None:
        self.fill(place, None)
        encrypt_store(place.url, self.KEYS)
        assert b"Rumpelstilzchen" not in self.stored(place)
        rekey_store(place.url, Keyring({"b": b"b" * 32, "a": b"a" * 32}))
        with open_store(place.url, keys=Keyring({"b": b"b" * 32})) as store:
            assert [(run.run_id, run.labels) for run in store.runs(label="one")] == [("one", ("Rumpelstilzchen", "one"))]
