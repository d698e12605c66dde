"""A small project of graphs, and the command line in this process."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from convgraph.cli import main

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


@dataclass(frozen=True)
class Done:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The object on the last line of standard output."""
        return json.loads(self.out.splitlines()[-1])


Command = Callable[..., Done]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory with `graphs.py`; the current one. What was imported from it is forgotten afterwards."""
    (tmp_path / "graphs.py").write_text(GRAPHS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delenv("CONVGRAPH_STORE", raising=False)
    yield tmp_path
    for name in [name for name, module in sys.modules.items() if str(tmp_path) in str(getattr(module, "__file__", ""))]:
        del sys.modules[name]


@pytest.fixture
def convgraph(project: Path) -> Command:
    """Runs a command in this process."""

    def run(*words: Any) -> Done:
        with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
            code = main([str(word) for word in words])
        os.environ.pop("CONVGRAPH_DEBUG", None)
        return Done(code, out.getvalue(), err.getvalue())

    return run


@pytest.fixture
def graphs(project: Path) -> Any:
    """The project's graphs."""
    from convgraph.loading.importing import module_in

    return module_in(project / "graphs.py", "graphs.py")
