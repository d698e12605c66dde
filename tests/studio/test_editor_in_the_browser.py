"""In Chromium: a graph is written from nothing, as forms and as text, checked as it is typed, tried, saved, and mended."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from convgraph.loading import from_yaml
from convgraph.testing import ScriptedServer
from tests.studio.conftest import Served, check_access, studio_at

SHOTS = Path(__file__).parents[2] / "build/screenshots"
WRITTEN = """\
# Who is who in this house.
version: 1
name: house
start: host
limits: {turns: 10}
nodes:
# the one who greets
- name: host
  kind: agent
  detail: {type: AssistantAgent, model: {type: scripted, replies: [Good morning.], repeat: true}}
- name: guest
  kind: agent
  detail: {type: AssistantAgent, model: {type: scripted, replies: [Thank you.], repeat: true}}
edges:
- {from: host, to: guest}  # always
- {from: guest, to: END, when: 'last.content.contains("Thank")'}
- {from: guest, to: host}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("written")


@pytest.fixture(scope="module")
def studio(folder: Path) -> Iterator[Served]:
    with studio_at(folder / "runs.db", options=("--folder", str(folder))) as served:
        yield served


@pytest.fixture
def house(page: Page, studio: Served, folder: Path) -> Page:
    """The page that edits a document which somebody has written by hand."""
    (folder / "house.yaml").write_text(WRITTEN)
    row = next(row for row in studio.api.get("/api/graphs").json() if row["name"] == "house")
    page.goto(studio.url)
    page.goto(f"{studio.origin}/#/edit/{row['id']}")
    expect(state(page)).to_have_text("can run")
    return page


def state(page: Page) -> Locator:
    """What is said of the draft: whether it can run."""
    return page.locator(".workbench .badge[role=status]")


def tab(page: Page, name: str) -> Locator:
    page.get_by_role("tab", name=name).click()
    return page.get_by_role("tabpanel", name=name)


def text(page: Page) -> Locator:
    tab(page, "YAML")
    expect(state(page)).not_to_have_text("checking …")
    return page.get_by_label("The graph as YAML")


def shot(page: Page, name: str) -> None:
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"{name}.png")


def test_a_graph_is_built_from_nothing_tried_and_saved(page: Page, studio: Served, folder: Path) -> None:
    """By mouse and keyboard; a finding comes and goes; the file holds what was built, and a second change is a small difference."""
    page.goto(studio.url)
    page.get_by_role("link", name="Graphs").click()
    page.get_by_role("link", name="New graph", exact=True).click()
    expect(page.get_by_text("Begin with the first node")).to_be_visible()

    page.get_by_role("button", name="Agent", exact=True).click()
    page.keyboard.type("writer")  # the name has the focus, and is selected
    page.keyboard.press("Tab")
    page.get_by_label("Prompt", exact=True).fill("You write.")
    page.get_by_label("Model", exact=True).select_option("scripted")
    page.get_by_label("Replies, one a line").fill("A draft.\nA better draft.")
    expect(page.get_by_role("region", name="Findings")).to_contain_text("no transition leaves it")
    expect(state(page)).to_have_text("1 error")

    edges = tab(page, "Edges")
    edges.get_by_role("button", name="Add an edge").press("Enter")
    edges.get_by_label("When").fill('last.content.contains("better")')
    expect(page.get_by_role("region", name="Findings")).not_to_contain_text("no transition leaves it")
    edges.get_by_role("button", name="Add an edge").click()
    edges.get_by_label("To", exact=True).last.select_option("writer")
    settings = tab(page, "Graph")
    settings.get_by_label("Turns", exact=True).fill("5")
    settings.get_by_label("Name", exact=True).fill("drafts")
    expect(state(page)).to_have_text("can run")
    shot(page, "editor-built")

    page.get_by_role("button", name="Try it").click()
    page.get_by_label("Input").fill("Write.")
    page.get_by_role("dialog").get_by_role("button", name="Begin").click()
    page.wait_for_url("**/#/run/*")
    run = page.url.rpartition("/")[2]
    expect(page.get_by_role("main")).to_contain_text("A better draft.")
    assert studio.api.get(f"/api/runs/{run}").json()["steps"] == 2
    page.go_back()
    expect(page.get_by_text("is back")).to_be_visible()  # what was not saved

    page.get_by_label("Name of the file").fill("drafts")
    page.keyboard.press("Control+s")
    expect(page.get_by_text("Saved as drafts.yaml.")).to_be_visible()
    expect(page.locator(".workbench").get_by_text("unsaved")).to_be_hidden()
    saved = (folder / "drafts.yaml").read_text()
    graph = from_yaml(folder / "drafts.yaml")
    assert graph.check() == []
    assert [(edge.source, edge.target) for edge in graph.definition.edges] == [("writer", "END"), ("writer", "writer")]

    tab(page, "Graph").get_by_label("Turns", exact=True).fill("6")
    changes = tab(page, "Changes")
    expect(changes.locator(".gone")).to_have_text(re.compile(r"^- +turns: 5\s*$"))
    expect(changes.locator(".come")).to_have_text(re.compile(r"^\+ +turns: 6\s*$"))
    page.get_by_role("button", name="Save").click()
    expect(changes.get_by_text("Nothing differs.")).to_be_visible()
    assert (folder / "drafts.yaml").read_text() == saved.replace("turns: 5", "turns: 6")


