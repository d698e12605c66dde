"""In Chromium: graphs are found, looked at part by part, and opened as copies; by mouse, by keyboard and by a screen reader's names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.studio.conftest import Served, check_access, studio_at

REPOSITORY = Path(__file__).parents[2]
SHOTS = REPOSITORY / "build/screenshots"
WRONG = """\
version: 1
name: wrong
start: a
nodes:
- {name: a, kind: agent, detail: {type: AssistantAgent}}
- {name: b, kind: agent, detail: {type: AssistantAgent, system_message: Answer in verse.}, retry: {attempts: 4}}
- {name: lonely, kind: agent, detail: {type: AssistantAgent}}
edges:
- {from: a, to: b, when: 'last.content.contains("x")', priority: 2, label: asks}
- {from: b, to: a}
"""


def large(nodes: int) -> str:
    """A graph of many nodes in a row, each of which may end it."""
    lines = ["version: 1", "name: large", "start: n000", "limits: {turns: 500}", "nodes:"]
    lines += [f"- {{name: n{number:03}, kind: agent, detail: {{type: AssistantAgent}}}}" for number in range(nodes)]
    lines += ["edges:"]
    lines += [f"- {{from: n{number:03}, to: n{number + 1:03}}}" for number in range(nodes - 1)]
    return "\n".join([*lines, f"- {{from: n{nodes - 1:03}, to: END}}", ""])


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("look")
    (folder / "wrong.yaml").write_text(WRONG)
    (folder / "large.yaml").write_text(large(200))
    (folder / "broken.yaml").write_text(WRONG.replace("kind: agent", "kind: agnt", 1))
    with studio_at(folder / "runs.db", str(REPOSITORY / "examples/two_agents.py"), options=("--folder", str(folder))) as served:
        yield served


def shot(page: Page, name: str) -> None:
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"{name}.png")


def look_at(page: Page, studio: Served, name: str) -> None:
    row = next(row for row in studio.api.get("/api/graphs").json() if row["name"] == name)
    page.goto(studio.url)
    page.goto(f"{studio.origin}/#/graph/{row['id']}")
    expect(page.locator(".picture svg")).to_be_visible()


def test_graphs_are_shown_as_cards_and_found_as_one_types(page: Page, studio: Served) -> None:
    page.goto(studio.url)
    page.get_by_role("link", name="Graphs").click()
    own = page.get_by_role("region", name="Your graphs")
    gallery = page.get_by_role("region", name="Gallery")
    expect(own.get_by_role("listitem")).to_have_count(4)
    expect(gallery.get_by_role("listitem")).to_have_count(9)
    expect(own.get_by_text("'agnt' is not one of")).to_be_visible()
    expect(own.get_by_text("2 warnings").or_(own.get_by_text("3 warnings"))).to_be_visible()
    assert own.locator("img").first.evaluate("async (image) => (await image.decode(), image.naturalWidth)") > 10
    shot(page, "graphs")
    check_access(page)
    page.get_by_label("Find a graph").fill("approves before anything")
    expect(gallery.get_by_role("listitem")).to_have_count(1)
    expect(own.get_by_text("None fits.")).to_be_visible()
    gallery.get_by_role("link", name="approval", exact=True).click()
    expect(page.get_by_role("heading", name="approval")).to_be_visible()


def test_an_edge_says_when_it_is_taken_and_where_it_was_defined(page: Page, studio: Served) -> None:
    look_at(page, studio, "wrong")
    page.get_by_role("button", name="a to b, asks, when last.content").click()
    details = page.get_by_role("tabpanel", name="Details")
    expect(details.get_by_text('last.content.contains("x")', exact=True)).to_be_visible()
    for words in ("asks", "after a reply", "2", "wrong.yaml, edges[0]"):
        expect(details.get_by_text(words).first).to_be_visible()
    details.get_by_role("button", name="b", exact=True).click()
    expect(details.get_by_text("Answer in verse.").first).to_be_visible()
    expect(details.get_by_text("up to 4 times")).to_be_visible()
    shot(page, "look")
    details.get_by_role("button", name="The whole graph").click()
    expect(details.get_by_role("heading", name="Nodes")).to_be_visible()


def test_findings_are_listed_and_marked_where_they_apply(page: Page, studio: Served) -> None:
    look_at(page, studio, "wrong")
    expect(page.locator(".node-part.has-error")).to_have_count(1)
    page.get_by_role("tab", name="Findings").click()
    finding = page.get_by_role("tabpanel").get_by_role("button").filter(has_text="no way leads here")
    finding.click()
    expect(page.get_by_role("tabpanel", name="Details").get_by_role("heading", name="lonely")).to_be_visible()
    expect(page.get_by_role("button", name="Run it")).to_have_count(0)
    check_access(page)


def test_a_sub_graph_closes_and_opens(page: Page, studio: Served) -> None:
    look_at(page, studio, "sub-graph")
    expect(page.get_by_role("button", name="second, agent")).to_be_visible()
    page.locator(".cluster-part").first.dblclick(position={"x": 20, "y": 20})
    expect(page.get_by_role("button", name="second, agent")).to_have_count(0)
    page.get_by_role("button", name="Open all groups").click()
    expect(page.get_by_role("button", name="second, agent")).to_be_visible()
    page.get_by_role("button", name="review, open").focus()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Close in the picture").press("Enter")
    expect(page.get_by_role("button", name="second, agent")).to_have_count(0)
    page.get_by_role("button", name="Open in the picture").press("Enter")
    expect(page.get_by_role("button", name="second, agent")).to_be_visible()


def test_two_hundred_nodes_are_searched_zoomed_and_walked_by_keyboard(page: Page, studio: Served) -> None:
    look_at(page, studio, "large")
    search = page.get_by_label("Find a node")
    search.fill("n150")
    search.press("Enter")
    node = page.get_by_role("button", name="n150, agent")
    expect(node).to_be_focused()
    expect(node).to_be_in_viewport()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("button", name="n151, agent")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("tabpanel", name="Details").get_by_role("heading", name="n151")).to_be_visible()
    page.get_by_title("Full size").click()
    expect(page.get_by_title("Full size")).to_have_text("100 %")
    expect(node).to_have_count(1)
    page.get_by_role("button", name="Fit").click()
    expect(page.get_by_title("Full size")).not_to_have_text("100 %")


def test_a_graph_in_python_is_read_only_and_can_be_copied(page: Page, studio: Served) -> None:
    look_at(page, studio, "two_agents")
    expect(page.get_by_text("read-only")).to_be_visible()
    expect(page.get_by_text("two_agents.py").first).to_be_visible()
    page.get_by_role("tab", name="YAML").click()
    expect(page.get_by_label("YAML", exact=True).last).to_contain_text("name: two_agents")
    row = next(row for row in studio.api.get("/api/graphs").json() if row["name"] == "two_agents")
    page.goto(f"{studio.origin}/#/edit/{row['id']}")
    expect(page.get_by_role("heading", name="two_agents is read-only here")).to_be_visible()
    page.get_by_role("link", name="Edit a copy as a document").click()
    expect(page.get_by_label("Name of the file")).to_have_value("two_agents")
    expect(page.get_by_text("can run")).to_be_visible()


def test_a_graph_of_the_gallery_runs_from_its_page(page: Page, studio: Served) -> None:
    look_at(page, studio, "two-agents")
    page.get_by_role("button", name="Run it").click()
    page.get_by_label("Input").fill("Describe a hand-cranked coffee grinder.")
    page.get_by_role("dialog").get_by_role("button", name="Begin").click()
    page.wait_for_url("**/#/run/*")
    run_id = page.url.rpartition("/")[2]
    expect(page.get_by_role("main")).to_contain_text("steel burrs")
    assert studio.api.get(f"/api/runs/{run_id}").json()["status"] == "finished"


@pytest.mark.parametrize(("width", "height"), [(1000, 700), (390, 800)])
def test_pages_of_graphs_fit_narrow_windows(page: Page, studio: Served, width: int, height: int) -> None:
    page.set_viewport_size({"width": width, "height": height})
    page.emulate_media(color_scheme="dark")
    look_at(page, studio, "parallel-critics")
    page.get_by_role("button", name="judge, agent").click()
    shot(page, f"look-{width}-dark")
    check_access(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.goto(f"{studio.origin}/#/graphs")
    expect(page.get_by_role("heading", name="Gallery")).to_be_visible()
    assert page.evaluate("document.getElementById('page').scrollWidth") <= width
