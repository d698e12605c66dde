"""Embeddings over HTTP: asked for in portions, tried again where that helps, checked when they come, without a secret told."""

from __future__ import annotations

import asyncio
import json
import math
from typing import Any

import openai
import pytest

from convgraph import Collection, OpenAIEmbedder, RateLimit
from convgraph.errors import ModelConfigError, ModelError, ModelOutputError, ModelUnavailable
from convgraph.knowledge.documents import Document
from convgraph.models import openai_embedder
from convgraph.protocols import Embedder
from convgraph.testing import Drop, HttpError, RawBody, ScriptedServer
from convgraph.testing.embeddings import embedding


async def no_wait(_: float) -> None: ...


def embedder(server: ScriptedServer, **settings: Any) -> OpenAIEmbedder:
    return OpenAIEmbedder("small", **{"base_url": server.base_url, "api_key": "sk-secret", "sleep": no_wait, **settings})


def embedded(asked: OpenAIEmbedder, *texts: str) -> list[list[float]]:
    return asyncio.run(asked.embed(texts))


def answering(data: Any) -> RawBody:
    return RawBody(json.dumps({"data": data}).encode())


def test_texts_are_embedded_in_their_order() -> None:
    with ScriptedServer([]) as server:
        vectors = embedded(embedder(server), "a cat", "a dog")

    assert vectors == [pytest.approx(embedding("a cat")), pytest.approx(embedding("a dog"))]
    assert server.requests == [{"model": "small", "input": ["a cat", "a dog"], "encoding_format": "float"}]
    assert server.log[0].headers["authorization"] == "Bearer sk-secret"


def test_vectors_are_put_in_order_and_made_of_length_1() -> None:
    out_of_order = answering([{"index": 1, "embedding": [0, 5]}, {"index": 0, "embedding": [3, 4]}])
    with ScriptedServer([], embedding_faults=[out_of_order]) as server:
        assert embedded(embedder(server), "a", "b") == [[0.6, 0.8], [0.0, 1.0]]


def test_many_texts_go_in_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [f"text {number}" for number in range(openai_embedder.TEXTS_AT_ONCE + 3)]
    with ScriptedServer([]) as server:
        vectors = embedded(embedder(server), *texts)

    assert [len(request["input"]) for request in server.requests] == [openai_embedder.TEXTS_AT_ONCE, 3]
    assert [vectors[0], vectors[-1]] == [pytest.approx(embedding(texts[0])), pytest.approx(embedding(texts[-1]))]


def test_no_texts_are_no_request() -> None:
    with ScriptedServer([]) as server:
        assert embedded(embedder(server)) == []
    assert server.log == []


def test_dimensions_are_asked_for_and_part_of_the_name() -> None:
    with ScriptedServer([]) as server:
        short = embedder(server, dimensions=8)

        assert len(embedded(short, "a cat")[0]) == 8
    assert server.requests[0]["dimensions"] == 8
    assert (short.name, short.dimensions) == ("small@8", 8)


def test_dimensions_are_known_of_openais_models_and_otherwise_by_the_first_vector() -> None:
    with ScriptedServer([]) as server:
        asked = embedder(server)
        before = asked.dimensions
        embedded(asked, "a cat")

        assert (before, asked.dimensions) == (0, 64)
    assert [OpenAIEmbedder(name).dimensions for name in ("text-embedding-3-small", "text-embedding-3-large")] == [1536, 3072]


@pytest.mark.parametrize("fault", [HttpError(503), HttpError(429), Drop(), RawBody(b"<html>"), answering([]), RawBody(b"[]")])
def test_what_passes_is_tried_again(fault: HttpError | Drop | RawBody) -> None:
    with ScriptedServer([], embedding_faults=[fault, fault]) as server:
        assert len(embedded(embedder(server), "a cat")) == 1
    assert len(server.log) == 3


