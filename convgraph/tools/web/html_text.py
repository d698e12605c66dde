"""HTML as text for a model: headings, lists and tables as in Markdown, links numbered, and nothing that a person would not see."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import urldefrag, urljoin

from convgraph.tools.web.html_tokens import Token, html_tokens

_UNSEEN = frozenset("script style template noscript svg iframe object nav dialog textarea select math".split())
_VOID = frozenset("area base br col embed hr img input link meta source track wbr".split())
_ENDS_ITSELF = frozenset("p li dt dd tr td th".split())
"""Elements that need not be closed: another of the same name ends them."""
_BLOCKS = frozenset(
    "address article aside blockquote body center dd details div dl dt fieldset figcaption figure footer form header hgroup hr html main "
    "p section summary tbody tfoot thead".split()
)
_DEEPEST_LIST = 6
_HEADING = re.compile("h([1-6])")
_INVISIBLE = re.compile(r"display:none|visibility:(hidden|collapse)|(font-size|opacity):0(?![.\d]*[1-9])")


@dataclass(frozen=True, slots=True)
class Text:
    """A page's text in blocks, its title, and the addresses that its links lead to: `[1]` in the text is the first."""

    title: str
    blocks: tuple[str, ...]
    links: tuple[str, ...] = ()


def html_text(source: str, url: str | None) -> Text:
    """The text of an HTML page found at `url`; without one, what its links lead to is left out."""
    writer = _Writer(url)
    for token in _seen(html_tokens(source)):
        writer.take(token)
    writer.finish()
    return Text(" ".join(writer.title.split()), tuple(writer.blocks), tuple(writer.links))


def _seen(tokens: Iterator[Token]) -> Iterator[Token]:
    """The tokens without those inside of elements that a person would not see."""
    hidden, depth = "", 0
    for token in tokens:
        if not hidden:
            if token.kind == "open" and token.text not in _VOID and (token.text in _UNSEEN or _is_hidden(token.attributes)):
                hidden, depth = token.text, 1
            else:
                yield token
        elif token.text == hidden and token.kind != "text":
            depth += -1 if token.kind == "close" else 0 if hidden in _ENDS_ITSELF else 1
            if hidden in _ENDS_ITSELF and token.kind == "open" and not _is_hidden(token.attributes):
                depth = 0
                yield token
            hidden = hidden if depth > 0 else ""


def _is_hidden(attributes: Mapping[str, str]) -> bool:
    style = attributes.get("style", "").replace(" ", "").lower()
    return "hidden" in attributes or attributes.get("aria-hidden", "").lower() == "true" or _INVISIBLE.search(style) is not None


