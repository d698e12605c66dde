"""What is left of chats: views of the latest with each peer, going on with one, forgetting it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import convgraph as autogen
from convgraph.errors import InputError


def pair() -> tuple[autogen.ConversableAgent, autogen.ConversableAgent]:
    asks = autogen.ConversableAgent("asks", human_input_mode="NEVER", default_auto_reply="and?")
    knows = autogen.ConversableAgent(
        "knows", human_input_mode="NEVER", model=autogen.ScriptedModel(lambda request: f"heard {len(request.messages)}")
    )
    return asks, knows


def words(messages: Any) -> list[Any]:
    return [message["content"] for message in messages]


def test_each_of_two_agents_sees_the_chat_its_own_way() -> None:
    asks, knows = pair()
    chat = asks.initiate_chat(knows, message="hi", max_turns=1, silent=True)
    assert chat.chat_history == asks.chat_messages[knows]
    assert [(one["role"], one["name"], one["content"]) for one in asks.chat_messages[knows]] == [
        ("assistant", "asks", "hi"),
        ("user", "knows", "heard 1"),
    ]
    assert [one["role"] for one in knows.chat_messages[asks]] == ["user", "assistant"]
    assert asks.last_message(knows) == asks.last_message() == asks.chat_messages[knows][-1]


def test_what_views_give_can_be_changed_without_changing_anything() -> None:
    asks, knows = pair()
    asks.initiate_chat(knows, message="hi", max_turns=1, silent=True)
    asks.chat_messages[knows][0]["content"] = "something else"
    asks.chat_messages[knows].clear()
    assert words(asks.chat_messages[knows]) == ["hi", "heard 1"]


def test_the_last_message_has_to_be_asked_for_by_peer_where_there_are_several() -> None:
    asks, knows = pair()
    other = autogen.ConversableAgent("other", human_input_mode="NEVER")
    assert asks.last_message() is None
    for peer in (knows, other):
        asks.initiate_chat(peer, message="hi", max_turns=1, silent=True)
    with pytest.raises(InputError, match="knows, other"):
        asks.last_message()
    with pytest.raises(InputError, match="has not chatted with 'stranger'"):
        asks.last_message(autogen.ConversableAgent("stranger"))


@pytest.mark.parametrize("kept_in", ["memory", "a file by its name", "a store"])
def test_a_chat_goes_on_where_it_stood(kept_in: str, tmp_path: Path) -> None:
    """`clear_history=False` continues the same run, wherever that is kept."""
    asks, knows = pair()
    file = tmp_path / "runs.db"
    store: Any = {"memory": None, "a file by its name": str(file), "a store": autogen.open_store(file)}[kept_in]
    first = asks.initiate_chat(knows, message="one", max_turns=1, silent=True, store=store)
    second = asks.initiate_chat(knows, message="two", max_turns=2, silent=True, clear_history=False)
    third = asks.initiate_chat(knows, message="three", max_turns=1, silent=True, clear_history=False, store=store)
    assert words(second.chat_history) == ["one", "heard 1", "two", "heard 3", "and?", "heard 5"]
    assert words(third.chat_history)[-2:] == ["three", "heard 7"]
    assert words(knows.chat_messages[asks])[-1] == "heard 7"
    assert first.run_id == second.run_id
    if kept_in != "memory":
        assert third.run_id == first.run_id
        assert [run.run_id for run in autogen.open_store(file).runs()] == [first.run_id]


def test_a_chat_begins_anew_unless_it_is_told_to_go_on() -> None:
    asks, knows = pair()
    asks.initiate_chat(knows, message="one", max_turns=1, silent=True)
    again = asks.initiate_chat(knows, message="two", max_turns=1, silent=True)
    assert words(again.chat_history) == ["two", "heard 1"]


def test_agents_can_be_made_with_messages_from_before() -> None:
    _, knows = pair()
    before = [{"content": "earlier", "role": "assistant"}, {"content": "yes", "role": "user"}]
    asks = autogen.ConversableAgent("asks", human_input_mode="NEVER", chat_messages={knows: before})
    assert words(asks.chat_messages[knows]) == ["earlier", "yes"]
    chat = asks.initiate_chat(knows, message="now", max_turns=1, clear_history=False, silent=True)
    assert words(chat.chat_history) == ["earlier", "yes", "now", "heard 3"]


def test_history_is_forgotten_for_one_or_for_all() -> None:
    asks, knows = pair()
    other = autogen.ConversableAgent("other", human_input_mode="NEVER")
    for peer in (knows, other):
        asks.initiate_chat(peer, message="hi", max_turns=1, silent=True)
    asks.clear_history(knows)
    assert list(asks.chat_messages) == [other]
    assert words(knows.chat_messages[asks]) == ["hi", "heard 1"]  # the other's view is its own
    asks.reset()
    assert asks.chat_messages == {}


def test_the_last_messages_can_be_kept() -> None:
    asks, knows = pair()
    asks.initiate_chat(knows, message="hi", max_turns=2, silent=True)
    asks.clear_history(nr_messages_to_preserve=2)
    assert words(asks.chat_messages[knows]) == ["and?", "heard 3"]


def test_a_tools_result_is_kept_together_with_its_call() -> None:
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    _, knows = pair()
    before = [{"content": "", "tool_calls": [call], "role": "user"}, {"role": "tool", "content": "x", "tool_call_id": "1"}]
    asks = autogen.ConversableAgent("asks", chat_messages={knows: before})
    asks.clear_history(nr_messages_to_preserve=1)
    assert [message["role"] for message in asks.chat_messages[knows]] == ["assistant", "tool"]


def test_forgetting_leaves_journals_as_they_are(tmp_path: Path) -> None:
    asks, knows = pair()
    chat = asks.initiate_chat(knows, message="hi", max_turns=1, silent=True, store=tmp_path / "runs.db")
    asks.reset()
    assert [run.run_id for run in autogen.open_store(tmp_path / "runs.db").runs()] == [chat.run_id]


def test_two_chats_of_one_agent_do_not_see_each_other() -> None:
    _, knows = pair()
    one, other = (autogen.ConversableAgent(name, human_input_mode="NEVER") for name in ("one", "other"))
    one.initiate_chat(knows, message="from one", max_turns=1, silent=True)
    chat = other.initiate_chat(knows, message="from other", max_turns=1, silent=True)
    assert words(chat.chat_history) == ["from other", "heard 1"]


def test_a_system_message_can_be_changed_from_the_next_call_on() -> None:
    asked: list[str] = []
    agent = autogen.ConversableAgent("a", "Be brief.", model=autogen.ScriptedModel(lambda request: asked.append(request.system) or "ok"))
    agent.generate_reply([{"content": "hi"}])
    agent.update_system_message("Be long.")
    agent.generate_reply([{"content": "hi"}])
    assert asked == ["Be brief.", "Be long."]
    assert (agent.system_message, agent.description) == ("Be long.", "Be long.")
    agent.description = "What others are told."
    assert (agent.system_message, agent.description) == ("Be long.", "What others are told.")
