"""How a configuration reaches its endpoint: which interface, Azure's addresses, headers, a client for HTTP, a schema."""

import asyncio
from typing import Any

import httpx2
import pytest
from pydantic import BaseModel

from convgraph import END, AssistantAgent, ConversationGraph
from convgraph.errors import ModelConfigError, ModelOutputError, ModelUnavailable
from convgraph.messages import Message
from convgraph.models.cache import Cache
from convgraph.models.config import model_from_config
from convgraph.models.openai_chat import OpenAIChatModel
from convgraph.models.openai_responses import OpenAIResponsesModel
from convgraph.models.scripted import ScriptedModel
from convgraph.protocols import Model, ModelReply, ModelRequest
from convgraph.testing import Exchange, HttpError, ScriptedServer

HELLO = ModelRequest([Message("user", "hello", "user")], speaker="a")


class Score(BaseModel):
    score: int
    why: str = ""


def ask(model: Model, request: ModelRequest = HELLO) -> ModelReply:
    return asyncio.run(model.respond(request))


def exchange(server: ScriptedServer, **entry: Any) -> Exchange:
    ask(model_from_config({"model": "m", **entry}))
    return server.log[-1]


@pytest.mark.parametrize(
    ("entry", "path", "kind"),
    [
        ({}, "/v1/chat/completions", OpenAIChatModel),
        ({"api_type": "openai"}, "/v1/chat/completions", OpenAIChatModel),
        ({"api_type": "responses"}, "/v1/responses", OpenAIResponsesModel),
        ({"api_style": "responses"}, "/v1/responses", OpenAIResponsesModel),
        ({"api_type": "openai", "api_style": "chat"}, "/v1/chat/completions", OpenAIChatModel),
    ],
)
def test_an_entry_chooses_the_interface(entry: dict[str, Any], path: str, kind: type) -> None:
    with ScriptedServer(["hi"]) as server:
        seen = exchange(server, base_url=server.base_url, **entry)

    assert seen.path == path
    assert not {"api_type", "api_style"} & set(seen.request)
    assert type(model_from_config({"model": "m", **entry})) is kind


def test_a_list_may_mix_interfaces() -> None:
    with ScriptedServer([HttpError(400), "saved"]) as server:
        shared = {"base_url": server.base_url, "max_tokens": 9, "model": "m"}
        assert ask(model_from_config({"config_list": [{"api_type": "responses"}, {}], **shared})).content == "saved"

    assert [seen.path for seen in server.log] == ["/v1/responses", "/v1/chat/completions"]
    assert [seen.request.get("max_output_tokens") for seen in server.log] == [9, None]
    assert [seen.request.get("max_tokens") for seen in server.log] == [None, 9]


AZURE: dict[str, Any] = {"api_type": "azure", "api_version": "2024-10-21", "api_key": "azure-key"}


@pytest.mark.parametrize("key", ["azure_endpoint", "base_url"])
def test_an_azure_entry_is_asked_at_its_deployment(key: str) -> None:
    with ScriptedServer(["hi"]) as server:
        seen = exchange(server, **AZURE, model="gpt-5.5", azure_deployment="our-gpt-5.5", **{key: f"http://127.0.0.1:{server.port}"})

    assert seen.path == "/openai/deployments/our-gpt-5.5/chat/completions?api-version=2024-10-21"
    assert seen.headers["api-key"] == "azure-key"
    assert "authorization" not in {name.lower() for name in seen.headers}


def test_without_a_deployment_the_models_name_is_it() -> None:
    with ScriptedServer(["hi"]) as server:
        seen = exchange(server, **AZURE, azure_endpoint=f"http://127.0.0.1:{server.port}", stream=True)

    assert seen.path.startswith("/openai/deployments/m/chat/completions?")


def test_azure_has_the_responses_interface_too() -> None:
    with ScriptedServer(["hi"]) as server:
        seen = exchange(server, **AZURE, api_style="responses", azure_endpoint=f"http://127.0.0.1:{server.port}")

    assert seen.path == "/openai/responses?api-version=2024-10-21"


def test_azure_takes_a_token_or_what_provides_one() -> None:
    async def provider() -> str:
        return "fresh-token"

    entry = {key: value for key, value in AZURE.items() if key != "api_key"}
    with ScriptedServer(["hi"], repeat=True) as server:
        place = f"http://127.0.0.1:{server.port}"
        given = exchange(server, **entry, azure_endpoint=place, azure_ad_token="fixed-token")
        made = exchange(server, **entry, azure_endpoint=place, azure_ad_token_provider=provider)

    assert given.headers["authorization"] == "Bearer fixed-token"
    assert made.headers["authorization"] == "Bearer fresh-token"


