"""The languages of code blocks: which are run, which are only saved, and what their files are called."""

from __future__ import annotations

from collections.abc import Mapping

from convgraph.errors import DefinitionError

PYTHON = frozenset({"python", "python3", "py"})
SHELLS = {"sh": "sh", "shell": "sh", "console": "sh", "bash": "bash"}
_PAGES = {"html": ".html", "css": ".css", "javascript": ".js", "js": ".js"}
_RUN = PYTHON | SHELLS.keys()


def suffix(language: str) -> str:
    """What the name of a file in `language` ends with."""
    return ".py" if language.lower() in PYTHON else _PAGES.get(language.lower(), ".sh")


def saved_only(policies: Mapping[str, bool]) -> frozenset[str]:
    """The languages whose blocks are saved and not run, when `policies` (language: run it?) are laid over the usual ones.

    Raises `DefinitionError` for a policy that asks to run what cannot be run.
    """
    lower = {language.lower(): run for language, run in policies.items()}
    cannot = sorted(language for language, run in lower.items() if run and language not in _RUN)
    if cannot:
        raise DefinitionError(f"execution_policies: {', '.join(map(repr, cannot))} cannot be run; what can is {', '.join(sorted(_RUN))}")
    saved = {name for language, run in lower.items() if not run for name in _names(language)}
    return frozenset(saved | _PAGES.keys())


def _names(language: str) -> frozenset[str]:
    """All that the language is called: Python that may not run may not run as `py` either."""
    if language in PYTHON:
        return PYTHON
    return frozenset(name for name, program in SHELLS.items() if program == SHELLS.get(language)) or frozenset({language})
