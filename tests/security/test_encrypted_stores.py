"""Who can read or write an encrypted store learns nothing from it, and changes nothing in it that is not noticed."""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from convgraph import END, Context, ConversationGraph, Keyring, open_store
from convgraph.errors import InputError, StoreCorrupt, StoreError, WrongKeys
from convgraph.journal.rekeying import encrypt_store, rekey_store
from convgraph.journal.rows import new_row
from convgraph.journal.runs import NewRun
from convgraph.journal.sealing import SealedRun, SealedStore
from convgraph.sync import run_sync
from tests.security.encrypted_stores import NEW, OLD, SECRET, Place, dump_of, files_of, had, whispering

TABLES = ("runs", "events", "contents", "questions", "sealing", "workers")


def stored(place: Place) -> bytes:
    """Everything that the database holds, as somebody who took it away would have it."""
    return dump_of(place.url) if place.url.startswith("postgresql") else files_of(Path(place.url))


def read(place: Place, keys: Keyring = OLD, run_id: str = "r") -> Any:
    """The run as a store gives it: its row, its events, its questions."""
    with open_store(place.url, keys=keys) as store:
        return store.runs(), store.events(run_id), store.questions(run_id)


class TestReading:
    def test_nothing_that_was_said_asked_answered_or_described_is_in_the_files(self, place: Place) -> None:
        had(place.url, OLD, answer=SECRET)
        found = stored(place)
        with open_store(place.url, keys=OLD) as store:
            found += stored(place)  # while it is open: with the log
            [question] = store.questions()
            result = whispering().resume("r", store=store)
            found += stored(place)
            assert question.answer == SECRET
            assert result.status == "finished"
            assert [message.text for message in whispering().replay("r", store=store).messages] == [m.text for m in result.messages]
            assert store.runs()[0].reason == result.stop_reason
        assert SECRET.encode() not in found
        assert result.stop_reason.encode() not in found
        assert b"whispering" in found, "the name of a graph is not hidden: the page on security says so"

    def test_the_same_words_are_never_written_the_same(self, place: Place) -> None:
        had(place.url, OLD)
        had(place.url, OLD, "r2")
        bodies = [row[0] for row in place.do("SELECT body FROM events")]
        assert len(set(bodies)) == len(bodies)

    def test_names_of_texts_cannot_be_guessed_from_the_texts(self, place: Place) -> None:
        """A digest of a known prompt would tell that it was used."""
        had(place.url, OLD)
        with open_store(place.url, keys=OLD) as store:
            digest = store.events("r")[0].event.definition  # type: ignore[union-attr]
        assert digest.encode() not in stored(place)

    def test_a_plain_store_is_as_readable_as_ever(self, place: Place) -> None:
        had(place.url, None)
        assert SECRET.encode() in stored(place)


