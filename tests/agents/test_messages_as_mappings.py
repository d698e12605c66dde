"""Messages as AutoGen's code gives and takes them: mappings with `content`, `role` and `name`, from one agent's point of view."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import convgraph as autogen
from convgraph.errors import InputError

CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
OTHER = autogen.ConversableAgent("other", human_input_mode="NEVER", llm_config=False, default_auto_reply="ok")


def heard(messages: list[Any]) -> list[Any]:
    """The mappings that a reply function is shown for these messages."""
    seen: list[Any] = []

    def look(recipient: Any, messages: Any, sender: Any, config: Any) -> tuple[bool, None]:
        seen.extend(messages)
        return True, None

    agent = autogen.ConversableAgent("agent", human_input_mode="NEVER", llm_config=False)
    agent.register_reply([autogen.Agent, None], look)
    agent.generate_reply(messages, sender=OTHER)
    return seen


@given(st.lists(st.tuples(st.sampled_from(["agent", "other", "third"]), st.text()), min_size=1, max_size=6))
def test_what_others_say_is_the_users_and_what_the_agent_says_the_assistants(said: list[tuple[str, str]]) -> None:
    messages = [{"content": text, "name": name} for name, text in said]
    assert heard(messages) == [{"content": text, "role": "assistant" if name == "agent" else "user", "name": name} for name, text in said]


def test_without_a_name_the_role_says_whose_a_message_is() -> None:
    said = [*({"content": role, "role": role} for role in ("user", "assistant", "system")), {"content": "no role"}]
    assert [(one["name"], one["role"]) for one in heard(said)] == [
        ("other", "user"),
        ("agent", "assistant"),
        ("other", "system"),
        ("other", "user"),
    ]


def test_calls_and_their_results_keep_their_shape() -> None:
    call, result = heard(
        [
            {"content": None, "tool_calls": [CALL], "role": "assistant", "name": "other"},
            {"role": "tool", "content": "x", "tool_responses": [{"tool_call_id": "c1", "role": "tool", "content": "x"}], "name": "agent"},
        ]
    )
    assert call == {"content": "", "role": "assistant", "name": "other", "tool_calls": [CALL]}
    assert result == {
        "content": "x",
        "tool_responses": [{"tool_call_id": "c1", "role": "tool", "content": "x"}],
        "role": "tool",
        "name": "agent",
    }


def test_a_content_of_several_parts_is_kept() -> None:
    parts = [{"type": "text", "text": "look"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}]
    [message] = heard([{"content": parts, "role": "user"}])
    assert message["content"] == parts


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"role": "user"}, "content"),
        ({"content": None}, "content"),
        ({"content": "x", "contents": "y"}, "contents"),
        ({"content": 3}, "content"),
        ({"content": lambda context: "rendered later"}, "content"),
        ({"content": "", "tool_calls": [{"id": "c1"}]}, "tool call"),
        (3, "message"),
    ],
)
def test_what_cannot_be_said_is_refused_with_the_reason(wrong: Any, why: str) -> None:
    with pytest.raises(InputError, match=why):
        OTHER.generate_reply([wrong], sender=autogen.ConversableAgent("agent"))


def test_a_context_beside_the_content_is_let_through_and_not_sent() -> None:
    """AutoGen renders templates with it; here the content is what is said, braces and all."""
    assert heard([{"content": "{x}", "context": {"x": 1}}]) == [{"content": "{x}", "role": "user", "name": "other"}]


@pytest.mark.parametrize("silent", [True, False])
def test_a_chats_history_holds_mappings(silent: bool, capsys: pytest.CaptureFixture[str]) -> None:
    agent = autogen.ConversableAgent("agent", human_input_mode="NEVER", llm_config=False, default_auto_reply="yes")
    chat = OTHER.initiate_chat(agent, message="hi", max_turns=1, silent=silent)
    assert chat.chat_history == [
        {"content": "hi", "role": "assistant", "name": "other"},
        {"content": "yes", "role": "user", "name": "agent"},
    ]
    assert [message.get("tool_calls") for message in chat.chat_history] == [None, None]
    assert [(message.sender, message.text) for message in chat.messages] == [("other", "hi"), ("agent", "yes")]
    assert (capsys.readouterr().out == "") is silent
