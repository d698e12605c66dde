# pyright: reportUnnecessaryIsInstance=false
# What callers really pass is checked, whether their code is typed or not.
"""What is checked of a run: each check looks at what happened, and says in words why it did or did not pass."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

from convgraph.errors import ConvgraphError, DefinitionError, GuardError, InputError
from convgraph.evaluation.cases import Case
from convgraph.evaluation.transitions import place_of_edge
from convgraph.graph.definition import Definition
from convgraph.graph.guards import CelGuard
from convgraph.graph.state import State
from convgraph.json_schema import check_schema, faults
from convgraph.runtime.result import RunResult

STATUSES = ("finished", "stuck", "waiting", "limited", "failed")
SHOWN = 120
"""How many characters of what was said a reason shows."""


@dataclass(frozen=True, slots=True)
class Observed:
    """A run as checks see it: its result, the state that it ended in, and the transitions that it took, each by its place."""

    result: RunResult
    state: State
    path: tuple[str, ...]
    edges: frozenset[tuple[tuple[str, ...], int]]

    @property
    def text(self) -> str:
        """What was said last."""
        last = self.result.last
        return "" if last is None else last.text


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check says: a score from 0 to 1, whether that is enough, and why, in words."""

    check: str
    score: float
    passed: bool
    reason: str


Check: TypeAlias = Callable[[Observed], Verdict]


def checks_of(case: Case, definition: Definition, allow: Collection[str] = ()) -> list[Check]:
    """The checks that a case's `expect` asks for. A run has to finish unless it says another `status`.

    What `judge` asks for is left out: that takes a model. Raises `InputError` naming the case for what cannot be checked.
    """
    expected = {"status": "finished", **case.expect}
    made: list[Check] = []
    for key, value in expected.items():
        if key == "judge":
            continue
        if key not in _CHECKS:
            raise InputError(f"{case.place}: expect has {key!r}, which is not known; known are {', '.join([*_CHECKS, 'judge'])}")
        where = f"{case.place}: expect.{key}"
        try:
            made += _CHECKS[key](value, where, definition, frozenset([allow] if isinstance(allow, str) else allow))
        except (GuardError, DefinitionError) as error:
            raise InputError(str(error)) from error
    return made


def _text_check(name: str, fits: Callable[[str, str], bool], good: str, bad: str) -> Callable[..., list[Check]]:
    def make(value: Any, where: str, *_: Any) -> list[Check]:
        return [_said(name, wanted, fits, good, bad) for wanted in _texts(value, where)]

    return make


def _said(name: str, wanted: str, fits: Callable[[str, str], bool], good: str, bad: str) -> Check:
    def check(seen: Observed) -> Verdict:
        passed = fits(seen.text, wanted)
        return _verdict(
            name, passed, f"the last message {good if passed else bad} {wanted!r}" + ("" if passed else f": {_shown(seen.text)}")
        )

    return check


def _matches(value: Any, where: str, *_: Any) -> list[Check]:
    patterns = _texts(value, where)
    for pattern in patterns:
        try:
            re.compile(pattern)
        except re.error as error:
            raise InputError(f"{where}: {pattern!r} is not a regular expression: {error}") from error
    return [_said("matches", pattern, _finds, "matches", "does not match") for pattern in patterns]


def _finds(text: str, pattern: str) -> bool:
    return re.search(pattern, text) is not None


def _status(value: Any, where: str, *_: Any) -> list[Check]:
    if value not in STATUSES:
        raise InputError(f"{where}: {value!r:.80} is none of {', '.join(STATUSES)}")

    def check(seen: Observed) -> Verdict:
        status = seen.result.status
        passed = status == value
        return _verdict("status", passed, f"{status}: {seen.result.stop_reason}" + ("" if passed else f" (expected {value})"))

    return [check]


def _stop_reason(value: Any, where: str, *_: Any) -> list[Check]:
    def check(wanted: str) -> Check:
        return lambda seen: _verdict(
            "stop_reason",
            wanted in seen.result.stop_reason,
            f"it stopped because {seen.result.stop_reason!r}" + ("" if wanted in seen.result.stop_reason else f", not {wanted!r}"),
        )

    return [check(wanted) for wanted in _texts(value, where)]


def _path(value: Any, where: str, definition: Definition, _: Any) -> list[Check]:
    wanted = _texts(value, where)
    for node in wanted:
        if node not in definition.nodes:
            raise InputError(f"{where}: graph {definition.name!r} has no node {node!r}; it has {', '.join(definition.nodes)}")

    def check(seen: Observed) -> Verdict:
        passed = list(seen.path) == wanted
        return _verdict("path", passed, _way(seen.path) if passed else f"{_way(seen.path)} (expected {_way(wanted)})")

    return [check]


def _edges(name: str, taken: bool) -> Callable[..., list[Check]]:
    def make(value: Any, where: str, definition: Definition, _: Any) -> list[Check]:
        return [one(text, place_of_edge(definition, text, where)) for text in _texts(value, where)]

    def one(text: str, places: frozenset[tuple[tuple[str, ...], int]]) -> Check:
        def check(seen: Observed) -> Verdict:
            was_taken = bool(places & seen.edges)
            return _verdict(name, was_taken == taken, f"{text} was {'taken' if was_taken else 'not taken'}")

        return check

    return make


