"""Documents cut into chunks in other ways than a collection's own: at empty lines only, or by a function of a user's."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from convgraph.errors import InputError

if TYPE_CHECKING:
    from convgraph.knowledge.chunks import Chunk
    from convgraph.knowledge.documents import Document

_EMPTY_LINES = re.compile(r"\n(?:[ \t]*\n)+")


def at_empty_lines(tokens: int, document: Document) -> list[Chunk]:
    """Paragraphs, as many in a chunk as fit. One that does not fit by itself is cut as a collection cuts it."""
    from convgraph.knowledge.chunks import split, tokens_of

    chunks: list[Chunk] = []
    for start, end in _together(document.text, tokens, tokens_of):
        lines = document.text.count("\n", 0, start)
        pages = tuple(max(page - start, 0) for page in document.pages)
        for chunk in split(replace(document, text=document.text[start:end], pages=pages), tokens, 0):
            chunks.append(replace(chunk, line=chunk.line + lines, end_line=chunk.end_line + lines, position=len(chunks)))
    return chunks


def by_function(function: Callable[..., Any], tokens: int, document: Document) -> list[Chunk]:
    """What the function makes of the text: `function(text, max_tokens) -> list of texts`."""
    from convgraph.knowledge.chunks import Chunk

    texts: Any = function(document.text, tokens)
    if not isinstance(texts, list | tuple) or not all(isinstance(text, str) for text in cast("Sequence[Any]", texts)):
        raise InputError(f"custom_text_split_function is to return a list of texts for {document.source!r}, not {texts!r:.100}")
    return [
        Chunk(document.source, text, document.title, position=number)
        for number, text in enumerate(cast("Sequence[str]", texts))
        if text.strip()
    ]


def _together(text: str, tokens: int, tokens_of: Callable[[str], int]) -> Iterator[tuple[int, int]]:
    """Where the text is cut: from where to where paragraphs go that fit together."""
    start = end = 0
    for paragraph_start, paragraph_end in _paragraphs(text):
        if end > start and tokens_of(text[start:paragraph_end]) > tokens:
            yield start, end
            start = paragraph_start
        end = paragraph_end
    if end > start:
        yield start, end


def _paragraphs(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    for gap in _EMPTY_LINES.finditer(text):
        yield start, gap.start()
        start = gap.end()
    yield start, len(text)
