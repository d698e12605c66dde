"""Runs over HTTP: looked at step by step, followed as they go, begun, stopped, forked, replayed and compared."""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from convgraph import END, AssistantAgent, ConversationGraph, ScriptedModel, open_store
from convgraph.loading import load_target
from convgraph.studio.catalog import Catalog
from convgraph.studio.live import Live
from convgraph.studio.steps import step_out
from convgraph.studio.timeline import Timeline
from convgraph.studio.timelines import Timelines
from tests.studio.conftest import Served, studio_at

GRAPHS = Path(__file__).parent / "graphs" / "newsroom.py"


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A studio with the newsroom's graphs."""
    folder = tmp_path_factory.mktemp("follow")
    with studio_at(folder / "runs.db", *(f"{GRAPHS}:{name}" for name in ("news", "count", "moody")), cwd=folder) as served:
        yield served


def graph_id(studio: Served, name: str) -> str:
    """The id of a known graph."""
    return next(graph["id"] for graph in studio.api.get("/api/graphs").json() if graph["name"] == name)


def begun(studio: Served, name: str, **asked: Any) -> str:
    """The id of a run that was begun."""
    answer = studio.api.post("/api/runs", json={"graph": graph_id(studio, name), "input": "Write about the bridge.", **asked})
    assert answer.status_code == 201, answer.text
    return answer.json()["run_id"]


def ended(studio: Served, run_id: str, seconds: float = 15) -> dict[str, Any]:
    """The run, when it has stopped."""
    for event, data, _ in heard(studio, run_id, seconds=seconds):
        if event == "run" and data["status"] != "running":
            return data
    raise AssertionError(f"run {run_id} goes on")


def heard(studio: Served, run_id: str, seconds: float = 15, **asked: Any) -> Iterator[tuple[str, Any, str]]:
    """What the stream of a run says, as (name, data, id), for no longer than so many seconds."""
    until = time.monotonic() + seconds
    headers = asked.pop("headers", {})
    with studio.api.stream("GET", f"/api/runs/{run_id}/events", params=asked, headers=headers, timeout=seconds) as answer:
        assert answer.status_code == 200
        name = data = number = ""
        for line in answer.iter_lines():
            field, _, value = line.partition(": ")
            name, data, number = (value if field == key else old for key, old in (("event", name), ("data", data), ("id", number)))
            if not line and name:
                yield name, json.loads(data), number
                name = data = number = ""
            if time.monotonic() > until:
                return


@pytest.fixture(scope="module")
def news(studio: Served) -> str:
    """A run of the newsroom that has ended."""
    run_id = begun(studio, "newsroom", labels=["nightly"])
    assert ended(studio, run_id)["status"] == "finished"
    return run_id


def test_a_run_has_its_sums_and_its_beginning(studio: Served, news: str) -> None:
    run = studio.api.get(f"/api/runs/{news}").json()
    assert (run["status"], run["steps"], run["labels"], run["current"], run["problem"]) == ("finished", 10, ["nightly"], None, "")
    assert run["usage"]["calls"] == 14
    assert {(limit["name"], limit["used"], limit["limit"]) for limit in run["limits"]} == {("turns", 14, 80), ("tokens", 14 * 352, 50_000)}
    assert run["opening"][0]["parts"] == [{"kind": "text", "text": "Write about the bridge.", "image": ""}]


def test_steps_are_listed_in_short(studio: Served, news: str) -> None:
    page = studio.api.get(f"/api/runs/{news}/steps", params={"first": 2, "count": 4}).json()
    assert (page["total"], page["first"], [row["node"] for row in page["steps"]]) == (10, 2, ["writer", "panel", "review", "judge"])
    assert [row["edge"] for row in page["steps"]] == ["#1", "#2", "#3", "#5"]
    assert [row["inner"] for row in page["steps"]] == [0, 0, 3, 0]
    assert page["steps"][1]["effects"] == {"model": 3}


def test_a_step_says_why_the_next_one_came(studio: Served, news: str) -> None:
    choice = studio.api.get(f"/api/runs/{news}/steps/5").json()["choice"]
    assert [(guard["target"], guard["guard"], guard["value"], guard["why"]) for guard in choice["guards"]] == [
        ("artist", "good_enough()", "false", "not enabled"),
        ("writer", "state.draft < 5", "true", "taken"),
        ("END", "", "true", "enabled, not chosen"),
    ]
    assert (choice["target"], choice["edge"], choice["chosen_by"]) == ("writer", "#5", "first")