class TestKeys:
    def test_without_keys_with_others_and_with_keys_for_a_plain_store_it_is_not_opened(self, place: Place, tmp_path: Path) -> None:
        had(place.url, OLD)
        for keys, said in (
            (None, "the store is encrypted; give its keys= when it is opened"),
            (Keyring({"2026-05": b"x" * 32}), "does not open with the key '2026-05'"),
            (Keyring({"other": b"o" * 32}), "sealed with the key '2026-05', and the keys given are other"),
        ):
            with pytest.raises(WrongKeys, match=said), open_store(place.url, keys=keys) as store:
                whispering().run("hello", store=store)
        had(tmp_path / "plain.db", None)
        with pytest.raises(WrongKeys, match="convgraph encrypt"):
            open_store(tmp_path / "plain.db", keys=OLD)
        assert [row[0] for row in place.do("SELECT count(*) FROM runs")] == [1]

    def test_a_store_is_one_or_the_other_from_the_first_look(self, place: Place) -> None:
        with open_store(place.url) as store:
            assert store.runs() == []
        with pytest.raises(WrongKeys), open_store(place.url, keys=OLD) as store:
            store.runs()

    def test_keys_come_from_the_environment_and_from_a_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "keys").write_text(f"# the newest first\n{NEW.text()}")
        monkeypatch.setenv("CONVGRAPH_KEYS", f"@{tmp_path / 'keys'}")
        whispering().run("hello", store=tmp_path / "a.db", run_id="r", human="park")
        monkeypatch.setenv("CONVGRAPH_KEYS", NEW.text().replace("\n", ","))
        assert [question.prompt for question in open_store(tmp_path / "a.db").questions()] == [f"is it {SECRET}?"]
        monkeypatch.delenv("CONVGRAPH_KEYS")
        with pytest.raises(WrongKeys):
            open_store(tmp_path / "a.db")

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("", "no key"),
            ("abc", "entry 1 is no key"),
            ("a:äö", "no base64"),
            ("a:AAAA", "3 bytes"),
            ("a b:" + "A" * 43 + "=", "the id of a key"),
            (OLD.text() + OLD.text(), "two keys"),
        ],
    )
    def test_what_is_no_key_is_refused_without_being_repeated(self, text: str, said: str) -> None:
        with pytest.raises(InputError, match=said) as told:
            Keyring.from_text(text)
        assert "AAAA" not in str(told.value)
        assert OLD.text().partition(":")[2].strip() not in str(told.value)

    def test_a_key_is_in_no_message_no_repr_and_no_pickle(self, tmp_path: Path) -> None:
        assert repr(NEW) == "Keyring(2026-11, 2026-05)"
        with pytest.raises(TypeError):
            pickle.dumps(NEW)
        with open_store(tmp_path / "a.db", keys=OLD) as store:
            assert "oooo" not in repr(vars(store)) + store.url
        with pytest.raises(InputError, match="takes a Keyring"):
            open_store(tmp_path / "b.db", keys=b"o" * 32)  # type: ignore[arg-type]


