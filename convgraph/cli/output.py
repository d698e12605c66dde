"""Where a command's words go: lines for people, or one JSON object for programs, on standard output; complaints on standard error."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Mapping
from typing import Any, TextIO

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def printable(text: str) -> str:
    """The text without what would command a terminal rather than be read: what models and people say is printed as it is meant."""
    return _CONTROL.sub("\ufffd", text.replace("\r\n", "\n"))


class Output:
    """A command's output. With `as_json` people's lines are left out, and `result` prints the last and only line."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json

    def line(self, text: str = "") -> None:
        """A line for people."""
        if not self.as_json:
            write(sys.stdout, printable(text))

    def result(self, document: Mapping[str, Any]) -> None:
        """What the command found, for programs: one JSON object on a line of its own."""
        if self.as_json:
            write(sys.stdout, json.dumps(document, ensure_ascii=False, default=str))


def is_terminal(stream: Any) -> bool:
    """Whether a person sits at the stream; a process may also have been started without it."""
    return stream is not None and stream.isatty()


def complain(text: str) -> None:
    """Say what is wrong, on standard error."""
    write(sys.stderr, printable(text))


def write(stream: TextIO, text: str) -> None:
    """Write a line. A reader that has gone away (`| head`) is no reason to stop a run."""
    try:
        stream.write(f"{text}\n")
        stream.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
