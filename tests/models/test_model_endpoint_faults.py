"""What an endpoint does wrong, and what comes of it: over real HTTP, one row for each fault."""

import asyncio
import socket
import threading
from itertools import pairwise
from typing import Any

import pytest

from convgraph.errors import ModelConfigError, ModelError, ModelOutputError, ModelUnavailable
from convgraph.messages import Message, Usage
from convgraph.models.openai_chat import OpenAIChatModel
from convgraph.protocols import ModelReply, ModelRequest
from convgraph.testing import Answer, Drop, HttpError, RawBody, ScriptedServer, Truncated

REQUEST = ModelRequest([Message("user", "hello", "user")], speaker="writer")
HTML = RawBody(b"<html><body>502 Bad Gateway</body></html>", "text/html")


class Sleeper:
    """Waits for nothing and remembers how long it was to wait."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.waits.append(seconds)


def ask(server: ScriptedServer, *, listen: bool = False, **settings: Any) -> tuple[ModelReply | ModelError, list[float], list[str]]:
    """One request to the server: the reply or the error, the waits between attempts, and the text streamed."""
    sleeper, heard = Sleeper(), list[str]()
    model = OpenAIChatModel("m", base_url=server.base_url, api_key="sk-secret", sleep=sleeper, **settings)
    try:
        reply = asyncio.run(model.respond(REQUEST, heard.append if listen else None))
    except ModelError as error:
        return error, sleeper.waits, heard
    return reply, sleeper.waits, heard


TRANSIENT = [
    pytest.param(HttpError(408), id="request timeout"),
    pytest.param(HttpError(409), id="conflict"),
    pytest.param(HttpError(429), id="rate limit"),
    pytest.param(HttpError(500), id="server error"),
    pytest.param(HttpError(503), id="overloaded"),
    pytest.param(HttpError(529), id="a status above 500 that nobody defined"),
    pytest.param(HttpError(400, headers={"x-should-retry": "true"}), id="the server says that a retry helps"),
    pytest.param(Drop(), id="hung up before the answer"),
]
GARBLED = [
    pytest.param(HTML, id="html with status 200"),
    pytest.param(RawBody(b""), id="empty body"),
    pytest.param(RawBody(b'{"choices": [{"mess'), id="cut JSON"),
    pytest.param(RawBody(b"[]"), id="a JSON list"),
    pytest.param(RawBody(b"null"), id="null"),
    pytest.param(RawBody(b'{"choices": []}'), id="no choices"),
    pytest.param(RawBody(b'{"choices": [{}]}'), id="no message"),
    pytest.param(RawBody(b'{"choices": "none"}'), id="choices of another type"),
    pytest.param(RawBody(b'\xff\xfe{"choices": []}'), id="not UTF-8"),
    pytest.param(Answer(tool_calls=[{"name": "", "arguments": {}}]), id="a tool call without a name"),
]
FINAL = [
    pytest.param(HttpError(400, "context length exceeded"), id="bad request"),
    pytest.param(HttpError(401), id="bad key"),
    pytest.param(HttpError(403), id="forbidden"),
    pytest.param(HttpError(404), id="no such model"),
    pytest.param(HttpError(422), id="unprocessable"),
    pytest.param(HttpError(429, code="insufficient_quota"), id="no credit left"),
]
GARBLED_STREAMS = [
    pytest.param(Truncated(), id="ends at once"),
    pytest.param(RawBody(b"data: {oops\n\n", "text/event-stream"), id="malformed JSON"),
    pytest.param(RawBody(b"data: 7\n\ndata: [DONE]\n\n", "text/event-stream"), id="a number"),
    pytest.param(RawBody(b"data: \xff\n\n", "text/event-stream"), id="not UTF-8"),
    pytest.param(RawBody(b"", "text/event-stream"), id="nothing"),
    pytest.param(HTML, id="html with status 200"),
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("fault", TRANSIENT)
def test_a_transient_fault_is_tried_again_and_the_answer_counts_once(fault: Any, stream: bool) -> None:
    with ScriptedServer([fault, fault, "hi"]) as server:
        reply, waits, _ = ask(server, stream=stream)

    assert isinstance(reply, ModelReply)
    assert reply.content == "hi"
    assert reply.usage == server.usage
    assert len(server.log) == 3
    assert len(waits) == 2


@pytest.mark.parametrize("fault", TRANSIENT)
def test_a_lasting_fault_costs_exactly_the_allowed_attempts(fault: Any) -> None:
    """Nothing below the retry layer multiplies its attempts."""
    with ScriptedServer([fault], repeat=True) as server:
        error, waits, _ = ask(server, max_retries=3)

    assert isinstance(error, ModelError)
    assert len(server.log) == 4
    assert len(waits) == 3


@pytest.mark.parametrize("fault", FINAL)
def test_a_final_fault_is_not_tried_again(fault: Any) -> None:
    with ScriptedServer([fault], repeat=True) as server:
        error, waits, _ = ask(server)

    assert isinstance(error, ModelConfigError)
    assert f"{fault.status}" in str(error)
    assert (len(server.log), waits) == (1, [])


@pytest.mark.parametrize("fault", GARBLED)
def test_a_garbled_answer_is_tried_again_and_then_an_error(fault: Any) -> None:
    with ScriptedServer([fault, "hi"]) as server:
        reply, _, _ = ask(server)
        assert isinstance(reply, ModelReply)
        assert reply.content == "hi"

    with ScriptedServer([fault], repeat=True) as server:
        error, _, _ = ask(server)
        assert isinstance(error, ModelOutputError)
        assert len(server.log) == 3


@pytest.mark.parametrize("fault", GARBLED_STREAMS)
def test_a_garbled_stream_is_an_error_not_an_empty_answer(fault: Any) -> None:
    with ScriptedServer([fault], repeat=True) as server:
        error, _, _ = ask(server, listen=True)

    assert isinstance(error, ModelOutputError)
    assert len(server.log) == 3


@pytest.mark.parametrize(
    ("fault", "kind"),
    [(Truncated("one two three"), ModelOutputError), (Drop("one two three", after=3), ModelUnavailable)],
)
def test_a_stream_that_breaks_after_text_was_handed_out_is_not_started_again(fault: Any, kind: type[ModelError]) -> None:
    with ScriptedServer([fault, "never asked for"]) as server:
        error, _, heard = ask(server, listen=True)

    assert isinstance(error, kind)
    assert "".join(heard) == "one two three"
    assert len(server.log) == 1


def test_a_stream_that_breaks_unheard_is_started_again() -> None:
    with ScriptedServer([Truncated("one two"), "whole"]) as server:
        reply, _, _ = ask(server, stream=True)

    assert isinstance(reply, ModelReply)
    assert reply.content == "whole"


@pytest.mark.parametrize(
    ("code", "kind", "attempts"),
    [("server_error", ModelUnavailable, 3), ("insufficient_quota", ModelConfigError, 1), ("invalid_request_error", ModelConfigError, 1)],
)
def test_an_error_inside_a_stream_is_judged_by_what_it_says(code: str, kind: type[ModelError], attempts: int) -> None:
    body = RawBody(b'data: {"error": {"message": "broke off", "type": "%s"}}\n\n' % code.encode(), "text/event-stream")
    with ScriptedServer([body], repeat=True) as server:
        error, _, _ = ask(server, stream=True)

    assert isinstance(error, kind)
    assert "broke off" in str(error)
    assert len(server.log) == attempts


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "119.5"}, 119.5),
    ],
)
def test_retry_after_is_obeyed_exactly(headers: dict[str, str], wait: float) -> None:
    with ScriptedServer([HttpError(429, headers=headers), "hi"]) as server:
        reply, waits, _ = ask(server)

    assert isinstance(reply, ModelReply)
    assert waits == [wait]


def test_retry_after_as_a_date_is_read_by_the_servers_own_clock() -> None:
    with ScriptedServer([HttpError(503, headers={"retry-after": "Mon, 01 Jan 2001 00:00:00 GMT"}), "hi"]) as server:
        reply, waits, _ = ask(server)

    assert isinstance(reply, ModelReply)
    assert waits == [0.0]


@pytest.mark.parametrize("told", ["nonsense", "-3", "nan"])
def test_a_retry_after_that_makes_no_sense_is_ignored(told: str) -> None:
    with ScriptedServer([HttpError(429, headers={"retry-after": told}), "hi"]) as server:
        reply, waits, _ = ask(server)

    assert isinstance(reply, ModelReply)
    assert 0.4 <= waits[0] <= 1.0


def test_an_endpoint_that_asks_for_too_long_a_wait_is_down() -> None:
    with ScriptedServer([HttpError(429, headers={"retry-after": "3600"})], repeat=True) as server:
        error, waits, _ = ask(server)

    assert isinstance(error, ModelUnavailable)
    assert (len(server.log), waits) == (1, [])


def test_waits_grow_when_the_endpoint_does_not_say() -> None:
    with ScriptedServer([HttpError(500)], repeat=True) as server:
        _, waits, _ = ask(server, max_retries=4)

    assert all(later > earlier for earlier, later in pairwise(waits))
    assert waits[0] < 1


def test_silence_longer_than_the_timeout_is_tried_again_and_named() -> None:
    with ScriptedServer(["late"], latency=5, repeat=True) as server:
        error, _, _ = ask(server, timeout=0.1, max_retries=1)
        assert len(server.log) == 2

    assert isinstance(error, ModelUnavailable)
    assert "timeout=" in str(error)


def test_an_endpoint_that_is_not_there_is_unavailable() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        sleeper = Sleeper()
        model = OpenAIChatModel("m", base_url=f"http://127.0.0.1:{taken.getsockname()[1]}/v1", sleep=sleeper)
        with pytest.raises(ModelUnavailable, match="cannot be reached"):
            asyncio.run(model.respond(REQUEST))

    assert len(sleeper.waits) == 2


def test_an_answer_that_had_to_be_thrown_away_is_still_paid_for() -> None:
    wasted = RawBody(b'{"choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": 5}}')
    with ScriptedServer([wasted, Answer("hi", usage=(10, 1))]) as server:
        reply, _, _ = ask(server, price=(1.0, 2.0))

    assert isinstance(reply, ModelReply)
    assert reply.usage[:3] == Usage(2, 20, 6)[:3]
    assert reply.usage.usd == pytest.approx(0.032)


def test_an_error_never_shows_the_key() -> None:
    with ScriptedServer([HttpError(401, "wrong key: sk-secret")]) as server:
        error, _, _ = ask(server)

    assert "wrong key: ***" in str(error)
    assert "sk-secret" not in repr(error)


def test_cancelling_a_request_ends_it_at_once() -> None:
    async def cancel_soon(server: ScriptedServer) -> None:
        model = OpenAIChatModel("m", base_url=server.base_url)
        task = asyncio.create_task(model.respond(REQUEST))
        await asyncio.to_thread(arrived.wait, 3)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    arrived = threading.Event()

    def late(request: dict[str, Any]) -> str:
        arrived.set()
        return "late"

    with ScriptedServer(late, latency=5) as server:
        asyncio.run(asyncio.wait_for(cancel_soon(server), timeout=4))
        assert len(server.log) == 1
