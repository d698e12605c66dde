"""A graph whose first speaker is chosen, under every command: from a document, in words, and on the terminal."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

DESK = """
version: 1
name: desk
limits: {turns: 9}
nodes:
- {name: sales, kind: function, detail: {type: function, call: people:sales}}
- {name: support, kind: function, detail: {type: function, call: people:support}}
edges:
- {from: START, to: sales, when: 'last.content.contains("buy")', label: to sales}
- {from: START, to: END, when: last.content == "bye"}
- {from: START, to: support}
- {from: sales, to: END}
- {from: support, to: END}
"""
PEOPLE = """
async def sales(ctx):
    return "sold"

async def support(ctx):
    return "helped"
"""
CHOSEN = """
import asyncio
from convgraph import END, START, AssistantAgent, ConversationGraph, ScriptedModel

chooser = ScriptedModel(['{"next": "b"}'] * 9, latency=0.3)
graph = ConversationGraph("chosen", select="auto", selector_model=chooser)
for name in "ab":
    graph.add_node(AssistantAgent(name, "Speak.", model=ScriptedModel([f"I am {name}."] * 9)))
    graph.add_edge(START, name)
    graph.add_edge(name, END)
"""
ALLOW = ("--allow", "people")


@pytest.fixture(autouse=True)
def _files(here: Path) -> None:
    (here / "desk.yaml").write_text(DESK)
    (here / "people.py").write_text(PEOPLE)
    (here / "chosen.py").write_text(CHOSEN)


def test_a_run_says_who_began_and_why(inside: Any) -> None:
    done = inside("run", "desk.yaml", "I buy", *ALLOW, "--id", "r1")
    assert done.code == 0
    assert done.out.splitlines()[1:4] == ["[0] -> sales (to sales)", "[1] sales: sold", "[1] -> END"]
    explained = inside("explain", "r1", "0", *ALLOW, "--json").json
    assert (explained["node"], explained["target"], explained["chosen_by"]) == ("START", "sales", "first")
    assert [guard["value"] for guard in explained["guards"]] == [True, False, True]
    assert inside("replay", "r1", *ALLOW).code == 0


def test_nobody_has_to_speak(inside: Any) -> None:
    done = inside("run", "desk.yaml", "bye", *ALLOW, "--json")
    assert (done.code, done.json["status"], done.json["steps"]) == (0, "finished", 0)


def test_what_can_be_told_of_the_graph_tells_who_may_begin(inside: Any, here: Path) -> None:
    assert inside("check", "desk.yaml", *ALLOW).out == "graph desk: clean\n"
    drawn = inside("draw", "desk.yaml", *ALLOW, "--format", "mermaid").out
    assert 'n_START -->|"(1) · to sales<br/>last.content.contains(#quot;buy#quot;)"| n_sales' in drawn
    assert "3 paths cover 5 of 5" in inside("paths", "desk.yaml", *ALLOW).out
    assert "START->sales#0 (to sales)" in inside("simulate", "desk.yaml", *ALLOW, "--runs", "20").out
    exported = inside("export", "desk.yaml", *ALLOW)
    (here / "again.yaml").write_text(exported.out)
    assert inside("diff", "desk.yaml", "again.yaml", *ALLOW).code == 0


def test_a_run_is_drawn_with_its_beginning(inside: Any) -> None:
    inside("run", "desk.yaml", "I buy", *ALLOW, "--id", "r1")
    assert 'n_START ==>|"(1) · to sales' in inside("draw", "desk.yaml", "--run", "r1", *ALLOW, "--format", "mermaid").out
    assert "START" in inside("draw", "--sequence", "r1", *ALLOW, "--format", "mermaid").out


def test_scripted_tests_begin_as_they_say(inside: Any, here: Path) -> None:
    written = inside("paths", "desk.yaml", *ALLOW, "--pytest", "test_desk.py")
    assert written.code == 0
    text = (here / "test_desk.py").read_text()
    assert "ScriptedTurn(node='START'" in text
    played = subprocess.run([sys.executable, "-m", "pytest", "-q", "test_desk.py"], cwd=here, capture_output=True, text=True, check=False)
    assert played.stdout.splitlines()[-1].startswith("3 passed")


def test_a_terminal_shows_the_choice_as_it_is_made(terminal: Any, command: Any) -> None:
    done = terminal("run", "chosen.py", "Who?", "--id", "t")
    assert done.code == 0
    assert "START · turn" in done.out
    assert "-> b (chosen by auto)" in done.out
    assert json.loads(command("explain", "t", "0", "--json").out.splitlines()[-1])["answers"] == ['{"next": "b"}']
