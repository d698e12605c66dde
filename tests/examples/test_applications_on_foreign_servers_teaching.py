"""Teaching on a server that nobody here wrote: aimock, which gives fixed answers. What is remembered is convgraph's to do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from convgraph import ChatResult, open_store
from tests.examples.chat_examples import ChatExample, runs_of
from tests.examples.test_chats_on_foreign_servers import response, said
from tests.examples.test_examples_on_foreign_servers import aimock

NOTES = "You keep an assistant's notes"
ASSISTANT = "You are an assistant of a small mail-order firm"


def fixtures_of(module: Any, results: list[ChatResult]) -> list[dict[str, Any]]:
    """Answers by what the last user's message holds. Those to the second and third run are given only where a note is shown."""
    lesson, work, forgetting, question = results
    taught = module.keep_notes({"messages": [{"content": module.LESSON}]})
    lines: list[tuple[dict[str, Any], Any]] = [
        ({"userMessage": "this is how"}, lesson.messages[1]),
        ({"userMessage": "Making the weekly report\n```python"}, work.messages[1]),
        ({"userMessage": "Code output"}, work.messages[3]),
        ({"userMessage": "pay in?\nOur customers pay in Czech korunas", "turnIndex": 1}, forgetting.messages[3]),
        ({"userMessage": "pay in?\nOur customers pay in Czech korunas"}, forgetting.messages[1]),
        ({"userMessage": module.QUESTION}, question.messages[1]),
    ]
    return [
        {"match": {"systemMessage": NOTES, "userMessage": "this is how"}, "response": {"content": json.dumps(taught)}},
        {"match": {"systemMessage": NOTES}, "response": {"content": json.dumps({"facts": [], "skills": []})}},
        *({"match": {"systemMessage": ASSISTANT, **match}, "response": response(message)} for match, message in lines),
    ]


def test_what_is_taught_is_known_in_the_next_run(served: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    example = served("teaching")
    chat = ChatExample(example.module, example.server)
    expected = chat.have()
    with aimock(fixtures_of(chat.module, expected), tmp_path) as url, open_store(":memory:") as store:
        monkeypatch.setenv("OPENAI_BASE_URL", url)
        results = chat.have(store=store)
        replayed = [chat.graph.replay(run_id, store=store).status for run_id in runs_of(results)]

    assert said(results) == said(expected)
    assert replayed == ["finished"] * 4
