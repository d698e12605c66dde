"""How a conversation is told to a model: whose words are whose, and calls that keep their results."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from convgraph.messages import Message, ToolCall
from convgraph.models.wire import chat_messages, wire_name
from convgraph.protocols import ModelRequest


def told(messages: list[Message], speaker: str = "writer", system: str = "") -> list[dict[str, Any]]:
    return chat_messages(ModelRequest(messages, speaker=speaker, system=system))


def calling(sender: str, *ids: str, text: str = "") -> Message:
    return Message(sender, text, tool_calls=tuple(ToolCall(id_, "look", "{}") for id_ in ids))


def result(id_: str, text: str = "found") -> Message:
    return Message("tools", text, "tool", tool_call_id=id_)


def test_own_words_are_the_assistants_and_others_are_named_users() -> None:
    messages = [Message("user", "start", "user"), Message("writer", "mine"), Message("critic", "theirs")]

    assert told(messages, system="Be brief.") == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "start"},
        {"role": "assistant", "content": "mine"},
        {"role": "user", "content": "theirs", "name": "critic"},
    ]


def test_the_point_of_view_is_the_speakers_whatever_role_a_message_was_said_in() -> None:
    messages = [Message("writer", "asked", "user"), Message("critic", "answered", "assistant")]

    assert [message["role"] for message in told(messages, "critic")] == ["user", "assistant"]
    assert [message["role"] for message in told(messages, "writer")] == ["assistant", "user"]


def test_without_a_point_of_view_a_message_keeps_its_role() -> None:
    messages = [Message("a", "1", "user"), Message("b", "2", "assistant"), Message("c", "3", "system")]

    assert [message["role"] for message in told(messages, speaker="")] == ["user", "assistant", "system"]


def test_parts_are_passed_on_where_a_provider_takes_them() -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
    content = [{"type": "text", "text": "look \ud800"}, picture]

    assert told([Message("critic", content)])[0]["content"] == [{"type": "text", "text": "look \ufffd"}, picture]
    assert told([Message("writer", content)])[0]["content"] == "look \ufffd\n<image png, 1 byte>"


def test_results_follow_their_call_directly_even_when_others_spoke_between() -> None:
    messages = [calling("writer", "1", "2"), Message("critic", "meanwhile"), result("2", "b"), result("1", "a")]
    wire = told(messages)

    assert [message["role"] for message in wire] == ["assistant", "tool", "tool", "user"]
    assert [call["id"] for call in wire[0]["tool_calls"]] == ["1", "2"]
    assert {message["tool_call_id"]: message["content"] for message in wire[1:3]} == {"1": "a", "2": "b"}


def test_a_colleagues_tool_call_is_told_as_one_with_the_colleagues_name() -> None:
    wire = told([calling("researcher", "1"), result("1")])

    assert wire[0] == {
        "role": "assistant",
        "name": "researcher",
        "content": None,
        "tool_calls": [{"id": "1", "type": "function", "function": {"name": "look", "arguments": "{}"}}],
    }


def test_a_call_whose_result_is_missing_is_told_as_text() -> None:
    assert told([calling("writer", "1", text="let me see")]) == [{"role": "assistant", "content": "let me see\n[called look({})]"}]


def test_of_two_calls_the_answered_one_stays_a_call() -> None:
    wire = told([calling("writer", "1", "2"), result("2")])

    assert [call["id"] for call in wire[0]["tool_calls"]] == ["2"]
    assert wire[0]["content"] == "[called look({})]"


def test_a_result_whose_call_was_cut_away_is_told_as_text() -> None:
    assert told([result("1")]) == [{"role": "user", "content": "[result of a tool] found", "name": "tools"}]


def test_an_id_that_is_used_again_belongs_to_the_nearest_call() -> None:
    wire = told([calling("writer", "0"), result("0", "first"), calling("writer", "0"), result("0", "second")])

    assert [message.get("content") for message in wire] == [None, "first", None, "second"]


def test_a_late_result_does_not_go_to_an_older_call_that_was_never_answered() -> None:
    wire = told([calling("writer", "0", text="old"), calling("writer", "0", text="new"), result("0")])

    assert [message["content"] for message in wire] == ["old\n[called look({})]", "new", "found"]


def test_names_are_made_acceptable_or_left_out() -> None:
    assert wire_name("writer_2-b") == "writer_2-b"
    assert wire_name("Dr. Ada Lovelace!") == "Dr_Ada_Lovelace"
    assert wire_name("x" * 100) == "x" * 64
    assert wire_name("老师") == ""
    assert told([Message("老师", "hello")]) == [{"role": "user", "content": "hello"}]


IDS = st.sampled_from(["1", "2", "3"])
MESSAGES = st.lists(
    st.one_of(
        st.builds(Message, st.sampled_from(["writer", "critic", "user"]), st.text(max_size=5)),
        st.builds(lambda sender, ids: calling(sender, *ids), st.sampled_from(["writer", "critic"]), st.lists(IDS, min_size=1, unique=True)),
        st.builds(result, IDS),
    ),
    max_size=12,
)


@given(MESSAGES)
def test_whatever_was_said_the_wire_never_splits_a_call_from_its_result(messages: list[Message]) -> None:
    """Each message with calls is followed by exactly its results, and no result stands anywhere else."""
    wire = told(messages)
    position = 0
    while position < len(wire):
        calls = [call["id"] for call in wire[position].get("tool_calls", [])]
        results = wire[position + 1 : position + 1 + len(calls)]
        assert wire[position]["role"] != "tool"
        assert sorted(calls) == sorted(message.get("tool_call_id", "no result") for message in results)
        position += 1 + len(calls)


@given(MESSAGES)
def test_nothing_that_was_said_is_lost(messages: list[Message]) -> None:
    assert len(told(messages)) == len(messages)


@given(st.text(max_size=100))
def test_every_name_on_the_wire_is_acceptable(name: str) -> None:
    made = wire_name(name)
    assert len(made) <= 64
    assert all(letter.isascii() and (letter.isalnum() or letter in "_-") for letter in made)
