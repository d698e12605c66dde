"""README.md and the pages in docs/ do what they say: their Python runs, prints what is printed below it, and their commands work.

Blocks of a page share one namespace and one directory. A Python block that begins with `# name.py` is that file. A `text`
(or `mermaid`) block right below a Python block is what it prints; `…` stands for anything. In a `console` block, commands that
begin with `python` or `convgraph` are run (one that serves, until it has answered); `Killed` below one means that it dies by
SIGKILL, `[N]` that it exits with N. Python with a title (```` ```python title="LangGraph" ````) is somebody else's: it has to be
Python, and is not run.
"""

from __future__ import annotations

import ast
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from scripts.documentation.blocks import Block, blocks, execute
from tests.knowledge.postgres_cluster import postgres_cluster

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted(path for path in (ROOT / "docs").rglob("*.md") if path.name not in ("architecture.md", "cli.md"))]


def _name(page: Path) -> str:
    return page.relative_to(ROOT).with_suffix("").as_posix().removeprefix("docs/")


def test_the_extractor_finds_what_a_page_holds(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "A\n\n```python\nprint(1)\n```\n\n```text\n1\n```\n\nB\n\n```console\n$ python x.py\n```\n\n"
        '```python title="LangGraph"\nimport langgraph\n```\n'
    )

    assert list(blocks(page)) == [
        Block("python", "print(1)\n", 4, "1\n"),
        Block("text", "1\n", 8, None),
        Block("console", "$ python x.py\n", 14, None),
        Block("python", "import langgraph\n", 18, None, "LangGraph"),
    ]
    assert [block.is_ours for block in blocks(page)] == [True, False, False, False]


@pytest.fixture
def database() -> Iterator[str]:
    """A PostgreSQL server of the test's own, for pages that name one by `DATABASE_URL`."""
    with postgres_cluster() as url:
        yield url


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_a_page_does_what_it_says(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    if "DATABASE_URL" in page.read_text(encoding="utf-8"):
        monkeypatch.setenv("DATABASE_URL", request.getfixturevalue("database"))
    before = set(sys.modules)
    namespace: dict[str, Any] = {"__name__": page.stem}
    try:
        for block in blocks(page):
            if block.is_ours:
                _run_python(block, namespace, page)
            elif block.language == "python":
                ast.parse(block.text)
            elif block.language == "console":
                for command, printed in _commands(block.text):
                    _run_command(command, printed, page)
    finally:
        for name in set(sys.modules) - before:
            if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
                del sys.modules[name]


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_a_page_links_to_what_is_there(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))

    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert missing == []


def test_the_readme_picture_is_the_demos_graph(load: Any) -> None:
    picture = (ROOT / "docs/images/newsroom.svg").read_text(encoding="utf-8")
    graph = load("demo").graph.definition

    assert len(picture) < 100_000
    for name in graph.nodes:
        assert f">{name}<" in picture
    for edge in graph.edges:
        assert edge.label in picture


def _run_python(block: Block, namespace: dict[str, Any], page: Path) -> None:
    output = execute(block, namespace, page)
    if output is not None and block.printed is not None:
        _compare(output, block.printed, f"{page.name}:{block.line}")


def _commands(text: str) -> Iterator[tuple[str, str]]:
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, printed = part.partition("\n")
        yield command, printed.strip()


def _run_command(command: str, printed: str, page: Path) -> None:
    words = shlex.split(os.path.expandvars(command), comments=True)
    if words[0] not in ("python", "convgraph"):
        return
    program = [sys.executable] if words[0] == "python" else [sys.executable, "-m", "convgraph"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    if words[:2] == ["convgraph", "studio"]:
        _run_server([*program, *words[1:]], {**environment, "BROWSER": "true"})
        return
    done = subprocess.run([*program, *words[1:]], env=environment, capture_output=True, text=True, timeout=60, check=False)
    code = re.search(r"^\[(\d+)\]$", printed, re.MULTILINE)
    expected = -signal.SIGKILL if printed.endswith("Killed") else int(code[1]) if code else 0
    assert done.returncode == expected, f"{page.name}: $ {command}\n{done.stdout}\n{done.stderr}"
    lines = re.sub(r"^(Killed|\[\d+\])$", "", printed, flags=re.MULTILINE).strip()
    if lines:
        _compare(done.stdout, lines, f"{page.name}: $ {command}")


def _run_server(command: list[str], environment: dict[str, str]) -> None:
    """Start what serves a page at the address that it prints, ask for that page, and stop it as a person does."""
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            address = server.stdout.readline().split()[-1]
            with httpx2.Client(follow_redirects=True, timeout=30) as client:
                assert client.get(address).raise_for_status().headers["content-type"].startswith("text/html")
        finally:
            server.send_signal(signal.SIGINT)
        assert server.wait(20) == 0


def _compare(actual: str, expected: str, where: str) -> None:
    """As said, but for trailing blanks and for `…`."""
    pattern = ".*?".join(re.escape(part) for part in _trimmed(expected).split("…"))
    assert re.fullmatch(pattern, _trimmed(actual), re.DOTALL), f"{where} prints\n{actual}\nnot\n{expected}"


def _trimmed(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip().splitlines())
