"""An assistant that goes on from its last answer, at servers that nobody here wrote: one that takes that, and one that keeps nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

import convgraph as autogen
from convgraph import ChatResult, open_store
from convgraph.journal.events import EffectFinished
from convgraph.journal.store import Store
from tests.examples.test_examples_on_foreign_servers import LLAMA, LLAMA_SERVER, aimock, running


@pytest.fixture
def store() -> Store:
    return open_store(":memory:")


def chat(url: str, store: Store) -> ChatResult:
    """A chat of three replies, which is replayed as well."""
    config = {"model": "gpt-5.5", "base_url": url, "api_key": "any", "max_tokens": 20}
    assistant = autogen.GPTAssistantAgent("assistant", "You count.", llm_config=config)
    asker = autogen.ConversableAgent("asker", human_input_mode="NEVER", default_auto_reply="And then?")
    result = asker.initiate_chat(assistant, message="Begin.", max_turns=3, silent=True, store=store)
    assistant.chat_graph(asker).replay(result.run_id, store=store)
    return result


def errors_of(result: ChatResult, store: Store) -> list[str]:
    """How each call of the model ended."""
    events = [each.event for each in store.events(result.run_id)]
    return [event.error.type if event.error else "" for event in events if isinstance(event, EffectFinished) and event.effect == "model"]


def test_aimock_is_told_what_is_new(tmp_path: Path, store: Store) -> None:
    lines = {"Begin.": "First.", "And then?": "Next."}
    fixtures = [{"match": {"userMessage": said}, "response": {"content": answer}} for said, answer in lines.items()]
    with aimock(fixtures, tmp_path) as url:
        result = chat(url, store)

    assert [message.text for message in result.messages[1::2]] == ["First.", "Next.", "Next."]
    assert all(message.data["response_id"] for message in result.messages[1::2])
    assert errors_of(result, store) == ["", "", ""]


def test_llama_keeps_nothing_and_is_told_everything(tmp_path: Path, store: Store) -> None:
    """It gives its answers ids, and refuses to go on from them."""
    with running([str(LLAMA), str(LLAMA_SERVER), str(tmp_path)]) as url:
        result = chat(url, store)

    assert result.status == "finished"
    assert [message.text for message in result.messages[1::2]] == [" tiny models talk"] * 3
    assert errors_of(result, store) == ["", "ResponseForgotten", "", "ResponseForgotten", ""]
    assert result.usage.calls == 3
