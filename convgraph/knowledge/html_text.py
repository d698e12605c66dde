"""The text of a web page as a person sees it: without scripts, styles and what is hidden, with headings as in Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator

from convgraph.errors import MissingDependency

_UNSEEN = {"script", "style", "template", "noscript", "head", "svg", "iframe", "object"}
_BLOCKS = set(
    "address article aside blockquote body dd details div dl dt fieldset figcaption figure footer form header hr li main nav "
    "ol p pre section summary table tbody tfoot thead tr ul".split()
)


def read_html(data: bytes | str) -> tuple[str, str]:
    """The page's title and its text."""
    try:
        from bs4 import BeautifulSoup
    except ImportError as error:
        raise MissingDependency("reading HTML needs the extra retrieval: pip install 'convgraph[retrieval]'") from error
    page = BeautifulSoup(data, "html.parser")
    title = page.title.get_text(" ", strip=True) if page.title else ""
    return title, _tidy("".join(_seen(page)))


def _seen(node: object, kept: bool = False) -> Iterator[str]:
    """The pieces of what is seen below `node`; white space is the writer's own where `kept`."""
    from bs4.element import NavigableString, PreformattedString, Tag

    if isinstance(node, PreformattedString):
        return  # a comment, a doctype
    if isinstance(node, NavigableString):
        yield str(node) if kept else re.sub(r"\s+", " ", str(node))
    elif isinstance(node, Tag) and node.name not in _UNSEEN and not _hidden(node):
        heading = re.fullmatch("h([1-6])", node.name)
        if heading:
            yield f"\n\n{'#' * int(heading[1])} {node.get_text(' ', strip=True)}\n\n"
            return
        around = "\n\n" if node.name in _BLOCKS else ""
        if node.name == "br":
            around = "\n"
        elif node.name in ("td", "th"):
            around = " "
        yield around
        for child in node.children:
            yield from _seen(child, kept or node.name == "pre")
        yield around


def _hidden(node: object) -> bool:
    from bs4.element import Tag

    if not isinstance(node, Tag):
        return False
    style = str(node.get("style") or "").replace(" ", "").lower()
    return node.has_attr("hidden") or "display:none" in style or "visibility:hidden" in style


def _tidy(text: str) -> str:
    lines = [line.rstrip() for line in text.splitlines()]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(line if line.strip() else "" for line in lines)).strip()
