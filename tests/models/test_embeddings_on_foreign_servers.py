"""The embedder and a collection against a server that nobody here wrote: aimock, which knows OpenAI's format.

`scripts/setup-model-servers` installs it; without it these tests fail, for a skipped promise is not kept.
"""

from __future__ import annotations

import asyncio
import json
import math
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from convgraph import Collection, OpenAIEmbedder
from convgraph.errors import ModelConfigError
from convgraph.knowledge.documents import Document

AIMOCK = Path(__file__).parents[2] / ".cache/aimock/node_modules/@copilotkit/aimock/dist/cli.js"
FIXTURES = [
    {"match": {"inputText": "exactly this"}, "response": {"embedding": [3, 0, 4]}},
    {"match": {"inputText": "busy", "sequenceIndex": 0}, "response": {"error": {"message": "slow down", "type": "rate"}, "status": 429}},
    {"match": {"inputText": "busy"}, "response": {"embedding": [1, 0, 0]}},
    {"match": {"inputText": "forbidden"}, "response": {"error": {"message": "not you", "type": "auth"}, "status": 401}},
]


@pytest.fixture(scope="module")
def aimock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if not AIMOCK.exists():
        pytest.fail(f"{AIMOCK} is missing: run scripts/setup-model-servers (make test does)")
    fixtures = tmp_path_factory.mktemp("aimock") / "fixtures.json"
    fixtures.write_text(json.dumps({"fixtures": FIXTURES}))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # Not strict: where no fixture fits, it makes vectors of its own.
    process = subprocess.Popen(["node", str(AIMOCK), "-p", str(port), "-f", str(fixtures), "--log-level", "silent"])
    try:
        _wait_until_up(f"http://127.0.0.1:{port}/health", process)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait(5)


def _wait_until_up(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        assert process.poll() is None, f"the server ended with {process.returncode} before it answered"
        try:
            with urlopen(url, timeout=1):
                return
        except (URLError, ConnectionError):
            time.sleep(0.05)
    pytest.fail(f"no answer from {url}")


def embedder(url: str, **settings: Any) -> OpenAIEmbedder:
    async def no_wait(_: float) -> None: ...

    return OpenAIEmbedder("text-embedding-3-small", base_url=url, sleep=no_wait, **settings)


def test_aimock_understands_the_request_and_is_understood(aimock: str) -> None:
    assert asyncio.run(embedder(aimock).embed(["exactly this"])) == [[0.6, 0.0, 0.8]]


def test_aimock_gives_as_many_numbers_as_are_asked_for(aimock: str) -> None:
    one, other = asyncio.run(embedder(aimock, dimensions=256).embed(["one text", "another text"]))

    assert (len(one), len(other)) == (256, 256)
    assert math.hypot(*one) == pytest.approx(1.0)
    assert one != other


def test_aimock_rate_limit_is_waited_out(aimock: str) -> None:
    assert asyncio.run(embedder(aimock).embed(["busy"])) == [[1.0, 0.0, 0.0]]


def test_aimock_refusing_the_key_is_a_matter_of_configuration(aimock: str) -> None:
    with pytest.raises(ModelConfigError, match="not you"):
        asyncio.run(embedder(aimock).embed(["forbidden"]))


def test_a_collection_on_aimock_finds_the_text_that_was_put_in(aimock: str) -> None:
    collection = Collection(embedder=embedder(aimock))
    collection.add(Document(f"{number}.md", f"a text with the number {number}") for number in range(20))

    [found] = collection.search("a text with the number 7", limit=1)

    assert found.source == "7.md"
    assert found.distance == pytest.approx(0.0, abs=1e-6)
