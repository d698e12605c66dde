"""OpenAI's own client, and our own for its interface, talk to graphs: answers, streams, usage, questions, limits, errors."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from convgraph import Message, OpenAIChatModel
from convgraph.protocols import ModelRequest
from tests.studio.conftest import Served, studio_at

GRAPHS = Path(__file__).parent / "graphs/speaking.py"
HELLO: Any = [{"role": "user", "content": "Hello"}]


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    targets = [f"{GRAPHS}:{name}" for name in ("essay", "parrot", "counter", "failing", "wheel")]
    with studio_at(tmp_path_factory.mktemp("models") / "runs.db", *targets) as served:
        yield served


@pytest.fixture(scope="module")
def client(studio: Served) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{studio.origin}/v1", api_key=studio.url.rpartition("=")[2]) as made:
        yield made


def test_the_models_are_the_graphs(client: openai.OpenAI) -> None:
    assert {model.id for model in client.models.list()} >= {"essay", "parrot", "counter", "failing", "wheel"}
    assert client.models.retrieve("essay").owned_by == "convgraph"


def test_an_answer_is_what_was_said_last_with_the_sum_of_what_it_cost(client: openai.OpenAI, studio: Served) -> None:
    raw = client.chat.completions.with_raw_response.create(model="essay", messages=HELLO, temperature=0.2)
    answer = raw.parse()
    assert answer.choices[0].message.content == "The sea is wide."
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (30, 15, 45)
    run: Any = answer.model_extra
    assert run["convgraph"]["status"] == "finished"
    assert raw.headers["x-convgraph-run"] == run["convgraph"]["run_id"]
    assert studio.api.get("/api/runs", params={"text": run["convgraph"]["run_id"]}).json()["runs"][0]["status"] == "finished"


def test_those_whose_words_are_the_answer_can_be_named(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="essay", messages=HELLO, extra_body={"convgraph": {"nodes": ["writer", "critic"]}})
    assert answer.choices[0].message.content == "A draft about the sea.\n\nShorter, please."


def test_a_stream_gives_each_node_as_it_speaks_and_then_what_it_cost(client: openai.OpenAI) -> None:
    said: dict[str, str] = {}
    usage = None
    for piece in client.chat.completions.create(model="essay", messages=HELLO, stream=True, stream_options={"include_usage": True}):
        usage = piece.usage or usage
        where: Any = (piece.model_extra or {}).get("convgraph", {})
        for choice in piece.choices:
            said[where.get("node", "")] = said.get(where.get("node", ""), "") + (choice.delta.content or "")
            finish = choice.finish_reason
    assert {node: text.strip() for node, text in said.items() if text} == {
        "writer": "A draft about the sea.",
        "critic": "Shorter, please.",
        "editor": "The sea is wide.",
    }
    assert finish == "stop"
    assert usage is not None
    assert usage.total_tokens == 45


def test_the_conversation_so_far_is_what_the_graph_begins_with(client: openai.OpenAI) -> None:
    messages: Any = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": "One"},
        {"role": "assistant", "content": "Two"},
        {"role": "user", "content": [{"type": "text", "text": "Three"}]},
    ]
    assert client.chat.completions.create(model="parrot", messages=messages).choices[0].message.content == "4: Three"


@pytest.mark.parametrize("stream", [False, True])
def test_a_question_is_the_answer_and_the_next_message_answers_it(client: openai.OpenAI, stream: bool) -> None:
    asked, run = told(client, "counter", stream)
    assert asked == "How many?"
    assert (run["status"], run["questions"][0]["id"]) == ("waiting", "many")
    with pytest.raises(openai.ConflictError, match="does not fit"):
        client.chat.completions.create(
            model="counter", messages=[{"role": "user", "content": "several"}], extra_body={"convgraph": {"run_id": run["run_id"]}}
        )
    answered, after = told(client, "counter", stream, "3", run_id=run["run_id"])
    assert (answered, after["status"], after["run_id"]) == ("3 it is.", "finished", run["run_id"])


def test_an_ended_conversation_is_continued(client: openai.OpenAI) -> None:
    first, run = told(client, "parrot", False, "One")
    second, _ = told(client, "parrot", True, "Two", run_id=run["run_id"])
    assert (first, second) == ("1: One", "3: Two")


@pytest.mark.parametrize("stream", [False, True])
def test_a_limit_that_is_reached_cuts_the_answer_short(client: openai.OpenAI, stream: bool) -> None:
    answer: Any = client.chat.completions.create(model="wheel", messages=HELLO, stream=stream)
    finish = [choice.finish_reason for piece in answer for choice in piece.choices][-1] if stream else answer.choices[0].finish_reason
    assert finish == "length"
    shorter: Any = client.chat.completions.create(model="wheel", messages=HELLO, extra_body={"convgraph": {"limits": {"turns": 1}}})
    assert shorter.choices[0].message.content == "round 1"


def test_a_run_that_fails_is_an_error_that_is_not_tried_again(client: openai.OpenAI, studio: Served) -> None:
    with pytest.raises(openai.UnprocessableEntityError, match="the pump is stuck") as failed:
        client.chat.completions.create(model="failing", messages=HELLO)
    assert failed.value.code == "run_failed"
    with pytest.raises(openai.APIError, match="the pump is stuck"):
        list(client.chat.completions.create(model="failing", messages=HELLO, stream=True))
    assert len(studio.api.get("/api/runs", params={"graph": "failing"}).json()["runs"]) == 2


def test_errors_have_the_shape_that_openai_s_clients_read(client: openai.OpenAI, studio: Served) -> None:
    with pytest.raises(openai.NotFoundError, match="there is no graph 'gpt-9'") as missing:
        client.chat.completions.create(model="gpt-9", messages=HELLO)
    assert missing.value.code == "NotFound"
    with pytest.raises(openai.UnprocessableEntityError, match="messages"):
        client.chat.completions.create(model="parrot", messages=[])
    with pytest.raises(openai.UnprocessableEntityError, match="no_such"):
        client.chat.completions.create(model="parrot", messages=HELLO, extra_body={"convgraph": {"no_such": 1}})
    with pytest.raises(openai.NotFoundError, match="no run"):
        client.chat.completions.create(model="parrot", messages=HELLO, extra_body={"convgraph": {"run_id": "nobody"}})
    with pytest.raises(openai.AuthenticationError, match="not this studio's token") as refused:
        client.with_options(api_key="x" * 20).models.list()
    assert refused.value.type == "authentication_error"


def test_our_own_client_talks_to_a_graph_as_to_any_model(studio: Served) -> None:
    heard: list[str] = []
    model = OpenAIChatModel("parrot", base_url=f"{studio.origin}/v1", api_key=studio.url.rpartition("=")[2])
    request = ModelRequest((Message("user", "Hello", "user"),))
    assert asyncio.run(model.respond(request, heard.append)).content == "1: Hello"
    assert "".join(heard) == "1: Hello"
    assert asyncio.run(model.respond(request)).content == "1: Hello"


def told(client: openai.OpenAI, model: str, stream: bool, said: str = "Hello", run_id: str | None = None) -> tuple[str, Any]:
    """What is answered, and what is said of the run."""
    more: Any = {"convgraph": {"run_id": run_id}} if run_id else {}
    answer: Any = client.chat.completions.create(model=model, messages=[{"role": "user", "content": said}], stream=stream, extra_body=more)
    if not stream:
        return answer.choices[0].message.content, answer.model_extra["convgraph"]
    pieces = list(answer)
    content = "".join(choice.delta.content or "" for piece in pieces for choice in piece.choices)
    return content, [piece.model_extra["convgraph"] for piece in pieces if "convgraph" in (piece.model_extra or {})][-1]
