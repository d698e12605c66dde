"""The text of a web page as a person sees it: without scripts, styles and what is hidden, with headings as in Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator

from convgraph.errors import MissingDependency

_UNSEEN = {"script", "style", "template", "noscript", "head", "svg", "iframe", "object"}
_BLOCKS = frozenset(
    "address article aside blockquote body details div dl fieldset figcaption figure footer form header hr main nav ol p section "
    "summary table ul".split()
)
_BEFORE = {**dict.fromkeys(_BLOCKS, "\n\n"), **dict.fromkeys(("br", "dd", "dt", "li", "tr"), "\n"), "td": " ", "th": " "}
"""What an element begins with; a block ends with it too."""
_KEPT = "\ue000"
"""Stands for a blank that is kept, until all others have been seen to. A character that is nobody's."""


def read_html(data: bytes | str) -> tuple[str, str]:
    """The page's title and its text."""
    try:
        from bs4 import BeautifulSoup
    except ImportError as error:
        raise MissingDependency("reading HTML needs the extra retrieval: pip install 'convgraph[retrieval]'") from error
    page = BeautifulSoup(data, "html.parser")
    title = " ".join(page.title.get_text(" ").split()) if page.title else ""
    return title, _tidy("".join(_seen(page)))


def _seen(node: object) -> Iterator[str]:
    """The pieces of what is seen below `node`."""
    from bs4.element import NavigableString, PreformattedString, Tag

    if isinstance(node, PreformattedString):
        return  # a comment, a doctype
    if isinstance(node, NavigableString):
        yield re.sub(r"\s+", " ", str(node))
    elif isinstance(node, Tag) and node.name not in _UNSEEN and not _hidden(node):
        heading = re.fullmatch("h([1-6])", node.name)
        if heading:
            yield f"\n\n{'#' * int(heading[1])} {' '.join(node.get_text(' ').split())}\n\n"
        elif node.name == "pre":
            yield f"\n\n{node.get_text().strip(chr(10)).replace(' ', _KEPT)}\n\n"
        else:
            yield _BEFORE.get(node.name, "")
            for child in node.children:
                yield from _seen(child)
            yield "\n\n" if node.name in _BLOCKS else ""


def _hidden(node: object) -> bool:
    from bs4.element import Tag

    if not isinstance(node, Tag):
        return False
    style = str(node.get("style") or "").replace(" ", "").lower()
    return node.has_attr("hidden") or "display:none" in style or "visibility:hidden" in style


def _tidy(text: str) -> str:
    """Without the white space that a browser would not show."""
    text = re.sub(r" *\n *", "\n", re.sub(" {2,}", " ", text))
    return re.sub(r"\n{3,}", "\n\n", text).strip().replace(_KEPT, " ")
