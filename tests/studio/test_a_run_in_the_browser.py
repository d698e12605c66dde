"""In Chromium: a run is looked at, followed, wound back, forked, compared, replayed and gone on with, by mouse and by keyboard."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.studio.conftest import Served, check_access, studio_at

from .test_studio_follows_runs import begun, ended

FOLDER = Path(__file__).parent / "graphs"
GRAPHS = FOLDER / "newsroom.py"
SHOTS = Path(__file__).parents[2] / "build/screenshots"


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A studio with the newsroom's graphs."""
    folder = tmp_path_factory.mktemp("run-page")
    targets = [*(f"{GRAPHS}:{name}" for name in ("news", "count", "moody")), f"{FOLDER / 'desk.py'}:named"]
    with studio_at(folder / "runs.db", *targets, cwd=folder) as served:
        yield served


@pytest.fixture(scope="module")
def news(studio: Served) -> str:
    """A run of the newsroom that has ended."""
    run_id = begun(studio, "newsroom")
    ended(studio, run_id)
    return run_id


def opened(page: Page, studio: Served, run_id: str, step: int | None = None) -> Page:
    """The page of a run, when its steps are there."""
    page.goto(studio.url)
    page.goto(f"{studio.origin}/#/run/{run_id}{'' if step is None else f'/{step}'}")
    expect(page.locator(".run-page")).to_be_visible()
    if step is not None:
        expect(slider(page)).to_have_attribute("aria-valuenow", str(step))
    return page


def shot(page: Page, name: str) -> None:
    """A picture of the page, for the documentation."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"{name}.png")


def slider(page: Page) -> Any:
    """The timeline's slider."""
    return page.get_by_role("slider", name="Step")


def turn(page: Page, step: int) -> Any:
    """A turn of the transcript."""
    return page.locator(f".speech[data-step='{step}']")


def test_a_run_is_looked_at(studio: Served, news: str, page: Page) -> None:
    """Graph, transcript, step: tool calls folded, branches side by side, nested turns, a picture, why it went on, the state."""
    opened(page, studio, news, 1)
    expect(turn(page, 1).locator(".tool-call summary")).to_contain_text("archive")
    turn(page, 1).locator(".tool-result summary").click()
    expect(turn(page, 1).locator(".tool-result pre")).to_contain_text("503 metres long")
    expect(turn(page, 1).locator("strong")).to_have_text("503 metres")
    expect(turn(page, 3).locator(".side-by-side > .inner")).to_have_count(3)
    page.goto(f"{studio.origin}/#/run/{news}/4")
    expect(turn(page, 4).locator(".within > .inner .who")).to_have_text(["checker", "fixer", "checker"])
    page.goto(f"{studio.origin}/#/run/{news}/9")
    step = page.get_by_label("The step that is looked at")
    expect(step.get_by_role("heading", name="Step 9 · judge")).to_be_visible()
    expect(step.locator(".guards .taken")).to_contain_text("good_enough()")
    expect(step.locator(".changes")).to_contain_text("0.45 → 0.9")
    expect(step.locator(".tree")).to_contain_text('"draft 2 was read"')
    page.goto(f"{studio.origin}/#/run/{news}/10")
    picture = turn(page, 10).locator("img")
    expect(picture).to_be_visible()
    assert picture.evaluate("image => image.complete && image.naturalWidth === 24")


def test_the_graph_shows_where_the_run_has_been(studio: Served, news: str, page: Page) -> None:
    opened(page, studio, news, 5)
    graph = page.get_by_label("Graph of the run")
    expect(graph.locator(".current").first).to_have_attribute("aria-label", re.compile("judge"))
    expect(graph.locator(".just-taken")).to_have_attribute("aria-label", re.compile("judge to writer.*once more"))
    expect(graph.locator(".refused")).to_have_attribute("aria-label", re.compile("judge to artist"))
    expect(graph.locator("[aria-label^='checker'] .count-mark text")).to_have_text("×2")
    assert graph.locator(".visited").count() >= 8
    expect(turn(page, 7).locator(".side-by-side > .inner")).to_have_count(3)
    shot(page, "run")


