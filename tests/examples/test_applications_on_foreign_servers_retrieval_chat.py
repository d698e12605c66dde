"""The group that answers from documents, against a server that nobody here wrote: what it does does not hang on our own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from convgraph import open_store
from tests.examples.chat_examples import ChatExample
from tests.examples.test_chats_on_foreign_servers import said
from tests.examples.test_examples_on_foreign_servers import LLAMA, LLAMA_SERVER, aimock, running, said_by


def test_it_says_the_same_on_aimock(served: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    example = served("retrieval_chat")
    chat = ChatExample(example.module, example.server)
    expected = chat.have()
    lines = {name: [message.text for message in expected[0].messages if message.sender == name] for name in ("engineer", "reviewer")}
    fixtures = [*said_by("You are the engineer on duty", lines["engineer"]), *said_by("You are the reviewer", lines["reviewer"])]
    with aimock(fixtures, tmp_path) as url, open_store(":memory:") as store:
        monkeypatch.setenv("OPENAI_BASE_URL", url)
        results = chat.have(store=store)
        replayed = chat.graph.replay(results[0].run_id, store=store)

    assert said(results) == said(expected)
    assert replayed.usage == results[0].usage


def test_with_a_real_model_it_ends_and_replays(served: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """llama.cpp's model says the same whatever it is told: it neither asks for more nor approves. The chat has its bounds all the same."""
    example = served("retrieval_chat")
    chat = ChatExample(example.module, example.server)
    with open_store(":memory:") as store:
        with running([str(LLAMA), str(LLAMA_SERVER), str(tmp_path)]) as url:
            monkeypatch.setenv("OPENAI_BASE_URL", url)
            [result] = chat.have(store=store)
        replayed = chat.graph.replay(result.run_id, store=store)

    assert (result.status, result.stop_reason) == ("finished", "max_round")
    assert result.messages[1].data["retrieved"]["sources"]
    assert list(replayed.messages) == result.messages
    assert replayed.usage == result.usage
