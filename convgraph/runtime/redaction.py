# pyright: reportUnnecessaryIsInstance=false
# What callers really pass is checked, whether their code is typed or not.
"""What a graph has taken out of every text before it is recorded: patterns, or a function of one's own."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, cast

from convgraph.errors import DefinitionError
from convgraph.graph.import_paths import called_at

Redact: TypeAlias = Callable[[str], str]
"""Given a text, the text that may be recorded. The same for the same text, in every process."""
Redactions: TypeAlias = "Redact | Mapping[str, str | re.Pattern[str]]"
"""What callers say: a function, or patterns by name."""


class Redaction(ABC):
    """Takes out of a text what is never to be recorded."""

    @abstractmethod
    def __call__(self, text: str) -> str:
        """The text that may be recorded."""

    @abstractmethod
    def describe(self) -> Any:
        """What a document says of it: its patterns, or where its function is."""


def as_redaction(redact: Redactions, where: str) -> Redaction:
    """What takes out of a text what `redact` names: patterns by name, found as `[redacted NAME]` afterwards, or a function.

    Raises `DefinitionError` for what is neither.
    """
    if isinstance(redact, Redaction):
        return redact
    if isinstance(redact, Mapping):
        patterns = cast("Mapping[str, str | re.Pattern[str]]", redact)
        return _Patterns({_checked_name(name, where): _compiled(name, pattern, where) for name, pattern in patterns.items()})
    if not callable(redact):
        raise DefinitionError(f"{where}: redact= takes patterns by name, or a function from text to text, not {redact!r:.80}")
    return _Function(redact)


class _Patterns(Redaction):
    def __init__(self, patterns: Mapping[str, re.Pattern[str]]) -> None:
        self._patterns = patterns

    def __call__(self, text: str) -> str:
        for name, pattern in self._patterns.items():
            text = pattern.sub(f"[redacted {name}]", text)
        return text

    def describe(self) -> list[dict[str, str]]:
        """A list, since what a pattern finds may be called `api_key`, which would be no name for an entry of a document."""
        return [{"name": name, "pattern": _text(pattern)} for name, pattern in self._patterns.items()]


class _Function(Redaction):
    def __init__(self, redact: Redact) -> None:
        self._redact = redact

    def __call__(self, text: str) -> str:
        """What the function makes of the text. Where it fails, the whole text is withheld: what it was to find may be in it."""
        try:
            told = cast("object", self._redact(text))
        except Exception as error:  # noqa: BLE001  # said in place of the text; its message may repeat the text
            return f"[withheld: redact= failed with {type(error).__name__}]"
        return told if isinstance(told, str) else f"[withheld: redact= gave {type(told).__name__}, not str]"

    def describe(self) -> dict[str, str]:
        return called_at(self._redact)


_LETTERS = {"a": re.ASCII, "i": re.IGNORECASE, "m": re.MULTILINE, "s": re.DOTALL, "x": re.VERBOSE}
_OWN_LETTERS = re.compile(r"\A\(\?[aimsux]+\)")


def _text(pattern: re.Pattern[str]) -> str:
    """The pattern as one text, with what it was compiled with."""
    letters = "".join(letter for letter, flag in _LETTERS.items() if pattern.flags & flag)
    return f"(?{letters}){_OWN_LETTERS.sub('', pattern.pattern)}" if letters else pattern.pattern


def _checked_name(name: object, where: str) -> str:
    if not isinstance(name, str) or not re.fullmatch(r"[\w .-]{1,40}", name):
        raise DefinitionError(f"{where}: redact=: {name!r:.80} is no name for a pattern; it stands in texts, as [redacted NAME]")
    return name


def _compiled(name: str, pattern: str | re.Pattern[str], where: str) -> re.Pattern[str]:
    try:
        compiled = re.compile(pattern)
    except (re.error, TypeError) as error:
        raise DefinitionError(f"{where}: redact=: {name!r} is no pattern: {error}") from None
    if not isinstance(compiled.pattern, str):
        raise DefinitionError(f"{where}: redact=: {name!r} is a pattern of bytes; texts are searched")
    if compiled.match(""):
        raise DefinitionError(f"{where}: redact=: the pattern {name!r} fits the empty text, and would be found everywhere")
    return compiled