def test_a_node_leads_through_its_turns_and_an_edge_says_its_guard(studio: Served, news: str, page: Page) -> None:
    opened(page, studio, news, 1)
    graph = page.get_by_label("Graph of the run")
    graph.get_by_role("button", name="writer, agent").click()
    expect(slider(page)).to_have_attribute("aria-valuenow", "2")
    graph.get_by_role("button", name="writer, agent").click()
    expect(slider(page)).to_have_attribute("aria-valuenow", "6")
    page.get_by_label("only these").check()
    expect(turn(page, 5)).to_have_class(re.compile(r"\bother\b"))
    expect(turn(page, 6)).not_to_have_class(re.compile(r"\bother\b"))
    page.get_by_role("button", name="Dismiss").click()
    expect(turn(page, 5)).not_to_have_class(re.compile(r"\bother\b"))
    slider(page).press("ArrowLeft")
    page.get_by_label("The step that is looked at").get_by_role("button", name="writer").click()
    told = page.locator(".told")
    expect(told).to_contain_text("state.draft < 5")
    expect(told).to_contain_text("After step 5: true, taken.")


def test_sub_graphs_close_and_open(studio: Served, news: str, page: Page) -> None:
    opened(page, studio, news, 5)
    graph = page.get_by_label("Graph of the run")
    expect(graph.locator("[aria-label^='checker']")).to_have_count(1)
    page.get_by_role("button", name="Close all").click()
    expect(graph.locator("[aria-label^='checker']")).to_have_count(0)
    page.get_by_role("button", name="Open all").click()
    expect(graph.locator("[aria-label^='checker']")).to_have_count(1)


def test_the_timeline_is_moved_by_keys(studio: Served, news: str, page: Page) -> None:
    opened(page, studio, news, 5)
    for key, step in (("ArrowRight", 6), ("ArrowLeft", 5), ("Home", 0), ("ArrowRight", 1), ("End", 10), ("PageUp", 0), ("PageDown", 10)):
        slider(page).press(key)
        expect(slider(page)).to_have_attribute("aria-valuenow", str(step))
    slider(page).press("ArrowLeft")
    expect(slider(page)).to_have_attribute("aria-valuetext", re.compile(r"step 9 of 10, judge: Score 0\.90"))
    assert page.url.endswith(f"#/run/{news}/9")
    slider(page).press("Home")
    page.get_by_label("Speed of playing").select_option("20")
    slider(page).press(" ")
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    expect(slider(page)).to_have_attribute("aria-valuenow", "10")
    expect(page.get_by_role("button", name="Play", exact=True)).to_be_visible()


def test_the_timeline_is_dragged(studio: Served, news: str, page: Page) -> None:
    opened(page, studio, news, 10)
    room = slider(page).bounding_box()
    page.mouse.move(room["x"] + room["width"] - 2, room["y"] + 10)
    page.mouse.down()
    for step in (7, 4, 2):
        page.mouse.move(room["x"] + room["width"] * step / 10, room["y"] + 10, steps=3)
        expect(slider(page)).to_have_attribute("aria-valuenow", str(step))
        expect(page.get_by_label("The step that is looked at").locator("h2")).to_contain_text(f"Step {step} ·")
    page.mouse.up()
    expect(turn(page, 2)).to_be_in_viewport()


