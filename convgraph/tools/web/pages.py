"""From what came from an address to a page of text, by its content type; and the page's numbered parts."""

from __future__ import annotations

import asyncio
import codecs
import json
import re
from dataclasses import dataclass

from convgraph.errors import MissingDependency
from convgraph.runtime.threads import in_thread
from convgraph.tools.web.access import Unreadable
from convgraph.tools.web.fetching import Fetched
from convgraph.tools.web.html_text import Text, html_text

_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_ENCODING = re.compile(r"ascii|utf-?(8|16|32)|iso8859|cp\d|koi8|mac|gb|big5|euc|shift_jis|iso2022|johab|tis")
_LINK = re.compile(r"\[(\d+)\]")


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a page: its text, and the numbers of the links in it."""

    text: str
    links: tuple[int, ...]


async def text_of(found: Fetched, seconds: float) -> Text:
    """The text of what was found, read in a thread. Raises `Unreadable` for what has none, or takes longer to read than it may."""
    try:
        async with asyncio.timeout(seconds):
            return await in_thread(page_of, found)
    except TimeoutError:
        raise Unreadable(f"{found.url} takes more than {seconds:g} seconds to read") from None


def page_of(found: Fetched) -> Text:
    """The text of what was found. Raises `Unreadable` for what has none, and `MissingDependency`."""
    kind = found.kind
    if kind in ("text/html", "application/xhtml+xml"):
        return html_text(decoded(found.body, found.charset or declared_charset(found.body)), found.url)
    if kind == "application/pdf":
        return _pdf(found)
    if kind == "application/json" or kind.endswith("+json"):
        return _json(found)
    if kind.startswith("text/") or kind.endswith("+xml") or kind == "application/xml":
        return _plain(found)
    raise Unreadable(f"{found.url} is no text: it is {kind}, {len(found.body):,} bytes")


def parts_of(page: Text, size: int) -> list[Part]:
    """The page in parts of about `size` characters, cut between blocks where that is possible. There is always one."""
    texts: list[str] = []
    written: list[str] = []
    length = 0
    for piece in (piece for block in page.blocks for piece in _pieces(block, size)):
        if written and length + len(piece) > size:
            texts.append("\n\n".join(written))
            written, length = [], 0
        written.append(piece)
        length += len(piece)
    texts.append("\n\n".join(written))
    return [Part(text, _links_in(text, len(page.links))) for text in texts]


def decoded(body: bytes, charset: str) -> str:
    """The text of bytes that say (or do not say) how they are written: what they say is tried first, and believed if it fits."""
    marked = next((name for mark, name in _BOMS if body.startswith(mark)), "")
    for name in filter(None, (marked, _written_as(charset), "utf-8")):
        try:
            return body.decode(name)
        except UnicodeDecodeError:
            continue
    return body.decode("cp1252", "replace")


def _written_as(charset: str) -> str:
    """The encoding that is meant; none for one that no page is written in, or that Python does not know."""
    try:
        name = codecs.lookup(charset).name if charset else ""
    except (LookupError, ValueError):
        return ""
    if name == "iso8859-1":
        return "cp1252"  # what is meant where it is said
    return name if _ENCODING.match(name) else ""


def declared_charset(body: bytes) -> str:
    """What a page says at its head of how it is written."""
    found = re.search(rb"<meta[^>]{0,200}charset\s*=\s*[\"']?\s*([a-zA-Z0-9_.:-]{1,40})", body[:4096], re.IGNORECASE)
    return found[1].decode("ascii") if found else ""


def _plain(found: Fetched) -> Text:
    text = decoded(found.body, found.charset)
    if "\0" in text:
        raise Unreadable(f"{found.url} is no text, though it says that it is {found.kind}")
    return Text("", tuple(block for block in re.split(r"\n\s*\n", text.replace("\r\n", "\n")) if block.strip()))


def _json(found: Fetched) -> Text:
    text = decoded(found.body, found.charset)
    try:
        return Text("", (json.dumps(json.loads(text), indent=1, ensure_ascii=False),))
    except (ValueError, RecursionError):
        return _plain(found)


def _pdf(found: Fetched) -> Text:
    try:
        from pypdf import PdfReader
        from pypdf.errors import PyPdfError
    except ImportError as error:
        raise MissingDependency("reading PDF files needs the extra web: pip install 'convgraph[web]'") from error
    import io

    try:
        reader = PdfReader(io.BytesIO(found.body))
        title = str(reader.metadata.title or "") if reader.metadata else ""
        texts = [(number, sheet.extract_text().strip()) for number, sheet in enumerate(reader.pages, 1)]
    except (PyPdfError, ValueError, KeyError, TypeError, AttributeError, RecursionError, OSError) as error:
        raise Unreadable(f"{found.url} is a PDF file that cannot be read: {error}") from error
    return Text(title, tuple(f"(sheet {number})\n{text}" for number, text in texts if text))


def _pieces(block: str, size: int) -> list[str]:
    """A block that is longer than a part, cut at the ends of lines or words."""
    pieces: list[str] = []
    while len(block) > size:
        cut = max(block.rfind("\n", 0, size), block.rfind(" ", 0, size))
        cut = cut if cut > size // 2 else size
        pieces.append(block[:cut])
        block = block[cut:].lstrip()
    return [*pieces, block] if block else pieces


def _links_in(text: str, known: int) -> tuple[int, ...]:
    numbers = dict.fromkeys(int(found) for found in _LINK.findall(text) if len(found) < 9)
    return tuple(number for number in numbers if 1 <= number <= known)
