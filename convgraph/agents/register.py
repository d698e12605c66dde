"""AutoGen's `register_function`: one agent's model is told of a function, and another agent carries it out."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from convgraph.agents.replying import ReplyingAgent

if TYPE_CHECKING:
    from convgraph.tools import Tool


def register_function(
    f: Callable[..., Any], *, caller: ReplyingAgent, executor: ReplyingAgent, name: str | None = None, description: str | None = None
) -> Tool:
    """Tell `caller`'s model of the function, and have `executor` carry it out. Returns the tool.

    `name` defaults to the function's own, `description` to its docstring. Raises `DefinitionError` for a function that cannot
    be told to a model, and where `caller` has none.
    """
    made = caller.register_for_llm(name=name, description=description)(f)
    executor.register_for_execution()(made)
    return made
