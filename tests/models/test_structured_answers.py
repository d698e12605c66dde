"""Schemas: what is sent to a provider, and what fits, judged by the jsonschema library."""

import json
from typing import Any, Literal

import jsonschema
import pytest
from pydantic import BaseModel

from convgraph.errors import ModelConfigError
from convgraph.models.structured import parse_json, response_format, strict_schema, with_data
from convgraph.protocols import ModelReply, ModelRequest


class Address(BaseModel):
    street: str
    zip: int | None = None


class Person(BaseModel):
    name: str
    home: Address
    mood: Literal["good", "bad"] = "good"
    friends: list["Person"] = []


class Tree(BaseModel):
    children: list["Tree"] = []


def sent(schema: dict[str, Any]) -> dict[str, Any]:
    format_ = response_format(ModelRequest([], schema=schema))
    assert format_ is not None
    return format_["json_schema"]


def objects_in(schema: Any) -> list[dict[str, Any]]:
    if isinstance(schema, list):
        return [found for item in schema for found in objects_in(item)]
    if not isinstance(schema, dict):
        return []
    own = [schema] if schema.get("type") == "object" else []
    return own + [found for value in schema.values() for found in objects_in(value)]


@pytest.mark.parametrize("model", [Person, Address, Tree])
def test_a_pydantic_model_becomes_a_strict_schema(model: type[BaseModel]) -> None:
    described = sent(model.model_json_schema())

    assert described["strict"] is True
    assert described["schema"]["type"] == "object"
    for schema in objects_in(described["schema"]):
        assert schema["additionalProperties"] is False
        assert schema["required"] == list(schema["properties"])
    assert '"default"' not in json.dumps(described["schema"])


def test_the_schema_given_is_not_changed() -> None:
    schema = Person.model_json_schema()
    before = json.dumps(schema)
    strict_schema(schema)

    assert json.dumps(schema) == before


def test_a_reference_with_siblings_is_replaced_by_what_it_means() -> None:
    schema = {
        "type": "object",
        "properties": {"home": {"$ref": "#/$defs/Home", "description": "where"}},
        "$defs": {"Home": {"type": "object", "properties": {"street": {"type": "string"}}}},
    }
    made = strict_schema(schema)

    assert made is not None
    assert made["properties"]["home"]["description"] == "where"
    assert made["properties"]["home"]["required"] == ["street"]


def test_a_reference_with_siblings_that_leads_back_to_itself_is_not_followed_for_ever() -> None:
    node = {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node", "description": "or none"}}}

    assert strict_schema({"type": "object", "properties": {"first": {"$ref": "#/$defs/Node"}}, "$defs": {"Node": node}}) is None


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "additionalProperties": {"type": "integer"}},
        {"type": "object", "properties": {"free": {"type": "object"}}},
        {"type": "object", "properties": {"any": True}},
    ],
)
def test_a_schema_with_free_keys_is_sent_as_it_is_and_not_as_strict(schema: dict[str, Any]) -> None:
    assert (sent(schema)["strict"], sent(schema)["schema"]) == (False, schema)


def test_a_wrapped_schema_keeps_its_definitions_where_references_look_for_them() -> None:
    schema = {"type": "array", "items": {"$ref": "#/$defs/N"}, "$defs": {"N": {"type": "integer"}}}

    jsonschema.validate({"value": [1, 2]}, sent(schema)["schema"])
    assert with_data(ModelReply('{"value": [1, 2]}'), ModelRequest([], schema=schema)).data == [1, 2]


def test_a_reference_to_nowhere_is_a_matter_of_configuration() -> None:
    with pytest.raises(ModelConfigError, match="#/\\$defs/Missing"):
        response_format(ModelRequest([], schema={"$ref": "#/$defs/Missing"}))


def test_a_reply_that_calls_tools_has_not_answered_yet() -> None:
    reply = ModelReply("", tool_calls=(object(),))  # type: ignore[arg-type]
    assert with_data(reply, ModelRequest([], schema={"type": "object"})) is reply


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", "{", "[" * 100_000])
def test_what_is_not_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_json(text)


def test_an_answer_that_its_asker_judges_comes_back_as_it_is() -> None:
    reply = ModelReply("the critic")
    request = ModelRequest([], schema={"type": "object"}, checked=False)

    assert response_format(request) is not None, "the schema is sent all the same"
    assert with_data(reply, request) is reply
