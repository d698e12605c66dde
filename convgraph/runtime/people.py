"""Questions to people: answered from what was delivered, at a console, by a callback, or by parking the run."""

from __future__ import annotations

import asyncio
import inspect
import sys
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias, cast

from convgraph.errors import AnswerError, InputError
from convgraph.journal.answers import check_answer, parse_answer
from convgraph.journal.events import Question
from convgraph.runtime.signals import Parked

OnePerson: TypeAlias = Literal["auto", "console", "park"] | Callable[[Question], Any]
Human: TypeAlias = OnePerson | Mapping[str, OnePerson]
"""How people are asked: all in one way, or each in one of their own, by name (`auto` for those who are not named).

`auto`: at the console where standard input is a terminal, else the run parks.
"""


class People:
    """The people of one run. `answers` are those delivered before the run was resumed, by question id."""

    def __init__(self, run_id: str, human: Human = "auto", answers: dict[str, Any] | None = None) -> None:
        check_human(human)
        self._run_id = run_id
        self._ways = _by_name(human)
        self._answers = answers or {}
        self._at_console: asyncio.Lock | None = None

    def delivered(self, question: Question) -> tuple[Any] | None:
        """The answer that has been delivered for this question, in a tuple; None if there is none."""
        if question.id not in self._answers:
            return None
        return (self._answers.pop(question.id),)

    async def ask(self, question: Question) -> Any:
        """Ask now. Raises `Parked` where nobody can be asked at this moment, `AnswerError` for a callback's unfit answer."""
        human = self._ways.get(question.to, self._ways[None])
        if callable(human):
            answer = human(question)
            if inspect.isawaitable(answer):
                answer = await answer
            check_answer(question, answer, self._run_id)
            return answer
        if _at_once(human):
            self._at_console = self._at_console or asyncio.Lock()
            async with self._at_console:
                return await self._ask_at_console(question)
        raise Parked(question.id)

    async def _ask_at_console(self, question: Question) -> Any:
        choices = question.schema.get("enum")
        hint = f" [{'/'.join(map(str, choices))}]" if choices else ""
        while True:
            try:
                text = await asyncio.to_thread(input, f"{question.prompt}{hint} ")
            except EOFError:
                raise Parked(question.id) from None
            answer = parse_answer(question.schema, text)
            try:
                check_answer(question, answer, self._run_id)
            except AnswerError as error:
                sys.stderr.write(f"That does not fit: {error}\n")
                continue
            return answer


def can_be_asked(human: Human) -> bool:
    """Whether anybody can be asked at this moment, rather than the run parking."""
    return any(map(_at_once, _by_name(human).values()))


def _by_name(human: Human) -> dict[str | None, OnePerson]:
    """How each person is asked; those who are not named, as None is."""
    if isinstance(human, Mapping):
        return {None: "auto", **cast("Mapping[str, OnePerson]", human)}
    return {None: human}


def _at_once(human: OnePerson) -> bool:
    return callable(human) or human == "console" or (human == "auto" and sys.stdin is not None and sys.stdin.isatty())


def check_human(human: Any) -> None:
    """Raise `InputError` unless `human` says how people are asked."""
    if isinstance(human, Mapping):
        for one in cast("Mapping[Any, Any]", human).values():
            check_human(None if isinstance(one, Mapping) else one)
        return
    if not callable(human) and human not in ("auto", "console", "park"):
        raise InputError(
            f"human={human!r:.100} is none of 'auto', 'console', 'park', a callable that takes a Question, or a mapping of these by name"
        )
