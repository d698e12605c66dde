"""Functions of the caller's, written down as a module that executed code can import."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from convgraph.coding.work_folder import WorkFolder
from convgraph.errors import DefinitionError, InputError

F = TypeVar("F", bound=Callable[..., Any])
_WRITTEN = "# Functions for the code in this folder, written by convgraph."
_MARK = "__convgraph_requirements__"


@dataclass(frozen=True)
class _Requirements:
    packages: tuple[str, ...]
    imports: tuple[str, ...]


def with_requirements(python_packages: Sequence[str] = (), global_imports: Sequence[str] = ()) -> Callable[[F], F]:
    """Say what a function needs where it runs: packages, which pip installs there, and modules to import before it."""

    def mark(function: F) -> F:
        setattr(function, _MARK, _Requirements(tuple(python_packages), tuple(global_imports)))
        return function

    return mark


class FunctionsModule:
    """The source of a module with `functions` in it. Raises `DefinitionError` for what is no function with a name and a source."""

    def __init__(self, name: str, functions: Sequence[Callable[..., Any]]) -> None:
        if not name.isidentifier():
            raise DefinitionError(f"functions_module={name!r} is no name for a Python module")
        self.name = name
        self._functions = tuple(functions)
        self._sources = [_source(function) for function in self._functions]
        needs = [getattr(function, _MARK, _Requirements((), ())) for function in self._functions]
        self.packages = sorted({package for need in needs for package in need.packages})
        self._imports = sorted({module for need in needs for module in need.imports})

    @property
    def names(self) -> list[str]:
        """The functions' names."""
        return [function.__name__ for function in self._functions]

    def write_to(self, folder: WorkFolder) -> None:
        """Write the module down. Raises `InputError` where a file of that name is somebody else's."""
        path = folder.path / f"{self.name}.py"
        if path.exists() and not path.read_text(errors="replace").startswith(_WRITTEN):
            raise InputError(f"{str(path)!r} is there already, and is not one of ours: give functions_module= another name")
        imports = "\n".join(f"import {module}" for module in self._imports)
        folder.write(path.name, "\n\n".join([_WRITTEN, imports, *self._sources]) + "\n")

    def for_prompt(self) -> str:
        """What a model is told of them."""
        if not self._functions:
            return ""
        stubs = "\n\n".join(_stub(function) for function in self._functions)
        return f"Your code can import these functions from the module `{self.name}`:\n\n{stubs}"


def _source(function: Callable[..., Any]) -> str:
    """The function's definition without its decorators, whose names the module does not have."""
    try:
        text = textwrap.dedent(inspect.getsource(function))
        definition = ast.parse(text).body[0]
    except (OSError, TypeError, SyntaxError) as error:
        raise DefinitionError(
            f"functions= takes functions that are defined in a file, with `def`; {function!r:.100} has no source"
        ) from error
    if not isinstance(definition, ast.FunctionDef | ast.AsyncFunctionDef) or definition.name != function.__name__:
        raise DefinitionError(f"functions= takes functions that are defined with `def`, not {function!r:.100}")
    return "\n".join(text.splitlines()[definition.lineno - 1 :])


def _stub(function: Callable[..., Any]) -> str:
    said = inspect.getdoc(function)
    doc = "" if said is None else textwrap.indent(f'"""{said}"""\n', "    ")
    return f"def {function.__name__}{inspect.signature(function)}:\n{doc}    ..."
