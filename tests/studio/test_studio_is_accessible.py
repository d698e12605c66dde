"""axe-core looks at every page, in the light and the dark scheme, on a desk and on a phone: it finds nothing serious."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from convgraph import open_store
from convgraph.loading import load_target
from tests.studio.conftest import Served, studio_at

HERE = Path(__file__).parent
AXE = HERE.parents[1] / ".cache/axe/node_modules/axe-core/axe.min.js"
DESK = HERE / "graphs/desk.py"
TARGETS = [f"{DESK}:{name}" for name in ("form", "named", "till", "parrot", "code")]


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    store = tmp_path_factory.mktemp("axe") / "runs.db"
    with open_store(store) as opened:
        for target in TARGETS:
            name = target.rpartition(":")[2]
            load_target(target).run("hello", store=opened, run_id=name, human="park")
        load_target(f"{DESK}:parrot").run("hello again", store=opened, run_id="again")
        opened.label("parrot", ["reviewed"])
    with studio_at(store, *TARGETS) as served:
        yield served


PAGES: dict[str, tuple[str, str]] = {
    "runs": ("#/runs", "table.runs tbody tr"),
    "inbox": ("#/inbox", ".question.code"),
    "graphs": ("#/graphs", "main a"),
    "graph": ("#/graph/{parrot}", ".picture svg"),
    "run": ("#/run/parrot", ".picture svg"),
    "waiting run": ("#/run/till", ".picture svg"),
    "compare": ("#/compare/parrot/again", "main h1, main h2"),
    "edit": ("#/edit", "main textarea, main input"),
}


@pytest.fixture(scope="module", params=["light", "dark", pytest.param("phone", marks=pytest.mark.long)])
def looked(browser: Any, studio: Served, request: pytest.FixtureRequest) -> Iterator[Page]:
    size = {"width": 390, "height": 800} if request.param == "phone" else {"width": 1400, "height": 900}
    context = browser.new_context(viewport=size, color_scheme="dark" if request.param == "dark" else "light", reduced_motion="reduce")
    context.add_init_script(path=AXE)
    page = context.new_page()
    page.goto(studio.url)
    yield page
    context.close()


def serious(page: Page) -> list[str]:
    """What axe-core finds serious or critical."""
    found: Any = page.evaluate("async () => (await axe.run()).violations")
    return [
        f"{one['impact']} {one['id']}: {one['help']}: {[node['html'][:160] for node in one['nodes'][:4]]}"
        for one in found
        if one["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize("name", PAGES)
def test_nothing_serious_is_found(looked: Page, studio: Served, name: str) -> None:
    graphs = {known["name"]: known["id"] for known in studio.api.get("/api/graphs").json()}
    place, ready = PAGES[name]
    looked.goto("about:blank")
    looked.goto(f"{studio.origin}/{place.format(**graphs)}" if "{" in place else f"{studio.origin}/{place}")
    looked.wait_for_selector(ready)
    assert serious(looked) == []


@pytest.mark.parametrize("open_it", [lambda page: page.get_by_role("button", name="Begin a run").click()], ids=["begin a run"])
def test_nothing_serious_is_found_in_dialogs(looked: Page, studio: Served, open_it: Callable[[Page], None]) -> None:
    looked.goto("about:blank")
    looked.goto(f"{studio.origin}/#/runs")
    open_it(looked)
    looked.wait_for_selector("dialog[open]")
    assert serious(looked) == []
    looked.keyboard.press("Escape")


def test_nothing_serious_is_found_in_an_exported_run(looked: Page, studio: Served, tmp_path: Path) -> None:
    file = tmp_path / "run.html"
    file.write_bytes(studio.api.get("/api/runs/parrot/export", params={"format": "html"}).content)
    looked.goto(file.as_uri())
    looked.wait_for_selector("#transcript .now")
    assert serious(looked) == []
