"""On a terminal: progress as it happens, questions at the console, and Ctrl-C."""

import re
import signal
from pathlib import Path
from typing import Any

import pytest

SLOW = """
from convgraph import END, AssistantAgent, ConversationGraph, ScriptedModel, Usage

model = ScriptedModel(["one two three four five six"], latency=1.0, usage=Usage(1, 10, 6, 0.002))
graph = ConversationGraph("slow")
graph.add_node(AssistantAgent("teller", "Tell.", model=model))
graph.add_edge("teller", END, label="told")
graph.set_start("teller")
"""


@pytest.fixture(autouse=True)
def _slow_graph(here: Path) -> None:
    (here / "slow.py").write_text(SLOW)


def test_words_are_shown_as_they_come_and_the_cost_below(terminal: Any) -> None:
    done = terminal("run", "slow.py", "Tell me.", "--id", "t")
    assert done.code == 0
    before, told, after = done.out.partition("one two three four five six")
    assert told
    assert re.search(r"teller: \x1b\[0mone two(?! three four five six)", before), "a part of the words, before all of them were there"
    assert "teller · turn 1" in before
    assert "-> END (told)" in after
    assert "16 tokens · $0.0020" in after
    assert after.endswith("run t finished: reached END: told\r\n1 turn, 1 model call, 16 tokens, $0.0020\r\n")


def test_ctrl_c_leaves_a_run_that_can_be_resumed(terminal: Any, inside: Any) -> None:
    done = terminal("run", "slow.py:graph", "Tell me.", "--id", "t", script=[("one two", signal.SIGINT)])
    assert done.code == 130
    assert "resume it:\r\n  convgraph resume t\r\n" in done.out
    assert "Traceback" not in done.out
    assert inside("resume", "t", "--json").json["last"]["content"] == "one two three four five six"


def test_a_person_is_asked_at_the_console_until_the_answer_fits(terminal: Any, inside: Any) -> None:
    done = terminal(
        "run", "graphs.py:asking", "--id", "q", script=[("How many copies? [integer]", "some\n"), ("That does not fit", ""), ("?", "12\n")]
    )
    assert done.code == 0
    assert "12 copies" in done.out
    assert inside("show", "q", "--json").json["status"] == "finished"


@pytest.mark.parametrize(("key", "code", "status"), [("\x03", 130, "cancelled"), ("\x04", 4, "waiting")], ids=["ctrl-c", "ctrl-d"])
def test_a_question_at_the_console_can_be_left(terminal: Any, inside: Any, key: str, code: int, status: str) -> None:
    done = terminal("run", "graphs.py:asking", "--id", "q", script=[("[integer]", key)])
    assert done.code == code
    assert "  convgraph resume q\r\n" in done.out
    assert inside("runs", "--json").json["runs"][0]["status"] == status
    assert inside("resume", "q", "--answer", "copies=2", "--json").json["status"] == "finished"


def test_nobody_is_asked_with_no_input(terminal: Any) -> None:
    done = terminal("run", "graphs.py:asking", "--id", "q", "--no-input")
    assert done.code == 4
    assert "convgraph answer q copies VALUE" in done.out


def test_a_drawing_on_a_terminal_is_text(terminal: Any) -> None:
    assert terminal("draw", "graphs.py:essay").out.startswith("flowchart TD")
    assert "say where to with -o FILE" in terminal("draw", "graphs.py:essay", "--format", "png").out
