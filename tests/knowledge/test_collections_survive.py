"""A collection's file is whole at any moment, for any number of readers, and refuses to be what it is not."""

from __future__ import annotations

import contextlib
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from convgraph import END, START, Collection, ConversationGraph, open_store
from convgraph.errors import InputError, MissingDependency, ModelError, StoreFormat, StoreUnavailable
from convgraph.knowledge.documents import Document
from convgraph.testing.embeddings import embedding

CHUNKS = 12
"""How many chunks each of the documents below has."""


class Words:
    """Embeds without a model: texts that share words are near each other."""

    def __init__(self, name: str = "words", dimensions: int = 64) -> None:
        self.name = name
        self.dimensions = dimensions

    def describe(self) -> Mapping[str, Any]:
        return {"type": self.name}

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        return [embedding(text, self.dimensions) for text in texts]


def document(number: int, version: str) -> Document:
    sections = [f"# {version} {part}\n\n" + f"document {number} says {version} in part {part}. " * 3 for part in range(CHUNKS)]
    return Document(f"{number}.md", "\n\n".join(sections), kind="markdown")


def collection(path: Path, **settings: Any) -> Collection:
    return Collection(path, **{"embedder": Words(), "chunk_tokens": 40, "chunk_overlap": 0, **settings})


def versions(searched: Collection, number: int) -> list[str]:
    """What the chunks of a document say that they are."""
    found = searched.search(f"document {number}", limit=1000, by="words")
    return [each.chunk.heading.split()[0] for each in found if each.source == f"{number}.md"]


WRITER = f"""
import os, signal, sys
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from pathlib import Path
from convgraph.knowledge import collection, collection_file
from tests.knowledge.test_collections_survive import collection as opened, document

collection.PORTION = 1
inserted, insert = 0, collection_file.CollectionFile._insert

def insert_until(*args):
    global inserted
    inserted += 1
    if inserted > int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
    return insert(*args)

collection_file.CollectionFile._insert = insert_until
opened(Path(sys.argv[1])).add(document(number, "new") for number in range(4))
"""


@pytest.mark.parametrize("inserts", [0, CHUNKS // 2, CHUNKS, 2 * CHUNKS + 5])
def test_a_killed_writer_leaves_each_document_as_it_was_or_as_it_is(tmp_path: Path, inserts: int) -> None:
    path = tmp_path / "docs.db"
    before = collection(path)
    before.add(document(number, "old") for number in range(3))
    before.close()

    killed = subprocess.run([sys.executable, "-c", WRITER, str(path), str(inserts)], capture_output=True, check=False)

    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    after = collection(path)
    done = inserts // CHUNKS
    assert [versions(after, number) for number in range(3)] == [["new" if number < done else "old"] * CHUNKS for number in range(3)]
    assert len(after.search("document", limit=1000)) == after.count == 3 * CHUNKS
    assert after.add(document(number, "new") for number in range(4)) == (4 - done) * CHUNKS
    assert [versions(after, number) for number in range(4)] == [["new"] * CHUNKS] * 4


def test_readers_see_whole_documents_while_one_writes(tmp_path: Path) -> None:
    path = tmp_path / "docs.db"
    writer = collection(path)
    writer.add(document(0, "old"))
    seen: list[list[str]] = []
    stop = threading.Event()

    def read() -> None:
        reader = collection(path)
        while not stop.is_set():
            seen.append(versions(reader, 0))
        reader.close()

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for turn in range(12):
        writer.add(document(0, "new" if turn % 2 else "old"))
    stop.set()
    for reader in readers:
        reader.join()

    assert len(seen) >= 3
    assert all(len(each) == CHUNKS and len(set(each)) == 1 for each in seen)


def test_writers_in_several_processes_make_one_collection(tmp_path: Path) -> None:
    """The file is not there yet, and all of them make it at the same moment."""
    code = WRITER.replace("range(4)", "range(int(sys.argv[3]), int(sys.argv[3]) + 4)")
    writers = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "docs.db"), "9999", str(first)], stderr=subprocess.PIPE)
        for first in (0, 2, 4)
    ]
    complaints = [writer.communicate()[1].decode() for writer in writers]

    assert complaints == ["", "", ""]
    made = collection(tmp_path / "docs.db")
    assert made.sources == [f"{number}.md" for number in range(8)]
    assert made.count == 8 * CHUNKS


