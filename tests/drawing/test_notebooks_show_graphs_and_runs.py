"""A notebook shows a graph as its picture, a run's result as the graph with the run on it, and an explanation as text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from IPython.core.formatters import DisplayFormatter

from convgraph import END, ConversationGraph


def shown(value: Any) -> dict[str, str]:
    """What a notebook's cell would show for a value."""
    bundle, _ = DisplayFormatter().format(value)
    return bundle


@pytest.fixture
def graph() -> ConversationGraph:
    graph = ConversationGraph("hello")
    graph.add_node(lambda ctx: "hello", name="greeter")
    graph.add_edge("greeter", END, label="greeted")
    graph.set_start("greeter")
    return graph


def test_a_graph_is_shown_as_its_picture(graph: ConversationGraph) -> None:
    bundle = shown(graph)
    assert "<svg" in bundle["image/svg+xml"]
    assert "greeted" in bundle["image/svg+xml"]
    assert bundle["text/plain"].startswith("flowchart")
    assert graph._repr_svg_() == bundle["image/svg+xml"]


def test_without_graphviz_a_graph_is_shown_as_mermaid(graph: ConversationGraph, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    bundle = shown(graph)
    assert "image/svg+xml" not in bundle
    assert bundle["text/vnd.mermaid"].startswith("flowchart")
    assert graph._repr_svg_() is None


@pytest.mark.parametrize("kept", ["file", "nowhere"])
def test_a_result_is_shown_as_the_graph_with_the_run_on_it(graph: ConversationGraph, kept: str, tmp_path: Path) -> None:
    """Whichever verb it is of."""
    store = {"file": tmp_path / "runs.db", "nowhere": None}[kept]
    results = [graph.run("Hi.", store=store, run_id="r")]
    if store is not None:
        results += [graph.resume("r", store=store), graph.replay("r", store=store), graph.continue_("r", "And?", store=store)]
    for result in results:
        bundle = shown(result)
        assert bundle["text/plain"] == repr(result)
        assert "run r: finished" in bundle["image/svg+xml"]
        assert result._repr_svg_() == bundle["image/svg+xml"]


def test_a_result_whose_record_is_gone_is_shown_in_words(graph: ConversationGraph, tmp_path: Path) -> None:
    result = graph.run("Hi.", store=tmp_path / "runs.db")
    (tmp_path / "runs.db").unlink()
    assert shown(result) == {"text/plain": repr(result)}


def test_a_result_keeps_the_graph_that_it_was_made_with(graph: ConversationGraph) -> None:
    result = graph.run("Hi.")
    graph.add_node(lambda ctx: "later", name="later")
    assert "later" not in shown(result)["image/svg+xml"]


def test_an_explanation_is_shown_in_lines(graph: ConversationGraph, tmp_path: Path) -> None:
    graph.run("Hi.", store=tmp_path / "runs.db", run_id="r")
    explained = graph.explain("r", store=tmp_path / "runs.db", step=1)
    assert shown(explained) == {"text/plain": str(explained)}
