"""docs/from-autogen.md claims many small things; those that no other test promises are tried here, one after another."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

import pytest

import convgraph as autogen
from convgraph.errors import ConvgraphError, DefinitionError, InputError, ModelConfigError

PAGE = (Path(__file__).parents[2] / "docs/from-autogen.md").read_text(encoding="utf-8")


def speaks(name: str, text: str | None = "ok", **options: Any) -> autogen.ConversableAgent:
    return autogen.ConversableAgent(name, human_input_mode="NEVER", default_auto_reply=text, **options)


def chat(recipient: autogen.ConversableAgent, **options: Any) -> autogen.ChatResult:
    return speaks("sender").initiate_chat(recipient, message="begin", silent=True, **options)


def in_group(*members: autogen.ConversableAgent, **options: Any) -> autogen.GroupChatManager:
    return autogen.GroupChatManager(autogen.GroupChat(members, **options), llm_config=False)


def test_every_row_says_which_it_is() -> None:
    rows = [line.split("|") for line in PAGE.splitlines() if line.startswith("| ")]
    with_verdict = [row for row in rows if len(row) == 5 and row[2].strip() != "here"]
    assert len(with_verdict) > 90
    assert {row[2].strip() for row in with_verdict} == {"same", "better", "not carried", "not yet"}


def test_the_modules_that_imports_are_moved_to_are_there() -> None:
    for module, names in re.findall(r"\| `from (convgraph[\w.]*) import ([\w, ]+)` \|", PAGE):
        for name in names.split(","):
            assert hasattr(importlib.import_module(module), name.strip())
    assert importlib.import_module("convgraph.agents.transforms").MessageHistoryLimiter is autogen.MessageHistoryLimiter


@pytest.mark.parametrize("name", ["config_list_openai_aoai", "config_list_gpt4_gpt35", "runtime_logging", "IOStream", "Completion"])
def test_what_is_not_carried_is_not_there(name: str) -> None:
    assert not hasattr(autogen, name)


@pytest.mark.parametrize(
    "name", ["client", "reset_consecutive_auto_reply_counter", "stop_reply_at_receive", "execute_function", "run_code"]
)
def test_what_agents_do_not_carry_is_not_there(name: str) -> None:
    assert not hasattr(speaks("a"), name)


@pytest.mark.parametrize(
    ("make", "error", "told"),
    [
        (lambda: chat(speaks("a"), max_turns=True), InputError, "whole number"),
        (lambda: chat(speaks("a"), carryover=3, max_turns=1), InputError, "carryover"),
        (lambda: chat(in_group(speaks("a"), max_round=0)), DefinitionError, "max_round"),
        (lambda: in_group(speaks("a"), speaks("a")), DefinitionError, "identities"),
        (lambda: in_group(speaks("a"), enable_clear_history=True), DefinitionError, "must not clear histories"),
        (lambda: speaks("a b"), DefinitionError, "not a usable name"),
        (lambda: speaks("a", llm_config={"config_list": [{"model": "m", "api_type": "mistral"}]}), ModelConfigError, "base_url"),
        (lambda: speaks("a", llm_config={"config_list": [{"model": "m"}], "filter_func": print}), ModelConfigError, "response_format"),
        (lambda: speaks("a", llm_config={"config_list": [{"model": "m"}], "allow_format_str_template": True}), ModelConfigError, "braces"),
        (lambda: speaks("a").generate_reply(), InputError, "messages="),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_refused_says_what_to_do(make: Any, error: type[ConvgraphError], told: str) -> None:
    with pytest.raises(error, match=told):
        make()


@pytest.mark.parametrize(
    ("said", "summary"),
    [("done TERMINATE", "done"), ("TERMINATE the plan TERMINATE now", "the plan TERMINATE now"), ("no such word", "no such word")],
)
def test_last_msg_takes_the_word_off_the_ends_only(said: str, summary: str) -> None:
    assert chat(speaks("a", said), max_turns=1).summary == summary


@pytest.mark.parametrize("said", ["TERMINATE.", " TERMINATE", "ok TERMINATE"])
def test_the_default_termination_message_is_exact(said: str) -> None:
    assert chat(speaks("a", said), max_turns=1).stop_reason == "max_turns"
    assert chat(speaks("a", "TERMINATE")).stop_reason == "sender: termination message"


def test_silence_and_empty_replies_differ() -> None:
    assert chat(speaks("a", None)).stop_reason == "a has no reply"
    assert [message["content"] for message in chat(speaks("a", ""), max_turns=1).chat_history] == ["begin", ""]


def test_an_empty_list_of_followers_and_a_missing_key_are_the_end() -> None:
    a, b, c = (speaks(name) for name in "abc")
    for graph in ({a: [b], b: []}, {a: [b]}):
        manager = in_group(
            a,
            b,
            c,
            speaker_selection_method="round_robin",
            allowed_or_disallowed_speaker_transitions=graph,
            speaker_transitions_type="allowed",
        )
        result = a.initiate_chat(manager, message="go", silent=True)
        assert [message["name"] for message in result.chat_history] == ["a", "b"]
        assert result.stop_reason == "nobody follows"


def test_a_function_keeps_to_the_graph_unless_it_may_override_it() -> None:
    a, b, c = (speaks(name) for name in "abc")
    options: dict[str, Any] = {
        "speaker_selection_method": lambda last, group: c,
        "allowed_or_disallowed_speaker_transitions": {a: [b], b: [a], c: [a]},
        "speaker_transitions_type": "allowed",
        "max_round": 2,
    }
    failed = a.initiate_chat(in_group(a, b, c, **options), message="go", silent=True)
    assert failed.status == "failed"
    assert "it may return one of 'b'" in failed.stop_reason
    overridden = a.initiate_chat(in_group(a, b, c, selection_overrides_graph=True, **options), message="go", silent=True)
    assert [message["name"] for message in overridden.chat_history] == ["a", "c"]


def test_a_failed_selection_fails_the_chat_and_can_be_resumed(tmp_path: Path) -> None:
    members = [speaks(name) for name in "abc"]

    def manager(*answers: str) -> autogen.GroupChatManager:
        return autogen.GroupChatManager(autogen.GroupChat(members, max_round=3), model=autogen.ScriptedModel(list(answers)))

    how: dict[str, Any] = {"message": "go", "store": tmp_path / "runs.db", "run_id": "r", "silent": True}
    failed = members[0].initiate_chat(manager("nobody", "no one", "somebody"), **how)
    assert failed.status == "failed"
    assert "the model last said 'somebody'" in failed.stop_reason
    done = members[0].initiate_chat(manager("b", "c"), **how)
    assert [message["name"] for message in done.chat_history] == ["a", "b", "c"]


def test_an_interrupted_chat_goes_on(tmp_path: Path) -> None:
    interrupted: list[bool] = []

    def reply(recipient: Any, messages: Any, sender: Any, config: Any) -> tuple[bool, str]:
        if not interrupted:
            interrupted.append(True)
            raise KeyboardInterrupt
        return True, "after it"

    agent = speaks("a")
    agent.register_reply(autogen.Agent, reply, idempotent=True)
    with pytest.raises(KeyboardInterrupt):
        chat(agent, max_turns=1, store=tmp_path / "runs.db", run_id="r")
    assert chat(agent, max_turns=1, store=tmp_path / "runs.db", run_id="r").summary == "after it"


def test_nested_chats_with_nothing_to_say_leave_the_reply_to_the_next_function() -> None:
    agent = speaks("a", "my own")
    agent.register_nested_chats([{"recipient": speaks("b"), "message": lambda *_: ""}], trigger=autogen.Agent)
    assert chat(agent, max_turns=1).summary == "my own"


def test_a_summary_that_fails_is_an_error() -> None:
    model = autogen.ScriptedModel(["said", RuntimeError("down")])
    result = chat(speaks("a", model=model), max_turns=1, summary_method="reflection_with_llm")
    assert (result.status, result.summary) == ("failed", "")
    assert "down" in result.stop_reason


def test_an_intro_is_the_managers_and_members_may_be_one() -> None:
    result = chat(
        in_group(speaks("a", description="I am a."), max_round=2, send_introductions=True, speaker_selection_method="round_robin")
    )
    assert "a: I am a." in result.chat_history[0]["content"]
    assert result.chat_history[-1]["name"] == "a"


def test_a_configuration_without_a_key_matches_none() -> None:
    assert autogen.filter_config([{"model": "m"}], {"tags": [None, "dear"]}) == [{"model": "m"}]


def test_a_stored_chat_goes_on_with_its_rounds(tmp_path: Path) -> None:
    manager = in_group(speaks("a"), speaks("b"), max_round=4, speaker_selection_method="round_robin")
    how: dict[str, Any] = {"store": tmp_path / "runs.db", "run_id": "r"}
    assert chat(manager, limits=autogen.Limits(turns=1), **how).status == "limited"
    done = chat(manager, limits=autogen.Limits(turns=9), **how)
    assert (len(done.chat_history), done.stop_reason) == (4, "max_round")
