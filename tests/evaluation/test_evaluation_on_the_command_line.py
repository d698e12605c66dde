"""`convgraph eval`: what it prints, where it goes wrong, and the exit codes that a pipeline goes by."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from convgraph import open_store
from convgraph.testing import ScriptedServer

ROOT = Path(__file__).parents[2]

CASES = """\
graph: graphs.py:essay
cases:
- name: loops
  input: Write.
  tags: [slow]
  script: {writer: [one, two], critic: [again, APPROVED]}
  expect: {equals: APPROVED}
- name: at once
  input: Write.
  script: {writer: [one], critic: [APPROVED]}
  expect: {edges: critic -> writer}
"""
SAYS = '{"type": "scripted", "name": "%s", "replies": ["%s"], "repeat": true}'


@pytest.fixture
def cases(project: Path) -> Path:
    """Two cases, of which the second fails."""
    Path("cases.yaml").write_text(CASES)
    return Path("cases.yaml")


def test_cases_that_fail_are_told_with_their_place_and_exit_with_12(convgraph: Any, cases: Path) -> None:
    done = convgraph("eval", "cases.yaml", "--concurrency", "1")

    assert (done.code, done.err) == (12, "")
    lines = done.out.splitlines()
    assert lines[0].startswith("passed loops (1.00, ")
    assert lines[1].startswith("FAILED at once (0.50, ")
    assert "cases.yaml:8: case 'at once' failed:\n  edges: critic -> writer was not taken" in done.out
    assert "essay: 1 of 2 cases passed, score 0.750" in done.out
    assert "transitions taken: 3 of 3" in done.out


def test_all_passed_is_0_and_a_score_may_be_enough(convgraph: Any, cases: Path) -> None:
    assert convgraph("eval", "cases.yaml", "--only", "slow").code == 0
    assert convgraph("eval", "cases.yaml", "--fail-under", "0.75").code == 0
    under = convgraph("eval", "cases.yaml", "--fail-under", "0.8")
    assert (under.code, "the score 0.750 is less than 0.8" in under.out) == (12, True)


def test_json_is_one_object_on_the_last_line(convgraph: Any, cases: Path) -> None:
    done = convgraph("eval", "cases.yaml", "--json", "--repeat", "2")

    assert done.out.count("\n") == 1
    document = done.json
    assert (done.code, document["status"], document["score"], document["cases_passed"]) == (12, "failed", 0.75, 1)
    assert [len(case["attempts"]) for case in document["cases"]] == [2, 2]


def test_runs_are_kept_where_a_store_is_named_and_nowhere_else(convgraph: Any, cases: Path) -> None:
    convgraph("eval", "cases.yaml")
    assert sorted(path.name for path in Path().iterdir() if path.suffix == ".db") == []
    run_id = convgraph("eval", "cases.yaml", "--store", "evals.db", "--json").json["cases"][0]["attempts"][0]["run_id"]
    with open_store("evals.db") as store:
        assert len(store.runs()) == 2
    replayed = convgraph("replay", run_id, "--store", "evals.db")
    assert (replayed.code, "0 calls" in replayed.out) == (0, True), "the run knows its graph"


def test_two_graphs_are_compared(convgraph: Any, cases: Path) -> None:
    done = convgraph("eval", "cases.yaml", "--against", "graphs.py:hasty", "--plot", "both.svg", "--markdown", "both.md")

    assert done.code == 12
    assert "A: essay: 1 of 2 cases passed" in done.out
    assert "B: hasty: 0 of 2 cases passed" in done.out
    assert "broken: loops" in done.out
    assert ">B: hasty<" in Path("both.svg").read_text()
    assert "| loops | 1.00 | 0.50 | -0.50 |" in Path("both.md").read_text()


def test_two_models_are_compared_and_one_takes_the_place_of_the_graphs_own(convgraph: Any, cases: Path) -> None:
    agrees, refuses = SAYS % ("agrees", "APPROVED"), SAYS % ("refuses", "no")
    both = convgraph("eval", "cases.yaml", "--model", agrees, "--model", refuses, "--json")
    assert [both.json[side]["graph"] for side in ("before", "after")] == ["essay (agrees)", "essay (refuses)"]
    assert [case["attempts"][0]["status"] for case in both.json["after"]["cases"]] == ["limited", "limited"]
    one = convgraph("eval", "cases.yaml", "--only", "loops", "--model", agrees)
    assert (one.code, "essay (agrees): 1 of 1 cases passed" in one.out) == (0, True)


def test_a_models_name_is_asked_for_over_http(convgraph: Any, cases: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--model writer=NAME` is for one agent; who is asked is what the endpoint sees. So is the judge."""
    judged = CASES.replace("expect: {equals: APPROVED}", "expect: {judge: Is it good}")
    Path("cases.yaml").write_text(f"judge: judging\n{judged}")

    def answer(request: dict[str, Any]) -> str:
        return json.dumps({"reason": "It is.", "score": 1}) if request["model"] == "judging" else "APPROVED"

    with ScriptedServer(answer) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "none")
        done = convgraph("eval", "cases.yaml", "--only", "loops", "--model", "writer=small, critic=big", "--json")
        asked = [exchange.request["model"] for exchange in server.log]

    assert done.code == 0, done.out
    assert asked == ["small", "big", "judging"]
    assert done.json["graph"] == "essay (writer=small, critic=big)"
    assert (done.json["usage"]["calls"], done.json["judge_usage"]["calls"]) == (2, 1)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("missing.yaml",), 2, "cannot be read"),
        (("cases.txt",), 2, "is one of .yaml"),
        (("wrong.yaml",), 2, "wrong.yaml:4: case 'a': expect.status: 'done' is not one of"),
        (("bare.yaml",), 2, "the file names no graph, so say which: --graph TARGET"),
        (("bare.yaml", "--graph", "graphs.py:nothing"), 2, "there is no 'nothing'"),
        (("cases.yaml", "--graph", "graphs.py:notes"), 2, "cases.yaml:8: case 'at once': expect.edges: graph 'notes' has no transition"),
        (("cases.yaml", "--only", "nope"), 2, "no case has the name or tag 'nope'"),
        (("cases.yaml", "--repeat", "0"), 2, "--repeat is a whole number above zero"),
        (("cases.yaml", "--concurrency", "0"), 2, "concurrency is a whole number above zero"),
        (("cases.yaml", "--fail-under", "7"), 2, "--fail-under is a score from 0 to 1"),
        (("cases.yaml", "--fail-under", "nan"), 2, "--fail-under is a score from 0 to 1"),
        (("cases.yaml", "--plot", "x.pdf"), 2, "a plot is a file of the suffix"),
        (("cases.yaml", "--plot", "nowhere/x.svg"), 2, "no folder"),
        (("cases.yaml", "--markdown", "nowhere/x.md"), 2, "no folder"),
        (("cases.yaml", "--model", "a", "--model", "b", "--model", "c"), 2, "two are compared"),
        (("cases.yaml", "--model", "a", "--model", "b", "--against", "graphs.py:hasty"), 2, "two are compared"),
        (("cases.yaml", "--model", "writer="), 2, "takes NAME, JSON, or AGENT=NAME"),
        (("cases.yaml", "--model", "writer=a,writer=b"), 2, "each agent once"),
        (("cases.yaml", "--model", "{"), 2, "this is not JSON"),
        (("cases.yaml", "--model", '{"type": "magic"}'), 2, "'magic' is none of"),
        (("cases.yaml", "--judge", '{"modl": "x"}'), 2, "'modl' is not known here"),
        (("cases.yaml", "--store", "graphs.py"), 11, "this is not a SQLite file"),
    ],
)
def test_bad_input_is_refused_before_anything_is_run(convgraph: Any, cases: Path, words: tuple[str, ...], code: int, said: str) -> None:
    Path("wrong.yaml").write_text("cases:\n- name: a\n  expect:\n    status: done\n")
    Path("bare.yaml").write_text("cases:\n- name: a\n")
    done = convgraph("eval", *words, *([] if "--store" in words else ["--store", "new.db"]))

    assert done.code == code, done.out + done.err
    assert said in done.err
    assert "passed" not in done.out
    assert not list(Path().glob("*.db"))


