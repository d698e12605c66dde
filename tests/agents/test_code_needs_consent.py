"""Code that a person has to allow does not run before that, and not at all when it is refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from convgraph import END, AssistantAgent, ConversationGraph, ScriptedModel, UserProxyAgent, open_store
from convgraph.errors import DefinitionError
from convgraph.journal.store import Store
from convgraph.runtime.approval import about

FENCE = "`" * 3


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "runs.db") as opened:
        yield opened


def asking(folder: Path, code: str, **options: Any) -> ConversationGraph:
    """A writer of code, and a runner that asks first. What runs leaves a file in `folder`."""
    writer = AssistantAgent("writer", model=ScriptedModel([f"{FENCE}python\n{code}\n{FENCE}"]))
    local = {"executor": "commandline-local", "commandline-local": {"work_dir": str(folder)}}
    runner = UserProxyAgent("runner", human_input_mode="NEVER", code_execution_config={**local, "approve": True, **options})
    graph = ConversationGraph("sum")
    graph.add_node(writer)
    graph.add_node(runner)
    graph.add_edge("writer", "runner")
    graph.add_edge("runner", END)
    graph.set_start("writer")
    return graph


CODE = "open('ran.txt', 'a').write('once')\nprint(6 * 7)"


def test_code_runs_once_a_person_has_allowed_it(store: Store, tmp_path: Path) -> None:
    graph = asking(tmp_path / "work", CODE)
    waiting = graph.run("go", store=store, run_id="r", human="park")
    assert waiting.status == "waiting"
    [question] = waiting.questions
    assert CODE in question.prompt
    assert not (tmp_path / "work/ran.txt").exists()

    done = graph.resume("r", store=store, answers={question.id: "approve"})
    assert done.last is not None
    assert "42" in done.last.text
    assert (tmp_path / "work/ran.txt").read_text() == "once"
    assert graph.replay("r", store=store).messages == done.messages
    assert (tmp_path / "work/ran.txt").read_text() == "once"


@pytest.mark.parametrize(("answer", "said"), [("refuse", "refused it."), ({"refuse": "it writes files"}, "refused it: it writes files")])
def test_refused_code_does_not_run_and_the_conversation_hears_why(store: Store, tmp_path: Path, answer: Any, said: str) -> None:
    graph = asking(tmp_path / "work", CODE)
    [question] = graph.run("go", store=store, run_id="r", human="park").questions
    done = graph.resume("r", store=store, answers={question.id: answer})
    assert done.last is not None
    assert done.last.text.endswith(said)
    assert not (tmp_path / "work/ran.txt").exists()


def test_the_question_carries_the_code_as_data(store: Store, tmp_path: Path) -> None:
    graph = asking(tmp_path / "work", CODE)
    graph.run("go", store=store, run_id="r", human="park")
    [question] = store.questions("r")
    kind, subject = about(question.schema) or ("", {})
    assert (kind, subject["isolation"], subject["code"]) == ("code", "none", [{"language": "python", "code": CODE}])


def test_whether_code_needs_consent_is_part_of_the_graph_and_of_its_document(tmp_path: Path) -> None:
    graph = asking(tmp_path, CODE)
    assert "approve: true" in graph.to_yaml()
    assert ConversationGraph.from_yaml(graph.to_yaml()).to_yaml() == graph.to_yaml()
    assert graph.fingerprint != asking(tmp_path, CODE, approve=False).fingerprint


def test_consent_is_asked_for_or_not(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match="approve says whether a person has to allow code"):
        asking(tmp_path, CODE, approve="always")
