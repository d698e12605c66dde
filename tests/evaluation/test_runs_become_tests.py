"""A stored run becomes a regression test with one command: it passes on the graph as it was, and fails with a diff where that changed."""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from convgraph import END, AssistantAgent, ConversationGraph, ForEach, Parallel, ScriptedModel, evaluate, open_store, read_cases, tool
from convgraph.errors import InputError, ReplayDivergence, StoreFormat
from convgraph.evaluation.cases_from_runs import append_case, case_of
from convgraph.evaluation.regression import write_test
from convgraph.testing import ScriptedServer
from convgraph.testing.records import areplay_record, from_text, record_of, replay_record, to_text

EXAMPLES = Path(__file__).parents[2] / "examples"
ROOT = Path(__file__).parents[2]


def pytest_in(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """What pytest says, in a process of its own, without a store and without an endpoint."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OPENAI_BASE_URL": "http://127.0.0.1:9/nobody"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:hypothesispytest", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_one_command_makes_a_test_that_passes_and_fails_when_the_graph_has_changed(project: Path, convgraph: Any) -> None:
    (project / "tests").mkdir()
    convgraph("run", "graphs.py:essay", "Write.", "--id", "r1")
    done = convgraph("testcase", "r1", "--out", "tests/test_essay.py")
    assert (done.code, done.err) == (0, "")
    Path("runs.db").unlink()

    passed = pytest_in(project / "tests")
    assert "1 passed" in passed.stdout, passed.stdout

    source = Path("graphs.py").read_text()
    changes = {
        '"You judge."': ('"You judge kindly."', '-  "system": "You judge.",', '+  "system": "You judge kindly.",'),
        'contains("APPROVED")': ('contains("again")', '-  "target": "writer",', '+  "target": "END",'),
    }
    for before, (after, was, now) in changes.items():
        Path("graphs.py").write_text(source.replace(before, after))
        failed = pytest_in(project, "tests")
        assert failed.returncode == 1, failed.stdout
        assert "ReplayDivergence" in failed.stdout
        assert was in failed.stdout
        assert now in failed.stdout


def test_nothing_in_the_files_is_of_this_machine(project: Path, convgraph: Any) -> None:
    (project / "tests").mkdir()
    convgraph("run", "graphs.py:essay", "Write.", "--id", "r1")
    convgraph("testcase", "r1", "--out", "tests/test_essay.py")
    written = Path("tests/test_essay.py").read_text() + Path("tests/test_essay.json").read_text()

    assert str(project) not in written
    assert str(Path.home()) not in written or str(Path.home()) == "/"
    assert "str(HERE / '../graphs.py:essay')" in written


def test_what_may_be_of_this_machine_is_told_and_secrets_are_refused(
    project: Path, graphs: Any, convgraph: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    convgraph("run", "graphs.py:notes", f"Look into {project}/data.", "--id", "place")
    assert f"the current directory, {str(project)!r}" in convgraph("testcase", "place", "--out", "test_place.py").out

    monkeypatch.setenv("SOME_API_KEY", "sk-very-secret")
    convgraph("run", "graphs.py:notes", "My key is sk-very-secret.", "--id", "leak")
    monkeypatch.setenv("OTHER_TOKEN", 'with "quotes"')
    for option, name in (("--out", "test_leak.py"), ("--as-case", "leak.yaml")):
        refused = convgraph("testcase", "leak", option, name)
        assert refused.code == 2
        assert "SOME_API_KEY" in refused.err
        assert "sk-very-secret" not in refused.err
        assert not Path(name).exists()
    assert not Path("test_leak.json").exists()
    convgraph("run", "graphs.py:notes", 'It is with "quotes".', "--id", "quoted")
    assert "OTHER_TOKEN" in convgraph("testcase", "quoted", "--out", "test_quoted.py").err


def parts() -> ConversationGraph:
    """A graph with a tool, a person, a nested conversation, branches at once, items, and a chat that code opens."""

    @tool
    def add(a: int, b: int) -> int:
        """Adds."""
        return a + b

    async def ask(ctx: Any) -> str:
        return await ctx.ask("Which one?", to="ann")

    model = ScriptedModel(lambda request: f"{request.speaker} heard {request.messages[-1].text}")
    calls = ScriptedModel(
        lambda request: _call("add", {"a": 1, "b": 2}) if request.messages[-1].role != "tool" else f"sum {request.messages[-1].text}"
    )
    inner = ConversationGraph("inner")
    inner.add_node(AssistantAgent("one", "You.", model=model))
    inner.add_node(AssistantAgent("two", "You.", model=model))
    inner.add_edge("one", "two")
    inner.add_edge("two", END)
    inner.set_start("one")
    guest = AssistantAgent("guest", "You.", model=model)
    host = AssistantAgent("host", "You.", model=model)

    async def opens(ctx: Any) -> str:
        return str((await host.a_initiate_chat(guest, message="Come in.", max_turns=1, silent=True)).summary)

    graph = ConversationGraph("parts", state={"items": {"type": "array", "default": ["x", "y"]}})
    graph.add_node(AssistantAgent("sums", "You add.", model=calls, tools=[add]))
    graph.add_node(ask)
    graph.add_node(inner)
    graph.add_node(Parallel(AssistantAgent("left", "You.", model=model), AssistantAgent("right", "You.", model=model)), "both")
    graph.add_node(ForEach(AssistantAgent("each", "You.", model=model), over="state.items"), "items")
    graph.add_node(opens)
    names = ["sums", "ask", "inner", "both", "items", "opens"]
    for before, after in zip(names, [*names[1:], END], strict=True):
        graph.add_edge(before, after)
    graph.set_start("sums")
    return graph


def _call(name: str, arguments: dict[str, Any]) -> Any:
    from convgraph.messages import ToolCall
    from convgraph.protocols import ModelReply

    return ModelReply("", (ToolCall("c1", name, json.dumps(arguments)),), finish_reason="tool_calls")


async def test_a_record_holds_tools_people_nested_conversations_branches_and_chats(project: Path) -> None:
    store = open_store(":memory:")
    result = await parts().arun("Go.", store=store, run_id="r", human=lambda question: "the red one")
    assert result.status == "finished", result.stop_reason
    record = await record_of(store, "r")
    read = from_text(to_text(record), "r.json")

    assert read == record
    replayed = await areplay_record(parts(), read)
    assert (replayed.messages, replayed.usage, replayed.status) == (result.messages, result.usage, "finished")


async def test_a_run_becomes_a_case_with_tools_people_nested_conversations_and_branches(project: Path) -> None:
    """With its script it goes the same way without a model, a person or the tool."""
    store, graph = open_store(":memory:"), parts()
    await graph.arun("Go.", store=store, run_id="r", human=lambda question: "the red one")
    record = await record_of(store, "r")
    case = case_of(record, await areplay_record(graph, record), graph.definition, "all of it")

    assert set(case["script"]) == {"sums", "one", "two", "left", "right", "each", "guest"}
    assert (case["answers"], case["tools"]) == ({"ann": ["the red one"]}, {"add": ["3"]})
    append_case(project / "cases.yaml", case, "graphs.py:essay")
    evaluation = await asyncio.to_thread(evaluate, graph, read_cases("cases.yaml").cases)
    assert evaluation.passed, str(evaluation)
    assert evaluation.usage.calls == len([line for lines in case["script"].values() for line in lines])


async def test_what_a_tool_asks_for_itself_is_no_part_of_the_case(project: Path) -> None:
    """The tool is not called, so its own calls are not made: their answers would be taken for somebody else's."""
    model = ScriptedModel(lambda request: f"{request.speaker}: {request.messages[-1].text}")
    helper = AssistantAgent("agent", "You.", model=model)

    async def consult(question: str) -> str:
        """Asks another who is called the same."""
        host = AssistantAgent("host", "You.", model=model)
        return str((await host.a_initiate_chat(helper, message=question, max_turns=1, silent=True)).summary)

    calls = ScriptedModel(lambda request: _call("consult", {"question": "why"}) if request.messages[-1].role != "tool" else "done")
    graph, store = ConversationGraph("consults"), open_store(":memory:")
    graph.add_node(AssistantAgent("agent", "You ask.", model=calls, tools=[tool(consult)]))
    graph.add_edge("agent", END)
    graph.set_start("agent")
    await graph.arun("Go.", store=store, run_id="r")
    record = await record_of(store, "r")
    case = case_of(record, await areplay_record(graph, record), graph.definition, "c")

    assert (len(case["script"]["agent"]), case["tools"]) == (2, {"consult": ["agent: why"]})
    append_case(project / "cases.yaml", case, "graphs.py:essay")
    evaluation = await asyncio.to_thread(evaluate, graph, read_cases("cases.yaml").cases)
    assert (evaluation.passed, evaluation.usage.calls) == (True, 2), str(evaluation)


async def test_a_fork_is_kept_whole(project: Path, graphs: Any) -> None:
    """The steps that it shares with its parent are part of its record; the parent is not needed."""
    store = open_store(":memory:")
    await graphs.essay.arun("Write.", store=store, run_id="parent")
    fork = await graphs.essay.afork("parent", store=store, at=1, message="another draft", new_id="child")
    result = await graphs.essay.aresume(fork, store=store)
    record = from_text(to_text(await record_of(store, "child")), "x")

    assert (await areplay_record(graphs.essay, record)).messages == result.messages
    with pytest.raises(InputError, match="changes from outside, which a case cannot say"):
        case_of(record, result, graphs.essay.definition, "child")


async def test_runs_that_wait_failed_or_were_continued_are_kept_too(project: Path, graphs: Any) -> None:
    store = open_store(":memory:")
    failed = await graphs.broken.arun("x", store=store, run_id="failed")
    waiting = await parts().arun("x", store=store, run_id="waiting", human="park")
    await graphs.notes.arun("one", store=store, run_id="continued")
    continued = await graphs.notes.acontinue("continued", "two", store=store)
    for graph, result in ((graphs.broken, failed), (parts(), waiting), (graphs.notes, continued)):
        replayed = await areplay_record(graph, await record_of(store, result.run_id))
        assert (replayed.status, replayed.stop_reason, replayed.messages) == (result.status, result.stop_reason, result.messages)


@pytest.mark.parametrize("name", ["router", "draft_review", "panel", "booking", "digest"])
def test_examples_become_tests_and_cases(project: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cases are run with their scripts alone: the endpoint is down by then."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    module, stage = importlib.import_module(name), importlib.import_module("stage")
    with open_store(":memory:") as store:
        with ScriptedServer(stage.played(module.PARTS)) as server:
            monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
            monkeypatch.setenv("OPENAI_API_KEY", "none")
            result = module.graph.run(module.INPUT, store=store, run_id="r", human="park")
        target = str(EXAMPLES / f"{name}.py:graph")
        record = asyncio.run(record_of(store, "r"))
        case = case_of(record, result, module.graph.definition, name)
        append_case(project / "cases.yaml", case, target)
        made = asyncio.run(write_test(module.graph, "r", project / "test_it.py", store=store, target=target))

    assert replay_record(module.graph, made.record).messages == result.messages
    evaluation = evaluate(module.graph, read_cases("cases.yaml").cases)
    assert evaluation.passed, str(evaluation)


def test_a_case_is_added_below_the_others_and_comments_stay(project: Path, convgraph: Any) -> None:
    convgraph("run", "graphs.py:essay", "Write.", "--id", "r1")
    before = "# mine\ngraph: graphs.py:essay # here\ncases:\n  - name: first\n    input: |\n      two\n      lines\n\n  # the end\n"
    Path("cases.yaml").write_text(before)
    assert convgraph("testcase", "r1", "--as-case", "cases.yaml", "--name", "second").code == 0

    text = Path("cases.yaml").read_text()
    assert [case.name for case in read_cases("cases.yaml").cases] == ["first", "second"]
    assert read_cases("cases.yaml").cases[0].input == "two\nlines\n"
    assert all(line in text for line in before.splitlines())
    assert convgraph("eval", "cases.yaml", "--only", "second").code == 0
    again = convgraph("testcase", "r1", "--as-case", "cases.yaml", "--name", "second")
    assert (again.code, Path("cases.yaml").read_text()) == (2, text), again.err
    assert "another case of this name" in again.err


def test_a_case_is_added_to_json_and_to_a_new_file(project: Path, convgraph: Any) -> None:
    (project / "cases").mkdir()
    convgraph("run", "graphs.py:essay", "Write.", "--id", "r1")
    for name in ("one", "two"):
        assert convgraph("testcase", "r1", "--as-case", "cases/cases.json", "--name", name).code == 0
    assert json.loads(Path("cases/cases.json").read_text())["graph"] == "../graphs.py:essay"
    assert convgraph("eval", "cases/cases.json", "--json").json["cases_passed"] == 2


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("r1",), 2, "testcase takes --out tests/test_….py, --as-case cases.yaml, or both"),
        (("nope", "--out", "test_a.py"), 2, "no run 'nope'"),
        (("r1", "--out", "essay.py"), 2, "pytest looks for files called test_….py"),
        (("r1", "--out", "nowhere/test_a.py"), 2, "there is no folder 'nowhere'"),
        (("r1", "--out", "test_mine.py"), 2, "a file that convgraph has not generated"),
        (("r1", "--out", "test_taken.py"), 2, "a file that convgraph has not generated; choose another name for the test"),
        (("r1", "--as-case", "cases.csv"), 2, "is added to a .yaml or .json file"),
        (("r1", "--as-case", "nowhere/cases.yaml"), 2, "there is no folder"),
        (("r1", "--as-case", "flow.yaml"), 2, "the cases stand in brackets"),
        (("r1", "--as-case", "wrong.yaml"), 2, "wrong.yaml:1:"),
        (("r1", "--as-case", "other.yaml"), 2, "its cases are for graph 'notes', and run 'r1' is one of 'essay'"),
        (("continued", "--as-case", "new.yaml"), 2, "a case has one input"),
        (("forked", "--out", "test_a.py"), 2, "run 'forked' is ready; a record is kept of a run that has stopped, so resume it first"),
        (("r1", "--out", "test_a.py", "--graph", "graphs.py:hasty"), 3, "the step is not the recorded one"),
        (("r1", "--out", "test_a.py", "--graph", "graphs.py:nothing"), 2, "there is no 'nothing'"),
    ],
)
def test_what_cannot_be_kept_is_refused_and_nothing_is_written(
    project: Path, convgraph: Any, words: tuple[str, ...], code: int, said: str
) -> None:
    convgraph("run", "graphs.py:essay", "Write.", "--id", "r1")
    convgraph("run", "graphs.py:notes", "one", "--id", "continued")
    convgraph("continue", "continued", "two")
    convgraph("fork", "r1", "--at", "1", "--id", "forked")
    Path("test_mine.py").write_text("def test_mine(): ...\n")
    Path("test_taken.json").write_text("{}")
    Path("flow.yaml").write_text("cases: [{name: a}]\n")
    Path("wrong.yaml").write_text("cases: 5\n")
    Path("other.yaml").write_text("graph: graphs.py:notes\ncases:\n- name: a\n")
    before = {path.name: path.read_bytes() for path in project.iterdir() if path.suffix in (".py", ".json", ".yaml")}

    done = convgraph("testcase", *words)
    assert done.code == code, done.out + done.err
    assert said in done.err
    assert {path.name: path.read_bytes() for path in project.iterdir() if path.suffix in (".py", ".json", ".yaml")} == before


