"""Facts are kept, found, replaced, forgotten and moved in the same way in memory, in a SQLite file and in PostgreSQL."""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest

from convgraph import END, ConversationGraph, open_store
from convgraph.errors import InputError, MissingDependency, StoreFormat, StoreUnavailable
from convgraph.knowledge.facts import FactStore, open_facts
from convgraph.models.local_embedder import LocalEmbedder
from tests.knowledge.postgres_cluster import new_database


class TestRemembering:
    def test_a_fact_comes_back_as_it_was_stored(self, facts: FactStore) -> None:
        before = time.time()
        stored = facts.remember("users/ada", "Grün – 緑", about="Ada's colour?", data={"kind": "fact", "sure": 0.5}, key="colour")

        assert facts.get(stored.id) == stored
        assert (stored.namespace, stored.text, stored.about, stored.key) == ("users/ada", "Grün – 緑", "Ada's colour?", "colour")
        assert stored.data == {"kind": "fact", "sure": 0.5}
        assert before <= stored.created <= time.time()
        assert (stored.source.run_id, stored.source.step) == ("", 0), "no run has taught it"

    def test_a_key_holds_one_fact_and_the_one_before_steps_back(self, facts: FactStore) -> None:
        old = facts.remember("users/ada", "Ada lives in Bonn", key="home")
        other = facts.remember("users/bob", "Bob lives in Bonn", key="home")
        new = facts.remember("users/ada", "Ada lives in Graz", key="home")

        assert facts.list() == [other, new]
        assert facts.recall("users", "who lives in Bonn?")[0].id == other.id
        assert facts.get(old.id).superseded_by == new.id  # type: ignore[union-attr]
        assert {fact.id for fact in facts.list(superseded=True)} == {old.id, other.id, new.id}

    def test_a_fact_may_take_the_place_of_another_of_its_namespace_only(self, facts: FactStore) -> None:
        old = facts.remember("users/ada", "The train leaves at nine")
        facts.remember("users/bob", "The train leaves at ten", supersedes=old.id)
        assert old in facts.list()
        new = facts.remember("users/ada", "The train leaves at eleven", supersedes=old.id)
        assert [fact.text for fact in facts.list("users/ada")] == [new.text]

    def test_what_is_in_a_namespace_is_in_those_around_it_and_in_no_other(self, facts: FactStore) -> None:
        texts = {
            name: facts.remember(name, f"the door code of {name}") for name in ("users", "users/ada", "users/ada/work", "users2", "Users/x")
        }

        def seen(namespace: str) -> set[str]:
            assert {fact.namespace for fact in facts.recall(namespace, "door code")} == {fact.namespace for fact in facts.list(namespace)}
            return {fact.namespace for fact in facts.list(namespace)}

        assert seen("users/ada") == {"users/ada", "users/ada/work"}
        assert seen("users") == {"users", "users/ada", "users/ada/work"}
        assert seen("users2") == {"users2"}
        assert seen("nobody") == set()
        assert len(facts.list()) == len(texts)

    def test_lists_are_in_order_and_can_be_narrowed(self, facts: FactStore) -> None:
        first, second, third = (facts.remember("notes", f"note {number}") for number in range(3))
        assert facts.list("notes") == [first, second, third]
        assert facts.list("notes", limit=2) == [first, second]
        assert facts.list(since=third.created) == [third]
        assert facts.list(run="no such run") == []

    @pytest.mark.parametrize(
        ("wrong", "said"),
        [
            ({"namespace": ""}, "namespace"),
            ({"namespace": "a b"}, "words joined by '/'"),
            ({"namespace": "a//b"}, "words joined by '/'"),
            ({"text": "  "}, "a fact says something"),
            ({"text": "half \ud800"}, "half a character"),
            ({"text": "\0"}, "NUL"),
            ({"text": "x" * 100_001}, "100001 characters"),
            ({"about": 3}, "about is a text"),
            ({"data": {1, 2}}, "plain JSON"),
            ({"data": float("nan")}, "plain JSON"),
        ],
    )
    def test_what_cannot_be_kept_is_refused_before_anything_is_written(self, facts: FactStore, wrong: dict[str, Any], said: str) -> None:
        with pytest.raises(InputError, match=said):
            facts.remember(**{"namespace": "notes", "text": "a text", **wrong})
        assert facts.list() == []

    @pytest.mark.parametrize(
        "text",
        ["'; DROP TABLE facts; --", "100 % ? $1 {} %s", "\u202eevil\r\n\t", "😀" * 20],
        ids=["quotes", "places", "controls", "astral"],
    )
    def test_a_text_is_only_ever_data(self, facts: FactStore, text: str) -> None:
        stored = facts.remember("notes", text, about=text, key=text, data=text)
        facts.recall("notes", text)
        assert facts.list() == [stored]
        assert facts.forget(stored.id) == 1


