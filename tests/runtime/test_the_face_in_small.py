"""Small promises of the face: bad input leaves no file behind, coverage and sequence diagrams are at hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from convgraph import END, ConversationGraph
from convgraph.errors import InputError
from convgraph.journal.store import Store

from .conftest import chain, saying


def test_input_that_is_refused_leaves_no_file_behind(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        chain(saying("a")).run(5, store=tmp_path / "runs.db")
    assert list(tmp_path.iterdir()) == []


def test_coverage_says_what_stored_runs_have_not_exercised(store: Store) -> None:
    graph = ConversationGraph("fork")
    for name in "ab":
        graph.add_node(saying(name))
    graph.add_edge("a", "b", when='last.content == "z"')
    graph.add_edge("a", END)
    graph.add_edge("b", END)
    graph.set_start("a")
    graph.run(store=store)

    text = str(graph.coverage(store))
    assert "b" in text
    assert graph.coverage(store, []) != graph.coverage(store)


def test_a_run_can_be_drawn_as_a_sequence(tmp_path: Path, store: Store) -> None:
    graph = chain(saying("a"), saying("b"))
    result = graph.run("hello", store=store)
    svg = graph.draw_sequence(result)
    assert isinstance(svg, bytes)
    assert b"<svg" in svg
    assert graph.draw_sequence(result.run_id, tmp_path / "run.mmd", format="mermaid", store=store) == tmp_path / "run.mmd"
    assert "sequenceDiagram" in (tmp_path / "run.mmd").read_text()
    with pytest.raises(InputError, match="store="):
        graph.draw_sequence(result.run_id)