@pytest.mark.parametrize(
    ("fault", "error", "match"),
    [
        (HttpError(503), ModelUnavailable, "503"),
        (HttpError(401, "no such key sk-secret"), ModelConfigError, r"no such key \*\*\*.*api_key="),
        (HttpError(404), ModelConfigError, "base_url"),
        (answering([{"index": 0, "embedding": []}]), ModelOutputError, "not embeddings"),
        (answering([{"index": 0, "embedding": [0, 0]}]), ModelOutputError, "vector of length 0"),
        (answering([{"index": 0, "embedding": "AAAA"}]), ModelOutputError, "not embeddings"),
        (answering([{"index": 0}]), ModelOutputError, "not embeddings"),
        (answering([{"index": 0, "embedding": [1]}, {"index": 1, "embedding": [1]}]), ModelOutputError, "2 vectors for 1 texts"),
        (RawBody(b'{"data": [{"index": 0, "embedding": [NaN, 1]}]}'), ModelOutputError, "vector of length nan"),
    ],
)
def test_what_lasts_is_an_error_that_says_who_and_why(fault: Any, error: type[ModelError], match: str) -> None:
    with ScriptedServer([], embedding_faults=[fault] * 3) as server, pytest.raises(error, match=match) as raised:
        embedded(embedder(server), "a cat")
    assert "sk-secret" not in str(raised.value)


def test_vectors_of_two_lengths_are_no_answer() -> None:
    uneven = answering([{"index": 0, "embedding": [1, 0]}, {"index": 1, "embedding": [1]}])
    with ScriptedServer([], embedding_faults=[uneven]) as server, pytest.raises(ModelOutputError, match="not of one length"):
        embedded(embedder(server, max_retries=0), "a", "b")


def test_an_endpoint_that_is_not_there_is_said_to_be_unreachable() -> None:
    with ScriptedServer([]) as server:
        pass
    with pytest.raises(ModelUnavailable, match="cannot be reached"):
        embedded(embedder(server, max_retries=0), "a")


def test_without_a_key_or_an_address_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)

    with pytest.raises(ModelConfigError, match="OPENAI_API_KEY"):
        embedded(OpenAIEmbedder(), "a")


def test_key_and_address_are_looked_up_when_they_are_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = OpenAIEmbedder()
    with ScriptedServer([]) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "from-the-environment")
        embedded(asked, "a cat")

    assert server.log[0].headers["authorization"] == "Bearer from-the-environment"


def test_one_embedder_serves_several_event_loops() -> None:
    with ScriptedServer([]) as server:
        shared = embedder(server)
        assert embedded(shared, "a cat") == embedded(shared, "a cat")


def test_a_rate_limit_is_kept() -> None:
    waited: list[float] = []

    async def wait(seconds: float) -> None:
        waited.append(seconds)

    with ScriptedServer([]) as server:
        limited = embedder(server, rate_limit=RateLimit(requests_per_second=10, clock=lambda: sum(waited), sleep=wait))
        embedded(limited, "a")
        embedded(limited, "b")

    assert sum(waited) == pytest.approx(0.1)


def test_it_is_an_embedder_and_its_description_keeps_its_secrets() -> None:
    asked = OpenAIEmbedder("small", api_key="sk-secret", base_url="https://me:pw@host/v1?token=x")

    assert isinstance(asked, Embedder)
    assert asked.describe() == {"type": "openai", "model": "small", "base_url": "https://host/v1"}
    assert "sk-secret" not in repr(asked) + repr(vars(asked)["_pool"])


@pytest.mark.parametrize(
    "settings",
    [{"model": ""}, {"model": None}, {"dimensions": 0}, {"timeout": 0}, {"max_retries": -1}, {"base_url": "host"}, {"api_key": 5}],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ModelConfigError, match=f"{next(iter(settings))}="):
        OpenAIEmbedder(**settings)


def test_a_collection_is_searched_over_http() -> None:
    with ScriptedServer([]) as server:
        collection = Collection(embedder=embedder(server))
        collection.add([Document("cat.md", "The cat sleeps on the sofa."), Document("dog.md", "A dog runs in the park.")])

        assert [found.source for found in collection.search("on the sofa", limit=1)] == ["cat.md"]
    assert [request["input"] for request in server.requests][1:] == [["on the sofa"]]


def test_the_scripted_server_spends_no_line_of_its_script_on_embeddings() -> None:
    with ScriptedServer(["the only line"]) as server:
        client = openai.OpenAI(base_url=server.base_url, api_key="k")
        vectors = client.embeddings.create(model="small", input=["a cat", "a cat", "submarine"])  # the SDK asks for base64
        said = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])
        client.close()

    first, second, third = [each.embedding for each in vectors.data]
    assert first == second == pytest.approx(embedding("a cat"), abs=1e-6)
    assert math.dist(first, third) > 1.0
    assert said.choices[0].message.content == "the only line"
    assert server.usage.calls == 1, "embeddings are no completions"
