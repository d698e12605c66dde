"""Mermaid text: whatever a graph is called and guarded by, the text keeps to mermaid's grammar."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from convgraph.drawing import to_mermaid
from convgraph.drawing.mermaid import escaped
from convgraph.drawing.picture import picture_of
from convgraph.graph.definition import END, Definition, Node

ID = r"[ng]_\w+"
LABEL = r'"(?:<br/>|[^"\[\]{}<>`|\\])*"'
STATEMENTS = [
    r"%%(?! *\{).*",
    rf"{ID}[\[({{/]+{LABEL}[\])}}/]+:::\w+_node",
    rf"{ID} <?(?:-->|==>|-\.->)(?:\|{LABEL}\|)? {ID}",
    rf"subgraph {ID}\[{LABEL}\]",
    r"end",
    r"(?:classDef|style|linkStyle) \w+ [\w:#,\- ]+",
]


def statements(text: str) -> list[str]:
    first, *rest = text.splitlines()
    assert first == "flowchart TD"
    return [line.strip() for line in rest]


def assert_grammatical(text: str) -> None:
    lines = statements(text)
    for line in lines:
        assert any(re.fullmatch(statement, line) for statement in STATEMENTS), line
    assert sum(line.startswith("subgraph") for line in lines) == lines.count("end")


def test_the_sample_graphs_are_grammatical(essay: Definition, team: Definition, publishing: Definition) -> None:
    for graph in (essay, team, publishing):
        assert_grammatical(to_mermaid(picture_of(graph)))
        assert_grammatical(to_mermaid(picture_of(graph, depth=0)))


def test_guards_labels_and_outcomes_are_shown(essay: Definition) -> None:
    text = to_mermaid(picture_of(essay))
    assert 'n_critic -->|"(2) · approved<br/>last.content.contains(#quot;APPROVED#quot;)"| n_END' in text
    assert 'n_writer -.->|"on error"| n_score' in text
    assert 'n_writer -.->|"on limit · out of budget"| n_END' in text
    assert "ƒ approves() (opaque)" in text


def test_a_full_group_is_a_hub(team: Definition) -> None:
    text = to_mermaid(picture_of(team))
    assert 'n_hub1(["any to any<br/>select: auto"])' in text
    assert text.count("<-->") == 6


def test_words_of_mermaid_are_no_danger_as_names(graph_of: Any) -> None:
    names = ["end", "graph", "subgraph", "o", "x", "a-b", "a_b", "style", "click", "default"]
    text = to_mermaid(picture_of(graph_of("end", names, [(name, END) for name in names])))
    assert_grammatical(text)
    declared = re.findall(rf"^    ({ID})[\[(]", text, re.MULTILINE)
    assert len(set(declared)) == len(declared) == len(names) + 2


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60), st.text(max_size=60))
def test_any_text_stays_inside_its_label(graph_of: Any, label: str, description: str) -> None:
    assert_grammatical(to_mermaid(picture_of(graph_of("g", [Node("a", "agent", description)], [("a", END, {"label": label})]))))


def test_what_markdown_would_read_is_escaped() -> None:
    assert escaped("1. first") == "1#46; first"
    assert escaped("- item") == "#45; item"
    assert escaped("__init__ and snake_case") == "#95;#95;init#95;#95; and snake_case"
    assert escaped("see http://x.y or www.x.y") == "see http:#47;/x.y or www#46;x.y"
    assert escaped("#quot; &lt; `code` *b*") == "#35;quot; #amp;lt; #96;code#96; #42;b#42;"
    assert escaped("a && b\n%% c") == "a && b %% c"
