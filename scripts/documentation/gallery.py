"""The gallery: a page for each example, with its graph as it is drawn today, what it shows, its code, and how it is run."""

from __future__ import annotations

import ast
import importlib
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path

from convgraph import ConversationGraph
from scripts.documentation.pictures import shown
from scripts.documentation.problems import DocumentationError

_SHARED = "stage"
"""What the examples share; no example itself."""

_MERMAID = re.compile(r"^```mermaid\n.*?^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Example:
    """An example: a file `examples/NAME.py`, or a folder `examples/NAME` with a README and a file of the same name."""

    name: str
    script: Path

    @property
    def folder(self) -> Path | None:
        """Its own folder, if it has one."""
        return self.script.parent if self.script.parent.name == self.name else None

    @property
    def title(self) -> str:
        """What it is called in the gallery."""
        return self.name.replace("_", " ").capitalize()

    @property
    def paragraphs(self) -> list[str]:
        """The paragraphs of its docstring; the first says what happens."""
        words = ast.get_docstring(ast.parse(self.script.read_text(encoding="utf-8")))
        if not words:
            raise DocumentationError(f"{self.script} has no docstring that says what happens in it and what it shows")
        return [" ".join(paragraph.split()) for paragraph in words.split("\n\n")]

    @property
    def command(self) -> str:
        """How it is run from the repository's root."""
        return f"python examples/{self.script.relative_to(self.script.parents[1] if self.folder else self.script.parent).as_posix()}"


def examples(root: Path) -> list[Example]:
    """Every example, by name."""
    files = [path for path in (root / "examples").glob("*.py") if path.stem != _SHARED]
    folders = [path / f"{path.name}.py" for path in (root / "examples").iterdir() if (path / f"{path.name}.py").exists()]
    return sorted((Example(path.stem, path) for path in (*files, *folders)), key=lambda example: example.name)


def write_gallery(root: Path, pages: Path) -> list[Example]:
    """Write `gallery/index.md` and a page for each example into `pages`, and the pictures; returns the examples."""
    found = examples(root)
    (pages / "gallery").mkdir()
    for example, graph in _loaded(found):
        (pages / "pictures" / f"example-{example.name}.svg").write_bytes(_bytes(graph.draw()))
        (pages / "gallery" / f"{example.name}.md").write_text(_page(example), encoding="utf-8")
    (pages / "gallery" / "index.md").write_text(_index(found), encoding="utf-8")
    return found


def _loaded(found: list[Example]) -> Iterator[tuple[Example, ConversationGraph]]:
    """Each example with its graph; they are imported in a folder of their own, in case one leaves something there."""
    places = sorted({str(example.script.parent) for example in found})
    sys.path[:0] = places
    try:
        with tempfile.TemporaryDirectory() as folder, chdir(folder):
            for example in found:
                graph = getattr(importlib.import_module(example.name), "graph", None)
                if not isinstance(graph, ConversationGraph):
                    raise DocumentationError(f"{example.script} has no ConversationGraph called 'graph'")
                yield example, graph
    finally:
        for place in places:
            sys.path.remove(place)


def _bytes(drawing: bytes | Path) -> bytes:
    assert isinstance(drawing, bytes)
    return drawing


def _picture(example: Example) -> str:
    return shown(f"example-{example.name}.svg", f"The graph of the example {example.title}", 1)


def _page(example: Example) -> str:
    readme = example.folder / "README.md" if example.folder else None
    told = _from_readme(readme.read_text(encoding="utf-8"), example) if readme else _from_docstring(example)
    scripts = [example.script, *(path for path in sorted(example.script.parent.glob("*.py")) if path != example.script)]
    sources = scripts if example.folder else scripts[:1]
    return "\n\n".join([told, "## Code", *(_source(path) for path in sources)]) + "\n"


def _from_docstring(example: Example) -> str:
    return "\n\n".join([f"# {example.title}", *example.paragraphs, _picture(example), "## Run it", f"```sh\n{example.command}\n```"])


def _from_readme(readme: str, example: Example) -> str:
    """The README with its mermaid drawn, and with links to its files as their names: the files are shown below."""
    drawn = _MERMAID.sub(lambda _: _picture(example), readme, count=1)
    return re.sub(r"\[([^\]]+)\]\((?!https?://|#)[^)]+\)", r"\1", drawn).rstrip()


def _source(path: Path) -> str:
    source = path.read_text(encoding="utf-8").rstrip()
    fence = "~" * 4 if "```" in source else "```"
    return f'{fence}python title="{path.name}"\n{source}\n{fence}'


def _index(found: list[Example]) -> str:
    cards = [
        f"-   [![The graph of the example {example.title}](../pictures/example-{example.name}.svg){{ .drawn loading=lazy }}]"
        f"({example.name}.md)\n\n"
        f"    **[{example.title}]({example.name}.md)**\n\n"
        f"    {example.paragraphs[0]}\n"
        for example in found
    ]
    return (
        "# Gallery\n\n"
        f"{len(found)} conversations that run as they are: without a key, a scripted endpoint stands in for the model and says so. "
        "Each picture is drawn from the example's code.\n\n"
        '<div class="cards" markdown>\n\n' + "\n".join(cards) + "\n</div>\n"
    )
