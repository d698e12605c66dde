"""A chat with a run_id is a run: it goes on where it stopped, is given back when it has ended, and is never mistaken for another."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from convgraph import (
    AssistantAgent,
    ChatResult,
    ConversableAgent,
    ScriptedModel,
    UserProxyAgent,
    a_initiate_chats,
    initiate_chats,
    open_store,
)
from convgraph.errors import AnswerError, GraphChanged, InputError
from convgraph.journal.store import Store


class Killed(BaseException):
    """The process is gone."""


def expert(*said: str | BaseException, name: str = "expert") -> AssistantAgent:
    """An agent whose model says these in order; an exception is raised there, once."""
    lines = iter(said)

    def say(_: Any) -> str:
        line = next(lines)
        if isinstance(line, BaseException):
            raise line
        return line

    return AssistantAgent(name, "You know.", model=ScriptedModel(say, name="expert-model"))


def user(**options: Any) -> UserProxyAgent:
    given: dict[str, Any] = {"human_input_mode": "NEVER", "code_execution_config": False, "default_auto_reply": "go on", **options}
    return UserProxyAgent("user", **given)


def texts(result: ChatResult) -> list[str]:
    return [message.text for message in result.messages]


@pytest.fixture
def where(tmp_path: Path) -> str:
    return str(tmp_path / "runs.db")


def killed_after_one_reply(where: str, **options: Any) -> None:
    with pytest.raises(Killed):
        user().initiate_chat(expert("one", Killed()), message="hi", max_turns=3, store=where, run_id="chat", silent=True, **options)


def test_a_killed_chat_goes_on_with_the_same_call(where: str) -> None:
    """In another process it is the same call, with agents that are made anew."""
    killed_after_one_reply(where)
    result = user().initiate_chat(expert("two", "three"), message="hi", max_turns=3, store=where, run_id="chat", silent=True)

    assert (result.status, result.run_id, result.summary) == ("finished", "chat", "three")
    assert texts(result) == ["hi", "one", "go on", "two", "go on", "three"]
    assert result.usage.calls == 3


def test_an_ended_chat_is_given_back_as_it_is_stored(where: str) -> None:
    """Nobody is asked anything again, not even what opens it."""
    asked: list[str] = []

    def opening(sender: Any, recipient: Any, context: Any) -> str:
        asked.append("opening")
        return f"hi number {len(asked)}"

    first = user().initiate_chat(expert("one"), message=opening, max_turns=1, store=where, run_id="chat", silent=True)
    again = user().initiate_chat(expert(), message=opening, max_turns=1, store=where, run_id="chat", silent=True)

    assert texts(again) == texts(first) == ["hi number 1", "one"]
    assert (again.summary, again.cost, again.usage, asked) == (first.summary, first.cost, first.usage, ["opening"])


def test_another_message_under_the_same_run_id_is_refused(where: str) -> None:
    killed_after_one_reply(where)
    with pytest.raises(InputError, match="opened with another message"):
        user().initiate_chat(expert("x"), message="ho", store=where, run_id="chat", silent=True)
    with open_store(where) as store:
        assert store.runs()[0].status != "finished"


def test_another_number_of_turns_under_the_same_run_id_is_refused(where: str) -> None:
    """It is part of what the chat was begun with; it is not passed over."""
    killed_after_one_reply(where)
    with pytest.raises(InputError, match="max_turns=3"):
        user().initiate_chat(expert("x"), message="hi", max_turns=4, store=where, run_id="chat", silent=True)


def test_answers_for_chats_that_are_not_there_are_refused(where: str) -> None:
    chat = {"sender": user(), "recipient": expert(), "message": "hi", "max_turns": 1, "silent": True}
    with pytest.raises(InputError, match="answers="):
        initiate_chats([chat], answers={"user-1": "yes"}, store=where, run_id="chats")


def test_chats_at_the_same_time_wait_for_their_people_and_go_on_with_each_answer(where: str) -> None:
    def have(**options: Any) -> dict[Any, ChatResult]:
        person = user(human_input_mode="ALWAYS")
        queue = [
            {"chat_id": n, "sender": person, "recipient": expert(f"{n} one", f"{n} two", name=n), "message": "hi", "max_turns": 2}
            for n in ("left", "right")
        ]
        silent = [{**chat, "silent": True} for chat in queue]
        return asyncio.run(a_initiate_chats(silent, store=where, run_id="chats", human="park", **options))

    assert {result.status for result in have().values()} == {"waiting"}
    with open_store(where) as store:
        first, second = (question.id for question in store.questions("chats"))
    half = have(answers={first: "and left?"})
    assert (half["left"].status, half["right"].status) == ("finished", "waiting")
    whole = have(answers={second: "and right?"})
    assert [result.human_input for result in whole.values()] == [["and left?"], ["and right?"]]
    assert sum(result.usage.calls for result in whole.values()) == 4


def test_another_recipient_under_the_same_run_id_is_refused_with_the_difference(where: str) -> None:
    killed_after_one_reply(where)
    with pytest.raises(GraphChanged, match=r"node 'expert': node-(renamed|removed)"):
        user().initiate_chat(expert("x", name="other"), message="hi", max_turns=3, store=where, run_id="chat", silent=True)


def test_a_chat_waits_for_its_person_and_goes_on_with_the_answer(where: str) -> None:
    options: dict[str, Any] = {"message": "hi", "max_turns": 2, "store": where, "run_id": "chat", "silent": True, "human": "park"}
    waiting = user(human_input_mode="ALWAYS").initiate_chat(expert("one"), **options)
    [question] = waiting.questions

    assert waiting.status == "waiting"
    with pytest.raises(AnswerError):
        user(human_input_mode="ALWAYS").initiate_chat(expert(), answers={"nobody-asked": "x"}, **options)
    result = user(human_input_mode="ALWAYS").initiate_chat(expert("two"), answers={question.id: "and then?"}, **options)
    assert texts(result) == ["hi", "one", "and then?", "two"]
    assert result.human_input == ["and then?"]


def test_an_answer_that_is_delivered_by_others_is_used(where: str) -> None:
    """Whoever answers need not have the script: `convgraph answer` puts the answer beside the question."""
    options: dict[str, Any] = {"message": "hi", "max_turns": 2, "store": where, "run_id": "chat", "silent": True, "human": "park"}
    [question] = user(human_input_mode="ALWAYS").initiate_chat(expert("one"), **options).questions
    with open_store(where) as store:
        store.answer("chat", question.id, "and then?")
    assert texts(user(human_input_mode="ALWAYS").initiate_chat(expert("two"), **options))[2:] == ["and then?", "two"]


def test_a_chat_is_gone_on_with_in_its_own_run(where: str) -> None:
    """`clear_history=False` under the run_id says the next message there, in the process that had the chat and in any other."""
    options: dict[str, Any] = {"max_turns": 1, "store": where, "run_id": "chat", "silent": True}
    me, other = user(), expert("one", "two")
    me.initiate_chat(other, message="hi", **options)
    here = me.initiate_chat(other, message="more", clear_history=False, **options)
    elsewhere = user().initiate_chat(expert("three"), message="and more", clear_history=False, **options)
    again = user().initiate_chat(expert(), message="and more", clear_history=False, **options)

    assert texts(here) == ["hi", "one", "more", "two"]
    assert texts(elsewhere) == texts(again) == ["hi", "one", "more", "two", "and more", "three"]
    with open_store(where) as store:
        assert [run.run_id for run in store.runs()] == ["chat"]


def test_a_chat_that_has_not_ended_is_not_gone_on_with_by_another_message(where: str) -> None:
    killed_after_one_reply(where)
    with pytest.raises(InputError, match="last opened with"):
        user().initiate_chat(expert("x"), message="more", clear_history=False, store=where, run_id="chat", silent=True)


def test_chats_one_after_another_go_on_where_they_stopped(where: str) -> None:
    def queue(said: Sequence[str | BaseException]) -> list[dict[str, Any]]:
        first, second = expert("one", name="first"), expert(*said, name="second")
        return [{"sender": user(), "recipient": one, "message": "hi", "max_turns": 1, "silent": True} for one in (first, second)]

    with pytest.raises(Killed):
        initiate_chats(queue([Killed()]), store=where, run_id="chats")
    results = initiate_chats(queue(["two"]), store=where, run_id="chats")
    assert [result.summary for result in results] == ["one", "two"]
    assert sum(result.usage.calls for result in results) == 2


def test_other_chats_under_the_same_run_id_are_refused(where: str) -> None:
    """Chats whose members or number differ are other chats."""

    def queue(*names: str) -> list[dict[str, Any]]:
        return [{"sender": user(), "recipient": expert("x", name=name), "message": "hi", "max_turns": 1, "silent": True} for name in names]

    with pytest.raises(Killed):
        initiate_chats([*queue("first"), {**queue("second")[0], "recipient": expert(Killed(), name="second")}], store=where, run_id="chats")
    with pytest.raises(GraphChanged, match="third"):
        initiate_chats(queue("first", "third"), store=where, run_id="chats")


def test_one_agent_is_in_several_chats_at_once() -> None:
    """Each chat has its own messages; the agents keep none."""
    with open_store(":memory:") as store:
        results = asyncio.run(_several(store))
        assert [texts(result) for result in results] == [[f"hi {n}", f"re hi {n}", "go on", "re go on"] for n in range(20)]
        assert {result.run_id for result in results} == {run.run_id for run in store.runs()}
        assert all(result.usage.calls == 2 for result in results)


async def _several(store: Store) -> list[ChatResult]:
    async def say(request: Any) -> str:
        await asyncio.sleep(0)
        return f"re {request.messages[-1].text}"

    me, other = user(), AssistantAgent("expert", model=ScriptedModel(say))
    chats = [me.a_initiate_chat(other, message=f"hi {n}", max_turns=2, store=store, run_id=f"chat-{n}", silent=True) for n in range(20)]
    return await asyncio.gather(*chats)


def test_a_synchronous_chat_in_an_asynchronous_tool_is_refused_with_what_to_do() -> None:
    """It would wait for the very event loop that it holds up."""

    async def consult(question: str) -> str:
        """Ask."""
        return user().initiate_chat(expert("x"), message=question, max_turns=1, silent=True).summary

    heard: list[str] = []

    def say(request: Any) -> Any:
        from convgraph.messages import ToolCall
        from convgraph.protocols import ModelReply

        heard.extend(message.text for message in request.messages if message.role == "tool")
        return "done" if heard else ModelReply("", (ToolCall("1", "consult", '{"question": "why?"}'),))

    boss = AssistantAgent("boss", model=ScriptedModel(say), tools=[consult])
    result = ConversableAgent("front", default_auto_reply=None).initiate_chat(boss, message="hi", max_turns=1, silent=True)
    assert result.summary == "done"
    assert "a_initiate_chat" in heard[0]
