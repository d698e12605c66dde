"""Runs are exported and imported on the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def here(here: Path, inside: Any) -> Path:
    """A store with a finished run, one that waits, and the files of both."""
    inside("run", "graphs.py:essay", "Write.", "--id", "r1", "--label", "eu")
    inside("run", "graphs.py:asking", "--id", "q1", "--no-input")
    for run_id in ("r1", "q1"):
        assert inside("export", run_id, "--record", "-o", f"{run_id}.json").code == 0
    return here


def test_a_run_goes_on_in_another_store(here: Path, command: Any, inside: Any) -> None:
    imported = command("import", "q1.json", "r1.json", "--store", "there.db", "--json")
    assert imported.code == 0
    assert [(run["run_id"], run["status"]) for run in imported.json["runs"]] == [("q1", "waiting"), ("r1", "finished")]
    assert inside("replay", "r1", "--store", "there.db", "--graph", "graphs.py:essay").code == 0
    assert [run["run_id"] for run in inside("runs", "--label", "eu", "--store", "there.db", "--json").json["runs"]] == ["r1"]
    done = inside("resume", "q1", "--store", "there.db", "--graph", "graphs.py:asking", "--answer", "copies=3", "--json")
    assert (done.code, done.json["last"]["content"]) == (0, "3 copies")
    assert inside("show", "q1", "--json").json["status"] == "waiting", "nothing has happened where it came from"


def test_its_graph_is_named_with_the_import_or_with_each_command(here: Path, inside: Any) -> None:
    told = inside("import", "q1.json", "--store", "there.db").out
    assert "convgraph resume q1 --store there.db --graph TARGET" in told
    assert inside("resume", "q1", "--store", "there.db").code == 2
    named = inside("import", "q1.json", "--id", "q2", "--graph", "graphs.py:asking", "--store", "there.db")
    assert "TARGET" not in named.out
    assert inside("resume", "q2", "--store", "there.db", "--answer", "copies=3").code == 0


def test_a_record_goes_to_standard_output_where_no_file_is_named(here: Path, inside: Any) -> None:
    assert json.loads(inside("export", "r1", "--record").out) == json.loads((here / "r1.json").read_text())
    assert json.loads(inside("export", "r1", "--record", "--json").json["record"])["run_id"] == "r1"
    assert "critic" in inside("export", "graphs.py:essay").out, "without the flag it is a graph"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (("export", "r9", "--record"), "no run 'r9'"),
        (("export", "r1", "--record", "--html"), "ask for one"),
        (("export", "r1", "--record", "-o", "nowhere/r1.json"), "cannot be written"),
        (("import", "nowhere.json"), "cannot be read"),
        (("import", "graphs.py"), "this is not JSON"),
        (("import", "r1.json"), "already"),
        (("import", "q1.json", "r1.json", "--id", "x"), "one by one"),
        (("import", "r1.json", "r1.json", "--store", "new.db"), "2 files hold a run"),
        (("import", "r1.json", "--id", ""), "run's id"),
        (("import", "r1.json", "--id", "x", "--graph", "nowhere.py:graph"), "nowhere.py"),
        (("import", "r1.json", "damaged.json", "--store", "new.db"), "damaged.json"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_imported(here: Path, inside: Any, line: tuple[str, ...], said: str) -> None:
    (here / "damaged.json").write_text((here / "q1.json").read_text().replace('"run_started"', '"run_stopped"'))
    refused = inside(*line)
    assert refused.code != 0
    assert said in refused.err
    assert [run["run_id"] for run in inside("runs", "--json").json["runs"]] == ["q1", "r1"]
    if (here / "new.db").exists():
        assert inside("runs", "--store", "new.db", "--json").json["runs"] == []
