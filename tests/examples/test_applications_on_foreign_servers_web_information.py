"""The web-information agent on a server that nobody here wrote: the same pages are read, and the same things refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from convgraph import open_store
from tests.examples.chat_examples import ChatExample
from tests.examples.test_chats_on_foreign_servers import response, said
from tests.examples.test_examples_on_foreign_servers import LLAMA, LLAMA_SERVER, aimock, running


def test_it_is_had_on_aimock_as_on_our_own(served: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    example = served("web_information")
    chat = ChatExample(example.module, example.server)
    expected = chat.have()
    [phrase] = chat.module.PARTS
    lines = [line for line in expected[0].messages if line.sender == "assistant"]
    fixtures = [{"match": {"systemMessage": phrase, "turnIndex": turn}, "response": response(line)} for turn, line in enumerate(lines)]
    with aimock(fixtures, tmp_path) as url, open_store(":memory:") as store:
        monkeypatch.setenv("OPENAI_BASE_URL", url)
        results = chat.have(store=store)
        chat.graph.replay(results[0].run_id, store=store)

    assert said(results) == said(expected)


def test_with_a_real_model_that_calls_no_tools_it_ends_all_the_same(served: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    example = served("web_information")
    chat = ChatExample(example.module, example.server)
    with running([str(LLAMA), str(LLAMA_SERVER), str(tmp_path)]) as url, open_store(":memory:") as store:
        monkeypatch.setenv("OPENAI_BASE_URL", url)
        [result] = chat.have(store=store)

    assert result.status == "finished"
    assert result.stop_reason == "max_turns"
