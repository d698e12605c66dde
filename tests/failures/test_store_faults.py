"""Disks fill up, files are read-only, damaged, or somebody else's: a clear error, and nothing lost that was committed."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from convgraph import END, Context, ConversationGraph, RunResult, open_store
from convgraph.errors import ConvgraphError, InputError, RunBusy, StoreCorrupt, StoreError, StoreFormat, StoreUnavailable
from convgraph.journal.store import Store

NOBODY = 65534


def talker(turns: int = 400, size: int = 2000) -> ConversationGraph:
    """One node that says a lot."""

    async def talk(ctx: Context) -> str:
        return f"{ctx.turn}:" + "x" * size

    graph = ConversationGraph("talker")
    graph.add_node(talk)
    graph.add_edge("talk", END, when=f"turn >= {turns}")
    graph.add_edge("talk", "talk")
    graph.set_start("talk")
    return graph


@contextlib.contextmanager
def few_pages(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A database that may not grow beyond 100 pages: SQLite reports a full disk."""
    connect: Callable[..., sqlite3.Connection] = sqlite3.connect

    def bounded(*args: Any, **options: Any) -> sqlite3.Connection:
        db = connect(*args, **options)
        db.execute("PRAGMA max_page_count=100")
        return db

    with monkeypatch.context() as patched:
        patched.setattr(sqlite3, "connect", bounded)
        yield folder / "runs.db"


@contextlib.contextmanager
def small_files(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A process that may not write files of more than 400 kB."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, limits[1]))
    try:
        yield folder / "runs.db"
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)


