"""Asking people at the terminal while a run goes on: a wait that Ctrl-C can end, since no thread is blocked in it."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, TextIO

from convgraph.cli.output import complain, printable
from convgraph.errors import AnswerError
from convgraph.journal.answers import check_answer, parse_answer
from convgraph.journal.events import Question
from convgraph.runtime.signals import Parked


class Asking:
    """Asks one question at a time; the progress display gives way meanwhile. The end of the input (Ctrl-D) lets the run wait."""

    def __init__(self, run_id: str, pause: Callable[[], AbstractContextManager[None]], stream: TextIO) -> None:
        self._run_id = run_id
        self._pause = pause
        self._stream = stream
        self._turn = asyncio.Lock()
        self._typed = b""

    async def __call__(self, question: Question) -> Any:
        """The answer, once it fits the question. Raises `Parked` at the end of the input."""
        async with self._turn:
            with self._pause():
                return await self._ask(question)

    async def _ask(self, question: Question) -> Any:
        while True:
            self._stream.write(f"{printable(question.prompt)}{hint(question.schema)} ")
            self._stream.flush()
            line = await self._line()
            if line is None:
                self._stream.write("\n")
                raise Parked(question.id)
            answer = parse_answer(question.schema, line)
            try:
                check_answer(question, answer, self._run_id)
            except AnswerError as error:
                complain(f"That does not fit: {error}")
                continue
            return answer

    async def _line(self) -> str | None:
        """The next line typed, without its end; None at the end of the input."""
        loop, fd = asyncio.get_running_loop(), sys.stdin.fileno()
        while b"\n" not in self._typed:
            ready = asyncio.Event()
            loop.add_reader(fd, ready.set)
            try:
                await ready.wait()
            finally:
                loop.remove_reader(fd)
            piece = os.read(fd, 65_536)
            if not piece:
                return None
            self._typed += piece
        line, _, self._typed = self._typed.partition(b"\n")
        return line.decode(errors="replace").rstrip("\r")


def hint(schema: Any) -> str:
    """What may be answered, in brackets: the choices, or the type where it is not text."""
    if "enum" in schema:
        return f" [{'/'.join(map(str, schema['enum']))}]"
    kind = schema.get("type")
    if kind == "boolean":
        return " [yes/no]"
    return f" [{kind}]" if kind in ("integer", "number") else "" if kind == "string" else " [JSON]"
