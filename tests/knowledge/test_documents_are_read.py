"""Files of every kind become documents that know where they come from; what cannot be read is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from convgraph import read_documents
from convgraph.errors import InputError
from convgraph.knowledge.documents import Document


def written(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read(folder: Path, name: str, content: str | bytes) -> Document:
    [document] = read_documents(written(folder, name, content))
    return document


def pdf(*pages: str) -> bytes:
    """A PDF with a line of text on each page."""
    kids = " ".join(f"{4 + 2 * number} 0 R" for number in range(len(pages)))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for number, text in enumerate(pages):
        resources = "/Resources << /Font << /F1 3 0 R >> >>"
        objects.append(f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] {resources} /Contents {5 + 2 * number} 0 R >>")
        stream = f"BT /F1 24 Tf 72 700 Td ({text}) Tj ET" if text else ""
        objects.append(f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream")
    out, places = b"%PDF-1.4\n", list[int]()
    for number, body in enumerate(objects, start=1):
        places.append(len(out))
        out += f"{number} 0 obj\n{body}\nendobj\n".encode()
    table = "".join(f"{place:010d} 00000 n \n" for place in places)
    trailer = f"trailer\n<< /Size {len(places) + 1} /Root 1 0 R >>\nstartxref\n{len(out)}\n%%EOF\n"
    return out + f"xref\n0 {len(places) + 1}\n0000000000 65535 f \n{table}{trailer}".encode()


def test_a_folder_is_read_with_what_is_below_it_in_the_order_of_the_paths(tmp_path: Path) -> None:
    for name in ("b.md", "a.txt", "deep/er/c.py", ".hidden/d.txt", ".e.txt", "picture.png"):
        written(tmp_path, name, "text")

    assert [document.source for document in read_documents(tmp_path)] == ["a.txt", "b.md", "deep/er/c.py"]
    assert [document.source for document in read_documents(tmp_path, recursive=False)] == ["a.txt", "b.md"]


def test_a_source_says_nothing_of_where_the_folder_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a model is told the same in another process, in another folder."""
    written(tmp_path, "one/guide/intro.md", "text")
    monkeypatch.chdir(tmp_path / "one")

    assert [read_documents(path)[0].source for path in (tmp_path / "one", "guide", ".", "guide/intro.md")] == [
        "guide/intro.md",
        "intro.md",
        "guide/intro.md",
        "intro.md",
    ]
    assert read_documents("guide/intro.md", root=tmp_path)[0].source == "one/guide/intro.md"


def test_a_link_is_known_by_where_it_is(tmp_path: Path) -> None:
    target = written(tmp_path, "elsewhere/long-name.txt", "text")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "short.txt").symlink_to(target)

    assert [document.source for document in read_documents(tmp_path / "docs")] == ["short.txt"]


def test_markdown_has_the_title_of_its_first_heading(tmp_path: Path) -> None:
    document = read(tmp_path, "a.md", "intro\n\n# The title #\n\ntext\r\n")

    assert (document.title, document.kind, document.text) == ("The title", "markdown", "intro\n\n# The title #\n\ntext\n")


def test_restructured_text_has_the_title_of_its_first_underlined_line(tmp_path: Path) -> None:
    assert read(tmp_path, "a.rst", "The title\n=========\n\ntext").title == "The title"


def test_a_text_without_a_title_has_its_name(tmp_path: Path) -> None:
    assert read(tmp_path, "notes.txt", "text").title == "notes.txt"


def test_html_is_what_a_person_sees(tmp_path: Path) -> None:
    page = """<!doctype html><html><head><title>A  page</title><style>p {}</style></head><body>
        <!-- a comment --><script>alert(1)</script><h2>Head <em>line</em></h2><p>One <b>bold</b>
        word.</p><p hidden>unseen</p><p style="display: none">unseen</p><ul><li>first<li>second</ul>
        <table><tr><td>a</td><td>b</td></tr></table><pre>kept   as
  it is</pre></body></html>"""

    document = read(tmp_path, "a.html", page)

    assert document.title == "A page"
    assert document.text == "## Head line\n\nOne bold word.\n\n- first\n\n- second\n\n| a | b |\n|---|---|\n\n```\nkept   as\n  it is\n```"


def test_html_that_is_made_to_take_long_is_read_at_once(tmp_path: Path) -> None:
    assert read(tmp_path, "a.html", "<div>" * 100_000 + "text").text == "text"