@contextlib.contextmanager
def small_disk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A disk of 500 kB, where a disk can be mounted; elsewhere, files that may not grow."""
    mounted = os.geteuid() == 0 and _quiet("mount", "-t", "tmpfs", "-o", "size=500k", "tmpfs", str(folder)) == 0
    if not mounted:
        with small_files(folder, monkeypatch) as path:
            yield path
        return
    try:
        yield folder / "runs.db"
    finally:
        _quiet("umount", "-l", str(folder))


@pytest.mark.parametrize("no_room", [few_pages, small_files, small_disk])
def test_a_full_disk_stops_the_run_and_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_room: Any) -> None:
    """What was committed can be read there and then; with room again, the run goes on from it to its end.

    At once where there was room to give it back, else when its lease has run out: its process lives, and might be at it.
    """
    folder, copy = tmp_path / "disk", tmp_path / "copy.db"
    folder.mkdir()
    graph, seen = talker(), list[Any]()
    with no_room(folder, monkeypatch) as path:
        with open_store(path, lease=1.0) as store:
            with pytest.raises(StoreUnavailable, match=r"runs\.db"):
                graph.run("hello", store=store, run_id="run", listener=lambda event: seen.append(event.kind))
            steps = [recorded for recorded in store.events("run") if recorded.event.kind == "step"]
            assert 0 < len(steps) < 400
            # Every step but the one that did not fit any more.
            assert seen.count("step") - len(steps) <= 1
        with sqlite3.connect(path) as source, sqlite3.connect(copy) as target:
            source.backup(target)
        source.close()
        target.close()
    with open_store(copy) as store:
        result = resumed_in_time(graph, store)
        assert [message.text.partition(":")[0] for message in result.messages] == ["hello", *map(str, range(1, 401))]
        assert [recorded for recorded in store.events("run") if recorded.event.kind == "step"][: len(steps)] == steps


def resumed_in_time(graph: ConversationGraph, store: Store) -> RunResult:
    """Resume the run as soon as that is allowed."""
    deadline = time.monotonic() + 5
    while True:
        try:
            return graph.resume("run", store=store)
        except RunBusy:
            assert time.monotonic() < deadline
            time.sleep(0.05)


@pytest.mark.parametrize("pages", range(1, 14))
def test_a_disk_that_is_full_from_the_start_leaves_no_half_made_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pages: int) -> None:
    connect: Callable[..., sqlite3.Connection] = sqlite3.connect

    def bounded(*args: Any, **options: Any) -> sqlite3.Connection:
        db = connect(*args, **options)
        db.execute(f"PRAGMA max_page_count={pages}")
        return db

    path = tmp_path / "runs.db"
    with monkeypatch.context() as patched:
        patched.setattr(sqlite3, "connect", bounded)
        with contextlib.suppress(StoreUnavailable), open_store(path) as store:
            talker(3).run("hello", store=store, run_id="first")
    with open_store(path) as store:
        assert talker(3).run("hello", store=store).status == "finished"


@pytest.fixture
def unprivileged(tmp_path: Path) -> Iterator[Path]:
    """A folder, and a user whom its permissions bind: root may write anywhere."""
    for folder in (tmp_path, *tmp_path.parents[:3]):
        with contextlib.suppress(PermissionError):
            folder.chmod(0o755)
    root = os.geteuid() == 0
    if root:
        os.chown(tmp_path, NOBODY, NOBODY)
        os.seteuid(NOBODY)
    try:
        yield tmp_path
    finally:
        if root:
            os.seteuid(0)
        tmp_path.chmod(0o755)


def test_a_read_only_file_is_said_to_be_one(unprivileged: Path) -> None:
    path = unprivileged / "runs.db"
    with open_store(path) as store:
        talker(2).run("hello", store=store, run_id="run")
    path.chmod(0o444)
    before = path.read_bytes()
    with pytest.raises(StoreUnavailable, match=r"runs\.db.*(read-only|readonly|cannot be written)"):
        talker(2).run("hello", store=path)
    assert path.read_bytes() == before


def test_a_read_only_folder_is_said_to_be_one(unprivileged: Path) -> None:
    unprivileged.chmod(0o555)
    with pytest.raises(StoreUnavailable, match=r"runs\.db.*cannot be (written|opened)"):
        open_store(unprivileged / "runs.db")


def test_a_file_that_becomes_read_only_stops_the_run_and_loses_nothing(unprivileged: Path) -> None:
    """A second process cannot open it for writing any more; what was committed can still be copied and read."""
    path = unprivileged / "runs.db"
    with open_store(path) as store:
        talker(2).run("hello", store=store, run_id="run")
    unprivileged.chmod(0o555)
    path.chmod(0o444)
    with pytest.raises(StoreUnavailable):
        open_store(path)
    unprivileged.chmod(0o755)
    path.chmod(0o644)
    with open_store(path) as store:
        assert len(store.events("run")) == 4


def _text(path: Path) -> None:
    path.write_text("Dear diary, today I was opened as a database. " * 50)


def _short_text(path: Path) -> None:
    path.write_text("no")


def _picture(path: Path) -> None:
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20)


def _foreign(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE runs(id INTEGER PRIMARY KEY, run_id TEXT)")
    db.close()


def _foreign_application(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA application_id=42")
        db.execute("PRAGMA user_version=1")
        db.execute("CREATE TABLE t(x)")
    db.close()


def _newer(path: Path) -> None:
    open_store(path).close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version=99")
    db.close()


@pytest.mark.parametrize("make", [_text, _short_text, _picture, _foreign, _foreign_application, _newer])
def test_a_file_that_is_not_ours_is_left_as_it_is(tmp_path: Path, make: Callable[[Path], None]) -> None:
    path = tmp_path / "runs.db"
    make(path)
    before = path.read_bytes()
    with pytest.raises(StoreFormat, match=r"runs\.db"):
        talker(1).run("hello", store=path)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("name", "error"),
    [("", StoreUnavailable), ("missing/runs.db", StoreUnavailable), ("\0.db", InputError), ("x" * 300, StoreUnavailable)],
    ids=["a folder", "a missing folder", "a NUL", "a long name"],
)
def test_a_path_that_cannot_be_a_store_is_said_to_be_none(tmp_path: Path, name: str, error: type[ConvgraphError]) -> None:
    with pytest.raises(error):
        open_store(f"{tmp_path}/{name}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("url", ["redis://x", "http://example.org/runs.db", "sqlite://", "sqlite:///", ""])
def test_a_url_that_names_no_store_is_refused(url: str) -> None:
    with pytest.raises(ConvgraphError):
        open_store(url)


class TestRows:
    """A damaged row is named, and does not keep the other runs from being read."""

    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        with open_store(tmp_path / "runs.db") as store:
            for run_id in ("good", "bad"):
                talker(3, 5).run("hello", store=store, run_id=run_id)
        return tmp_path / "runs.db"

    def damage(self, path: Path, statement: str, *values: Any) -> None:
        with sqlite3.connect(path) as db:
            changed = db.execute(statement, values)
            assert changed.rowcount == 1
        db.close()

    @pytest.mark.parametrize(
        "body",
        [
            "",
            "{",
            "null",
            "[]",
            "7",
            '{"path": 7, "node": []}',
            '{"path":"1"}',
            '{"path":"1","node":"talk","messages":"no"}',
            "\ud83d",
            "[" * 9000,
        ],
        ids=lambda body: body[:12].encode("utf-8", "replace").decode(),
    )
    def test_a_body_that_cannot_be_read_is_named(self, path: Path, body: str) -> None:
        text = body.encode("utf-8", "surrogatepass")
        statement = "UPDATE events SET body=CAST(? AS TEXT) WHERE seq=2 AND run=(SELECT id FROM runs WHERE run_id='bad')"
        self.damage(path, statement, text)
        with open_store(path) as store:
            for read in (lambda: store.events("bad"), lambda: talker(3, 5).resume("bad", store=store)):
                with pytest.raises(StoreCorrupt, match=r"run 'bad', event 2") as caught:
                    read()
                assert (caught.value.run_id, caught.value.seq) == ("bad", 2)
            assert len(store.events("good")) == 5
            assert {info.run_id for info in store.runs()} == {"good", "bad"}

    def test_an_event_of_a_newer_kind_is_named(self, path: Path) -> None:
        self.damage(path, "UPDATE events SET kind='telepathy' WHERE seq=2 AND run=(SELECT id FROM runs WHERE run_id='bad')")
        with open_store(path) as store:
            with pytest.raises(StoreFormat, match=r"run 'bad', event 2: unknown kind 'telepathy'.*newer"):
                store.events("bad")
            with pytest.raises(StoreFormat, match="telepathy"):
                talker(3, 5).resume("bad", store=store)
            assert len(store.events("good")) == 5

    def test_a_field_of_a_newer_version_is_passed_over(self, path: Path) -> None:
        statement = "UPDATE events SET body=json_set(body, '$.mood', 'sunny') WHERE seq=2 AND run=(SELECT id FROM runs WHERE run_id='bad')"
        self.damage(path, statement)
        with open_store(path) as store:
            assert [recorded.event.kind for recorded in store.events("bad")] == ["run_started", "step", "step", "step", "ended"]

    def test_a_journal_without_its_beginning_is_named(self, path: Path) -> None:
        self.damage(path, "DELETE FROM events WHERE seq=0 AND run=(SELECT id FROM runs WHERE run_id='bad')")
        with open_store(path) as store, pytest.raises(StoreCorrupt, match="'bad'"):
            talker(3, 5).resume("bad", store=store)

    def test_a_run_without_events_is_named(self, path: Path) -> None:
        with sqlite3.connect(path) as db:
            db.execute("DELETE FROM events WHERE run=(SELECT id FROM runs WHERE run_id='bad')")
        db.close()
        with open_store(path) as store, pytest.raises(StoreCorrupt, match="'bad'"):
            talker(3, 5).resume("bad", store=store)

    @pytest.mark.parametrize("column", ["schema", "answer"])
    def test_a_question_that_cannot_be_read_is_named(self, tmp_path: Path, column: str) -> None:
        async def ask(ctx: Context) -> str:
            return await ctx.ask("Name?", id="name")

        graph = ConversationGraph("asker")
        graph.add_node(ask)
        graph.add_edge("ask", END)
        graph.set_start("ask")
        path = tmp_path / "runs.db"
        with open_store(path) as store:
            assert graph.run("hello", store=store, run_id="bad", human="park").status == "waiting"
        self.damage(path, f"UPDATE questions SET {column}='{{nonsense'")
        with open_store(path) as store, pytest.raises(StoreCorrupt, match="question 'name' of run 'bad'"):
            store.questions()

    def test_a_damaged_page_is_a_damaged_file(self, tmp_path: Path) -> None:
        path = tmp_path / "runs.db"
        with open_store(path) as store:
            talker(50).run("hello", store=store, run_id="run")
        content = bytearray(path.read_bytes())
        for page in range(2, len(content) // 4096):
            content[page * 4096 : page * 4096 + 100] = b"\xff" * 100
        path.write_bytes(content)
        with pytest.raises(StoreError, match="damaged"):
            _read_all(path)


def test_a_closed_store_says_so(tmp_path: Path) -> None:
    store = open_store(tmp_path / "runs.db")
    store.close()
    store.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        store.runs()


def test_a_file_locked_for_too_long_is_said_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convgraph.journal.sqlite_commits.LOCKED_SECONDS", 0.2)
    path = tmp_path / "runs.db"
    with open_store(path) as store:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match="locked"):
            talker(2).run("hello", store=store, run_id="run")
        assert store.runs() == []
        other.execute("ROLLBACK")
        other.close()
        assert talker(2).run("hello", store=store, run_id="run").status == "finished"


def _read_all(path: Path) -> None:
    with open_store(path) as store:
        for info in store.runs():
            store.events(info.run_id)


def _quiet(*command: str) -> int:
    return subprocess.run(command, capture_output=True, check=False).returncode
