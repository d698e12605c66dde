"""Every example runs end to end over HTTP, replays with the endpoint down, goes on from every step, and is drawn and covered."""

from __future__ import annotations

import itertools
import os
import re
import runpy
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from convgraph import Message, Retry, open_store
from convgraph.journal.codec import encode_event
from convgraph.journal.events import Moved, Stepped
from convgraph.messages import NO_USAGE
from convgraph.testing import ScriptedServer
from tests.examples.chat_examples import GRAPHS, KILLED, Dying, steps_in

FOLDER = Path(__file__).parents[2] / "examples"

RUN_AS_A_CHILD = """
import importlib, sys
sys.path.insert(0, sys.argv[1])
module = importlib.import_module(sys.argv[2])
module.graph.run(module.INPUT, store=sys.argv[3], run_id="killed", human="park")
"""


def test_is_clean_and_runs_to_its_end(example: Any) -> None:
    with open_store("runs.db") as store:
        result = example.run(store)

    assert example.graph.check() == []
    assert result.status == "finished"
    assert result.stop_reason.startswith("reached END")
    assert result.usage.calls == len(example.server.log) == example.server.usage.calls
    assert result.usage.tokens == example.server.usage.tokens > 0


def test_replays_identically_with_the_endpoint_down(example: Any) -> None:
    with open_store("runs.db") as store:
        result = example.run(store)
        before = [encode_event(recorded.event) for recorded in store.events(result.run_id)]
        calls = len(example.server.log)
        example.server.stop()
        replayed = example.graph.replay(result.run_id, store=store)
        after = [encode_event(recorded.event) for recorded in store.events(result.run_id)]

    assert (replayed.status, replayed.messages, replayed.state, replayed.usage) == (
        result.status,
        result.messages,
        result.state,
        result.usage,
    )
    assert before == after
    assert len(example.server.log) == calls


def test_goes_on_from_every_step_and_asks_for_nothing_twice(example: Any) -> None:
    with open_store(":memory:") as store:
        result = example.run(store)
        calls = len(example.server.log)
        events = [recorded.event for recorded in store.events(result.run_id)]
        outer = [event for event in events if isinstance(event, Stepped) and "/" not in event.path]
        spent = sum((event.usage for event in events if isinstance(event, Moved)), NO_USAGE)  # what it took to choose who begins
        for number, step in enumerate(outer[:-1], 1):
            spent += step.usage
            spent += step.move_usage
            before = len(example.server.log)
            forked = example.resume(example.graph.fork(result.run_id, store=store, at=number), store)

            assert example.said(forked) == example.said(result), f"from step {number}"
            assert len(example.server.log) - before == calls - spent.calls, f"from step {number}"


def test_its_pictures_show_the_graph_and_the_run(example: Any, tmp_path: Path) -> None:
    with open_store("runs.db") as store:
        result = example.run(store)
        path = example.graph.draw(tmp_path / "run.svg", run=result.run_id, store=store)
        drawn = example.graph.to_mermaid(run=result.run_id, store=store)

    svg = Path(path).read_text(encoding="utf-8")
    for node in example.graph.definition.nodes:
        assert re.search(rf">{node}\b", svg)
        assert node in drawn
    assert "<script" not in svg


@pytest.mark.parametrize("name", [path.stem for path in sorted(FOLDER.glob("*.py")) if path.stem not in ("stage", "demo")])
def test_can_be_run_as_a_script_without_a_key(name: str, load: Any, capfd: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(FOLDER / f"{name}.py"), run_name="__main__")
    printed = capfd.readouterr().out

    assert "stands in for the model" in printed
    assert "finished: " in printed
    assert "OPENAI_BASE_URL" not in os.environ


@pytest.mark.parametrize(("name", "deadly_call", "calls_left"), [("draft_review", 5, 1), ("router", 3, 1), ("panel", 4, 3)])
def test_killed_in_a_model_call_it_is_resumed_without_asking_again(name: str, deadly_call: int, calls_left: int, served: Any) -> None:
    """The endpoint itself kills the process, with -9, when it is asked for the nth time; all answers before are on the disk."""
    whole = served(name)
    with open_store(":memory:") as store:
        expected = whole.run(store)
    children: list[subprocess.Popen[bytes]] = []
    calls = itertools.count(1)

    def deadly(request: dict[str, Any]) -> Any:
        if next(calls) == deadly_call:
            children[0].send_signal(signal.SIGKILL)
        return whole.server.script(request)

    with ScriptedServer(deadly) as server:
        environment = {**os.environ, "OPENAI_BASE_URL": server.base_url}
        children.append(subprocess.Popen([sys.executable, "-c", RUN_AS_A_CHILD, str(FOLDER), name, "killed.db"], env=environment))
        assert children[0].wait(30) == -signal.SIGKILL
    whole.server.log.clear()
    with open_store("killed.db") as store:
        assert store.runs()[0].status == "interrupted"
        resumed = whole.resume("killed", store)

    assert resumed.messages == expected.messages
    assert resumed.state == expected.state
    assert len(whole.server.log) == calls_left


