"""A picture becomes part of a message from whatever somebody has it as; what is none is refused, in words, before anything is written."""

from __future__ import annotations

import base64
import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure
from PIL import Image

from convgraph import ConversationGraph, Message, image, message_parts
from convgraph.content_parts import LARGEST, image_digest
from convgraph.errors import InputError


def picture(kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (4, 3), "red").save(buffer, format=kind)
    return buffer.getvalue()


def shown(part: dict[str, Any]) -> bytes:
    """The bytes in a part's data URI."""
    return base64.b64decode(part["image_url"]["url"].partition(";base64,")[2], validate=True)


@pytest.mark.parametrize("kind", ["png", "jpeg", "gif", "webp"])
def test_the_kind_is_told_by_the_bytes_and_not_by_the_name(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "picture.png"
    file.write_bytes(picture(kind))

    for source in (file, str(file), file.read_bytes(), bytearray(file.read_bytes()), memoryview(file.read_bytes())):
        part = image(source)
        assert part["image_url"]["url"].startswith(f"data:image/{kind};base64,")
        assert shown(part) == file.read_bytes()


def test_a_figure_and_a_picture_in_memory_are_drawn() -> None:
    figure = Figure(figsize=(2, 1), dpi=50)
    figure.add_subplot().bar(["a"], [1])
    drawn, same = image(figure), image(figure)

    assert Image.open(io.BytesIO(shown(drawn))).size == (100, 50)
    assert drawn == same
    assert b"Software" not in shown(drawn)
    assert Image.open(io.BytesIO(shown(image(Image.new("CMYK", (3, 2)))))).size == (3, 2)


def test_an_address_stays_an_address_and_a_data_uri_what_it_is() -> None:
    assert image("https://example.org/cat.png", detail="low") == {
        "type": "image_url",
        "image_url": {"url": "https://example.org/cat.png", "detail": "low"},
    }
    given = image(picture())
    assert image(given["image_url"]["url"]) == given


def test_equal_pictures_have_one_digest() -> None:
    assert image_digest(image(picture())) == image_digest(image(picture(), detail="low")) != image_digest(image(picture("GIF")))


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("missing.png", "there is no picture at 'missing.png'"),
        (".", "it is no file"),
        ("text.png", "no PNG, JPEG, GIF or WebP"),
        ("huge.png", "may have 20.0 MB"),
        (b"", "no PNG"),
        (b"<svg/>", "no PNG"),
        ("a\0b.png", "there is no picture|cannot be read"),
        ("https://ann:secret@example.org/cat.png", "user or a password"),
        ("https://", "no address"),
        ("https://example.org/a b.png", "no address"),
        ("https://[::1/cat.png", "no address"),
        ("ftp://example.org/cat.png", "begins with http"),
        ("file:///etc/passwd", "of a file, give the path"),
        ("data:image/png;base64,####", "not base64"),
        ("data:image/png;base64,aGVsbG8=", "no PNG"),
        ("data:text/plain,hello", "data URI begins with"),
        (42, "not int"),
        (None, "not NoneType"),
    ],
)
def test_what_is_no_picture_is_refused(source: Any, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("text.png").write_text("root:x:0:0")
    with Path("huge.png").open("wb") as file:
        file.write(picture())
        file.truncate(50_000_000)

    with pytest.raises(InputError, match=says) as refused:
        image(source)
    assert "secret" not in str(refused.value)
    assert "root:x" not in str(refused.value)


def test_bytes_may_not_be_larger_than_files() -> None:
    with pytest.raises(InputError, match=r"20\.0 MB"):
        image(picture() + bytes(LARGEST))


def test_how_closely_to_look_is_one_of_four() -> None:
    with pytest.raises(InputError, match="auto, low, high, original"):
        image(picture(), detail="close")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def test_a_text_names_its_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("fig 1.png").write_bytes(picture())
    parts = message_parts("Compare <img fig 1.png> with <img https://example.org/cat.png>.")

    assert [part.get("text") for part in parts] == ["Compare ", None, " with ", None, "."]
    assert shown(parts[1]) == picture()
    assert parts[3]["image_url"]["url"] == "https://example.org/cat.png"
    assert message_parts("1 < 2 and <imgs> too") == [{"type": "text", "text": "1 < 2 and <imgs> too"}]
    with pytest.raises(InputError, match=r"no picture at 'fig2\.png'"):
        message_parts("<img fig2.png>")


@pytest.mark.parametrize(
    ("part", "text"),
    [
        (image(picture()), f"<image png, {len(picture())} bytes>"),
        (image("https://example.org/cat.png?signature=secret"), "<image https://example.org/cat.png>"),
        ({"type": "image_url", "image_url": {"url": "javascript:alert(1)"}}, "<image>"),
        ({"type": "input_audio", "input_audio": {}}, "<input_audio>"),
    ],
)
def test_a_picture_is_read_as_its_kind_and_size(part: dict[str, Any], text: str) -> None:
    """By people and by guards; neither sees a signature or half a megabyte of letters."""
    assert Message("user", [part]).text == text


def test_a_message_is_looked_at_without_a_screen_full_of_letters() -> None:
    red, green = Message("user", [image(picture())]), Message("user", [image(picture("GIF"))])

    assert repr(Message("ann", "hi", data={"score": 1})) == (
        "Message(sender='ann', content='hi', role='assistant', name=None, tool_calls=(), tool_call_id=None, data={'score': 1})"
    )
    assert "base64" not in repr(red)
    assert repr(red) != repr(green)


def test_guards_read_that_there_is_a_picture() -> None:
    graph = ConversationGraph("shown")
    graph.add_node(lambda ctx: [image(picture())], name="draws")
    graph.add_node(lambda ctx: "It is red.", name="looks")
    graph.add_edge("draws", "looks", when='last.content.startsWith("<image png, ")')
    graph.add_edge("looks", "END")
    graph.set_start("draws")
    result = graph.run("draw")

    assert [message.sender for message in result.messages] == ["user", "draws", "looks"]
    assert "base64" not in repr(result)


@pytest.mark.parametrize("part", [{"type": "image_url"}, {"type": "image_url", "image_url": {}}, {"type": "image_url", "image_url": 7}])
def test_a_part_that_shows_nothing_is_refused_before_the_run(part: dict[str, Any]) -> None:
    graph = ConversationGraph("shown")
    graph.add_node(lambda ctx: "seen", name="looks")
    graph.add_edge("looks", "END")
    graph.set_start("looks")

    with pytest.raises(InputError, match=r"convgraph\.image"):
        graph.run(Message("user", [part]))


def test_no_library_for_pictures_is_loaded_or_needed(tmp_path: Path) -> None:
    (tmp_path / "red.png").write_bytes(picture())
    code = (
        "import sys; sys.modules.update(PIL=None, matplotlib=None); import convgraph; print(len(convgraph.message_parts('<img red.png>')))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)

    assert done.stdout == "1\n"
