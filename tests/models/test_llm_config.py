"""AutoGen's configurations: read, filtered, made into models, and refused with a reason."""

import asyncio
from typing import Any

import pytest

from convgraph.errors import ModelConfigError, ModelError, ModelOutputError, ModelUnavailable
from convgraph.messages import Message, Usage
from convgraph.models.config import model_from_config
from convgraph.models.fallback import FallbackModel
from convgraph.models.scripted import ScriptedModel
from convgraph.protocols import Model, ModelReply, ModelRequest
from convgraph.testing import Answer, Drop, HttpError, RawBody, ScriptedServer

HELLO = ModelRequest([Message("user", "hello", "user")], speaker="a")


def answer(llm_config: Any, **asked: Any) -> ModelReply:
    return asyncio.run(model_from_config(llm_config).respond(HELLO, **asked))


def test_shared_settings_hold_for_each_entry_and_an_entrys_own_win() -> None:
    with ScriptedServer(["a", HttpError(401), "b"]) as server:
        entries = [
            {"model": "first", "base_url": server.base_url, "api_key": "k1", "tags": ["x"], "temperature": 1},
            {"model": "second", "base_url": server.base_url, "api_key": "k2"},
        ]
        config = {
            "config_list": entries,
            "temperature": 0,
            "top_p": 0.5,
            "timeout": 30,
            "cache_seed": None,
            "allow_format_str_template": False,
            "price": [1, 1],
        }
        answer(config)
        reply = answer(config)

    assert [(sent["model"], sent["temperature"], sent["top_p"]) for sent in server.requests] == [
        ("first", 1, 0.5),
        ("first", 1, 0.5),
        ("second", 0, 0.5),
    ]
    assert [set(sent) for sent in server.requests] == [{"model", "messages", "temperature", "top_p"}] * 3
    assert [exchange.headers["authorization"] for exchange in server.log] == ["Bearer k1", "Bearer k1", "Bearer k2"]
    assert reply.usage.usd > 0


def test_one_entry_alone_a_list_and_a_model_are_configurations_too() -> None:
    scripted = ScriptedModel(["x"])

    assert model_from_config(scripted) is scripted
    assert model_from_config({"model": "m", "api_key": "k"}).name == "m"
    assert model_from_config([{"model": "m"}]).name == "m"
    assert model_from_config({"config_list": [{"model_client": scripted}]}) is scripted
    assert answer({"config_list": [{"model": "ignored", "model_client": scripted}]}).content == "x"


def test_default_headers_are_sent() -> None:
    with ScriptedServer(["a"]) as server:
        answer({"model": "m", "base_url": server.base_url, "default_headers": {"x-team": "blue"}})

    assert server.log[0].headers["x-team"] == "blue"


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({}, "llm_config is empty"),
        ({"config_list": []}, "at least one"),
        ([], "at least one"),
        ({"config_list": {"model": "m"}}, "list"),
        ({"config_list": ["gpt"]}, r"config_list\[0\] is to be a mapping"),
        ({"config_list": [{}]}, "names no model"),
        ({"temperature": 0}, "names no model"),
        ({"model": None}, "names no model"),
        (None, "NoneType"),
        (False, "bool"),
        ("sk-secret", "str"),
        (7, "int"),
        ({"model": "m", "api_type": "azure"}, "azure_endpoint"),
        ({"model": "m", "api_type": "azure", "azure_endpoint": "not an address"}, "azure_endpoint= is an address"),
        ({"model": "m", "azure_endpoint": "https://a", "base_url": "https://b"}, "two places"),
        ({"model": "m", "api_type": "anthropic"}, "supported are 'openai', 'responses' and 'azure'.*base_url"),
        ({"model": "m", "api_type": ["azure"]}, "supported are"),
        ({"model": "m", "api_style": "soap"}, "'chat' or 'responses'"),
        ({"model": "m", "api_version": "2024-02-01"}, "azure_endpoint="),
        ({"model": "m", "response_format": int}, "pydantic model class"),
        ({"model": "m", "organization": 7}, "an organization's id"),
        ({"model": "m", "default_headers": {"authorization": 7}}, "mapping of headers' names to texts, not dict"),
        ({"model": "m", "filter_func": print}, "response_format"),
        ({"model": "m", "allow_format_str_template": True}, "no templates"),
        ({"model": "m", "model_client_cls": object}, "name of a class"),
        ({"model": "m", "api_rate_limit": 0}, "requests_per_second is a number above 0"),
        ({"model": "m", "tokens_per_minute": "many"}, "tokens_per_minute is a number above 0"),
        ({"model": "m", "rate_limit": 5}, "a RateLimit"),
        ({"model": "m", "model_client": object()}, r"convgraph\.protocols\.Model"),
        ({"config_list": [{"model": "m"}, {"model": "n", "timeout": -1}]}, r"config_list\[1\]: timeout="),
        ({"model": "m", "api_key": 5}, "api_key= is a str.*not int"),
        ({"model": "m", "cache": ".cache"}, "cache is a Cache"),
        ({"model": "m", "cache_seed": "../elsewhere"}, "cache_seed is a number"),
        ({"model": "m", "cache_seed": True}, "cache_seed is a number"),
        ({"model": "m", "http_client": object()}, "http_client"),
    ],
)
def test_a_bad_configuration_is_refused_with_what_to_do(config: Any, told: str) -> None:
    with pytest.raises(ModelConfigError, match=told) as caught:
        model_from_config(config)

    assert "sk-secret" not in str(caught.value)


