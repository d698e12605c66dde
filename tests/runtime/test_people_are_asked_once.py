"""A person is asked once, wherever the answer comes from; an answer that does not belong is refused before anything is written."""

from __future__ import annotations

import io
import sys
from typing import Any, Literal

import pytest
from pydantic import BaseModel

from convgraph import ConversationGraph, Parallel, Question
from convgraph.errors import AnswerError, InputError
from convgraph.journal.store import Store

from .conftest import alone, chain, saying


class Verdict(BaseModel):
    approved: bool
    score: int = 0


async def approver(ctx: Any) -> str:
    verdict = await ctx.ask("Approve?", id="approve", schema=Verdict)
    return f"{type(verdict).__name__} {verdict.approved} {verdict.score}"


def test_a_question_parks_the_run_and_any_process_may_answer(store: Store) -> None:
    graph = chain(saying("writer"), approver)
    waiting = graph.run("x", store=store, run_id="r")

    assert (waiting.status, waiting.steps) == ("waiting", 1)
    assert [question.id for question in waiting.questions] == ["approve"]
    assert [question.prompt for question in store.questions()] == ["Approve?"]
    assert store.runs(status="waiting")[0].run_id == "r"

    store.answer("r", "approve", {"approved": True, "score": 3})
    assert store.questions("r")[0].answered
    assert graph.resume("r", store=store).messages[-1].text == "Verdict True 3"
    assert store.questions() == []


@pytest.mark.parametrize(
    ("answers", "why"),
    [
        ({"aprove": {"approved": True}}, "no open question 'aprove'.*approve"),
        ({"approve": "yes"}, "does not fit"),
        ({"approve": {"approved": "perhaps"}}, "does not fit.*approved"),
        ({"approve": {"approved": True}, "other": 1}, "no open question 'other'"),
    ],
)
def test_unknown_and_ill_typed_answers_are_refused_before_anything_is_written(store: Store, answers: dict[str, Any], why: str) -> None:
    graph = alone(approver)
    graph.run(store=store, run_id="r")
    before = store.events("r")

    with pytest.raises(AnswerError, match=why):
        graph.resume("r", store=store, answers=answers)
    assert store.events("r") == before
    assert store.runs()[0].status == "waiting"
    with pytest.raises(AnswerError):
        store.answer("r", *next(iter(answers.items()))) if len(answers) == 1 else store.answer("r", "other", 1)


def test_duplicate_and_late_answers_are_refused(store: Store) -> None:
    graph = chain(approver, alone_question("second"))
    graph.run(store=store, run_id="r")
    store.answer("r", "approve", {"approved": True})
    with pytest.raises(AnswerError, match="already"):
        store.answer("r", "approve", {"approved": False})
    with pytest.raises(AnswerError, match="already"):
        graph.resume("r", store=store, answers={"approve": {"approved": False}})

    assert graph.resume("r", store=store).status == "waiting"
    with pytest.raises(AnswerError, match="turn 1"):
        graph.resume("r", store=store, answers={"approve": {"approved": False}})


def alone_question(name: str) -> Any:
    async def asking(ctx: Any) -> str:
        return await ctx.ask(f"{name}?")

    asking.__name__ = name
    return asking


def test_an_id_used_again_never_takes_the_earlier_answer(store: Store) -> None:
    async def again(ctx: Any) -> str:
        return await ctx.ask(f"Round {ctx.turn}?", id="go")

    graph = ConversationGraph("rounds")
    graph.add_node(again)
    graph.add_edge(again, "END", when="turn >= 2")
    graph.add_edge(again, again)
    graph.set_start(again)

    first = graph.run(store=store, run_id="r").questions[0]
    second = graph.resume("r", store=store, answers={first.id: "one"}).questions[0]
    assert first.id == "go"
    assert second.id != first.id
    assert [message.text for message in graph.resume("r", store=store, answers={second.id: "two"}).messages] == ["one", "two"]


def test_resuming_without_an_answer_changes_nothing(store: Store) -> None:
    graph = alone(approver)
    graph.run(store=store, run_id="r")
    before = store.events("r")

    assert graph.resume("r", store=store).status == "waiting"
    assert store.events("r") == before


