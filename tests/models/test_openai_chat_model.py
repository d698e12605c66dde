"""OpenAIChatModel over real HTTP: what it sends, what it makes of the answer, and what it leaves behind."""

import asyncio
import gc
import json
import subprocess
import sys
import threading
from typing import Any

import pytest

from convgraph.errors import ModelConfigError, ModelOutputError
from convgraph.messages import Message, ToolCall, Usage
from convgraph.models.openai_chat import OpenAIChatModel
from convgraph.models.openai_model import DEFAULT_MODEL, default_model_name
from convgraph.protocols import Model, ModelReply, ModelRequest
from convgraph.testing import Answer, RawBody, ScriptedServer

HELLO = ModelRequest([Message("user", "hello", "user")], speaker="writer")
SCORE = {
    "type": "object",
    "properties": {"score": {"type": "integer", "minimum": 0, "maximum": 10}, "why": {"type": "string", "default": ""}},
    "required": ["score"],
}


def ask(server: ScriptedServer, request: ModelRequest = HELLO, **settings: Any) -> ModelReply:
    model = OpenAIChatModel("m", base_url=server.base_url, api_key="k", max_retries=0, **settings)
    return asyncio.run(model.respond(request))


def sse(*choices: dict[str, Any]) -> bytes:
    """A stream of chunks with one choice each, as a server would send it."""
    lines = [*(json.dumps({"choices": [choice]}) for choice in choices), "[DONE]"]
    return "".join(f"data: {line}\n\n" for line in lines).encode()


def test_it_is_a_model() -> None:
    assert isinstance(OpenAIChatModel("m"), Model)


def test_only_what_was_set_is_sent() -> None:
    with ScriptedServer(["hi"]) as server:
        ask(server)

    assert server.requests == [{"model": "m", "messages": [{"role": "user", "content": "hello"}]}]


def test_settings_tools_and_the_requests_own_parameters_reach_the_endpoint() -> None:
    tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}
    request = ModelRequest(HELLO.messages, system="Be brief.", tools=(tool,), params={"temperature": 0.5, "seed": 3})
    with ScriptedServer(["hi"]) as server:
        ask(server, request, temperature=0.1, top_p=0.9, extra_body={"grammar": "root"}, extra_headers={"x-team": "blue"})

    sent = server.requests[0]
    assert sent["messages"][0] == {"role": "system", "content": "Be brief."}
    assert sent["tools"] == [tool]
    assert (sent["temperature"], sent["top_p"], sent["seed"], sent["grammar"]) == (0.5, 0.9, 3, "root")
    assert server.log[0].headers["x-team"] == "blue"
    assert "extra_headers" not in sent


@pytest.mark.parametrize("stream", [False, True])
def test_text_usage_price_and_the_answering_model_come_back(stream: bool) -> None:
    with ScriptedServer([Answer("well met", usage=(1000, 500))], model="m-2026") as server:
        reply = ask(server, stream=stream, price=[0.01, 0.02])

    assert reply == ModelReply("well met", usage=Usage(1, 1000, 500, 0.02), model="m-2026")


@pytest.mark.parametrize("stream", [False, True])
def test_an_endpoint_that_reports_no_usage_is_tolerated(stream: bool) -> None:
    with ScriptedServer([Answer("hi", reports_usage=False)]) as server:
        reply = ask(server, stream=stream)

    assert (reply.content, reply.usage) == ("hi", Usage(calls=1))


@pytest.mark.parametrize("stream", [False, True])
def test_tool_calls_come_back_whole(stream: bool) -> None:
    calls = [{"id": "a", "name": "search", "arguments": {"query": "graph theory, briefly"}}, {"id": "b", "name": "now", "arguments": "{}"}]
    with ScriptedServer([Answer("let me see", tool_calls=calls)]) as server:
        reply = ask(server, stream=stream)

    assert reply.tool_calls == (ToolCall("a", "search", '{"query": "graph theory, briefly"}'), ToolCall("b", "now", "{}"))
    assert (reply.content, reply.finish_reason) == ("let me see", "tool_calls")


def test_a_server_that_repeats_a_tools_name_in_every_chunk_is_understood() -> None:
    deltas = [{"tool_calls": [{"index": 0, "id": "a", "function": {"name": "search", "arguments": part}}]} for part in ('{"q":', ' "x"}')]
    body = sse(*({"delta": delta} for delta in deltas), {"delta": {}, "finish_reason": "tool_calls"})
    with ScriptedServer([RawBody(body, "text/event-stream")]) as server:
        reply = ask(server, stream=True)

    assert reply.tool_calls == (ToolCall("a", "search", '{"q": "x"}'),)


def test_a_listener_hears_the_text_in_pieces_that_add_up() -> None:
    heard: list[str] = []
    with ScriptedServer(["one two three"]) as server:
        model = OpenAIChatModel("m", base_url=server.base_url)
        reply = asyncio.run(model.respond(HELLO, heard.append))

    assert heard == ["one", " two", " three"]
    assert reply.content == "one two three"
    assert server.requests[0]["stream_options"] == {"include_usage": True}


