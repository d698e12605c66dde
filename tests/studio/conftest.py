"""A studio as its users have it: a process of its own that serves a store; and Debian's Chromium to look at it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

AXE = Path(__file__).parents[2] / ".cache/axe/node_modules/axe-core/axe.min.js"
CHROMIUM = "/usr/bin/chromium"
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
QUIET += ["--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"]


@dataclass
class Served:
    """A studio that is served: `url` is the address with the token, `api` a client that has it."""

    url: str
    api: httpx2.Client
    process: subprocess.Popen[str]

    @property
    def origin(self) -> str:
        return self.url.partition("/?")[0]


@contextmanager
def studio_at(store: Path | str, *targets: str, options: tuple[str, ...] = (), cwd: Path | None = None) -> Generator[Served]:
    """`convgraph studio TARGETS… --store STORE`, in a process of its own."""
    command = [sys.executable, "-m", "convgraph", "studio", *targets, "--store", str(store), "--no-browser", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=cwd)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        url = next(word for word in line.split() if "://" in word)
        origin, _, token = url.partition("/?token=")
        with httpx2.Client(base_url=origin, headers={"authorization": f"Bearer {token}"}, timeout=20) as api:
            yield Served(url, api, process)
    finally:
        process.terminate()
        process.wait(10)
        if process.stdout is not None:
            process.stdout.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Debian's Chromium, started once a module: as long as it is there, so is Playwright's event loop, in which no other may run."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A page of a browser of its own; what it complains of in its console fails the test."""
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    opened = context.new_page()
    complaints: list[str] = []
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    opened.complaints = complaints
    yield opened
    context.close()
    assert not complaints, complaints


def check_access(page: Any) -> None:
    """Raise `AssertionError` for what axe-core finds serious in a page as it stands."""
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found: Any = page.evaluate("async () => (await axe.run()).violations")
    serious = [f"{one['id']}: {one['nodes'][0]['html'][:200]}" for one in found if one["impact"] in ("serious", "critical")]
    assert not serious, serious
