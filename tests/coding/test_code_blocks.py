"""Blocks are found as AutoGen finds them; a file name is only what is said to be one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convgraph.coding import CodeBlock, extract_code_blocks
from convgraph.coding.blocks import file_name
from convgraph.errors import InputError


def test_blocks_come_in_order_with_their_languages() -> None:
    text = "First:\n```python\nprint(1)\n```\nthen\n```sh\nls\n```\nand\n```Bash \necho\n```"
    assert extract_code_blocks(text) == [CodeBlock("python", "print(1)"), CodeBlock("sh", "ls"), CodeBlock("bash", "echo")]


@pytest.mark.parametrize(
    ("code", "language"),
    [
        ("x = 1", "python"),
        ("pip install x", "sh"),
        ("python run.py", "sh"),
        ("python3 run.py", "sh"),
        ("SELECT * FROM t", ""),
        ("x = 1\0", ""),
    ],
)
def test_a_block_without_a_language_is_guessed(code: str, language: str) -> None:
    assert extract_code_blocks(f"```\n{code}\n```") == [CodeBlock(language, code)]


@pytest.mark.parametrize("text", ["", "no code", "`inline`", "```python\nnever closed"])
def test_a_text_without_a_block_has_none(text: str) -> None:
    assert extract_code_blocks(text) == []


def test_windows_line_ends_and_indented_fences_are_read() -> None:
    assert extract_code_blocks("  ```python\r\nx = 1\r\ny = 2\r\n  ```") == [CodeBlock("python", "x = 1\r\ny = 2")]


@given(st.lists(st.tuples(st.sampled_from(["python", "sh", "json"]), st.text(alphabet="ab \n=#", min_size=1))))
def test_what_was_fenced_is_found_again(blocks: list[tuple[str, str]]) -> None:
    text = "\nsaid\n".join(f"```{language}\n{code}\n```" for language, code in blocks)
    assert extract_code_blocks(text) == [CodeBlock(language, code) for language, code in blocks]


@pytest.mark.parametrize("first", ["# filename: plots/draw.py", "#filename:plots/draw.py", "<!-- filename: plots/draw.py -->"])
def test_a_first_line_that_says_so_names_the_file(first: str) -> None:
    assert file_name(CodeBlock("python", f"{first}\nx = 1")) == "plots/draw.py"


@pytest.mark.parametrize("code", ["# Compute the sum\nx = 1", "x = 1\n# filename: a.py", "# see filename: a.py", ""])
def test_no_other_line_names_a_file(code: str) -> None:
    assert file_name(CodeBlock("python", code)) is None


@pytest.mark.parametrize("name", ["/etc/passwd", "../up.py", "a/../../up.py", "a//b", "./a", "..\\up.py", "a/"])
def test_a_name_that_leads_out_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="work folder"):
        file_name(CodeBlock("python", f"# filename: {name}\nx = 1"))
