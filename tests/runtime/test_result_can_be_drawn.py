"""A result can be drawn, whoever opened the store that its run is kept in."""

from pathlib import Path

import pytest

from convgraph import END, ConversationGraph, open_store


@pytest.mark.parametrize("kept", ["file", "path", "open", "memory", "nowhere"])
def test_a_result_is_drawn_with_its_run_on_it(kept: str, tmp_path: Path) -> None:
    graph = ConversationGraph("hello")
    graph.add_node(lambda ctx: "hello", name="greeter")
    graph.add_edge("greeter", END)
    graph.set_start("greeter")
    file = tmp_path / "runs.db"
    with open_store(tmp_path / "open.db") as opened:
        stores = {"file": str(file), "path": file, "open": opened, "memory": open_store(":memory:"), "nowhere": None}
        result = graph.run("Hi.", store=stores[kept])

        assert f"run {result.run_id}: finished" in graph.to_mermaid(run=result)
        assert "1×" in graph.to_dot(run=result)
