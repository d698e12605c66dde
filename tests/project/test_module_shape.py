"""Modules stay small, and none imports another in a circle."""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in (ROOT / "convgraph").rglob("*.py")
}
LONGEST = 600


def test_the_source_was_found() -> None:
    """The tests below must not pass because they looked at nothing."""
    assert {"convgraph.errors", "convgraph.messages", "convgraph.graph.machine"} <= MODULES.keys()


@pytest.mark.parametrize("name", sorted(MODULES))
def test_a_module_has_one_idea_and_room_for_no_more(name: str) -> None:
    assert len(MODULES[name].read_text().splitlines()) <= LONGEST


def test_no_module_imports_another_in_a_circle() -> None:
    """Judged by what runs at import time: imports inside functions and under TYPE_CHECKING are left out."""
    imports = {name: _imported_at_import_time(name) for name in MODULES}
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        pytest.fail(f"modules import each other in a circle: {' -> '.join(reversed(error.args[1]))}")


def test_a_circle_would_be_seen() -> None:
    tree = ast.parse(
        "import convgraph.errors\nif TYPE_CHECKING:\n    import convgraph.messages\ndef f():\n    import convgraph.protocols\n"
    )
    assert set(_names(tree.body, "convgraph.x", is_package=False)) == {"convgraph.errors"}


def _imported_at_import_time(name: str) -> set[str]:
    path = MODULES[name]
    mentioned = _names(ast.parse(path.read_text()).body, name, is_package=path.name == "__init__.py")
    return {target for target in mentioned if target in MODULES} - {name}


def _names(body: list[ast.stmt], module: str, *, is_package: bool) -> list[str]:
    """Dotted names that the statements import when they run; `from a import b` gives `a.b` where that is a module, else `a`."""
    found: list[str] = []
    for statement in body:
        if isinstance(statement, ast.Import):
            found += [alias.name for alias in statement.names]
        elif isinstance(statement, ast.ImportFrom):
            package = module.split(".") if is_package else module.split(".")[:-1]
            base = package[: len(package) - statement.level + 1] if statement.level else []
            source = ".".join([*base, *([statement.module] if statement.module else [])])
            found += [f"{source}.{alias.name}" if f"{source}.{alias.name}" in MODULES else source for alias in statement.names]
        elif not isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)) and not _is_type_checking(statement):
            nested = [getattr(statement, part, []) for part in ("body", "orelse", "finalbody")]
            nested += [handler.body for handler in getattr(statement, "handlers", [])]
            for inner in nested:
                found += _names(inner, module, is_package=is_package) if isinstance(inner, list) else []
    return found


def _is_type_checking(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.If) and ast.unparse(statement.test).endswith("TYPE_CHECKING")
