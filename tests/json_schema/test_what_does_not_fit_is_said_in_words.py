"""A value is judged as the jsonschema library judges it, and told what is wrong in words, with its path."""

from typing import Any

import jsonschema
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import BaseModel

from convgraph.errors import InputError
from convgraph.json_schema import check_schema, faults


class Address(BaseModel):
    street: str
    zip: int | None = None


class Person(BaseModel):
    name: str
    home: Address
    friends: list["Person"] = []


PERSON = Person.model_json_schema()
WORDS: list[tuple[Any, Any, str, str]] = [
    (7, {"type": "string"}, "", "7 is not a text; put it in quotes"),
    ("7", {"type": ["integer", "null"]}, "", "'7' is not a whole number or null"),
    ({"b": 1}, {"required": ["a", "b"]}, "", "'a' is missing"),
    ({}, {"required": ["a", "b"]}, "", "'a', 'b' are missing"),
    ({"c": 1}, {"properties": {"a": {}, "b": {}}, "additionalProperties": False}, "", "'c' is not known here; known are a, b"),
    ("x", {"enum": ["a", 1]}, "", "'x' is not one of 'a', 1"),
    (1, {"const": True}, "", "1 is not True"),
    ("b\n", {"pattern": "^b$"}, "", "'b\\n' is not of the form ^b$"),
    ("b", {"pattern": "^a$", "description": "an a"}, "", "'b' is not an a"),
    (0, {"minimum": 1}, "", "0 is less than 1"),
    (2, {"maximum": 1}, "", "2 is more than 1"),
    (1, {"exclusiveMinimum": 1}, "", "1 is not above 1"),
    (1, {"exclusiveMaximum": 1}, "", "1 is not below 1"),
    (1, {"not": {"type": "integer"}}, "", "1 is not allowed"),
    ([1, "b"], {"items": {"type": "integer"}}, "[1]", "'b' is not a whole number"),
    ({"name": "A", "home": {"street": 1}}, PERSON, ".home.street", "1 is not a text; put it in quotes"),
    (
        {"name": "A", "home": {"street": "B", "zip": "C"}},
        PERSON,
        ".home.zip",
        "'C' fits none of what is allowed: 'C' is not a whole number; 'C' is not null",
    ),
    ({"name": "A", "home": {"street": "B"}, "friends": [{"name": "D"}]}, PERSON, ".friends[0]", "'home' is missing"),
    ([1, 1], {"uniqueItems": True}, "", "[1, 1] has non-unique elements"),
]


@pytest.mark.parametrize(("value", "schema", "path", "what"), WORDS, ids=[what for *_, what in WORDS])
def test_a_fault_is_told_with_its_path(value: Any, schema: Any, path: str, what: str) -> None:
    assert faults(value, schema) == [(path, what)]


def test_all_faults_are_told() -> None:
    assert [fault.path for fault in faults({"name": 1, "home": {"street": 2}}, PERSON)] == [".name", ".home.street"]


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        ({"type": "strin"}, "no JSON schema, at .type"),
        ({"pattern": "("}, "no JSON schema, at .pattern"),
        ({"properties": {"a": 1}}, "no JSON schema, at .properties.a"),
        ({"enum": [print]}, "plain JSON data"),
    ],
)
def test_what_is_no_schema_is_refused(schema: Any, told: str) -> None:
    with pytest.raises(InputError, match=told):
        check_schema(schema)


@pytest.mark.parametrize("reference", ["#/$defs/Missing", "https://example.com/schema.json", "file:///etc/passwd"])
def test_a_reference_that_leads_out_of_the_schema_is_an_error_and_fetches_nothing(reference: str) -> None:
    with pytest.raises(InputError, match="which it does not define"):
        faults(1, {"$ref": reference})


def test_a_value_or_a_schema_without_an_end_is_told_as_one() -> None:
    deep: Any = []
    for _ in range(10_000):
        deep = [deep]
    endless = {"items": {"$ref": "#"}}

    assert faults(deep, endless) == [("", "it is nested too deeply")]
    assert faults(1, {"$ref": "#"}) == [("", "it is nested too deeply")]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([0.5, 1.0, 2.5]) | st.sampled_from(["", "a", "ab", "abc"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=6,
)
TYPES = st.sampled_from(["string", "integer", "number", "boolean", "null", "array", "object"])
SCHEMAS = st.recursive(
    st.one_of(
        st.just({}),
        st.fixed_dictionaries({"type": TYPES | st.lists(TYPES, min_size=1, max_size=3, unique=True)}),
        st.fixed_dictionaries({"enum": st.lists(JSON, min_size=1, max_size=3)}),
        st.fixed_dictionaries({"const": JSON}),
        st.fixed_dictionaries({"minimum": st.integers(-2, 2), "exclusiveMaximum": st.integers(-2, 3)}),
        st.fixed_dictionaries({"minLength": st.integers(0, 2), "pattern": st.just("^a")}),
        st.just({"$ref": "#/$defs/N"}),
    ),
    lambda inner: st.one_of(
        st.fixed_dictionaries({"items": inner, "maxItems": st.integers(0, 3)}),
        st.fixed_dictionaries(
            {
                "properties": st.dictionaries(st.sampled_from("abc"), inner, max_size=2),
                "required": st.lists(st.sampled_from("abc"), max_size=2, unique=True),
            }
        ),
        st.fixed_dictionaries({"additionalProperties": inner | st.booleans(), "properties": st.just({"a": {}})}),
        st.fixed_dictionaries({"anyOf": st.lists(inner, min_size=1, max_size=3)}),
        st.fixed_dictionaries({"allOf": st.lists(inner, min_size=1, max_size=2)}),
    ),
    max_leaves=5,
)


@given(JSON, SCHEMAS)
@example(True, {"const": 1})
@example([{"a": 0}], {"enum": [[{"a": False}]]})
@example(1.0, {"const": 1})
def test_what_fits_is_what_the_jsonschema_library_says_fits(value: Any, schema: dict[str, Any]) -> None:
    rooted = {**schema, "$defs": {"N": {"type": "integer", "minimum": 0}}}
    expected = jsonschema.Draft202012Validator(rooted).is_valid(value)

    assert (not faults(value, rooted)) == expected


@given(JSON)
def test_any_json_can_be_told_from_what_is_expected_without_an_exception(value: Any) -> None:
    faults(value, PERSON)
