"""An exported run opens from disk with the network off: its graph, its words, its choices and its state, at every step, by keyboard."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from pydantic import BaseModel

from convgraph import END, ConversationGraph, Limits, Reply, open_store
from convgraph.loading import load_target
from convgraph.runtime.context import Context

SHOTS = Path(__file__).parents[2] / "build/screenshots"
DESK = Path(__file__).parent / "graphs/desk.py"


class Count(BaseModel):
    """What is counted."""

    n: int = 0
    even: list[int] = []


def odd(ctx: Context) -> Reply:
    """Count on."""
    return Reply(f"{ctx.turn} is odd", {"n": ctx.turn})


def even(ctx: Context) -> Reply:
    """Count on, and keep the last few."""
    return Reply(f"{ctx.turn} is even", {"n": ctx.turn, "even": [*ctx.state.even, ctx.turn][-3:]})


def counting(steps: int) -> ConversationGraph:
    """A graph that counts so far."""
    graph = ConversationGraph("counting", state=Count, limits=Limits(turns=2 * steps))
    graph.add_node(odd)
    graph.add_node(even)
    graph.add_edge("odd", "even")
    graph.add_edge("even", END, when=f"state.n >= {steps}", label="enough")
    graph.add_edge("even", "odd", label="on")
    graph.set_start("odd")
    return graph


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a run of 1,000 steps, written by the command."""
    folder = tmp_path_factory.mktemp("player")
    with open_store(folder / "runs.db") as store:
        counting(1000).run("count", store=store, run_id="long")
        load_target(f"{DESK}:till").run("pay", store=store, run_id="asks", human=lambda _: {"refuse": "no money"})
    for run_id in ("long", "asks"):
        command = [sys.executable, "-m", "convgraph", "export", run_id, "--html", "-o", f"{run_id}.html", "--store", "runs.db"]
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=60)
    return folder


@pytest.fixture
def offline(page: Page) -> Iterator[Page]:
    """A page without a network; what it asks of one fails the test."""
    page.context.set_offline(True)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if not request.url.startswith(("file:", "data:")) else None)
    yield page
    assert asked == []


def position(page: Page) -> Any:
    return page.locator("#timeline output")


def test_a_run_of_a_thousand_steps_opens_at_once_and_is_scrubbed_by_keyboard(offline: Page, played: Path) -> None:
    offline.goto((played / "long.html").as_uri())
    expect(position(offline)).to_have_text("0 / 1000")
    opened = offline.evaluate("() => performance.now()")
    assert opened < 2000
    assert (played / "long.html").stat().st_size < 1_500_000

    offline.keyboard.press("ArrowRight")
    offline.keyboard.press("ArrowRight")
    expect(offline.get_by_role("heading", name="Step 2: even")).to_be_visible()
    detail = offline.get_by_label("The step", exact=True)
    expect(detail).to_contain_text("2 is even")
    expect(detail.get_by_role("row", name=re.compile("END.*enough.*state.n >= 1000.*false"))).to_be_visible()
    expect(detail.locator("tr.taken")).to_contain_text("odd (on)")
    expect(detail.locator("pre.mono")).to_have_text(re.compile(r'"n": 2,\s+"even": \[\s+2\s+\]'))
    assert "current" in (offline.locator("#node-even, g.node.current").first.get_attribute("class") or "")

    offline.keyboard.press("End")
    expect(position(offline)).to_have_text("1000 / 1000")
    expect(detail).to_contain_text("1000 is even")
    expect(detail.locator("pre.mono")).to_contain_text("996")
    offline.keyboard.press("PageUp")
    expect(position(offline)).to_have_text("990 / 1000")
    offline.keyboard.press("Home")
    expect(position(offline)).to_have_text("0 / 1000")
    offline.get_by_role("slider", name="Step").fill("500")
    expect(offline.get_by_role("heading", name="Step 500: even")).to_be_visible()
    SHOTS.mkdir(parents=True, exist_ok=True)
    offline.screenshot(path=SHOTS / "exported-run.png")


def test_a_run_plays_by_itself_and_stops_when_it_is_told(offline: Page, played: Path) -> None:
    offline.goto((played / "long.html").as_uri())
    offline.get_by_label("Pace").select_option("fast")
    offline.get_by_role("button", name="Play").click()
    expect(position(offline)).to_have_text(re.compile("^[3-9] /"), timeout=10_000)
    offline.get_by_role("button", name="Pause").click()
    stopped = position(offline).text_content()
    offline.wait_for_timeout(90)
    assert position(offline).text_content() == stopped


def test_a_click_in_the_transcript_or_on_a_node_leads_to_its_step(offline: Page, played: Path) -> None:
    offline.goto((played / "long.html").as_uri())
    offline.get_by_role("button", name=re.compile("^7 · odd")).click()
    expect(position(offline)).to_have_text("7 / 1000")
    offline.locator("g.node-part", has_text="even").click()
    expect(position(offline)).to_have_text("8 / 1000")


def test_what_people_were_asked_and_said_is_there(offline: Page, played: Path) -> None:
    offline.goto((played / "asks.html").as_uri())
    offline.keyboard.press("End")
    row = offline.get_by_role("row", name=re.compile("human clerk"))
    expect(row).to_contain_text("May clerk call pay")
    expect(row).to_contain_text("no money")


def test_a_run_that_is_not_there_is_refused_in_words(played: Path) -> None:
    command = [sys.executable, "-m", "convgraph", "export", "nobody", "--html", "--store", "runs.db"]
    ended = subprocess.run(command, cwd=played, check=False, capture_output=True, text=True, timeout=60)
    assert ended.returncode != 0
    assert "nobody" in ended.stderr
    assert not (played / "nobody.html").exists()