def test_a_test_may_be_made_anew(project: Path, convgraph: Any) -> None:
    convgraph("run", "graphs.py:essay", "Write.", "--id", "r1")
    for _ in range(2):
        assert convgraph("testcase", "r1", "--out", "test_a.py").code == 0


def test_a_record_that_cannot_be_read_is_refused(project: Path, graphs: Any, convgraph: Any) -> None:
    convgraph("run", "graphs.py:essay", "Write.", "--id", "r1")
    convgraph("testcase", "r1", "--out", "test_a.py")
    text = Path("test_a.json").read_text()
    damaged: list[tuple[str, type[Exception], str]] = [
        ("{", InputError, "this is not JSON"),
        ("[]", InputError, "no record of a run"),
        ("{}", InputError, "no record of a run"),
        (text.replace('"convgraph_record": 1', '"convgraph_record": 9'), InputError, "a record of format 9"),
        (text.replace('"events"', '"evnts"'), InputError, "damaged"),
        (text.replace('["step"', '["leap"', 1), StoreFormat, "unknown kind 'leap'"),
    ]
    for broken, kind, said in damaged:
        Path("broken.json").write_text(broken)
        with pytest.raises(kind, match=re.escape(said)):
            replay_record(graphs.essay, "broken.json")
    with pytest.raises(InputError, match="cannot be read"):
        replay_record(graphs.essay, "missing.json")


def test_a_record_that_was_edited_is_found_out(project: Path, graphs: Any, convgraph: Any) -> None:
    """What was said stands in the digest of every later request."""
    convgraph("run", "graphs.py:essay", "Write.", "--id", "r1")
    convgraph("testcase", "r1", "--out", "test_a.py")
    Path("test_a.json").write_text(Path("test_a.json").read_text().replace("first draft", "other draft"))
    with pytest.raises(ReplayDivergence, match="the messages before it differ"):
        replay_record(graphs.essay, "test_a.json")
