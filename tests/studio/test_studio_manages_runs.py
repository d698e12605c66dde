"""Over HTTP: runs are found, labelled, deleted, exported and imported; their questions are answered, and changes are told."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from convgraph import ConversationGraph, open_store
from convgraph.loading import load_target
from tests.studio.conftest import Served, studio_at

DESK = Path(__file__).parent / "graphs/desk.py"
TARGETS = tuple(f"{DESK}:{name}" for name in ("form", "named", "till", "parrot", "code"))


def graph(name: str) -> ConversationGraph:
    return load_target(f"{DESK}:{name}")


def begin(store: Path, name: str, run_id: str, said: str = "hello") -> None:
    """A run that somebody else has begun, before the studio was opened or beside it."""
    with open_store(store) as opened:
        graph(name).run(said, store=opened, run_id=run_id, human="park")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("studio") / "runs.db"


@pytest.fixture(scope="module")
def studio(store: Path) -> Iterator[Served]:
    for number in range(7):
        begin(store, "parrot", f"parrot-{number}")
    begin(store, "named", "waits")
    with open_store(store) as opened:
        opened.label("parrot-3", ["Golden", "ci"])
    with studio_at(store, *TARGETS) as served:
        yield served


def test_runs_come_a_page_at_a_time_the_newest_first(studio: Served) -> None:
    pages: list[list[str]] = []
    before: str | None = ""
    while before is not None:
        page = studio.api.get("/api/runs", params={"graph": "parrot", "limit": 3, **({"before": before} if before else {})}).json()
        pages.append([run["run_id"] for run in page["runs"]])
        before = page["before"]
    assert pages == [["parrot-6", "parrot-5", "parrot-4"], ["parrot-3", "parrot-2", "parrot-1"], ["parrot-0"]]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"label": "ci"}, ["parrot-3"]),
        ({"text": "golden"}, ["parrot-3"]),
        ({"text": "YOU SAID: HELLO", "graph": "parrot", "said": "true", "label": "ci"}, ["parrot-3"]),
        ({"text": "You said"}, []),
        ({"text": "arrot-5"}, ["parrot-5"]),
        ({"text": "nowhere"}, []),
        ({"status": "waiting"}, ["waits"]),
        ({"graph": "named"}, ["waits"]),
    ],
)
def test_runs_are_found_by_what_is_known_of_them(studio: Served, asked: dict[str, str], found: list[str]) -> None:
    page = studio.api.get("/api/runs", params=asked).json()
    assert [run["run_id"] for run in page["runs"]] == found
    assert page["before"] is None


def test_a_row_says_of_which_graph_the_run_is_and_how_many_questions_wait(studio: Served) -> None:
    graphs = {known["name"]: known["id"] for known in studio.api.get("/api/graphs").json()}
    [row] = studio.api.get("/api/runs", params={"text": "waits"}).json()["runs"]
    assert (row["graph_id"], row["questions"], row["live"], row["status"]) == (graphs["named"], 1, False, "waiting")


def test_what_is_asked_for_wrongly_is_refused_in_words(studio: Served) -> None:
    for asked in ({"status": "asleep"}, {"limit": 0}, {"before": "no-such-run"}):
        answer = studio.api.get("/api/runs", params=asked)
        assert answer.status_code in (404, 422)
        assert answer.json()["message"]


def test_a_run_gets_other_labels_and_bad_ones_change_nothing(studio: Served) -> None:
    row = studio.api.patch("/api/runs/parrot-1", json={"labels": ["b", "a"]}).json()
    assert row["labels"] == ["a", "b"]
    assert studio.api.patch("/api/runs/parrot-1", json={"labels": ["a,b"]}).status_code == 422
    assert studio.api.get("/api/runs", params={"text": "parrot-1"}).json()["runs"][0]["labels"] == ["a", "b"]
    assert studio.api.patch("/api/runs/nobody", json={"labels": []}).status_code == 404


@pytest.mark.parametrize("run_id", ["parent.12/#0", "a/b/../c", "50%2F50", "..", "what?&=#"])
def test_whatever_a_run_is_called_it_is_reached_by_its_id(studio: Served, store: Path, run_id: str) -> None:
    begin(store, "named", run_id)
    place = f"/api/runs/{quote(run_id, safe='')}".replace("/..", "/%2E%2E")
    assert studio.api.get(place).json()["run_id"] == run_id
    assert studio.api.patch(place, json={"labels": ["x"]}).json()["labels"] == ["x"]
    assert studio.api.get(f"{place}/steps").json()["total"] == 0
    assert studio.api.post(f"{place}/answers/name", json={"value": "Ada"}).json()["resumed"]
    assert status_of(studio, run_id) == "finished"
    assert studio.api.get(f"{place}/export", params={"format": "json"}).json()["run_id"] == run_id
    assert studio.api.delete(place).status_code == 204


def test_a_deleted_run_is_gone(studio: Served, store: Path) -> None:
    begin(store, "parrot", "doomed")
    assert studio.api.delete("/api/runs/doomed").status_code == 204
    assert studio.api.delete("/api/runs/doomed").json()["error"] == "RunNotFound"


def test_an_exported_run_is_imported_elsewhere_and_is_the_same(studio: Served, tmp_path: Path) -> None:
    answer = studio.api.get("/api/runs/parrot-2/export", params={"format": "json"})
    assert answer.headers["content-disposition"].startswith('attachment; filename="parrot-2.json"')
    assert studio.api.post("/api/runs/import", content=answer.content).json()["error"] == "RunExists"
    with studio_at(tmp_path / "other.db", *TARGETS) as other:
        row = other.api.post("/api/runs/import", content=answer.content)
        assert (row.status_code, row.json()["run_id"], row.json()["status"]) == (201, "parrot-2", "finished")
    with open_store(tmp_path / "other.db") as opened:
        assert graph("parrot").replay("parrot-2", store=opened).last.text == "You said: hello"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[1]", b"\xff", b'{"convgraph_record": 1, "events": [["run_started", {}]]}', b"[" * 100_000]
)
def test_what_is_no_record_is_refused_and_nothing_is_written(studio: Served, content: bytes) -> None:
    answer = studio.api.post("/api/runs/import", content=content, headers={"content-type": "application/json"})
    assert answer.status_code == 422, answer.text
    assert answer.json()["message"]


def test_questions_of_all_runs_are_listed_and_an_answered_run_goes_on(studio: Served, store: Path) -> None:
    begin(store, "named", "asks")
    listed = studio.api.get("/api/questions").json()
    assert [(each["run_id"], each["id"], each["kind"]) for each in listed] == [("waits", "name", "question"), ("asks", "name", "question")]
    answer = studio.api.post("/api/runs/asks/answers/name", json={"value": "Zoë"})
    assert (answer.status_code, answer.json()) == (202, {"resumed": True, "problem": ""})
    assert status_of(studio, "asks") == "finished"
    with open_store(store) as opened:
        assert graph("named").replay("asks", store=opened).last.text == "You said: Zoë"  # type: ignore[union-attr]


def test_the_second_of_two_who_answer_is_told_so(studio: Served, store: Path) -> None:
    begin(store, "named", "twice")
    barrier = threading.Barrier(2)
    codes: list[int] = []

    def one(who: str) -> None:
        barrier.wait(5)
        codes.append(studio.api.post("/api/runs/twice/answers/name", json={"value": who}).status_code)

    threads = [threading.Thread(target=one, args=(who,)) for who in ("Ada", "Ben")]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert sorted(codes) == [202, 409]
    late = studio.api.post("/api/runs/twice/answers/name", json={"value": "Cleo"})
    assert late.status_code == 409
    assert "not open any more" in late.json()["message"]


def test_what_does_not_fit_a_form_is_refused_at_its_place(studio: Served, store: Path) -> None:
    begin(store, "form", "books")
    value = {"name": "Z", "nights": 0, "room": "cellar", "pays": {"card": "1"}, "kind": "booking", "guests": [{}]}
    answer = studio.api.post("/api/runs/books/answers/booking", json={"value": value})
    assert answer.status_code == 422
    assert {detail["place"] for detail in answer.json()["details"]} >= {".name", ".nights", ".room", ".guests[0]"}
    good = {**value, "name": "Zoë", "nights": 2, "room": "suite", "guests": []}
    assert studio.api.post("/api/runs/books/answers/booking", json={"value": good}).json()["resumed"]
    assert status_of(studio, "books") == "finished"


def test_an_answer_can_be_left_for_somebody_else_to_go_on_with(studio: Served, store: Path) -> None:
    begin(store, "named", "later")
    answer = studio.api.post("/api/runs/later/answers/name", json={"value": "Ada", "resume": False})
    assert answer.json() == {"resumed": False, "problem": ""}
    assert status_of(studio, "later", settled=False) == "waiting"
    assert studio.api.get("/api/questions", params={"run_id": "later"}).json() == []
    with open_store(store) as opened:
        assert graph("named").resume("later", store=opened).status == "finished"


@pytest.mark.parametrize(
    ("name", "kind", "subject"),
    [
        ("till", "tool", {"tool": "pay", "arguments": {"to": "Ada", "amount": 20}}),
        ("code", "code", {"executor": "local", "isolation": "none", "code": [{"language": "python", "code": "print(6 * 7)"}]}),
    ],
)
def test_what_needs_consent_says_what_it_is_about(studio: Served, store: Path, name: str, kind: str, subject: Any) -> None:
    begin(store, name, f"consent-{name}")
    [question] = studio.api.get("/api/questions", params={"run_id": f"consent-{name}"}).json()
    assert (question["kind"], question["subject"]) == (kind, subject)
    assert studio.api.post(f"/api/runs/consent-{name}/answers/{question['id']}", json={"value": {"refuse": "no"}}).json()["resumed"]
    assert status_of(studio, f"consent-{name}") == "finished"


def test_changes_are_told_with_the_number_of_open_questions(studio: Served, store: Path) -> None:
    with studio.api.stream("GET", "/api/changes") as stream:
        told = (json.loads(line[6:]) for line in stream.iter_lines() if line.startswith("data: "))
        first = next(told)
        begin(store, "named", "news")
        then = next(told)
        while then["questions"] == first["questions"]:
            then = next(told)
    assert then["runs"] > first["runs"]
    assert then["questions"] == first["questions"] + 1


def status_of(studio: Served, run_id: str, *, settled: bool = True) -> str:
    """The run's status; once nothing goes on in it here any more."""
    for _ in range(2000):
        [row] = [run for run in studio.api.get("/api/runs", params={"text": run_id}).json()["runs"] if run["run_id"] == run_id]
        if not settled or not (row["live"] or row["status"] in ("waiting", "running")):
            return str(row["status"])
    raise AssertionError(row)
