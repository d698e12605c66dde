"""The commands work on runs that hold conversations which code has opened; of a run that a program started, they say how it goes on."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from convgraph.cli import main

PROGRAM = '''
from convgraph import AssistantAgent, ScriptedModel, UserProxyAgent
from convgraph.messages import ToolCall
from convgraph.protocols import ModelReply


def agents():
    """A boss who has a chat before it replies, and whose model calls another agent as a tool."""
    user = UserProxyAgent("user", human_input_mode="ALWAYS", code_execution_config=False)
    critic = AssistantAgent("critic", "You judge.", model=ScriptedModel(lambda request: "fine", name="critic"))
    expert = AssistantAgent("expert", "You know.", model=ScriptedModel(lambda request: "known", name="expert"))

    def say(request):
        if request.messages[-1].role == "tool":
            return "so: " + request.messages[-1].text
        return ModelReply("", (ToolCall("1", "expert", '{"message": "why?"}'),))

    boss = AssistantAgent("boss", "You lead.", model=ScriptedModel(say, name="boss"), tools=[expert.as_tool()])
    other = AssistantAgent("other", "You have chats.", model=ScriptedModel(["never"]))
    other.register_nested_chats([{"recipient": boss, "max_turns": 1}, {"recipient": critic, "message": "judge", "max_turns": 1}], "user")
    return user, other


def chat():
    user, other = agents()
    return other.chat_graph(user)


def have():
    user, other = agents()
    return user.initiate_chat(other, message="hi", max_turns=2, store="runs.db", run_id="chat", human="park", silent=True)
'''

Command = Callable[..., tuple[int, str]]


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A program that has had the chat, up to where its person is asked."""
    (tmp_path / "talks.py").write_text(PROGRAM)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "talks", raising=False)
    import talks  # pyright: ignore[reportMissingImports]

    assert talks.have().status == "waiting"
    return talks


@pytest.fixture
def command(program: Any, capsys: pytest.CaptureFixture[str]) -> Command:
    def run(*words: str, store: bool = True) -> tuple[int, str]:
        capsys.readouterr()
        code = main([*words, *(["--store", "runs.db"] if store else [])])
        told = capsys.readouterr()
        return code, told.out + told.err

    return run


def test_a_run_of_a_program_says_how_it_goes_on(command: Command, program: Any) -> None:
    """Resumed without its graph it is refused; an answer is taken all the same, and the program uses it."""
    code, told = command("resume", "chat")
    assert code != 0
    assert "run the program that started it again" in told
    assert "run_id='chat'" in told

    assert "run the program that started it again" in command("show", "chat")[1]
    assert command("answer", "chat", "user-2", "and now?")[0] == 0
    result = program.have()
    assert (result.status, result.human_input) == ("finished", ["and now?"])


def test_the_graph_of_a_chat_can_be_named(command: Command) -> None:
    graph = ("--graph", "talks:chat")
    assert command("answer", "chat", "user-2", "exit")[0] == 0
    code, told = command("resume", "chat", *graph, "--json")
    assert (code, json.loads(told.splitlines()[-1])["status"]) == (0, "finished")
    code, told = command("replay", "chat", *graph)
    assert (code, "0 calls" in told) == (0, True)
    code, told = command("explain", "chat", "1", *graph)
    assert (code, "step 1: other" in told) == (0, True)
    code, told = command("fork", "chat", "--at", "1", "--id", "again", *graph)
    assert code == 0
    assert command("replay", "again", *graph)[0] == 0


def test_show_tells_what_was_said_inside_where_it_is_asked_to(command: Command) -> None:
    assert "known" not in command("show", "chat")[1].replace("so: known", "")
    inside = command("show", "chat", "--inside")[1]
    assert "@tool:expert.0/@conversation:expert-reply.0/1] expert: known" in inside
    assert "[1/@conversation:other-nested.0/2/1] critic: fine" in inside
    assert inside.index("expert: known") < inside.index("critic: fine") < inside.index("[1] other: fine")


def test_a_sequence_diagram_shows_conversations_inside_where_they_were_had(command: Command) -> None:
    """With its graph and without it."""
    for words in (["draw", "--sequence", "chat"], ["draw", "talks:chat", "--sequence", "chat"]):
        code, drawn = command(*words, "--format", "mermaid")
        assert code == 0
        assert drawn.index("opt other-nested") < drawn.index("opt expert-reply") < drawn.index("fine") < drawn.index("waiting")
        assert "#64;" not in drawn
        assert drawn.count("opt ") == drawn.count(" end\n")
        assert command(*words, "--format", "svg")[0] == 0


def test_a_run_is_drawn_and_covered_with_what_was_had_inside(command: Command) -> None:
    code, _ = command("draw", "talks:chat", "--run", "chat", "--format", "mermaid")
    assert code == 0
    code, told = command("coverage", "talks:chat")
    assert code == 0
    assert "does not fit" not in told
    assert command("export", "talks:chat", store=False)[0] == 0
