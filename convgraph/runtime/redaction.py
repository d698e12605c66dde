# pyright: reportUnnecessaryIsInstance=false
# What callers really pass is checked, whether their code is typed or not.
"""What a graph has taken out of every text before it is recorded: patterns, or a function of one's own."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TypeAlias, cast

from convgraph.errors import DefinitionError

Redact: TypeAlias = Callable[[str], str]
"""Given a text, the text that may be recorded. The same for the same text, in every process."""


def as_redaction(redact: Redact | Mapping[str, str | re.Pattern[str]], where: str) -> Redact:
    """What takes out of a text what `redact` names: patterns by name, found as `[redacted NAME]` afterwards, or a function.

    Raises `DefinitionError` for what is neither.
    """
    if isinstance(redact, Mapping):
        patterns = cast("Mapping[str, str | re.Pattern[str]]", redact)
        return _Patterns({_checked_name(name, where): _compiled(name, pattern, where) for name, pattern in patterns.items()})
    if not callable(redact):
        raise DefinitionError(f"{where}: redact= takes patterns by name, or a function from text to text, not {redact!r:.80}")
    return _Function(redact)


class _Patterns:
    def __init__(self, patterns: Mapping[str, re.Pattern[str]]) -> None:
        self._patterns = patterns

    def __call__(self, text: str) -> str:
        for name, pattern in self._patterns.items():
            text = pattern.sub(f"[redacted {name}]", text)
        return text


class _Function:
    def __init__(self, redact: Redact) -> None:
        self._redact = redact

    def __call__(self, text: str) -> str:
        """What the function makes of the text. Where it fails, the whole text is withheld: what it was to find may be in it."""
        try:
            told = cast("object", self._redact(text))
        except Exception as error:  # noqa: BLE001  # said in place of the text; its message may repeat the text
            return f"[withheld: redact= failed with {type(error).__name__}]"
        return told if isinstance(told, str) else f"[withheld: redact= gave {type(told).__name__}, not str]"


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
