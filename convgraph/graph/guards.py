"""Guards: pure predicates over the conversation that say whether a transition may be taken.

A guard is CEL text, which is data (it can be stored, drawn, compared and checked), or a Python callable,
which is opaque: it is drawn by its name, and its values are journaled because they cannot be recomputed
without it. CEL is evaluated by a Rust library with no way into Python; the text's length and the nesting of
its loops are bounded so that no guard can stall a conversation.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from convgraph.errors import GuardError

if TYPE_CHECKING:
    from convgraph.graph.state import State

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
        """The number of the turn just made, from 1; 0 where it is chosen who begins."""
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
        """The node that had the turn; START where it is chosen who begins."""
        return self._state.node

    @property
    def declined(self) -> bool:
        """Whether that node said nothing."""
        return self._state.declined


class CelGuard:
    """A guard written in CEL. Compiled and checked when made; hashable and comparable by its text."""

    __slots__ = ("_expression", "_readers", "_where", "reads", "state_keys", "text")
    opaque = False

    def __init__(self, text: str, where: str = "guard") -> None:
        from convgraph.graph.expressions import compiled  # many graphs have no such guard, and need not load what compiles them

        expression = compiled(text, where)
        self.text = text
        self.reads = expression.reads
        self.state_keys = expression.state_keys
        self._expression = expression
        self._where = where
        self._readers = tuple((name, _READERS[name]) for name in sorted(self.reads) if name != "state")

    def __call__(self, state: State) -> bool:
        """Whether the guard holds. Raises `GuardError` where it cannot be evaluated or is not a boolean."""
        values: dict[str, Any] = {name: read(state) for name, read in self._readers}
        if "state" in self.reads:
            values["state"] = state.dump_data(self.state_keys)
        try:
            value = self._expression.value(values)
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
        self.reads = frozenset((*_READERS, "state"))
        self._where = where
        _check_predicate(predicate, f"{where}: guard {self.text}")

    def __call__(self, state: State) -> bool:
        """Whether the guard holds. An exception in the callable becomes a `GuardError`."""
        try:
            return bool(self.predicate(GuardView(state)))
        except Exception as error:
            raise GuardError(f"{self._where}: guard {self.text} raised {type(error).__name__} at turn {state.turn}: {error}") from error

    def __repr__(self) -> str:
        return f"CallableGuard({self.text})"


def _check_predicate(predicate: PythonGuard, where: str) -> None:
    """Raise `GuardError` for what could only fail, or always hold, when it is called."""
    if inspect.iscoroutinefunction(predicate) or inspect.iscoroutinefunction(getattr(predicate, "__call__", None)):  # noqa: B004
        raise GuardError(f"{where} is async; a guard is a plain function of the conversation: compute what it needs in a node")
    try:
        inspect.signature(predicate).bind(None)
    except TypeError:
        raise GuardError(f"{where} must take exactly one argument, the view of the conversation: (view) -> bool") from None
    except ValueError:  # some built-ins have no signature; calling them will tell
        return


def as_guard(when: str | PythonGuard | Guard | None, where: str) -> Guard | None:
    """The guard for what a user wrote: CEL text, a callable, or nothing."""
    if when is None:
        return None
    if isinstance(when, str):
        return CelGuard(when, where)
    if isinstance(when, CelGuard | CallableGuard):
        return when
    if callable(when):
        return CallableGuard(when, where)  # type: ignore[arg-type]  # a user's callable, checked there
    raise GuardError(f"{where}: when= takes CEL text or a callable, not {when!r:.100}")


class CelExpression:
    """A CEL expression that gives a value, not a truth: what `ForEach` runs over. Same names, same bounds as a guard."""

    __slots__ = ("_expression", "_where", "reads", "state_keys", "text")

    def __init__(self, text: str, where: str) -> None:
        from convgraph.graph.expressions import compiled

        expression = compiled(text, where)
        self.text = text
        self.reads = expression.reads
        self.state_keys = expression.state_keys
        self._expression = expression
        self._where = where

    def __call__(self, state: State) -> Any:
        """The expression's value. Raises `GuardError` where it cannot be evaluated."""
        values: dict[str, Any] = {name: _READERS[name](state) for name in self.reads if name != "state"}
        if "state" in self.reads:
            values["state"] = state.dump_data(self.state_keys)
        try:
            return self._expression.value(values)
        except Exception as error:
            raise GuardError(f"{self._where}: {self.text!r} cannot be evaluated at turn {state.turn}: {error}") from error


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