def test_several_questions_of_one_turn_are_asked_in_order_and_never_twice(store: Store) -> None:
    asked: list[str] = []

    async def form(ctx: Any) -> str:
        name = await ctx.ask("Name?", id="name")
        asked.append(name)
        age = await ctx.ask("Age?", id="age", schema=int)
        return f"{name} {age}"

    graph = alone(form)
    assert graph.run(store=store, run_id="r").questions[0].id == "name"
    assert graph.resume("r", store=store, answers={"name": "Ann"}).questions[0].id == "age"
    assert graph.resume("r", store=store, answers={"age": 7}).messages[-1].text == "Ann 7"


def test_parallel_questions_wait_together(store: Store) -> None:
    graph = ConversationGraph("panel")
    graph.add_node(Parallel(alone_question("ann"), saying("bot"), alone_question("ben")), name="panel")
    graph.add_edge("panel", "END")
    graph.set_start("panel")

    waiting = graph.run(store=store, run_id="r")
    ids = {question.node: question.id for question in waiting.questions}
    assert set(ids) == {"ann", "ben"}
    half = graph.resume("r", store=store, answers={ids["ben"]: "B"})
    assert [question.node for question in half.questions] == ["ann"]
    done = graph.resume("r", store=store, answers={ids["ann"]: "A"})
    assert [message.text for message in done.messages] == ["A", "bot", "B"]


def test_a_callback_may_answer() -> None:
    asked: list[Question] = []

    def human(question: Question) -> dict[str, Any]:
        asked.append(question)
        return {"approved": True}

    assert alone(approver).run(human=human).messages[-1].text == "Verdict True 0"
    assert asked[0].id == "approve"


def test_a_callbacks_unfit_answer_is_the_nodes_error() -> None:
    result = alone(approver).run(human=lambda question: "yes")
    assert result.status == "failed"
    assert "does not fit" in result.stop_reason


def test_the_console_asks_again_until_the_answer_fits(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    async def picky(ctx: Any) -> str:
        return str(await ctx.ask("How many?", schema=int))

    monkeypatch.setattr(sys, "stdin", io.StringIO("many\n7\n"))
    assert alone(picky).run(human="console").messages[-1].text == "7"
    assert "does not fit" in capsys.readouterr().err


def test_the_console_at_its_end_parks_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    assert alone(approver).run(human="console").status == "waiting"


def test_a_node_that_catches_every_exception_still_parks() -> None:
    async def greedy(ctx: Any) -> str:
        try:
            return await ctx.ask("ok?")
        except Exception:  # noqa: BLE001  # what a careless node does
            return "swallowed"

    assert alone(greedy).run().status == "waiting"


def test_choices_are_a_closed_set(store: Store) -> None:
    async def chooser(ctx: Any) -> str:
        return await ctx.ask("Which?", id="which", schema=Literal["red", "blue"])

    graph = alone(chooser)
    graph.run(store=store, run_id="r")
    with pytest.raises(AnswerError):
        graph.resume("r", store=store, answers={"which": "green"})
    assert graph.resume("r", store=store, answers={"which": "blue"}).messages[-1].text == "blue"


def test_a_person_may_be_the_selector(store: Store) -> None:
    graph = ConversationGraph("manual", select="manual")
    for name in "abc":
        graph.add_node(saying(name))
    for target in ("b", "c", "END"):
        graph.add_edge("a", target)
    graph.add_edge("b", "END")
    graph.add_edge("c", "END")
    graph.set_start("a")

    question = graph.run(store=store, run_id="r").questions[0]
    assert question.schema["enum"] == ["b", "c", "END"]
    with pytest.raises(AnswerError):
        graph.resume("r", store=store, answers={question.id: "a"})
    assert [message.text for message in graph.resume("r", store=store, answers={question.id: "c"}).messages] == ["a", "c"]


@pytest.mark.parametrize("human", ["maybe", 5])
def test_an_unknown_way_to_ask_is_refused(human: Any) -> None:
    with pytest.raises(InputError, match="human="):
        alone(approver).run(human=human)
