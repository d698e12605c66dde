"""Guards: pure predicates over the conversation that say whether a transition may be taken.

A guard is CEL text, which is data (it can be stored, drawn, compared and checked), or a Python callable,
which is opaque: it is drawn by its name, and its values are journaled because they cannot be recomputed
without it. CEL is evaluated by a Rust library with no way into Python; the text's length and the nesting of
its loops are bounded so that no guard can stall a conversation.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from convgraph.errors import GuardError

if TYPE_CHECKING:
    from convgraph.graph.machine import State

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
_LITERAL = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'')
_MACRO = re.compile(r"\.\s*(?:all|exists|exists_one|map|filter)\s*\(\s*([A-Za-z_]\w*)\s*,")
_STATE_KEY = re.compile(r"\bstate\s*\.\s*([A-Za-z_]\w*)|\bstate\s*\[\s*[\"']([^\"']+)[\"']\s*\]")
_FIELDS: Mapping[str, frozenset[str]] = {
    "last": frozenset({"sender", "content", "role", "name", "data", "tool_calls"}),
    "usage": frozenset({"calls", "tokens", "input_tokens", "output_tokens", "usd"}),
    "error": frozenset({"type", "message", "node"}),
}
_FIELD = re.compile(r"(?<![\w.])(last|usage|error)\s*\.\s*([A-Za-z_]\w*)(?!\w|\s*\()")
_NO_ERROR: Mapping[str, str] = {"type": "", "message": "", "node": ""}

PythonGuard: TypeAlias = Callable[["GuardView"], bool]


class Guard(Protocol):
    """A predicate with a source text. `opaque` guards are Python; the others can be recomputed from their text."""

    @property
    def text(self) -> str: ...
    @property
    def opaque(self) -> bool: ...
    @property
    def reads(self) -> frozenset[str]: ...

    def __call__(self, state: State) -> bool: ...


class GuardView:
    """What a Python guard (or a callable selector) is given: the names that a CEL guard sees, as Python values. Read only."""

    __slots__ = ("_state",)

    def __init__(self, state: State) -> None:
        self._state = state

    @property
    def last(self) -> Any:
        """The last message, or None before anything was said."""
        history = self._state.history
        return history[-1] if len(history) else None

    @property
    def messages(self) -> Any:
        """All messages so far."""
        return self._state.history

    @property
    def state(self) -> Any:
        """The conversation's state, as an instance of its pydantic model."""
        return self._state.data

    @property
    def turn(self) -> int:
        """The number of the turn just made, from 1."""
        return self._state.turn

    @property
    def visits(self) -> Mapping[str, int]:
        """How often each node has had the turn."""
        return self._state.visits

    @property
    def usage(self) -> Any:
        """Model calls, tokens and US dollars so far."""
        return self._state.usage

    @property
    def error(self) -> Any:
        """The error of the turn just made, or None."""
        return self._state.error

    @property
    def sender(self) -> str:
        """The node that had the turn."""
        return self._state.node

    @property
    def declined(self) -> bool:
        """Whether that node said nothing."""
        return self._state.declined


class CelGuard:
    """A guard written in CEL. Compiled and checked when made; hashable and comparable by its text."""

    __slots__ = ("_program", "_readers", "_where", "reads", "state_keys", "text")
    opaque = False

    def __init__(self, text: str, where: str = "guard") -> None:
        program, reads = _compile(text, where)
        self.text = text
        self.reads = reads
        self.state_keys = _state_keys(text) if "state" in reads else frozenset[str]()
        self._program = program
        self._where = where
        self._readers = tuple((name, _READERS[name]) for name in sorted(reads) if name != "state")

    def __call__(self, state: State) -> bool:
        """Whether the guard holds. Raises `GuardError` where it cannot be evaluated or is not a boolean."""
        values: dict[str, Any] = {name: read(state) for name, read in self._readers}
        if "state" in self.reads:
            values["state"] = state.dump_data(self.state_keys)
        try:
            value = self._program.execute(values)
        except Exception as error:  # the library raises whatever fits the fault: KeyError, TypeError, RuntimeError …
            raise GuardError(f"{self._where}: guard {self.text!r} cannot be evaluated at turn {state.turn}: {error}") from error
        if value is True or value is False:
            return value
        raise GuardError(f"{self._where}: guard {self.text!r} gave {value!r}, not true or false")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CelGuard) and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __repr__(self) -> str:
        return f"CelGuard({self.text!r})"


