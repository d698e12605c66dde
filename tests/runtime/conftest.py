"""Small speakers and graphs that the runtime's tests have in common."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from convgraph import END, ConversationGraph, open_store
from convgraph.journal.events import Stepped
from convgraph.journal.store import Store


def saying(name: str, text: str | None = None) -> Callable[[Any], Any]:
    """A node that says its name (or a text) whenever it has the turn."""

    async def speak(ctx: Any) -> str:
        return text if text is not None else name

    speak.__name__ = name
    return speak


def alone(node: Any, **options: Any) -> ConversationGraph:
    """A graph of one node that leads to the end."""
    graph = ConversationGraph("alone", **{key: options.pop(key) for key in ("state", "types", "limits") if key in options})
    name = graph.add_node(node, **options)
    graph.add_edge(name, END)
    graph.set_start(name)
    return graph


def paths(store: Store, run_id: str) -> list[str]:
    """The paths of a run's steps, inner ones included."""
    return [recorded.event.path for recorded in store.events(run_id) if isinstance(recorded.event, Stepped)]


def chain(*nodes: Any, **options: Any) -> ConversationGraph:
    """A graph whose nodes speak one after the other, then end."""
    graph = ConversationGraph(options.pop("name", "chain"), **options)
    names = [graph.add_node(node) for node in nodes]
    for source, target in zip(names, [*names[1:], END], strict=True):
        graph.add_edge(source, target)
    graph.set_start(names[0])
    return graph


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """Each promise holds in memory and on disk."""
    opened: Store = open_store(":memory:" if request.param == "memory" else tmp_path / "runs.db")
    yield opened
    opened.close()