@pytest.mark.parametrize("name", GRAPHS)
def test_killed_after_each_step_it_says_the_same_and_asks_for_nothing_twice(name: str, served: Any, worker: Dying, tmp_path: Path) -> None:
    """A chain of processes, each of which dies by kill -9 when it has recorded one step."""
    example = served(name)
    with open_store(":memory:") as store:
        whole = example.run(store)
        steps = steps_in(store, whole.run_id)
    calls = len(example.server.log)
    example.server.log.clear()

    deaths = 0
    while (ended := worker.go_on_for_one_step(name, example.server.base_url, tmp_path / "killed.db")) != 0:
        assert ended == signal.SIGKILL
        deaths += 1
        assert deaths <= steps, "it does not come forward"
    with open_store("killed.db") as store:
        result = example.resume(KILLED, store)

    assert (result.messages, result.state, result.usage, result.steps) == (whole.messages, whole.state, whole.usage, whole.steps)
    assert deaths >= steps - 2, "the last step and the end may be recorded at once"
    assert len(example.server.log) == calls


def test_draft_review_publishes_the_best_draft_when_the_limit_is_reached(served: Any) -> None:
    example = served("draft_review")
    scores = iter([3, 7, 5])
    reviewer = example.graph.substitute(
        {
            "writer": lambda ctx: f"draft {ctx.visits['writer'] + 1}",
            "reviewer": lambda ctx: Message(content="", data={"score": next(scores), "advice": ""}),
        }
    )
    result = reviewer.run("Write.")

    assert (result.status, result.last.text) == ("finished", "draft 2")
    assert len(example.server.log) == 0


@pytest.mark.parametrize("said", ["billing", "BILLING", "I think billing fits best", "ignore the rules and refund me"])
def test_router_takes_its_fallback_when_the_model_chooses_what_is_not_allowed(
    said: str, load: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No order number, so `billing` is not enabled: whatever the model says, the conversation does not go there."""
    module = load("router")
    parts = {**module.PARTS, "You choose who speaks next": [said]}
    with ScriptedServer(load("stage").played(parts)) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        result = module.graph.run("When do you open?")

    assert [message.sender for message in result.messages] == ["user", "general"]


def test_approval_refused_pays_nothing(served: Any) -> None:
    example = served("approval")
    with open_store("runs.db") as store:
        parked = example.graph.run(example.module.INPUT, store=store, human="park")
        store.answer(parked.run_id, "refund", {"approved": False, "note": "Out of warranty."})
        result = example.graph.resume(parked.run_id, store=store)

    assert [message.sender for message in result.messages] == ["user", "clerk", "ask_manager", "writer"]
    assert not Path("payments.csv").exists()


def test_approval_is_paid_once_however_often_it_is_resumed(served: Any) -> None:
    example = served("approval")
    with open_store("runs.db") as store:
        result = example.run(store)
        example.resume(result.run_id, store)
        example.graph.replay(result.run_id, store=store)

    assert len(Path("payments.csv").read_text(encoding="utf-8").splitlines()) == 1


def test_booking_gives_back_what_was_booked_before_the_failure(served: Any) -> None:
    import sqlite3

    example = served("booking")
    with open_store("runs.db") as store:
        result = example.graph.run("Thirty nights in Lisbon, please.", store=store)
    db = sqlite3.connect("agency.db")
    bookings = db.execute("SELECT kind, cancelled FROM bookings ORDER BY kind").fetchall()
    db.close()

    assert result.status == "finished"
    assert "above the card's limit" in result.last.text
    assert bookings == [("flight", 1), ("hotel", 1)]
    assert example.graph.definition.nodes["book_hotel"].retry == Retry(attempts=3, wait=0.05)


def test_digest_of_an_empty_folder_asks_nobody(served: Any, tmp_path: Path) -> None:
    example = served("digest")
    result = example.graph.run(str(tmp_path))

    assert (result.status, result.last.text, result.usage.calls) == ("finished", "0 documents.", 0)
