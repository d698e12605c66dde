"""The code blocks of a Markdown page, and how a page's Python is executed: by the test of the pages and by the site's pictures alike."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FENCE = re.compile(r"^```(\w*)(?: title=\"([^\"]*)\")?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
"""A code block: its language, its title (```` ```python title="LangGraph" ````) and what is in it."""

PRINTED = ("text", "mermaid")


@dataclass(frozen=True)
class Block:
    """A code block of a page."""

    language: str
    text: str
    line: int
    printed: str | None
    """The `text` or `mermaid` block right below, if there is one: what this block prints."""
    title: str = ""
    """What stands above it. Python with another title than ours is for elsewhere (another framework, a notebook): shown, not executed."""

    @property
    def is_ours(self) -> bool:
        """Whether it is Python to be executed here."""
        return self.language == "python" and self.title in ("", "convgraph")


def blocks(page: Path) -> Iterator[Block]:
    """The code blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    found = list(FENCE.finditer(text))
    for number, match in enumerate(found):
        after = found[number + 1] if number + 1 < len(found) else None
        between = text[match.end() : after.start()] if after is not None else ""
        below = after if after is not None and after[1] in PRINTED and between.strip() in ("", "</div>") else None
        yield Block(match[1], match[3], text[: match.start()].count("\n") + 2, below[3] if below else None, match[2] or "")


def execute(block: Block, namespace: dict[str, Any], page: Path) -> str | None:
    """Execute a page's Python in the page's namespace and give back what it prints; None for a block that is a file (`# name.py`)."""
    named = re.match(r"# (\w+\.py)\n", block.text)
    if named:
        Path(named[1]).write_text(block.text, encoding="utf-8")
        return None
    output = io.StringIO()
    code = compile("\n" * (block.line - 1) + block.text, str(page), "exec", dont_inherit=True)
    with redirect_stdout(output):
        exec(code, namespace)  # noqa: S102  # the pages' own code is what is to be tried
    return output.getvalue()