def test_forms_change_the_text_where_it_differs_and_comments_stay(house: Page, folder: Path) -> None:
    nodes = tab(house, "Nodes")
    nodes.get_by_role("button", name="guest agent").click()
    nodes.get_by_label("Name", exact=True).fill("visitor")
    house.keyboard.press("Tab")
    expect(house.locator(".picture")).to_contain_text("visitor")

    expect(text(house)).to_have_value(WRITTEN.replace("guest", "visitor"))
    house.get_by_role("button", name="Undo").click()
    expect(text(house)).to_have_value(WRITTEN)
    house.get_by_role("button", name="Redo").click()
    expect(text(house)).to_have_value(WRITTEN.replace("guest", "visitor"))
    house.get_by_role("button", name="Save").click()
    expect(house.get_by_text("Saved as house.yaml.")).to_be_visible()
    assert (folder / "house.yaml").read_text() == WRITTEN.replace("guest", "visitor")


def test_the_text_changes_the_forms_and_the_picture(house: Page) -> None:
    text(house).fill(WRITTEN.replace("guest", "friend"))
    expect(house.locator(".picture")).to_contain_text("friend")
    expect(tab(house, "Nodes").get_by_role("button", name="friend agent")).to_be_visible()
    house.keyboard.press("Control+z")
    expect(tab(house, "Nodes").get_by_role("button", name="guest agent")).to_be_visible()


def test_text_that_is_no_yaml_keeps_the_last_picture_and_says_the_line(house: Page) -> None:
    text(house).fill(WRITTEN.replace("limits: {turns: 10}", "limits: {turns: 10"))
    expect(state(house)).to_have_text("the YAML cannot be read")
    expect(house.locator(".picture")).to_contain_text("guest")
    expect(house.locator(".numbers .wrong")).to_have_count(1)
    shot(house, "editor-yaml")
    expect(tab(house, "Nodes")).to_contain_text("mend it under YAML")
    expect(house.get_by_role("button", name="Save")).to_be_disabled()
    expect(house.get_by_role("button", name="Try it")).to_be_disabled()


def test_a_guard_is_checked_as_it_is_typed_with_the_column(house: Page) -> None:
    house.locator(".picture text").filter(has_text='last.content.contains("Thank")').click()
    guard = tab(house, "Edges").get_by_label("When")
    guard.fill("last.contnt == 1")
    expect(house.get_by_role("tabpanel", name="Edges").locator(".fault:visible")).to_contain_text("column 6: 'last' has no field 'contnt'")
    expect(house.locator(".column-mark")).to_have_text("last.contnt == 1\n     ^", use_inner_text=True)
    expect(guard).to_have_attribute("aria-invalid", "true")
    shot(house, "editor-guard")
    guard.fill("")
    house.get_by_text("What a guard may use").click()
    house.get_by_role("button", name='visits["host"]').click()
    guard.press_sequentially(" > 2")
    expect(guard).to_have_value('visits["host"] > 2')
    expect(house.locator(".picture")).to_contain_text('visits["host"] > 2')
    expect(guard).not_to_have_attribute("aria-invalid", "true")


def test_edges_are_put_in_order_by_keyboard_and_by_buttons(house: Page, folder: Path) -> None:
    edges = tab(house, "Edges")
    last = edges.get_by_role("button", name="guest → host", exact=True)
    last.focus()
    house.keyboard.press("Alt+ArrowUp")
    expect(edges.locator("li").nth(1)).to_contain_text("guest → host")
    expect(edges.get_by_role("button", name="guest → host", exact=True)).to_be_focused()
    edges.get_by_role("button", name="Move guest → host up").click()
    expect(edges.locator("li").first).to_contain_text("guest → host")
    expect(text(house)).to_have_value(re.compile(r"edges:\n.*guest, to: host"))
    lines = [line for line in text(house).input_value().splitlines() if line.startswith("- {from")]
    assert [line.split("}")[0].removeprefix("- {from: ").split(",")[0] for line in lines] == ["guest", "host", "guest"]
    assert "{from: host, to: guest}  # always" in text(house).input_value()


