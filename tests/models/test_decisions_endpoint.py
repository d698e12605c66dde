"""OpenAIDecisionsModel over real HTTP: what it asks, what counts as a choice, and what becomes of everything else."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import openai
import pytest

from convgraph import END, AssistantAgent, ConversationGraph, OpenAIDecisionsModel, ScriptedModel
from convgraph.errors import ModelConfigError, ModelOutputError, ModelUnavailable
from convgraph.messages import Message, ToolCall
from convgraph.models.cache import Cache
from convgraph.models.cached import with_cache
from convgraph.models.fallback import FallbackModel
from convgraph.protocols import Choices, Distribution, Model, ModelReply, ModelRequest
from convgraph.testing import Answer, Drop, HttpError, RawBody, ScriptedServer

CHOICES = Choices({"writer": "writes drafts", "critic": "finds faults"}, "Who is next?", [Message("user", "start", "user")])
ASKED = ModelRequest([Message("user", "not to be sent", "user")], speaker="(observer)", system="not to be sent", choices=CHOICES)


def model_at(server: ScriptedServer, **settings: Any) -> OpenAIDecisionsModel:
    async def no_wait(_: float) -> None: ...

    return OpenAIDecisionsModel(**{"base_url": server.base_url, "max_retries": 0, "sleep": no_wait, **settings})


def ask(server: ScriptedServer, request: ModelRequest = ASKED, **settings: Any) -> ModelReply:
    return asyncio.run(model_at(server, **settings).respond(request))


def test_it_asks_one_question_about_the_conversation_with_each_choice_described() -> None:
    with ScriptedServer(["critic"]) as server:
        ask(server)

    assert server.log[0].path == "/v1/decisions"
    assert server.requests[0] == {
        "model": "gpt-6-luna",
        "input": [{"role": "user", "content": "start"}],
        "questions": [
            {
                "type": "choice",
                "name": "next",
                "instructions": "Who is next?",
                "choices": [{"value": "writer", "description": "writes drafts"}, {"value": "critic", "description": "finds faults"}],
            }
        ],
    }


def test_what_it_sends_is_what_the_sdk_sends() -> None:
    """The openai package's own call, with the same words, is the same request."""
    with ScriptedServer(["critic"], repeat=True) as server:
        ask(server)
        client = openai.OpenAI(base_url=server.base_url, api_key="any", max_retries=0)
        decision = client.decisions.create(model="gpt-6-luna", input=server.requests[0]["input"], questions=server.requests[0]["questions"])

    assert server.requests[0] == server.requests[1]
    assert decision.answers[0].to_dict()["choice"] == "critic"
    assert decision.usage.total_tokens == server.log[1].input_tokens + server.log[1].output_tokens


def test_tool_calls_and_their_results_are_told_as_the_endpoint_wants_them() -> None:
    call = Message("writer", "I look", tool_calls=(ToolCall("c1", "look", "{}"),))
    conversation = [Message("critic", "weak"), call, Message("tools", "one", "tool", tool_call_id="c1")]
    with ScriptedServer(["critic"]) as server:
        ask(server, ModelRequest((), "(observer)", choices=Choices(CHOICES.described, "?", conversation)))

    assert server.requests[0]["input"] == [
        {"role": "user", "content": "critic: weak"},
        {"type": "message", "role": "assistant", "content": "writer: I look"},
        {"type": "function_call", "call_id": "c1", "name": "look", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "one"},
    ]


def test_the_answer_is_the_choice_with_its_distribution_and_costs_what_was_billed() -> None:
    with ScriptedServer([Answer('{"writer": 0.25, "critic": 0.75}', usage=(1000, 10))], model="gpt-6-luna") as server:
        reply = ask(server)

    assert reply.content == "critic"
    assert reply.distribution == Distribution({"writer": 0.25, "critic": 0.75}, "decision")
    assert reply.usage[:3] == (1, 1000, 10)
    assert reply.usage.usd == pytest.approx((1000 * 0.10 + 10 * 0.50) / 1e6)
    assert model_at(server).priced