class TestRecalling:
    def test_the_nearest_by_words_come_first_with_scores(self, facts: FactStore) -> None:
        facts.remember("notes", "The dog is called Rex")
        facts.remember("notes", "The weekly report is made from the orders", about="making the weekly report")
        facts.remember("notes", "Reports are kept for ten years")

        found = facts.recall("notes", "Please make this week's reports: the weekly report for Bonn")

        assert [fact.about or fact.text for fact in found] == ["making the weekly report", "Reports are kept for ten years"]
        assert 1 > found[0].score > found[1].score > 0
        assert facts.recall("notes", "making the weekly report")[0].score == 1
        assert facts.recall("notes", "kept reports")[0].score == pytest.approx(2 / (2 * 4) ** 0.5), "the cosine of two sets of words"
        assert facts.recall("notes", "Please make the weekly report", 1) == facts.recall("notes", "Please make the weekly report")[:1]
        assert facts.recall("notes", "making the weekly report", threshold=0.9)[0].score == 1
        assert len(facts.recall("notes", "making the weekly report", threshold=0.9)) == 1

    def test_words_that_say_nothing_find_nothing(self, facts: FactStore) -> None:
        facts.remember("notes", "What is it that you are to do with this?")
        facts.remember("notes", "The answer is 42")
        assert facts.recall("notes", "what is it with you?") == []
        assert facts.recall("notes", "") == []
        assert [fact.text for fact in facts.recall("notes", "42?")] == ["The answer is 42"]

    def test_case_accents_and_endings_make_no_difference(self, facts: FactStore) -> None:
        facts.remember("notes", "Zoé counts the CITIES")
        assert facts.recall("notes", "zoe\u2019s counting of a city")[0].score == 1

    def test_by_meaning_where_an_embedder_is_given(self, place: str) -> None:
        """A real embedding model: no word of the question is in the fact that answers it. What was stored without one is found as well."""
        embedder = LocalEmbedder()
        with open_facts(place) as plain, open_facts(place, embedder) as meant:
            store = meant if place == ":memory:" else plain
            store.remember("notes", "Her dog is called Rex")
            store.remember("notes", "The invoice was paid in March")
            found = meant.recall("notes", "What name does the pet have?")
            forgotten = meant.forget(found[0].id)

            assert found[0].text == "Her dog is called Rex"
            assert found[0].score > found[1].score + 0.1
            assert forgotten == 1
            assert [fact.text for fact in meant.recall("notes", "What name does the pet have?")] == ["The invoice was paid in March"]
            assert plain.recall("notes", "What name does the pet have?") == []

    def test_vectors_of_another_model_are_not_compared(self, lasting: str) -> None:
        with open_facts(lasting, Letters("first")) as store:
            store.remember("notes", "abc")
            assert store.recall("notes", "abc")[0].score == 1
        with open_facts(lasting, Letters("second", shift=1)) as store:
            assert store.recall("notes", "abc")[0].score == 1

    @pytest.mark.parametrize(
        ("wrong", "said"),
        [
            ({"limit": 0}, "1 or more"),
            ({"limit": True}, "1 or more"),
            ({"threshold": 2}, "from 0 to 1"),
            ({"query": None}, "query is a text"),
        ],
    )
    def test_bad_questions_are_refused(self, facts: FactStore, wrong: dict[str, Any], said: str) -> None:
        with pytest.raises(InputError, match=said):
            facts.recall(**{"namespace": "notes", "query": "x", **wrong})


