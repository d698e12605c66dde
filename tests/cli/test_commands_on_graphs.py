"""Commands on graphs: check, draw, diff, paths, simulate, coverage, export."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


def test_check_is_clean_or_has_findings(command: Any, inside: Any) -> None:
    clean = command("check", "graphs.py:essay")
    assert (clean.code, clean.out) == (0, "graph essay: clean\n")
    bad = command("check", "graphs.py:unsound", "--json")
    assert (bad.code, bad.json["status"]) == (8, "findings")
    assert {"code": "dead-end", "severity": "error"}.items() <= bad.json["findings"][0].items()


def test_warnings_alone_are_told_and_fail_a_check_where_one_says_so(inside: Any) -> None:
    """A graph with warnings runs, so it passes; `--strict` is for those who want none."""
    doubtful = inside("check", "graphs.py:stuck")
    assert doubtful.code == 0
    assert "warning guard-gap" in doubtful.out
    assert inside("check", "graphs.py:stuck", "--strict").code == 8
    assert inside("check", "graphs.py:stuck", "--errors-only").out == "graph stuck: clean\n"
    assert inside("check", "graphs.py:unsound", "--errors-only").code == 8
    assert inside("check", "graphs.py:stuck", "--strict", "--errors-only").code == 2


@pytest.mark.parametrize(("name", "head"), [("g.svg", b"<?xml"), ("g.png", b"\x89PNG"), ("g.pdf", b"%PDF"), ("g.mmd", b"flowchart")])
def test_a_graph_is_drawn_in_the_format_of_the_file(inside: Any, here: Path, name: str, head: bytes) -> None:
    done = inside("draw", "graphs.py:essay", "-o", name)
    assert (done.code, done.out) == (0, f"written: {name}\n")
    assert (here / name).read_bytes().startswith(head)


def test_without_a_file_the_drawing_goes_to_standard_output(command: Any, inside: Any) -> None:
    assert command("draw", "graphs.py:essay").out.startswith("<?xml")
    assert inside("draw", "graphs.py:essay", "--format", "dot").out.startswith("digraph")
    assert inside("draw", "graphs.py:essay", "--json").json["drawing"].startswith("flowchart")


def test_a_run_is_drawn_on_its_graph_and_as_a_sequence(command: Any, inside: Any, here: Path) -> None:
    inside("run", "graphs.py:essay", "Write.", "--id", "r1")
    assert command("draw", "--run", "r1", "-o", "run.mmd").code == 0
    assert (here / "run.mmd").read_text() != inside("draw", "graphs.py:essay", "--format", "mermaid").out
    assert inside("draw", "--sequence", "r1", "--format", "mermaid").out.startswith("sequenceDiagram")
    assert "<svg" in inside("draw", "graphs.py:essay", "--sequence", "r1", "--format", "svg").out
    refused = inside("draw", "--sequence", "r1", "--format", "png")
    assert (refused.code, "svg or mermaid" in refused.err) == (2, True)


def test_diff_says_what_changed_and_whether_runs_may_go_on(command: Any, inside: Any, here: Path) -> None:
    text = (here / "graphs.py").read_text()
    (here / "prompt.py").write_text(text.replace("You judge.", "You judge harshly."))
    (here / "guard.py").write_text(text.replace("APPROVED", "ACCEPTED"))
    assert inside("diff", "graphs.py:essay", "graphs.py:essay").code == 0
    prompt = command("diff", "graphs.py:essay", "prompt.py:essay", "--json")
    assert (prompt.code, prompt.json["compatible"]) == (8, True)
    assert "You judge harshly." in json.dumps(prompt.json["changes"])
    guard = inside("diff", "graphs.py:essay", "guard.py:essay")
    assert guard.code == 8
    assert "runs of graphs.py:essay cannot go on with guard.py:essay" in guard.out


def test_paths_become_tests_that_pass_and_fail(command: Any, inside: Any, here: Path) -> None:
    found = command("paths", "graphs.py:essay", "--pytest", "test_essay.py", "--json")
    assert (found.code, found.json["covered"], found.json["uncovered"]) == (0, 1.0, [])

    def outcome() -> int:
        options = ["-q", "-p", "no:cacheprovider", "--rootdir", str(here), "test_essay.py"]
        return subprocess.run([sys.executable, "-m", "pytest", *options], capture_output=True, check=False, timeout=60, cwd=here).returncode

    assert outcome() == 0
    (here / "graphs.py").write_text((here / "graphs.py").read_text().replace("APPROVED", "REJECTED"))
    assert outcome() == 1
    assert inside("paths", "graphs.py:essay", "--pytest", "test_essay.py").code == 0, "what was generated is written over"
    refused = inside("paths", "graphs.py:essay", "--pytest", "graphs.py")
    assert (refused.code, "has not generated" in refused.err) == (2, True)


def test_simulation_depends_on_the_seed_alone(command: Any, inside: Any) -> None:
    words = ("simulate", "graphs.py:essay", "--runs", "200", "--seed", "7", "--weight", "approved=0.25", "--json")
    first = command(*words)
    assert first.code == 0
    assert first.json == inside(*words).json
    assert first.json["turns"]["max"] <= 20
    assert sum(first.json["endings"].values()) == 200
    assert inside("simulate", "graphs.py:essay", "--runs", "50").out.startswith("50 simulated runs (seed 0)")


def test_coverage_reads_the_stored_runs(command: Any, inside: Any) -> None:
    inside("run", "graphs.py:essay", "Write.")
    covered = command("coverage", "graphs.py:essay", "--json").json
    assert (covered["runs"], covered["edges"], covered["strange"]) == (1, 1.0, [])
    assert "1 runs" in inside("coverage", "graphs.py:essay").out


def test_an_exported_graph_is_the_same_graph(command: Any, inside: Any, here: Path) -> None:
    assert command("export", "graphs.py:asking", "-o", "asking.yaml").code == 0
    assert inside("export", "graphs.py:asking", "-o", "asking.json").code == 0
    assert inside("export", "graphs.py:asking").out == (here / "asking.yaml").read_text()
    for name in ("asking.yaml", "asking.json"):
        refused = inside("run", name)
        assert (refused.code, "pass allow=['graphs']" in refused.err) == (2, True)
        assert inside("diff", "graphs.py:asking", name, "--allow", "graphs").code == 0
    parked = command("run", "asking.yaml", "--allow", "graphs", "--id", "q")
    assert parked.code == 4
    assert "  convgraph resume q --allow graphs\n" in parked.out
    assert command("resume", "q", "--allow", "graphs", "--answer", "copies=4", "--json").json["last"]["content"] == "4 copies"