def test_a_refusal_is_no_choice_and_is_paid_for() -> None:
    with (
        ScriptedServer([Answer("critic", extra={"type": "refusal"})]) as server,
        pytest.raises(ModelOutputError, match="refuses") as caught,
    ):
        ask(server)

    assert (caught.value.reply.content, caught.value.reply.finish_reason) == ("", "refusal")
    assert caught.value.reply.usage.tokens == server.usage.tokens > 0


def test_below_the_wanted_confidence_nothing_is_chosen_and_what_it_thought_is_said() -> None:
    lines = ['{"writer": 0.45, "critic": 0.55}']
    with ScriptedServer(lines, repeat=True) as server:
        assert ask(server, unsure_below=0.55).content == "critic"
        with pytest.raises(ModelOutputError, match=r"not sure enough \(unsure_below=0.6\): critic 0.55, writer 0.45") as caught:
            ask(server, unsure_below=0.6)

    assert caught.value.reply.distribution == Distribution({"writer": 0.45, "critic": 0.55}, "decision")
    assert caught.value.reply.usage.calls == 1


def probabilities(**of: Any) -> list[dict[str, Any]]:
    return [{"value": name, "probability": probability} for name, probability in of.items()]


@pytest.mark.parametrize(
    "told",
    [
        {"choice": "admin", "probabilities": probabilities(admin=1.0)},
        {"choice": "critic", "probabilities": probabilities(critic=0.5, admin=0.5)},
        {"choice": "admin"},
        {"choice": True},
        {"choice": None},
        {"choice": ["critic"]},
        {"choice": {"critic": 1}},
        {"choice": "Critic"},
        {"choice": "writer"},
        {"probabilities": []},
        {"probabilities": None},
        {"probabilities": "critic"},
        {"probabilities": probabilities(writer=1.0)},
        {"probabilities": probabilities(critic=0.5, writer=0.2)},
        {"probabilities": probabilities(critic=0.9, writer=0.9)},
        {"probabilities": probabilities(critic=1.5, writer=-0.5)},
        {"probabilities": probabilities(critic="1.0")},
        {"probabilities": probabilities(critic=None)},
        {"probabilities": probabilities(critic=True)},
        {"probabilities": probabilities(critic=float("nan"))},
        {"probabilities": probabilities(critic=float("inf"))},
        {"probabilities": probabilities(critic=0.4, writer=0.6)},
        {"confidence": None},
        {"confidence": "high"},
        {"confidence": float("nan")},
        {"confidence": 2},
        {"confidence": -1},
    ],
)
def test_whatever_is_no_choice_with_its_probability_is_none_at_all(told: dict[str, Any]) -> None:
    """Another agent's name, numbers that are no probabilities, a choice that its own probabilities speak against."""
    with ScriptedServer([Answer("critic", extra=told)]) as server, pytest.raises(ModelOutputError) as caught:
        ask(server)

    assert caught.value.reply.content == ""
    assert caught.value.reply.usage.tokens == server.usage.tokens


@pytest.mark.parametrize(
    "body", [b"[]", b"{}", b'{"answers": null}', b'{"answers": []}', b'{"answers": ["critic"]}', b'{"answers": [{}, {}]}', b"null"]
)
def test_a_body_without_one_answer_is_none(body: bytes) -> None:
    with ScriptedServer([RawBody(body)]) as server, pytest.raises(ModelOutputError):
        ask(server)


def test_what_is_worth_retrying_is_tried_again_as_with_every_model() -> None:
    with ScriptedServer([HttpError(503), Drop(), "critic"]) as server:
        assert ask(server, max_retries=2).content == "critic"
    with ScriptedServer([HttpError(503)], repeat=True) as server, pytest.raises(ModelUnavailable):
        ask(server, max_retries=1)
    with ScriptedServer([HttpError(401)]) as server, pytest.raises(ModelConfigError):
        ask(server)