def test_what_somebody_else_wrote_is_not_overwritten_unless_said_so(house: Page, folder: Path) -> None:
    tab(house, "Graph").get_by_label("Turns", exact=True).fill("9")
    (folder / "house.yaml").write_text(WRITTEN.replace("Good morning.", "Good evening."))
    house.get_by_role("button", name="Save").click()
    dialog = house.get_by_role("dialog")
    expect(dialog).to_contain_text("has been changed by somebody else")
    expect(dialog.locator(".gone").first).to_contain_text("turns: 10")
    shot(house, "editor-conflict")
    dialog.get_by_role("button", name="Keep the file").click()
    assert "Good evening." in (folder / "house.yaml").read_text()
    house.get_by_role("button", name="Save").click()
    house.get_by_role("dialog").get_by_role("button", name="Overwrite the file").click()
    expect(house.get_by_text("Saved as house.yaml.")).to_be_visible()
    assert (folder / "house.yaml").read_text() == WRITTEN.replace("turns: 10", "turns: 9")
    house.complaints[:] = [words for words in house.complaints if "409" not in words]  # type: ignore[attr-defined]  # the browser's own words


def test_answers_that_come_too_late_are_dropped(house: Page) -> None:
    """The first check is held back until the second is answered; what it says then is passed over."""
    held = []

    def hold(route: object) -> None:
        if not held:
            held.append(route)
        else:
            route.continue_()  # type: ignore[attr-defined]

    area = text(house)
    house.route("**/api/drafts/check", hold)
    area.fill(WRITTEN.replace("guest", "early"))
    expect(state(house)).to_have_text("checking …")
    house.wait_for_timeout(400)
    assert held
    area.fill(WRITTEN.replace("guest", "late"))
    expect(house.locator(".picture")).to_contain_text("late")
    held[0].continue_()
    house.wait_for_timeout(300)
    expect(house.locator(".picture")).not_to_contain_text("early")
    expect(area).to_have_value(WRITTEN.replace("guest", "late"))


def test_a_model_is_tried_from_its_form(house: Page) -> None:
    nodes = tab(house, "Nodes")
    nodes.get_by_role("button", name="host agent").click()
    nodes.get_by_label("Model", exact=True).select_option("endpoint")
    nodes.get_by_label("Its name").fill("tiny")
    with ScriptedServer(["ready"]) as server:
        nodes.get_by_label("Address").fill(server.base_url)
        nodes.get_by_role("button", name="Test the connection").click()
        expect(nodes.get_by_role("status")).to_contain_text("“ready”")
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    nodes.get_by_label("Address").fill(f"http://127.0.0.1:{port}/v1")
    nodes.get_by_role("button", name="Test the connection").click()
    expect(nodes.get_by_role("status")).to_contain_text("cannot be reached")
    shot(house, "editor-model")
    expect(text(house)).to_have_value(re.compile(rf"model: tiny, base_url: .*:{port}/v1"))


def test_a_copy_from_the_gallery_is_changed_inside_its_sub_graph(page: Page, studio: Served, folder: Path) -> None:
    row = next(row for row in studio.api.get("/api/graphs").json() if row["name"] == "sub-graph")
    page.goto(studio.url)
    page.goto(f"{studio.origin}/#/edit/{row['id']}")
    nodes = tab(page, "Nodes")
    nodes.get_by_role("button", name="review sub-graph").click()
    nodes.get_by_role("button", name="Open review").click()
    expect(nodes.get_by_role("button", name="second agent")).to_be_visible()
    page.get_by_role("button", name="first, agent").click()
    nodes.get_by_label("Prompt", exact=True).fill("You review kindly.")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved as sub-graph.yaml.")).to_be_visible()
    saved = from_yaml(folder / "sub-graph.yaml").definition.nodes["review"].inner
    assert saved is not None
    assert saved.nodes["first"].detail["system_message"] == "You review kindly."
    nodes.get_by_role("navigation", name="Where you are").get_by_role("button", name="sub-graph").click()
    expect(nodes.get_by_role("button", name="author agent")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_editor_can_be_read_and_used_in_both_schemes(house: Page, scheme: str) -> None:
    """Every control has a name, and nothing is too pale; at 1000 by 700."""
    house.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    house.set_viewport_size({"width": 1000, "height": 700})
    tab(house, "Nodes").get_by_role("button", name="host agent").click()
    shot(house, f"editor-{scheme}")
    check_access(house)
    for name in ("Edges", "Graph", "YAML", "Changes"):
        tab(house, name)
        check_access(house)