def test_a_run_is_followed_as_it_goes_on(tmp_path: Path, page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    """Text streams at the end with a caret, the current node is marked, the end is told without a look away."""
    monkeypatch.setenv("NEWSROOM_PACE", "0.25")
    with studio_at(tmp_path / "runs.db", f"{GRAPHS}:news", cwd=tmp_path) as served:
        opened(page, served, begun(served, "newsroom"))
        expect(page.locator(".speech.running .caret").first).to_be_visible()
        expect(page.locator(".link")).to_have_text("live")
        expect(page.get_by_label("Graph of the run").locator(".current").first).to_be_visible()
        expect(page.locator(".speech.running .text").first).to_contain_text("The")
        expect(page.get_by_role("button", name="Follow")).to_have_attribute("aria-pressed", "true")
        expect(page.locator(".run-head .badge.finished")).to_be_visible(timeout=20_000)
        expect(turn(page, 10)).to_be_in_viewport()
        expect(page.locator(".speech.running")).to_have_count(0)
        page.goto("about:blank")


def test_who_looks_back_is_not_carried_away(tmp_path: Path, page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEWSROOM_PACE", "0.15")
    with studio_at(tmp_path / "runs.db", f"{GRAPHS}:news", cwd=tmp_path) as served:
        opened(page, served, begun(served, "newsroom"))
        expect(turn(page, 2)).to_be_visible()
        turn(page, 1).locator("header").click()
        expect(page.get_by_role("button", name="Follow")).to_have_attribute("aria-pressed", "false")
        expect(page.locator(".run-head .badge.finished")).to_be_visible(timeout=20_000)
        expect(slider(page)).to_have_attribute("aria-valuenow", "1")
        page.get_by_role("button", name="Follow").click()
        expect(slider(page)).to_have_attribute("aria-valuenow", "10")
        page.goto("about:blank")


def test_a_run_is_forked_from_a_step(studio: Served, news: str, page: Any) -> None:
    opened(page, studio, news, 5)
    page.get_by_role("button", name="Fork from here").click()
    dialog = page.get_by_role("dialog", name="Fork from step 5")
    expect(dialog.get_by_label("What judge said")).to_have_value("Score 0.45 for draft 1.")
    state = dialog.get_by_label("The state (JSON)")
    right = state.input_value()
    state.fill(right.replace("0.45", "0.4.5"))
    expect(dialog.get_by_role("status")).to_contain_text("no JSON")
    expect(dialog.get_by_role("button", name="Fork")).to_be_disabled()
    state.fill(right.replace("0.45", '"high"'))
    dialog.get_by_role("button", name="Fork").click()
    expect(dialog.get_by_role("alert")).to_contain_text("score")
    assert ["422" in complaint for complaint in page.complaints] == [True]  # the browser tells of what is refused
    page.complaints.clear()
    state.fill(right.replace("0.45", "0.97"))
    dialog.get_by_label("What judge said").fill("Splendid.")
    dialog.get_by_role("button", name="Fork").click()
    expect(page.get_by_role("link", name="forked at step 5")).to_be_visible()
    expect(turn(page, 5)).to_contain_text("Splendid.")
    expect(turn(page, 5).locator(".badge")).to_have_text("edited")
    expect(turn(page, 6)).to_contain_text("artist")


def test_two_runs_are_compared(studio: Served, news: str, page: Page) -> None:
    forked = studio.api.post(f"/api/runs/{news}/fork", json={"at": 5, "message": "Splendid.", "state": {"score": 0.97}}).json()["run_id"]
    ended(studio, forked)
    opened(page, studio, forked, 5)
    page.get_by_role("button", name="Compare").click()
    page.get_by_role("dialog").get_by_role("button", name="Compare").click()
    expect(page.get_by_text("4 steps alike, then they differ")).to_be_visible()
    first = page.locator(".compared.first")
    expect(first).to_be_in_viewport()
    expect(first).to_contain_text("Splendid.")
    expect(page.locator("table")).to_contain_text("draft 2 was read")
    shot(page, "compare")
    first.get_by_role("link").nth(1).click()
    expect(slider(page)).to_have_attribute("aria-valuenow", "5")


def test_a_replay_shows_where_it_differs(tmp_path: Path, page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    with studio_at(tmp_path / "runs.db", f"{GRAPHS}:moody", cwd=tmp_path) as served:
        run_id = begun(served, "fickle")
        ended(served, run_id)
        opened(page, served, run_id)
        page.get_by_role("button", name="Replay").click()
        expect(page.get_by_text("Replayed 2 steps from the record: the same")).to_be_visible()
        page.goto("about:blank")
    monkeypatch.setenv("FICKLE", "something else")
    with studio_at(tmp_path / "runs.db", f"{GRAPHS}:moody", cwd=tmp_path) as served:
        opened(page, served, run_id, 1)
        page.get_by_role("button", name="Replay").click()
        expect(slider(page)).to_have_attribute("aria-valuenow", "2")
        difference = turn(page, 2).get_by_label("Where the replay differed")
        expect(difference.locator(".minus").first).to_be_visible()
        expect(difference.locator(".plus").last).to_contain_text("something else")
        page.goto("about:blank")


def test_a_run_is_stopped_resumed_and_continued(studio: Served, page: Page) -> None:
    run_id = begun(studio, "counting", limits={"turns": 30})
    ended(studio, run_id)
    opened(page, studio, run_id)
    page.get_by_role("button", name="Resume").click()
    dialog = page.get_by_role("dialog", name="Resume the run")
    dialog.get_by_label("Turns").fill("200000")
    dialog.get_by_role("button", name="Resume").click()
    expect(page.locator(".run-head .badge.running")).to_be_visible()
    page.get_by_role("button", name="Stop").click()
    expect(page.locator(".run-head .badge.cancelled")).to_be_visible()
    moody = begun(studio, "fickle")
    ended(studio, moody)
    opened(page, studio, moody)
    page.get_by_role("button", name="Continue").click()
    page.get_by_label("What the user says next").fill("And then?")
    page.get_by_role("button", name="Send").click()
    expect(turn(page, 2).locator(".then")).to_contain_text("And then?")
    expect(turn(page, 4)).to_be_visible()


def test_a_question_is_answered_where_it_is_asked(studio: Served, page: Page) -> None:
    run_id = begun(studio, "named")
    ended(studio, run_id)
    opened(page, studio, run_id)
    asked = page.get_by_label("Questions of this run")
    expect(asked).to_contain_text("What is your name?")
    asked.get_by_role("textbox").fill("Ada")
    asked.get_by_role("button").last.click()
    expect(turn(page, 1)).to_contain_text("You said: Ada")
    expect(page.locator(".run-head .badge.finished")).to_be_visible()


def test_two_browsers_follow_one_run(studio: Served, browser: Any) -> None:
    run_id = begun(studio, "counting", limits={"turns": 400})
    pages = [browser.new_context(viewport={"width": 1000, "height": 700}).new_page() for _ in range(2)]
    try:
        for one in pages:
            opened(one, studio, run_id)
        for one in pages:
            expect(one.locator(".run-head .badge.limited")).to_be_visible(timeout=20_000)
            expect(slider(one)).to_have_attribute("aria-valuemax", "400")
            expect(turn(one, 400)).to_be_in_viewport()
    finally:
        for one in pages:
            one.context.close()


def test_the_page_outlives_the_studio(tmp_path: Path, browser: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The studio is killed in the middle of a run and started again under the open page, which finds it and has missed nothing."""
    monkeypatch.setenv("CONVGRAPH_STUDIO_TOKEN", "the-same-token-as-before")
    monkeypatch.setenv("NEWSROOM_PACE", "0.2")
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    page = context.new_page()
    try:
        with studio_at(tmp_path / "runs.db", f"{GRAPHS}:news", cwd=tmp_path) as served:
            port = served.origin.rpartition(":")[2]
            run_id = begun(served, "newsroom")
            opened(page, served, run_id)
            expect(turn(page, 3)).to_be_visible(timeout=20_000)
            served.process.kill()
            served.process.wait()
            expect(page.locator(".link")).to_have_text(re.compile("connection lost"))
        with studio_at(tmp_path / "runs.db", f"{GRAPHS}:news", options=("--port", port), cwd=tmp_path) as served:
            expect(page.locator(".link")).not_to_have_text(re.compile("connection lost"), timeout=20_000)
            until = time.monotonic() + 25  # the lease of the one that was killed has to run out
            while served.api.post(f"/api/runs/{run_id}/resume", json={}).status_code == 409 and time.monotonic() < until:
                time.sleep(0.1)
            expect(page.locator(".run-head .badge.finished")).to_be_visible(timeout=20_000)
            expect(slider(page)).to_have_attribute("aria-valuemax", "10")
            steps = page.evaluate("[...document.querySelectorAll('.speech:not(.ending)')].map(one => Number(one.dataset.step))")
            assert steps == list(range(min(steps), 11))
    finally:
        context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_use_it(studio: Served, news: str, browser: Any, scheme: str) -> None:
    """axe-core finds nothing serious: in a run, in the dialog that forks it, in two runs beside each other."""
    forked = studio.api.post(f"/api/runs/{news}/fork", json={"at": 5, "message": "Splendid.", "state": {"score": 0.97}}).json()["run_id"]
    ended(studio, forked)
    context = browser.new_context(viewport={"width": 1400, "height": 900}, color_scheme=scheme, bypass_csp=True)
    page = context.new_page()
    try:
        opened(page, studio, news, 1)
        expect(turn(page, 3).locator(".inner")).to_have_count(3)
        check_access(page)
        page.get_by_role("button", name="Fork from here").click()
        expect(page.get_by_role("dialog")).to_be_visible()
        check_access(page)
        page.goto(f"{studio.origin}/#/compare/{news}/{forked}")
        expect(page.locator(".compared.first")).to_be_visible()
        check_access(page)
    finally:
        context.close()