def test_a_step_has_the_state_and_what_it_changed(studio: Served, news: str) -> None:
    step = studio.api.get(f"/api/runs/{news}/steps/9").json()
    assert step["state"]["notes"] == ["draft 1 was read", "draft 2 was read"]
    changed = {change["place"]: (change["kind"], change["before"], change["after"]) for change in step["changes"]}
    assert changed == {"draft": ("changed", 1, 2), "score": ("changed", 0.45, 0.9), "notes[1]": ("added", None, "draft 2 was read")}


def test_the_beginning_is_step_0(studio: Served, news: str) -> None:
    step = studio.api.get(f"/api/runs/{news}/steps/0").json()
    assert (step["step"], step["messages"][0]["sender"], step["state"]["draft"], step["changes"]) == (0, "user", 0, [])


def test_tools_pictures_and_turns_inside_are_there(studio: Served, news: str) -> None:
    first, review, artist = (studio.api.get(f"/api/runs/{news}/steps/{step}").json() for step in (1, 4, 10))
    tool = next(effect for effect in first["done"] if effect["kind"] == "tool")
    assert (tool["name"], json.loads(tool["request"]), tool["finished"]) == ("archive", {"topic": "harbour bridge", "year": 1932}, True)
    assert [(row["path"], row["node"]) for row in review["nested"]] == [
        ("4/1", "review/checker"),
        ("4/2", "review/fixer"),
        ("4/3", "review/checker"),
    ]
    assert review["visits"]["review/checker"] == 2
    assert [part["kind"] for part in artist["messages"][0]["parts"]] == ["text", "image"]
    assert artist["messages"][0]["parts"][1]["image"].startswith("data:image/png;base64,")


@pytest.mark.parametrize("step", ["-1", "11", "x"])
def test_a_step_that_there_is_not_is_refused(studio: Served, news: str, step: str) -> None:
    answer = studio.api.get(f"/api/runs/{news}/steps/{step}")
    assert answer.status_code == 422
    assert answer.json()["error"] == "InputError"


@pytest.mark.parametrize("path", ["", "/picture", "/steps", "/steps/1", "/events"])
def test_a_run_that_there_is_not_is_not_found(studio: Served, path: str) -> None:
    answer = studio.api.get(f"/api/runs/nobody{path}")
    assert (answer.status_code, answer.json()["error"]) == (404, "RunNotFound")


def test_the_picture_closes_what_is_asked_for(studio: Served, news: str) -> None:
    nodes = {node["id"] for node in studio.api.get(f"/api/runs/{news}/picture").json()["nodes"]}
    closed = studio.api.get(f"/api/runs/{news}/picture", params={"collapse": ["review"]}).json()
    assert "review/checker" in nodes
    assert next(node["inside"] for node in closed["nodes"] if node["id"] == "review") > 0


def test_who_connects_again_misses_nothing_and_gets_nothing_twice(studio: Served, news: str) -> None:
    first = []
    for name, data, number in heard(studio, news):
        if name == "step":
            first.append((data["step"], number))
        if len(first) == 4:
            break
    rest = []
    for name, data, number in heard(studio, news, headers={"Last-Event-ID": first[-1][1]}):
        if name == "run":
            break
        rest.append((data["step"], number))
    assert [step for step, _ in [*first, *rest]] == list(range(1, 11))
    assert [int(number) for _, number in [*first, *rest]] == sorted({int(number) for _, number in [*first, *rest]})


def test_a_run_elsewhere_is_followed(studio: Served, tmp_path: Path) -> None:
    """Another process writes the run: the stream tells its steps, what is done in the turn that goes on, and its end."""
    graph, _ = load_target(f"{GRAPHS}:count"), tmp_path
    store = studio.api.get("/api/session").json()["store"]
    worker = threading.Thread(target=lambda: graph.run("go", store=store, run_id="elsewhere", limits=limits(300)))
    worker.start()
    while studio.api.get("/api/runs/elsewhere").status_code == 404:
        time.sleep(0.02)
    steps: list[int] = []
    for name, data, _ in heard(studio, "elsewhere"):
        steps.extend([data["step"]] if name == "step" else [row["step"] for row in data] if name == "steps" else [])
        if name == "run" and data["status"] == "limited":
            break
    worker.join()
    assert steps == list(range(1, 301))


def limits(turns: int) -> Any:
    """So many turns and no more."""
    from convgraph import Limits

    return Limits(turns=turns)