def test_on_a_terminal_a_bar_counts_and_piped_output_has_no_control_codes(project: Path, cases: Path) -> None:
    command = [sys.executable, "-m", "convgraph", "eval", "cases.yaml"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "100"}
    piped = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    ours, theirs = pty.openpty()
    shown = subprocess.Popen(command, env=environment, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    seen = b""
    try:
        while chunk := os.read(ours, 65536):
            seen += chunk
    except OSError:
        pass  # the terminal is closed when the command ends
    os.close(ours)

    assert (piped.returncode, shown.wait(timeout=30)) == (12, 12)
    assert "\x1b" not in piped.stdout
    assert b"2/2" in seen
    assert b"1 failed" in seen
    assert b"score 0.750" in seen


def test_ctrl_c_stops_in_good_order(project: Path) -> None:
    """The runs that were had until then are kept, those that were stopped are `cancelled`."""
    Path("waits.py").write_text(
        "import asyncio\nfrom pathlib import Path\nfrom convgraph import END, ConversationGraph\n\n\n"
        "async def wait(ctx):\n    Path('here').touch()\n    await asyncio.sleep(60)\n\n\n"
        "graph = ConversationGraph('waits')\ngraph.add_node(wait)\ngraph.add_edge(wait, END)\ngraph.set_start(wait)\n"
    )
    Path("waits.yaml").write_text("graph: waits.py\ncases:\n- name: a\n- name: b\n")
    command = [sys.executable, "-m", "convgraph", "eval", "waits.yaml", "--store", "evals.db"]
    child = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 30
    while not Path("here").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=30)

    assert child.returncode == 130, err
    with open_store("evals.db") as store:
        assert {run.status for run in store.runs()} <= {"cancelled"}
