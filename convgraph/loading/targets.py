"""From a target, such as `file.py:name`, to the graph that it names."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from types import ModuleType
from typing import Any

from convgraph.conversation import ConversationGraph
from convgraph.errors import InputError
from convgraph.loading.documents import DOCUMENTS, from_yaml
from convgraph.loading.importing import guarded, module_in, module_named, see

_PYTHON_FILE = re.compile(r"(?P<place>.+\.py)(?::(?P<name>[^:]*))?")
_MODULE = re.compile(r"(?P<place>[^\W\d]\w*(?:\.[^\W\d]\w*)*)(?::(?P<name>[^:]*))?")
_FORMS = "a graph is named as file.py:name, package.module:name or graph.yaml (.yml, .json)"


def load_target(target: str, *, allow: Collection[str] = ()) -> ConversationGraph:
    """The graph that `target` names: `file.py:name`, `package.module:name` (the current directory is in view), or a document.

    Without `:name`, the only graph there. What is named may be a graph, or a callable without arguments that returns
    one. `allow` are the modules from which a document may import. Raises `InputError` that says what was found instead.
    """
    if target.lower().endswith(DOCUMENTS):
        return _from_file(target, allow)
    found = _PYTHON_FILE.fullmatch(target)
    if found is not None:
        file = Path(found["place"])
        if not file.is_file():
            raise InputError(f"{target!r}: there is no file {str(file)!r} (in {Path.cwd()})")
        module = module_in(file, repr(target))
    else:
        found = _MODULE.fullmatch(target)
        if found is None:
            raise InputError(f"{target!r}: {_FORMS}")
        if found["name"] is None and Path(target).exists():
            raise InputError(f"{target!r} is neither a Python file nor a document: {_FORMS}")
        module = module_named(found["place"], repr(target))
    return _graph_in(module, found["name"], target)


def absolute(target: str) -> str:
    """The target as it can be found from any directory: with a file's whole path. A module's name stays as it is."""
    if target.lower().endswith(DOCUMENTS):
        return str(Path(target).resolve())
    found = _PYTHON_FILE.fullmatch(target)
    if found is None:
        return target
    path = str(Path(found["place"]).resolve())
    return path if found["name"] is None else f"{path}:{found['name']}"


def _from_file(target: str, allow: Collection[str]) -> ConversationGraph:
    path = Path(target)
    if not path.is_file():
        raise InputError(f"{target!r}: there is no file {str(path)!r} (in {Path.cwd()})")
    see(path.resolve().parent)
    see(Path.cwd())
    return from_yaml(path, allow=allow)


def _graph_in(module: ModuleType, name: str | None, target: str) -> ConversationGraph:
    graphs = {key: value for key, value in vars(module).items() if isinstance(value, ConversationGraph)}
    names = ", ".join(graphs) or "none"
    if not name:
        different = list({id(graph): graph for graph in graphs.values()}.values())
        if len(different) == 1:
            return different[0]
        raise InputError(f"{target!r} is to say which graph, as in {target.rstrip(':')}:name; the graphs there: {names}")
    found: Any = module
    for part in name.split("."):
        if not hasattr(found, part):
            raise InputError(f"{target!r}: there is no {part!r} in {getattr(found, '__name__', part)!r}; the graphs there: {names}")
        found = getattr(found, part)
    if isinstance(found, ConversationGraph):
        return found
    if not callable(found):
        raise InputError(f"{target!r} is a {type(found).__name__}, not a ConversationGraph; the graphs there: {names}")
    made = guarded(found, repr(target), "was called, and failed")
    if isinstance(made, ConversationGraph):
        return made
    raise InputError(f"{target!r} was called and returned a {type(made).__name__}, not a ConversationGraph")
