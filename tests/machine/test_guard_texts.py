"""A guard's text that is accepted can be evaluated: what would fail in a run is refused when the guard is made."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convgraph.errors import GuardError
from convgraph.graph.expressions import FUNCTIONS, VARIABLES
from convgraph.graph.guards import CelGuard
from convgraph.graph.schema import StateSchema
from convgraph.graph.state import State
from convgraph.messages import History, Message

SCHEMA = StateSchema.of({"score": {"type": "number", "default": 8}, "tags": {"type": "array", "default": ["x"]}}, "test")
STATE = State("writer", History([Message("writer", "hello")]), True, 3, SCHEMA, SCHEMA.initial(), {"writer": 2})
WHEN = 'timestamp("2026-01-01T00:00:00Z")'
CALLS = {
    "size": "size(messages) == 1",
    "has": "has(last.content)",
    "all": 'messages.all(m, m.role == "assistant")',
    "exists": 'messages.exists(m, m.content == "hello")',
    "exists_one": 'messages.exists_one(m, m.content == "hello")',
    "map": 'messages.map(m, m.content) == ["hello"]',
    "filter": "messages.filter(m, true).size() == 1",
    "contains": 'last.content.contains("ell")',
    "startsWith": 'last.content.startsWith("h")',
    "endsWith": 'last.content.endsWith("o")',
    "matches": 'last.content.matches("^h.*o$")',
    "int": 'int("3") == turn',
    "uint": 'uint("3") == 3u',
    "double": 'double("8") == state.score',
    "string": 'string(turn) == "3"',
    "bytes": 'bytes("a") == b"a"',
    "type": "type(turn) == int",
    "dyn": "dyn(turn) == 3",
    "timestamp": f"{WHEN} == {WHEN}",
    "duration": 'duration("1h") > duration("1m")',
}


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_every_function_that_is_accepted_exists(name: str) -> None:
    text = CALLS.get(name) or f"{WHEN}.{name}() >= 0"
    assert CelGuard(text)(STATE) is True


@pytest.mark.parametrize("name", VARIABLES)
def test_a_loop_variable_may_not_hide_what_a_guard_reads(name: str) -> None:
    with pytest.raises(GuardError, match=f"loop variable '{name}' hides"):
        CelGuard(f'messages.exists({name}, {name}.content == "x")')


@pytest.mark.parametrize("text", ["min(turn, 2) == 2", "bool('true')", "lowerAscii(last.content) == 'x'", "nobody > 1", "last.text == 'x'"])
def test_what_does_not_exist_is_refused_when_the_guard_is_made(text: str) -> None:
    with pytest.raises(GuardError, match="column"):
        CelGuard(text)


numbers = st.integers(-(2**63), 2**63 - 1).map(str) | st.floats(allow_nan=False, allow_infinity=False).map(lambda value: f"{value:f}")
atoms = numbers | st.sampled_from(
    ["turn", "state.score", "state.tags", "last.content", "visits.writer", "visits.nobody", "messages", "'x'", "true", "null"]
)
texts = st.recursive(
    atoms,
    lambda inner: (
        st.builds("({} {} {})".format, inner, st.sampled_from("+ - * / % == != < >= && || in".split()), inner)
        | st.builds("{}({})".format, st.sampled_from(["size", "int", "string", "!", "-"]), inner)
        | st.builds("{}[{}]".format, inner, inner)
    ),
    max_leaves=6,
)


@given(texts)
def test_a_guard_is_true_or_false_or_says_what_is_wrong(text: str) -> None:
    """Overflow, division by zero, wrong types, missing keys: always a `GuardError` that shows the guard, never anything else."""
    try:
        value: object = CelGuard(text)(STATE)
    except GuardError as error:
        value = repr(text) in str(error)
        assert value is True, error  # noqa: PT017 - which of the two happens is up to the text
    assert isinstance(value, bool)
