"""A tool: a function with what a model is told of it, and how it may be called. And a set of them, with names that do not clash."""

from __future__ import annotations

import copy
import functools
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias, cast, overload

from convgraph.errors import DefinitionError
from convgraph.tools.docstrings import read_docstring
from convgraph.tools.parameters import Parameters, docstring_of, plain, read_parameters

Approval: TypeAlias = bool | Callable[[Mapping[str, Any]], bool] | None
"""Whether a person has to approve a call: always, never, or as a function of its arguments says."""

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")


class Invocable(Protocol):
    """What a tool of LangChain's looks like from outside."""

    @property
    def name(self) -> str | None: ...

    def invoke(self, input: Any, /) -> Any:
        """Do what the tool does, with its arguments by name."""
        ...


ToolLike: TypeAlias = "Tool | Callable[..., Any] | Invocable"
"""What a tool is made of: a tool, a function, or a tool of LangChain's."""


@dataclass(frozen=True, eq=False, slots=True)
class Tool:
    """A function that a model may call. Made with `tool`; one function may be several tools, under different names."""

    fn: Callable[..., Any] = field(repr=False)
    name: str
    description: str = field(repr=False)
    parameters: Parameters = field(repr=False)
    idempotent: bool = False
    timeout: float | None = None
    approval: Approval = None
    origin: str = ""
    source: str = ""
    """Where a tool comes from that is no function of the program's own, such as `MCP server 'files'`."""

    def schema(self) -> dict[str, Any]:
        """What the model is told, in the form of OpenAI's function tools. The caller's own copy."""
        function = {"name": self.name, "description": self.description, "parameters": copy.deepcopy(dict(self.parameters.schema))}
        return {"type": "function", "function": function}

    def needs_approval(self, arguments: Mapping[str, Any]) -> bool:
        """Whether a person has to approve a call with these (checked) arguments. What the caller's own rule raises, is raised."""
        if not callable(self.approval):
            return bool(self.approval)
        needed: Any = self.approval(arguments)
        if not isinstance(needed, bool):
            raise DefinitionError(f"tool {self.name!r}: approval= takes the arguments and says True or False, not {needed!r:.100}")
        return needed

    def __call__(self, /, *args: Any, **keywords: Any) -> Any:
        """The function itself: code calls a tool as if it were none."""
        return self.fn(*args, **keywords)


@overload
def tool(
    fn: Callable[..., Any] | Invocable,
    *,
    name: str | None = None,
    description: str | None = None,
    idempotent: bool = False,
    timeout: float | None = None,
    approval: Approval = None,
) -> Tool: ...
@overload
def tool(
    fn: None = None,
    *,
    name: str | None = None,
    description: str | None = None,
    idempotent: bool = False,
    timeout: float | None = None,
    approval: Approval = None,
) -> Callable[[Callable[..., Any]], Tool]: ...
def tool(
    fn: Callable[..., Any] | Invocable | None = None,
    *,
    name: str | None = None,
    description: str | None = None,
    idempotent: bool = False,
    timeout: float | None = None,
    approval: Approval = None,
) -> Tool | Callable[[Callable[..., Any]], Tool]:
    """Make a tool of a function, sync or async; also as a decorator, with or without arguments. Takes LangChain's tools as well.

    The model is told the `name` (the function's own, if none is given), the `description` (the docstring's) and the
    parameters: their types from the annotations, their texts from `Annotated[T, "text"]` or the docstring. It never
    sees parameters called `ctx` (the turn's context), `deps` and `idempotency_key`, nor those marked `Injected`.

    `idempotent`: after a crash a call whose end is not known may be made again; otherwise a person decides.
    `timeout`: seconds after which the model is told that the call has timed out. `approval`: whether a person is asked
    before a call: True, or a function of the arguments that says so.

    Raises `DefinitionError`, with the function's file and line, for what cannot be told to a model.
    """
    if fn is None:
        return cast(
            "Callable[[Callable[..., Any]], Tool]",
            functools.partial(tool, name=name, description=description, idempotent=idempotent, timeout=timeout, approval=approval),
        )
    if isinstance(fn, Tool):
        raise DefinitionError(f"{fn.name!r} ({fn.origin}) is a tool already; make another of its function with tool({fn.name}.fn, name=…)")
    if hasattr(fn, "args_schema"):
        from convgraph.tools.langchain import langchain_tool

        return langchain_tool(fn, name=name, description=description, idempotent=idempotent, timeout=timeout, approval=approval)
    if not callable(fn):
        raise DefinitionError(f"a tool is made of a function, not of {fn!r:.100}")
    origin = _origin(fn)
    name = _name(fn) if name is None else name
    where = f"tool {name!r} ({origin})"
    check_name(name, where)
    description = (read_docstring(docstring_of(fn)).description if description is None else description).strip()
    if not description:
        raise DefinitionError(f"{where}: it has no description; a model chooses by it: write a docstring, or pass description=…")
    check_options(timeout, approval, where)
    return Tool(fn, name, description, read_parameters(fn, where), bool(idempotent), timeout, approval, origin)


