"""The same client against servers that nobody here wrote: aimock, which knows the format, and llama.cpp, which runs a model.

`scripts/setup-model-servers` installs both; without them these tests fail, for a skipped promise is not kept.
"""

import asyncio
import json
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from convgraph.errors import ModelConfigError, ModelError, ModelOutputError
from convgraph.messages import Message, ToolCall
from convgraph.models.config import model_from_config
from convgraph.models.openai_chat import OpenAIChatModel
from convgraph.models.openai_model import OpenAIModel
from convgraph.models.openai_responses import OpenAIResponsesModel
from convgraph.protocols import ModelReply, ModelRequest

CACHE = Path(__file__).parents[2] / ".cache"
AIMOCK = CACHE / "aimock/node_modules/@copilotkit/aimock/dist/cli.js"
LLAMA = CACHE / "llama/bin/python"

TOOL = {
    "type": "function",
    "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
}
CHOICE = {"type": "object", "properties": {"next": {"enum": ["writer", "critic"]}}, "required": ["next"]}
FIXTURES = [
    {"match": {"hasToolResult": True, "toolResultContains": "sunny"}, "response": {"content": "It is sunny."}},
    {"match": {"userMessage": "weather"}, "response": {"toolCalls": [{"name": "get_weather", "arguments": {"city": "Bern"}, "id": "w1"}]}},
    {"match": {"userMessage": "choose", "responseFormat": "json_schema"}, "response": {"content": '{"next": "critic"}'}},
    {"match": {"userMessage": "busy", "sequenceIndex": 0}, "response": {"error": {"message": "slow down", "type": "rate"}, "status": 429}},
    {"match": {"userMessage": "busy"}, "response": {"content": "here I am"}},
    {"match": {"userMessage": "forbidden"}, "response": {"error": {"message": "not you", "type": "auth"}, "status": 401}},
    {"match": {"userMessage": "break"}, "response": {"content": "a text of some length " * 5}, "truncateAfterChunks": 3},
    {
        "match": {"userMessage": "hello"},
        "response": {"content": "Hello there, how are you?", "usage": {"prompt_tokens": 11, "completion_tokens": 7}},
    },
]


def installed(program: Path) -> Path:
    if not program.exists():
        pytest.fail(f"{program} is missing: run scripts/setup-model-servers (make test does)")
    return program