@dataclass(slots=True)
class _Writer:
    """Makes blocks of text out of what is seen."""

    url: str | None
    title: str = ""
    blocks: list[str] = field(default_factory=list[str])
    links: list[str] = field(default_factory=list[str])
    _numbers: dict[str, int] = field(default_factory=dict[str, int])
    _target: str = ""
    _in_title: bool = False
    _in_cell: bool = False
    _line: list[str] = field(default_factory=list[str])
    _prefix: str = ""
    _lists: list[int | None] = field(default_factory=list["int | None"])
    """For each list that is open, how many items it has had where it is numbered."""
    _kept: int = 0
    """How many elements are open whose white space is the writer's own."""
    _rows: list[list[str]] | None = None

    def take(self, token: Token) -> None:
        """The next thing seen."""
        if token.kind == "open":
            self._open(token.text, token.attributes)
        elif token.kind == "close":
            self._close(token.text)
        elif self._in_title:
            self.title += token.text
        else:
            self._line.append(token.text if self._kept else re.sub(r"\s+", " ", token.text))

    def end_block(self, prefix: str = "") -> None:
        """End the block that is being written."""
        text = "".join(self._line)
        text = text.strip("\n") if self._kept else "\n".join(" ".join(line.split()) for line in text.split("\n")).strip()
        self._line.clear()
        if text.strip():
            self.blocks.append(f"{self._prefix}{prefix}{text}")
            self._prefix = ""

    def finish(self) -> None:
        """End what the page has left open."""
        if self._rows is not None:
            self._close_in_table(self._rows, "table")
        if self._kept:
            self._code()
        self.end_block()

    def _open(self, name: str, attributes: Mapping[str, str]) -> None:
        if name == "base" and attributes.get("href"):
            self.url = None if self.url is None else urljoin(self.url, attributes["href"])
        elif name == "title":
            self._in_title = not self.title
        elif name == "br":
            self._line.append("\n")
        elif name == "img" and attributes.get("alt"):
            self._line.append(f"(picture: {attributes['alt']})")
        elif name == "a":
            self._target = attributes.get("href", "")
        elif name == "table" and self._rows is None:
            self.end_block()
            self._rows = []
        elif self._rows is not None:
            self._open_in_table(self._rows, name)
        elif name in ("ol", "ul"):
            self.end_block()
            self._lists.append(0 if name == "ol" else None)
        elif name == "li":
            self._item()
        elif name == "pre":
            self.end_block()
            self._kept += 1
        elif name in _BLOCKS or _HEADING.fullmatch(name):
            self.end_block()

    def _open_in_table(self, rows: list[list[str]], name: str) -> None:
        if name == "tr":
            self._end_cell(rows)
            rows.append([])
        elif name in ("td", "th"):
            self._end_cell(rows)
            self._line.clear()
            self._in_cell = True
        else:
            self._line.append(" ")  # a cell is one line, whatever is in it

    def _close(self, name: str) -> None:
        heading = _HEADING.fullmatch(name)
        if name == "title":
            self._in_title = False
        elif name == "a":
            self._link()
        elif self._rows is not None:
            self._close_in_table(self._rows, name)
        elif heading:
            self.end_block("#" * int(heading[1]) + " ")
        elif name == "pre" and self._kept:
            self._code()
        elif name in ("ol", "ul") and self._lists:
            self.end_block()
            self._lists.pop()
        elif name == "li" or name in _BLOCKS:
            self.end_block()

    def _close_in_table(self, rows: list[list[str]], name: str) -> None:
        if name == "caption":
            self.end_block()
        elif name in ("td", "th", "tr"):
            self._end_cell(rows)
        elif name == "table":
            self._end_cell(rows)
            self._table(rows)

    def _end_cell(self, rows: list[list[str]]) -> None:
        if self._in_cell:
            if not rows:
                rows.append([])
            rows[-1].append(" ".join("".join(self._line).split()).replace("|", "\\|"))
            self._line.clear()
        self._in_cell = False

    def _item(self) -> None:
        self.end_block()
        mark = "- "
        if self._lists and (counted := self._lists[-1]) is not None:
            self._lists[-1] = counted + 1
            mark = f"{counted + 1}. "
        self._prefix = "  " * min(max(len(self._lists) - 1, 0), _DEEPEST_LIST) + mark

    def _link(self) -> None:
        """Number what a link leads to; places on the same page, and what is no page, have no number."""
        target, self._target = self._target.strip(), ""
        if self.url is None:
            return
        try:
            address = urljoin(self.url, target)
        except ValueError:
            return
        if not target or not address.startswith(("http://", "https://")) or urldefrag(address)[0] == urldefrag(self.url)[0]:
            return
        if address not in self._numbers:
            self.links.append(address)
            self._numbers[address] = len(self.links)
        self._line.append(f" [{self._numbers[address]}]")

    def _table(self, rows: list[list[str]]) -> None:
        self._rows = None
        self._line.clear()
        rows = [row for row in rows if any(row)]
        if not rows:
            return
        wide = max(map(len, rows))
        lines = [f"| {' | '.join([*row, *[''] * (wide - len(row))])} |" for row in rows]
        self.blocks.append("\n".join([lines[0], f"|{'---|' * wide}", *lines[1:]]))

    def _code(self) -> None:
        text = "".join(self._line).strip("\n")
        self._line.clear()
        self._kept -= 1
        if text.strip():
            self.blocks.append(f"```\n{text}\n```")
