"""Functions that are called by name with whatever arguments a model gives: AutoGen's `function_map`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from pydantic import TypeAdapter

from convgraph.errors import DefinitionError
from convgraph.tools.definition import Tool, tool
from convgraph.tools.parameters import GIVEN, Parameters


def untyped_tool(fn: Callable[..., Any], name: str) -> Tool:
    """A tool that is carried out under this name, with nothing known of its parameters but their names.

    Where all parameters are annotated, arguments are checked as those of any tool. Raises `DefinitionError` for what is no function.
    """
    if not callable(fn):  # pyright: ignore[reportUnnecessaryIsInstance]  # what callers really pass is checked
        raise DefinitionError(f"function {name!r} is to be a function, not {fn!r:.100}")
    try:
        return tool(fn, name=name, description=inspect.getdoc(fn) or name)
    except DefinitionError:
        return Tool(fn, name, inspect.getdoc(fn) or name, _open_parameters(fn, name))


def _open_parameters(fn: Callable[..., Any], name: str) -> Parameters:
    try:
        signature = inspect.signature(fn)
    except (TypeError, ValueError) as error:
        raise DefinitionError(f"function {name!r} has no signature that could be read: {error}; wrap it in one of your own") from error
    parameters = [each for each in signature.parameters.values() if each.name not in GIVEN]
    plain = [each for each in parameters if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)]
    anything: TypeAdapter[Any] = TypeAdapter(Any)
    return Parameters(
        {each.name: anything for each in plain},
        tuple(each.name for each in plain if each.default is each.empty),
        {"type": "object", "properties": {each.name: {} for each in plain}},
        frozenset(signature.parameters) & frozenset(GIVEN),
        {},
        takes_any=any(each.kind is each.VAR_KEYWORD for each in parameters),
    )
