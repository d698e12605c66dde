"""The group that answers from documents really finds in them what it answers with, and finds it by looking more than once."""

from __future__ import annotations

from typing import Any

import pytest

from convgraph import GroupChat, GroupChatManager, RetrieveUserProxyAgent, open_store
from convgraph.journal.events import EffectFinished
from tests.examples.chat_examples import ChatExample, script_of

NAME = "retrieval_chat"


@pytest.fixture
def chat(served: Any) -> ChatExample:
    example = served(NAME)
    return ChatExample(example.module, example.server)


def looks(messages: Any) -> list[dict[str, Any]]:
    return [message.data["retrieved"] for message in messages if message.data]


def test_the_answer_needs_three_documents_and_each_look_brings_what_was_missing(chat: ChatExample) -> None:
    [result] = chat.have()
    found = [{source["source"] for source in look["sources"]} for look in looks(result.messages)]
    asked = [message.text for message in result.messages if message.text.startswith("UPDATE CONTEXT")]
    by_sender = [message.sender for message in result.messages]

    assert found[0] == {"vessels.html", "weather-limits.md"}
    assert "cancellations.md" in found[1]
    assert [look["query"] for look in looks(result.messages)[1:]] == [text.removeprefix("UPDATE CONTEXT: ") for text in asked]
    assert by_sender == "boss librarian engineer librarian engineer reviewer engineer librarian engineer reviewer".split()
    assert result.summary.startswith("APPROVED.")


def test_no_passage_is_shown_twice(chat: ChatExample) -> None:
    [result] = chat.have()
    ids = [source["id"] for look in looks(result.messages) for source in look["sources"]]

    assert len(ids) == len(set(ids)) == 9


def test_the_stand_in_has_no_answer_where_the_documents_have_none(chat: ChatExample, monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes by what it is shown: without the page on cancellations it asks, is told that there is no more, and the chat has an end."""
    documents = [str(chat.module.DOCUMENTS / name) for name in ("vessels.html", "weather-limits.md")]
    librarian = RetrieveUserProxyAgent(
        "librarian", "NEVER", retrieve_config={"docs_path": documents, "n_results": 4}, code_execution_config=False
    )
    monkeypatch.setattr(chat.module, "librarian", librarian)
    team = GroupChat(
        [librarian, chat.module.engineer, chat.module.reviewer], max_round=16, speaker_selection_method=chat.module.who_is_next
    )
    result = chat.module.boss.initiate_chat(GroupChatManager(team), message=chat.module.INPUT, silent=True)

    assert not any(message.sender == "reviewer" for message in result.messages)
    assert result.stop_reason == "max_round"
    assert "nothing more is to be found on 'who is told of a cancelled crossing" in result.messages[-1].text + result.messages[-2].text


def test_documents_are_substantial_and_real_files_of_several_kinds() -> None:
    files = sorted((script_of(NAME).parent / "documents").iterdir())

    assert len(files) == 8
    assert {path.suffix for path in files} == {".md", ".html"}
    assert all(len(path.read_text(encoding="utf-8").split()) > 120 for path in files)


def test_the_journal_holds_what_was_found_and_replays_without_the_collection(chat: ChatExample, monkeypatch: pytest.MonkeyPatch) -> None:
    [result] = chat.have(store="runs.db")
    library = chat.module.librarian._retrieve.library
    monkeypatch.setattr(library, "collection", None)
    with open_store("runs.db") as store:
        recorded = [each.event for each in store.events(result.run_id)]
        replayed = chat.graph.replay(result.run_id, store=store)
    effects = [event for event in recorded if isinstance(event, EffectFinished) and event.name == "retrieve"]

    assert [[one["id"] for one in effect.result] for effect in effects] == [
        [source["id"] for source in look["sources"]] for look in looks(result.messages)
    ]
    assert list(replayed.messages) == result.messages
