"""People: asked at the console, by a callback, by an agent's own method, or by parking the chat; each under a name, and once."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest

import convgraph as autogen
from convgraph.errors import AnswerError, InputError
from convgraph.protocols import ModelReply

pytestmark = pytest.mark.anyio


def student_and_expert() -> tuple[autogen.ConversableAgent, autogen.ConversableAgent]:
    """Two agents, each with a person, who is asked about every message."""
    student = autogen.ConversableAgent("student", human_input_mode="ALWAYS", llm_config=False)
    expert = autogen.ConversableAgent("expert", human_input_mode="ALWAYS", llm_config=False)
    return student, expert


def words(chat: autogen.ChatResult) -> list[Any]:
    return [message["content"] for message in chat.chat_history]


# Who is asked how


def test_a_callback_is_told_whose_question_it_is() -> None:
    asked: list[autogen.Question] = []
    answers = iter(["because", "thanks", "exit"])

    def human(question: autogen.Question) -> str:
        asked.append(question)
        return next(answers)

    student, expert = student_and_expert()
    chat = student.initiate_chat(expert, message="why?", silent=True, human=human)
    assert words(chat) == ["why?", "because", "thanks"]
    assert [question.to for question in asked] == ["expert", "student", "expert"]
    assert [question.id for question in asked] == ["expert-1", "student-2", "expert-3"]
    assert asked[0].prompt.startswith("Feedback from expert to student")
    assert chat.human_input == ["because", "thanks", "exit"]
    assert chat.stop_reason == "expert: a person ended the chat"


def test_several_people_are_asked_each_in_their_own_way(tmp_path: Path) -> None:
    """The student by a callback, which may be async; the expert is not there now, and answers later."""
    student, expert = student_and_expert()

    async def by_callback(question: autogen.Question) -> str:
        await asyncio.sleep(0)
        return f"thanks, says the {question.to}"

    store = autogen.open_store(tmp_path / "runs.db")
    people: Any = {"student": by_callback, "expert": "park"}
    chat = student.initiate_chat(expert, message="why?", silent=True, human=people, store=store, run_id="r")
    assert (chat.status, [question.id for question in chat.questions]) == ("waiting", ["expert-1"])
    assert [question.id for question in store.questions(to="expert")] == ["expert-1"]
    assert store.questions(to="student") == []
    chat = student.initiate_chat(
        expert, message="why?", silent=True, human=people, store=store, run_id="r", answers={"expert-1": "because"}
    )
    assert words(chat) == ["why?", "because", "thanks, says the student"]
    assert [question.id for question in store.questions(to="expert")] == ["expert-3"]


@pytest.mark.parametrize("where", ["memory", "sqlite"])
def test_an_inbox_holds_one_persons_questions_of_all_chats(where: str, tmp_path: Path) -> None:
    store = autogen.open_store(":memory:" if where == "memory" else tmp_path / "runs.db")
    student, expert = student_and_expert()
    other = autogen.ConversableAgent("other", human_input_mode="ALWAYS", llm_config=False)
    for number in (1, 2):
        student.initiate_chat(expert, message=f"question {number}", silent=True, human="park", store=store, run_id=f"chat-{number}")
    student.initiate_chat(other, message="hello", silent=True, human="park", store=store, run_id="chat-3")
    assert {question.run_id for question in store.questions(to="expert")} == {"chat-1", "chat-2"}
    assert [question.run_id for question in store.questions(to="other")] == ["chat-3"]
    assert [question.id for question in store.questions("chat-1", to="expert")] == ["expert-1"]
    assert store.questions("chat-1", to="other") == []
    assert len(store.questions()) == 3


def test_an_answer_can_be_left_in_the_store_by_anybody(tmp_path: Path) -> None:
    file = tmp_path / "runs.db"
    student, expert = student_and_expert()
    student.initiate_chat(expert, message="why?", silent=True, human="park", store=file, run_id="r")
    autogen.open_store(file).answer("r", "expert-1", "because")
    student, expert = student_and_expert()  # as in another process
    chat = student.initiate_chat(expert, message="why?", silent=True, human="park", store=file, run_id="r")
    assert words(chat) == ["why?", "because"]
    assert [question.id for question in chat.questions] == ["student-2"]
    with pytest.raises(AnswerError):
        autogen.open_store(file).answer("r", "expert-1", "once more")


def test_a_person_whom_a_tool_consults_has_an_inbox_too(tmp_path: Path) -> None:
    """The expert is asked in a chat inside a tool call; the run waits, and goes on inside that call."""
    calls: list[str] = []

    def make() -> tuple[autogen.ConversableAgent, autogen.ConversableAgent]:
        call = ModelReply("", tool_calls=(autogen.ToolCall("c1", "ask_expert", '{"question": "why?"}'),))
        model = autogen.ScriptedModel(lambda request: "TERMINATE" if request.messages[-1].role == "tool" else call)
        assistant = autogen.ConversableAgent("assistant", human_input_mode="NEVER", model=model)
        student = autogen.ConversableAgent("student", human_input_mode="NEVER", llm_config=False)
        proxy = autogen.ConversableAgent("proxy", human_input_mode="NEVER", llm_config=False)
        expert = autogen.ConversableAgent("expert", human_input_mode="ALWAYS", llm_config=False)

        def ask_expert(question: str) -> str:
            calls.append(question)
            return proxy.initiate_chat(expert, message=question, max_turns=1).summary

        student.register_function({"ask_expert": ask_expert})
        return student, assistant

    file = tmp_path / "runs.db"
    student, assistant = make()
    chat = student.initiate_chat(assistant, message="go", silent=True, human="park", store=file, run_id="r")
    assert chat.status == "waiting"
    [question] = autogen.open_store(file).questions(to="expert")
    student, assistant = make()
    chat = student.initiate_chat(assistant, message="go", silent=True, store=file, run_id="r", answers={question.id: "because"})
    assert chat.chat_history[2]["tool_responses"][0]["content"] == "because"
    assert chat.status == "finished"
    assert autogen.open_store(file).questions() == []


def test_at_the_console_people_are_asked_one_after_another(monkeypatch: pytest.MonkeyPatch) -> None:
    prompts: list[str] = []
    answers = iter(["because", "", "exit"])
    monkeypatch.setattr("builtins.input", lambda prompt: prompts.append(prompt) or next(answers))
    student, expert = student_and_expert()
    chat = student.initiate_chat(expert, message="why?", silent=True)
    assert words(chat) == ["why?", "because", ""]
    assert [prompt.split()[2] for prompt in prompts] == ["expert", "student", "expert"]


def test_the_end_of_the_input_parks_the_chat(monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(prompt: str) -> str:
        raise EOFError

    monkeypatch.setattr("builtins.input", closed)
    student, expert = student_and_expert()
    chat = student.initiate_chat(expert, message="why?", silent=True)
    assert (chat.status, chat.questions[0].node) == ("waiting", "expert")


@pytest.mark.parametrize("human", ["nobody", 3, {"expert": "nobody"}, {"expert": {"expert": "park"}}])
def test_a_way_of_asking_that_there_is_not_is_refused(human: Any) -> None:
    student, expert = student_and_expert()
    with pytest.raises(InputError, match="human="):
        student.initiate_chat(expert, message="why?", silent=True, human=human)


async def test_a_node_may_ask_for_somebody_by_name() -> None:
    async def node(ctx: autogen.Context) -> str:
        return await ctx.ask("Is it right?", to="lawyer")

    graph = autogen.ConversationGraph("g")
    graph.add_node(node, name="desk")
    graph.add_edge("desk", autogen.END)
    graph.set_start("desk")
    store = autogen.open_store(":memory:")
    result = await graph.arun("go", store=store, human={"lawyer": "park"})
    assert [(question.id, question.node) for question in await store.aquestions(to="lawyer")] == [("lawyer-1", "lawyer")]
    result = await graph.aresume(result.run_id, store=store, answers={"lawyer-1": "yes"})
    assert result.messages[-1].text == "yes"


# An agent's own way of asking


class Typed(autogen.ConversableAgent):
    """Asks in a way of its own, and counts how often."""

    def __init__(self, name: str, answers: list[str], **options: Any) -> None:
        super().__init__(name, human_input_mode="ALWAYS", llm_config=False, **options)
        self.prompts: list[str] = []
        self.answers = answers

    def get_human_input(self, prompt: str) -> str:
        self.prompts.append(prompt)
        return self.answers[len(self.prompts) - 1]


class TypedLater(autogen.ConversableAgent):
    """The same, asynchronously."""

    def __init__(self, name: str, answers: list[str]) -> None:
        super().__init__(name, human_input_mode="ALWAYS", llm_config=False)
        self.prompts: list[str] = []
        self.answers = answers

    async def a_get_human_input(self, prompt: str) -> str:
        self.prompts.append(prompt)
        await asyncio.sleep(0)
        return self.answers[len(self.prompts) - 1]


@pytest.mark.parametrize("kind", [Typed, TypedLater])
async def test_an_overridden_way_of_asking_is_used_in_both_kinds_of_chats(kind: Any) -> None:
    other = autogen.ConversableAgent("other", human_input_mode="NEVER", llm_config=False, default_auto_reply="more")
    for asynchronous in (True, False):
        typed = kind("typed", ["one", "two", "exit"])
        if asynchronous:
            chat = await other.a_initiate_chat(typed, message="hi", silent=True)
        else:
            chat = await asyncio.to_thread(other.initiate_chat, typed, message="hi", silent=True)
        assert words(chat) == ["hi", "one", "more", "two", "more"]
        assert chat.human_input == ["one", "two", "exit"]
        assert len(typed.prompts) == 3


def test_what_a_person_said_is_not_asked_for_again(tmp_path: Path) -> None:
    """Neither when the chat goes on after a failure, nor in a replay."""
    file = tmp_path / "runs.db"
    failing = autogen.ScriptedModel([ValueError("down"), "fine. TERMINATE"])
    typed = Typed("typed", ["one"], is_termination_msg=lambda message: "TERMINATE" in message["content"])
    assistant = autogen.ConversableAgent("assistant", human_input_mode="NEVER", model=failing)
    chat = assistant.initiate_chat(typed, message="hi", max_turns=2, silent=True, store=file, run_id="r")
    assert chat.status == "failed"
    typed.answers.append("exit")
    chat = assistant.initiate_chat(typed, message="hi", max_turns=2, silent=True, store=file, run_id="r")
    assert (chat.status, words(chat)) == ("finished", ["hi", "one", "fine. TERMINATE"])
    assert len(typed.prompts) == 2
    typed.chat_graph(assistant).replay("r", store=file)
    assert len(typed.prompts) == 2


def test_without_a_terminal_nobody_is_asked_unless_the_chat_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    student, expert = student_and_expert()
    chat = student.initiate_chat(expert, message="why?", silent=True, human="auto")
    assert chat.status == "waiting"
