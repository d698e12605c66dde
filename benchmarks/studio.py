"""How quickly the studio's page shows any step of a long run: `python -m benchmarks.studio [STEPS]`.

A run of 10,000 steps is opened in Chromium (Debian's, at /usr/bin/chromium, through Playwright) and scrubbed through by keyboard. A step
counts as shown when the timeline, the transcript and the step in full, with its state and its guards, are on the page; times are the
page's own clock. Also measured: how long the whole run takes to come, what a step costs to explain in the studio's process, and what the
page holds before and after all of it was scrubbed through.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter
from typing import Any

from convgraph import Limits, open_store
from convgraph.loading import load_target
from convgraph.studio.catalog import Catalog
from convgraph.studio.live import Live
from convgraph.studio.steps import step_out
from convgraph.studio.timelines import Timelines

GRAPH = f"{Path(__file__).parents[1] / 'tests' / 'studio' / 'graphs' / 'newsroom.py'}:count"
CHROMIUM = "/usr/bin/chromium"
KEYS = ["Home", "PageDown", "PageDown", "ArrowRight", "PageDown", "End", "PageUp", "ArrowLeft", "PageUp", "PageUp"]
PROMISED = 100
"""Milliseconds in which any step is to be shown."""

SCRUB = """async (keys) => {
  const track = document.querySelector("[role=slider]");
  const pane = document.querySelector(".step-pane");
  const times = [];
  for (const key of keys) {
    const begin = performance.now();
    track.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
    for (;;) {
      await new Promise(requestAnimationFrame);
      const step = track.getAttribute("aria-valuenow");
      const title = pane.querySelector("h2")?.textContent.replaceAll(",", "");
      const there = step === "0" ? title === "The beginning" : title?.startsWith(`Step ${step} `);
      if (there && !pane.hasAttribute("aria-busy") && document.querySelector(".speech.selected")?.dataset.step === step) break;
      if (performance.now() - begin > 10000) throw new Error(`step ${step} does not come; ${title} is shown`);
    }
    times.push(performance.now() - begin);
  }
  return times;
}"""
"""Press these keys on the timeline, one when the other's step is shown; the milliseconds that each took."""


def in_process(store: Path, steps: int) -> tuple[float, list[float]]:
    """Seconds in which the run is folded, and milliseconds in which steps throughout it are explained."""

    async def measure() -> tuple[float, list[float]]:
        with open_store(store) as opened:
            begin = perf_counter()
            looked = await Timelines(opened, Catalog([GRAPH]), Live(opened)).of("long")
            folded = perf_counter() - begin
            times: list[float] = []
            for step in range(1, steps + 1, max(1, steps // 500)):
                begin = perf_counter()
                step_out(looked.timeline, step)
                times.append(1000 * (perf_counter() - begin))
            return folded, times

    return asyncio.run(measure())


def in_chromium(url: str, steps: int) -> tuple[float, list[float], list[tuple[int, float]]]:
    """Seconds in which the page has all steps, milliseconds in which it shows one, and its elements and heap before and after."""
    from playwright.sync_api import expect, sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        page.goto(url)
        begin = perf_counter()
        page.goto(f"{url.partition('/?')[0]}/#/run/long")
        expect(page.get_by_role("slider", name="Step")).to_have_attribute("aria-valuenow", str(steps), timeout=60_000)
        opened = perf_counter() - begin
        page.evaluate(SCRUB, KEYS)
        times: list[float] = page.evaluate(SCRUB, KEYS * 10)
        sizes = [held(page)]
        for _ in range(4):
            page.evaluate(SCRUB, ["Home", *["PageDown"] * 20, "End", *["PageUp"] * 20])
        sizes.append(held(page))
        browser.close()
    return opened, times, sizes


def held(page: Any) -> tuple[int, float]:
    """The page's nodes and its heap in MB, without what nobody holds."""
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    session.send("Performance.enable")
    metrics = {metric["name"]: metric["value"] for metric in session.send("Performance.getMetrics")["metrics"]}
    session.detach()
    return int(metrics["Nodes"]), metrics["JSHeapUsedSize"] / 1e6


def told(name: str, times: Sequence[float]) -> str:
    """Median, 95th percentile and worst of some milliseconds."""
    return f"{name}: median {median(times):.1f} ms, 95 % within {quantiles(times, n=20)[-1]:.1f} ms, worst {max(times):.1f} ms"


def main() -> int:
    """Measure, print, and say by the exit code whether the median is what is promised."""
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "runs.db"
        load_target(GRAPH).run("go", store=store, run_id="long", limits=Limits(turns=steps), durability="exit")
        folded, explained = in_process(store, steps)
        print(f"{steps:,} steps folded in {folded:.2f} s; {told('a step in full, in the studio', explained)}")
        command = [sys.executable, "-m", "convgraph", "studio", GRAPH, "--store", str(store), "--folder", folder, "--no-browser"]
        served = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            line = served.stdout.readline() if served.stdout is not None else ""
            opened, shown, sizes = in_chromium(next(word for word in line.split() if "://" in word), steps)
        finally:
            served.terminate()
            served.wait(10)
    print(f"all of it on the page in {opened:.2f} s; {told('a step shown', shown)} (promised: {PROMISED} ms)")
    (nodes, heap), (nodes_after, heap_after) = sizes
    print(f"the page holds {nodes:,} nodes and {heap:.1f} MB; after 160 more steps {nodes_after:,} and {heap_after:.1f} MB")
    return 0 if median(shown) <= PROMISED else 1


if __name__ == "__main__":
    sys.exit(main())