@pytest.mark.parametrize(
    ("settings", "script"), [({"stream": False}, "whole"), ({}, RawBody(b'{"choices": [{"message": {"content": "whole"}}]}'))]
)
def test_a_listener_is_served_where_there_is_no_stream(settings: dict[str, Any], script: Any) -> None:
    """Whether the caller forbids streaming or the endpoint does not know how to."""
    heard: list[str] = []
    with ScriptedServer([script]) as server:
        asyncio.run(OpenAIChatModel("m", base_url=server.base_url, **settings).respond(HELLO, heard.append))

    assert heard == ["whole"]


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_that_fits_the_schema_comes_back_parsed(stream: bool) -> None:
    request = ModelRequest(HELLO.messages, schema=SCORE, schema_name="score card")
    with ScriptedServer(['{"score": 7, "why": "clear"}']) as server:
        reply = ask(server, request, stream=stream)

    assert reply.data == {"score": 7, "why": "clear"}
    sent = server.requests[0]["response_format"]["json_schema"]
    assert (sent["name"], sent["strict"]) == ("score_card", True)
    assert sent["schema"]["required"] == ["score", "why"]
    assert sent["schema"]["additionalProperties"] is False


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ("seven", "JSON"),
        ('{"score": "7"}', r"\$\.score: '7' is not a whole number"),
        ('{"score": 11}', r"\$\.score: 11 is more than 10"),
        ('{"why": "x"}', r"\$: 'score' is missing"),
        ('{"score": NaN}', "NaN is not JSON"),
        (Answer('{"score":', finish_reason="length"), "cut off"),
        (Answer(extra={"refusal": "I would rather not."}), "refusal.*rather not"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_an_answer_that_does_not_fit_says_where_and_what_it_cost(answer: Any, told: str) -> None:
    with ScriptedServer([answer]) as server, pytest.raises(ModelOutputError, match=told) as caught:
        ask(server, ModelRequest(HELLO.messages, schema=SCORE))

    assert caught.value.reply.usage == server.usage


def test_a_schema_whose_top_is_no_object_is_wrapped_on_the_way() -> None:
    choice = {"enum": ["writer", "critic"]}
    with ScriptedServer(['{"value": "critic"}', '"critic"']) as server:
        first = ask(server, ModelRequest(HELLO.messages, schema=choice))
        second = ask(server, ModelRequest(HELLO.messages, schema=choice))

    assert server.requests[0]["response_format"]["json_schema"]["schema"]["properties"] == {"value": choice}
    assert (first.data, second.data) == ("critic", "critic")


def test_a_refusal_without_a_schema_is_an_answer() -> None:
    with ScriptedServer([Answer(extra={"refusal": "No."})]) as server:
        reply = ask(server)

    assert (reply.content, reply.finish_reason) == ("No.", "refusal")


@pytest.mark.parametrize("stream", [False, True])
def test_lone_surrogates_in_an_answer_are_replaced_and_pairs_joined(stream: bool) -> None:
    heard: list[str] = []
    script = ["a \ud83d\ude00 b \ud800 c"]
    with ScriptedServer(script) as server:
        model = OpenAIChatModel("m", base_url=server.base_url, stream=stream)
        reply = asyncio.run(model.respond(HELLO, heard.append))

    assert reply.content == "a \U0001f600 b \ufffd c"
    assert "".join(heard) == reply.content


def test_a_pair_that_the_stream_cuts_in_two_is_heard_whole() -> None:
    body = sse({"delta": {"content": "\ud83d"}}, {"delta": {"content": "\ude00!"}}, {"delta": {}, "finish_reason": "stop"})
    heard: list[str] = []
    with ScriptedServer([RawBody(body, "text/event-stream")]) as server:
        reply = asyncio.run(OpenAIChatModel("m", base_url=server.base_url).respond(HELLO, heard.append))

    assert heard == ["\U0001f600!"]
    assert reply.content == "\U0001f600!"


@pytest.mark.parametrize("escaped", [r'{"why": "\ud800"}'])
def test_lone_surrogates_that_hide_in_escapes_are_replaced_too(escaped: str) -> None:
    schema = {"type": "object", "properties": {"why": {"type": "string"}}}
    with ScriptedServer([escaped, Answer(tool_calls=[{"name": "f", "arguments": escaped}])]) as server:
        parsed = ask(server, ModelRequest(HELLO.messages, schema=schema))
        called = ask(server)

    assert parsed.data == {"why": "\ufffd"}
    assert json.loads(called.tool_calls[0].arguments) == {"why": "\ufffd"}


def test_lone_surrogates_in_a_question_do_not_stop_it() -> None:
    with ScriptedServer(["hi"]) as server:
        ask(server, ModelRequest([Message("user", "what is \udcff?", "user")], system="\ud800"))

    assert [message["content"] for message in server.requests[0]["messages"]] == ["\ufffd", "what is \ufffd?"]


def test_model_key_and_address_are_looked_up_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    model = OpenAIChatModel()
    with ScriptedServer(["hi"]) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "from-env")
        monkeypatch.setenv("CONVGRAPH_MODEL", "model-from-env")
        asyncio.run(model.respond(HELLO))

    assert server.requests[0]["model"] == "model-from-env"
    assert server.log[0].headers["authorization"] == "Bearer from-env"
    monkeypatch.delenv("CONVGRAPH_MODEL")
    assert model.name == default_model_name() == DEFAULT_MODEL


