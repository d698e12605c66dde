"""What a document names by import path, imported from the modules that the caller allows, and from no others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from convgraph.errors import DefinitionError
from convgraph.graph.import_paths import is_importable
from convgraph.graph.schema import load_object


def object_at(path: str, allowed: frozenset[str], place: str) -> Any:
    """What is at `package.module:name`. Raises `DefinitionError` for what no import gives."""
    if not is_importable(path):
        raise DefinitionError(
            f"{place}: {path!r} cannot be imported, because it was made inside a function, is a lambda or belongs to an instance; "
            "define it at the top level of a module"
        )
    return load_object(path, allowed, place)


def callable_at(path: str, allowed: frozenset[str], place: str) -> Callable[..., Any]:
    """The function at `package.module:name`."""
    found = object_at(path, allowed, place)
    if callable(found) and not isinstance(found, type):
        return cast(Callable[..., Any], found)
    raise DefinitionError(f"{place}: {path!r} is {'a class' if isinstance(found, type) else f'{found!r:.80}'}, not a function")


def function_in(described: Any, allowed: frozenset[str], place: str) -> Callable[..., Any]:
    """The function that `{type: function, call: 'package.module:name'}` names."""
    path = cast("Mapping[str, Any]", described).get("call") if isinstance(described, Mapping) else None
    if not isinstance(path, str):
        raise DefinitionError(f"{place}: it is {{type: function, call: 'package.module:name'}}, not {described!r:.80}")
    return callable_at(path, allowed, f"{place}.call")