def test_one_collection_may_be_used_by_many_threads() -> None:
    shared = Collection(embedder=Words(), chunk_tokens=40, chunk_overlap=0)
    threads = [threading.Thread(target=shared.add, args=(document(number, "new"),)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert shared.count == 6 * CHUNKS


def test_what_cannot_be_embedded_leaves_everything_as_it_was(tmp_path: Path) -> None:
    class Broken(Words):
        async def embed(self, texts: Sequence[str]) -> list[list[float]]:
            raise ModelError("the endpoint is down")

    collection(tmp_path / "docs.db").add(document(0, "old"))

    with pytest.raises(ModelError, match="down"):
        collection(tmp_path / "docs.db", embedder=Broken()).add(document(0, "new"))
    assert set(versions(collection(tmp_path / "docs.db"), 0)) == {"old"}


@pytest.mark.parametrize("use", ["add", "search", "words", "remove", "count"])
def test_another_embedders_collection_is_refused(tmp_path: Path, use: str) -> None:
    collection(tmp_path / "docs.db").add(document(0, "old"))
    other = collection(tmp_path / "docs.db", embedder=Words("other"))

    with pytest.raises(InputError, match=r"'documents' in .*docs\.db was embedded with 'words' and cannot be used with 'other'"):
        {
            "add": lambda: other.add(document(1, "new")),
            "search": lambda: other.search("document"),
            "words": lambda: other.search("document", by="words"),
            "remove": lambda: other.remove("0.md"),
            "count": lambda: other.count,
        }[use]()
    assert collection(tmp_path / "docs.db").count == CHUNKS


@pytest.mark.parametrize("use", ["add", "search"])
def test_vectors_of_another_length_are_refused(tmp_path: Path, use: str) -> None:
    """A model may change behind its name."""
    collection(tmp_path / "docs.db").add(document(0, "old"))
    changed = collection(tmp_path / "docs.db", embedder=Words(dimensions=32))

    with pytest.raises(InputError, match="vectors of 64 numbers, and 'words' now makes 32"):
        {"add": lambda: changed.add(document(1, "new")), "search": lambda: changed.search("document")}[use]()
    assert collection(tmp_path / "docs.db").sources == ["0.md"]


def test_a_store_of_runs_is_no_collection_and_the_other_way_around(tmp_path: Path) -> None:
    graph = ConversationGraph("g")
    graph.add_node(lambda ctx: "hello", name="a")
    graph.add_edge(START, "a")
    graph.add_edge("a", END)
    graph.run("hi", store=str(tmp_path / "runs.db"))
    with pytest.raises(StoreFormat, match=r"runs\.db holds something else than collections"):
        collection(tmp_path / "runs.db").add(document(0, "new"))
    with contextlib.closing(sqlite3.connect(tmp_path / "runs.db")) as db:
        assert "collections" not in {row[0] for row in db.execute("SELECT name FROM sqlite_master")}

    collection(tmp_path / "docs.db").add(document(0, "new"))
    with pytest.raises(StoreFormat):
        open_store(str(tmp_path / "docs.db"))


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("These are my notes, and not a database at all. " * 100)

    with pytest.raises(StoreFormat, match=r"notes\.txt is no SQLite file"):
        _ = collection(path).count
    assert path.read_text().startswith("These are my notes")


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match=r"nowhere/docs\.db"):
        _ = collection(tmp_path / "nowhere" / "docs.db").count


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    made = collection(tmp_path / "docs.db")
    made.add(document(0, "new"))
    made.close()
    with contextlib.closing(sqlite3.connect(tmp_path / "docs.db")) as db:
        db.execute("PRAGMA user_version=99")

    with pytest.raises(StoreFormat, match="format 99"):
        _ = collection(tmp_path / "docs.db").count


def test_making_a_collection_touches_no_file(tmp_path: Path) -> None:
    """It is a definition, made where modules are imported."""
    collection(tmp_path / "docs.db")

    assert list(tmp_path.iterdir()) == []


def test_without_loadable_extensions_one_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convgraph.knowledge.database.sqlite3", SimpleNamespace(Connection=object))
    monkeypatch.setitem(sys.modules, "pysqlite3", None)

    with pytest.raises(MissingDependency, match=r"pip install 'convgraph\[retrieval\]'"):
        _ = Collection(embedder=Words()).count
