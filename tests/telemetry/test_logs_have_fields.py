"""What runs say to `logging`: documented loggers and levels, facts as fields, nothing of what was said, and nothing unasked."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import pytest

from convgraph import END, Context, ConversationGraph, Retry
from tests.telemetry.reviewing import review

ROOT = Path(__file__).parents[2]


def about(records: list[logging.LogRecord]) -> list[tuple[int, str, dict[str, object]]]:
    """Level, message and fields of each record of a run."""
    plain = set(vars(logging.LogRecord("", 0, "", 0, "", (), None))) | {"message", "asctime", "taskName"}
    return [
        (record.levelno, record.getMessage(), {name: value for name, value in vars(record).items() if name not in plain})
        for record in records
        if record.name == "convgraph.run"
    ]


def test_a_run_is_told_with_its_facts_as_fields(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    """Begun, asks, waits, is resumed, ends: each with run and graph; and at DEBUG each turn with who, where to, tokens and time."""
    caplog.set_level(logging.DEBUG, "convgraph")
    store = str(tmp_path / "runs.db")
    run_id = review.run("SESAME", store=store, human="park", run_id="r1").run_id
    review.resume(run_id, store=store, answers={"rating": 3})

    told = about(caplog.records)
    assert all(fields["run_id"] == "r1" for _, _, fields in told)
    assert all(fields["graph"] == "review" for _, _, fields in told)
    at_info = [(message, fields) for level, message, fields in told if level == logging.INFO]
    assert [message for message, _ in at_info] == [
        "run r1: begun",
        "run r1, turn 2: asks ada (question rating)",
        "run r1: waiting",
        "run r1: resumed",
        "run r1: finished",
    ]
    assert at_info[1][1] == {"run_id": "r1", "graph": "review", "turn": "2", "nested": False, "question": "rating", "to": "ada"}
    assert at_info[0][1]["fingerprint"] == review.fingerprint
    [step] = [fields for _, message, fields in told if message == "run r1, turn 1: draft, then review"]
    assert (step["node"], step["target"], step["tokens"], step["chosen_by"]) == ("draft", "review", 120, "first")
    assert isinstance(step["seconds"], float)
    assert "SESAME" not in str(told)
    assert "draft." not in str(told)


def test_what_goes_wrong_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    """Each failed attempt, and a run that has failed; with the error's type, and without its words."""

    def shaky(ctx: Context) -> str:
        raise ValueError("SESAME")

    graph = ConversationGraph("shaky")
    graph.add_node(shaky, retry=Retry(attempts=2, wait=0.0))
    graph.add_edge("shaky", END)
    graph.set_start("shaky")
    caplog.set_level(logging.WARNING, "convgraph")
    graph.run("go", run_id="r2")

    told = about(caplog.records)
    assert [(level, message) for level, message, _ in told] == [
        (logging.WARNING, "run r2, turn 1: attempt 1 failed: ValueError"),
        (logging.WARNING, "run r2, turn 1: attempt 2 failed: ValueError"),
        (logging.WARNING, "run r2: failed"),
    ]
    assert (told[0][2]["error_type"], told[0][2]["attempt"], told[0][2]["node"]) == ("ValueError", 1, "shaky")
    assert "SESAME" not in str(told)


def test_nothing_is_said_and_nothing_configured_by_itself() -> None:
    """A program that has not configured logging sees nothing on its standard error, and finds no handler that it has not set."""
    code = (
        "import logging, convgraph\n"
        "def fail(ctx): raise ValueError('no')\n"
        "graph = convgraph.ConversationGraph('g')\n"
        "graph.add_node(fail); graph.add_edge('fail', convgraph.END); graph.set_start('fail')\n"
        "assert graph.run('go').status == 'failed'\n"
        "loggers = [logging.getLogger(name) for name in logging.root.manager.loggerDict if name.startswith('convgraph')]\n"
        "assert not any(logger.handlers or logger.level for logger in loggers)\n"
        "assert not logging.root.handlers\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert (done.returncode, done.stderr) == (0, "")
