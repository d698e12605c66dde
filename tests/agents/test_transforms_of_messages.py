"""What an agent is shown of a conversation can be limited: calls and their results stay together, and the newest message is there."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import convgraph as autogen
from convgraph.agents.transforms import MessageTokenLimiter, TextMessageContentName, estimated_tokens
from convgraph.errors import DefinitionError


def said(text: str, name: str = "a") -> dict[str, Any]:
    return {"role": "user", "name": name, "content": text}


def exchange(number: int, results: int, text: str) -> list[dict[str, Any]]:
    """A message that calls tools, with its results."""
    ids = [f"{number}.{result}" for result in range(results)]
    calls = [{"id": one, "type": "function", "function": {"name": "look", "arguments": "{}"}} for one in ids]
    answered = [{"role": "tool", "tool_call_id": one, "content": text, "name": "b"} for one in ids]
    return [{"role": "assistant", "name": "a", "content": "", "tool_calls": calls}, *answered]


@st.composite
def conversations(draw: st.DrawFn) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    for number in range(draw(st.integers(1, 8))):
        text = draw(st.text(max_size=30))
        messages += exchange(number, draw(st.integers(1, 3)), text) if draw(st.booleans()) else [said(f"{number} {text}")]
    return messages


def unpaired(messages: list[dict[str, Any]]) -> set[str]:
    """The calls without a result, and the results without a call."""
    calls = {call["id"] for message in messages for call in message.get("tool_calls", ())}
    return calls ^ {message["tool_call_id"] for message in messages if message["role"] == "tool"}


@given(conversations(), st.integers(1, 12), st.booleans())
def test_a_limited_history_is_paired_recent_and_short(messages: list[dict[str, Any]], most: int, keep_first: bool) -> None:
    before = copy.deepcopy(messages)
    shown = autogen.MessageHistoryLimiter(most, keep_first).apply_transform(messages)
    assert messages == before
    assert shown[-1] == messages[-1]
    assert unpaired(shown) == set()
    assert [message for message in messages if any(message is one for one in shown)] == shown
    assert not keep_first or shown[0] == messages[0]
    newest = next(size for size in range(1, len(messages) + 1) if messages[-size]["role"] != "tool")
    first = next((size for size in range(1, len(messages)) if messages[size]["role"] != "tool"), len(messages)) if keep_first else 0
    assert len(shown) <= max(most, newest + first)


@given(conversations(), st.integers(1, 60), st.none() | st.integers(1, 10))
def test_limited_tokens_are_paired_and_recent(messages: list[dict[str, Any]], most: int, each: int | None) -> None:
    before = copy.deepcopy(messages)
    limiter = autogen.MessageTokenLimiter(max_tokens_per_message=each, max_tokens=most)
    shown = limiter.apply_transform(messages)
    assert messages == before
    assert unpaired(shown) == set()
    assert messages[-1]["content"].startswith(shown[-1]["content"])
    assert shown[-1].get("tool_call_id") == messages[-1].get("tool_call_id")
    called = sum(
        estimated_tokens(text) for message in shown for call in message.get("tool_calls", ()) for text in call["function"].values()
    )
    assert sum(estimated_tokens(message["content"]) for message in shown) <= most
    assert len(shown) == 1 or shown[0]["role"] == "assistant" or sum(estimated_tokens(m["content"]) for m in shown) + called <= most
    assert each is None or all(estimated_tokens(message["content"]) <= each for message in shown)


def test_the_newest_message_is_not_dropped_where_the_oldest_kept_is_a_tools_result() -> None:
    messages = [said("1"), *exchange(0, 2, "found"), said("2"), said("3")]
    shown = autogen.MessageHistoryLimiter(4).apply_transform(messages)
    assert [message["content"] for message in shown] == ["2", "3"]


@given(st.text(max_size=200), st.integers(1, 20))
def test_a_text_is_cut_as_late_as_its_tokens_allow(text: str, most: int) -> None:
    limiter = MessageTokenLimiter(max_tokens_per_message=most, count=lambda part: len(part.split()))
    shown = limiter.apply_transform([said(text)])[0]["content"]
    assert len(shown.split()) <= most
    assert shown == text or len(text[: len(shown) + 1].split()) > most


def test_few_tokens_are_left_alone() -> None:
    messages = [said("a long message of many words")]
    assert autogen.MessageTokenLimiter(max_tokens_per_message=1, min_tokens=100).apply_transform(messages) == messages


def test_results_that_are_one_message_are_cut_together_and_all_there() -> None:
    message = {
        "role": "tool",
        "name": "b",
        "content": "12345678\n\n12345678",
        "tool_responses": [{"tool_call_id": one, "role": "tool", "content": "12345678"} for one in ("x", "y")],
    }
    calls = [{"id": one, "type": "function", "function": {"name": "f", "arguments": "{}"}} for one in ("x", "y")]
    messages = [{"role": "assistant", "content": "", "tool_calls": calls}, message]
    shown = autogen.MessageTokenLimiter(max_tokens_per_message=3).apply_transform(messages)[-1]
    assert [(one["tool_call_id"], one["content"]) for one in shown["tool_responses"]] == [("x", "12345678"), ("y", "1234")]


def test_images_stay_and_texts_beside_them_are_cut() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,xx"}}
    message = {"role": "user", "content": [{"type": "text", "text": "x" * 40}, image]}
    (shown,) = autogen.MessageTokenLimiter(max_tokens_per_message=2).apply_transform([message])
    assert shown["content"] == [{"type": "text", "text": "x" * 8}, image]


def test_speakers_are_named_once_and_braces_are_left_alone() -> None:
    transform = TextMessageContentName(format_string="'{name}' said {x}: ")
    once = transform.apply_transform([said("hi"), {"role": "tool", "content": "r", "name": "a"}])
    assert [message["content"] for message in once] == ["'a' said {x}: hi", "r"]
    assert transform.apply_transform(once) == once
    at_end = TextMessageContentName("end", " ({name})").apply_transform([said("hi")])
    assert at_end[0]["content"] == "hi (a)"


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (autogen.MessageHistoryLimiter, {"max_messages": 0}),
        (autogen.MessageTokenLimiter, {"max_tokens": -1}),
        (autogen.MessageTokenLimiter, {"max_tokens": 5, "min_tokens": 6}),
        (TextMessageContentName, {"position": "middle"}),
        (TextMessageContentName, {"format_string": "name"}),
        (autogen.TransformMessages, {"transforms": [3]}),
    ],
)
def test_what_makes_no_transform_is_refused(kind: Any, options: dict[str, Any]) -> None:
    with pytest.raises(DefinitionError):
        kind(**options)


def test_an_agent_goes_by_what_its_transforms_leave_and_the_chat_keeps_all() -> None:
    seen: list[list[str]] = []

    def answer(request: Any) -> str:
        seen.append([message.text for message in request.messages])
        return f"answer {len(seen)}"

    model = autogen.ScriptedModel(answer)
    writer = autogen.ConversableAgent("writer", human_input_mode="NEVER", model=model)
    asker = autogen.ConversableAgent("asker", human_input_mode="NEVER", default_auto_reply="go on")
    transforms = autogen.TransformMessages([autogen.MessageHistoryLimiter(2)])
    transforms.add_to_agent(writer)
    result = asker.initiate_chat(writer, message="begin", max_turns=3, silent=True)
    assert seen == [["begin"], ["answer 1", "go on"], ["answer 2", "go on"]]
    assert len(result.chat_history) == 6
    with pytest.raises(DefinitionError, match="already"):
        transforms.add_to_agent(writer)


def test_a_system_message_at_the_beginning_stays() -> None:
    messages = [{"role": "system", "content": "Be brief."}, said("1"), said("2")]
    shown = autogen.TransformMessages([autogen.MessageHistoryLimiter(1), lambda messages: messages])(messages)
    assert [message["content"] for message in shown] == ["Be brief.", "2"]


def test_a_selecting_model_is_shown_what_the_transforms_leave() -> None:
    shown: list[list[str]] = []

    def choose(request: Any) -> str:
        shown.append([message.text for message in request.messages])
        return "b" if len(shown) % 2 else "a"

    members = [autogen.ConversableAgent(name, human_input_mode="NEVER", default_auto_reply=f"I am {name}") for name in ("a", "b", "c")]
    group = autogen.GroupChat(
        members, max_round=4, select_speaker_transform_messages=autogen.TransformMessages([autogen.MessageHistoryLimiter(1)])
    )
    manager = autogen.GroupChatManager(group, model=autogen.ScriptedModel(choose))
    members[0].initiate_chat(manager, message="begin", silent=True)
    assert [[text for text in each if text.startswith(("begin", "I am"))] for each in shown] == [["begin"], ["I am b"], ["I am a"]]
