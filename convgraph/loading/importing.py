"""Importing the user's own modules: from a file, or by name with the current directory in view."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
import traceback
from collections.abc import Callable
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from convgraph.errors import ConvgraphError, InputError

T = TypeVar("T")


class _AsItIs(SourceFileLoader):
    """Reads the source as it is now. A cached one is known by size and second alone, and a graph may be edited faster than that."""

    def path_stats(self, path: str) -> Any:
        raise OSError(f"{path}: not to be cached")


def module_in(file: Path, where: str) -> ModuleType:
    """The module that a Python file makes, run once however often it is asked for.

    It sees its neighbours, as it would under `python file.py`, and is known by the file's name, so that what is
    defined in it has an import path. Raises `InputError` with file and line where it cannot be run.
    """
    file = file.resolve()
    name = _free_name(file)
    known = sys.modules.get(name)
    if known is not None:
        return known
    see(file.parent)
    spec = importlib.util.spec_from_file_location(name, file, loader=_AsItIs(name, str(file)))
    if spec is None or spec.loader is None:
        raise InputError(f"{where}: {str(file)!r} cannot be run as a Python module")
    loader, module = spec.loader, importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # before it runs, as import does: its dataclasses and models look themselves up
    try:
        guarded(lambda: loader.exec_module(module), where, "cannot be imported")
    except BaseException:
        sys.modules.pop(name, None)
        raise
    return module


def module_named(name: str, where: str) -> ModuleType:
    """The module of that name, looked for in the current directory first. Raises `InputError` where it cannot be imported."""
    see(Path.cwd())
    return guarded(lambda: importlib.import_module(name), where, "cannot be imported")


def see(directory: Path) -> None:
    """Let modules in `directory` be imported."""
    if str(directory) not in sys.path:
        sys.path.insert(0, str(directory))


def guarded(work: Callable[[], T], where: str, what: str) -> T:
    """Run the user's code; what it raises becomes an `InputError` that says where. Errors of convgraph's own stay as they are."""
    try:
        return work()
    except ConvgraphError:
        raise
    except (Exception, SystemExit) as error:
        raise InputError(f"{where} {what}: {_told(error)}") from error


def _free_name(file: Path) -> str:
    """The file's own name, unless that is another module's: then one that tells the two apart."""
    known = sys.modules.get(file.stem)
    same = known is not None and getattr(known, "__file__", None) == str(file)
    if file.stem.isidentifier() and (same or (known is None and file.stem not in sys.stdlib_module_names)):
        return file.stem
    return f"{file.stem}_{hashlib.sha256(str(file).encode()).hexdigest()[:8]}"


def _told(error: BaseException) -> str:
    """The error in a line: its kind, its text, and the last place that was reached."""
    if isinstance(error, SyntaxError):
        return f"{type(error).__name__}: {error}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith("<frozen")]
    last = f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {error}{last}"
