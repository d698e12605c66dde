"""`send` and `receive`: saying something in the latest chat with somebody, with or without a reply."""

from __future__ import annotations

from typing import Any

import pytest

import convgraph as autogen

pytestmark = pytest.mark.anyio


def pair() -> tuple[autogen.ConversableAgent, autogen.ConversableAgent]:
    asks = autogen.ConversableAgent("asks", human_input_mode="NEVER", max_consecutive_auto_reply=0)
    model = autogen.ScriptedModel(lambda request: f"heard {' '.join(message.text for message in request.messages)}")
    return asks, autogen.ConversableAgent("knows", human_input_mode="NEVER", model=model)


def words(messages: Any) -> list[Any]:
    return [message["content"] for message in messages]


def test_without_a_reply_a_message_is_only_added() -> None:
    asks, knows = pair()
    assert asks.send("one", knows, request_reply=False, silent=True) is None
    assert asks.send({"content": "two"}, knows, silent=True) is None  # the two have had no chat in which it could be replied to
    assert words(asks.chat_messages[knows]) == words(knows.chat_messages[asks]) == ["one", "two"]


def test_the_next_chat_goes_on_from_what_was_sent() -> None:
    asks, knows = pair()
    asks.send("one", knows, request_reply=False, silent=True)
    chat = asks.initiate_chat(knows, message="two", clear_history=False, max_turns=1, silent=True)
    assert words(chat.chat_history) == ["one", "two", "heard one two"]
    assert words(knows.chat_messages[asks]) == ["one", "two", "heard one two"]


def test_with_a_reply_the_chat_goes_on_until_it_ends() -> None:
    asks, knows = pair()
    chat = asks.send("one", knows, request_reply=True, silent=True)
    assert words(chat.chat_history) == ["one", "heard one"]
    again = asks.send("two", knows, silent=True)  # the two have chatted, so this is a part of it
    assert words(again.chat_history) == ["one", "heard one", "two", "heard one heard one two"]
    assert again.run_id == chat.run_id


def test_receiving_is_being_sent() -> None:
    asks, knows = pair()
    knows.receive("one", asks, request_reply=True, silent=True)
    assert words(asks.chat_messages[knows]) == ["one", "heard one"]


async def test_async_does_the_same() -> None:
    asks, knows = pair()
    await asks.a_send("one", knows, request_reply=False, silent=True)
    await knows.a_receive("two", asks, request_reply=True, silent=True)
    assert words(asks.chat_messages[knows]) == ["one", "two", "heard one two"]


def test_what_is_sent_is_printed_unless_silent(capsys: pytest.CaptureFixture[str]) -> None:
    asks, knows = pair()
    asks.send("one", knows, request_reply=False)
    asks.send("two", knows, request_reply=False, silent=True)
    assert capsys.readouterr().out.startswith("asks (to knows):\n\none\n")