class CallableGuard:
    """A guard written in Python: `predicate(view) -> bool`, where `view` is a `GuardView`."""

    __slots__ = ("_where", "predicate", "reads", "text")
    opaque = True

    def __init__(self, predicate: PythonGuard, where: str = "guard") -> None:
        self.predicate = predicate
        self.text = f"{getattr(predicate, '__qualname__', type(predicate).__name__).replace('<locals>.', '')}()"
        self.reads = frozenset(VARIABLES)
        self._where = where

    def __call__(self, state: State) -> bool:
        """Whether the guard holds. An exception in the callable becomes a `GuardError`."""
        try:
            return bool(self.predicate(GuardView(state)))
        except Exception as error:
            raise GuardError(f"{self._where}: guard {self.text} raised {type(error).__name__} at turn {state.turn}: {error}") from error

    def __repr__(self) -> str:
        return f"CallableGuard({self.text})"


def as_guard(when: str | PythonGuard | Guard | None, where: str) -> Guard | None:
    """The guard for what a user wrote: CEL text, a callable, or nothing."""
    if when is None:
        return None
    if isinstance(when, str):
        return CelGuard(when, where)
    if isinstance(when, CelGuard | CallableGuard):
        return when
    if callable(when):
        return CallableGuard(when, where)  # type: ignore[arg-type]  # a user's callable; its arity is checked by calling it
    raise GuardError(f"{where}: when= takes CEL text or a callable, not {when!r:.100}")


class CelExpression:
    """A CEL expression that gives a value, not a truth: what `ForEach` runs over. Same names, same bounds as a guard."""

    __slots__ = ("_program", "_where", "reads", "state_keys", "text")

    def __init__(self, text: str, where: str) -> None:
        self._program, self.reads = _compile(text, where)
        self.state_keys = _state_keys(text) if "state" in self.reads else frozenset[str]()
        self.text = text
        self._where = where

    def __call__(self, state: State) -> Any:
        """The expression's value. Raises `GuardError` where it cannot be evaluated."""
        values: dict[str, Any] = {name: _READERS[name](state) for name in self.reads if name != "state"}
        if "state" in self.reads:
            values["state"] = state.dump_data(self.state_keys)
        try:
            return self._program.execute(values)
        except Exception as error:
            raise GuardError(f"{self._where}: {self.text!r} cannot be evaluated at turn {state.turn}: {error}") from error


def _compile(text: str, where: str) -> tuple[Any, frozenset[str]]:
    if len(text) > MAX_LENGTH:
        raise GuardError(f"{where}: the guard has {len(text)} characters; at most {MAX_LENGTH} are allowed")
    code = _LITERAL.sub(lambda literal: '"' + " " * (len(literal.group()) - 2) + '"', text)
    _check_depth(code, text, where)
    import cel

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
    return program, reads


def _check_depth(code: str, text: str, where: str) -> None:
    """Bound brackets and nested loops: a loop in a loop costs the product of their lengths."""
    loops = [match.end() - 1 for match in re.finditer(r"\.\s*(?:all|exists|exists_one|map|filter)\s*\(", code)]
    depth, loop_depth, stack = 0, 0, list[bool]()
    for column, char in enumerate(code):
        if char in "([{":
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


def _message_value(message: Any) -> dict[str, Any]:
    return {
        "sender": message.sender,
        "content": message.text,
        "role": message.role,
        "name": message.name or "",
        "data": message.data,
        "tool_calls": [{"id": call.id, "name": call.name, "arguments": call.arguments} for call in message.tool_calls],
    }


def _last(state: State) -> dict[str, Any]:
    history = state.history
    if not len(history):
        return {"sender": "", "content": "", "role": "", "name": "", "data": None, "tool_calls": []}
    return _message_value(history[-1])


def _usage(state: State) -> dict[str, Any]:
    usage = state.usage
    return {
        "calls": usage.calls,
        "tokens": usage.tokens,
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "usd": usage.usd,
    }


_READERS: Mapping[str, Callable[[Any], Any]] = {
    "last": _last,
    "messages": lambda state: [_message_value(message) for message in state.history],
    "turn": lambda state: state.turn,
    "visits": lambda state: state.visits,
    "usage": _usage,
    "error": lambda state: _NO_ERROR if state.error is None else state.error._asdict(),
    "sender": lambda state: state.node,
    "declined": lambda state: state.declined,
}