class TestChanging:
    """What somebody does who can write to the database, and has no keys."""

    @pytest.fixture(autouse=True)
    def _runs(self, place: Place) -> None:
        had(place.url, OLD, answer="yes")
        had(place.url, OLD, "other", answer="no")

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ("UPDATE events SET body=(SELECT body FROM events e WHERE e.run=events.run AND e.seq=2) WHERE seq=4", "event 4"),
            (
                "UPDATE events SET body=(SELECT body FROM events e WHERE e.run<>events.run AND e.seq=3) WHERE seq=3 AND run=1",
                "run 'r', event 3 .* belongs elsewhere",
            ),
            ("UPDATE events SET kind='inner_step' WHERE kind='step'", "event 3"),
            ("UPDATE events SET epoch=0 WHERE seq=3", "event 3"),
            ("UPDATE events SET body=substr(body, 1, 40) WHERE seq=3", "event 3"),
            ("UPDATE events SET body='{}' WHERE seq=3", "event 3 .* no sealed text"),
            ("DELETE FROM events WHERE seq=3", "event 3 is missing"),
            ("DELETE FROM events WHERE seq>=8", "event 8 is missing"),
            ("DELETE FROM events", "event 0 is missing"),
            ("UPDATE runs SET status='finished'", "the row of run"),
            ("UPDATE runs SET epoch=7", "the row of run"),
            ("UPDATE runs SET graph='another'", "the row of run"),
            ("UPDATE runs SET parent='other', parent_seq=3, parent_step=1 WHERE run_id='r'", "the row of run 'r'"),
            ("UPDATE runs SET seal=(SELECT seal FROM runs o WHERE o.run_id<>runs.run_id)", "the row of run"),
            ("UPDATE runs SET seal='' WHERE run_id='r'", "the row of run 'r'"),
            ("UPDATE questions SET answer=(SELECT answer FROM questions o WHERE o.run<>questions.run)", "question '.*' of run"),
            ("UPDATE questions SET answer='\"yes\"'", "no sealed text"),
            ("UPDATE questions SET prompt=schema", "question '.*' of run"),
        ],
    )
    def test_what_was_changed_exchanged_or_deleted_is_noticed_and_named(self, place: Place, change: str, said: str) -> None:
        place.do(change)
        with pytest.raises(StoreCorrupt, match=said):
            read(place)
        with pytest.raises(StoreError), open_store(place.url, keys=OLD) as store:
            whispering().resume("r", store=store)

    @pytest.mark.parametrize("change", ["DELETE FROM events WHERE seq=5", "DELETE FROM events WHERE seq>=8", "UPDATE events SET epoch=9"])
    def test_who_follows_a_run_notices_as_well(self, place: Place, change: str) -> None:
        place.do(change)
        with open_store(place.url, keys=OLD) as store, pytest.raises(StoreCorrupt, match="event"):
            run_sync(store.load("r", after=3))

    @pytest.mark.parametrize("change", ["UPDATE sealing SET marker=''", "DELETE FROM sealing", "UPDATE sealing SET marker='2026-05:AAAA'"])
    def test_who_has_keys_is_never_talked_into_writing_plain(self, place: Place, change: str) -> None:
        place.do(change)
        with pytest.raises(StoreError), open_store(place.url, keys=OLD) as store:
            whispering().resume("r", store=store)
        assert SECRET.encode() not in stored(place)

    def test_a_row_that_was_put_back_is_noticed(self, place: Place) -> None:
        """An earlier state of the run's row, from before it went on."""
        [[before]] = place.do("SELECT seal FROM runs WHERE run_id='r'")
        with open_store(place.url, keys=OLD) as store:
            assert whispering().resume("r", store=store).status == "finished"
        place.do("UPDATE runs SET seal=?, status='waiting', epoch=1 WHERE run_id='r'", (before,))
        with pytest.raises(StoreCorrupt, match="somebody has put it back"):
            read(place)

    def test_an_answer_to_an_earlier_asking_does_not_fit_a_later_one(self, place: Place) -> None:
        [[answer]] = place.do("SELECT answer FROM questions WHERE run=(SELECT id FROM runs WHERE run_id='r')")
        place.do("DELETE FROM questions WHERE run=(SELECT id FROM runs WHERE run_id='r')")
        with open_store(place.url, keys=OLD) as store:
            whispering().resume("other", store=store)
            fork = whispering().fork("r", store=store, at=2, new_id="again")
            whispering().resume(fork, store=store, human="park")
        place.do("UPDATE questions SET answer=?", (answer,))
        with pytest.raises(StoreCorrupt, match="run 'again'"):
            read(place, run_id="again")

    def test_a_text_that_was_changed_is_not_taken(self, place: Place) -> None:
        with open_store(place.url, keys=OLD) as store:
            digest = store.events("r")[0].event.definition  # type: ignore[union-attr]
            assert SECRET in (run_sync(store.content(digest)) or "")
            [[sealed]] = place.do("SELECT body FROM contents")
            place.do("UPDATE contents SET body=?", (sealed[:-8] + "AAAAAAA=",))
            with pytest.raises(StoreCorrupt, match=f"the stored text {digest} cannot be read"):
                run_sync(store.content(digest))


