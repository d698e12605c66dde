"""The tools of an agent: what its model is told of, and what it can carry out. AutoGen keeps the two apart, so does this."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from convgraph.errors import DefinitionError
from convgraph.graph.import_paths import called_at, import_path, is_importable
from convgraph.tools import Tool, ToolSet, tool
from convgraph.tools.untyped import untyped_tool


class AgentTools:
    """What an agent's model may call (`schemas`), and what the agent itself can carry out (`executable`)."""

    def __init__(self, agent: str, given: Sequence[Any], functions: Mapping[str, Callable[..., Any]] | None) -> None:
        self._agent = agent
        self._told: dict[str, Mapping[str, Any]] = {}
        self._known: dict[str, Tool] = {}
        self.schemas: tuple[Mapping[str, Any], ...] = ()
        self.executable = ToolSet(())
        for one in given:
            if isinstance(one, Mapping):
                self.tell(cast("Mapping[str, Any]", one))
            else:
                self.add(named_tool(one, None, None))
        self.map(functions or {})

    def add(self, one: Tool) -> None:
        """Let the model call a tool that the agent carries out itself."""
        self.tell(one.schema())
        self.carry_out(one)

    def tell(self, schema: Mapping[str, Any]) -> None:
        """Let the model call a tool, in OpenAI's form; or, as it was before tools, a function. One of the same name is replaced."""
        whole: Mapping[str, Any] = schema if "function" in schema else {"type": "function", "function": dict(schema)}
        name = _name(whole)
        if name is None:
            raise DefinitionError(
                f"agent {self._agent!r}: a tool's schema is {{'type': 'function', 'function': {{'name': …}}}}, not {schema!r:.200}"
            )
        self._told[name] = whole
        self._changed()

    def untell(self, name: str) -> None:
        """Let the model call the tool no more. Raises `DefinitionError` for one that it was not told of."""
        if name not in self._told:
            raise DefinitionError(f"agent {self._agent!r}: its model was told of no tool {name!r} ({', '.join(self._told) or 'of none'})")
        del self._told[name]
        self._changed()

    def carry_out(self, one: Tool) -> None:
        """Be able to carry out the tool. One of the same name is replaced."""
        self._known[one.name] = one
        self._changed()

    def map(self, functions: Mapping[str, Callable[..., Any] | None]) -> None:
        """AutoGen's `function_map`: be able to carry out these functions, as they are; None takes one away."""
        for name, fn in functions.items():
            if fn is None:
                if self._known.pop(name, None) is None:
                    raise DefinitionError(f"agent {self._agent!r}: it has no function {name!r} that could be taken away")
            else:
                self._known[name] = fn if isinstance(fn, Tool) else untyped_tool(fn, name)
        self._changed()

    def can_execute(self, name: str) -> bool:
        """Whether the agent can carry out the tool."""
        return name in self._known

    def leaves_to_others(self, name: str) -> bool:
        """Whether somebody else is to carry out a call: of a tool that the model was told of, or of any where the agent has none.

        A tool that is neither told nor had, a model has made up; nobody but its own agent can tell it so.
        """
        return name not in self._known and (name in self._told or not self._known)

    @property
    def function_map(self) -> dict[str, Callable[..., Any]]:
        """The functions that the agent can carry out, by name."""
        return {name: one.fn for name, one in self._known.items()}

    def describe(self) -> list[dict[str, Any]]:
        """What the model is told of, as plain JSON; for what the agent carries out itself, with where its function is imported from."""
        return [
            {**schema, **_carried_out(self._known[name])} if self._is_whole(name) else dict(schema) for name, schema in self._told.items()
        ]

    def describe_executable(self) -> list[dict[str, Any]]:
        """What the agent carries out and its own model is not told of in the same words, as plain JSON."""
        others = [one for name, one in self._known.items() if name not in self._told or not self._is_told(name)]
        return [{"type": "function", "name": one.name, **_carried_out(one)} for one in others]

    def _is_told(self, name: str) -> bool:
        return self._told[name] == self._known[name].schema()

    def _is_whole(self, name: str) -> bool:
        """Whether the model is told of the tool as it is, and an import gives it, or it says itself where it comes from."""
        known = self._known.get(name)
        return known is not None and self._is_told(name) and (bool(known.source) or is_importable(import_path(known.fn)))

    def _changed(self) -> None:
        self.schemas = tuple(self._told.values())
        self.executable = ToolSet(self._known.values())


def named_tool(fn: Any, name: str | None, description: str | None) -> Tool:
    """The tool that a function makes under this name; a tool under another name is another tool. Raises `DefinitionError`."""
    if not isinstance(fn, Tool):
        return cast("Tool", tool(fn, name=name, description=description))
    changes = {key: value for key, value in (("name", name), ("description", description)) if value is not None}
    return dataclasses.replace(fn, **changes) if changes else fn


def _carried_out(one: Tool) -> dict[str, Any]:
    options = {
        "idempotent": one.idempotent or None,
        "timeout": one.timeout,
        "approval": called_at(one.approval) if callable(one.approval) else one.approval,
    }
    whence = {"source": one.source} if one.source else {"call": import_path(one.fn)}
    return {**whence, **{key: value for key, value in options.items() if value is not None}}


def _name(schema: Mapping[str, Any]) -> str | None:
    function = schema.get("function")
    name = cast("Mapping[str, Any]", function).get("name") if isinstance(function, Mapping) else None
    return name if isinstance(name, str) and name else None
