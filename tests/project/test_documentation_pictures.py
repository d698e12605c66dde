"""What the site draws is drawn from a page's own code; what cannot be drawn is said with its place."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from scripts.documentation.flowcharts import with_flowcharts
from scripts.documentation.pictures import with_pictures
from scripts.documentation.problems import DocumentationError

CODE = """# Page

```python
# tea.py
from convgraph import END, ConversationGraph

graph = ConversationGraph("tea")
graph.add_node(lambda ctx: "Tea.", name="pourer")
graph.add_edge("pourer", END)
graph.set_start("pourer")
```

```python
from tea import graph
```
"""


def page(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "page.md"
    path.write_text(CODE + text, encoding="utf-8")
    return path


def test_a_marker_becomes_the_drawing_of_what_it_names(tmp_path: Path) -> None:
    text = with_pictures(page(tmp_path, "\n<!-- picture: graph | Who pours -->\n"), "how-to/page", tmp_path)

    assert "[![Who pours](../pictures/how-to-page-1.svg)" in text
    assert "<!--" not in text
    assert ">pourer<" in (tmp_path / "how-to-page-1.svg").read_text(encoding="utf-8")


def test_a_picture_is_drawn_of_what_stands_above_it_alone(tmp_path: Path) -> None:
    """Each picture sees the code up to its place: the second one is another graph."""
    more = '\n<!-- picture: graph | One -->\n\n```python\ngraph = graph.substitute({})\ngraph.add_node(lambda ctx: "", name="cook")\n```\n'
    with_pictures(page(tmp_path, more + "\n<!-- picture: graph | Two -->\n"), "page", tmp_path)

    one, two = ((tmp_path / f"page-{number}.svg").read_text(encoding="utf-8") for number in (1, 2))
    assert ">cook<" not in one
    assert ">cook<" in two


def test_what_is_no_picture_is_said_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(DocumentationError, match=r"page\.md:17: 'graph\.name' is str"):
        with_pictures(page(tmp_path, "\n<!-- picture: graph.name | A name -->\n"), "page", tmp_path)


def test_a_page_leaves_nothing_behind(tmp_path: Path) -> None:
    """Neither its files, nor its folder, nor a module of its own that the next page would import in place of its own."""
    before = (Path.cwd(), list(sys.path))
    with_pictures(page(tmp_path, "\n<!-- picture: graph | Who pours -->\n"), "page", tmp_path)

    assert (Path.cwd(), list(sys.path)) == before
    assert "tea" not in sys.modules
    assert sorted(path.name for path in tmp_path.iterdir()) == ["page-1.svg", "page.md"]


def test_a_hand_written_flowchart_is_drawn_and_one_that_a_graph_has_printed_stays_text(tmp_path: Path) -> None:
    written = '```mermaid\nflowchart LR\n    a["pour<br/>tea"] --> b(("drink")) ==> a\n```\n'
    printed = "```mermaid\nflowchart TD\n    %% tea: select: first\n    a --> b\n```\n"
    text = with_flowcharts(f"{written}\n{written}\n{printed}", "page", tmp_path)

    assert text.count("[![A flowchart: pour tea, drink](pictures/page-flowchart-") == 2
    assert "```text\nflowchart TD" in text
    assert "mermaid" not in text
    assert ">drink<" in (tmp_path / "page-flowchart-2.svg").read_text(encoding="utf-8")


def test_a_flowchart_that_is_not_understood_is_refused_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(DocumentationError, match=r"a -\.-> b"):
        with_flowcharts("```mermaid\nflowchart LR\n    a -.-> b\n```\n", "page", tmp_path)