def test_it_cannot_write() -> None:
    with ScriptedServer(["critic"]) as server, pytest.raises(ModelConfigError, match=r"cannot write for 'writer'.*selector_model="):
        ask(server, ModelRequest([Message("user", "hello", "user")], speaker="writer"))
    assert not server.log


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"unsure_below": 1.5}, "unsure_below"),
        ({"unsure_below": "0.5"}, "unsure_below"),
        ({"unsure_below": float("nan")}, "unsure_below"),
        ({"stream": True}, "one piece"),
        ({"timeout": -1}, "timeout"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(settings: dict[str, Any], problem: str) -> None:
    with pytest.raises(ModelConfigError, match=problem):
        OpenAIDecisionsModel(**settings)


def test_a_listener_hears_the_choice() -> None:
    heard: list[str] = []
    with ScriptedServer(["critic"]) as server:
        asyncio.run(model_at(server).respond(ASKED, heard.append))
    assert heard == ["critic"]


def test_where_it_is_not_sure_the_next_model_is_asked_and_both_are_paid_for() -> None:
    writing = ScriptedModel(['{"next": "writer"}'])
    with ScriptedServer(['{"writer": 0.5, "critic": 0.5}']) as server:
        both = FallbackModel([model_at(server, unsure_below=0.9), writing])
        reply = asyncio.run(both.respond(ModelRequest((), choices=CHOICES)))

    assert reply.content == '{"next": "writer"}'
    assert reply.usage.calls == 2
    assert reply.usage.tokens == server.usage.tokens


def test_a_cached_choice_comes_with_its_distribution() -> None:
    with ScriptedServer(['{"writer": 0.25, "critic": 0.75}']) as server:
        model = with_cache(model_at(server), Cache.memory())
        first, again = (asyncio.run(model.respond(ASKED)) for _ in range(2))

    assert again.distribution == first.distribution
    assert (again.usage.calls, len(server.log)) == (0, 1)


def test_it_is_a_model_and_a_document_holds_it() -> None:
    model = OpenAIDecisionsModel(unsure_below=0.4, base_url="http://127.0.0.1:1/v1", api_key="secret")
    graph = ConversationGraph("desk", select="auto", selector_model=model)
    for name in ("a", "b"):
        graph.add_node(AssistantAgent(name, "You answer.", model=ScriptedModel([])))
        graph.add_edge(name, END)
    graph.add_edge("a", "b")
    graph.set_start("a")
    again = ConversationGraph.from_yaml(graph.to_yaml())

    assert isinstance(model, Model)
    assert "secret" not in graph.to_yaml()
    assert again.fingerprint == graph.fingerprint
    assert again.to_yaml() == graph.to_yaml()
    assert json.dumps(dict(model.describe())).count("unsure_below") == 1


@pytest.mark.parametrize(
    "body",
    [
        {"input": "x"},
        {"input": "x", "questions": []},
        {"input": "x", "questions": [{"type": "predicate", "instructions": "?"}]},
        {"input": "x", "questions": [{"type": "choice", "instructions": "?", "choices": [{"value": "a"}]}]},
        {"input": "x", "questions": [{"type": "choice", "instructions": "?", "choices": [{"value": "a"}, {"value": "a"}]}]},
        {"input": "x", "questions": [{"type": "choice", "choices": [{"value": "a"}, {"value": "b"}]}]},
    ],
)
def test_the_scripted_server_refuses_what_the_endpoint_would(body: dict[str, Any]) -> None:
    with ScriptedServer(["a"]) as server:
        client = openai.OpenAI(base_url=server.base_url, api_key="any", max_retries=0)
        with pytest.raises(openai.BadRequestError):
            client.post("/decisions", cast_to=object, body=body)
    assert not server.log
