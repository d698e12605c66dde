"""Reply functions, and the chats that they have: recorded, read back on resume and replay, and parts of the chat around them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import convgraph as autogen
from convgraph.errors import InputError
from convgraph.journal.events import Stepped

pytestmark = pytest.mark.anyio


def quiet(name: str, **options: Any) -> autogen.ConversableAgent:
    return autogen.ConversableAgent(name, human_input_mode="NEVER", **options)


def test_a_reply_function_is_not_called_again_when_the_chat_goes_on(tmp_path: Path) -> None:
    calls: list[str] = []

    def note(recipient: Any, messages: Any, sender: Any, config: Any) -> tuple[bool, Any]:
        calls.append(messages[-1]["content"])
        return False, None

    file = tmp_path / "runs.db"
    agent = quiet("agent", model=autogen.ScriptedModel([ValueError("down"), "fine"]))
    agent.register_reply(autogen.Agent, note)
    asks = quiet("asks")
    assert asks.initiate_chat(agent, message="hi", max_turns=1, silent=True, store=file, run_id="r").status == "failed"
    chat = asks.initiate_chat(agent, message="hi", max_turns=1, silent=True, store=file, run_id="r")
    assert (chat.status, chat.summary, calls) == ("finished", "fine", ["hi"])
    agent.chat_graph(asks).replay("r", store=file)
    assert calls == ["hi"]


def test_a_chat_that_a_reply_function_has_is_part_of_the_chat_around_it(tmp_path: Path) -> None:
    critic = quiet("critic", model=autogen.ScriptedModel(["Too long."]))
    writer = quiet("writer")

    def reflect(recipient: Any, messages: Any, sender: Any, config: Any) -> tuple[bool, Any]:
        inner = recipient.initiate_chat(critic, message=messages[-1]["content"], max_turns=1)
        return True, f"The critic says: {inner.summary}"

    writer.register_reply("asks", reflect)
    file = tmp_path / "runs.db"
    chat = quiet("asks").initiate_chat(writer, message="a poem", max_turns=1, silent=True, store=file)
    assert chat.summary == "The critic says: Too long."
    assert chat.usage.calls == 1
    store = autogen.open_store(file)
    assert [run.run_id for run in store.runs()] == [chat.run_id]
    steps = [recorded.event for recorded in store.events(chat.run_id) if isinstance(recorded.event, Stepped)]
    assert [(step.node, step.messages[0].text) for step in steps] == [("critic", "Too long."), ("writer", chat.summary)]
    assert writer.last_message(critic) == {"content": "Too long.", "role": "user", "name": "critic"}


async def test_the_same_asynchronously_and_a_synchronous_chat_in_it_is_refused_with_what_to_do() -> None:
    critic, writer = quiet("critic", default_auto_reply="Too long."), quiet("writer")

    async def reflect(recipient: Any, messages: Any, sender: Any, config: Any) -> tuple[bool, Any]:
        inner = await recipient.a_initiate_chat(critic, message=messages[-1]["content"], max_turns=1)
        return True, inner.summary

    async def blocks(recipient: Any, messages: Any, sender: Any, config: Any) -> tuple[bool, Any]:
        return True, recipient.initiate_chat(critic, message="x", max_turns=1).summary

    writer.register_reply("asks", reflect)
    chat = await quiet("asks").a_initiate_chat(writer, message="a poem", max_turns=1, silent=True)
    assert chat.summary == "Too long."
    writer.register_reply("asks", blocks)
    chat = await quiet("asks").a_initiate_chat(writer, message="a poem", max_turns=1, silent=True)
    assert chat.status == "failed"
    assert "a_initiate_chat" in chat.stop_reason


def test_a_reply_asked_for_inside_a_reply_is_part_of_the_chat_too(tmp_path: Path) -> None:
    """The commander asks the writer and the safeguard for replies of their own, as OptiGuide does."""
    writer = quiet("writer", model=autogen.ScriptedModel(["print(1)"]))
    safeguard = quiet("safeguard", model=autogen.ScriptedModel(lambda request: f"SAFE: {request.messages[-1].text}"))
    commander = quiet("commander")

    def command(recipient: Any, messages: Any, sender: Any, config: Any) -> tuple[bool, Any]:
        written = writer.generate_reply(messages=[{"content": messages[-1]["content"], "role": "user"}], sender=recipient)
        return True, safeguard.generate_reply(messages=[{"content": written, "role": "user"}], sender=recipient)

    commander.register_reply(autogen.Agent, command)
    file = tmp_path / "runs.db"
    chat = quiet("asks").initiate_chat(commander, message="count", max_turns=1, silent=True, store=file)
    assert chat.summary == "SAFE: print(1)"
    assert chat.usage.calls == 2
    assert len(autogen.open_store(file).runs()) == 1


def test_inside_a_chat_views_are_of_that_chat() -> None:
    seen: list[Any] = []

    def look(recipient: Any, messages: Any, sender: Any, config: Any) -> tuple[bool, Any]:
        seen.append((recipient.last_message(sender)["content"], len(recipient.chat_messages[sender]), recipient.last_message()["content"]))
        return False, None

    asks, agent = quiet("asks", default_auto_reply="and?"), quiet("agent", default_auto_reply="well")
    agent.register_reply(autogen.Agent, look)
    asks.initiate_chat(agent, message="hi", max_turns=2, silent=True)
    assert seen == [("hi", 1, "hi"), ("and?", 3, "and?")]


def test_hooks_triggers_and_tests_for_termination_see_that_chat_as_well() -> None:
    seen: list[str] = []
    asks = quiet("asks")

    def note(peer: Any) -> None:
        last = agent.last_message(peer)
        seen.append(last["content"] if last is not None else "nothing")

    def trigger(sender: Any) -> bool:
        note(sender)
        return False

    def ends(message: dict[str, Any]) -> bool:
        note(asks)
        return False

    def hook(content: str) -> str:
        note(asks)
        return content

    agent = quiet("agent", is_termination_msg=ends)
    agent.register_reply(trigger, lambda recipient, messages, sender, config: (True, "x"))
    agent.register_hook("process_last_received_message", hook)
    asks.initiate_chat(agent, message="hi", max_turns=1, silent=True)
    assert seen == ["hi", "hi", "hi"]


def test_a_chat_with_another_opening_is_not_gone_on_with(tmp_path: Path) -> None:
    asks, agent = quiet("asks"), quiet("agent")
    asks.initiate_chat(agent, message="hi", max_turns=1, silent=True, store=tmp_path / "runs.db", run_id="r")
    with pytest.raises(InputError, match="another message"):
        asks.initiate_chat(agent, message="ho", max_turns=1, silent=True, store=tmp_path / "runs.db", run_id="r")


def test_a_finished_chat_is_given_back_as_it_was(tmp_path: Path) -> None:
    model = autogen.ScriptedModel(["once"])
    asks, agent = quiet("asks"), quiet("agent", model=model)
    results = [asks.initiate_chat(agent, message="hi", max_turns=1, silent=True, store=tmp_path / "runs.db", run_id="r") for _ in range(2)]
    assert results[0].chat_history == results[1].chat_history
    assert model.calls == 1
