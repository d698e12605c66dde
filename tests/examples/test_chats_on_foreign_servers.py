"""The chats of the examples against servers that nobody here wrote: what they do does not hang on the stand-in's script."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from convgraph import ChatResult, open_store
from convgraph.messages import Message
from tests.examples.chat_examples import ChatExample
from tests.examples.test_examples_on_foreign_servers import LLAMA, LLAMA_SERVER, aimock, running, said_by

TALKS = ("code_and_fix", "sequential_and_nested", "student_and_expert", "two_comedians")
"""The chats of two at a time."""


def said(results: list[ChatResult]) -> list[Any]:
    return [(each.chat_history, each.status, each.stop_reason, each.summary, each.usage.calls) for each in results]


def fixtures_of(parts: Any, results: list[ChatResult]) -> list[dict[str, Any]]:
    """What each part says, by how often it has spoken; where the stand-in has a function, what that has said in these chats."""
    fixtures: list[dict[str, Any]] = []
    for phrase, part in parts.items():
        if not callable(part):
            fixtures += said_by(phrase, list(part))
            continue
        lines = [line for each in results for line in each.messages if line.sender in ("assistant", "assistant_for_student")]
        fixtures += [{"match": {"systemMessage": phrase, "turnIndex": turn}, "response": response(line)} for turn, line in enumerate(lines)]
    return fixtures


def response(line: Message) -> dict[str, Any]:
    if not line.tool_calls:
        return {"content": line.text}
    return {"toolCalls": [{"name": call.name, "arguments": call.arguments, "id": call.id} for call in line.tool_calls]}


@pytest.mark.parametrize("name", TALKS)
def test_a_chat_is_had_on_aimock_as_on_our_own(name: str, served: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    example = served(name)
    chat = ChatExample(example.module, example.server)
    expected = chat.have()
    with aimock(fixtures_of(chat.module.PARTS, expected), tmp_path) as url, open_store(":memory:") as store:
        monkeypatch.setenv("OPENAI_BASE_URL", url)
        results = chat.have(store=store)
        replayed = chat.graph.replay(results[0].run_id, store=store)

    assert said(results) == said(expected)
    assert replayed.usage == sum((each.usage for each in results[1:]), results[0].usage)


def test_chats_with_a_real_model_end_and_replay(served: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """llama.cpp's model says the same whatever it is told: no code, no tool, no leave. Each chat has its bounds all the same."""
    chats = [ChatExample(example.module, example.server) for example in map(served, TALKS)]
    with open_store(":memory:") as store:
        with running([str(LLAMA), str(LLAMA_SERVER), str(tmp_path)]) as url:
            monkeypatch.setenv("OPENAI_BASE_URL", url)
            had = [(chat, chat.have(store=store)) for chat in chats]
        replayed = [chat.graph.replay(results[0].run_id, store=store) for chat, results in had]

    for (_, results), run in zip(had, replayed, strict=True):
        assert {each.status for each in results} == {"finished"}
        assert all("tiny models talk" in each.summary for each in results)
        assert run.usage == sum((each.usage for each in results[1:]), results[0].usage)
        assert run.usage.calls > 0
