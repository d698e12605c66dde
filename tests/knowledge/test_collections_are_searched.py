"""A collection finds by meaning, by words and by both, embeds nothing twice, and forgets what it is told to forget."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from convgraph import Collection, LocalEmbedder, read_documents
from convgraph.errors import InputError
from convgraph.knowledge.chunks import Chunk
from convgraph.knowledge.collection import By
from convgraph.knowledge.documents import Document
from convgraph.knowledge.found import Found

FACTS = [
    Document("door.md", "The front door is locked at ten in the evening. The code of the back door is KX-2207."),
    Document("bread.md", "Dough rises because yeast gives off gas, which the gluten holds."),
    Document("plant.md", "The fern in the hall wants water every third day."),
]


class Counting:
    """The local embedder, and what it was asked for."""

    def __init__(self, embedder: LocalEmbedder) -> None:
        self.embedder = embedder
        self.texts: list[str] = []

    @property
    def name(self) -> str:
        return self.embedder.name

    @property
    def dimensions(self) -> int:
        return self.embedder.dimensions

    def describe(self) -> Mapping[str, Any]:
        return self.embedder.describe()

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        self.texts += texts
        return await self.embedder.embed(texts)


@pytest.fixture(scope="module")
def local() -> LocalEmbedder:
    return LocalEmbedder()


@pytest.fixture
def counting(local: LocalEmbedder) -> Counting:
    return Counting(local)


@pytest.fixture
def collection(counting: Counting, tmp_path: Path) -> Collection:
    return Collection(tmp_path / "docs.db", embedder=counting)


def sources(found: Sequence[Found]) -> list[str]:
    return [each.source for each in found]


def test_a_question_in_other_words_is_answered_by_meaning(collection: Collection) -> None:
    collection.add(FACTS)

    [first, *_] = collection.search("How often do I look after the greenery?")

    assert first.source == "plant.md"
    assert first.text == FACTS[2].text
    assert first.score == pytest.approx(1 - (first.distance or 0))


def test_a_name_is_found_by_words_even_where_punctuation_is_left_out(collection: Collection) -> None:
    collection.add(FACTS)

    assert sources(collection.search("kx 2207", by="words")) == ["door.md"]
    assert sources(collection.search("doors locking", by="words")) == ["door.md"], "endings do not matter"
    assert collection.search("submarine", by="words") == []
    assert collection.search("?!", by="words") == []


def test_both_find_what_either_finds(collection: Collection) -> None:
    collection.add(FACTS)

    assert sources(collection.search("KX-2207", by="both"))[0] == "door.md"
    assert sources(collection.search("What makes a loaf become big?", by="both"))[0] == "bread.md"
    assert len(collection.search("door", by="both")) == 3


@pytest.mark.parametrize("by", ["meaning", "words", "both"])
def test_the_best_come_first_and_no_more_than_asked_for(collection: Collection, by: By) -> None:
    collection.add(Document(str(number), f"the door number {number} " + "door " * number) for number in range(8))

    found = collection.search("door", limit=3, by=by)

    assert len(found) == 3
    assert [each.score for each in found] == sorted((each.score for each in found), reverse=True)


def test_below_a_distance_only_what_is_near_is_found(collection: Collection) -> None:
    collection.add(FACTS)
    [nearest, second, _] = collection.search("watering the fern")
    assert nearest.distance is not None
    assert second.distance is not None

    assert sources(collection.search("watering the fern", below_distance=second.distance)) == ["plant.md"]
    assert collection.search("watering the fern", below_distance=nearest.distance) == []


@pytest.mark.parametrize(
    "query", ['"unbalanced', "door AND", "NEAR(door, 2)", "text:door", "* OR -", "'; DROP TABLE chunks; --", "🙂", "中文"]
)
@pytest.mark.parametrize("by", ["words", "both"])
def test_a_query_is_words_and_never_syntax(collection: Collection, query: str, by: By) -> None:
    collection.add(FACTS)

    collection.search(query, by=by)

    assert collection.count == 3


def test_a_whole_page_may_be_a_query(collection: Collection) -> None:
    collection.add(FACTS)

    assert sources(collection.search("yeast " + " ".join(f"word{number}" for number in range(5000)), by="words")) == ["bread.md"]


def test_an_empty_collection_finds_nothing(collection: Collection, counting: Counting) -> None:
    assert [collection.search("anything", by=by) for by in ("meaning", "words", "both")] == [[], [], []]
    assert (collection.count, collection.sources, counting.texts) == (0, [], [])


def test_adding_the_same_again_embeds_nothing(collection: Collection, counting: Counting) -> None:
    assert collection.add(FACTS) == 3
    counting.texts.clear()

    assert collection.add(FACTS) == 0
    assert counting.texts == []
    assert collection.count == 3


def test_of_a_changed_document_what_has_changed_is_embedded(collection: Collection, counting: Counting) -> None:
    paragraphs = [f"# Part {number}\n\n{f'Words of the part {number}. ' * 20}" for number in range(3)]
    collection.add(Document("a.md", "\n\n".join(paragraphs), kind="markdown"))
    counting.texts.clear()

    collection.add(Document("a.md", "\n\n".join([*paragraphs[:2], "# Part 2\n\nAll is new."]), kind="markdown"))

    assert counting.texts == ["# Part 2\n\nAll is new."]
    assert collection.count == 3
    assert [each.text for each in collection.search("part 2 new", by="words", limit=1)] == ["# Part 2\n\nAll is new."]


def test_what_a_document_said_before_is_not_found_any_more(collection: Collection) -> None:
    collection.add(FACTS)

    collection.add(Document("door.md", "The door is open to all."))

    assert collection.search("KX-2207", by="words") == []
    assert all("2207" not in each.text for each in collection.search("code of the back door"))
    assert collection.count == 3


def test_the_same_text_in_two_documents_is_embedded_once_and_found_in_both(collection: Collection, counting: Counting) -> None:
    assert collection.add([Document("a", "the same text"), Document("b", "the same text")]) == 1
    assert collection.add([Document("c", "the same text")]) == 0

    assert sources(collection.search("the same text")) == ["a", "b", "c"]


def test_a_document_that_moved_within_its_file_says_where_it_is_now(collection: Collection) -> None:
    collection.add(Document("a", "a line"))
    collection.add(Document("a", "\n\n\na line"))

    assert [each.chunk.line for each in collection.search("a line")] == [4]


def test_a_removed_document_is_gone(collection: Collection) -> None:
    collection.add(FACTS)

    assert collection.remove("door.md") == 1
    assert collection.remove("door.md") == 0
    assert collection.sources == ["bread.md", "plant.md"]
    assert collection.search("door", by="words") == []
    assert "door.md" not in sources(collection.search("door"))


def test_an_emptied_document_has_nothing_to_find(collection: Collection) -> None:
    collection.add(FACTS)
    collection.add(Document("door.md", ""))

    assert collection.search("door", by="words") == []
    assert collection.count == 2


def test_chunks_made_by_hand_are_kept_as_they_are(collection: Collection) -> None:
    chunks = [Chunk("film.srt", "The ship sails at dawn.", page=3), Chunk("film.srt", "Nobody is on deck.", position=1)]
    collection.add(chunks)

    assert [each.chunk for each in collection.search("ship", by="words")] == chunks[:1]
    assert collection.add(chunks) == 0


def test_what_is_found_can_be_recorded_and_read_back(collection: Collection) -> None:
    collection.add(FACTS)
    [found] = collection.search("fern", limit=1)

    assert Found.from_json(found.to_json()) == found


def test_a_collection_in_memory_finds_what_one_in_a_file_finds(collection: Collection, local: LocalEmbedder) -> None:
    in_memory = Collection(embedder=local)
    for each in (collection, in_memory):
        each.add(FACTS)

    assert in_memory.search("door", by="both") == collection.search("door", by="both") != []


@pytest.mark.parametrize("by", ["meaning", "words", "both"])
def test_halves_of_characters_do_no_harm(collection: Collection, by: By) -> None:
    """Names of files and texts of models now and then hold what UTF-8 cannot carry."""
    collection.add(Document("file\udcff.md", "a door \ud83d and more"))

    assert [each.text for each in collection.search("door \udcff", by=by)] == ["a door \ufffd and more"]
    assert collection.sources == ["file\ufffd.md"]
    assert collection.add(Document("file\udcff.md", "a door \ud83d and more")) == 0


def test_a_file_keeps_several_collections_apart(local: LocalEmbedder, tmp_path: Path) -> None:
    one, two = (Collection(tmp_path / "docs.db", name, embedder=local) for name in ("one", "two"))
    one.add(FACTS)
    two.add(Document("door.md", "A door of another house."))

    assert (one.count, two.count) == (3, 1)
    assert sources(two.search("fern")) == ["door.md"]
    two.remove("door.md")
    assert one.count == 3


def test_what_was_added_is_there_in_the_next_process(local: LocalEmbedder, tmp_path: Path) -> None:
    first = Collection(tmp_path / "docs.db", embedder=local)
    first.add(FACTS)
    before = first.search("door")
    first.close()

    assert Collection(tmp_path / "docs.db", embedder=local).search("door") == before
    assert first.search("door") == before, "a closed one is opened again"


def test_a_folder_of_files_is_searched_and_cited(local: LocalEmbedder, tmp_path: Path) -> None:
    (tmp_path / "guide").mkdir()
    (tmp_path / "guide" / "heat.md").write_text(
        "# Heating\n\nThe boiler is in the cellar.\n\n# Light\n\nThe fuse box is behind the door.\n"
    )
    collection = Collection(embedder=local, chunk_tokens=12, chunk_overlap=0)
    collection.add(read_documents(tmp_path))

    [found] = collection.search("Where are the fuses?", limit=1)

    assert (found.chunk.place, found.chunk.heading, found.chunk.title) == ("guide/heat.md, lines 5–7", "Light", "Heating")


def test_the_synchronous_face_works_inside_a_running_loop(collection: Collection) -> None:
    async def in_a_notebook() -> tuple[list[Found], list[Found]]:
        collection.add(FACTS)
        return collection.search("door"), await collection.asearch("door")

    found, again = asyncio.run(in_a_notebook())

    assert found == again != []


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda it: it.search("  "), "not '  '"),
        (lambda it: it.search(5), "a query is a text"),
        (lambda it: it.search("a", 0), "limit=0"),
        (lambda it: it.search("a", "3"), "limit='3'"),
        (lambda it: it.search("a", by="feeling"), "by='feeling'"),
        (lambda it: it.search("a", by="words", below_distance=0.5), "below_distance="),
        (lambda it: it.add("a text"), "documents and chunks, not 'a'"),
        (lambda it: it.add([FACTS[0], FACTS[0]]), "'door.md' is there twice"),
        (lambda it: it.add([Chunk("plant.md", "x"), FACTS[2]]), "'plant.md' is there twice"),
        (lambda it: it.add([FACTS[1], Chunk("bread.md", "x")]), "'bread.md' is there twice"),
        (lambda it: it.add([FACTS[1], 5]), "not 5"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_done(collection: Collection, counting: Counting, call: Any, match: str) -> None:
    with pytest.raises(InputError, match=match):
        call(collection)

    assert (collection.count, counting.texts) == (0, [])


@pytest.mark.parametrize(
    "settings",
    [
        {"name": ""},
        {"name": 5},
        {"embedder": "minilm"},
        {"chunk_tokens": 0},
        {"chunk_tokens": "200"},
        {"chunk_tokens": 10, "chunk_overlap": 10},
    ],
)
def test_a_collection_that_makes_no_sense_is_refused(local: LocalEmbedder, settings: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        Collection(**{"embedder": local, **settings})


def test_a_collection_is_described_without_its_path(local: LocalEmbedder, tmp_path: Path) -> None:
    described = Collection(tmp_path / "docs.db", "manuals", embedder=local).describe()

    assert described == {"name": "manuals", "embedder": {"type": "local", "model": "all-MiniLM-L6-v2"}}
