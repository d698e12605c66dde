"""What a chat prints: who says what to whom, as AutoGen prints it; and what is not printed."""

from __future__ import annotations

from typing import Any

import pytest

import convgraph as autogen
from convgraph.protocols import ModelReply

LINE = "-" * 80


def pair(**options: Any) -> tuple[autogen.ConversableAgent, autogen.ConversableAgent]:
    joe = autogen.ConversableAgent("joe", human_input_mode="NEVER", llm_config=False, default_auto_reply="Ha.")
    cathy = autogen.ConversableAgent(
        "cathy", human_input_mode="NEVER", model=autogen.ScriptedModel(["Knock knock."], repeat=True), **options
    )
    return joe, cathy


def test_it_is_printed_who_says_what_to_whom(capsys: pytest.CaptureFixture[str]) -> None:
    joe, cathy = pair()
    joe.initiate_chat(cathy, message="Tell me a joke.", max_turns=1)
    assert capsys.readouterr().out == f"joe (to cathy):\n\nTell me a joke.\n\n{LINE}\ncathy (to joe):\n\nKnock knock.\n\n{LINE}\n"


def test_a_silent_chat_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    joe, cathy = pair()
    joe.initiate_chat(cathy, message="Tell me a joke.", max_turns=1, silent=True)
    assert capsys.readouterr().out == ""


def test_a_silent_agent_is_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    joe, cathy = pair(silent=True)
    joe.initiate_chat(cathy, message="Tell me a joke.", max_turns=1)
    assert capsys.readouterr().out == f"joe (to cathy):\n\nTell me a joke.\n\n{LINE}\n"


def test_tool_calls_and_their_results_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    call = ModelReply("Let me see.", tool_calls=(autogen.ToolCall("c1", "laugh", '{"times": 2}'),))
    joe, _ = pair()
    joe.register_function({"laugh": lambda times: "ha" * times})
    cathy = autogen.ConversableAgent("cathy", human_input_mode="NEVER", model=autogen.ScriptedModel([call, "TERMINATE"]))
    joe.initiate_chat(cathy, message="Go.")
    shown = capsys.readouterr().out
    assert "cathy (to joe):\n\nLet me see.\n***** Suggested tool call (c1): laugh *****" in shown
    assert '{"times": 2}' in shown
    assert "joe (to cathy):\n\n***** Response from calling tool (c1) *****\nhaha\n" in shown


def test_a_person_who_says_nothing_is_noticed(capsys: pytest.CaptureFixture[str]) -> None:
    joe, _ = pair()
    dan = autogen.ConversableAgent("dan", human_input_mode="ALWAYS", llm_config=False, default_auto_reply="by myself")
    joe.initiate_chat(dan, message="Hi.", max_turns=1, human=lambda question: "")
    assert ">>>>>>>> NO HUMAN INPUT RECEIVED." in capsys.readouterr().out


def test_a_chat_inside_a_chat_is_shown_too(capsys: pytest.CaptureFixture[str]) -> None:
    joe, cathy = pair()
    critic = autogen.ConversableAgent("critic", human_input_mode="NEVER", default_auto_reply="Not funny.")
    cathy.register_nested_chats([{"recipient": critic, "max_turns": 1}], trigger=joe)
    joe.initiate_chat(cathy, message="Tell me a joke.", max_turns=1)
    shown = capsys.readouterr().out
    order = ["joe (to cathy)", "cathy (to critic)", "critic (to cathy)", "cathy (to joe)"]
    assert [shown.index(each) for each in order] == sorted(shown.index(each) for each in order)
