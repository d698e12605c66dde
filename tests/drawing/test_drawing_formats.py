"""DOT, SVG, PNG, PDF and notebooks: texts stay texts, the program's absence has a way out, time is bounded."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convgraph.drawing import draw, layout, mimebundle, to_dot
from convgraph.drawing.layout import render
from convgraph.drawing.picture import picture_of
from convgraph.drawing.text import clean, shorten, wrap
from convgraph.errors import DrawingError, InputError
from convgraph.graph.definition import END, Definition, Node

SVG = "{http://www.w3.org/2000/svg}"
NASTY = '</title><script>alert("x")</script>&amp;&#60;\\N\\"]}"; a -> b\x00\x1b\ud800\n<!-- ]]> %s {{x}}'


def svg_of(graph: Definition, **options: Any) -> ElementTree.Element:
    drawn = draw(graph, **options)
    assert isinstance(drawn, bytes)
    return ElementTree.fromstring(drawn)


def texts(svg: ElementTree.Element) -> str:
    """The text that is drawn, with the lines of a label joined."""
    return " ".join("".join(text.itertext()) for text in svg.iter(f"{SVG}text")).replace("\u00a0", "")


def tooltips(svg: ElementTree.Element) -> list[str]:
    return [title.text or "" for title in svg.iter(f"{SVG}title")]


def test_the_svg_shows_guards_labels_priorities_and_outcomes(essay: Definition) -> None:
    """A guard's source stays visible even beside a label."""
    shown = texts(svg_of(essay))
    for text in (
        "(2) · approved",
        'last.content.contains("APPROVED")',
        "approves() (opaque)",
        "priority 2",
        "(3) · else",
        "on error",
        "out of budget",
    ):
        assert text in shown


def test_elements_can_be_found_for_highlighting(essay: Definition) -> None:
    groups = {group.get("id"): group.get("class", "") for group in svg_of(essay).iter(f"{SVG}g")}
    assert groups["node-writer"] == "node agent"
    assert groups["node-score"] == "node function"
    assert groups["edge-4"] == "edge error"
    assert groups["edge-2"] == "edge reply opaque"
    assert {"node-START", "node-END"} <= groups.keys()


def test_a_long_guard_is_wrapped_and_whole_in_the_tooltip(graph_of: Any) -> None:
    guard = " || ".join(f'last.content.contains("word number {number}")' for number in range(20))
    svg = svg_of(graph_of("g", ["a"], [("a", END, {"when": guard})]))
    assert guard not in texts(svg)
    assert "…" in texts(svg)
    assert any(guard in tooltip for tooltip in tooltips(svg))
    assert max(len("".join(text.itertext())) for text in svg.iter(f"{SVG}text")) < 50


def test_no_text_becomes_markup_link_or_script(graph_of: Any) -> None:
    graph = graph_of("g", [Node("a", "agent", NASTY, origin=NASTY)], [("a", END, {"label": NASTY, "when": 'last.content == "</text><b>"'})])
    svg = svg_of(graph)
    assert {element.tag.removeprefix(SVG) for element in svg.iter()} <= {
        "svg",
        "g",
        "title",
        "path",
        "polygon",
        "ellipse",
        "text",
        "polyline",
    }
    assert not [name for element in svg.iter() for name in element.attrib if "href" in name or name.startswith("on")]
    assert 'last.content == "</text><b>"' in texts(svg)
    assert any("<script>alert" in tooltip for tooltip in tooltips(svg))


def test_the_svg_needs_nothing_from_elsewhere(publishing: Definition) -> None:
    drawn = draw(publishing)
    assert isinstance(drawn, bytes)
    addresses = set(re.findall(rb"https?://[^\s\"'<]+", drawn))
    assert addresses <= {b"http://www.w3.org/2000/svg", b"http://www.w3.org/1999/xlink"}
    for word in (b"<!DOCTYPE", b"<script", b"<a ", b"@import", b"url("):
        assert word not in drawn


@settings(max_examples=25, deadline=None)
@given(st.text(max_size=40), st.text(max_size=40))
def test_any_text_can_be_drawn(graph_of: Any, label: str, description: str) -> None:
    """Whatever is in a label or description, Graphviz reads the DOT and the SVG holds the text, as far as XML can."""
    graph = graph_of("g", [Node("a", "agent", description)], [("a", END, {"label": label})])
    svg = svg_of(graph)
    assert [group.get("id") for group in svg.iter(f"{SVG}g") if group.get("class", "").startswith("node")] == [
        "node-START",
        "node-a",
        "node-END",
    ]
    (about_a,) = [tooltip for tooltip in tooltips(svg) if tooltip.split("\n")[0].strip() == "a"]
    assert about_a.split() == ["a", *clean(description).split()]


def test_clusters_open_and_closed_are_drawn(publishing: Definition) -> None:
    opened = {group.get("id") for group in svg_of(publishing).iter(f"{SVG}g")}
    assert {"cluster-review", "cluster-panel.tech", "node-review.critic", "edge-review.1", "edge-2", "edge-2_back"} <= opened
    closed = {group.get("id") for group in svg_of(publishing, depth=0).iter(f"{SVG}g")}
    assert {"node-review", "node-panel", "edge-2"} <= closed
    assert not [one for one in closed if one and one.startswith("cluster")]


