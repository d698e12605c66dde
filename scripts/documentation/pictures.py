"""Pictures that a page's own code draws: `<!-- picture: graph | A writer and a critic -->` becomes the drawing of `graph`.

What stands before the bar is an expression in the page's namespace, after its Python blocks up to there: a graph, or an SVG's bytes
(`graph.draw(run=result)`, `graph.draw_sequence(result)`). What stands after it says in words what is to be seen.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import Any

from convgraph import ConversationGraph
from scripts.documentation.blocks import blocks, execute
from scripts.documentation.problems import DocumentationError

MARKER = re.compile(r"^<!-- picture: (.+?) \| (.+?) -->$", re.MULTILINE)


def with_pictures(page: Path, name: str, pictures: Path) -> str:
    """The page's text with each marker replaced by its picture, which is drawn into the folder `pictures` as `NAME-1.svg` and so on.

    Raises `DocumentationError` where what is to be drawn cannot be.
    """
    text = page.read_text(encoding="utf-8")
    markers = list(MARKER.finditer(text))
    if not markers:
        return text
    pending = [block for block in blocks(page) if block.is_ours]
    namespace: dict[str, Any] = {"__name__": page.stem}
    parts: list[str] = []
    end = 0
    with _own_folder():
        for number, marker in enumerate(markers, 1):
            line = text[: marker.start()].count("\n") + 1
            while pending and pending[0].line < line:
                execute(pending.pop(0), namespace, page)
            drawing = _drawn(marker[1], namespace, f"{page.name}:{line}")
            file = pictures / f"{name.replace('/', '-')}-{number}.svg"
            file.write_bytes(drawing)
            parts += [text[end : marker.start()], shown(file.name, marker[2], name.count("/"))]
            end = marker.end()
    return "".join([*parts, text[end:]])


def shown(file: str, words: str, depth: int) -> str:
    """A drawing in Markdown: as wide as it is, at most as wide as the page, and a link to itself for whoever wants it larger.

    `depth` says how many folders below the site's root the page is.
    """
    source = "../" * depth + f"pictures/{file}"
    return f"[![{words}]({source}){{ .drawn loading=lazy }}]({source}){{ .drawing }}"


def _drawn(expression: str, namespace: dict[str, Any], where: str) -> bytes:
    made = eval(expression, namespace)  # noqa: S307  # the page's own words, like its code
    drawing = made.draw() if isinstance(made, ConversationGraph) else made
    if not isinstance(drawing, bytes) or b"<svg" not in drawing:
        raise DocumentationError(f"{where}: {expression!r} is {type(made).__name__}, not a graph or an SVG's bytes")
    return drawing


@contextmanager
def _own_folder() -> Iterator[None]:
    """A folder in which a page may write files and import them; what it has imported is forgotten afterwards."""
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        sys.path.insert(0, folder)
        before = set(sys.modules)
        try:
            yield
        finally:
            sys.path.remove(folder)
            for name in set(sys.modules) - before:
                if str(getattr(sys.modules[name], "__file__", None)).startswith(folder):
                    del sys.modules[name]
