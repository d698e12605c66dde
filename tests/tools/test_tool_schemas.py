"""What a model is told of a function, and what is refused before any model hears of it."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, Literal, Optional

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from convgraph.errors import DefinitionError, InputError
from convgraph.messages import ToolCall
from convgraph.tools import Injected, Tool, ToolSet, tool
from convgraph.tools.calls import with_distinct_ids

if TYPE_CHECKING:
    from convgraph import Context


class Currency(Enum):
    EUR = "EUR"
    USD = "USD"


class Money(BaseModel):
    """An amount."""

    amount: float = Field(description="How much.")
    currency: Currency = Currency.EUR


@dataclass
class Place:
    city: str
    zip: int | None = None


def parameters(made: Tool) -> Any:
    return made.schema()["function"]["parameters"]


def test_a_schema_has_openai_s_form() -> None:
    @tool
    def add(a: Annotated[int, "the first"], b: int = 2) -> int:
        """Add two numbers."""
        return a + b

    assert add.schema() == {
        "type": "function",
        "function": {
            "name": "add",
            "description": "Add two numbers.",
            "parameters": {
                "type": "object",
                "properties": {"a": {"type": "integer", "description": "the first"}, "b": {"type": "integer", "default": 2}},
                "required": ["a"],
                "additionalProperties": False,
            },
        },
    }
    assert add(2, b=3) == 5


def test_models_dataclasses_choices_and_optional_values_are_told() -> None:
    def pay(
        money: Annotated[Money, "what to pay"],
        to: Place,
        how: Literal["card", "cash"] = "card",
        note: Optional[str] = None,  # noqa: UP045
        tags: list[str] | None = None,
    ) -> str:
        """Pay."""
        return ""

    schema = parameters(tool(pay))
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["required"] == ["money", "to"]
    assert schema["properties"]["money"]["description"] == "what to pay"
    assert schema["properties"]["how"] == {"enum": ["card", "cash"], "type": "string", "default": "card"}
    assert schema["properties"]["note"]["default"] is None
    assert set(schema["$defs"]) == {"Money", "Currency", "Place"}
    jsonschema.validate({"money": {"amount": 3}, "to": {"city": "Bonn"}}, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"money": {"amount": 3, "currency": "DM"}, "to": {"city": "Bonn"}}, schema)


def google(a: int, b: str = "x") -> None:
    """Do it
    in two lines.

    Some more.

    Args:
        a: The first,
            over two lines.
        b (str, optional): The second: with a colon.

    Returns:
        b: Not a parameter's text.
    """


def numpy(a: int, b: str = "x") -> None:
    """Do it
    in two lines.

    Some more.

    Parameters
    ----------
    a : int
        The first,
        over two lines.
    b : str, optional
        The second: with a colon.

    Returns
    -------
    b
        Not a parameter's text.
    """


def sphinx(a: int, b: str = "x") -> None:
    """Do it
    in two lines.

    Some more.

    :param a: The first,
        over two lines.
    :param str b: The second: with a colon.
    :returns: b: Not a parameter's text.
    """


@pytest.mark.parametrize("fn", [google, numpy, sphinx])
def test_docstrings_of_every_style_describe_the_function_and_its_parameters(fn: Callable[..., None]) -> None:
    made = tool(fn)
    assert made.description == "Do it\nin two lines.\n\nSome more."
    texts = {name: described["description"] for name, described in parameters(made)["properties"].items()}
    assert texts == {"a": "The first, over two lines.", "b": "The second: with a colon."}


def test_the_model_never_sees_what_the_turn_gives() -> None:
    def look(q: str, ctx: Context, deps, idempotency_key: str, db: Annotated[dict[str, str], Injected()]) -> str:
        """Look it up."""
        return ""

    assert list(parameters(tool(look))["properties"]) == ["q"]


class Adder:
    """Adds to what it has."""

    def __init__(self, start: int) -> None:
        self.start = start

    def add(self, number: int) -> int:
        """Add a number."""
        return self.start + number

    def __call__(self, number: int) -> int:
        return self.start + number


def test_methods_partials_and_callable_objects_are_tools() -> None:
    adder = Adder(3)
    partial = functools.partial(google, b="y")
    assert parameters(tool(adder.add))["required"] == ["number"]
    assert tool(adder, name="adder").description == "Adds to what it has."
    assert (tool(partial).name, tool(partial).description.splitlines()[0]) == ("google", "Do it")


def test_what_a_partial_has_set_is_not_the_model_s_to_set() -> None:
    made = tool(functools.partial(google, b="y"))
    assert list(parameters(made)["properties"]) == ["a"]
    with pytest.raises(InputError, match="no such parameter"):
        made.parameters.check({"a": 1, "b": "z"})


def undescribed(a: int) -> int:
    return a


def unannotated(a) -> int:
    """Do."""
    return a


def any_number(*numbers: int) -> int:
    """Do."""
    return 0


def by_place(a: int, /) -> int:
    """Do."""
    return a


def unknown_type(a: Nowhere) -> int:  # type: ignore[name-defined]  # noqa: F821
    """Do."""
    return 0


def unchecked_type(a: Adder) -> int:
    """Do."""
    return 0


def undescribable_type(a: Callable[[], int]) -> int:
    """Do."""
    return 0


def field_as_default(a: int = Field(3, description="text")) -> int:
    """Do."""
    return a


@pytest.mark.parametrize(
    ("fn", "why"),
    [
        (undescribed, "no description"),
        (unannotated, "'a' has no annotation"),
        (any_number, "cannot be given by name"),
        (by_place, "cannot be given by name"),
        (unknown_type, "Nowhere"),
        (unchecked_type, "'a' has a type that cannot be checked"),
        (undescribable_type, "no JSON schema"),
        (field_as_default, "write Annotated"),
    ],
)
def test_what_cannot_be_told_to_a_model_is_an_error_with_file_and_line(fn: Callable[..., Any], why: str) -> None:
    with pytest.raises(DefinitionError, match=rf"{fn.__name__}.*test_tool_schemas.py:{fn.__code__.co_firstlineno}\).*{why}"):
        tool(fn)


@pytest.mark.parametrize("name", ["", "a b", "x" * 65, "naïve", "a.b", 7])
def test_names_are_those_that_providers_accept(name: Any) -> None:
    with pytest.raises(DefinitionError, match="a tool's name"):
        tool(google, name=name)


@pytest.mark.parametrize("options", [{"timeout": 0}, {"timeout": "5"}, {"timeout": float("nan")}, {"approval": "yes"}])
def test_options_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(DefinitionError, match=next(iter(options))):
        tool(google, **options)


def test_lambdas_need_a_name_and_a_tool_is_no_function() -> None:
    with pytest.raises(DefinitionError, match="name="):
        tool(lambda: 1, description="one")
    assert tool(lambda: 1, name="one", description="one")() == 1
    with pytest.raises(DefinitionError, match="a tool already"):
        tool(tool(google))


def test_one_function_is_two_tools_under_two_names() -> None:
    tools = ToolSet([tool(google, name="a"), tool(google, name="b", description="Other.")])
    assert [schema["function"]["description"] for schema in tools.schemas()] == ["Do it\nin two lines.\n\nSome more.", "Other."]


def test_a_toolset_never_changes_and_refuses_a_clash() -> None:
    small = ToolSet([google])
    large = small.add(numpy)
    assert (small.names, large.names) == (("google",), ("google", "numpy"))
    assert "numpy" in large
    with pytest.raises(DefinitionError, match=r"'google'.*already"):
        large.add(tool(sphinx, name="google"))


def test_a_schema_is_the_caller_s_own_copy() -> None:
    made = tool(google)
    made.schema()["function"]["parameters"]["properties"].clear()
    assert parameters(made)["properties"]


def everything(text: str, number: float, flags: list[bool], table: dict[str, int], money: Money | None = None) -> None:
    """Take everything."""


FITTING = st.fixed_dictionaries(
    {
        "text": st.text(st.characters(exclude_categories=["Cs"])),
        "number": st.floats(allow_nan=False, allow_infinity=False),
        "flags": st.lists(st.booleans()),
        "table": st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), st.integers()),
    },
    optional={"money": st.builds(lambda amount: {"amount": amount}, st.integers(0, 9)) | st.none()},
)


@given(FITTING)
def test_what_fits_the_schema_reaches_the_function_as_it_was(arguments: dict[str, Any]) -> None:
    made = tool(everything)
    jsonschema.validate(arguments, parameters(made))
    values = made.parameters.check(made.parameters.parse(json.dumps(arguments)))
    assert {name: value for name, value in values.items() if name != "money"} == {k: v for k, v in arguments.items() if k != "money"}
    assert isinstance(values.get("money"), Money) == bool(arguments.get("money"))


@given(
    st.text()
    | st.recursive(st.none() | st.booleans() | st.floats() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)).map(
        json.dumps
    )
)
def test_no_text_of_a_model_raises_anything_but_what_is_told_to_it(text: str) -> None:
    made = tool(everything)
    with pytest.raises(InputError):
        made.parameters.check(made.parameters.parse(text))


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters='"\\')))
def test_strings_may_hold_raw_line_breaks_and_control_characters(text: str) -> None:
    def say(text: str) -> None:
        """Say."""

    made = tool(say)
    assert made.parameters.check(made.parameters.parse(f'{{\n"text":\t"{text}"}}')) == {"text": text}


@given(st.lists(st.sampled_from(["", "a", "a_1", "a_2", "b", "call", "call_1", "call_2"])))
def test_every_call_has_an_id_of_its_own_and_a_good_one_is_kept(ids: list[str]) -> None:
    given_ids = [ToolCall(name, "x") for name in ids]
    made = [call.id for call in with_distinct_ids(given_ids)]
    assert len(set(made)) == len(ids)
    assert "" not in made
    for number, name in enumerate(ids):
        if name and name not in ids[:number]:
            assert made[number] == name