def check_name(name: Any, where: str) -> None:
    """Raise `DefinitionError` unless a tool can be called this."""
    if not isinstance(name, str) or _NAME.fullmatch(name) is None:
        raise DefinitionError(f"{where}: a tool's name is 1 to 64 of a-z, A-Z, 0-9, _ and -, not {name!r:.100}; give it one with name=…")


def check_options(timeout: Any, approval: Any, where: str) -> None:
    """Raise `DefinitionError` for a time or a consent that there is not."""
    if timeout is not None and not _is_positive(timeout):
        raise DefinitionError(f"{where}: timeout={timeout!r} is to be a positive number of seconds, or None")
    if not (approval is None or isinstance(approval, bool) or callable(approval)):
        raise DefinitionError(f"{where}: approval={approval!r:.100} is to be True, False, or a function of the arguments that says which")


class ToolSet:
    """Tools under their names, in the order given. It never changes; `add` gives a larger one.

    Takes tools and functions; of a function a tool is made. Raises `DefinitionError` where two have one name.
    """

    __slots__ = ("_tools",)

    def __init__(self, tools: Iterable[ToolLike] = ()) -> None:
        self._tools: dict[str, Tool] = {}
        for given in tools:
            item = given if isinstance(given, Tool) else tool(given)
            taken = self._tools.get(item.name)
            if taken is not None and taken is not item:
                raise DefinitionError(f"tool {item.name!r} ({item.origin}): there is one of that name already ({taken.origin}); use name=…")
            self._tools[item.name] = item

    def add(self, *tools: ToolLike) -> ToolSet:
        """These tools and those given. Raises `DefinitionError` where two have one name."""
        return ToolSet([*self, *tools])

    def get(self, name: str) -> Tool | None:
        """The tool of that name, if there is one."""
        return self._tools.get(name)

    @property
    def names(self) -> tuple[str, ...]:
        """The tools' names."""
        return tuple(self._tools)

    def schemas(self) -> tuple[dict[str, Any], ...]:
        """What a model is told of them: for `ModelRequest(tools=…)`."""
        return tuple(item.schema() for item in self)

    def __iter__(self) -> Iterator[Tool]:
        return iter(self._tools.values())

    def __len__(self) -> int:
        return len(self._tools)

    def __contains__(self, name: object) -> bool:
        return name in self._tools

    def __repr__(self) -> str:
        return f"ToolSet({', '.join(self._tools)})"


def _is_positive(number: Any) -> bool:
    return isinstance(number, int | float) and math.isfinite(number) and number > 0


def _name(fn: Any) -> str:
    return getattr(plain(fn) if hasattr(fn, "func") else fn, "__name__", "")


def _origin(fn: Callable[..., Any]) -> str:
    code = getattr(plain(fn), "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code is not None else repr(fn)[:100]
