"""With `pictures`, the agent that runs code shows the pictures that the code has saved: those that are some, in the work folder."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from convgraph import ConversationGraph, UserProxyAgent, image, open_store
from convgraph.coding import CodeBlock, CodeResult, LocalCommandLineCodeExecutor, MarkdownCodeExtractor
from convgraph.errors import DefinitionError


def red() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (4, 3), "red").save(buffer, format="PNG")
    return buffer.getvalue()


RED = f"import base64; red = base64.b64decode('{base64.b64encode(red()).decode()}')"


def said(code: str, folder: Path, *, pictures: Any = True) -> Any:
    """What an agent says of the code."""
    config = {"executor": LocalCommandLineCodeExecutor(work_dir=folder, timeout=30), "pictures": pictures}
    computer = UserProxyAgent("computer", human_input_mode="NEVER", code_execution_config=config)
    reply = computer.generate_reply([{"role": "user", "content": f"```python\n{RED}\n{code}\n```"}])
    return reply["content"] if isinstance(reply, dict) else reply


def test_a_picture_that_was_saved_is_shown_with_what_was_printed(tmp_path: Path) -> None:
    text, name, picture = said("open('plot.png', 'wb').write(red); print('done')", tmp_path)

    assert text["text"] == "exitcode: 0 (execution succeeded)\nCode output: done\n"
    assert (name["text"], picture) == ("plot.png:", image(red()))


def test_without_the_option_and_without_a_picture_it_says_what_it_always_says(tmp_path: Path) -> None:
    assert said("open('plot.png', 'wb').write(red)", tmp_path, pictures=False) == "exitcode: 0 (execution succeeded)\nCode output: "
    assert said("print('no picture')", tmp_path) == "exitcode: 0 (execution succeeded)\nCode output: no picture\n"


def test_code_that_fails_shows_nothing(tmp_path: Path) -> None:
    assert "1/0" in said("open('plot.png', 'wb').write(red); 1/0", tmp_path)


def test_what_is_only_called_a_picture_is_named_and_not_shown(tmp_path: Path) -> None:
    parts = said("open('key.png', 'w').write('secret'); open('big.png', 'wb').write(red + bytes(6_000_000))", tmp_path)

    assert {part["type"] for part in parts} == {"text"}
    assert "big.png cannot be shown: 'big.png' is no file, or larger than 5,000,000 bytes" in str(parts)
    assert "no PNG, JPEG, GIF or WebP" in str(parts)
    assert "secret" not in str(parts)


def test_a_link_to_a_picture_elsewhere_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "private.png").write_bytes(red())
    code = f"import os; os.symlink({str(tmp_path / 'private.png')!r}, 'plot.png'); os.symlink({str(tmp_path)!r}, 'folder')"

    assert isinstance(said(code, tmp_path / "work"), str)


def test_of_many_pictures_a_few_are_shown_and_the_others_named(tmp_path: Path) -> None:
    parts = said("for n in range(6): open(f'plot{n}.png', 'wb').write(red)", tmp_path)

    assert [part["type"] for part in parts].count("image_url") == 4
    assert parts[-1]["text"] == "Not shown: plot4.png, plot5.png"


def test_what_was_shown_is_recorded_and_the_file_not_asked_for_again(tmp_path: Path) -> None:
    config = {"executor": LocalCommandLineCodeExecutor(work_dir=tmp_path, timeout=30), "pictures": True}
    graph = ConversationGraph("draws")
    graph.add_node(UserProxyAgent("computer", human_input_mode="NEVER", code_execution_config=config))
    graph.add_edge("computer", "END", when='last.content.contains("<image png, ")')
    graph.set_start("computer")
    with open_store(":memory:") as store:
        result = graph.run(f"```python\n{RED}\nopen('plot.png', 'wb').write(red)\n```", store=store)
        (tmp_path / "plot.png").unlink()
        replayed = graph.replay(result.run_id, store=store)

    assert result.status == "finished"
    assert replayed.messages == result.messages


def test_it_is_part_of_the_definition_and_in_documents(tmp_path: Path) -> None:
    config = {"executor": "commandline-local", "pictures": True}
    graph = ConversationGraph("draws")
    graph.add_node(UserProxyAgent("computer", human_input_mode="NEVER", code_execution_config=config))
    graph.add_edge("computer", "END")
    graph.set_start("computer")
    text = graph.to_yaml()

    assert "pictures: true" in text
    assert ConversationGraph.from_yaml(text).fingerprint == graph.fingerprint
    with pytest.raises(DefinitionError, match="True or False, not 'yes'"):
        said("", tmp_path, pictures="yes")


class Elsewhere:
    """An executor by AutoGen's protocol, which keeps no files here."""

    @property
    def code_extractor(self) -> MarkdownCodeExtractor:
        return MarkdownCodeExtractor()

    def execute_code_blocks(self, code_blocks: list[CodeBlock]) -> CodeResult:
        return CodeResult(0, "drawn", files=("plot.png",))

    def restart(self) -> None:
        """There is nothing to restart."""


def test_an_executor_without_files_shows_none() -> None:
    config = {"executor": Elsewhere(), "pictures": True}
    computer = UserProxyAgent("computer", human_input_mode="NEVER", code_execution_config=config)

    assert (
        computer.generate_reply([{"role": "user", "content": "```python\n1\n```"}])
        == "exitcode: 0 (execution succeeded)\nCode output: drawn"
    )
