"""What `convgraph paths --pytest` writes is run by pytest as it is, whether the graph is Python's, YAML's or JSON's."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from convgraph.loading import load_target

MODULE = """
from pydantic import BaseModel

from convgraph import END, START, AssistantAgent, ConversableAgent, ConversationGraph, ForEach, Limits, OpenAIChatModel, Parallel, Reply


class Desk(BaseModel):
    topics: list[str] = []
    score: int = 0
    title: str = "it's \\"so\\"\\n"


class Verdict(BaseModel):
    good: bool


def collect(ctx):
    return Reply("found", update={"topics": ["tea"]})


def expand(ctx):
    return f"more on {ctx.item}"


def twice(view):
    return view.visits["collect"] > 1


def last_of(view, targets):
    return targets[-1]


review = ConversationGraph("review", select=last_of)
review.add_node(AssistantAgent("judge", "You judge.", model=OpenAIChatModel("small"), response_format=Verdict))
review.add_edge("judge", END, when="last.data.good")
review.add_edge("judge", "judge", when='last.content.contains("again")')
review.add_edge("judge", END)
review.set_start("judge")

small = OpenAIChatModel("small")
desk = ConversationGraph("desk", state=Desk, select="auto", selector_model=small, limits=Limits(turns=20), types=[Verdict])
desk.add_node(collect)
desk.add_node(review, name="check-it")
desk.add_node(Parallel(review, ConversableAgent("third", "You.")), name="panel")
desk.add_node(ForEach(expand, over="state.topics"), name="each")
desk.add_edge(START, collect, when="size(messages) > 0")
desk.add_edge(START, "each")
desk.add_edge(collect, "check-it", label="to review")
desk.add_edge("check-it", "panel")
desk.add_edge("panel", "each")
desk.add_edge("each", END, when=twice)
desk.add_edge("each", collect, when='last.content == "über \\\\"x\\\\""')
desk.add_edge("each", END)
desk.add_edge("panel", "each", on="error")
desk.add_edge("collect", END, on="limit")
"""
TARGETS = ["flows/desk_parts.py:desk", "my flows/desk.yaml", "my flows/desk.json"]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with one graph in three forms, and the tests that were written for each."""
    project = tmp_path_factory.mktemp("project")
    for folder in ("flows", "my flows", "tests"):
        (project / folder).mkdir()
    (project / "flows" / "desk_parts.py").write_text(MODULE)
    (project / "my flows" / "desk_parts.py").write_text(MODULE)
    desk = load_target(f"{project}/flows/desk_parts.py:desk")
    (project / "my flows" / "desk.yaml").write_text(desk.to_yaml())
    (project / "my flows" / "desk.json").write_text(json.dumps(desk.program().document))
    for number, target in enumerate(TARGETS):
        allow = [] if ".py" in target else ["--allow", "desk_parts"]
        done = _python(project, "convgraph", "paths", target, "--pytest", f"tests/test_desk_{number}.py", *allow)
        assert "(100%)" in done.stdout, done
    return project


def _python(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=60, check=False)


def test_they_pass_on_the_graph_that_they_were_written_for(project: Path) -> None:
    done = _python(project, "pytest", "-q", "-p", "no:cacheprovider", "tests")
    assert done.returncode == 0, done.stdout
    written = sum(file.read_text().count("def test_") for file in (project / "tests").glob("*.py"))
    assert f"{written} passed" in done.stdout
    assert written >= 2 * len(TARGETS)


def test_they_fail_on_a_graph_that_goes_another_way(project: Path, tmp_path: Path) -> None:
    """The tests stay, the document changes: one transition leads elsewhere."""
    document = json.loads((project / "my flows" / "desk.json").read_text())
    (edge,) = [edge for edge in document["edges"] if edge["from"] == "check-it"]
    edge["to"] = "each"
    (tmp_path / "my flows").mkdir()
    (tmp_path / "my flows" / "desk.json").write_text(json.dumps(document))
    (tmp_path / "my flows" / "desk_parts.py").write_text(MODULE)
    (tmp_path / "test_desk.py").write_text((project / "tests" / "test_desk_2.py").read_text())
    done = _python(tmp_path, "pytest", "-q", "-p", "no:cacheprovider")
    assert done.returncode == 1
    assert "but each had the turn" in done.stdout
