"""Documents in pieces that a model can take in: cut where the text itself has a break, as near to the wanted length as that allows."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from convgraph.errors import InputError
from convgraph.knowledge.documents import Document

_TOKEN = re.compile(r"[A-Za-z0-9_]{1,6}|[^\sA-Za-z0-9_]")
"""A tokenizer's idea of tokens without a tokenizer: rather too many than too few."""
_HEADING = re.compile(r"#{1,6} +(.+?)[ #]*$")
_UNDERLINE = re.compile(r"([=\-~^\"'#*+])\1{2,}\s*$")
_FENCE = re.compile(r" {0,3}(```|~~~)")
_ENDS_SENTENCE = ".!?…\u3002\uff01\uff1f"

NOWHERE, SPACE, SENTENCE, LINE, PARAGRAPH, SECTION = range(6)
"""What may stand between two tokens, and how good a place it is to cut."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a document, and where it stands there.

    `line` and `end_line` are its first and last line (from 1) in the document's text, `page` its first page where the
    document has pages, `heading` the one above it, and `position` its place among the document's chunks.
    """

    source: str
    text: str
    title: str = ""
    heading: str = ""
    line: int = 1
    end_line: int = 1
    page: int | None = None
    position: int = 0

    @property
    def place(self) -> str:
        """Where it stands, for people and models: `guide.md, lines 3–9` or `report.pdf, page 4`."""
        source = " ".join(self.source.split())  # one line, whatever a file's name holds
        if self.page is not None:
            return f"{source}, page {self.page}"
        return f"{source}, line {self.line}" if self.line == self.end_line else f"{source}, lines {self.line}–{self.end_line}"


def tokens_of(text: str) -> int:
    """About how many tokens a text is: one for six letters, one for each other sign."""
    return sum(1 for _ in _TOKEN.finditer(text))


def split(document: Document, tokens: int = 200, overlap: int = 30) -> list[Chunk]:
    """The document in chunks of at most `tokens` (see `tokens_of`), in order; nothing but white space is left out.

    A heading begins a new chunk, unless what stands before it is short. Otherwise a chunk ends at the best place in its
    second half: the end of a paragraph, a line, a sentence, a word. The end of one is said again at the beginning of the
    next, up to `overlap` tokens of it, unless a heading begins there. Raises `InputError` for lengths that make no sense.
    """
    whole = isinstance(tokens, int) and isinstance(overlap, int)  # pyright: ignore[reportUnnecessaryIsInstance]
    if not whole or not tokens > 0 or not 0 <= overlap < tokens:
        raise InputError(
            f"split(tokens={tokens!r}, overlap={overlap!r}): a chunk has at least a token, and an overlap is shorter than a chunk"
        )
    text = document.text
    spans = [match.span() for match in _TOKEN.finditer(text)]
    headings = _headings(document)
    breaks = _breaks(text, spans, {start for start, _ in headings})
    lines = [0, *(match.end() for match in re.finditer("\n", text))]
    starts = [start for start, _ in headings]
    chunks: list[Chunk] = []
    for first, last in _cuts(breaks, tokens, overlap):
        start, end = _with_indent(text, spans[first][0]), spans[last - 1][1]
        above = bisect_right(starts, start) - 1
        chunks.append(
            Chunk(
                document.source,
                text[start:end],
                document.title,
                headings[above][1] if above >= 0 else "",
                bisect_right(lines, start),
                bisect_right(lines, end - 1),
                bisect_right(document.pages, start) if document.pages else None,
                len(chunks),
            )
        )
    return chunks


def _cuts(breaks: Sequence[int], tokens: int, overlap: int) -> Iterator[tuple[int, int]]:
    """From which token to which each chunk goes. `breaks` says what stands before each token."""
    count, start = len(breaks), 0
    while start < count:
        repeated = 0 if start == 0 or breaks[start] == SECTION else _repeated(breaks, start, overlap)
        end = _end(breaks, start, start + tokens - repeated)
        yield start - repeated, end
        start = end


def _end(breaks: Sequence[int], start: int, most: int) -> int:
    """Where a chunk that begins at `start` and may reach to `most` ends best."""
    room = most - start
    section = next((place for place in range(start + max(room // 4, 1), min(most + 1, len(breaks))) if breaks[place] == SECTION), None)
    if section is not None:
        return section
    if most >= len(breaks):
        return len(breaks)
    for earliest in (start + room // 2, start):
        best = max(range(max(earliest, start + 1), most + 1), key=lambda place: (breaks[place], place))
        if breaks[best] > NOWHERE:
            return best
    return most


def _repeated(breaks: Sequence[int], start: int, overlap: int) -> int:
    """How many tokens before `start` are said again: from the best beginning within the overlap, in the same section."""
    earliest = max(start - overlap, 0)
    section = max((place for place in range(earliest, start) if breaks[place] == SECTION), default=earliest)
    best = max(range(section, start), key=lambda place: (min(breaks[place], SENTENCE), -place), default=start)
    return start - best if best < start and breaks[best] > NOWHERE else 0


def _breaks(text: str, spans: Sequence[tuple[int, int]], headings: set[int]) -> list[int]:
    breaks = [SECTION] if spans else []
    for (_, end), (start, _) in pairwise(spans):
        between = text[end:start]
        if start in headings:
            breaks.append(SECTION)
        elif between.count("\n") > 1:
            breaks.append(PARAGRAPH)
        elif "\n" in between:
            breaks.append(LINE)
        elif text[end - 1] in _ENDS_SENTENCE and (between or not text[end - 1].isascii()):
            breaks.append(SENTENCE)
        else:
            breaks.append(SPACE if between else NOWHERE)
    return breaks


def _headings(document: Document) -> list[tuple[int, str]]:
    """Where each heading begins, and its words. Only where the document's kind has headings."""
    if document.kind not in ("markdown", "rst"):
        return []
    found: list[tuple[int, str]] = []
    offset, fenced = 0, False
    lines = document.text.splitlines(keepends=True)
    for number, line in enumerate(lines):
        if document.kind == "markdown":
            fenced ^= bool(_FENCE.match(line))
            heading = None if fenced else _HEADING.match(line.rstrip())
            if heading:
                found.append((offset, heading[1]))
        elif line.strip() and number + 1 < len(lines) and _UNDERLINE.match(lines[number + 1]) and not _UNDERLINE.match(line):
            found.append((offset + len(line) - len(line.lstrip()), line.strip()))
        offset += len(line)
    return found


def _with_indent(text: str, start: int) -> int:
    """Where the line begins, if only blanks stand before `start`: code means something by them."""
    begin = text.rfind("\n", 0, start) + 1
    return begin if not text[begin:start].strip() else start
