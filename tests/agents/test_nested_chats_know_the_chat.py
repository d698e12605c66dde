"""A nested chat is about the chat in which it is had: its message may be made from that, and takes over what was found before it."""

from __future__ import annotations

from typing import Any

import convgraph as autogen


def silent(name: str, reply: str) -> autogen.ConversableAgent:
    return autogen.ConversableAgent(name, human_input_mode="NEVER", default_auto_reply=reply, silent=True)


def test_a_message_function_is_given_the_agent_the_whole_chat_and_whom_it_replies_to() -> None:
    """What AutoGen's tutorial writes, `recipient.chat_messages_for_summary(sender)[-1]`, finds what the writer has said last."""
    editor, writer, critic = silent("editor", "never said"), silent("writer", "a draft"), silent("critic", "shorter")
    given: list[Any] = []

    def reflect(recipient: Any, messages: Any, sender: Any, config: Any) -> str:
        given.append((recipient, [message["content"] for message in messages], sender, config))
        return f"Criticise: {recipient.chat_messages_for_summary(sender)[-1]['content']} ({recipient.last_message(sender)['name']}'s)"

    editor.register_nested_chats([{"recipient": critic, "message": reflect, "max_turns": 1}], trigger=writer)
    result = editor.initiate_chat(writer, message="Write.", max_turns=2, silent=True)

    assert given == [(editor, ["Write.", "a draft"], writer, None)]
    assert [message["content"] for message in result.chat_history] == ["Write.", "a draft", "shorter", "a draft"]


def test_a_function_s_message_takes_over_what_the_chats_before_it_have_found() -> None:
    editor, writer, critic = silent("editor", "never said"), silent("writer", "a draft"), silent("critic", "shorter")
    checker = autogen.ConversableAgent(
        "checker", human_input_mode="NEVER", model=autogen.ScriptedModel(lambda request: request.messages[-1].text)
    )

    editor.register_nested_chats(
        [
            {"recipient": critic, "max_turns": 1},
            {"recipient": checker, "message": lambda recipient, messages, sender, config: "Check.", "max_turns": 1},
        ],
        trigger=writer,
    )
    result = editor.initiate_chat(writer, message="Write.", max_turns=2, silent=True)

    assert result.chat_history[2]["content"] == "Check.\nContext: \nshorter"


def test_the_graph_of_chats_in_turn_has_a_node_for_each() -> None:
    editor, writer, critic = silent("editor", "go on"), silent("writer", "a draft"), silent("critic", "shorter")
    chats = [
        {"sender": editor, "recipient": writer, "message": "Write.", "max_turns": 1},
        {"sender": editor, "recipient": critic, "message": "Judge."},
    ]

    graph = autogen.chats_graph(chats)

    assert list(graph.definition.nodes) == ["chat_1", "chat_2"]
    assert [finding for finding in graph.check() if finding.severity == "error"] == []
