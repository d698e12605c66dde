"""The scripted server: a stand-in that keeps count, behaves like a server, and goes away when told."""

import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from convgraph.testing import Answer, HttpError, ScriptedServer, count_tokens


def post(url: str, body: Any, path: str = "/chat/completions") -> dict[str, Any]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    with urlopen(Request(f"{url}{path}", data=data, headers={"content-type": "application/json"}), timeout=5) as response:
        return json.load(response)


def hello(text: str = "hello, you") -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": text}]}


def test_it_answers_and_keeps_an_account_of_it() -> None:
    with ScriptedServer(["hi there!"]) as server:
        body = post(server.base_url, hello())

    assert body["choices"][0]["message"] == {"role": "assistant", "content": "hi there!"}
    assert body["usage"] == {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
    assert server.usage[:3] == (1, 7, 3)
    assert server.requests == [hello()]


def test_it_answers_through_the_responses_interface_with_the_same_account() -> None:
    with ScriptedServer(["hi there!", Answer("cut", finish_reason="length")]) as server:
        body = post(server.base_url, {"model": "m", "input": "hello, you"}, "/responses")
        cut = post(
            server.base_url, {"model": "m", "instructions": "Be brief.", "input": [{"role": "user", "content": "go on"}]}, "/responses"
        )

    assert (body["status"], body["output"][0]["content"][0]["text"]) == ("completed", "hi there!")
    assert (cut["status"], cut["incomplete_details"]) == ("incomplete", {"reason": "max_output_tokens"})
    assert [(seen.path, seen.input_tokens, seen.output_tokens) for seen in server.log] == [
        ("/v1/responses", 7, 3),
        ("/v1/responses", 13, 1),
    ]
    assert body["usage"]["total_tokens"] == 10


def test_a_stream_of_the_responses_interface_is_numbered_and_ends_with_the_whole() -> None:
    call = {"id": "c", "name": "look", "arguments": {"where": "everywhere"}}
    with ScriptedServer([Answer("one two", tool_calls=[call])]) as server:
        request = Request(
            f"{server.base_url}/responses", json.dumps({"input": "x", "stream": True}).encode(), {"content-type": "application/json"}
        )
        with urlopen(request, timeout=5) as response:
            lines = response.read().decode().splitlines()

    events = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]
    assert [line.removeprefix("event: ") for line in lines if line.startswith("event: ")] == [event["type"] for event in events]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert [event["delta"] for event in events if event["type"] == "response.output_text.delta"] == ["one", " two"]
    assert "".join(event["delta"] for event in events if "arguments.delta" in event["type"]) == '{"where": "everywhere"}'
    assert [item["type"] for item in events[-1]["response"]["output"]] == ["message", "function_call"]


def test_tokens_are_words_and_marks() -> None:
    assert count_tokens("Well, done — you!") == 6


def test_a_function_sees_each_request_and_may_answer_in_every_form() -> None:
    def script(request: dict[str, Any]) -> Any:
        text = request["messages"][-1]["content"]
        return {"tool": {"tool_calls": [{"name": "f", "arguments": {"x": 1}}]}, "object": Answer("o")}.get(text, f"you said {text}")

    with ScriptedServer(script) as server:
        assert post(server.base_url, hello("a"))["choices"][0]["message"]["content"] == "you said a"
        called = post(server.base_url, hello("tool"))["choices"][0]
        assert post(server.base_url, hello("object"))["choices"][0]["message"]["content"] == "o"

    assert called["finish_reason"] == "tool_calls"
    assert called["message"]["tool_calls"][0]["function"] == {"name": "f", "arguments": '{"x": 1}'}


def test_an_exhausted_script_says_so() -> None:
    with ScriptedServer([]) as server, pytest.raises(HTTPError, match="500") as caught:
        post(server.base_url, hello())

    assert b"used up" in caught.value.read()


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'{"messages": 7}'])
def test_a_request_that_is_none_is_refused(body: bytes) -> None:
    with ScriptedServer(["x"]) as server:
        with pytest.raises(HTTPError, match="400"):
            post(server.base_url, body)
        assert server.log == []


def test_an_unknown_path_is_not_found_and_the_models_are_listed() -> None:
    with ScriptedServer(["x"], model="mine") as server:
        with urlopen(f"{server.base_url}/models") as response:
            assert json.load(response)["data"][0]["id"] == "mine"
        with pytest.raises(HTTPError, match="404"):
            urlopen(f"{server.base_url}/elsewhere")


def test_an_error_carries_its_headers_and_code() -> None:
    with ScriptedServer([HttpError(429, code="slow", headers={"retry-after": "3"})]) as server:
        with pytest.raises(HTTPError) as caught:
            post(server.base_url, hello())
        assert caught.value.headers["retry-after"] == "3"
        assert json.load(caught.value)["error"]["code"] == "slow"
    assert (server.log[0].status, server.usage.calls) == (429, 0)


def test_requests_are_answered_side_by_side() -> None:
    with ScriptedServer(["x"], repeat=True, latency=0.1) as server:
        threads = [threading.Thread(target=post, args=(server.base_url, hello())) for _ in range(8)]
        started = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(server.log) == 8
    assert time.perf_counter() - started < 0.7


def test_stopping_does_not_wait_for_slow_answers_and_starting_again_takes_the_same_port() -> None:
    server = ScriptedServer(["x"], latency=30, repeat=True)
    server.start()
    url = server.base_url

    def ask() -> None:
        with pytest.raises(OSError):
            post(url, hello())

    waiting = threading.Thread(target=ask)
    waiting.start()
    deadline = time.monotonic() + 5
    while not server.log and time.monotonic() < deadline:
        time.sleep(0.01)
    started = time.perf_counter()
    server.stop()
    server.stop()
    waiting.join()
    assert time.perf_counter() - started < 5

    server.latency = 0
    with server:
        assert server.base_url == url
        assert post(url, hello())["choices"]


def interruptible() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_it_can_be_run_by_hand(tmp_path: Path) -> None:
    replies = tmp_path / "replies.json"
    replies.write_text('["one", {"content": "two"}]')
    command = [sys.executable, "-m", "convgraph.testing", "--port", "0", "--replies", str(replies)]
    # A shell's background job has SIGINT ignored, and so would what it starts: here it is as at a terminal.
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, preexec_fn=interruptible) as process:  # noqa: PLW1509  # it only resets a signal
        assert process.stdout is not None
        name, _, url = process.stdout.readline().strip().partition("=")
        said = [post(url, hello())["choices"][0]["message"]["content"] for _ in range(3)]
        process.send_signal(signal.SIGINT)
        try:
            assert process.wait(5) == 0
        finally:
            process.kill()

    assert name == "OPENAI_BASE_URL"
    assert said == ["one", "two", "one"]


def test_by_hand_without_replies_it_echoes_and_takes_the_first_choice() -> None:
    from convgraph.testing.__main__ import echo

    schema = {"type": "object", "properties": {"next": {"enum": ["writer", "critic"]}}, "required": ["next"]}
    asked = {**hello(), "response_format": {"type": "json_schema", "json_schema": {"schema": schema}}}

    assert echo(hello("good day")) == "You said: good day"
    assert echo({"input": [{"role": "user", "content": "good day"}]}) == echo({"input": "good day"}) == "You said: good day"
    assert json.loads(echo({"input": "choose", "text": {"format": {"type": "json_schema", "schema": schema}}})) == {"next": "writer"}
    assert json.loads(echo(asked)) == {"next": "writer"}