class TestForgetting:
    def test_by_id_with_all_that_it_had_superseded(self, facts: FactStore) -> None:
        facts.remember("users/ada", "Ada lives in Bonn", key="home")
        new = facts.remember("users/ada", "Ada lives in Graz", key="home")
        kept = facts.remember("users/ada", "Ada plays chess")

        assert facts.forget(new.id) == 2
        assert facts.list(superseded=True) == [kept]
        assert facts.forget(new.id) == 0
        assert facts.forget("no such fact") == 0

    def test_by_namespace(self, facts: FactStore) -> None:
        for name in ("users/ada", "users/bob", "users2"):
            facts.remember(name, "a note")
        assert facts.forget(namespace="users") == 2
        assert [fact.namespace for fact in facts.list()] == ["users2"]

    def test_one_way_at_a_time(self, facts: FactStore) -> None:
        for wrong in ({}, {"fact_id": "a", "namespace": "b"}, {"namespace": "b", "run": "c"}):
            with pytest.raises(InputError, match="one of"):
                facts.forget(**wrong)

    def test_nothing_of_it_is_left_in_the_file(self, tmp_path: Path) -> None:
        """Neither in its pages nor in its log, although the store is still open: but for the id, by which it cannot come back."""
        file = tmp_path / "runs.db"
        with open_facts(file, Letters("letters")) as facts:
            stored = facts.remember("users/ada", "the xylophone is in the attic", data="zeppelin")
            facts.remember("users/ada", "something else")
            facts.recall("users/ada", "xylophone")
            assert "xylophone" in _words(_bytes_under(tmp_path))

            facts.forget(stored.id)
            assert not {"xylophone", "attic", "zeppelin"} & set(_words(_bytes_under(tmp_path)))
            assert stored.id in _bytes_under(tmp_path)


class TestMoving:
    def test_what_was_exported_is_the_same_elsewhere(self, facts: FactStore) -> None:
        facts.remember("users/ada", "Ada lives in Bonn\nsince\u2028May\x1e\x85", key="home", data=[1, None, {"a": "ä"}])
        facts.remember("users/ada", "Ada lives in Graz", key="home", about="Ada's home")
        facts.remember("users/bob", "Bob plays chess")
        lines = facts.export()

        with open_facts(":memory:") as other:
            assert other.import_(lines) == 3
            assert other.import_(lines.splitlines()) == 0
            assert other.list(superseded=True) == facts.list(superseded=True)
            assert other.export() == lines
            assert [fact.text for fact in other.recall("users", "who plays chess?")] == ["Bob plays chess"]
        assert [json.loads(line)["namespace"] for line in facts.export("users/bob").splitlines()] == ["users/bob"]

    def test_what_was_forgotten_here_is_not_brought_back(self, facts: FactStore) -> None:
        stored = facts.remember("notes", "a note")
        lines = facts.export()
        facts.forget(stored.id)
        assert facts.import_(lines) == 0
        assert facts.list() == []

    def test_of_two_with_one_key_the_newer_holds(self, facts: FactStore) -> None:
        with open_facts(":memory:") as other:
            older = other.remember("notes", "the older", key="k")
            here = facts.remember("notes", "the newer", key="k")
            facts.import_(other.export())
            assert facts.list() == [here]
            assert facts.get(older.id).superseded_by == here.id  # type: ignore[union-attr]
            newest = other.remember("notes", "the newest", key="k")
            facts.import_(other.export())
            assert [fact.id for fact in facts.list()] == [newest.id]

    @pytest.mark.parametrize(
        "line",
        [
            "{",
            "[]",
            "{}",
            '{"format": 2}',
            '{"format": 1, "id": "x"}',
            '{"format": 1, "id": 3, "namespace": "n", "text": "t", "source": {}}',
        ],
    )
    def test_a_line_that_is_no_fact_is_named_and_nothing_is_written(self, facts: FactStore, line: str) -> None:
        with open_facts(":memory:") as other:
            other.remember("notes", "a note")
            good = other.export()
        with pytest.raises(InputError, match="line 2"):
            facts.import_(good + line)
        assert facts.list() == []


