"""When an agent ends a chat, and when it asks its person: the three modes, row by row, and the limit on replies in a row."""

from __future__ import annotations

from typing import Any

import pytest

import convgraph as autogen
from convgraph.errors import DefinitionError

OTHER = autogen.ConversableAgent("other", human_input_mode="NEVER")


class Answering(autogen.ConversableAgent):
    """An agent whose person answers from a list, and that remembers what was asked."""

    def __init__(self, name: str, answers: list[str], **options: Any) -> None:
        super().__init__(name, **options)
        self.answers = list(answers)
        self.prompts: list[str] = []

    def get_human_input(self, prompt: str) -> str:
        self.prompts.append(prompt)
        return self.answers.pop(0)


def replied(agent: autogen.ConversableAgent, content: str, spoken: int = 0) -> Any:
    """What the agent replies to `content`, after so many replies of its own."""
    before: list[Any] = [message for _ in range(spoken) for message in ({"content": "q"}, {"content": "a", "role": "assistant"})]
    return agent.generate_reply([*before, {"content": content}], sender=OTHER)


AUTO, EXIT = "auto", None


@pytest.mark.parametrize(
    ("mode", "limit", "spoken", "content", "person", "outcome"),
    [
        # ALWAYS: asked about every message; the limit is not looked at.
        ("ALWAYS", None, 0, "hello", "", AUTO),
        ("ALWAYS", 1, 5, "hello", "", AUTO),
        ("ALWAYS", None, 0, "TERMINATE", "", EXIT),
        ("ALWAYS", None, 0, "hello", "words", "words"),
        ("ALWAYS", None, 0, "TERMINATE", "words", "words"),
        ("ALWAYS", None, 0, "hello", "exit", EXIT),
        # NEVER: nobody is asked.
        ("NEVER", None, 0, "hello", None, AUTO),
        ("NEVER", None, 0, "TERMINATE", None, EXIT),
        ("NEVER", 2, 1, "hello", None, AUTO),
        ("NEVER", 2, 2, "hello", None, EXIT),
        ("NEVER", 0, 0, "hello", None, EXIT),
        # TERMINATE: asked at the limit, and about termination messages.
        ("TERMINATE", None, 0, "hello", None, AUTO),
        ("TERMINATE", None, 0, "TERMINATE", "", EXIT),
        ("TERMINATE", None, 0, "TERMINATE", "words", "words"),
        ("TERMINATE", None, 0, "TERMINATE", "exit", EXIT),
        ("TERMINATE", 2, 2, "hello", "", AUTO),
        ("TERMINATE", 2, 3, "hello", "", AUTO),
        ("TERMINATE", 2, 2, "TERMINATE", "", EXIT),
        ("TERMINATE", 2, 2, "hello", "words", "words"),
        ("TERMINATE", 2, 2, "hello", "exit", EXIT),
        ("TERMINATE", 2, 1, "hello", None, AUTO),
    ],
)
def test_the_three_modes(mode: Any, limit: int | None, spoken: int, content: str, person: str | None, outcome: str | None) -> None:
    """`person` is what the person says (None: is not asked)."""
    agent = Answering(
        "agent",
        [] if person is None else [person],
        human_input_mode=mode,
        max_consecutive_auto_reply=limit,
        default_auto_reply=AUTO,
    )
    reply = replied(agent, content, spoken)
    assert (reply["content"] if isinstance(reply, dict) else reply) == outcome
    assert len(agent.prompts) == (0 if person is None else 1)
    if outcome == "words":
        assert reply["role"] == "user"  # a person's words are the person's, not the model's


def test_with_a_limit_of_0_an_empty_answer_is_what_the_person_says() -> None:
    """There is no reply that the agent could make by itself."""
    agent = Answering("agent", [""], human_input_mode="TERMINATE", max_consecutive_auto_reply=0, default_auto_reply=AUTO)
    assert replied(agent, "hello") == {"content": "", "role": "user", "name": "agent"}


@pytest.mark.parametrize(("limit", "messages"), [(0, 1), (1, 3), (2, 5)])
def test_the_limit_counts_an_agents_replies_in_a_row(limit: int, messages: int) -> None:
    """One agent has a limit, the other none: with 0 nothing is replied, with 1 one reply is made."""
    limited = autogen.ConversableAgent("limited", human_input_mode="NEVER", max_consecutive_auto_reply=limit, default_auto_reply="r")
    chat = OTHER.initiate_chat(limited, message="hi", silent=True)
    assert len(chat.chat_history) == messages
    assert chat.stop_reason == f"limited: max_consecutive_auto_reply ({limit})"


def test_without_a_limit_an_agent_makes_a_hundred_replies_in_a_row() -> None:
    agent = autogen.ConversableAgent("agent", human_input_mode="NEVER", default_auto_reply=AUTO)
    assert agent.max_consecutive_auto_reply() == 100
    assert replied(agent, "hello", 99) == AUTO
    assert replied(agent, "hello", 100) is None


def test_the_limit_can_be_changed_for_all_or_for_one() -> None:
    agent = autogen.ConversableAgent("agent", human_input_mode="NEVER", max_consecutive_auto_reply=5, default_auto_reply=AUTO)
    agent.update_max_consecutive_auto_reply(1, OTHER)
    assert (agent.max_consecutive_auto_reply(), agent.max_consecutive_auto_reply(OTHER)) == (5, 1)
    assert replied(agent, "hello", 1) is None
    agent.update_max_consecutive_auto_reply(2)
    assert agent.max_consecutive_auto_reply(OTHER) == 2
    assert replied(agent, "hello", 1) == AUTO


