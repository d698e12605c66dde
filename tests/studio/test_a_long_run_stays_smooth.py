"""In Chromium: a run of 10,000 steps is scrubbed through, and the page neither slows down nor grows."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from benchmarks.studio import GRAPH, KEYS, PROMISED, SCRUB
from convgraph import Limits
from convgraph.loading import load_target
from tests.studio.conftest import Served, studio_at

STEPS = 10_000
ENOUGH = 4 * PROMISED
"""Milliseconds, for a machine that is shared."""


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A studio with a run of 10,000 steps."""
    folder = tmp_path_factory.mktemp("long")
    load_target(GRAPH).run("go", store=folder / "runs.db", run_id="long", limits=Limits(turns=STEPS), durability="exit")
    with studio_at(folder / "runs.db", GRAPH, cwd=folder) as served:
        yield served


def measured(page: Page) -> tuple[float, float]:
    """The page's elements, and its heap in MB, after what nobody holds was thrown away."""
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    session.send("Performance.enable")
    metrics = {metric["name"]: metric["value"] for metric in session.send("Performance.getMetrics")["metrics"]}
    session.detach()
    return metrics["Nodes"], metrics["JSHeapUsedSize"] / 1e6


def opened(page: Page, studio: Served) -> Any:
    """The page of the long run, when all of its steps are known; its slider."""
    page.goto(studio.url)
    page.goto(f"{studio.origin}/#/run/long")
    slider = page.get_by_role("slider", name="Step")
    expect(slider).to_have_attribute("aria-valuenow", str(STEPS), timeout=30_000)
    return slider


def test_any_of_10000_steps_is_there_at_once(studio: Served, page: Page) -> None:
    opened(page, studio)
    page.evaluate(SCRUB, KEYS)
    times = page.evaluate(SCRUB, KEYS * 3)
    assert statistics.median(times) <= ENOUGH, times


def test_scrubbing_through_all_of_it_grows_nothing(studio: Served, page: Page) -> None:
    slider = opened(page, studio)
    page.evaluate(SCRUB, [*KEYS, *["PageUp"] * 20])
    nodes, heap = measured(page)
    for _ in range(3):
        page.evaluate(SCRUB, ["Home", *["PageDown"] * 20, "End", *["PageUp"] * 20])
    page.evaluate("document.querySelector('.turns').scrollTop = 1e9")
    expect(slider).to_have_attribute("aria-valuenow", "0")
    assert page.locator(".speech").count() < 60
    after, grown = measured(page)
    assert after <= nodes * 1.5 + 500, (nodes, after)
    assert grown <= heap + 12, (heap, grown)
