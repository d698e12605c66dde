"""What the docstrings write for readers of the source, for the reference: literal blocks, and parameters that are told of together."""

from __future__ import annotations

import re
from typing import Any

from griffe import Extension, Object

_LITERAL = re.compile(r"^::\n|(?<=\S):(?=:$)", re.MULTILINE)
_TOGETHER = re.compile(r"^( +)(\w+(?:, \w+)+): (.+)$", re.MULTILINE)


class ForTheReference(Extension):
    """Have the indented lines below a `::` be code, and each of `a, b: words` be told of by itself."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        if obj.docstring is not None:
            text = _LITERAL.sub("", obj.docstring.value)
            obj.docstring.value = _TOGETHER.sub(_apart, text)


def _apart(told: re.Match[str]) -> str:
    return "\n".join(f"{told[1]}{name}: {told[3]}" for name in told[2].split(", "))