class TestPlaces:
    def test_facts_and_runs_share_a_file_and_leave_each_other_alone(self, tmp_path: Path) -> None:
        """Whichever was there first."""
        graph = _hello()
        for first in ("runs", "facts"):
            file = tmp_path / f"{first}.db"
            if first == "runs":
                graph.run("hi", store=file, run_id="one")
            with open_facts(file) as facts, open_store(file) as runs:
                stored = facts.remember("notes", "a note")
                graph.run("hi", store=runs, run_id="two")
                assert graph.replay("two", store=runs).status == "finished"
                assert facts.list() == [stored]
            with open_store(file) as runs, open_facts(runs) as facts:
                assert facts.list() == [stored]
                assert "two" in [run.run_id for run in runs.runs()]

    def test_nothing_is_opened_before_it_is_needed(self, tmp_path: Path) -> None:
        open_facts(tmp_path / "runs.db").close()
        open_facts(tmp_path / "no" / "folder.db").close()
        assert list(tmp_path.iterdir()) == []
        with pytest.raises(StoreUnavailable, match="there is no folder"):
            open_facts(tmp_path / "no" / "folder.db").list()

    def test_what_is_closed_says_so(self, facts: FactStore) -> None:
        facts.remember("notes", "a note")
        facts.close()
        facts.close()
        with pytest.raises(StoreUnavailable, match="closed"):
            facts.list()

    @pytest.mark.parametrize(("url", "said"), [("mysql://x/y", "the kinds are"), ("", "names no place"), ("sqlite:///", "names no place")])
    def test_other_urls_are_refused_at_once(self, url: str, said: str) -> None:
        with pytest.raises(InputError, match=said):
            open_facts(url)

    def test_in_postgresql_too_facts_and_runs_are_side_by_side(self, cluster: str) -> None:
        """Whichever was there first. Tenants are not taken over silently: facts have namespaces of their own."""
        for first in ("runs", "facts"):
            url = new_database(cluster)
            with open_facts(url) as facts:
                if first == "facts":
                    facts.remember("notes", "a note")
                with open_store(url) as runs:
                    result = _hello().run("hi", store=runs)
                    facts.remember("notes", "another note")
                    assert _hello().replay(result.run_id, store=runs).status == "finished"
                    with pytest.raises(InputError, match="give open_facts its URL"):
                        open_facts(runs)
                assert len(facts.list()) == (2 if first == "facts" else 1)
            with pytest.raises(InputError, match="namespaces of their own"):
                open_facts(f"{url}&namespace=tenant")

    def test_an_embedder_is_an_embedder(self) -> None:
        with pytest.raises(InputError, match="turns texts into vectors"):
            open_facts(":memory:", "all-MiniLM-L6-v2")  # type: ignore[arg-type]

    def test_another_programs_file_is_left_alone(self, tmp_path: Path) -> None:
        file = tmp_path / "theirs.db"
        with sqlite3.connect(file) as db:
            db.execute("CREATE TABLE theirs(x)")
        db.close()
        with pytest.raises(StoreFormat, match="another program"):
            open_facts(file).list()

    def test_facts_of_a_newer_version_are_left_alone(self, tmp_path: Path) -> None:
        file = tmp_path / "runs.db"
        with open_facts(file) as facts:
            facts.remember("notes", "a note")
        with sqlite3.connect(file) as db:
            db.execute("UPDATE fact_format SET version = 99")
        db.close()
        with pytest.raises(StoreFormat, match="a newer convgraph wrote these facts"):
            open_facts(file).list()

    def test_a_server_that_is_not_there_is_said_without_the_password(self) -> None:
        with open_facts("postgresql://ada:hunter2@127.0.0.1:1/facts") as facts, pytest.raises(StoreUnavailable) as raised:
            facts.list()
        assert "127.0.0.1" in str(raised.value)
        assert "hunter2" not in str(raised.value)

    def test_a_lost_connection_is_made_again(self, cluster: str) -> None:
        with open_facts(new_database(cluster)) as facts:
            stored = facts.remember("notes", "a note")
            with psycopg.connect(cluster, autocommit=True) as other:
                other.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname <> 'postgres'"
                )
            assert facts.list() == [stored]

    def test_psycopg_is_asked_for_by_its_extra(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "psycopg", None)
        with pytest.raises(MissingDependency, match=r"convgraph\[postgres\]"):
            open_facts("postgresql://localhost/x").list()


