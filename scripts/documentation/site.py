"""The site: the pages of `docs/` with what is made when it is built, and the generator's configuration for them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from scripts.documentation.flowcharts import with_flowcharts
from scripts.documentation.gallery import Example, write_gallery
from scripts.documentation.pictures import with_pictures
from scripts.documentation.problems import DocumentationError
from scripts.documentation.reference import PARTS, write_reference

ROOT = Path(__file__).parents[2]
_OUTSIDE = re.compile(r"\]\((?:\.\./)+(README\.md|examples|CHANGELOG\.md|CONTRIBUTING\.md)(?:/([\w.]+))?(?:/[\w.]*)?(#[\w-]+)?\)")
_COLOUR = re.compile(r"\x1b\[[\d;]*m")
_COMPLAINT = re.compile(r"warning|error|^(griffe|mkdocstrings|mkdocs_autorefs)\b", re.IGNORECASE | re.MULTILINE)
_SCREENSHOT = re.compile(r"^<!-- screenshot: (\S+) \| (.+?) -->$", re.MULTILINE)


def build(folder: Path) -> Path:
    """Build the site into `folder/site`, and say where it is.

    Raises `DocumentationError` where a page cannot be made, or the generator warns of anything: a link that leads nowhere, a name that
    has no docstring to show.
    """
    pages = stage(folder)
    done = subprocess.run(
        [sys.executable, "-m", "zensical", "build", "--strict", "--clean", "--config-file", "mkdocs.yml"],
        cwd=folder,
        env={**os.environ, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stdout + done.stderr
    if done.returncode or _COMPLAINT.search(said):
        raise DocumentationError(f"the site of {pages} was not built:\n{_COLOUR.sub('', said)}")
    return folder / "site"


def stage(folder: Path) -> Path:
    """Write the pages and the configuration into `folder`, which is emptied first; returns the folder of the pages."""
    shutil.rmtree(folder, ignore_errors=True)
    pages = folder / "pages"
    (pages / "pictures").mkdir(parents=True)
    for source in sorted((ROOT / "docs").rglob("*")):
        name = source.relative_to(ROOT / "docs")
        (pages / name.parent).mkdir(parents=True, exist_ok=True)
        if source.suffix == ".md":
            (pages / name).write_text(_page(source, name.with_suffix("").as_posix(), pages), encoding="utf-8")
        elif source.is_file():
            shutil.copyfile(source, pages / name)
    found = write_gallery(ROOT, pages)
    write_reference(pages)
    (folder / "mkdocs.yml").write_text(_configuration(found), encoding="utf-8")
    return pages


def _page(source: Path, name: str, pages: Path) -> str:
    """A page of the site: pictures drawn, screenshots in their places, links to what lies outside of `docs/` led to the gallery."""
    depth = name.count("/")
    text = with_flowcharts(with_pictures(source, name, pages / "pictures"), name, pages / "pictures")
    text = _SCREENSHOT.sub(lambda match: _screenshot(match[1], match[2], pages, depth), text)
    return _OUTSIDE.sub(lambda match: f"]({'../' * depth}{_inside(match[1], match[2])})", text)


def _screenshot(file: str, words: str, pages: Path, depth: int) -> str:
    """A picture that the tests of the studio have made, where they have been run; else the words alone."""
    taken = ROOT / "build" / "screenshots" / file
    if not taken.exists():
        return f"*{words}*"
    shutil.copyfile(taken, pages / "pictures" / file)
    return f"![{words}]({'../' * depth}pictures/{file}){{ .screenshot loading=lazy }}"


def _inside(what: str, which: str | None) -> str:
    if what != "examples":
        return "index.md"
    return f"gallery/{Path(which).stem}.md" if which else "gallery/index.md"


def _configuration(found: list[Example]) -> str:
    """The configuration of the repository, for the pages as they are staged: with every page of the gallery and the reference."""
    configuration: dict[str, Any] = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    sections = {
        "gallery/index.md": ["gallery/index.md", *({example.title: f"gallery/{example.name}.md"} for example in found)],
        "reference/index.md": ["reference/index.md", *({part.title: f"reference/{part.name}.md"} for part in PARTS)],
    }
    configuration["nav"] = [_expanded(entry, sections) for entry in configuration["nav"]]
    configuration |= {"docs_dir": "pages", "site_dir": "site"}
    reference = next(plugin["mkdocstrings"] for plugin in configuration["plugins"] if "mkdocstrings" in plugin)
    reference["handlers"]["python"]["paths"] = [str(ROOT)]
    return yaml.safe_dump(configuration, sort_keys=False)


def _expanded(entry: dict[str, Any], sections: dict[str, list[Any]]) -> dict[str, Any]:
    return {title: sections.get(page, page) if isinstance(page, str) else page for title, page in entry.items()}
