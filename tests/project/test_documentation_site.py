"""The documentation site is built without a warning, has everything that it promises, and loads nothing from elsewhere."""

from __future__ import annotations

import ast
import fcntl
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property, partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
import yaml

import convgraph
from scripts.documentation import blocks as page_blocks
from scripts.documentation.gallery import examples
from scripts.documentation.reference import PARTS, names_of, public_names

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PUBLIC_MODULES = ("convgraph.coding", "convgraph.errors", "convgraph.evaluation", "convgraph.telemetry", "convgraph.testing")
CHROMIUM = "/usr/bin/chromium"
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"]
LOADED = {("script", "src"), ("link", "href"), ("img", "src"), ("iframe", "src"), ("source", "src"), ("video", "src"), ("object", "data")}
LANGUAGES = {"", "python", "text", "mermaid", "console", "sh", "yaml", "toml", "json", "jinja", "sql", "html", "csv", "nginx"}


@dataclass
class Page(HTMLParser):
    """A built page: its anchors, where it leads, what it loads, its pictures."""

    path: Path
    anchors: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    loads: list[tuple[str, str]] = field(default_factory=list)
    pictures: list[dict[str, str | None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.anchors |= {value for name in ("id", "name") if (value := given.get(name))}
        if tag == "a" and given.get("href"):
            self.links.append(str(given["href"]))
        if tag == "img":
            self.pictures.append(given)
        self.loads += [(tag, str(given[name])) for kind, name in LOADED if kind == tag and given.get(name)]


@dataclass(frozen=True)
class Site:
    """The site as it is built."""

    folder: Path
    said: str

    @cached_property
    def pages(self) -> dict[str, Page]:
        """Every page by its place, but for the one that only a server shows."""
        built = {path.relative_to(self.folder).as_posix(): path for path in sorted(self.folder.rglob("*.html"))}
        return {name: Page(path) for name, path in built.items() if name != "404.html"}


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Built once, whichever of the processes that run the tests comes first."""
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    folder, said = shared / "documentation", shared / "documentation-said"
    with (shared / "documentation-lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not said.exists():
            command = [sys.executable, "-m", "scripts.documentation", str(folder)]
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=110, check=False)
            said.write_text(done.stdout + done.stderr, encoding="utf-8")
    assert (folder / "site" / "index.html").exists(), said.read_text(encoding="utf-8")
    return Site(folder / "site", said.read_text(encoding="utf-8"))


@pytest.fixture
def address(site: Site) -> Iterator[str]:
    """Where the site is served."""
    handler = partial(_Quiet, directory=str(site.folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        serving = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        serving.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        serving.join()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: Any) -> None:
        pass


def test_it_is_built_without_a_word(site: Site) -> None:
    """What the generator warns of is an error of the build; here is nothing but where the site is."""
    assert site.said.split() == [str(site.folder)]


def test_each_page_of_the_folder_is_on_the_site_and_in_its_navigation(site: Site) -> None:
    names = {path.relative_to(DOCS).with_suffix(".html").as_posix() for path in DOCS.rglob("*.md")}
    assert names <= site.pages.keys()

    navigation = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]
    listed = {Path(name).with_suffix(".html").as_posix() for name in re.findall(r"[\w/-]+\.md", json.dumps(navigation))}
    assert names - listed == set(), "mkdocs.yml names these pages nowhere under nav:"


def test_every_link_and_anchor_leads_somewhere(site: Site) -> None:
    broken = []
    for name, page in site.pages.items():
        for link in page.links:
            where = urlsplit(link)
            if where.scheme or where.netloc:
                continue
            target = (page.path.parent / unquote(where.path)).resolve() if where.path else page.path
            other = site.pages.get(target.relative_to(site.folder.resolve()).as_posix()) if target.suffix == ".html" else None
            if not target.exists() or (where.fragment and other is not None and unquote(where.fragment) not in other.anchors | {"__top"}):
                broken.append(f"{name}: {link}")
    assert broken == []


def test_every_picture_is_there_and_says_in_words_what_is_on_it(site: Site) -> None:
    pictures = [(page, picture) for page in site.pages.values() for picture in page.pictures]
    assert len(pictures) > 50
    for page, picture in pictures:
        source = str(picture["src"])
        assert source.startswith("data:") or (page.path.parent / source).is_file(), f"{page.path.name}: {source}"
        assert len(str(picture.get("alt") or "")) > 3, f"{page.path.name}: {source} has no words"


def test_nothing_is_loaded_from_another_host(site: Site) -> None:
    """Neither by a page, nor by a style. (The theme's script knows addresses for features that are not used here: see below.)"""
    loaded = [(name, what) for name, page in site.pages.items() for what in page.loads if re.match(r"(https?:)?//", what[1])]
    assert loaded == []
    for style in site.folder.rglob("*.css"):
        assert re.findall(r"(?:url\(|@import)\s*['\"]?(?:https?:)?//[^)]*", style.read_text(encoding="utf-8")) == [], style.name
    for drawing in site.folder.rglob("*.svg"):
        assert re.findall(r"""(?:href|src)=["'](?:https?:)?//""", drawing.read_text(encoding="utf-8")) == [], drawing.name


def test_no_page_asks_the_theme_for_what_it_would_load_from_another_host(site: Site) -> None:
    """Diagrams as text (mermaid), executable code, light boxes, numbers of stars: their scripts are not part of the theme."""
    for name, page in site.pages.items():
        text = page.path.read_text(encoding="utf-8")
        assert re.findall(r'class="[^"]*\b(mermaid|glightbox|pyodide)\b', text) == [], name
        assert 'data-md-component="source"' not in text, name
        assert "iframe-worker" not in text, name


def test_the_search_knows_the_pages(site: Site) -> None:
    index = json.loads((site.folder / "search.json").read_text(encoding="utf-8"))
    found = {item["location"].partition("#")[0] for item in index["items"]}
    assert {"how-to/budgets.html", "concepts.html", "gallery/approval.html", "reference/errors.html"} <= found


def test_every_public_name_has_its_place_in_the_reference(site: Site) -> None:
    shown = {anchor for name, page in site.pages.items() if name.startswith("reference/") for anchor in page.anchors}
    promised = {f"convgraph.{name}" for name in convgraph.__all__}
    promised |= {f"{module}.{name}" for module in PUBLIC_MODULES for name in public_names(module)}
    places = {name: {f"{module}.{name.rpartition('.')[2]}" for module in ("convgraph", "convgraph.errors")} for name in promised}
    assert sorted(name for name in promised if not {name, *places[name]} & shown) == []
    assert all(names_of(part) for part in PARTS)


def test_what_the_pages_import_has_its_place_in_the_reference() -> None:
    """Whoever copies a page's first line finds what it imports."""
    shown = {name for part in PARTS for name in (*names_of(part), *part.modules)}
    short = {name.rpartition(".")[2] for name in shown}
    imported = {
        f"{statement.module}.{alias.name}"
        for page in DOCS.rglob("*.md")
        for block in page_blocks.blocks(page)
        if block.is_ours
        for statement in ast.walk(ast.parse(block.text))
        if isinstance(statement, ast.ImportFrom) and statement.module and statement.module.startswith("convgraph")
        for alias in statement.names
    }
    assert len(imported) > 80
    missing = sorted(name for name in imported if name.rpartition(".")[2] not in short)
    assert missing == [], "scripts/documentation/reference.py has them on no page"


def test_no_example_is_missing_in_the_gallery(site: Site) -> None:
    there = {path.stem for path in (ROOT / "examples").glob("*.py")} - {"stage"}
    there |= {path.name for path in (ROOT / "examples").iterdir() if (path / f"{path.name}.py").exists()}
    assert {example.name for example in examples(ROOT)} == there

    index = site.pages["gallery/index.html"]
    for name in there:
        assert f"{name}.html" in index.links
        page = site.pages[f"gallery/{name}.html"]
        assert any(str(picture["src"]).endswith(f"pictures/example-{name}.svg") for picture in page.pictures)
        text = page.path.read_text(encoding="utf-8")
        assert f"{name}.py" in text


def test_in_a_browser_pages_load_from_their_own_host_and_fit_wide_and_narrow_screens(address: str) -> None:
    from playwright.sync_api import sync_playwright

    asked: list[str] = []
    complaints: list[str] = []
    names = ["index", "concepts", "cli", "from-crewai", "how-to/budgets", "gallery/index", "gallery/three_teams", "reference/graphs"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        page = browser.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        for width in (1400, 420):
            page.set_viewport_size({"width": width, "height": 900})
            for name in names:
                page.goto(f"{address}/{name}.html")
                assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{name} is wider than {width}"
        page.set_viewport_size({"width": 1400, "height": 900})
        page.wait_for_load_state("networkidle")  # until then the keys are nobody's
        page.keyboard.press("Control+k")
        page.get_by_role("combobox", name="Search").fill("critics in parallel")
        page.locator("a[href$='/how-to/parallel-critics.html']:visible").first.wait_for(timeout=20_000)
        browser.close()
    assert len(asked) > 50
    assert [url for url in asked if not url.startswith((address, "data:", "blob:"))] == []
    assert complaints == []


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda page: page.relative_to(DOCS).as_posix())
def test_every_code_block_is_one_that_is_tried_or_that_needs_no_trial(page: Path) -> None:
    """A block that the extractor does not see, or whose language it does not know, would be tried by nobody."""
    fences = re.findall(r'^ *(?:```+|~~~+)(?:\w*(?: title=".*")?)$', page.read_text(encoding="utf-8"), re.MULTILINE)
    found = list(page_blocks.blocks(page))
    assert len(fences) == 2 * len(found)
    assert {block.language for block in found} <= LANGUAGES
    assert {block.title for block in found} <= {"", "convgraph", "In a notebook", "AutoGen 0.2", "LangGraph", "CrewAI"}
