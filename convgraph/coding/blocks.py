"""The code blocks of a text: what a model wrote between fences."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from convgraph.errors import InputError

_FENCED = re.compile(r"```[ \t]*(\w+)?[ \t]*\r?\n(.*?)\r?\n[ \t]*```", re.DOTALL)
_FILENAME = re.compile(r"(?:#|//|/\*|<!--)\s*filename:\s*(\S+)")
_SHELL_STARTS = ("python ", "python3 ", "pip ")


@dataclass(frozen=True)
class CodeBlock:
    """Code in a language. The language is lower case; it is empty when the text does not say and the code does not show."""

    language: str
    code: str


def extract_code_blocks(text: str) -> list[CodeBlock]:
    """The fenced blocks of `text`, in order.

    A block that names no language is shell when it begins with `python`, `python3` or `pip`; else Python if it parses.
    """
    return [CodeBlock((language or _guess(code)).lower(), code) for language, code in _FENCED.findall(text)]


class MarkdownCodeExtractor:
    """AutoGen's name for `extract_code_blocks`."""

    def extract_code_blocks(self, message: str | Sequence[Mapping[str, Any]] | None) -> list[CodeBlock]:
        """The fenced blocks of a text, or of the texts among a message's parts (`{"type": "text", "text": …}`)."""
        texts = [message] if isinstance(message, str) else [part["text"] for part in message or () if part.get("type") == "text"]
        return [block for text in texts for block in extract_code_blocks(text)]


def file_name(block: CodeBlock) -> str | None:
    """The relative path that the block's first line asks for (`# filename: a/b.py`), or None.

    No other comment names a file. Raises `InputError` for a path that leads out of the work folder.
    """
    asked = _FILENAME.match(block.code.lstrip().partition("\n")[0])
    if asked is None:
        return None
    parts = asked[1].split("/")
    if "\\" in asked[1] or "\0" in asked[1] or any(part in ("", ".", "..") for part in parts):
        raise InputError(f"file name {asked[1]!r} leads out of the work folder: use a plain relative path such as 'plots/draw.py'")
    return asked[1]


def _guess(code: str) -> str:
    if code.startswith(_SHELL_STARTS):
        return "sh"
    try:
        ast.parse(code)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return ""
    return "python"
