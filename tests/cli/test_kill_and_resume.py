"""A process that runs a conversation may be killed, stopped or interrupted; another goes on by the run's id alone."""

import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def running(started: Start, here: Path, wait_for: Callable[[Path], None]) -> subprocess.Popen[str]:
    """A run `s` in the middle of its second turn of three, with that turn's effect done."""
    process = started("run", "graphs.py:slowly", "Go.", "--id", "s")
    wait_for(here / "here")
    return process


def test_a_killed_run_is_resumed_by_its_id(running: subprocess.Popen[str], command: Any, inside: Any, here: Path) -> None:
    with running:
        running.send_signal(signal.SIGKILL)
        running.wait(30)
    assert inside("runs", "--json").json["runs"][0]["status"] == "interrupted"
    (here / "go").touch()
    resumed = command("resume", "s", "--json")
    assert (resumed.code, resumed.json["steps"]) == (0, 3)
    assert (here / "calls.log").read_text() == "turn 1\nturn 2\nturn 3\n", "what was done is not done again"
    assert [message["content"] for message in inside("show", "s", "--json").json["messages"]] == ["Go.", "done 1", "done 2", "done 3"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_says_how_to_go_on(
    running: subprocess.Popen[str], command: Any, inside: Any, here: Path, number: signal.Signals
) -> None:
    with running:
        running.send_signal(number)
        out, err = running.communicate(timeout=30)
    assert (running.returncode, err) == (130, "")
    assert "run s cancelled" in out
    assert "resume it:\n  convgraph resume s\n" in out
    assert inside("runs", "--json").json["runs"][0]["status"] == "cancelled"
    (here / "go").touch()
    assert command("resume", "s", "--json").json["status"] == "finished"
    assert (here / "calls.log").read_text() == "turn 1\nturn 2\nturn 3\n"


def test_a_run_is_run_by_one_process_at_a_time(running: subprocess.Popen[str], command: Any) -> None:
    with running:
        busy = command("resume", "s", "--json")
        assert (busy.code, busy.json["error"], busy.json["run_id"]) == (9, "RunBusy", "s")
        assert f"process {running.pid}" in busy.err
        running.kill()


def test_a_thread_that_cannot_be_stopped_does_not_hold_the_process(
    started: Start, here: Path, wait_for: Callable[[Path], None], inside: Any
) -> None:
    with started("run", "graphs.py:held", "--id", "h") as process:
        wait_for(here / "here")
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=10)
    assert process.returncode == 130
    assert "convgraph resume h" in out
    assert inside("runs", "--json").json["runs"][0]["status"] == "cancelled"


def test_a_second_ctrl_c_leaves_at_once(started: Start, here: Path, wait_for: Callable[[Path], None], inside: Any) -> None:
    with started("run", "graphs.py:unmoved", "--id", "u") as process:
        wait_for(here / "here")
        process.send_signal(signal.SIGINT)
        wait_for(here / "asked")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=10)
    assert (process.returncode, err) == (130, "")
    assert "run u was left where it stood; resume it:\n  convgraph resume u\n" in out
    assert inside("runs", "--json").json["runs"][0]["status"] == "interrupted"