@pytest.mark.parametrize(
    "fault",
    [HttpError(401), HttpError(404), HttpError(429, code="insufficient_quota"), HttpError(500), Drop(), RawBody(b"<html>", "text/html")],
)
@pytest.mark.parametrize("listen", [False, True])
def test_any_failure_of_one_provider_leads_to_the_next(fault: Any, listen: bool) -> None:
    with ScriptedServer([fault], repeat=True) as broken, ScriptedServer(["saved"], model="second") as sound:
        config = [{"model": "first", "base_url": broken.base_url, "max_retries": 0}, {"model": "second", "base_url": sound.base_url}]
        reply = answer(config, on_delta=(lambda _: None) if listen else None)

    assert (reply.content, reply.model) == ("saved", "second")
    assert len(broken.log) == 1


def test_a_stream_that_breaks_leads_to_the_next_whose_answer_is_whole() -> None:
    with ScriptedServer([Drop("half of", after=2)]) as broken, ScriptedServer(["all of it"]) as sound:
        reply = answer([{"model": "1", "base_url": broken.base_url}, {"model": "2", "base_url": sound.base_url}], on_delta=lambda _: None)

    assert reply.content == "all of it"


def test_when_all_fail_the_error_says_why_each_did() -> None:
    model = FallbackModel([ScriptedModel([ModelUnavailable("down")], name="a"), ScriptedModel([ModelConfigError("no key")], name="b")])

    with pytest.raises(ModelUnavailable, match=r"(?s)all 2 models failed:.*a: down.*b: no key"):
        asyncio.run(model.respond(HELLO))


def test_when_all_are_misconfigured_the_error_is_of_that_kind() -> None:
    model = FallbackModel([ScriptedModel([ModelConfigError("x")]), ScriptedModel([ModelConfigError("y")])])

    with pytest.raises(ModelConfigError):
        asyncio.run(model.respond(HELLO))


def test_what_a_failed_model_has_cost_is_added() -> None:
    request = ModelRequest(HELLO.messages, schema={"type": "integer"})
    model = FallbackModel([ScriptedModel(["not a number"], usage=Usage(1, 5, 3)), ScriptedModel(["7"], usage=Usage(1, 4, 1))])
    reply = asyncio.run(model.respond(request))

    assert (reply.data, reply.usage) == (7, Usage(2, 9, 4))


def test_what_is_not_a_models_failure_is_not_fallen_back_from() -> None:
    def bug(request: ModelRequest) -> str:
        raise KeyError("a bug in the script")

    with pytest.raises(KeyError):
        asyncio.run(FallbackModel([ScriptedModel(bug), ScriptedModel(["x"])]).respond(HELLO))


def test_a_fallback_is_a_model_and_priced_when_all_are() -> None:
    priced = model_from_config([{"model": "a", "price": [1, 2]}, {"model": "b", "price": 0.5}])
    unpriced = model_from_config([{"model": "a", "price": [1, 2]}, {"model": "b"}])

    assert isinstance(priced, Model)
    assert (priced.priced, unpriced.priced, priced.name) == (True, False, "a")
    assert [entry["model"] for entry in priced.describe()["models"]] == ["a", "b"]
    with pytest.raises(ModelConfigError):
        FallbackModel([])


def test_errors_of_the_model_floor_have_one_base() -> None:
    assert {ModelConfigError, ModelUnavailable, ModelOutputError} <= set(ModelError.__subclasses__())


def test_usage_of_an_answer_is_what_the_server_said() -> None:
    with ScriptedServer([Answer("x", usage=(2000, 1000))]) as server:
        assert answer({"model": "m", "base_url": server.base_url, "price": 0.5}).usage == Usage(1, 2000, 1000, 1.5)