def _state(value: Any, where: str, definition: Definition, _: Any) -> list[Check]:
    if not isinstance(value, Mapping):
        raise InputError(f"{where}: it is a mapping of the state's fields to their values, not {value!r:.80}")
    if definition.state is None:
        raise InputError(f"{where}: graph {definition.name!r} has no state")
    known = definition.state.fields
    for field in cast("Mapping[str, Any]", value):
        if field not in known:
            raise InputError(f"{where}: the state has no field {field!r}; it has {', '.join(known)}")

    def one(field: str, wanted: Any) -> Check:
        def check(seen: Observed) -> Verdict:
            found = seen.state.dump_data().get(field)
            passed = found == wanted
            return _verdict("state", passed, f"{field} is {_shown(found)}" + ("" if passed else f", not {_shown(wanted)}"))

        return check

    return [one(field, wanted) for field, wanted in cast("Mapping[str, Any]", value).items()]


def _holds(value: Any, where: str, *_: Any) -> list[Check]:
    def one(guard: CelGuard) -> Check:
        def check(seen: Observed) -> Verdict:
            try:
                passed = guard(seen.state)
            except GuardError as error:
                return _verdict("holds", False, str(error))
            return _verdict("holds", passed, f"{guard.text} is {str(passed).lower()}")

        return check

    return [one(CelGuard(text, where)) for text in _texts(value, where)]


def _schema(value: Any, where: str, *_: Any) -> list[Check]:
    if not isinstance(value, Mapping):
        raise InputError(f"{where}: it is a JSON schema, not {value!r:.80}")
    schema = cast("Mapping[str, Any]", value)
    try:
        check_schema(schema)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error

    def check(seen: Observed) -> Verdict:
        last = seen.result.last
        if last is None or last.data is None:
            return _verdict("schema", False, "the last message has no data")
        found = faults(last.data, schema)
        return _verdict("schema", not found, "; ".join(f"data{fault.path}: {fault.what}" for fault in found) or "the data fits the schema")

    return [check]


def _call(value: Any, where: str, _: Definition, allowed: frozenset[str]) -> list[Check]:
    from convgraph.loading.allowed import callable_at

    given: Sequence[Any] = cast("Sequence[Any]", value) if isinstance(value, list | tuple) else [value]
    functions = [one if callable(one) else callable_at(str(one), allowed, where) for one in given]
    for function in functions:
        if inspect.iscoroutinefunction(function):
            raise InputError(f"{where}: {function.__name__} is async; a check is a plain function of the result")
    return [_judged_by(function) for function in functions]


def _judged_by(function: Callable[..., Any]) -> Check:
    name = getattr(function, "__name__", type(function).__name__)

    def check(seen: Observed) -> Verdict:
        try:
            answer = function(seen.result)
        except Exception as error:  # noqa: BLE001  # the user's code: whatever it raises is what the check says
            return _verdict(f"call {name}", False, f"{name} raised {type(error).__name__}: {error}")
        reason = ""
        if isinstance(answer, tuple) and len(cast("tuple[Any, ...]", answer)) == 2:
            answer, reason = cast("tuple[Any, Any]", answer)
        if isinstance(answer, bool) or answer is None:
            return _verdict(f"call {name}", bool(answer), str(reason) or f"{name} gave {answer}")
        if isinstance(answer, int | float) and math.isfinite(answer) and 0 <= answer <= 1:
            return Verdict(f"call {name}", float(answer), answer >= 0.5, str(reason) or f"{name} gave {answer:g}")
        return _verdict(
            f"call {name}", False, f"{name} gave {answer!r:.80}; a check gives a truth, a score from 0 to 1, or (score, reason)"
        )

    return check


_CHECKS: Mapping[str, Callable[..., list[Check]]] = {
    "status": _status,
    "stop_reason": _stop_reason,
    "contains": _text_check("contains", lambda text, wanted: wanted in text, "contains", "does not contain"),
    "lacks": _text_check("lacks", lambda text, wanted: wanted not in text, "lacks", "contains"),
    "equals": _text_check("equals", lambda text, wanted: text == wanted, "is", "is not"),
    "matches": _matches,
    "path": _path,
    "edges": _edges("edges", taken=True),
    "not_edges": _edges("not_edges", taken=False),
    "state": _state,
    "holds": _holds,
    "schema": _schema,
    "call": _call,
}


def look(check: Check, seen: Observed) -> Verdict:
    """What a check says of a run. One that cannot be made has not passed, and says why."""
    try:
        return check(seen)
    except ConvgraphError as error:
        return Verdict("check", 0.0, False, str(error))


def _verdict(check: str, passed: bool, reason: str) -> Verdict:
    return Verdict(check, float(passed), passed, reason)


def _texts(value: Any, where: str) -> list[str]:
    listed: Any = [value] if isinstance(value, str) else list(cast("Sequence[Any]", value)) if isinstance(value, list | tuple) else None
    if listed is None or not all(isinstance(text, str) for text in listed):
        raise InputError(f"{where}: it is a text or a list of texts, not {value!r:.80}")
    return listed


def _way(nodes: Sequence[str]) -> str:
    shown = [*nodes[:8], f"… ({len(nodes)} turns)", *nodes[-2:]] if len(nodes) > 12 else list(nodes)
    return " -> ".join(shown) or "nobody had the turn"


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"
