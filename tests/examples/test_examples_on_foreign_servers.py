"""The demo and other examples against servers that nobody here wrote: aimock and llama.cpp (see `scripts/setup-model-servers`)."""

from __future__ import annotations

import itertools
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from convgraph import open_store

ROOT = Path(__file__).parents[2]
AIMOCK = ROOT / ".cache/aimock/node_modules/@copilotkit/aimock/dist/cli.js"
LLAMA = ROOT / ".cache/llama/bin/python"
LLAMA_SERVER = ROOT / "tests/models/tiny_llama_server.py"


@contextmanager
def running(command: list[str], url: str | None = None) -> Iterator[str]:
    """The server's address while it runs; without `url`, the address is the first line that it prints."""
    if not Path(command[0 if url is None else 1]).exists():
        pytest.fail(f"{command[:2]} is missing: run scripts/setup-model-servers (make test does)")
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    try:
        address = url or process.stdout.readline().strip()
        deadline = time.monotonic() + 15
        while not _answers(f"{address}/health"):
            assert process.poll() is None, f"the server ended with {process.returncode} before it answered"
            assert time.monotonic() < deadline, f"no answer from {address}"
            time.sleep(0.05)
        yield f"{address}/v1"
    finally:
        process.terminate()
        process.wait(5)
        process.stdout.close()


def _answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=1):
            return True
    except (URLError, ConnectionError):
        return False


@contextmanager
def aimock(fixtures: list[dict[str, Any]], folder: Path) -> Iterator[str]:
    path = folder / "fixtures.json"
    path.write_text(json.dumps({"fixtures": fixtures}))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["node", str(AIMOCK), "-p", str(port), "-f", str(path), "--strict", "--log-level", "silent"]
    with running(command, f"http://127.0.0.1:{port}") as url:
        yield url


def said_by(phrase: str, lines: list[Any]) -> list[dict[str, Any]]:
    """Fixtures that give an agent its lines, by how often it has spoken before, and then its last again."""
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    counted = [{"match": {"systemMessage": phrase, "turnIndex": turn}, "response": {"content": text}} for turn, text in enumerate(texts)]
    return [*counted, {"match": {"systemMessage": phrase}, "response": {"content": texts[-1]}}]


def selecting(match: dict[str, Any], target: str) -> dict[str, Any]:
    return {
        "match": {"systemMessage": "You choose who speaks next", "responseFormat": "json_schema", **match},
        "response": {"content": json.dumps({"next": target})},
    }


@pytest.mark.parametrize("name", ["two_agents", "draft_review", "critics_and_judge"])
def test_an_example_runs_on_aimock_as_on_our_own(name: str, served: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    example = served(name)
    with open_store(":memory:") as store:
        expected = example.run(store)
        fixtures = [fixture for phrase, lines in example.module.PARTS.items() for fixture in said_by(phrase, lines)]
        with aimock(fixtures, tmp_path) as url:
            monkeypatch.setenv("OPENAI_BASE_URL", url)
            result = example.run(store)
        replayed = example.graph.replay(result.run_id, store=store)

    assert (result.status, result.messages, result.state) == ("finished", expected.messages, expected.state)
    assert result.usage.calls == expected.usage.calls
    assert (replayed.messages, replayed.usage) == (result.messages, result.usage)


def test_the_demo_plays_on_aimock(load: Any, tmp_path: Path) -> None:
    """Killed, resumed and replayed; a configured endpoint is used, and the stand-in is not."""
    parts = load("demo").PARTS
    fixtures = [
        selecting({"userMessage": "Every number"}, "critic"),
        selecting({}, "fact_checker"),
        *(fixture for phrase, lines in parts.items() if not callable(lines) for fixture in said_by(phrase, lines)),
    ]
    with aimock(fixtures, tmp_path) as url:
        played = subprocess.run(
            [sys.executable, str(ROOT / "examples/demo.py"), str(tmp_path / "demo")],
            env={**os.environ, "OPENAI_BASE_URL": url},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    assert (played.returncode, played.stderr) == (0, "")
    assert f"Model endpoint: {url}" in played.stdout
    assert "stands in" not in played.stdout
    assert "none of them was made again" in played.stdout
    assert "state and all: identical" in played.stdout


def test_a_real_model_routes_and_its_run_replays(served: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """llama.cpp's model babbles, but its choice is held to the enabled targets; with the server gone the run replays."""
    example = served("router")
    with open_store(":memory:") as store:
        with running([str(LLAMA), str(LLAMA_SERVER), str(tmp_path)]) as url:
            monkeypatch.setenv("OPENAI_BASE_URL", url)
            result = example.graph.run("Something is odd.", store=store)
        replayed = example.graph.replay(result.run_id, store=store)

    assert result.status == "finished"
    assert result.stop_reason.startswith("reached END")
    assert result.messages[-1].sender in {"technical", "general"}
    assert (replayed.messages, replayed.usage) == (result.messages, result.usage)


def test_the_research_team_works_on_aimock_as_on_our_own(served: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Selections, a person and a sandbox included."""
    example = served("research_team")
    expected = example.module.chat(human=example.person, silent=True)
    chosen = {
        "Which domains": "Planner",
        "1. Engineer": "Critic",
        "No objection": "Admin",
        "APPROVED": "Engineer",
        "execution failed": "Engineer",
        "execution succeeded": "Scientist",
        "Programming is": "Critic",
        "Right, but": "ResearchWriter",
        "# What": "Critic",
    }
    lines = {phrase: lines for phrase, lines in example.module.PARTS.items() if not callable(lines)}
    fixtures = [selecting({"userMessage": said}, target) for said, target in chosen.items()]
    fixtures += [fixture for phrase, said in lines.items() for fixture in said_by(phrase, said)]
    with aimock(fixtures, tmp_path) as url:
        monkeypatch.setenv("OPENAI_BASE_URL", url)
        result = example.module.chat(human=example.person, silent=True)

    assert (result.status, result.stop_reason, result.messages) == ("finished", "termination message", expected.messages)
    assert result.usage.calls == expected.usage.calls


def test_a_real_models_team_keeps_to_its_paths(served: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the model says is babble, and whom it chooses is chance: an edge leads there all the same, and the chat ends at its bound."""
    module = served("three_teams").module
    followers = {one.name: {other.name for other in others} for one, others in module.paths.items()}
    with open_store(":memory:") as store:
        with running([str(LLAMA), str(LLAMA_SERVER), str(tmp_path)]) as url:
            monkeypatch.setenv("OPENAI_BASE_URL", url)
            result = module.chat(store=store, silent=True)
        replayed = module.graph.replay(result.run_id, store=store)
    speakers = [message.sender for message in result.messages]

    assert (result.status, result.stop_reason, len(speakers)) == ("finished", "max_round", 20)
    assert all(after in followers[before] for before, after in itertools.pairwise(speakers))
    assert (replayed.messages, replayed.usage) == (result.messages, result.usage)


def test_a_real_model_that_writes_no_code_gets_none_run(served: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    example = served("optiguide")
    with running([str(LLAMA), str(LLAMA_SERVER), str(tmp_path)]) as url:
        monkeypatch.setenv("OPENAI_BASE_URL", url)
        result = example.graph.run(example.module.INPUT)

    assert (result.status, result.messages[-1].sender) == ("finished", "give_up")
    assert not [message for message in result.messages if message.sender == "run_code"]
