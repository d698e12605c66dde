"""What is in a file, by its kind: each reader takes the bytes and gives the text, or says why it cannot."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from convgraph.errors import MissingDependency


class Unreadable(Exception):
    """A file cannot be read; the message says why."""


@dataclass(frozen=True, slots=True)
class Text:
    """A file's text, its own title where it has one, what it looks like, and where its pages begin."""

    text: str
    title: str = ""
    kind: str = "text"
    pages: tuple[int, ...] = ()


def plain_text(data: bytes) -> Text:
    """The text as it is."""
    return Text(_decoded(data))


def markdown(data: bytes) -> Text:
    """The text as it is; its title is the first heading."""
    text = _decoded(data)
    heading = re.search(r"^# +(.+?)[ #]*$", text, re.MULTILINE)
    return Text(text, heading[1] if heading else "", "markdown")


def restructured_text(data: bytes) -> Text:
    """The text as it is; its title is the first line that is underlined."""
    text = _decoded(data)
    heading = re.search(r"^(\S.*)\n([=\-~^\"'#*+])\2{2,}\s*$", text, re.MULTILINE)
    return Text(text, heading[1].strip() if heading else "", "rst")


def html(data: bytes) -> Text:
    """What a person sees of the page, with headings as in Markdown."""
    from convgraph.tools.web.html_text import html_text
    from convgraph.tools.web.pages import declared_charset, decoded

    page = html_text(decoded(data, declared_charset(data)), None)
    return Text("\n\n".join(page.blocks), page.title, "markdown")


def pdf(data: bytes) -> Text:
    """The text of all pages."""
    try:
        from pypdf import PdfReader
    except ImportError as error:
        raise MissingDependency("reading PDF files needs the extra retrieval: pip install 'convgraph[retrieval]'") from error
    try:
        reader = PdfReader(io.BytesIO(data))
        pages = [page.extract_text() for page in reader.pages]
        title = str((reader.metadata and reader.metadata.title) or "")
    except Exception as error:  # whatever a broken PDF makes the library raise, the file cannot be read
        raise Unreadable(f"not a PDF that can be read ({type(error).__name__}: {error})") from error
    if not any(page.strip() for page in pages):
        raise Unreadable("there is no text in it; are its pages pictures?")
    starts: list[int] = []
    text = ""
    for page in pages:
        starts.append(len(text))
        text += f"{page.strip()}\n\n"
    return Text(text, title, pages=tuple(starts))


def comma_separated(data: bytes) -> Text:
    """A line for the head and one for each row, where each value stands beside its column's name."""
    text = _decoded(data)
    try:
        dialect = csv.Sniffer().sniff(text[:4096], delimiters=",;\t|")
    except csv.Error:
        dialect = csv.excel
    try:
        rows = [[" ".join(cell.split()) for cell in row] for row in csv.reader(io.StringIO(text), dialect) if row]
    except csv.Error as error:
        raise Unreadable(f"not a CSV file: {error}") from error
    if not rows:
        return Text("")
    head, *body = rows
    told = [", ".join(f"{name}: {cell}" for name, cell in zip(head, row, strict=False) if cell) for row in body]
    return Text("\n".join([", ".join(head), *told]))


def json_text(data: bytes) -> Text:
    """A line for each value, after the path that leads to it; the items of a list are paragraphs."""
    text = _decoded(data)
    try:
        value: Any = json.loads(text)
        return _paragraphs(cast("list[Any]", value) if isinstance(value, list) else [value])
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"not JSON: {error}") from error


def json_lines(data: bytes) -> Text:
    """The same for a file with one JSON value a line."""
    lines = _decoded(data).splitlines()
    try:
        return _paragraphs([json.loads(line) for line in lines if line.strip()])
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"not JSON in each line: {error}") from error


def _paragraphs(items: Sequence[Any]) -> Text:
    return Text("\n\n".join("\n".join(_told(item)) for item in items))


def _told(value: Any, path: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in cast("dict[str, Any]", value).items():
            yield from _told(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for number, inner in enumerate(cast("list[Any]", value), start=1):
            yield from _told(inner, f"{path}[{number}]")
    else:
        said = value if isinstance(value, str) else json.dumps(value)
        yield f"{path}: {said}" if path else said


def _decoded(data: bytes) -> str:
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise Unreadable(f"not a text in UTF-8: {error.reason} at byte {error.start}") from error
    if "\0" in text:
        raise Unreadable("not a text: there are zero bytes in it")
    return text.replace("\r\n", "\n").replace("\r", "\n")


_CODE = "c cc cpp cs css go h hpp java jl js jsx kt lua php pl py r rb rs scala sh sql swift toml ts tsx yaml yml".split()

KINDS: Mapping[str, Callable[[bytes], Text]] = {
    **{f".{suffix}": plain_text for suffix in ("txt", "text", "log", *_CODE)},
    **dict.fromkeys((".md", ".markdown"), markdown),
    ".rst": restructured_text,
    **dict.fromkeys((".html", ".htm", ".xhtml"), html),
    ".pdf": pdf,
    **dict.fromkeys((".csv", ".tsv"), comma_separated),
    ".json": json_text,
    **dict.fromkeys((".jsonl", ".ndjson"), json_lines),
}
"""The reader for each suffix."""

SUFFIXES = frozenset(KINDS)
"""Of a folder, the files with these suffixes are read."""
