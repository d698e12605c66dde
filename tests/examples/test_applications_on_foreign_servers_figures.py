"""The applications with pictures against a server that nobody here wrote: aimock takes the same requests, PNGs among them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from convgraph import open_store
from tests.examples.chat_examples import ChatExample
from tests.examples.test_examples_on_foreign_servers import aimock


def fixtures_of(parts: Any, speakers: dict[str, str], results: list[Any]) -> list[dict[str, Any]]:
    """What each part has said in these chats, by the phrase of its system message and how often it had spoken."""
    fixtures: list[dict[str, Any]] = []
    for phrase, name in speakers.items():
        assert phrase in parts
        lines = [message.text for each in results for message in each.messages if message.sender == name]
        for turn, line in enumerate(lines):
            fixtures.append({"match": {"systemMessage": phrase, "turnIndex": turn}, "response": {"content": line}})
    return fixtures


def on_aimock(chat: ChatExample, speakers: dict[str, str], folder: Path, monkeypatch: pytest.MonkeyPatch, **options: Any) -> None:
    expected = chat.have(**options)
    with aimock(fixtures_of(chat.module.PARTS, speakers, expected), folder) as url, open_store(":memory:") as store:
        monkeypatch.setenv("OPENAI_BASE_URL", url)
        results = chat.have(store=store, **options)
        replayed = chat.graph.replay(results[0].run_id, store=store)

    assert [each.chat_history for each in results] == [each.chat_history for each in expected]
    assert [(each.status, each.summary, each.usage.calls) for each in results] == [
        (each.status, each.summary, each.usage.calls) for each in expected
    ]
    assert replayed.usage == results[0].usage


def test_the_table_is_plotted_on_aimock(served: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    example = served("data_visualisation")
    speakers = {"You answer questions about tables": "assistant"}
    on_aimock(ChatExample(example.module, example.server), speakers, tmp_path, monkeypatch, work_dir=tmp_path / "work")

    assert (tmp_path / "work/plot.svg").exists()


def test_the_figure_is_judged_on_aimock(served: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The critic is shown the order and the newest figure only, so that aimock cannot count its turns: it knows each by what it is sent."""
    example = served("figure_critic")
    chat = ChatExample(example.module, example.server)
    expected = chat.have()
    coder = fixtures_of(chat.module.PARTS, {"You draw figures": "coder"}, expected)
    [first, second] = [message.text for message in expected[0].messages if message.sender == "critic"]
    critic = [
        {"match": {"systemMessage": "You judge a figure", "sequenceIndex": 0}, "response": {"content": first}},
        {"match": {"systemMessage": "You judge a figure", "sequenceIndex": 1}, "response": {"content": second}},
    ]
    with aimock([*coder, *critic], tmp_path) as url, open_store(":memory:") as store:
        monkeypatch.setenv("OPENAI_BASE_URL", url)
        results = chat.have(store=store)
        replayed = chat.graph.replay(results[0].run_id, store=store)

    assert [each.chat_history for each in results] == [each.chat_history for each in expected]
    assert replayed.usage == results[0].usage
