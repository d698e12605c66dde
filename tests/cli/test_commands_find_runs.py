"""Runs are labelled and found again on the command line."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture
def here(here: Any, inside: Any) -> Any:
    """A store with three runs, one of them made for later."""
    inside("run", "graphs.py:essay", "Write about frost.", "--id", "r1", "--label", "nightly", "--label", "eu")
    inside("run", "graphs.py:essay", "Write about foxes.", "--id", "r2")
    inside("submit", "graphs.py:essay", "Later.", "--id", "r3", "--label", "nightly")
    return here


def ids(found: Any) -> list[str]:
    return [run["run_id"] for run in found.json["runs"]]


@pytest.mark.usefixtures("here")
class TestLabels:
    def test_runs_are_listed_with_and_by_their_labels(self, inside: Any) -> None:
        assert "eu, nightly" in inside("runs").out
        assert "labelled eu, nightly" in inside("show", "r1").out
        assert ids(inside("runs", "--label", "nightly", "--json")) == ["r3", "r1"]
        assert ids(inside("runs", "--label", "nightly", "--limit", "1", "--before", "r3", "--json")) == ["r1"]
        assert inside("runs", "--label", "weekly").out == "no runs\n"
        assert [run["labels"] for run in inside("runs", "--json").json["runs"]] == [["nightly"], [], ["eu", "nightly"]]

    def test_runs_are_found_by_a_text(self, inside: Any) -> None:
        assert ids(inside("runs", "--search", "FROST", "--json")) == ["r1"]
        assert ids(inside("runs", "--search", "nightly", "--json")) == ["r3", "r1"]
        assert ids(inside("runs", "--search", "draft", "--label", "eu", "--json")) == ["r1"]
        assert inside("runs", "--search", "thunder").out == "no runs\n"
        assert inside("runs", "--search", " ").code == 2

    def test_labels_are_changed_from_the_real_script(self, command: Any, inside: Any) -> None:
        labelled = command("label", "r2", "reviewed", "keep", "--json")
        assert (labelled.code, labelled.json) == (0, {"run_id": "r2", "labels": ["keep", "reviewed"]})
        assert inside("label", "r2").out == "run r2 has no labels\n"
        assert ids(inside("runs", "--label", "keep", "--json")) == []

    @pytest.mark.parametrize(
        ("line", "said"),
        [
            (("label", "r9", "a"), "no run 'r9'"),
            (("label", "r1", "a,b"), "cannot be a label"),
            (("run", "graphs.py:essay", "Hi", "--id", "r4", "--label", ""), "cannot be a label"),
            (("submit", "graphs.py:essay", "Hi", "--id", "r4", "--label", "x" * 65), "cannot be a label"),
            (("runs", "--before", "r9"), "no run 'r9'"),
        ],
    )
    def test_what_is_wrong_is_said_and_nothing_is_written(self, inside: Any, line: tuple[str, ...], said: str) -> None:
        refused = inside(*line)
        assert refused.code == 2
        assert said in refused.err
        assert ids(inside("runs", "--json")) == ["r3", "r2", "r1"]
        assert "eu, nightly" in inside("runs").out