def test_a_thousand_missed_steps_come_in_batches(studio: Served) -> None:
    run_id = begun(studio, "counting", limits={"turns": 1200})
    ended(studio, run_id)
    names = []
    steps: list[int] = []
    for name, data, _ in heard(studio, run_id):
        names.append(name)
        if name == "run":
            break
        steps.extend(row["step"] for row in data)
    assert (names, steps) == (["steps", "steps", "steps", "run"], list(range(1, 1201)))


def test_a_deleted_run_is_told_to_be_gone(studio: Served) -> None:
    run_id = begun(studio, "counting", limits={"turns": 3})
    ended(studio, run_id)
    for name, _, _ in heard(studio, run_id):
        if name == "run":
            assert studio.api.delete(f"/api/runs/{run_id}").status_code == 204
        if name == "gone":
            return
    raise AssertionError("nobody said that the run is gone")


def test_a_run_is_stopped_and_goes_on(studio: Served) -> None:
    run_id = begun(studio, "counting", limits={"turns": 100_000})
    assert studio.api.post(f"/api/runs/{run_id}/cancel").status_code == 202
    assert ended(studio, run_id)["status"] == "cancelled"
    steps = studio.api.get(f"/api/runs/{run_id}").json()["steps"]
    assert studio.api.post(f"/api/runs/{run_id}/cancel").json()["error"] == "InputError"
    assert studio.api.post(f"/api/runs/{run_id}/resume", json={"limits": {"turns": steps + 4}}).status_code == 200
    run = ended(studio, run_id)
    assert (run["status"], run["steps"]) == ("limited", steps + 4)
    assert studio.api.get(f"/api/runs/{run_id}/steps/{steps + 4}").json()["choice"]["reason"].startswith("limited: limit reached: turns")
    studio.api.post(f"/api/runs/{run_id}/resume", json={"limits": {"turns": steps + 6}})
    assert ended(studio, run_id)["steps"] == steps + 6
    again = studio.api.get(f"/api/runs/{run_id}/steps/{steps + 4}").json()
    assert again["choice"]["target"] == again["target"] is not None


def test_an_ended_conversation_is_continued(studio: Served) -> None:
    run_id = begun(studio, "fickle")
    ended(studio, run_id)
    assert studio.api.post(f"/api/runs/{run_id}/continue", json={"input": "And then?"}).status_code == 200
    run = ended(studio, run_id)
    rows = studio.api.get(f"/api/runs/{run_id}/steps").json()["steps"]
    assert (run["status"], len(rows), rows[1]["then"]) == ("finished", 4, "And then?")
    assert [message["sender"] for message in studio.api.get(f"/api/runs/{run_id}/steps/2").json()["messages"]] == ["second", "user"]


def test_a_fork_has_other_words_and_another_state(studio: Served, news: str) -> None:
    asked = {"at": 5, "message": "Splendid.", "state": {"score": 0.95}}
    forked = studio.api.post(f"/api/runs/{news}/fork", json=asked).json()
    assert (forked["parent"], forked["parent_step"]) == (news, 5)
    run = ended(studio, forked["run_id"])
    rows = studio.api.get(f"/api/runs/{forked['run_id']}/steps").json()["steps"]
    assert [row["node"] for row in rows[4:]] == ["judge", "artist"]
    assert (rows[4]["text"], rows[4]["edited"], rows[4]["target"], run["status"]) == ("Splendid.", True, "artist", "finished")
    step = studio.api.get(f"/api/runs/{forked['run_id']}/steps/5").json()
    assert step["state"]["score"] == 0.95
    assert next((guard["target"], guard["value"], guard["taken"]) for guard in step["choice"]["guards"]) == ("artist", "true", True)
    compared = studio.api.get("/api/compare", params={"left": news, "right": forked["run_id"]}).json()
    assert (compared["common"], compared["steps"][4]["same"], len(compared["steps"])) == (4, False, 10)
    assert compared["steps"][9]["right"] is None
    assert {change["place"] for change in compared["state"]} == {"draft", "score", "notes[1]"}


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ({"at": 99}, "InputError"),
        ({"at": 0}, "InputError"),
        ({"at": 5, "state": {"nothing": 1}}, "InputError"),
        ({"at": 5, "state": {"score": "high"}}, "InputError"),
        ({"at": 5, "what": 1}, "InputError"),
    ],
)
def test_a_fork_that_cannot_be_is_refused(studio: Served, news: str, asked: dict[str, Any], error: str) -> None:
    before = len(studio.api.get("/api/runs").json()["runs"])
    answer = studio.api.post(f"/api/runs/{news}/fork", json=asked)
    assert (answer.status_code, answer.json()["error"]) == (422, error)
    assert len(studio.api.get("/api/runs").json()["runs"]) == before