def test_what_the_person_says_starts_the_count_anew() -> None:
    agent = Answering("agent", ["words", "exit"], human_input_mode="TERMINATE", max_consecutive_auto_reply=2, default_auto_reply=AUTO)
    chat = OTHER.initiate_chat(agent, message="hi", silent=True)
    assert [message["content"] for message in chat.chat_history if message["name"] == "agent"] == [AUTO, AUTO, "words", AUTO, AUTO]
    assert chat.human_input == ["words", "exit"]
    assert chat.stop_reason == "agent: a person ended the chat"


def test_a_chat_starts_the_count_anew() -> None:
    agent = autogen.ConversableAgent("agent", human_input_mode="NEVER", max_consecutive_auto_reply=1, default_auto_reply=AUTO)
    for clear in (True, False):
        chat = OTHER.initiate_chat(agent, message="hi", silent=True, clear_history=clear)
        assert chat.chat_history[-2]["content"] == AUTO


def test_several_results_of_tools_are_one_reply() -> None:
    calls = [{"id": str(number), "type": "function", "function": {"name": "f", "arguments": "{}"}} for number in range(3)]
    agent = autogen.ConversableAgent("agent", human_input_mode="NEVER", max_consecutive_auto_reply=2, function_map={"f": lambda: "x"})
    first = agent.generate_reply([{"content": "", "tool_calls": calls, "role": "assistant", "name": "other"}], sender=OTHER)
    said = [{"content": "", "tool_calls": calls, "role": "assistant", "name": "other"}, {**first, "name": "agent"}, {"content": "and?"}]
    assert agent.generate_reply(said, sender=OTHER) == ""


@pytest.mark.parametrize("content", ["TERMINATE.", "ok TERMINATE", " TERMINATE", "terminate", ""])
def test_by_default_only_the_very_word_ends_a_chat(content: str) -> None:
    agent = autogen.ConversableAgent("agent", human_input_mode="NEVER", default_auto_reply=AUTO)
    assert replied(agent, content) == AUTO


def test_ones_own_test_for_termination_is_given_a_mapping() -> None:
    seen: list[Any] = []

    def ends(message: dict[str, Any]) -> bool:
        seen.append(message)
        return message.get("content", "").rstrip().endswith("DONE") and message.get("no such key") is None

    agent = autogen.ConversableAgent("agent", human_input_mode="NEVER", is_termination_msg=ends, default_auto_reply=AUTO)
    assert replied(agent, "all DONE ") is None
    assert replied(agent, "TERMINATE") == AUTO
    assert seen[0] == {"content": "all DONE ", "role": "user", "name": "other"}


def test_the_test_for_termination_sees_tool_calls_too() -> None:
    agent = autogen.ConversableAgent("agent", human_input_mode="NEVER", is_termination_msg=lambda message: "tool_calls" not in message)
    call = {"id": "1", "type": "function", "function": {"name": "nobody_has_it", "arguments": "{}"}}
    assert replied(agent, "no calls") is None
    reply = agent.generate_reply([{"content": None, "tool_calls": [call]}], sender=OTHER)
    assert "nobody_has_it" in reply["content"]


def test_the_mode_the_limit_and_the_test_are_checked_when_the_agent_is_made() -> None:
    with pytest.raises(DefinitionError, match="human_input_mode"):
        autogen.ConversableAgent("a", human_input_mode="SOMETIMES")  # type: ignore[arg-type]
    with pytest.raises(DefinitionError, match="max_consecutive_auto_reply"):
        autogen.ConversableAgent("a", max_consecutive_auto_reply=-1)
    with pytest.raises(DefinitionError, match="is_termination_msg"):
        autogen.ConversableAgent("a", is_termination_msg="TERMINATE")  # type: ignore[arg-type]


def test_a_person_who_interrupts_a_tool_call_answers_it() -> None:
    """The model must not be left with a call that has no result."""
    called: list[str] = []
    agent = Answering("agent", ["do not"], human_input_mode="ALWAYS", function_map={"f": lambda: called.append("f") or "x"})
    calls = [{"id": f"c{number}", "type": "function", "function": {"name": "f", "arguments": "{}"}} for number in (1, 2)]
    asks = autogen.ConversableAgent("asks", human_input_mode="NEVER", default_auto_reply=None)
    chat = asks.initiate_chat(agent, message={"content": "", "tool_calls": calls}, max_turns=1, silent=True)
    assert called == []
    results, words = chat.chat_history[1:]
    assert [one["tool_call_id"] for one in results["tool_responses"]] == ["c1", "c2"]
    assert all(one["content"] == "USER INTERRUPTED" for one in results["tool_responses"])
    assert words == {"content": "do not", "role": "user", "name": "agent"}


def test_the_defaults_are_autogens() -> None:
    conversable = autogen.ConversableAgent("a")
    assistant = autogen.AssistantAgent("b", llm_config=False)
    proxy = autogen.UserProxyAgent("c")
    assert [agent.human_input_mode for agent in (conversable, assistant, proxy)] == ["TERMINATE", "NEVER", "ALWAYS"]
    assert conversable.system_message == conversable.description == "You are a helpful AI Assistant."
    assert (conversable.code_execution, assistant.code_execution) == (None, None)
    assert proxy.code_execution is not None
    assert (proxy.model, proxy.system_message) == (None, "")
    assert assistant.description != assistant.system_message