class TestSeveralAtOnce:
    def test_two_processes_write_and_nothing_is_lost(self, lasting: str) -> None:
        """The keys are the same in both: of each, one fact holds, and the other is what it superseded."""
        count = 25
        writers = [subprocess.Popen([sys.executable, "-c", _WRITER, lasting, name, str(count)]) for name in ("one", "two")]
        assert [writer.wait(60) for writer in writers] == [0, 0]
        with open_facts(lasting) as facts:
            living, all_of_them = facts.list("notes"), facts.list("notes", superseded=True)

        assert len(all_of_them) == 4 * count
        assert len([fact for fact in living if fact.key is None]) == 2 * count
        assert sorted(fact.key for fact in living if fact.key) == sorted(f"key {number}" for number in range(count))

    async def test_the_asynchronous_forms_may_be_used_together(self, place: str) -> None:
        async with open_facts(place) as facts:
            stored = await asyncio.gather(*(facts.aremember("notes", f"note {number}") for number in range(8)))
            assert {fact.id for fact in await facts.alist()} == {fact.id for fact in stored}
            assert facts.recall("notes", "note 3")[0].text == "note 3", "the synchronous form works inside a loop, as in a notebook"


_WRITER = """
import sys
from convgraph.knowledge.facts import open_facts
_, url, name, count = sys.argv
with open_facts(url) as facts:
    for number in range(int(count)):
        facts.remember("notes", f"{name} has noted {number}")
        facts.remember("notes", f"{name} keeps {number}", key=f"key {number}")
"""


class Letters:
    """An embedder whose vectors say which letters a text has: nothing but the interface."""

    def __init__(self, name: str, shift: int = 0) -> None:
        self.name = name
        self.dimensions = 32
        self._shift = shift

    def describe(self) -> dict[str, Any]:
        return {"type": "Letters"}

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        return [self._vector(text) for text in texts]

    def _vector(self, text: str) -> list[float]:
        counts = [0.0] * 32
        for letter in text:
            counts[(ord(letter) + self._shift) % 32] += 1
        length = sum(count * count for count in counts) ** 0.5 or 1
        return [count / length for count in counts]


def _hello() -> ConversationGraph:
    graph = ConversationGraph("hello")
    graph.add_node(lambda ctx: "hello", name="host")
    graph.add_edge("host", END)
    graph.set_start("host")
    return graph


def _bytes_under(folder: Path) -> str:
    return "".join(path.read_bytes().decode("latin-1") for path in folder.iterdir())


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z]+", text)
