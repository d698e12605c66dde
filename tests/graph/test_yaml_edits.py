"""Promise: a YAML text takes on another document and stays otherwise as somebody wrote it, comments included."""

from __future__ import annotations

import copy
import difflib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convgraph.graph.documents import dumps_yaml, loads_yaml
from convgraph.graph.documents.yaml_edits import place_of, rewritten

TEXT = """\
# An essay.
version: 1
name: essay   # its name
start: writer
limits: {turns: 20}

nodes:
# who writes
- name: writer
  kind: agent
  detail:
    type: AssistantAgent
    system_message: |
      # no comment, but a part of the prompt
      You write.

    # the model
    model: gpt   # cheap
- {name: critic, kind: agent}
# the edges
edges:
- {from: writer, to: critic}
# the end
- {from: critic, to: END, when: 'last.content.contains("APPROVED")', label: approved}
- {from: critic, to: writer}
# tail
"""


def changed(edit: Callable[[dict[str, Any]], Any]) -> tuple[set[str], set[str]]:
    """The lines that go and the lines that come when the document is edited."""
    document = copy.deepcopy(loads_yaml(TEXT))
    edit(document)
    text = rewritten(TEXT, document)
    assert loads_yaml(text) == document
    lines = [line for line in difflib.ndiff(TEXT.splitlines(), text.splitlines()) if line[0] in "+-"]
    return {line[2:] for line in lines if line[0] == "-"}, {line[2:] for line in lines if line[0] == "+"}


def test_an_unchanged_document_leaves_the_text_as_it_is() -> None:
    """Not a space differs."""
    assert rewritten(TEXT, loads_yaml(TEXT)) == TEXT


@pytest.mark.parametrize(
    ("edit", "gone", "come"),
    [
        (lambda d: d["nodes"][0]["detail"].update(model="gpt-5"), {"    model: gpt   # cheap"}, {"    model: gpt-5   # cheap"}),
        (lambda d: d["nodes"][0].update(name="author"), {"- name: writer"}, {"- name: author"}),
        (lambda d: d["edges"].pop(0), {"- {from: writer, to: critic}"}, set()),
        (lambda d: d["edges"][2].update(priority=2), {"- {from: critic, to: writer}"}, {"- {from: critic, to: writer, priority: 2}"}),
        (
            lambda d: d["edges"][1].update({"from": "judge"}),
            {"- {from: critic, to: END, when: 'last.content.contains(\"APPROVED\")', label: approved}"},
            {"- {from: judge, to: END, when: 'last.content.contains(\"APPROVED\")', label: approved}"},
        ),
        (lambda d: d["nodes"].append({"name": "judge", "kind": "agent"}), set(), {"- name: judge", "  kind: agent"}),
        (lambda d: d.update(fallback="critic"), set(), {"fallback: critic"}),
    ],
)
def test_a_change_touches_its_own_lines_alone(edit: Callable[[Any], Any], gone: set[str], come: set[str]) -> None:
    """Comments and everything else stand as they stood."""
    assert changed(edit) == (gone, come)


def test_comments_move_with_what_they_stand_above() -> None:
    """An edge that is considered earlier takes its comment along."""
    document = loads_yaml(TEXT)
    document["edges"].insert(0, document["edges"].pop(1))

    lines = rewritten(TEXT, document).splitlines()

    assert lines[lines.index("# the end") + 1].startswith("- {from: critic, to: END")
    assert lines.index("# the end") < lines.index("- {from: writer, to: critic}")


def test_what_cannot_be_edited_is_written_anew() -> None:
    """A text that is no mapping, cannot be read, or has other line ends gives the canonical text."""
    document = loads_yaml(TEXT)
    for text in ("", "- 1", "a: [", TEXT.replace("\n", "\r\n"), "{version: 1}"):
        assert rewritten(text, document) == dumps_yaml(document)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text("ab #-:'\n{[", max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1, max_size=2), inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(st.text("abcd", min_size=1, max_size=2), VALUES, min_size=1, max_size=4), VALUES, st.data())
@settings(max_examples=150, deadline=None)
def test_any_document_becomes_any_other(old: dict[str, Any], value: Any, data: st.DataObject) -> None:
    """Whatever the text held, it holds the wanted document afterwards."""
    new = copy.deepcopy(old)
    new[data.draw(st.sampled_from(sorted(new)))] = value
    assert loads_yaml(rewritten(dumps_yaml(old), new)) == new


def test_a_path_is_found_where_it_stands() -> None:
    """Line and column, of the innermost thing that is there."""
    assert place_of(TEXT, "edges[1].when") == (24, 33)
    assert place_of(TEXT, "nodes[0].detail.model") == (18, 12)
    assert place_of(TEXT, "nodes[1].detail.type") == (19, 3)
    assert place_of("a: [", "a") is None