def test_what_azure_lacks_is_looked_up_in_its_own_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Never in those of OpenAI: a key for one is no business of the other."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-openai")
    with ScriptedServer(["hi"]) as server:
        monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", f"http://127.0.0.1:{server.port}")
        with pytest.raises(ModelConfigError, match="api_version"):
            exchange(server, api_type="azure")
        monkeypatch.setenv("OPENAI_API_VERSION", "2025-01-01")
        with pytest.raises(ModelConfigError, match="AZURE_OPENAI_API_KEY"):
            exchange(server, api_type="azure")
        monkeypatch.setenv("AZURE_OPENAI_API_KEY", "from-env")
        seen = exchange(server, api_type="azure")

    assert (seen.headers["api-key"], seen.path.partition("?")[2]) == ("from-env", "api-version=2025-01-01")


def test_no_error_and_no_identity_of_an_azure_model_shows_a_secret() -> None:
    with ScriptedServer([HttpError(500, "you sent secret-token")]) as server:
        model = OpenAIChatModel(
            "m", azure_endpoint=f"http://u:pw@127.0.0.1:{server.port}", api_version="v", azure_ad_token="secret-token", max_retries=0
        )
        with pytest.raises(ModelUnavailable) as caught:
            ask(model)

    shown = f"{caught.value} {model!r} {model.describe()}"
    assert "secret-token" not in shown
    assert "pw@" not in shown


def test_headers_and_the_organization_are_sent_and_the_more_special_one_wins() -> None:
    headers = {"default_headers": {"x-team": "blue", "x-kind": "a"}, "extra_headers": {"x-kind": "b"}, "organization": "org-1"}
    with ScriptedServer(["hi"]) as server:
        seen = exchange(server, base_url=server.base_url, **headers)

    sent = {name.lower(): value for name, value in seen.headers.items()}
    assert (sent["x-team"], sent["x-kind"], sent["openai-organization"]) == ("blue", "b", "org-1")
    assert set(seen.request) == {"model", "messages"}


def test_a_timeout_is_the_longest_silence() -> None:
    with ScriptedServer(["hi"], latency=5) as server, pytest.raises(ModelUnavailable, match="did not answer in time"):
        exchange(server, base_url=server.base_url, timeout=0.05, max_retries=0)


def test_an_http_client_of_ones_own_is_used_and_left_open() -> None:
    asked: list[str] = []

    async def note(request: Any) -> None:
        asked.append(str(request.url))

    async def twice(url: str) -> bool:
        async with httpx2.AsyncClient(event_hooks={"request": [note]}) as client:
            model = model_from_config({"model": "m", "base_url": url, "http_client": client})
            await model.respond(HELLO)
            await model.respond(HELLO)
            return client.is_closed

    with ScriptedServer(["hi"], repeat=True) as server:
        assert not asyncio.run(twice(server.base_url))
    assert asked == [f"{server.base_url}/chat/completions"] * 2


@pytest.mark.parametrize("api_type", ["openai", "responses"])
def test_a_pydantic_class_in_a_configuration_holds_for_every_answer(api_type: str) -> None:
    with ScriptedServer(['{"score": 7, "why": "clear"}', '{"score": "seven"}']) as server:
        model = model_from_config(
            {"model": "m", "base_url": server.base_url, "api_type": api_type, "response_format": Score, "max_retries": 0}
        )
        assert ask(model).data == {"score": 7, "why": "clear"}
        with pytest.raises(ModelOutputError, match=r"\$\.score"):
            ask(model)

    assert "Score" in str(server.requests[0])


def test_a_request_with_a_schema_of_its_own_keeps_it() -> None:
    with ScriptedServer(['"writer"']) as server:
        model = model_from_config({"model": "m", "base_url": server.base_url, "response_format": Score})
        assert ask(model, ModelRequest(HELLO.messages, schema={"enum": ["writer"]})).data == "writer"


def test_a_schema_is_part_of_what_a_cache_looks_for_and_of_a_models_identity() -> None:
    cache = Cache.memory()
    with ScriptedServer(["plain", '{"score": 1}']) as server:
        entry = {"model": "m", "base_url": server.base_url, "cache": cache}
        plain, scored = model_from_config(entry), model_from_config({**entry, "response_format": Score})
        assert [ask(model).content for model in (plain, scored, plain, scored)] == ["plain", '{"score": 1}'] * 2

    assert scored.describe()["model"]["type"] == "structured"
    assert isinstance(scored, Model)


def test_a_mapping_as_response_format_is_sent_as_it_is() -> None:
    with ScriptedServer(["{}"]) as server:
        assert exchange(server, base_url=server.base_url, response_format={"type": "json_object"}).request["response_format"] == {
            "type": "json_object"
        }


def test_an_agents_answer_that_fits_is_found_parsed() -> None:
    graph = ConversationGraph("judge")
    model = model_from_config({"config_list": [{"model_client": ScriptedModel(['{"score": 3}'])}], "response_format": Score})
    graph.add_node(AssistantAgent("judge", "You judge.", model=model))
    graph.add_edge("judge", END)
    graph.set_start("judge")

    last = graph.run("this").last
    assert last is not None
    assert last.data == {"score": 3}
