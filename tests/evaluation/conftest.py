"""A small project of graphs, and the command line in this process."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.command_line import Done, done_here, working_in

GRAPHS = """
from convgraph import END, AssistantAgent, ConversationGraph, ConversableAgent, Limits, Parallel, Reply, ScriptedModel, Usage, tool

LINES = {"writer": ["first draft", "second draft"] * 20, "critic": ["again", "APPROVED"] * 20}
model = ScriptedModel(LINES, usage=Usage(1, 10, 5, 0.001))

essay = ConversationGraph("essay", limits=Limits(turns=12))
essay.add_node(AssistantAgent("writer", "You write.", model=model))
essay.add_node(AssistantAgent("critic", "You judge.", model=model))
essay.add_edge("writer", "critic")
essay.add_edge("critic", END, when='last.content.contains("APPROVED")', label="approved")
essay.add_edge("critic", "writer", label="again")
essay.set_start("writer")

hasty = ConversationGraph("hasty", limits=Limits(turns=12))
hasty.add_node(AssistantAgent("writer", "You write.", model=model))
hasty.add_node(AssistantAgent("critic", "You judge.", model=model))
hasty.add_edge("writer", "critic")
hasty.add_edge("critic", END, label="approved")
hasty.add_edge("critic", "writer", when="turn > 100", label="again")
hasty.set_start("writer")


def note(ctx):
    return Reply(f"noted {ctx.messages[-1].text}", update={"notes": ctx.state.notes + 1})


notes = ConversationGraph("notes", state={"notes": {"type": "integer", "default": 0}})
notes.add_node(note)
notes.add_edge(note, END)
notes.set_start(note)


def breaks(ctx):
    raise OSError("the disk is gone")


broken = ConversationGraph("broken")
broken.add_node(breaks)
broken.add_edge(breaks, END)
broken.set_start(breaks)


def long_enough(result):
    return len(result.last.text) / 20, "a score by length"


def raises(result):
    raise KeyError("nowhere")


def strange(result):
    return "yes"
"""


Command = Callable[..., Done]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory with `graphs.py`; the current one."""
    (tmp_path / "graphs.py").write_text(GRAPHS)
    monkeypatch.delenv("CONVGRAPH_STORE", raising=False)
    with working_in(tmp_path) as folder:
        yield folder


@pytest.fixture
def convgraph(project: Path) -> Command:
    """Runs a command in this process."""

    def run(*words: Any) -> Done:
        done = done_here(*words)
        os.environ.pop("CONVGRAPH_DEBUG", None)
        return done

    return run


@pytest.fixture
def graphs(project: Path) -> Any:
    """The project's graphs."""
    from convgraph.loading.importing import module_in

    return module_in(project / "graphs.py", "graphs.py")
