"""A group chat is stopped and gone on with: by AutoGen's way from its messages, and from its journal, where nothing is lost."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

import convgraph as autogen
from convgraph.errors import InputError
from convgraph.testing import ScriptedServer
from tests.chat.conftest import Chooser, Member, group, modelled, speaker, speakers, talk

# From the messages, as AutoGen does


def around(members: list[Member], rounds: int = 3, **options: Any) -> autogen.GroupChatManager:
    return group(members, speaker_selection_method="round_robin", max_round=rounds, **options)


@pytest.mark.parametrize("as_text", [True, False])
def test_a_chat_is_taken_up_from_its_messages(members: list[Member], as_text: bool) -> None:
    said = talk(members[0], around(members)).chat_history
    again = [speaker(name) for name in ("anna", "ben", "cleo")]
    manager = around(again)
    last, message = manager.resume(manager.messages_to_string(said) if as_text else said)
    assert (last, message["content"]) == (again[2], "I am cleo.")
    result = last.initiate_chat(manager, message=message, clear_history=False, silent=True)
    assert speakers(result) == ["anna", "ben", "cleo", "anna", "ben"]
    assert [message["content"] for message in manager.groupchat.messages] == [message.text for message in result.messages]
    assert manager.messages_from_string(manager.messages_to_string(said)) == said


def test_a_termination_word_is_taken_out_of_the_last_message() -> None:
    agents = [speaker("anna"), speaker("ben")]
    said = [{"content": "Hello.", "name": "anna", "role": "user"}, {"content": "Done. TERMINATE", "name": "ben", "role": "user"}]
    last, message = around(agents).resume(said, remove_termination_string="TERMINATE")
    assert (last, message["content"]) == (agents[1], "Done.")
    _, message = around(agents).resume(said, remove_termination_string=lambda text: text.lower())
    assert message["content"] == "done. terminate"
    last, message = asyncio.run(around(agents).a_resume(said))
    assert message["content"] == "Done. TERMINATE"


@pytest.mark.parametrize("messages", [[], "[]", [{"content": "Hello.", "name": "zoe", "role": "user"}]])
def test_messages_that_are_none_or_by_strangers_are_refused(members: list[Member], messages: Any) -> None:
    with pytest.raises(InputError):
        around(members).resume(messages)


# From the journal


@pytest.mark.parametrize("calls", [1, 2, 4, 6])
def test_a_chat_that_was_cut_off_goes_on_where_it_stood(tmp_path: Path, calls: int) -> None:
    """Wherever the endpoint breaks down: the same transcript, the same rounds, and no call twice but the one that had failed."""
    reference, counted = _chat_over_http(tmp_path / "whole.db", None)
    assert counted == 6
    broken, before = _chat_over_http(tmp_path / "cut.db", calls - 1)
    assert broken.status == "failed"
    result, after = _chat_over_http(tmp_path / "cut.db", None, skip=calls - 1)
    assert before - 1 + after == counted
    assert [(message.sender, message.text) for message in result.messages] == [(one.sender, one.text) for one in reference.messages]
    assert (result.stop_reason, result.usage.input_tokens) == (reference.stop_reason, reference.usage.input_tokens)


SCRIPT = ['{"next": "ben"}', "I am ben.", '{"next": "cleo"}', "I am cleo.", '{"next": "ben"}', "Still ben."]


def _chat_over_http(path: Path, breaks_at: int | None, skip: int = 0) -> tuple[autogen.ChatResult, int]:
    """The chat, with an endpoint that breaks down; and how many requests that has had."""
    lines = SCRIPT[skip:] if breaks_at is None else SCRIPT[:breaks_at]
    with ScriptedServer(lines) as server:
        config = {"config_list": [{"model": "m", "base_url": server.base_url, "api_key": "k"}], "max_retries": 0}
        agents = [autogen.AssistantAgent(name, f"You are {name}.", llm_config=config) for name in ("ben", "cleo")]
        manager = autogen.GroupChatManager(autogen.GroupChat(agents, max_round=4), llm_config=config)
        result = talk(speaker("user"), manager, store=str(path), run_id="chat")
        return result, len(server.log)


def test_a_chat_is_replayed_without_asking_anybody(tmp_path: Path) -> None:
    ben, cleo = modelled("ben", "One.", "Two."), modelled("cleo", "Three.")
    chooser = Chooser("ben", "nonsense", "cleo", "ben")
    manager, user, store = group([ben, cleo], chooser.model, max_round=4), speaker("user"), f"{tmp_path}/runs.db"
    result = talk(user, manager, store=store)
    asked = len(chooser.requests)
    replayed = manager.groupchat.to_graph(user, manager).replay(result.run_id, store=store)
    assert replayed.messages == result.messages
    assert len(chooser.requests) == asked == 4


def test_a_chat_is_forked_and_chosen_otherwise(tmp_path: Path, members: list[Member]) -> None:
    chooser, user, store = Chooser("anna", "ben", "cleo", "anna", "cleo"), speaker("user"), f"{tmp_path}/runs.db"
    manager = group(members, chooser.model, max_round=4)
    result = talk(user, manager, store=store)
    assert speakers(result) == ["user", "anna", "ben", "cleo"]
    graph = manager.groupchat.to_graph(user, manager)
    fork = graph.fork(result.run_id, store=store, at=1)
    assert [message.sender for message in graph.resume(fork, store=store).messages] == ["user", "anna", "ben", "anna"]


def test_why_somebody_was_chosen_is_told(tmp_path: Path, members: list[Member]) -> None:
    chooser, user, store = Chooser("anna", "nonsense", "cleo"), speaker("user"), f"{tmp_path}/runs.db"
    manager = group(members, chooser.model, max_round=3, allow_repeat_speaker=False)
    result = talk(user, manager, store=store)
    told = str(manager.groupchat.to_graph(user, manager).explain(result.run_id, store=store, step=1))
    assert "nonsense" in told
    assert "cleo" in told


# One way to run


@pytest.mark.parametrize("method", ["auto", "round_robin", "function"])
def test_sync_and_async_have_the_same_transcript(method: str) -> None:
    def chat() -> tuple[Member, autogen.GroupChatManager]:
        agents = [modelled("ben", "One.", "Two."), modelled("cleo", "Three.", "TERMINATE")]
        choose = (lambda last, chat: chat.agents[len(chat.messages) % 2]) if method == "function" else method
        return speaker("user"), group(agents, Chooser("cleo", "ben", "cleo").model, max_round=6, speaker_selection_method=choose)

    def told(result: autogen.ChatResult) -> Any:
        return result.messages, result.stop_reason, result.usage, result.chat_history, result.summary

    user, manager = chat()
    plain = talk(user, manager)
    user, manager = chat()
    assert told(plain) == told(asyncio.run(user.a_initiate_chat(manager, message="Hello.", silent=True)))
    assert plain.stop_reason in ("termination message", "max_round")


def test_two_chats_of_one_group_at_the_same_time_do_not_mix() -> None:
    manager = group([modelled("ben"), modelled("cleo")], speaker_selection_method="round_robin", max_round=5)

    async def both() -> list[autogen.ChatResult]:
        users = [speaker(f"user{number}") for number in range(2)]
        return list(await asyncio.gather(*(user.a_initiate_chat(manager, message=user.name, silent=True) for user in users)))

    for number, result in enumerate(asyncio.run(both())):
        assert speakers(result) == [f"user{number}", "ben", "cleo", "ben", "cleo"]


def test_a_chat_prints_who_is_next_as_autogen_does(members: list[Member], capsys: pytest.CaptureFixture[str]) -> None:
    talk(members[0], around(members, 2), silent=False)
    printed = capsys.readouterr().out
    assert printed.index("anna (to chat_manager):") < printed.index("Next speaker: ben") < printed.index("ben (to chat_manager):")
