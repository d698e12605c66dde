"""How a group chat ends: after its rounds, by a termination message, by a member that says nothing; and each time the reason is told."""

from __future__ import annotations

from typing import Any

import pytest

import convgraph as autogen
from convgraph.errors import DefinitionError
from tests.chat.conftest import Member, group, modelled, speaker, speakers, talk


def rounds(members: list[Member], number: int, **options: Any) -> autogen.GroupChatManager:
    return group(members, speaker_selection_method="round_robin", max_round=number, **options)


@pytest.mark.parametrize("number", [1, 2, 3, 7])
def test_rounds_are_messages_and_the_opening_one_counts(members: list[Member], number: int) -> None:
    result = talk(members[0], rounds(members, number))
    assert (len(result.messages), result.stop_reason) == (number, "max_round")


@pytest.mark.parametrize("number", [0, -1, 1.5, True, "10", None])
def test_rounds_are_a_whole_number_from_one_on(members: list[Member], number: Any) -> None:
    with pytest.raises(DefinitionError, match="max_round"):
        talk(members[0], rounds(members, number))


def test_rounds_begin_anew_with_each_chat_and_are_kept_where_one_goes_on(members: list[Member]) -> None:
    manager = rounds(members, 3)
    talk(members[0], manager)
    result = talk(members[0], manager, "Again.", clear_history=False)
    assert len(result.messages) == 6
    assert speakers(result)[:5] == ["anna", "ben", "cleo", "anna", "ben"]
    assert speakers(talk(members[0], manager, "From the start.")) == ["anna", "ben", "cleo"]


def test_a_termination_message_ends_the_chat(members: list[Member]) -> None:
    ben = modelled("ben", "TERMINATE")
    result = talk(members[0], rounds([members[0], ben, members[2]], 9))
    assert (speakers(result), result.stop_reason) == (["anna", "ben"], "termination message")


def test_the_managers_own_rule_says_which_message_that_is(members: list[Member]) -> None:
    def is_done(message: dict[str, Any]) -> bool:
        return "cleo" in message["content"] and message["name"] == "cleo"

    result = talk(members[0], rounds(members, 9, is_termination_msg=is_done))
    assert (speakers(result), result.stop_reason) == (["anna", "ben", "cleo"], "termination message")


def test_the_word_within_a_message_ends_nothing(members: list[Member]) -> None:
    ben = modelled("ben", "We should not TERMINATE yet.")
    assert len(talk(members[0], rounds([members[0], ben], 5)).messages) == 5


def test_an_opening_that_is_a_termination_message_ends_the_chat_at_once(members: list[Member]) -> None:
    result = talk(members[0], rounds(members, 9), "TERMINATE")
    assert (speakers(result), result.stop_reason) == (["anna"], "termination message")


def test_a_member_that_has_no_reply_ends_the_chat_and_is_named(members: list[Member]) -> None:
    ben = autogen.ConversableAgent("ben", human_input_mode="NEVER", default_auto_reply=None)
    result = talk(members[0], rounds([members[0], ben, members[2]], 9))
    assert (speakers(result), result.stop_reason) == (["anna"], "ben has no reply")


def test_a_members_own_termination_rule_ends_the_chat_and_is_named(members: list[Member]) -> None:
    ben = speaker("ben", is_termination_msg=lambda message: "Hello" in message["content"])
    result = talk(members[0], rounds([members[0], ben, members[2]], 9))
    assert (speakers(result), result.stop_reason) == (["anna"], "ben: termination message")


def test_a_members_own_limit_ends_the_chat_and_is_named(members: list[Member]) -> None:
    ben = speaker("ben", max_consecutive_auto_reply=1)
    result = talk(members[0], rounds([members[0], ben, members[2]], 20))
    assert speakers(result) == ["anna", "ben", "cleo", "anna"]
    assert result.stop_reason == "ben: max_consecutive_auto_reply (1)"


def test_a_member_that_fails_ends_the_chat_and_is_named(members: list[Member]) -> None:
    ben = modelled("ben", RuntimeError("out of order"))
    result = talk(members[0], rounds([members[0], ben], 9))
    assert (result.status, speakers(result)) == ("failed", ["anna"])
    assert "'ben'" in result.stop_reason
    assert "out of order" in result.stop_reason


def test_limits_hold_in_a_group(members: list[Member]) -> None:
    result = talk(members[0], rounds(members, 20), limits=autogen.Limits(turns=3))
    assert (result.status, len(result.messages)) == ("limited", 4)


def test_a_reflection_sums_the_chat_up_wherever_it_ends(members: list[Member]) -> None:
    model = autogen.ScriptedModel(["They said their names."])
    result = talk(members[0], rounds(members, 3, model=model), summary_method="reflection_with_llm")
    assert (result.summary, len(result.messages), result.stop_reason) == ("They said their names.", 3, "max_round")