@pytest.mark.parametrize(
    ("suffix", "head"), [(".svg", b"<?xml"), (".png", b"\x89PNG"), (".pdf", b"%PDF"), (".dot", b"digraph"), (".mmd", b"flowchart")]
)
def test_the_format_follows_from_the_path(essay: Definition, tmp_path: Path, suffix: str, head: bytes) -> None:
    path = tmp_path / f"essay{suffix}"
    assert draw(essay, path=path) == path
    assert path.read_bytes().startswith(head)


def test_what_cannot_be_drawn_is_refused_before_anything_is_written(essay: Definition, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gif.*svg, png, pdf, dot, mermaid"):
        draw(essay, format="gif")
    with pytest.raises(InputError, match=r"essay\.gif.*suffix"):
        draw(essay, path=tmp_path / "essay.gif")
    with pytest.raises(InputError, match="suffix"):
        draw(essay, path=tmp_path / "essay")
    with pytest.raises(InputError, match="cannot be written"):
        draw(essay, path=tmp_path / "nowhere" / "essay.dot")
    with pytest.raises(InputError, match="bmp"):
        render("digraph {}", "bmp")
    assert list(tmp_path.iterdir()) == []


def test_without_the_program_the_error_names_the_way_out(essay: Definition, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DrawingError, match=r"'dot' program.*to_mermaid"):
        draw(essay)
    assert bytes(draw(essay, format="dot")).startswith(b"digraph")  # type: ignore[arg-type]
    assert list(mimebundle(essay)) == ["text/plain", "text/vnd.mermaid"]


def test_a_program_that_fails_or_cannot_start_is_named(essay: Definition, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(DrawingError, match="syntax error"):
        render("digraph { -> }")
    (tmp_path / "dot").write_text("not a program")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DrawingError, match=r"cannot be started.*to_mermaid"):
        draw(essay)


def test_a_layout_that_takes_too_long_falls_back_and_then_gives_up(
    essay: Definition, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A `dot` that never ends is stopped; only the last engine answers."""
    program = tmp_path / "dot"
    program.write_text(
        '#!/bin/sh\ncase "$1" in -Ksfdp) exec echo "<svg xmlns=\'http://www.w3.org/2000/svg\'/>";; *) exec sleep 30;; esac\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(layout, "LAYOUTS", tuple((engine, options, 0.3) for engine, options, _ in layout.LAYOUTS))
    assert b"<svg" in bytes(draw(essay))  # type: ignore[arg-type]
    monkeypatch.setattr(layout, "LAYOUTS", layout.LAYOUTS[:1])
    with pytest.raises(DrawingError, match=r"too dense.*collapse.*to_mermaid"):
        draw(essay)


def test_a_dense_graph_is_drawn_by_an_engine_that_can(graph_of: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"n{number}" for number in range(40)]
    edges = [(names[i], names[(i * 7 + j * 11) % 40], {"label": f"way {i} {j}"}) for i in range(40) for j in range(1, 5)]
    monkeypatch.setattr(layout, "LAYOUTS", layout.LAYOUTS[-1:])
    groups = {group.get("id") for group in svg_of(graph_of("dense", names, edges)).iter(f"{SVG}g")}
    assert {f"edge-{number}" for number in range(160)} <= groups


def test_a_notebook_gets_the_svg_and_the_text(essay: Definition) -> None:
    bundle = mimebundle(essay)
    assert bundle["text/plain"].startswith("flowchart TD")
    assert ElementTree.fromstring(bundle["image/svg+xml"]).tag == f"{SVG}svg"


def test_a_large_hub_has_members_above_and_below(graph_of: Any) -> None:
    names = [f"m{number}" for number in range(12)]
    dot = to_dot(picture_of(graph_of("g", names, [(a, b) for a in names for b in names if a != b], select="auto")))
    assert '"m0" -> ":hub1"' in dot
    assert '":hub1" -> "m11"' in dot


@given(st.text(max_size=200), st.integers(4, 60), st.integers(1, 5))
def test_wrapped_text_keeps_to_its_measure_and_loses_nothing_that_fits(text: str, width: int, lines: int) -> None:
    wrapped = wrap(text, width, lines)
    assert len(wrapped) <= lines
    assert all(len(line) <= width for line in wrapped)
    if not any(line.endswith("…") for line in wrapped):
        assert "".join("".join(wrapped).split()) == "".join(clean(text).split())


def test_code_is_broken_where_a_reader_would() -> None:
    assert wrap('visits["critic"] >= 3 && usage.usd > 0.5 && declined', 38, 4) == [
        'visits["critic"] >= 3 &&',
        "usage.usd > 0.5 && declined",
    ]
    assert shorten("a  b\nc", 10) == "a b c"
    assert shorten("abcdefghijkl", 5) == "abcd…"
