"""In Chromium: whatever models, tools, questions, labels, guards and ids say is shown as text, on every page and in exported files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Dialog, Page

from convgraph import open_store
from convgraph.loading import load_target
from tests.studio.conftest import Served, studio_at
from tests.studio.hostile import PAYLOADS, TAGS

HOSTILE = Path(__file__).parent / "graphs/hostile.py"
IDS = [text for text in PAYLOADS if text.isprintable()]

FOUND = """() => {
  const found = [];
  const never = ["iframe", "object", "embed", "base", "audio", "video", "foreignobject", "animate", "template", "math"];
  const addresses = ["href", "src", "xlink:href", "data", "action"];
  const harmless = /^(#|\\/(?!\\/)|data:image\\/(png|jpeg|gif|webp);base64,)/;
  for (const element of document.querySelectorAll("*")) {
    const name = element.localName;
    if (element.hasAttribute("data-xss")) found.push(element.outerHTML);
    if (never.includes(name)) found.push(name);
    if (name === "script" && element.getAttribute("src") !== "/static/app.js" && location.protocol !== "file:") found.push("script");
    if (name === "form" && element.hasAttribute("action")) found.push("form");
    for (const { name: attribute, value } of element.attributes) {
      if (attribute.startsWith("on")) found.push(attribute);
      if (addresses.includes(attribute) && !harmless.test(value)) found.push(`${attribute}=${value}`);
    }
  }
  return found;
}"""
WORDS = """() => document.querySelector("main").textContent +
  [...document.querySelectorAll("input, textarea, option")].map((element) => `${element.value} ${element.text}`).join(" ")"""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("hostile") / "runs.db"
    speech, asking = (load_target(f"{HOSTILE}:{name}") for name in ("speech", "asking"))
    with open_store(path) as opened:
        speech.run("go", store=opened, run_id="speech")
        for number in range(len(PAYLOADS)):
            asking.run(str(number), store=opened, run_id=IDS[number] if number < len(IDS) else f"asks-{number}", human="park")
        for run_id, label in zip(IDS, [text for text in IDS if len(text) <= 64 and "," not in text], strict=False):
            opened.label(run_id, [label])
    return path


@pytest.fixture(scope="module")
def studio(store: Path) -> Iterator[Served]:
    with studio_at(store, f"{HOSTILE}:speech", f"{HOSTILE}:asking") as served:
        yield served


class Watched:
    """A page whose dialogs and requests to elsewhere are noticed."""

    def __init__(self, page: Page, origin: str) -> None:
        self.page = page
        self.wrong: list[str] = []
        page.on("dialog", self._dismiss)
        page.on("request", lambda request: self.wrong.append(request.url) if self._is_elsewhere(request.url, origin) else None)
        page.on("popup", lambda _: self.wrong.append("popup"))

    def _dismiss(self, dialog: Dialog) -> None:
        self.wrong.append(f"dialog {dialog.message}")
        dialog.dismiss()

    @staticmethod
    def _is_elsewhere(url: str, origin: str) -> bool:
        return not url.startswith((origin + "/", "file:///", "data:image/", "about:blank"))

    def check(self, shown: list[str]) -> None:
        """What is shown is there as text, and nothing was made of it."""
        assert self.page.evaluate(FOUND) == []
        text = re.sub(r"\s+", " ", str(self.page.evaluate(WORDS)))
        missing = [one for one in shown if re.sub(r"\s+", " ", one).strip() not in text]
        assert missing == []
        assert self.wrong == []


@pytest.fixture
def watched(page: Page, studio: Served) -> Watched:
    page.goto(studio.url)
    return Watched(page, studio.origin)


def test_the_list_of_runs_shows_ids_labels_and_reasons_as_text(watched: Watched) -> None:
    watched.page.get_by_role("button", name="More").click()
    watched.page.wait_for_function(f"() => document.querySelectorAll('table.runs tbody tr').length > {len(PAYLOADS)}")
    watched.check([])
    titles = set(watched.page.evaluate("() => [...document.querySelectorAll('table.runs a.mono')].map(link => link.title)"))
    assert titles >= set(IDS)


def test_the_inbox_shows_calls_code_questions_and_forms_as_text(watched: Watched, studio: Served) -> None:
    watched.page.goto(f"{studio.origin}/#/inbox")
    watched.page.wait_for_function(f"() => document.querySelectorAll('.question').length === {len(PAYLOADS)}")
    watched.check(PAYLOADS)


@pytest.mark.parametrize("step", ["", "/1", "/17", f"/{len(PAYLOADS)}"])
def test_a_run_shows_what_was_said_and_why_as_text(watched: Watched, studio: Served, step: str) -> None:
    watched.page.goto(f"{studio.origin}/#/run/speech{step}")
    watched.page.wait_for_function("() => document.body.innerText.includes('mallory')")
    watched.page.wait_for_load_state("networkidle")
    watched.check([])


@pytest.mark.parametrize("run_id", [IDS[0], IDS[9], "__proto__"])
def test_a_run_with_a_hostile_id_is_opened_by_it(watched: Watched, studio: Served, run_id: str) -> None:
    watched.page.goto(f"{studio.origin}/#/run/{quote(run_id, safe='')}")
    watched.page.wait_for_function("() => document.body.innerText.includes('asking')")
    watched.check([])


def test_graphs_show_descriptions_guards_and_labels_as_text(watched: Watched, studio: Served) -> None:
    graphs = {known["name"]: known["id"] for known in studio.api.get("/api/graphs").json()}
    watched.page.goto(f"{studio.origin}/#/graphs")
    watched.page.wait_for_function("() => document.body.innerText.includes('speech')")
    watched.check([])
    watched.page.goto(f"{studio.origin}/#/graph/{graphs['speech']}")
    watched.page.wait_for_function("() => document.body.innerText.includes('mallory')")
    watched.check([])


def test_an_exported_run_shows_everything_as_text(page: Page, studio: Served, tmp_path: Path) -> None:
    file = tmp_path / "run.html"
    file.write_bytes(studio.api.get("/api/runs/speech/export", params={"format": "html"}).content)
    page.context.set_offline(True)
    watched = Watched(page, studio.origin)
    page.goto(file.as_uri())
    for step in range(len(PAYLOADS) + 1):
        page.keyboard.press("ArrowRight")
        if step % 8 == 0:
            watched.check([])
    watched.check(TAGS)


def test_an_exported_file_holds_no_tag_that_somebody_has_said(studio: Served) -> None:
    text = studio.api.get("/api/runs/speech/export", params={"format": "html"}).text
    assert text.count("<script") == text.count("</script>") == 2
    assert "<img" not in text.partition('id="run">')[2].partition("</script>")[0]


def test_only_pictures_that_are_at_hand_are_shown(studio: Served) -> None:
    said: Any = studio.api.get("/api/runs/speech/steps/1").json()["messages"]
    assert not any(part["image"] for message in said for part in message["parts"])