def test_other_models_stand_in_for_the_graphs(studio: Served) -> None:
    run_id = begun(studio, "newsroom", models={"replies": ["One.", "It holds."]}, limits={"turns": 9})
    ended(studio, run_id)
    rows = studio.api.get(f"/api/runs/{run_id}/steps").json()["steps"]
    assert [row["text"] for row in rows[:2]] == ["One.", "It holds."]
    assert rows[2]["text"].splitlines() == ["One.", "It holds.", "One."]


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"graph": "nobody"},
        {"graph": "x", "document": "y"},
        {"document": "nodes: ["},
        {"document": "{}", "models": {"replies": []}},
    ],
)
def test_a_run_that_cannot_begin_is_refused(studio: Served, asked: dict[str, Any]) -> None:
    answer = studio.api.post("/api/runs", json=asked)
    assert answer.status_code == 422, answer.text
    assert answer.json()["message"]


def test_a_run_with_labels_that_cannot_be_is_not_begun(studio: Served) -> None:
    before = len(studio.api.get("/api/runs").json()["runs"])
    answer = studio.api.post("/api/runs", json={"graph": graph_id(studio, "fickle"), "labels": ["a,b"]})
    assert (answer.status_code, answer.json()["error"]) == (422, "InputError")
    assert len(studio.api.get("/api/runs").json()["runs"]) == before


def test_two_answers_for_models_at_once_are_refused(studio: Served) -> None:
    asked = {"graph": graph_id(studio, "newsroom"), "models": {"replies": ["a"], "model": {"type": "scripted", "replies": ["b"]}}}
    answer = studio.api.post("/api/runs", json=asked)
    assert answer.status_code == 422
    assert "not both" in answer.json()["message"]


def test_a_replay_is_the_same_and_says_where_it_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with studio_at(tmp_path / "runs.db", f"{GRAPHS}:moody", cwd=tmp_path) as served:
        run_id = begun(served, "fickle")
        ended(served, run_id)
        assert served.api.post(f"/api/runs/{run_id}/replay").json() == {"same": True, "steps": 2, "warnings": [], "divergence": None}
    monkeypatch.setitem(os.environ, "FICKLE", "something else")
    with studio_at(tmp_path / "runs.db", f"{GRAPHS}:moody", cwd=tmp_path) as served:
        told = served.api.post(f"/api/runs/{run_id}/replay").json()
        assert (told["same"], told["divergence"]["step"]) == (False, 2)
        assert "as it was" in told["divergence"]["diff"]
        assert "something else" in told["divergence"]["diff"]


def test_a_run_of_a_graph_that_nobody_knows_can_be_looked_at(tmp_path: Path, news: str, studio: Served) -> None:
    """Its code is not there: guards that are code take their recorded values, and the state is plain JSON."""
    store = studio.api.get("/api/session").json()["store"]
    with studio_at(store, options=("--folder", str(tmp_path)), cwd=tmp_path) as served:
        run = served.api.get(f"/api/runs/{news}").json()
        assert run["graph_id"] is None
        assert f"convgraph studio {GRAPHS}:news" in run["problem"]
        step = served.api.get(f"/api/runs/{news}/steps/9").json()
        assert step["problem"] == ""
        assert next((guard["guard"], guard["value"], guard["taken"]) for guard in step["choice"]["guards"]) == (
            "good_enough()",
            "true",
            True,
        )
        assert (step["state"]["score"], step["state"]["plan"]) == (0.9, {"title": "Bridges", "sections": ["why", "how"]})
        assert any(node["id"] == "review/checker" for node in served.api.get(f"/api/runs/{news}/picture").json()["nodes"])
        for verb, asked in (("resume", {}), ("continue", {"input": "x"}), ("fork", {"at": 1}), ("replay", {})):
            answer = served.api.post(f"/api/runs/{news}/{verb}", json=asked)
            assert (answer.status_code, answer.json()["error"]) == (422, "InputError")
            assert "convgraph studio" in answer.json()["message"]


