"""In Chromium: runs are found, labelled, deleted and imported; questions are answered by forms and buttons, by mouse and by keyboard."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from convgraph import open_store
from convgraph.journal.events import Stepped
from convgraph.loading import load_target
from tests.studio.conftest import Served, studio_at

DESK = Path(__file__).parent / "graphs/desk.py"
NAMES = ("form", "named", "till", "parrot", "code", "mail", "counted")
SHOTS = Path(__file__).parents[2] / "build/screenshots"


def begin(store: Path, name: str, run_id: str, said: str = "hello") -> None:
    """A run that somebody else has begun, before the studio was opened or beside it."""
    with open_store(store) as opened:
        load_target(f"{DESK}:{name}").run(said, store=opened, run_id=run_id, human="park")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pages") / "runs.db"


@pytest.fixture(scope="module")
def studio(store: Path) -> Iterator[Served]:
    for number in range(60):
        begin(store, "parrot", f"parrot-{number:02}")
    with studio_at(store, *(f"{DESK}:{name}" for name in NAMES)) as served:
        yield served


@pytest.fixture
def opened(page: Page, studio: Served) -> Page:
    page.goto(studio.url)
    expect(page.get_by_role("heading", name="Runs")).to_be_visible()
    return page


def inbox(page: Page, studio: Served) -> None:
    page.goto(studio.origin + "/#/inbox")
    expect(page.get_by_role("heading", name="Inbox")).to_be_visible()


def rows(page: Page) -> Any:
    return page.locator("table.runs tbody tr")


def shot(page: Page, name: str) -> None:
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"{name}.png")


def test_the_list_is_searched_as_one_types_and_goes_on_with_more(opened: Page) -> None:
    expect(rows(opened)).to_have_count(50)
    opened.get_by_role("button", name="More").click()
    expect(rows(opened)).to_have_count(60)
    shot(opened, "runs")
    opened.get_by_label("Search runs").press_sequentially("parrot-3")
    expect(rows(opened)).to_have_count(10)
    assert "text=parrot-3" in opened.url
    opened.get_by_label("Search runs").fill("nobody")
    expect(opened.get_by_text("No run fits")).to_be_visible()
    opened.get_by_role("button", name="Show all runs").click()
    expect(rows(opened)).to_have_count(50)


def test_a_label_is_given_in_its_place_and_found_by(opened: Page) -> None:
    opened.get_by_label("Search runs").fill("parrot-07")
    expect(rows(opened)).to_have_count(1)
    opened.get_by_role("button", name="Change the labels of parrot-07").press("Enter")
    opened.get_by_label("Labels of parrot-07").fill("a,,b")
    opened.keyboard.press("Enter")
    expect(rows(opened).first).to_contain_text("ab")
    opened.get_by_label("Search runs").fill("")
    opened.get_by_label("Label", exact=True).fill("b")
    expect(rows(opened)).to_have_count(1)


def test_the_list_follows_the_store_and_keeps_what_is_typed_and_where_one_is(opened: Page, store: Path) -> None:
    opened.get_by_role("button", name="Change the labels of parrot-20").click()
    field = opened.get_by_label("Labels of parrot-20")
    field.fill("half a wo")
    main = opened.locator("main")
    before = main.evaluate("main => main.scrollTop")
    begin(store, "parrot", "brand-new")
    expect(rows(opened).first).to_contain_text("brand-new", timeout=10_000)
    expect(field).to_have_value("half a wo")
    expect(field).to_be_focused()
    assert before > 0
    assert abs(main.evaluate("main => main.scrollTop") - before) < 120


def test_runs_are_selected_compared_and_deleted(opened: Page, studio: Served, store: Path) -> None:
    begin(store, "parrot", "doomed-1")
    begin(store, "parrot", "doomed-2")
    opened.get_by_label("Search runs").fill("doomed")
    expect(rows(opened)).to_have_count(2)
    opened.get_by_label("Select doomed-1").check()
    opened.get_by_label("Select doomed-2").check()
    compare = opened.get_by_role("link", name="Compare")
    assert sorted((compare.get_attribute("href") or "").split("/")[2:]) == ["doomed-1", "doomed-2"]
    opened.get_by_role("button", name="Delete…").click()
    expect(opened.get_by_role("button", name="Cancel")).to_be_focused()
    opened.get_by_role("button", name="Delete", exact=True).click()
    expect(opened.get_by_text("No run fits")).to_be_visible()
    assert studio.api.get("/api/runs", params={"text": "doomed"}).json()["runs"] == []


def test_a_record_is_imported_and_what_is_none_is_refused(opened: Page, studio: Served, tmp_path: Path) -> None:
    record = tmp_path / "record.json"
    text = studio.api.get("/api/runs/parrot-01/export", params={"format": "json"}).text
    record.write_text(text.replace('"parrot-01"', '"imported-1"', 1))
    opened.get_by_label("Record to import").set_input_files(record)
    expect(rows(opened).first).to_contain_text("imported")
    record.write_text("no record")
    opened.get_by_label("Record to import").set_input_files(record)
    expect(opened.get_by_text("is no record of a run")).to_be_visible()


def test_who_has_no_runs_is_told_what_to_do(page: Page, tmp_path: Path) -> None:
    with studio_at(tmp_path / "empty.db", "--no-browser") as served:
        page.goto(served.url)
        expect(page.get_by_text("No runs yet")).to_be_visible()
        shot(page, "runs-empty")
        inbox(page, served)
        expect(page.get_by_text("Nobody is asked anything")).to_be_visible()
        page.goto("about:blank")


def test_a_question_appears_by_itself_is_counted_and_answered(page: Page, studio: Served, store: Path) -> None:
    page.goto(studio.url)
    inbox(page, studio)
    begin(store, "named", "asks-name")
    card = page.get_by_role("article", name="Question name")
    expect(card).to_be_visible(timeout=10_000)
    expect(page.locator("#nav-inbox .count")).to_have_text("1")
    card.get_by_label("Answer").fill("Zoë")
    card.get_by_role("button", name="Answer").click()
    expect(card).not_to_be_visible()
    expect(page.locator("#nav-inbox .count")).to_have_count(0)
    assert "Zoë" in said_last(store, "asks-name")


def test_what_was_said_before_a_question_can_be_looked_at(page: Page, studio: Served, store: Path) -> None:
    begin(store, "named", "asks-first", "good morning")
    begin(store, "counted", "asks-later", "count")
    page.goto(studio.url)
    inbox(page, studio)
    first, later = (page.get_by_role("region", name=f"Run {name}") for name in ("asks-first", "asks-later"))
    first.get_by_text("What was said before").click()
    expect(first.get_by_text("good morning")).to_be_visible()
    later.get_by_text("What was said before").click()
    expect(later.get_by_text("number 5")).to_be_visible()
    assert list(later.locator(".speech .text").all_inner_texts()) == [f"number {n}" for n in (3, 4, 5)]
    assert later.get_by_role("link", name="2 earlier turns").get_attribute("href") == "#/run/asks-later"
    shot(page, "inbox-said-before")
    for group in (first, later):
        group.get_by_label("Answer").fill("Zoë")
        group.get_by_role("button", name="Answer").click()
        expect(group).not_to_be_visible()


def test_a_form_is_filled_in_by_keyboard_and_faults_stand_beside_their_fields(page: Page, studio: Served, store: Path) -> None:
    begin(store, "form", "asks-form")
    page.goto(studio.url)
    inbox(page, studio)
    card = page.get_by_role("article", name="Question booking")
    shot(page, "inbox-form")
    card.get_by_label("name", exact=False).first.fill("Z")
    card.get_by_role("button", name="Answer").press("Enter")
    expect(card.locator("label", has_text="As in the passport").locator(".fault")).to_be_visible()
    expect(card.locator("[aria-invalid]").first).to_be_focused()
    shot(page, "inbox-form-faults")
    assert [complaint for complaint in page.complaints if "422" not in complaint] == []  # type: ignore[attr-defined]
    page.complaints.clear()  # type: ignore[attr-defined]  # the browser says of what was refused that it was
    card.get_by_label(re.compile("^name")).first.fill("Zoë")
    card.get_by_label(re.compile("^nights")).fill("3")
    card.get_by_label(re.compile("^room")).select_option("suite")
    card.get_by_role("button", name="Add to guests").click()
    card.get_by_role("group", name="guests").get_by_label("name").fill("Ada")
    card.get_by_label("Which kind of pays").select_option("Invoice")
    card.get_by_label("company").fill("Acme")
    card.get_by_label("None").uncheck()
    card.get_by_role("spinbutton").last.fill("4")
    card.get_by_role("button", name="Answer").click()
    expect(card).not_to_be_visible()
    said = said_last(store, "asks-form")
    for part in ('"name": "Zoë"', '"nights": 3', '"company": "Acme"', '"guests": [{"name": "Ada"}]', '"floor": 4', '"kind": "booking"'):
        assert part in said
    assert "email" not in said


def test_a_form_can_be_answered_as_json(page: Page, studio: Served, store: Path) -> None:
    begin(store, "form", "asks-json")
    page.goto(studio.url)
    inbox(page, studio)
    card = page.get_by_role("article", name="Question booking")
    card.get_by_role("button", name="Write it as JSON").click()
    text = card.get_by_role("textbox")
    text.fill("{not json")
    card.get_by_role("button", name="Answer").click()
    expect(card.get_by_text("this is no JSON")).to_be_visible()
    text.fill('{"name": "Zoë", "nights": 1, "room": "single", "pays": {"card": "1"}, "kind": "booking"}')
    card.get_by_role("button", name="Answer").click()
    expect(card).not_to_be_visible()
    assert '"single"' in said_last(store, "asks-json")


def test_a_tool_call_is_shown_with_its_arguments_and_refused_with_a_reason(page: Page, studio: Served, store: Path) -> None:
    begin(store, "till", "asks-pay")
    page.goto(studio.url)
    inbox(page, studio)
    card = page.get_by_role("article", name="May this tool be called?")
    expect(card.get_by_role("row", name="amount 20")).to_be_visible()
    shot(page, "inbox-tool")
    card.get_by_label("Why not").fill("too dear")
    card.get_by_role("button", name="Refuse").click()
    expect(card).not_to_be_visible()
    assert "refused this call: too dear" in said_last(store, "asks-pay")


def test_code_is_shown_as_it_is_and_runs_once_it_is_allowed(page: Page, studio: Served, store: Path) -> None:
    begin(store, "code", "asks-code")
    page.goto(studio.url)
    inbox(page, studio)
    card = page.get_by_role("article", name="May this code run?")
    expect(card.locator("pre.source")).to_have_text("print(6 * 7)")
    expect(card).to_contain_text("plain process of this machine")
    shot(page, "inbox-code")
    card.get_by_role("button", name="Allow").click()
    expect(card).not_to_be_visible()
    assert "Code output: 42" in said_last(store, "asks-code")


def test_what_was_cut_short_is_asked_about_in_plain_words(page: Page, studio: Served, store: Path) -> None:
    code = f"from convgraph.loading import load_target; load_target('{DESK}:mail').run('go', store='{store}', run_id='in-doubt')"
    died = subprocess.run([sys.executable, "-c", code], check=False, env={**os.environ, "DIES": "1"}, timeout=60)
    assert died.returncode == 9
    assert studio.api.post("/api/runs/in-doubt/resume", json={}).status_code == 200
    page.goto(studio.url)
    inbox(page, studio)
    card = page.get_by_role("article", name="Did this happen?")
    expect(card).to_contain_text("Nobody knows whether it happened")
    shot(page, "inbox-doubt")
    card.get_by_text("It happened, and its result is known").click()
    card.get_by_label("Its result").fill("arrived on Monday")
    card.get_by_role("button", name="Go on with this result").click()
    expect(card).not_to_be_visible()
    assert said_last(store, "in-doubt") == "The mail: arrived on Monday"


def test_a_run_is_begun_with_scripted_replies_and_its_page_is_shown(opened: Page, studio: Served) -> None:
    opened.get_by_role("button", name="Begin a run").click()
    dialog = opened.get_by_role("dialog")
    dialog.locator("select").select_option("code")
    dialog.get_by_label("Input").fill("What is six times seven?")
    dialog.get_by_text("Scripted replies").click()
    dialog.get_by_label("Replies, one a line").fill("I would rather not say.")
    dialog.get_by_text("Limits, labels").click()
    dialog.get_by_label("Turns").fill("1")
    dialog.get_by_label("Labels").fill("by hand, once")
    dialog.get_by_role("button", name="Begin").click()
    expect(opened).to_have_url(re.compile("#/run/"))
    expect(opened.get_by_text("I would rather not say.").first).to_be_visible()
    [run] = studio.api.get("/api/runs", params={"label": "by hand"}).json()["runs"]
    assert (run["graph"], run["labels"]) == ("code", ["by hand", "once"])


def test_two_browsers_answer_and_the_second_is_told(page: Page, browser: Any, studio: Served, store: Path) -> None:
    begin(store, "named", "asks-both")
    other = browser.new_context().new_page()
    for one in (page, other):
        one.goto(studio.url)
        inbox(one, studio)
        one.get_by_label("Answer", exact=True).fill("somebody")
    page.get_by_role("button", name="Answer").click()
    expect(page.get_by_role("article", name="Question name")).not_to_be_visible()
    expect(other.get_by_text("This is not asked any more")).to_be_visible(timeout=10_000)
    expect(other.get_by_label("Answer", exact=True)).to_have_value("somebody")
    other.get_by_role("button", name="Put away").click()
    expect(other.get_by_text("Nobody is asked anything")).to_be_visible()
    other.context.close()


def said_last(store: Path, run_id: str) -> str:
    """What was said last in a run, once it has ended."""
    with open_store(store) as opened:
        for _ in range(5000):
            [info] = [run for run in opened.runs(limit=200) if run.run_id == run_id]
            if info.status == "finished":
                break
        steps = [recorded.event for recorded in opened.events(run_id) if isinstance(recorded.event, Stepped)]
    return steps[-1].messages[-1].text
