"""Chunks keep their bound, cover their document, break where the text breaks, and say where they stand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from convgraph import LocalEmbedder, read_documents
from convgraph.errors import InputError
from convgraph.knowledge.chunks import split, tokens_of
from convgraph.knowledge.documents import Document

DOCS = Path(__file__).parents[2] / "docs"

words = st.sampled_from(["a", "word", "internationalization", "end.", "Why?", "x = 1", "中文字", "é", "---", "🙂", "# Heading", "```"])
gaps = st.sampled_from([" ", "  ", "\n", "\n\n", "\n    ", "\t", "\n\n\n", ""])
texts = st.lists(st.tuples(words, gaps), max_size=80).map(lambda pairs: "".join(word + gap for word, gap in pairs))


@given(text=texts, kind=st.sampled_from(["text", "markdown", "rst"]), tokens=st.integers(1, 30), overlap=st.integers(0, 29))
def test_any_text_is_covered_within_the_bound(text: str, kind: str, tokens: int, overlap: int) -> None:
    overlap = min(overlap, tokens - 1)
    document = Document("s", text, kind=kind)

    chunks = split(document, tokens, overlap)

    lines = text.split("\n")
    for position, chunk in enumerate(chunks):
        assert chunk.position == position
        assert 0 < tokens_of(chunk.text) <= tokens
        assert chunk.text in "\n".join(lines[chunk.line - 1 : chunk.end_line]), "it stands where it says, as it says"
    joined = "".join(re.sub(r"\s", "", chunk.text) for chunk in split(document, tokens, 0))
    assert joined == re.sub(r"\s", "", text), "without an overlap, the chunks are the text"


@given(text=texts, tokens=st.integers(2, 30))
def test_a_chunk_begins_where_the_one_before_ended_or_up_to_the_overlap_earlier(text: str, tokens: int) -> None:
    overlap = tokens // 2
    chunks = split(Document("s", text), tokens, overlap)

    position = 0
    for chunk in chunks:
        flat = re.sub(r"\s", "", chunk.text)
        whole = re.sub(r"\s", "", text)
        repeated = next(back for back in range(len(flat) + 1) if whole.startswith(flat, max(position - back, 0)) and back <= position)
        assert tokens_of(flat[:repeated]) <= overlap + 1
        position = position - repeated + len(flat)
    assert position == len(re.sub(r"\s", "", text))


def test_a_heading_begins_a_new_chunk() -> None:
    sections = [f"# Part {number}\n\n{'Some words of the part. ' * 10}" for number in range(3)]

    chunks = split(Document("a.md", "\n\n".join(sections), kind="markdown"), tokens=80, overlap=10)

    assert [chunk.text.splitlines()[0] for chunk in chunks] == ["# Part 0", "# Part 1", "# Part 2"]
    assert [chunk.heading for chunk in chunks] == ["Part 0", "Part 1", "Part 2"]


def test_a_short_section_stays_with_the_next() -> None:
    """A title alone is no passage."""
    chunks = split(Document("a.md", f"# Title\n\n## First\n\n{'Some words. ' * 20}", kind="markdown"), tokens=100)

    assert len(chunks) == 1


def test_what_looks_like_a_heading_in_code_is_none() -> None:
    text = f"# Real\n\n{'Some words here. ' * 12}\n```sh\n# not a heading\n```\n{'Some words here. ' * 12}"

    assert {chunk.heading for chunk in split(Document("a.md", text, kind="markdown"), tokens=40, overlap=0)} == {"Real"}


def test_underlined_lines_are_headings_of_restructured_text() -> None:
    text = f"One\n===\n\n{'Some words here. ' * 10}\n\nTwo\n---\n\n{'Some words here. ' * 10}"

    assert [chunk.heading for chunk in split(Document("a.rst", text, kind="rst"), tokens=60)] == ["One", "Two"]


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("One two three four.\n\nFive six seven eight. Nine ten eleven twelve.", "four."),
        ("one two three four\nfive six seven eight nine ten eleven twelve", "four"),
        ("One two three. Four five six seven eight nine ten eleven.", "three."),
        ("one two three four five six seven eight", "six"),
    ],
)
def test_a_cut_is_made_at_the_best_break(text: str, end: str) -> None:
    assert split(Document("s", text), tokens=6, overlap=0)[0].text.split()[-1] == end


def test_a_word_is_cut_only_where_it_is_longer_than_a_chunk() -> None:
    text = "short words and a" + "very" * 20 + " long one among them"

    chunks = split(Document("s", text), tokens=8, overlap=0)

    assert chunks[0].text == "short words and"
    assert [chunk.text.split()[-1] for chunk in chunks[2:]] == ["one", "them"]


def test_the_indentation_of_code_is_kept() -> None:
    text = "def f():\n" + "".join(f"    call_number({number})\n" for number in range(20))

    for chunk in split(Document("a.py", text), tokens=30, overlap=0)[1:]:
        assert chunk.text.startswith("    call_number")


def test_an_overlap_repeats_whole_sentences_where_it_can() -> None:
    text = " ".join(f"This is sentence {number}." for number in range(12))

    chunks = split(Document("s", text), tokens=20, overlap=7)

    assert all(chunk.text.startswith("This is sentence") for chunk in chunks)
    assert [before.text.split(". ")[-1].rstrip(".") for before in chunks[:-1]] == [after.text.split(".")[0] for after in chunks[1:]]


def test_places_are_told_for_people() -> None:
    lines, line, page = (
        split(Document("a.md", "one\ntwo\nthree"))[0],
        split(Document("a.md", "one"))[0],
        split(Document("a.pdf", "page one\n\npage two", pages=(0, 10)), tokens=2, overlap=0)[1],
    )

    assert [chunk.place for chunk in (lines, line, page)] == ["a.md, lines 1–3", "a.md, line 1", "a.pdf, page 2"]


@pytest.mark.parametrize("text", ["", "   \n\n\t"])
def test_an_empty_document_has_no_chunks(text: str) -> None:
    assert split(Document("s", text)) == []


@pytest.mark.parametrize(("tokens", "overlap"), [(0, 0), (-1, 0), (10, 10), (10, -1)])
def test_lengths_that_make_no_sense_are_refused(tokens: int, overlap: int) -> None:
    with pytest.raises(InputError, match="split"):
        split(Document("s", "text"), tokens, overlap)


def test_chunks_of_the_usual_length_are_read_whole_by_the_local_model() -> None:
    """The count of tokens is an estimate; in this project's own documents it is on the safe side of the model's."""
    embedder = LocalEmbedder()
    tokenizer = Tokenizer.from_file(str(embedder.folder / "tokenizer.json"))
    tokenizer.no_truncation()

    chunks = [chunk for document in read_documents(DOCS) for chunk in split(document)]

    assert len(chunks) > 100
    assert max(len(tokenizer.encode(chunk.text).ids) for chunk in chunks) <= embedder.longest