def test_without_key_and_address_nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)

    with pytest.raises(ModelConfigError, match="OPENAI_API_KEY"):
        asyncio.run(OpenAIChatModel("m").respond(HELLO))


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"price": (1, 2, 3)}, "price="),
        ({"price": "cheap"}, "price="),
        ({"price": (-1, 2)}, "price="),
        ({"timeout": 0}, "timeout="),
        ({"timeout": "soon"}, "timeout="),
        ({"max_retries": -1}, "max_retries="),
        ({"temperature": float("nan")}, "temperature"),
        ({"http_client": object()}, "http_client"),
        ({"base_url": "localhost:8000"}, "base_url="),
        ({"base_url": "http://"}, "base_url="),
        ({"base_url": "http://[::1/v1"}, "base_url="),
        ({"base_url": "http://host:port/v1"}, "base_url="),
        ({"base_url": 7}, "base_url="),
        ({"api_key": "sk-…"}, "api_key="),
        ({"api_key": "sk-1\nsk-2"}, "api_key="),
        ({"model": ""}, "model="),
        ({"model": 7}, "model="),
    ],
)
def test_settings_that_cannot_work_are_refused_when_the_model_is_made(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(ModelConfigError, match=told) as caught:
        OpenAIChatModel(**{"model": "m", **settings})

    assert "sk-" not in str(caught.value)


def test_white_space_around_a_key_is_no_part_of_it() -> None:
    with ScriptedServer(["hi"]) as server:
        asyncio.run(OpenAIChatModel("m", base_url=server.base_url, api_key=" sk-1\n").respond(HELLO))

    assert server.log[0].headers["authorization"] == "Bearer sk-1"


def test_a_listener_that_fails_is_not_taken_for_the_model() -> None:
    def deaf(text: str) -> None:
        raise LookupError("cannot hear")

    with ScriptedServer(["hi"]) as server, pytest.raises(LookupError, match="cannot hear"):
        asyncio.run(OpenAIChatModel("m", base_url=server.base_url).respond(HELLO, deaf))


def test_an_address_from_the_environment_is_checked_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "localhost:8000")
    with pytest.raises(ModelConfigError, match="base_url="):
        asyncio.run(OpenAIChatModel("m").respond(HELLO))


def test_its_description_holds_its_parameters_and_no_secret() -> None:
    model = OpenAIChatModel(
        "m", api_key="sk-1", base_url="http://u:sk-2@host/v1?key=sk-3", temperature=0.2, extra_headers={"authorization": "sk-4"}, seed=1
    )

    described = {"type": "openai_chat", "model": "m", "params": {"temperature": 0.2, "seed": 1}, "base_url": "http://host/v1"}
    assert model.describe() == described
    assert "sk-" not in repr(model)


def test_one_model_serves_several_loops_and_threads_and_closes_its_connections() -> None:
    """Every synchronous run may have a loop of its own; warnings of unclosed connections are errors here."""
    with ScriptedServer(["hi"], repeat=True) as server:
        model = OpenAIChatModel("m", base_url=server.base_url)

        async def several() -> None:
            await asyncio.gather(*(model.respond(HELLO) for _ in range(5)))

        threads = [threading.Thread(target=lambda: asyncio.run(several())) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for _ in range(2):
            asyncio.run(several())
        assert len(server.log) == 25
        gc.collect()


def test_a_connection_is_reused_within_a_loop() -> None:
    async def thrice(model: OpenAIChatModel) -> None:
        for _ in range(3):
            await model.respond(HELLO)

    with ScriptedServer(["hi"], repeat=True) as server:
        asyncio.run(thrice(OpenAIChatModel("m", base_url=server.base_url)))
        assert server.connections == 1


def test_the_ledger_agrees_with_the_server_to_the_token() -> None:
    async def talk(model: OpenAIChatModel) -> Usage:
        total, history = Usage(), [Message("user", "Count with me: 1, 2, 3 …", "user")]
        for turn in range(6):
            reply = await model.respond(ModelRequest(history, speaker="a"), (lambda _: None) if turn % 2 else None)
            total += reply.usage
            history.append(Message("a", reply.content))
        return total

    with ScriptedServer(lambda request: f"That makes {len(request['messages'])} messages!") as server:
        total = asyncio.run(talk(OpenAIChatModel("m", base_url=server.base_url, price=(1, 1))))

    assert total[:3] == server.usage[:3]
    assert total.usd == pytest.approx(server.usage.tokens / 1000)


def test_importing_the_models_loads_neither_the_sdk_nor_the_retry_library() -> None:
    modules = "convgraph.models.scripted, convgraph.models.openai_chat, convgraph.models.config, convgraph.testing"
    code = f"import sys, {modules}; print({{'openai', 'tenacity', 'httpx2', 'pydantic'}} & set(sys.modules) or 'none')"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() in ("none", "{'pydantic'}")