@contextmanager
def running(command: list[str], url: str | None = None) -> Iterator[str]:
    """The server's address while it runs; without `url`, the address is the first line that it prints."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    try:
        address = url or process.stdout.readline().strip()
        _wait_until_up(f"{address}/health", process)
        yield f"{address}/v1"
    finally:
        process.terminate()
        process.wait(5)
        process.stdout.close()


def _wait_until_up(url: str, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        assert process.poll() is None, f"the server ended with {process.returncode} before it answered"
        try:
            with urlopen(url, timeout=1):
                return
        except (URLError, ConnectionError):
            time.sleep(0.05)
    pytest.fail(f"no answer from {url}")


@pytest.fixture(scope="module")
def aimock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    fixtures = tmp_path_factory.mktemp("aimock") / "fixtures.json"
    fixtures.write_text(json.dumps({"fixtures": FIXTURES}))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["node", str(installed(AIMOCK)), "-p", str(port), "-f", str(fixtures), "--strict", "--log-level", "silent"]
    with running(command, f"http://127.0.0.1:{port}") as url:
        yield url


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    program = Path(__file__).with_name("tiny_llama_server.py")
    with running([str(installed(LLAMA)), str(program), str(tmp_path_factory.mktemp("llama"))]) as url:
        yield url


def ask(
    url: str, request: ModelRequest | str, *, listen: bool = False, kind: type[OpenAIModel] = OpenAIChatModel, **settings: Any
) -> tuple[ModelReply, list[str]]:
    async def no_wait(_: float) -> None: ...

    heard: list[str] = []
    model = kind("m", base_url=url, sleep=no_wait, **settings)
    asked = ModelRequest([Message("user", request, "user")], speaker="a") if isinstance(request, str) else request
    return asyncio.run(model.respond(asked, heard.append if listen else None)), heard


BOTH = pytest.mark.parametrize("kind", [OpenAIChatModel, OpenAIResponsesModel])


@BOTH
@pytest.mark.parametrize("listen", [False, True])
def test_aimock_text_and_usage(aimock: str, listen: bool, kind: type[OpenAIModel]) -> None:
    reply, heard = ask(aimock, "hello", listen=listen, kind=kind)

    assert reply.content == "Hello there, how are you?"
    assert reply.usage[:3] == (1, 11, 7)
    assert "".join(heard) == (reply.content if listen else "")


@BOTH
@pytest.mark.parametrize("listen", [False, True])
def test_aimock_accepts_a_tool_call_and_its_result_as_we_write_them(aimock: str, listen: bool, kind: type[OpenAIModel]) -> None:
    asked = Message("user", "what is the weather?", "user")
    first, _ = ask(aimock, ModelRequest([asked], speaker="a", tools=(TOOL,)), listen=listen, kind=kind)
    history = [asked, Message("a", first.content, tool_calls=first.tool_calls), Message("tools", "sunny", "tool", tool_call_id="w1")]
    second, _ = ask(aimock, ModelRequest(history, speaker="a", tools=(TOOL,)), listen=listen, kind=kind)

    assert [(call.id, call.name, json.loads(call.arguments)) for call in first.tool_calls] == [("w1", "get_weather", {"city": "Bern"})]
    assert first.finish_reason == "tool_calls"
    assert second.content == "It is sunny."


def test_aimock_recognises_our_structured_output(aimock: str) -> None:
    reply, _ = ask(aimock, ModelRequest([Message("user", "choose", "user")], schema=CHOICE))

    assert reply.data == {"next": "critic"}


def test_aimock_rate_limit_is_waited_out(aimock: str) -> None:
    reply, _ = ask(aimock, "busy?")

    assert reply.content == "here I am"


@BOTH
def test_aimock_refusing_the_key_is_a_matter_of_configuration(aimock: str, kind: type[OpenAIModel]) -> None:
    with pytest.raises(ModelConfigError, match="not you"):
        ask(aimock, "forbidden", kind=kind)


@BOTH
def test_aimock_breaking_off_a_stream_is_an_error(aimock: str, kind: type[OpenAIModel]) -> None:
    with pytest.raises(ModelError):
        ask(aimock, "break", listen=True, kind=kind)


@pytest.mark.parametrize("listen", [False, True])
def test_llama_says_what_its_model_holds(llama: str, listen: bool) -> None:
    reply, heard = ask(llama, "anything", listen=listen, temperature=0, max_tokens=20)

    assert reply.content == " tiny models talk"
    assert (reply.finish_reason, reply.usage.calls, reply.usage.output_tokens) == ("stop", 1, 4)
    assert "".join(heard) == (reply.content if listen else "")


def test_llama_answers_through_the_responses_interface_too(llama: str) -> None:
    reply, _ = ask(
        llama,
        ModelRequest([Message("user", "anything", "user")], system="Be brief."),
        kind=OpenAIResponsesModel,
        temperature=0,
        max_tokens=20,
    )

    assert reply.content == " tiny models talk"
    assert (reply.finish_reason, reply.usage.calls, reply.usage.output_tokens) == ("stop", 1, 4)


@pytest.mark.parametrize("schema", [CHOICE, {"enum": ["writer", "critic"]}, {"type": "boolean"}])
def test_llama_is_held_to_our_schema(llama: str, schema: dict[str, Any]) -> None:
    """llama.cpp enforces the schema it is sent with a grammar: what we send is a schema, and the answer fits it."""
    reply, _ = ask(llama, ModelRequest([Message("user", "choose", "user")], schema=schema), temperature=0, max_tokens=60)

    assert reply.data in [{"next": "writer"}, {"next": "critic"}, "writer", "critic", True, False]


def test_llama_cut_off_within_its_answer_is_said_to_be(llama: str) -> None:
    with pytest.raises(ModelOutputError, match="cut off"):
        ask(llama, ModelRequest([Message("user", "choose", "user")], schema=CHOICE), temperature=0, max_tokens=3)


def test_llama_takes_a_group_conversation_with_names_and_tools(llama: str) -> None:
    history = [
        Message("user", "start", "user"),
        Message("critic", "weak"),
        Message("writer", "", tool_calls=(ToolCall("c1", "get_weather", "{}"),)),
        Message("tools", "rain", "tool", tool_call_id="c1"),
        Message("editor", [{"type": "text", "text": "go on"}]),
    ]
    reply, _ = ask(llama, ModelRequest(history, speaker="writer", system="Be brief."), temperature=0, max_tokens=20)

    assert reply.content == " tiny models talk"


def test_llama_refuses_a_conversation_too_long_for_it_as_a_matter_of_configuration(llama: str) -> None:
    with pytest.raises(ModelConfigError, match="400"):
        ask(llama, "x" * 10_000, max_tokens=5)


def test_a_config_list_falls_from_one_make_of_server_to_another(aimock: str, llama: str) -> None:
    model = model_from_config(
        {
            "config_list": [{"model": "mock", "base_url": aimock}, {"model": "tiny", "base_url": llama}],
            "temperature": 0,
            "max_tokens": 20,
            "max_retries": 0,
        }
    )
    request = ModelRequest([Message("user", "something that aimock has no fixture for", "user")])

    assert asyncio.run(model.respond(request)).content == " tiny models talk"
