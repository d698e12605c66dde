"""Every pattern gives the same transcript, called synchronously, asynchronously, and synchronously inside a running loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import convgraph as autogen
from convgraph.protocols import ModelReply

pytestmark = pytest.mark.anyio


def talking(name: str, **options: Any) -> autogen.ConversableAgent:
    """An agent that says how many messages it has heard."""
    model = autogen.ScriptedModel(lambda request: f"{name} heard {len(request.messages)}")
    return autogen.ConversableAgent(name, human_input_mode="NEVER", model=model, **options)


def two_agents() -> tuple[Any, Any, dict[str, Any]]:
    return talking("one"), talking("other"), {"max_turns": 3}


def with_tools() -> tuple[Any, Any, dict[str, Any]]:
    calls = tuple(autogen.ToolCall(str(n), "double", f'{{"n": {n}}}') for n in (1, 2))
    model = autogen.ScriptedModel(lambda request: "TERMINATE" if request.messages[-1].role == "tool" else ModelReply("", tool_calls=calls))
    return (
        autogen.ConversableAgent("executor", human_input_mode="NEVER", llm_config=False, function_map={"double": lambda n: n * 2}),
        autogen.ConversableAgent("caller", human_input_mode="NEVER", model=model),
        {},
    )


def with_a_person() -> tuple[Any, Any, dict[str, Any]]:
    answers = iter(["first", "", "exit"])
    person = autogen.UserProxyAgent("person", code_execution_config=False, default_auto_reply="by default")
    return talking("one"), person, {"human": lambda question: next(answers)}


def with_reply_functions_and_hooks() -> tuple[Any, Any, dict[str, Any]]:
    one, other = talking("one"), talking("other")
    other.register_reply("one", lambda recipient, messages, sender, config: (len(messages) > 2, f"function: {messages[-1]['content']}"))
    other.register_hook("process_last_received_message", lambda content: f"{content} (last)")
    other.register_hook("process_all_messages_before_reply", lambda messages: messages[-2:])
    one.register_hook("process_message_before_send", lambda sender, message, recipient, silent: {**message, "name": sender.name})
    return one, other, {"max_turns": 3}


def nested() -> tuple[Any, Any, dict[str, Any]]:
    writer, critic, editor = talking("writer"), talking("critic"), talking("editor")
    writer.register_nested_chats(
        [{"recipient": critic, "max_turns": 2}, {"recipient": editor, "max_turns": 1, "message": "What of it?"}],
        trigger=lambda sender: sender is not None and sender.name == "asks",
    )
    return talking("asks"), writer, {"max_turns": 2}


def group() -> tuple[Any, Any, dict[str, Any]]:
    members = [talking(name) for name in ("a", "b", "c")]
    chat = autogen.GroupChat(members, max_round=6, speaker_selection_method="round_robin")
    return members[0], autogen.GroupChatManager(chat), {}


def group_by_function() -> tuple[Any, Any, dict[str, Any]]:
    members = [talking(name) for name in ("a", "b", "c")]

    def choose(last: Any, chat: Any) -> Any:
        return None if last.name == "c" else chat.agent_by_name({"a": "b", "b": "c"}[last.name])

    chat = autogen.GroupChat(members, max_round=9, speaker_selection_method=choose)
    return members[0], autogen.GroupChatManager(chat), {}


def summed_up_by_a_model() -> tuple[Any, Any, dict[str, Any]]:
    return talking("one"), talking("other"), {"max_turns": 1, "summary_method": "reflection_with_llm"}


PATTERNS: list[Callable[[], tuple[Any, Any, dict[str, Any]]]] = [
    two_agents, with_tools, with_a_person, with_reply_functions_and_hooks, nested, group, group_by_function, summed_up_by_a_model,
]  # fmt: skip


@pytest.mark.parametrize("pattern", PATTERNS)
async def test_a_chat_is_the_same_in_all_three_ways(pattern: Callable[[], tuple[Any, Any, dict[str, Any]]]) -> None:
    import asyncio

    def synchronously() -> autogen.ChatResult:
        one, other, options = pattern()
        return one.initiate_chat(other, message="go", silent=True, **options)

    one, other, options = pattern()
    expected = await one.a_initiate_chat(other, message="go", silent=True, **options)
    assert len(expected.chat_history) > 1
    assert expected.status == "finished"
    for chat in (await asyncio.to_thread(synchronously), synchronously()):
        assert chat.chat_history == expected.chat_history
        assert (chat.summary, chat.stop_reason, chat.human_input) == (expected.summary, expected.stop_reason, expected.human_input)
        assert chat.usage == expected.usage


async def test_chats_in_sequence_are_the_same_in_both_ways() -> None:
    import asyncio

    def queue() -> list[dict[str, Any]]:
        asks = talking("asks")
        return [
            {"sender": asks, "recipient": talking(name), "message": f"to {name}", "max_turns": 1, "silent": True, "chat_id": number}
            | ({"prerequisites": [number - 1]} if number else {})
            for number, name in enumerate(("x", "y"))
        ]

    asynchronous = await autogen.a_initiate_chats(queue())
    synchronous = await asyncio.to_thread(autogen.initiate_chats, queue())
    assert [chat.chat_history for chat in asynchronous.values()] == [chat.chat_history for chat in synchronous]
    assert [chat.summary for chat in synchronous] == ["x heard 1", "y heard 1"]
