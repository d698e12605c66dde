"""Whatever is wrong on the command line: one clear message on standard error, an exit code, no traceback, and nothing written."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

BAD: Sequence[tuple[str, int, str]] = [
    ("", 2, "Usage"),
    ("walk", 2, "No such command 'walk'"),
    ("run", 2, "Missing argument"),
    ("run graphs.py:essay hello --colour red", 2, "--colour"),
    ("run graphs.py:essay hello again", 2, "unexpected extra argument"),
    ("run nowhere.py:essay", 2, "there is no file 'nowhere.py'"),
    ("run graphs.py:nothing", 2, "there is no 'nothing'"),
    ("run graphs.py", 2, "essay, slowly, held"),
    ("run graphs.py:number", 2, "is a int, not a ConversationGraph"),
    ("run graphs.py:no_graph", 2, "returned a int"),
    ("run graphs.py:fails", 2, "KeyError: 'nowhere'"),
    ("run graphs.py:slow", 2, "was called, and failed"),
    ("run nowhere.at.all:graph", 2, "No module named 'nowhere'"),
    ("run graphs.txt:x.y:z", 2, "file.py:name"),
    ("run nothing.yaml", 2, "there is no file 'nothing.yaml'"),
    ("run broken.yaml", 2, "broken.yaml, line 3"),
    ("run wrong.json", 2, "nodes[0].kind"),
    ("run raises.py:graph", 2, "raises.py:2"),
    ("run syntax.py:graph", 2, "SyntaxError"),
    ("run quits.py:graph", 2, "SystemExit"),
    ("run guard.py:graph", 2, "unknown name 'lst'"),
    ("run graphs.py:unsound", 8, "dead-end"),
    ("run graphs.py:counter --state {", 2, "this is not JSON"),
    ("run graphs.py:counter --state [1]", 2, "takes a JSON object"),
    ("run graphs.py:counter --state @nowhere.json", 2, "cannot be read"),
    ('run graphs.py:counter --state {"n":"many"}', 2, "n: "),
    ("run graphs.py:essay --max-turns 0", 2, "above zero"),
    ("run graphs.py:essay --max-turns many", 2, "'--max-turns'"),
    ("run graphs.py:essay --id known", 2, "already"),
    ("run graphs.py:essay --store redis://here", 2, "postgresql"),
    ("run graphs.py:essay --store no/such/folder/runs.db", 11, "no/such/folder/runs.db"),
    ("run graphs.py:essay --store graphs.py", 11, "graphs.py"),
    ("resume nobody", 2, "nobody"),
    ("resume known --store nowhere.db", 2, "there is no store 'nowhere.db'"),
    ("resume known --answer copies", 2, "NAME=VALUE"),
    ("resume known --graph graphs.py:asking", 10, "another version"),
    ("resume known --graph nowhere.py:essay", 2, "there is no file"),
    ("replay nobody", 2, "nobody"),
    ("fork known", 2, "--at"),
    ("fork known --at 0", 2, "the number of a step"),
    ("fork known --at 99", 2, "99"),
    ('fork known --at 1 --state {"n":1}', 2, "has no state"),
    ("answer known copies 3", 2, "no open question"),
    ("answer nobody copies 3", 2, "nobody"),
    ("runs --status happy", 2, "happy"),
    ("runs --store nowhere.db", 2, "there is no store"),
    ("show nobody", 2, "nobody"),
    ("explain known 0", 2, "nothing was chosen before step 1"),
    ("explain known 99", 2, "99"),
    ("explain known first", 2, "'STEP'"),
    ("delete nobody", 2, "nobody"),
    ("prune", 2, "older_than"),
    ("prune --older-than yesterday", 2, "90s, 30m"),
    ("check nowhere.py:essay", 2, "there is no file"),
    ("draw", 2, "TARGET"),
    ("draw graphs.py:essay -o picture.txt", 2, "suffix"),
    ("draw graphs.py:essay --format gif", 2, "gif"),
    ("draw graphs.py:essay -o no/such/folder/g.svg", 2, "cannot be written"),
    ("draw graphs.py:essay --run nobody", 2, "nobody"),
    ("draw --run known --sequence known", 2, "two pictures"),
    ("draw graphs.py:asking --run known -o g.svg", 2, "writer"),
    ("diff graphs.py:essay", 2, "Missing argument"),
    ("paths graphs.py:essay --cover everything", 2, "everything"),
    ("paths graphs.py:essay --assume approved=perhaps", 2, "true or NAME=false"),
    ("paths graphs.py:essay --assume nothing=true", 2, "nothing"),
    ("simulate graphs.py:essay --runs 0", 2, "at least 1"),
    ("simulate graphs.py:essay --weight approved=often", 2, "NAME=NUMBER"),
    ("simulate graphs.py:essay --weight nothing=1", 2, "nothing"),
    ("coverage graphs.py:essay --store nowhere.db", 2, "there is no store"),
    ("export graphs.py:essay -o no/such/folder/g.yaml", 2, "cannot be written"),
]

FILES = {
    "broken.yaml": "version: 1\nname: [\n",
    "wrong.json": '{"version": 1, "name": "w", "nodes": [{"name": "a", "kind": "agnet"}]}',
    "raises.py": "import os\nos.nothing\n",
    "syntax.py": "def (:\n",
    "quits.py": "raise SystemExit(3)\n",
    "guard.py": (
        "from convgraph import ConversationGraph, END\ngraph = ConversationGraph('g')\n"
        "graph.add_edge('a', END, when='lst.content == \"\"')\n"
    ),
}


@pytest.fixture(autouse=True)
def _files(here: Path, inside: Any) -> None:
    for name, text in FILES.items():
        (here / name).write_text(text)
    assert inside("run", "graphs.py:essay", "Write.", "--id", "known").code == 0


@pytest.mark.parametrize(("line", "code", "said"), BAD, ids=[line or "(nothing)" for line, _, _ in BAD])
def test_bad_input_is_refused_with_a_message(inside: Any, here: Path, line: str, code: int, said: str) -> None:
    before = _journal(here)
    done = inside(*line.split())
    assert said in done.err + done.out if not line else said in done.err
    assert done.code == code
    assert "Traceback" not in done.err + done.out
    assert _journal(here) == before
    assert {path.name for path in here.glob("*.db")} == {"runs.db"}


def _journal(here: Path) -> list[tuple[Any, ...]]:
    with sqlite3.connect(here / "runs.db") as db:
        rows = db.execute("SELECT run, seq, kind FROM events ORDER BY run, seq").fetchall()
    db.close()
    return rows


@pytest.mark.parametrize("line", ["run nowhere.py:essay --json", "walk --json", "resume nobody --json"])
def test_with_json_the_refusal_is_an_object_too(command: Any, line: str) -> None:
    done = command(*line.split())
    assert done.code == 2
    assert done.json["status"] == "error"
    assert done.json["exit_code"] == 2
    assert done.json["message"] in done.err


def test_a_traceback_is_there_when_it_is_asked_for(command: Any) -> None:
    assert "Traceback" not in command("run", "raises.py:graph").err
    shown = command("run", "raises.py:graph", "--debug")
    assert shown.code == 2
    assert "AttributeError: module 'os' has no attribute 'nothing'" in shown.err
    assert "Traceback" in shown.err
