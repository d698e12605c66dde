"""`file.py:name`, `package.module:name` and documents name graphs, wherever one stands."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from convgraph.errors import GuardError, InputError
from convgraph.loading import absolute, load_target

ONE = """
from dataclasses import dataclass
from neighbour import REPLY
from convgraph import END, ConversableAgent, ConversationGraph

@dataclass
class Settings:
    reply: "str" = REPLY

def made(reply=REPLY):
    graph = ConversationGraph("made")
    graph.add_node(ConversableAgent("only", default_auto_reply=reply))
    graph.add_edge("only", END)
    graph.set_start("only")
    return graph

graph = made()
same = graph

class Shelf:
    graph = made("from the shelf")
"""


@pytest.fixture(autouse=True)
def _fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A directory of its own, and no modules left behind."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    (tmp_path / "neighbour.py").write_text("REPLY = 'hello'\n")
    (tmp_path / "one.py").write_text(ONE)
    yield
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) is None or str(tmp_path) in str(sys.modules[name].__file__):
            del sys.modules[name]


@pytest.mark.parametrize("target", ["one.py:graph", "one.py", "one:graph", "one", "./one.py:made", "one.py:same", "one.py:"])
def test_a_graph_is_found(target: str) -> None:
    assert load_target(target).run().messages[-1].text == "hello"


def test_a_name_may_lead_through_objects(tmp_path: Path) -> None:
    assert load_target(f"{tmp_path}/one.py:Shelf.graph").run().messages[-1].text == "from the shelf"


def test_a_package_in_the_current_directory_is_found(tmp_path: Path) -> None:
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "__init__.py").touch()
    (tmp_path / "pack" / "inner.py").write_text("from one import graph\n")
    assert load_target("pack.inner:graph").name == "made"


def test_a_file_is_run_once_and_its_parts_have_import_paths() -> None:
    assert load_target("one.py:graph") is load_target("one.py:graph")
    assert sys.modules["one"].made.__module__ == "one"


def test_two_files_of_one_name_are_two_modules(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "one.py").write_text(ONE.replace('"made"', '"other"'))
    assert [load_target(target).name for target in ("one.py:graph", "other/one.py:graph", "one.py:graph")] == ["made", "other", "made"]


def test_a_file_named_like_the_standard_library_leaves_that_alone(tmp_path: Path) -> None:
    (tmp_path / "calendar.py").write_text(ONE)
    known = sys.modules.pop("calendar", None)
    assert load_target("calendar.py:graph").name == "made"
    assert "calendar" not in sys.modules
    if known is not None:
        sys.modules["calendar"] = known


def test_an_edited_file_is_read_as_it_is_now(tmp_path: Path) -> None:
    for reply in ("one", "two", "six"):  # of equal length, within one second: what a cache of bytecode would confuse
        (tmp_path / "neighbour.py").touch()
        (tmp_path / "edited.py").write_text(ONE.replace("made()", f'made("{reply}")'))
        assert load_target("edited.py:graph").run().messages[-1].text == reply
        del sys.modules["edited"]


def test_a_document_is_found_with_its_modules(tmp_path: Path) -> None:
    (tmp_path / "steps.py").write_text("def only(ctx):\n    return 'stepped'\n")
    (tmp_path / "made.yaml").write_text(
        "version: 1\nname: made\nstart: only\nnodes:\n- {name: only, kind: function, detail: {call: 'steps:only'}}\n"
        "edges:\n- {from: only, to: END}\n"
    )
    assert load_target("made.yaml", allow=["steps"]).run().messages[-1].text == "stepped"


@pytest.mark.parametrize(
    ("text", "target", "said"),
    [
        ("x = 1", "t.py:x", r"is a int, not a ConversationGraph; the graphs there: none"),
        ("x = 1", "t.py", r"is to say which graph, as in t\.py:name; the graphs there: none"),
        (ONE + "\nsecond = made()", "t.py", r"the graphs there: graph, same, second"),
        (ONE, "t.py:Shelf.nothing", r"there is no 'nothing' in 'Shelf'"),
        ("def f(x): ...", "t.py:f", r"was called, and failed: TypeError"),
        ("def f(): ...", "t.py:f", r"returned a NoneType"),
        ("import t_missing", "t.py:x", r"ModuleNotFoundError: No module named 't_missing' .*t\.py:1"),
        ("def f():\n    1 / 0\nf()", "t.py:x", r"ZeroDivisionError: .*t\.py:2"),
        ("def", "t.py:x", r"SyntaxError.*t\.py, line 1"),
        ("exit(3)", "t.py:x", "SystemExit: 3"),
    ],
)
def test_what_is_no_graph_is_refused_with_what_was_found(tmp_path: Path, text: str, target: str, said: str) -> None:
    (tmp_path / "t.py").write_text(text)
    with pytest.raises(InputError, match=said):
        load_target(target)
    with pytest.raises(InputError, match=said):
        load_target(target)  # a module that failed is not there half made


@pytest.mark.parametrize(
    "target", ["", ":", "a:b:c", "no.py:x", "no.yaml", "1one:graph", "one.txt:graph", "no_such_module", "one py:graph"]
)
def test_what_names_nothing_is_refused(target: str) -> None:
    with pytest.raises(InputError):
        load_target(target)


def test_an_error_in_the_graph_itself_stays_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "t.py").write_text(ONE + "\ngraph.add_edge('only', 'only', when='lst')")
    with pytest.raises(GuardError, match="unknown name 'lst'"):
        load_target("t.py:graph")


def test_a_target_is_made_absolute(tmp_path: Path) -> None:
    assert absolute("one.py:graph") == f"{tmp_path}/one.py:graph"
    assert absolute("one.py") == f"{tmp_path}/one.py"
    assert absolute("g.yaml") == f"{tmp_path}/g.yaml"
    assert absolute("pack.module:graph") == "pack.module:graph"