class TestRotation:
    def test_new_writes_take_the_newest_key_and_old_ones_are_read(self, place: Place) -> None:
        had(place.url, OLD, answer="yes")
        with open_store(place.url, keys=NEW) as store:
            assert whispering().resume("r", store=store).status == "finished"
        ids = {row[0].partition(":")[0] for row in place.do("SELECT body FROM events")}
        assert ids == {"2026-05", "2026-11"}

    def test_rekeyed_a_store_needs_no_older_key(self, place: Place) -> None:
        had(place.url, OLD, answer="yes")
        before = read(place)
        newest = Keyring({"2026-11": b"n" * 32})
        assert rekey_store(place.url, NEW) > 10
        assert b"2026-05" not in stored(place)
        assert read(place, newest) == before
        assert rekey_store(place.url, newest) == 0
        with open_store(place.url, keys=newest) as store:
            assert whispering().resume("r", store=store).status == "finished"

    def test_a_store_is_rekeyed_while_its_runs_go_on(self, place: Place) -> None:
        """A process that has the older key alone still writes with it: what it wrote meanwhile is for the next rekeying."""

        async def ask(ctx: Context) -> str:
            await asyncio.to_thread(rekey_store, place.url, NEW)
            return f"turn {ctx.turn}"

        graph = ConversationGraph("going-on")
        graph.add_node(ask)
        graph.add_edge("ask", END, when="turn >= 3")
        graph.add_edge("ask", "ask")
        graph.set_start("ask")
        with open_store(place.url, keys=OLD) as store:
            result = graph.run("hello", store=store, run_id="r")
        assert result.status == "finished", result.stop_reason
        assert rekey_store(place.url, NEW) > 0
        with open_store(place.url, keys=Keyring({"2026-11": b"n" * 32})) as store:
            assert graph.replay("r", store=store).messages == result.messages

    def test_a_rekeying_that_is_killed_goes_on_where_it_stopped(self, place: Place) -> None:
        """Ten times at growing distances: whatever was sealed anew by then, all of it is readable, and it comes to its end."""
        for number in range(12):
            had(place.url, OLD, f"r{number}")
        before = read(place, run_id="r7")
        program = (
            "import sys; from convgraph import Keyring; from convgraph.journal import rekeying\n"
            "rekeying.AT_ONCE = 1\n"
            "ring = Keyring({'2026-11': b'n' * 32, '2026-05': b'o' * 32}); print('ready', flush=True)\n"
            "rekeying.rekey_store(sys.argv[1], ring)"
        )
        for _ in range(3):
            process = subprocess.Popen([sys.executable, "-c", program, place.url], stdout=subprocess.PIPE)
            assert process.stdout is not None
            process.stdout.readline()
            already = renewed(place)
            while renewed(place) < already + 10 and process.poll() is None:
                time.sleep(0.002)
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            process.stdout.close()
            assert read(place, NEW, "r7") == before
        part = renewed(place)
        assert 0 < part < place.do("SELECT count(*) FROM events")[0][0]
        rekey_store(place.url, NEW)
        assert renewed(place) == place.do("SELECT count(*) FROM events")[0][0]
        assert read(place, Keyring({"2026-11": b"n" * 32}), "r7") == before


def renewed(place: Place) -> int:
    """How many events are under the new key."""
    return place.do("SELECT count(*) FROM events WHERE substr(body, 1, 8)='2026-11:'")[0][0]


class TestEncrypting:
    def test_a_plain_store_is_encrypted_with_all_that_it_holds_and_goes_on(self, place: Place) -> None:
        had(place.url, None, answer="yes")
        with open_store(place.url) as store:
            before = store.runs(), store.events("r"), store.questions("r")
            fork = whispering().fork("r", store=store, at=2)
        assert encrypt_store(place.url, OLD) > 10
        assert SECRET.encode() not in stored(place)
        after = read(place)
        assert (after[0][1:], *after[1:]) == (before[0], *before[1:])
        with open_store(place.url, keys=OLD) as store:
            assert whispering().resume("r", store=store).status == "finished"
            assert whispering().resume(fork, store=store, human="park").status == "waiting"

    def test_a_store_whose_runs_run_is_not_encrypted_under_them(self, place: Place) -> None:
        with open_store(place.url) as store:
            run_sync(store.create(NewRun("r", "g", "f")))
            with pytest.raises(InputError, match="is being run by"):
                encrypt_store(place.url, OLD)
            assert store.runs()[0].status == "running"


def test_each_text_has_a_nonce_of_its_own_and_each_run_a_key_of_its_own(tmp_path: Path) -> None:
    """So that no number of steps comes near to what AES-GCM can take under one key."""
    store = SealedStore(OLD, "here", "")
    row = new_row(NewRun("r", "g", "f"), "running", 0)
    one, other = store.new_run(row), store.new_run(row)
    assert isinstance(one, SealedRun)
    assert isinstance(other, SealedRun)
    sealed = one.event(0, 1, "step", "{}")
    assert sealed != one.event(0, 1, "step", "{}")
    assert one.opened_event(0, 1, "step", sealed) == "{}"
    with pytest.raises(StoreCorrupt):
        other.opened_event(0, 1, "step", sealed)
