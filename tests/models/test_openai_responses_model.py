"""OpenAIResponsesModel over real HTTP: what it sends, what it makes of the answer, and what it does with failures."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convgraph import END, AssistantAgent, ConversationGraph
from convgraph.errors import ModelConfigError, ModelError, ModelOutputError, ModelUnavailable
from convgraph.messages import Message, ToolCall, Usage
from convgraph.models.cache import Cache
from convgraph.models.cached import with_cache
from convgraph.models.openai_chat import OpenAIChatModel
from convgraph.models.openai_responses import OpenAIResponsesModel
from convgraph.models.responses_wire import responses_body
from convgraph.protocols import Model, ModelReply, ModelRequest
from convgraph.testing import Answer, Drop, HttpError, RawBody, ScriptedServer, Truncated

HELLO = ModelRequest([Message("user", "hello", "user")], speaker="writer")
TOOL = {"type": "function", "function": {"name": "look", "description": "Look.", "parameters": {"type": "object", "properties": {}}}}
SCORE = {"type": "object", "properties": {"score": {"type": "integer", "maximum": 10}}, "required": ["score"]}


def ask(server: ScriptedServer, request: ModelRequest = HELLO, /, *, on_delta: Any = None, **settings: Any) -> ModelReply:
    async def no_wait(_: float) -> None: ...

    model = OpenAIResponsesModel("m", **{"base_url": server.base_url, "max_retries": 0, "sleep": no_wait, **settings})
    return asyncio.run(model.respond(request, on_delta))


def sent(request: ModelRequest = HELLO, /, **settings: Any) -> dict[str, Any]:
    with ScriptedServer(["hi"]) as server:
        ask(server, request, **settings)
    assert server.log[0].path == "/v1/responses"
    return server.requests[0]


def test_only_what_was_set_is_sent_and_nothing_is_left_with_the_endpoint() -> None:
    assert sent() == {"model": "m", "input": [{"role": "user", "content": "hello"}], "store": False}


def test_a_conversation_is_told_as_items_and_calls_keep_their_results() -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
    messages = [
        Message("user", "start", "user"),
        Message("critic", "weak"),
        Message("writer", "I look", tool_calls=(ToolCall("c1", "look", '{"x":1}'), ToolCall("c2", "look", "{}"))),
        Message("tools", "one", "tool", tool_call_id="c1"),
        Message("critic", "meanwhile"),
        Message("tools", "two", "tool", tool_call_id="c2"),
        Message("writer", "mine"),
        Message("critic", [{"type": "text", "text": "see"}, picture]),
    ]
    body = sent(ModelRequest(messages, speaker="writer", system="Be brief."))

    assert body["instructions"] == "Be brief."
    assert body["input"] == [
        {"role": "user", "content": "start"},
        {"role": "user", "content": "critic: weak"},
        {"type": "message", "role": "assistant", "content": "I look"},
        {"type": "function_call", "call_id": "c1", "name": "look", "arguments": '{"x":1}'},
        {"type": "function_call", "call_id": "c2", "name": "look", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "one"},
        {"type": "function_call_output", "call_id": "c2", "output": "two"},
        {"role": "user", "content": "critic: meanwhile"},
        {"type": "message", "role": "assistant", "content": "mine"},
        {
            "role": "user",
            "content": [
                {"type": "input_text", "text": "critic: "},
                {"type": "input_text", "text": "see"},
                {"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "auto"},
            ],
        },
    ]


IDS = st.sampled_from(["1", "2", "3"])
MESSAGES = st.lists(
    st.one_of(
        st.builds(Message, st.sampled_from(["writer", "critic", "user"]), st.text(max_size=5)),
        st.builds(
            lambda sender, ids: Message(sender, "", tool_calls=tuple(ToolCall(id_, "look") for id_ in ids)),
            st.sampled_from(["writer", "critic"]),
            st.lists(IDS, min_size=1, unique=True),
        ),
        st.builds(lambda id_: Message("tools", "found", "tool", tool_call_id=id_), IDS),
    ),
    max_size=12,
)


@given(MESSAGES)
def test_whatever_was_said_every_call_has_its_result_and_every_result_its_call(messages: list[Message]) -> None:
    waiting: list[str] = []
    for item in responses_body(ModelRequest(messages, speaker="writer"), "m", {})["input"]:
        if item.get("type") == "function_call":
            waiting.append(item["call_id"])
        elif item.get("type") == "function_call_output":
            waiting.remove(item["call_id"])
        else:
            assert waiting == []
            assert set(item) - {"type"} == {"role", "content"}
    assert waiting == []


def test_settings_of_chat_completions_are_put_where_they_belong_here() -> None:
    body = sent(
        ModelRequest(HELLO.messages, tools=(TOOL,), params={"tool_choice": {"type": "function", "function": {"name": "look"}}}),
        temperature=0.5,
        max_tokens=7,
        reasoning_effort="low",
        verbosity="high",
        tools=[{"type": "web_search"}],
    )

    assert (body["temperature"], body["max_output_tokens"]) == (0.5, 7)
    assert (body["reasoning"], body["text"]) == ({"effort": "low"}, {"verbosity": "high"})
    assert body["tools"] == [{"type": "web_search"}, {"type": "function", "strict": False, **TOOL["function"]}]
    assert body["tool_choice"] == {"type": "function", "name": "look"}
    assert not {"max_tokens", "reasoning_effort", "verbosity"} & set(body)


@pytest.mark.parametrize("setting", ["previous_response_id", "conversation", "background"])
def test_what_relies_on_the_endpoints_memory_is_refused(setting: str) -> None:
    with ScriptedServer(["hi"]) as server, pytest.raises(ModelConfigError, match=setting):
        ask(server, HELLO, **{setting: "something"})


@pytest.mark.parametrize("stream", [False, True])
def test_text_usage_price_and_the_answering_model_come_back(stream: bool) -> None:
    with ScriptedServer([Answer("well met", usage=(1000, 500), cached=400)], model="m-2026") as server:
        reply = ask(server, stream=stream, price=[0.01, 0.02])

    assert reply == ModelReply("well met", usage=Usage(1, 1000, 500, 0.02, 400), model="m-2026")


@pytest.mark.parametrize("stream", [False, True])
def test_an_endpoint_that_reports_no_usage_is_tolerated(stream: bool) -> None:
    with ScriptedServer([Answer("hi", reports_usage=False)]) as server:
        assert ask(server, stream=stream).usage == Usage(calls=1)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("text", ["", "let me see"])
def test_tool_calls_come_back_whole_under_the_ids_that_results_answer_to(stream: bool, text: str) -> None:
    calls = [{"id": "a", "name": "search", "arguments": {"query": "graph theory, briefly"}}, {"id": "b", "name": "now", "arguments": "{}"}]
    with ScriptedServer([Answer(text, tool_calls=calls)]) as server:
        reply = ask(server, stream=stream)

    assert reply.tool_calls == (ToolCall("a", "search", '{"query": "graph theory, briefly"}'), ToolCall("b", "now", "{}"))
    assert (reply.content, reply.finish_reason) == (text, "tool_calls")


def test_a_listener_hears_the_text_in_pieces_that_add_up() -> None:
    heard: list[str] = []
    with ScriptedServer(["one two three"]) as server:
        reply = ask(server, on_delta=heard.append)

    assert heard == ["one", " two", " three"]
    assert (reply.content, reply.finish_reason) == ("one two three", "stop")


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_that_fits_the_schema_comes_back_parsed(stream: bool) -> None:
    with ScriptedServer(['{"score": 7}']) as server:
        reply = ask(server, ModelRequest(HELLO.messages, schema=SCORE, schema_name="score card"), stream=stream)

    assert reply.data == {"score": 7}
    format_ = server.requests[0]["text"]["format"]
    assert (format_["type"], format_["name"], format_["strict"]) == ("json_schema", "score_card", True)
    assert format_["schema"]["additionalProperties"] is False


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (Answer('{"score":', finish_reason="length"), "cut off"),
        (Answer('{"sco', finish_reason="content_filter"), "content filter"),
        (Answer(extra={"refusal": "I would rather not."}), "refusal.*rather not"),
        ('{"score": 11}', r"\$\.score: 11 is more than 10"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_that_does_not_fit_says_why_and_what_it_cost(answer: Any, told: str, stream: bool) -> None:
    with ScriptedServer([answer]) as server, pytest.raises(ModelOutputError, match=told) as caught:
        ask(server, ModelRequest(HELLO.messages, schema=SCORE), stream=stream)

    assert caught.value.reply.usage[:3] == server.usage[:3]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("fault", [HttpError(429), HttpError(500), Drop()])
def test_a_transient_fault_is_tried_again_by_the_one_layer_that_retries(fault: Any, stream: bool) -> None:
    with ScriptedServer([fault, fault, "hi"]) as server:
        assert ask(server, stream=stream, max_retries=2).content == "hi"
    with ScriptedServer([fault], repeat=True) as server:
        with pytest.raises(ModelUnavailable):
            ask(server, stream=stream, max_retries=2)
        assert len(server.log) == 3


def failed(code: str) -> bytes:
    body = {"id": "r", "object": "response", "status": "failed", "output": [], "error": {"code": code, "message": "it went wrong"}}
    return json.dumps(body).encode()


def sse(*events: dict[str, Any]) -> bytes:
    return "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events).encode()


@pytest.mark.parametrize(("code", "tries", "error"), [("server_error", 2, ModelUnavailable), ("invalid_prompt", 1, ModelConfigError)])
@pytest.mark.parametrize("kind", ["whole", "failed", "error"])
def test_a_response_that_failed_is_tried_again_if_that_may_help(code: str, tries: int, error: type[ModelError], kind: str) -> None:
    whole = failed(code)
    event = (
        {"type": "response.failed", "response": json.loads(whole)} if kind == "failed" else {"type": "error", "code": code, "message": "x"}
    )
    line = RawBody(whole) if kind == "whole" else RawBody(sse(event), "text/event-stream")
    with ScriptedServer([line], repeat=True) as server:
        with pytest.raises(error):
            ask(server, max_retries=1, stream=kind != "whole")
        assert len(server.log) == tries


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Truncated("half of"), id="ends without a last event"),
        pytest.param(Drop("half of it", after=1), id="hung up"),
        pytest.param(RawBody(b"data: 7\n\n", "text/event-stream"), id="a number"),
        pytest.param(RawBody(b"data: {oops\n\n", "text/event-stream"), id="malformed"),
        pytest.param(RawBody(sse({"type": "response.completed", "response": {}}), "text/event-stream"), id="an empty response"),
    ],
)
def test_a_garbled_stream_is_an_error_not_an_empty_answer(fault: Any) -> None:
    with ScriptedServer([fault]) as server, pytest.raises((ModelOutputError, ModelUnavailable)):
        ask(server, stream=True)


@pytest.mark.parametrize(
    "body", [b"[]", b"null", b"{}", b'{"choices": [{"message": {"content": "x"}}]}', b'{"output": [{"type": "reasoning"}]}']
)
def test_a_body_that_is_no_response_is_an_error(body: bytes) -> None:
    with ScriptedServer([RawBody(body)]) as server, pytest.raises(ModelOutputError):
        ask(server)


def test_a_limit_reached_in_the_middle_of_reasoning_is_an_answer_without_text() -> None:
    body = {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}, "output": [{"type": "reasoning", "summary": []}]}
    with ScriptedServer([RawBody(json.dumps(body).encode())]) as server:
        reply = ask(server)

    assert (reply.content, reply.finish_reason) == ("", "length")


def test_a_stream_whose_items_have_no_places_is_told_apart_by_ids() -> None:
    """As some servers send it, whose last event has no output either."""
    call = {"type": "function_call", "id": "f1", "call_id": "c1", "name": "look", "arguments": ""}
    events = [
        {"type": "response.output_item.added", "item": {"type": "message", "id": "m1", "content": []}},
        {"type": "response.output_text.delta", "item_id": "m1", "delta": "see"},
        {"type": "response.output_item.added", "item": call},
        {"type": "response.function_call_arguments.delta", "item_id": "f1", "delta": "{}"},
        {"type": "response.completed", "response": {"status": "completed"}},
    ]
    with ScriptedServer([RawBody(sse(*events), "text/event-stream")]) as server:
        reply = ask(server, stream=True)

    assert (reply.content, reply.tool_calls) == ("see", (ToolCall("c1", "look", "{}"),))


def test_it_is_a_model_of_its_own_kind() -> None:
    model = OpenAIResponsesModel("gpt-5.5", temperature=0)

    assert isinstance(model, Model)
    assert (model.name, model.priced) == ("gpt-5.5", True)
    assert model.describe() == {"type": "openai_responses", "model": "gpt-5.5", "params": {"temperature": 0}}


def test_the_two_interfaces_of_one_endpoint_do_not_share_cached_answers() -> None:
    cache = Cache.memory()
    with ScriptedServer(["from chat", "from responses"]) as server:
        chat, responses = (with_cache(kind("m", base_url=server.base_url), cache) for kind in (OpenAIChatModel, OpenAIResponsesModel))
        said = [asyncio.run(model.respond(HELLO)).content for model in (chat, responses, chat, responses)]

    assert said == ["from chat", "from responses", "from chat", "from responses"]


def test_a_run_is_replayed_with_the_endpoint_down(tmp_path: Path) -> None:
    graph = ConversationGraph("greeter")
    with ScriptedServer(["Bonjour."]) as server:
        graph.add_node(AssistantAgent("agent", "You greet.", model=OpenAIResponsesModel("m", base_url=server.base_url)))
        graph.add_edge("agent", END)
        graph.set_start("agent")
        result = graph.run("hello", store=str(tmp_path / "runs.db"), run_id="r")

    assert result.usage[:3] == server.usage[:3]
    replayed = graph.replay("r", store=str(tmp_path / "runs.db"))
    assert [message.text for message in replayed.messages] == ["hello", "Bonjour."]
