"""CEL: the language of guards. Compiled by a Rust library with no way into Python, and bounded so that no text can stall a run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from convgraph.errors import GuardError, MissingDependency
from convgraph.graph.loops import Loop, evaluated, taken_out

MAX_LENGTH = 2_000
MAX_LOOPS = 2
MAX_DEPTH = 40

VARIABLES = ("last", "messages", "state", "turn", "visits", "usage", "error", "sender", "declined")
FUNCTIONS = frozenset(
    "size contains startsWith endsWith matches has all exists exists_one map filter int uint double string bytes "
    "type dyn timestamp duration getFullYear getMonth getDate getDayOfMonth getDayOfWeek getDayOfYear getHours getMinutes getSeconds "
    "getMilliseconds".split()
)
TYPES = frozenset("int uint double string bytes bool list map null_type".split())
_OPERATOR = re.compile(r"@\w+|[!-]_|_[^\w]+_|_\[_\]|_\?_:_")
_LITERAL = re.compile(
    r"""//[^\n]*"""
    r"""|(?<!\w)(?:[bB]?[rR])(?P<raw>\"{3}|'{3}|"|').*?(?P=raw)"""
    r"""|(?P<quote>\"{3}|'{3}|"|')(?:\\.|(?!(?P=quote)).)*(?P=quote)""",
    re.DOTALL,
)
_MACRO = re.compile(r"\.\s*(?:all|exists|exists_one|map|filter)\s*\(\s*([A-Za-z_]\w*)\s*,")
_STATE_KEY = re.compile(r"\bstate\s*\.\s*([A-Za-z_]\w*)|\bstate\s*\[\s*[\"']([^\"']+)[\"']\s*\]")
_FIELDS: Mapping[str, frozenset[str]] = {
    "last": frozenset({"sender", "content", "role", "name", "data", "tool_calls"}),
    "usage": frozenset({"calls", "tokens", "input_tokens", "output_tokens", "usd"}),
    "error": frozenset({"type", "message", "node"}),
}
_FIELD = re.compile(r"(?<![\w.])(last|usage|error)\s*\.\s*([A-Za-z_]\w*)(?!\w|\s*\()")


@dataclass(frozen=True, slots=True)
class Expression:
    """Compiled text: the names that it reads, and the state's fields (None: the state as a whole)."""

    text: str
    program: Any
    reads: frozenset[str]
    state_keys: frozenset[str] | None
    loops: tuple[Loop, ...] = ()

    def value(self, values: Mapping[str, Any]) -> Any:
        """The text's value where its names have these `values`. Raises whatever fits the fault, as the library does."""
        return evaluated(_library(), self.program, self.loops, values) if self.loops else self.program.execute(values)


def compiled(text: str, where: str) -> Expression:
    """Compile and check CEL text. Raises `GuardError` with the column of what is wrong."""
    if len(text) > MAX_LENGTH:
        raise GuardError(f"{where}: the guard has {len(text)} characters; at most {MAX_LENGTH} are allowed")
    code = _LITERAL.sub(_blank, text)
    _check_depth(code, text, where)
    cel = _library()
    try:
        program = cel.compile(text)
    except ValueError as error:
        raise GuardError(f"{where}: guard {text!r}, {_syntax_error(str(error))}") from error
    bound = frozenset(_MACRO.findall(code))
    for hidden in sorted(bound.intersection(VARIABLES)):
        raise GuardError(f"{where}: guard {text!r}: the loop variable {hidden!r} hides what a guard reads; give it another name")
    for name in program.functions():
        if _OPERATOR.fullmatch(name) is None and name not in FUNCTIONS:
            raise GuardError(_unknown("function", name, code, text, where, sorted(FUNCTIONS)))
    reads = frozenset(program.variables()) - bound - TYPES
    for name in sorted(reads):
        if name not in VARIABLES:
            raise GuardError(_unknown("name", name, code, text, where, list(VARIABLES)))
    for found in _FIELD.finditer(code):
        owner, name = found.groups()
        if owner not in bound and name not in _FIELDS[owner]:
            raise GuardError(
                f"{where}: guard {text!r}, column {found.start(2) + 1}: {owner!r} has no field {name!r}; "
                f"it has {', '.join(sorted(_FIELDS[owner]))}"
            )
    if dunder := re.search(r"(?<!\w)__\w+", code):
        raise GuardError(f"{where}: guard {text!r}, column {dunder.start() + 1}: names that begin with '__' are refused")
    state_keys = _state_keys(text) if "state" in reads else frozenset[str]()
    return _in_slices(cel, code, Expression(text, program, reads, state_keys), where)


