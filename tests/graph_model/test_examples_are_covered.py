"""Every transition of every shipped example is taken by a scripted conversation, within seconds."""

import runpy
import time
from pathlib import Path
from typing import Any

import pytest

from convgraph import ConversationGraph
from convgraph.testing.paths import follow

FOLDER = Path(__file__).parents[2] / "examples"
EXAMPLES = sorted(path.stem for path in FOLDER.glob("*.py") if "ConversationGraph(" in path.read_text())


def graphs_of(name: str, monkeypatch: pytest.MonkeyPatch) -> list[ConversationGraph]:
    monkeypatch.syspath_prepend(str(FOLDER))
    names: dict[str, Any] = runpy.run_path(str(FOLDER / f"{name}.py"))
    return [item for item in names.values() if isinstance(item, ConversationGraph)]


def test_the_examples_were_found() -> None:
    assert len(EXAMPLES) >= 5


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_covered(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    graphs = graphs_of(name, monkeypatch)
    assert graphs
    for graph in graphs:
        started = time.process_time()
        found = graph.paths()
        for path in found:
            follow(graph, path)
        assert found.covered == 1.0, str(found)
        assert time.process_time() - started < 1


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_can_be_simulated(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for graph in graphs_of(name, monkeypatch):
        found = graph.simulate(50)
        assert found.share("finished") > 0
        assert found.share("endless") == 0