def test_a_cautious_opener_may_ask_for_a_human_at_the_end() -> None:
    """A member with a person is asked where it has the turn; what the person says is its message."""
    admin = autogen.UserProxyAgent("Admin", human_input_mode="ALWAYS", code_execution_config=False)
    result = talk(admin, rounds([admin, speaker("ben")], 5), human=lambda question: "exit")
    assert speakers(result) == ["Admin", "ben"]
    assert result.stop_reason == "Admin: a person ended the chat"


# What can be looked at


def test_the_messages_of_a_group_are_those_of_its_latest_chat(members: list[Member]) -> None:
    manager = rounds(members, 2)
    chat = manager.groupchat
    assert chat.messages == []
    talk(members[0], manager)
    assert [(message["name"], message["content"]) for message in chat.messages] == [("anna", "Hello."), ("ben", "I am ben.")]
    assert manager.messages == manager.chat_messages_for_summary(members[0]) == chat.messages
    assert manager.chat_messages[members[0]] == chat.messages
    assert members[2].chat_messages[manager][-1]["content"] == "I am ben.", "who has not spoken has heard it as well"
    chat.messages.append({"content": "changed"})
    assert len(chat.messages) == 2, "a view: changing it changes nothing"
    chat.reset()
    assert chat.messages == []


def test_what_a_manager_says_elsewhere_is_not_in_its_group(members: list[Member]) -> None:
    manager = rounds(members, 2)
    talk(members[0], manager)
    manager.initiate_chat(speaker("guest"), message="Who are you?", max_turns=1, silent=True)
    assert [message["name"] for message in manager.groupchat.messages] == ["anna", "ben"]


def test_two_chats_of_one_group_do_not_mix(members: list[Member]) -> None:
    manager = rounds(members, 3)
    results = [talk(members[0], manager, f"Number {number}.") for number in range(2)]
    assert next(message["content"] for message in manager.groupchat.messages) == "Number 1."
    assert [len(result.messages) for result in results] == [3, 3]


def test_given_messages_are_gone_on_from_where_the_history_is_not_cleared(members: list[Member]) -> None:
    given = [{"content": "Before.", "name": "cleo", "role": "user"}]
    manager = rounds(members, 2, messages=given)
    assert manager.groupchat.messages == given
    assert [message.text for message in talk(members[0], manager).messages] == ["Hello.", "I am ben."]
    manager.groupchat.messages = given  # type: ignore[assignment]  # as AutoGen's users set them
    assert [message.text for message in talk(members[0], manager, clear_history=False).messages] == ["Before.", "Hello.", "I am ben."]


def test_introductions_are_told_before_the_opening_and_are_no_round(members: list[Member]) -> None:
    ben = modelled("ben", "Hello, anna.")
    manager = rounds([members[0], ben, members[2]], 2, send_introductions=True)
    result = talk(members[0], manager)
    assert speakers(result) == ["chat_manager", "anna", "ben"]
    assert "cleo: says cleo" in result.messages[0].text
    assert result.messages[0].text.startswith(autogen.GroupChat.DEFAULT_INTRO_MSG)


def test_members_inside_a_member_are_introduced_to_each_other() -> None:
    dora = modelled("dora", "Here.")
    inner = group([dora, speaker("emil")], speaker_selection_method="round_robin", max_round=2, send_introductions=True)
    heard: list[int] = []
    dora.register_reply(
        [None, autogen.Agent], lambda recipient, messages, sender, config: (heard.append(len(messages)), (False, None))[1], 0
    )
    talk(speaker("anna"), group([inner], speaker_selection_method="round_robin", max_round=2))
    assert heard == [2]


# Checks


@pytest.mark.parametrize("method", ["auto", "manual", "random", "round_robin", lambda last, chat: None])
@pytest.mark.parametrize("repeats", [True, False])
@pytest.mark.parametrize("number", [1, 2, 3, 7])
def test_an_ordinary_group_is_a_clean_graph(method: Any, repeats: bool, number: int) -> None:
    agents = [speaker(f"agent{place}") for place in range(number)]
    chat = autogen.GroupChat(agents, speaker_selection_method=method, allow_repeat_speaker=repeats)
    assert chat.to_graph().check() == []
    assert number == 1 or chat.to_graph(agents[0]).check() == []


def test_a_member_that_nobody_leads_to_is_said(members: list[Member]) -> None:
    """Where a member opens the chat. Anybody may begin where it is opened from outside."""
    anna, ben, _ = members
    chat = autogen.GroupChat(
        members, allowed_or_disallowed_speaker_transitions={anna: [ben], ben: [anna]}, speaker_transitions_type="allowed"
    )
    (found,) = chat.to_graph(anna).check()
    assert (found.code, found.severity, "'cleo'" in found.where) == ("unreachable-node", "warning", True)
    assert chat.to_graph().check() == []