def _in_slices(cel: Any, code: str, expression: Expression, where: str) -> Expression:
    """The expression with its loops that make lists taken out of its program."""
    try:
        rest, loops = taken_out(cel, expression.text, code, where)
        return replace(expression, program=cel.compile(rest), loops=loops) if loops else expression
    except GuardError:
        raise
    except ValueError as error:
        what = "its loops (map, filter) cannot be told apart; put brackets around what they run over"
        raise GuardError(f"{where}: guard {expression.text!r}: {what}") from error


def _blank(literal: re.Match[str]) -> str:
    """As many characters without a meaning: neither a text nor a comment is code, whatever brackets and names it holds."""
    size = len(literal.group())
    return " " * size if literal.group().startswith("//") else '"' + " " * (size - 2) + '"'


def _check_depth(code: str, text: str, where: str) -> None:
    """Bound brackets and nested loops: a loop in a loop costs the product of their lengths, and one that makes a list its square."""
    loops = {match.end() - 1: match.group(1) for match in re.finditer(r"\.\s*(all|exists|exists_one|map|filter)\s*\(", code)}
    depth, loop_depth, stack = 0, 0, list[bool]()
    for column, char in enumerate(code):
        if char in "([{":
            if loop_depth and loops.get(column) in ("map", "filter"):
                raise GuardError(f"{where}: guard {text!r:.200}, column {column + 1}: {loops[column]} inside a loop may take for ever")
            stack.append(column in loops)
            depth, loop_depth = depth + 1, loop_depth + (column in loops)
        elif char in ")]}" and stack:
            depth, loop_depth = depth - 1, loop_depth - stack.pop()
        if depth > MAX_DEPTH:
            raise GuardError(f"{where}: guard {text!r:.200}, column {column + 1}: brackets nest deeper than {MAX_DEPTH}")
        if loop_depth > MAX_LOOPS:
            raise GuardError(f"{where}: guard {text!r:.200}, column {column + 1}: loops (map, exists …) nest deeper than {MAX_LOOPS}")


def _syntax_error(message: str) -> str:
    found = re.search(r"<input>:(\d+):(\d+): (?:Syntax error: )?(.*)", message)
    return f"column {found.group(2)}: {found.group(3)}" if found else message


def _unknown(kind: str, name: str, code: str, text: str, where: str, known: list[str]) -> str:
    found = re.search(rf"(?<![\w]){re.escape(name)}(?!\w)", code)
    column = found.start() + 1 if found else 1
    return f"{where}: guard {text!r}, column {column}: unknown {kind} {name!r}; a guard may use {', '.join(known)}"


def _state_keys(text: str) -> frozenset[str] | None:
    """The state's fields that the text reads, or None when it handles the state as a whole."""
    code = re.sub(r'(?<!\[)"(?:[^"\\]|\\.)*"', '""', text)
    uses = len(re.findall(r"(?<![\w.])state\b", code))
    keys = [first or second for first, second in _STATE_KEY.findall(code)]
    return frozenset(keys) if len(keys) == uses else None


@cache
def _library() -> Any:
    """The evaluator itself. Its package also imports a command line of its own, which takes ten times as long and is not needed."""
    from importlib.machinery import PathFinder
    from importlib.util import module_from_spec

    package = PathFinder.find_spec("cel")
    spec = PathFinder.find_spec("cel.cel", package.submodule_search_locations) if package is not None else None
    if spec is None or spec.loader is None:
        raise MissingDependency("guards in CEL need the package common-expression-language: pip install common-expression-language")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
