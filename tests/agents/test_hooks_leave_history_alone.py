"""Hooks change what an agent goes by or says; what others have said stays as it was said, in every view and in the journal."""

from __future__ import annotations

from typing import Any

import pytest

import convgraph as autogen
from convgraph.errors import DefinitionError

pytestmark = pytest.mark.anyio


def hearing(heard: list[Any]) -> autogen.ConversableAgent:
    """An agent whose model notes what it is shown."""

    def answer(request: Any) -> str:
        heard.append([message.content for message in request.messages])
        return "ok"

    return autogen.ConversableAgent("agent", human_input_mode="NEVER", model=autogen.ScriptedModel(answer))


ASKS = autogen.ConversableAgent("asks", human_input_mode="NEVER", default_auto_reply="more")


def test_a_hook_changes_the_last_message_that_the_agent_goes_by() -> None:
    heard: list[Any] = []
    agent = hearing(heard)
    agent.register_hook("process_last_received_message", lambda content: f"{content} [seen]")
    chat = ASKS.initiate_chat(agent, message="hi", max_turns=2, silent=True)
    assert heard == [["hi [seen]"], ["hi", "ok", "more [seen]"]]
    assert [message["content"] for message in chat.chat_history] == ["hi", "ok", "more", "ok"]
    assert [message["content"] for message in agent.chat_messages[ASKS]] == ["hi", "ok", "more", "ok"]


def test_a_hook_changes_all_messages_that_the_agent_goes_by() -> None:
    heard: list[Any] = []
    agent = hearing(heard)

    def shorten(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
        for message in messages:
            message["content"] = message["content"].upper()  # what a hook is given is its own
        return messages[-1:]

    agent.register_hook("process_all_messages_before_reply", shorten)
    chat = ASKS.initiate_chat(agent, message="hi", max_turns=2, silent=True)
    assert heard == [["HI"], ["MORE"]]
    assert [message["content"] for message in chat.chat_history] == ["hi", "ok", "more", "ok"]


def test_hooks_are_called_in_the_order_in_which_they_were_registered() -> None:
    heard: list[Any] = []
    agent = hearing(heard)
    for mark in "abc":
        agent.register_hook("process_last_received_message", lambda content, mark=mark: content + mark)
    agent.generate_reply([{"content": "hi "}])
    assert heard == [["hi abc"]]


async def test_all_messages_come_before_the_last_one_in_both_kinds_of_chats() -> None:
    for asynchronous in (False, True):
        heard: list[Any] = []
        agent = hearing(heard)
        agent.register_hook("process_last_received_message", lambda content: content + " last")
        agent.register_hook("process_all_messages_before_reply", lambda messages: [{**messages[-1], "content": "all"}])
        if asynchronous:
            await agent.a_generate_reply([{"content": "hi"}])
        else:
            agent.generate_reply([{"content": "hi"}])
        assert heard == [["all last"]]


@pytest.mark.parametrize("method", ["process_last_received_message", "a_process_last_received_message"])
async def test_a_hook_may_be_async_in_both_kinds_of_chats(method: str) -> None:
    async def mark(content: str) -> str:
        return f"{content}!"

    heard: list[Any] = []
    agent = hearing(heard)
    agent.register_hook(method, mark)
    agent.generate_reply([{"content": "sync"}])
    await agent.a_generate_reply([{"content": "async"}])
    assert heard == [["sync!"], ["async!"]]


def test_a_hook_sees_a_message_before_it_is_said_and_is_told_to_whom() -> None:
    told: list[Any] = []

    def sign(sender: Any, message: Any, recipient: Any, silent: bool) -> Any:
        told.append((sender.name, recipient.name, silent))
        return {**message, "content": f"{message['content']} - {sender.name}"}

    asks, agent = autogen.ConversableAgent("asks", human_input_mode="NEVER"), hearing([])
    for each in (asks, agent):
        each.register_hook("process_message_before_send", sign)
    chat = asks.initiate_chat(agent, message="hi", max_turns=1, silent=True)
    assert [message["content"] for message in chat.chat_history] == ["hi - asks", "ok - agent"]
    assert [(sender, recipient) for sender, recipient, _ in told] == [("asks", "agent"), ("agent", "asks")]


def test_a_hook_before_sending_may_give_a_text() -> None:
    agent = hearing([])
    agent.register_hook("process_message_before_send", lambda sender, message, recipient, silent: "censored")
    assert ASKS.initiate_chat(agent, message="hi", max_turns=1, silent=True).summary == "censored"


def test_termination_goes_by_what_the_hooks_leave() -> None:
    agent = hearing([])
    agent.register_hook("process_last_received_message", lambda content: "TERMINATE")
    assert agent.generate_reply([{"content": "hi"}]) is None


def test_a_hook_is_registered_once_and_for_what_there_is() -> None:
    agent = hearing([])

    def hook(content: str) -> str:
        return content

    agent.register_hook("process_last_received_message", hook)
    with pytest.raises(DefinitionError, match="already"):
        agent.register_hook("process_last_received_message", hook)
    with pytest.raises(DefinitionError, match="process_all_messages_before_reply"):
        agent.register_hook("process_everything", hook)
    with pytest.raises(DefinitionError, match="function"):
        agent.register_hook("process_last_received_message", "hook")  # type: ignore[arg-type]


def test_the_limit_on_replies_counts_what_was_said_not_what_hooks_leave() -> None:
    """An agent that is shown only the last message would never have replied before."""
    agent = autogen.ConversableAgent("agent", human_input_mode="NEVER", max_consecutive_auto_reply=2, default_auto_reply="again")
    agent.register_hook("process_all_messages_before_reply", lambda messages: messages[-1:])
    chat = ASKS.initiate_chat(agent, message="hi", silent=True)
    assert [message["content"] for message in chat.chat_history if message["name"] == "agent"] == ["again", "again"]


def test_a_hook_keeps_whose_words_are_said_and_what_travels_along() -> None:
    """A person's words stay a person's, and a parsed answer stays with its text."""
    person = autogen.ConversableAgent("person", human_input_mode="ALWAYS", llm_config=False)
    answers = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    model = autogen.ScriptedModel([{"n": 1}], repeat=True)
    counts = autogen.ConversableAgent("counts", human_input_mode="NEVER", model=model, response_format=answers)
    for agent in (person, counts):
        agent.register_hook("process_message_before_send", lambda sender, message, recipient, silent: message)
    chat = counts.initiate_chat(person, message="hi", max_turns=2, silent=True, human=lambda question: "words")
    assert [(message.sender, message.role, message.data) for message in chat.messages[1:3]] == [
        ("person", "user", None),
        ("counts", "assistant", {"n": 1}),
    ]
    person.register_hook("process_message_before_send", lambda sender, message, recipient, silent: f"{message['content']}!")
    chat = counts.initiate_chat(person, message="hi", max_turns=1, silent=True, human=lambda question: "words")
    assert (chat.messages[1].role, chat.messages[1].text) == ("user", "words!")


def test_a_hook_may_leave_nothing() -> None:
    heard: list[Any] = []
    agent = hearing(heard)
    agent.register_hook("process_all_messages_before_reply", lambda messages: [])
    agent.register_hook("process_last_received_message", lambda content: content)
    assert agent.generate_reply([{"content": "hi"}]) == "ok"
    assert heard == [[]]
