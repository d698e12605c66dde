"""`initiate_chats` inside a reply function gives whole results, and the agents of those chats refer to them."""

from __future__ import annotations

from typing import Any

import convgraph as autogen
from convgraph import ScriptedModel


def speaker(name: str, says: str) -> autogen.ConversableAgent:
    return autogen.ConversableAgent(name, human_input_mode="NEVER", model=ScriptedModel([says], repeat=True))


def test_chats_in_sequence_inside_a_reply_have_their_messages_and_are_the_latest_of_their_agents() -> None:
    boss, writer, critic = speaker("boss", "go on"), speaker("writer", "a draft"), speaker("critic", "more pathos")
    seen: list[autogen.ChatResult] = []

    def consult(recipient: Any, messages: Any, sender: Any, config: Any) -> tuple[bool, str]:
        seen.extend(
            autogen.initiate_chats(
                [
                    {"sender": boss, "recipient": writer, "message": "Write.", "max_turns": 1, "silent": True},
                    {"sender": boss, "recipient": critic, "message": "Judge.", "max_turns": 1, "silent": True},
                ]
            )
        )
        return True, seen[-1].summary

    front = autogen.ConversableAgent("front", human_input_mode="NEVER")
    front.register_reply([autogen.Agent, None], consult)
    result = boss.initiate_chat(front, message="Well?", max_turns=1, silent=True)

    assert result.summary == "more pathos"
    assert [message["content"] for message in seen[0].chat_history] == ["Write.", "a draft"]
    assert [message["content"] for message in seen[1].chat_history] == ["Judge.\nContext: \na draft", "more pathos"]
    assert [each.usage.calls for each in seen] == [1, 1]
    assert result.usage.calls == 2
    assert writer.last_message(boss) == {"content": "a draft", "role": "assistant", "name": "writer"}