def test_html_says_its_own_encoding(tmp_path: Path) -> None:
    page = '<html><head><meta charset="iso-8859-1"></head><body>caf\xe9</body></html>'.encode("latin-1")

    assert read(tmp_path, "a.html", page).text == "café"


def test_a_pdf_knows_where_its_pages_begin(tmp_path: Path) -> None:
    document = read(tmp_path, "a.pdf", pdf("The first page.", "The second page."))

    assert [document.text[start:].splitlines()[0] for start in document.pages] == ["The first page.", "The second page."]


def test_a_row_says_what_its_columns_are(tmp_path: Path) -> None:
    document = read(tmp_path, "a.csv", 'name;inhabitants;note\nBern;134 000;"the\ncapital"\nBiel;;\n')

    assert document.text.splitlines() == ["name, inhabitants, note", "name: Bern, inhabitants: 134 000, note: the capital", "name: Biel"]


def test_json_says_the_way_to_each_value(tmp_path: Path) -> None:
    document = read(tmp_path, "a.json", '[{"name": "Bern", "rivers": ["Aare"], "capital": true}, {"name": "Biel"}]')

    assert document.text == "name: Bern\nrivers[1]: Aare\ncapital: true\n\nname: Biel"


def test_each_line_of_json_lines_is_a_value(tmp_path: Path) -> None:
    assert read(tmp_path, "a.jsonl", '{"a": 1}\n\n{"a": null}\n').text == "a: 1\n\na: null"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_text_is_read_in_unicodes_encodings(tmp_path: Path, encoding: str) -> None:
    assert read(tmp_path, "a.txt", "naïve 中文".encode(encoding)).text == "naïve 中文"


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.txt", "caf\xe9".encode("latin-1"), "not a text in UTF-8"),
        ("a.txt", b"\x00\x01", "zero bytes"),
        ("a.pdf", b"%PDF-1.4 and nothing more", "not a PDF that can be read"),
        ("a.pdf", pdf(""), "pictures"),
        ("a.json", '{"a": ', "not JSON"),
        ("a.json", "[" * 100_000, "not JSON"),
        ("a.jsonl", '{"a": 1}\nnonsense', "not JSON"),
    ],
)
def test_what_cannot_be_read_is_named_with_the_reason(tmp_path: Path, name: str, content: str | bytes, reason: str) -> None:
    written(tmp_path, name, content)
    written(tmp_path, "good.txt", "text")
    told: list[tuple[str, str]] = []

    with pytest.raises(InputError, match=rf"(?s){name}: .*{reason}.*on_unreadable="):
        read_documents(tmp_path)
    documents = read_documents(tmp_path, on_unreadable=lambda source, why: told.append((source, why)))

    assert [document.source for document in documents] == ["good.txt"]
    assert [(source, reason in why) for source, why in told] == [(name, True)]


def test_all_that_cannot_be_read_is_named_at_once(tmp_path: Path) -> None:
    for name in ("a.json", "b.json"):
        written(tmp_path, name, "{")

    with pytest.raises(InputError, match=r"a\.json.*b\.json"):
        read_documents(tmp_path)


def test_a_file_without_a_suffix_is_read_as_text_when_it_is_named(tmp_path: Path) -> None:
    assert read(tmp_path, "LICENSE", "All rights.").text == "All rights."


def test_paths_that_are_not_there_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no .*nowhere.*nor-here"):
        read_documents([tmp_path / "nowhere", tmp_path / "nor-here"])


def test_two_files_with_one_source_are_refused(tmp_path: Path) -> None:
    paths = [written(tmp_path, f"{folder}/a.md", "text") for folder in ("one", "two")]

    with pytest.raises(InputError, match=r"'a\.md'.*root="):
        read_documents(paths)
    assert [document.source for document in read_documents(paths, root=tmp_path)] == ["one/a.md", "two/a.md"]


def test_a_path_outside_of_root_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not below root="):
        read_documents(written(tmp_path, "a.md", "text"), root=tmp_path / "other")


def test_a_folder_without_documents_is_refused_rather_than_read_as_nothing(tmp_path: Path) -> None:
    written(tmp_path, "report.docx", b"PK")

    with pytest.raises(InputError, match=r"no document in .*\.md .*\.pdf"):
        read_documents(tmp_path)


@pytest.mark.parametrize("paths", [5, None, [5], b"docs"])
def test_what_is_no_path_is_refused(paths: Any) -> None:
    with pytest.raises(InputError, match="paths of files and folders"):
        read_documents(paths)