def test_who_begins_is_explained_as_well(tmp_path: Path) -> None:
    graph = ConversationGraph("choosing")
    graph.add_node(AssistantAgent("ada", model=ScriptedModel(["ada is here"])))
    graph.add_node(AssistantAgent("ben", model=ScriptedModel(["ben is here"])))
    graph.add_edge("START", "ada", when='last.content == "ada"', label="asked for")
    graph.add_edge("START", "ben")
    graph.add_edge("ada", END)
    graph.add_edge("ben", END)
    with open_store(tmp_path / "runs.db") as store:
        graph.run("ben", store=store, run_id="who")
    with studio_at(tmp_path / "runs.db", options=("--folder", str(tmp_path)), cwd=tmp_path) as served:
        choice = served.api.get("/api/runs/who/steps/0").json()["choice"]
        assert [(guard["target"], guard["value"], guard["why"]) for guard in choice["guards"]] == [
            ("ada", "false", "not enabled"),
            ("ben", "true", "taken"),
        ]
        assert served.api.get("/api/runs/who/steps/1").json()["choice"]["target"] == "END"


def test_a_late_step_costs_no_more_than_an_early_one(tmp_path: Path) -> None:
    """Steps are folded from the nearest state that was kept, not from the beginning."""
    load_target(f"{GRAPHS}:count").run("go", store=tmp_path / "runs.db", run_id="long", limits=limits(3000), durability="exit")

    async def timeline() -> Timeline:
        with open_store(tmp_path / "runs.db") as store:
            return (await Timelines(store, Catalog(), Live(store)).of("long")).timeline

    folded = asyncio.run(timeline())

    def seconds(step: int) -> float:
        begin = time.perf_counter()
        assert step_out(folded, step).state["count"] == step
        return time.perf_counter() - begin

    early, late = ([seconds(step) for step in range(first, first + 64)] for first in (32, 2900))
    assert statistics.median(late) < 8 * statistics.median(early), (statistics.median(early), statistics.median(late))


def test_pages_on_one_run_share_one_look(studio: Served) -> None:
    """Four pages hear the same of one run."""
    run_id = begun(studio, "counting", limits={"turns": 200})
    found: list[list[int]] = [[] for _ in range(4)]

    def listen(place: int) -> None:
        for name, data, _ in heard(studio, run_id):
            found[place].extend([data["step"]] if name == "step" else [row["step"] for row in data] if name == "steps" else [])
            if name == "run" and data["status"] == "limited":
                return

    pages = [threading.Thread(target=listen, args=(place,)) for place in range(4)]
    for page in pages:
        page.start()
    for page in pages:
        page.join(20)
    assert found == [list(range(1, 201))] * 4


def test_streams_end_in_good_order_when_the_studio_is_stopped(tmp_path: Path) -> None:
    """Whoever listens is not cut off in the middle of an event, and the studio does not wait for those who listen."""
    with studio_at(tmp_path / "runs.db", f"{GRAPHS}:moody", cwd=tmp_path) as served:
        run_id = begun(served, "fickle")
        ended(served, run_id)
        with served.api.stream("GET", f"/api/runs/{run_id}/events") as run, served.api.stream("GET", "/api/changes") as lists:
            of_run, of_lists = run.iter_lines(), lists.iter_lines()
            assert next(of_run).startswith("event: ")
            assert next(of_lists).startswith("event: ")
            served.process.terminate()
            assert [list(of_run)[-1], list(of_lists)[-1]] == ["", ""]  # or reading them would raise
        assert served.process.wait(10) == 0


ECHO = """
version: 1
name: echo
start: teller
limits: {turns: 9}
nodes:
- {name: teller, kind: agent, detail: {type: AssistantAgent, model: {type: scripted, replies: [my own words], repeat: true}}}
edges:
- {from: teller, to: END}
"""


def test_who_is_refused_a_name_that_is_taken_puts_no_stand_in_into_that_run(studio: Served) -> None:
    asked = {"document": ECHO, "input": "hello", "run_id": "taken"}
    assert studio.api.post("/api/runs", json=asked).status_code == 201
    ended(studio, "taken")

    refused = studio.api.post("/api/runs", json={**asked, "models": {"replies": ["somebody else's"]}})
    assert (refused.status_code, refused.json()["error"]) == (409, "RunExists")

    assert studio.api.post("/api/runs/taken/continue", json={"input": "and now?"}).status_code == 200
    ended(studio, "taken")
    said = [row["text"] for row in studio.api.get("/api/runs/taken/steps").json()["steps"]]
    assert said == ["my own words", "my own words"]
