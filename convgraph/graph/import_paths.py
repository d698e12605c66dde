"""Where the Python objects of a graph are imported from: what stands for them in a document."""

from __future__ import annotations

import inspect
from typing import Any


def import_path(found: Any) -> str:
    """`module:qualname` of a function, a class or a tool; brackets stand where an instance was made, which no import gives."""
    if inspect.ismethod(found) and not inspect.isclass(found.__self__):
        owner = type(found.__self__)
        return f"{owner.__module__}:{owner.__qualname__}().{found.__name__}"
    if hasattr(found, "__qualname__"):
        return f"{found.__module__}:{found.__qualname__}"
    return f"{type(found).__module__}:{type(found).__qualname__}()"


def is_importable(path: str) -> bool:
    """Whether an import may give what stands at this path: not what was made inside a function, is a lambda or belongs to an instance."""
    return "<" not in path and "(" not in path


def called_at(function: Any) -> dict[str, str]:
    """What a document says of a function: where it is. A fingerprint passes over that."""
    return {"type": "function", "call": import_path(inspect.unwrap(function) if callable(function) else function)}
