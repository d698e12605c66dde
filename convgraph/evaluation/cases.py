# pyright: reportUnnecessaryIsInstance=false
# What callers really pass is checked, whether their code is typed or not.
"""A case: what goes into a conversation, and what is expected of it."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from convgraph.errors import InputError
from convgraph.graph.definition import Limits

NAME = re.compile(r"[^\s#,/]([^\n\r\t,/]{0,98}[^\s,/])?")
"""What a case can be called: one line that can be told from a list of them, and be part of a run's id."""


@dataclass(frozen=True, slots=True)
class Case:
    """One row of the table that a graph is evaluated over.

    `input`, `state` and `limits` are those of `ConversationGraph.run`. `script` has the models' answers by the speaker who
    asks (a selecting model's under `(selector)`), so that the case runs without a model; without it the graph's own models
    are asked. `answers` are what people say, by the name of who is asked; `tools` what tools and other effects of that name
    give, so that nothing happens outside. `expect` says what is checked: see `docs/evaluation.md`. A case of weight 2 counts
    twice in the score; it is run `repeat` times (None: as often as the evaluation says). `where` is where it was written.
    """

    name: str
    input: Any = None
    expect: Mapping[str, Any] = field(default_factory=dict[str, Any])
    state: Mapping[str, Any] | None = None
    limits: Limits | None = None
    script: Mapping[str, Sequence[Any]] | None = None
    answers: Mapping[str, Sequence[Any]] = field(default_factory=dict[str, Sequence[Any]])
    tools: Mapping[str, Sequence[Any]] = field(default_factory=dict[str, Sequence[Any]])
    weight: float = 1.0
    repeat: int | None = None
    tags: tuple[str, ...] = ()
    where: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.isprintable() or NAME.fullmatch(self.name) is None:
            raise InputError(
                f"{self._place()}: a case is called by 1 to 100 printable characters, none of them ',' or '/', not {self.name!r:.120}"
            )
        if isinstance(self.weight, bool) or not isinstance(self.weight, int | float) or not 0 < self.weight < math.inf:
            raise InputError(f"{self.place}: weight is a number above zero, not {self.weight!r:.80}")
        if self.repeat is not None:
            check_count(self.repeat, f"{self.place}: repeat")
        if self.limits is not None and not isinstance(self.limits, Limits):
            raise InputError(f"{self.place}: limits takes Limits(turns=…, usd=…), not {self.limits!r:.80}")
        if isinstance(self.tags, str):
            raise InputError(f"{self.place}: tags is a list of texts, not the text {self.tags!r:.80}")
        for what in ("expect", "script", "answers", "tools"):
            self._check_mapping(what)

    @property
    def place(self) -> str:
        """What the case is called in messages: where it was written, and its name."""
        return f"{self._place()} {self.name!r}"

    def has(self, word: str) -> bool:
        """Whether `word` is the case's name, or one of its tags."""
        return word == self.name or word in self.tags

    def _place(self) -> str:
        return f"{self.where}: case" if self.where else "case"

    def _check_mapping(self, what: str) -> None:
        given: Any = getattr(self, what)
        if given is None and what == "script":
            return
        if not isinstance(given, Mapping):
            raise InputError(f"{self.place}: {what} is a mapping, not {given!r:.80}")
        if what != "expect":
            for key, lines in cast("Mapping[Any, Any]", given).items():
                if isinstance(lines, str) or not isinstance(lines, Sequence):
                    raise InputError(f"{self.place}: {what}[{key!r}] is a list, one for each time that it is asked for, not {lines!r:.80}")


def check_count(value: Any, what: str) -> int:
    """Raise `InputError` unless `value` is a whole number above zero."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InputError(f"{what} is a whole number above zero, not {value!r:.80}")
    return value


def checked_cases(cases: Iterable[Any]) -> list[Case]:
    """The cases, each with a name of its own. Raises `InputError` for anything else, and for none at all."""
    if isinstance(cases, str | bytes | Mapping) or not isinstance(cases, Iterable):
        raise InputError(f"cases are a list of Case(…); read_cases('cases.yaml') reads a file, not {cases!r:.80}")
    listed = list(cases)
    known: dict[str, Case] = {}
    for case in listed:
        if not isinstance(case, Case):
            raise InputError(f"a case is a Case(name, input, expect={{…}}), not {case!r:.80}")
        if case.name in known:
            raise InputError(f"{case.place}: there is another case of this name{_at(known[case.name])}")
        known[case.name] = case
    if not listed:
        raise InputError("there are no cases to evaluate")
    return listed


def selected(cases: Sequence[Case], only: Collection[str]) -> list[Case]:
    """The cases that have one of these names or tags; all where none is given. Raises `InputError` for a word that fits none."""
    words = [only] if isinstance(only, str) else list(only)
    for word in words:
        if not any(case.has(word) for case in cases):
            names, tags = ", ".join(case.name for case in cases), ", ".join(sorted({tag for case in cases for tag in case.tags}))
            raise InputError(f"no case has the name or tag {word!r}; the names are {names}; the tags {tags or 'none'}")
    return [case for case in cases if not words or any(case.has(word) for word in words)]


def _at(case: Case) -> str:
    return f" at {case.where}" if case.where else ""
