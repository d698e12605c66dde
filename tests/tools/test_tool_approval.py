"""A person approves a call before it is made, wherever and whenever the answer comes; what needs nobody does not wait."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from convgraph import END, ConversationGraph, Question, ToolCall, open_store
from convgraph.errors import AnswerError
from convgraph.journal.store import Store
from convgraph.tools import Tool, run_tool_calls, tool


@pytest.fixture
def store(tmp_path: Path) -> Any:
    opened: Store = open_store(tmp_path / "runs.db")
    yield opened
    opened.close()


def graph_of(tools: list[Tool], *calls: tuple[str, dict[str, Any]]) -> ConversationGraph:
    """A node that makes these calls, and says what came of them."""
    made = [ToolCall(str(number), name, json.dumps(arguments)) for number, (name, arguments) in enumerate(calls)]

    async def clerk(ctx: Any) -> str:
        outcome = await run_tool_calls(ctx, made, tools)
        return " | ".join(message.text for message in outcome.messages)

    graph = ConversationGraph("office")
    graph.add_node(clerk)
    graph.add_edge("clerk", END)
    graph.set_start("clerk")
    return graph


class Bank:
    """A tool that pays, needing approval as `approval` says, and one that looks; `done` is what they did, in order."""

    def __init__(self, approval: Any = True) -> None:
        self.done: list[str] = []
        self.pay = tool(self._pay, name="pay", description="Pay.", approval=approval)
        self.look = tool(self._look, name="look", description="Look.")
        self.tools = [self.pay, self.look]

    def _pay(self, to: str, amount: int) -> str:
        self.done.append(f"pay {to} {amount}")
        return f"paid {amount}"

    def _look(self, at: str) -> str:
        self.done.append(f"look {at}")
        return f"saw {at}"


def test_the_question_names_the_call_and_its_arguments_and_what_needs_nobody_is_done_meanwhile(store: Store) -> None:
    bank = Bank()
    graph = graph_of(bank.tools, ("pay", {"to": "Zoë", "amount": 5}), ("look", {"at": "it"}))

    waiting = graph.run("go", store=store, run_id="r", human="park")
    assert (waiting.status, bank.done) == ("waiting", ["look it"])
    [question] = waiting.questions
    assert question.id == "approve-pay-1"
    assert 'clerk call pay({"to": "Zoë", "amount": 5})?' in question.prompt

    done = graph.resume("r", store=store, answers={question.id: "approve"})
    assert done.messages[-1].text == "paid 5 | saw it"
    assert graph.replay("r", store=store).messages == done.messages
    assert bank.done == ["look it", "pay Zoë 5"]


@pytest.mark.parametrize(
    ("answer", "text"),
    [("refuse", "A person refused this call."), ({"refuse": "too dear"}, "A person refused this call: too dear")],
)
def test_a_refusal_is_the_result_that_the_model_is_told(store: Store, answer: Any, text: str) -> None:
    bank = Bank()
    graph = graph_of(bank.tools, ("pay", {"to": "A", "amount": 5}))
    graph.run("go", store=store, run_id="r", human="park")

    done = graph.resume("r", store=store, answers={"approve-pay-1": answer})
    assert done.messages[-1].text == text
    assert graph.replay("r", store=store).messages == done.messages
    assert bank.done == []


def test_an_answer_that_is_neither_is_refused_and_pays_nothing(store: Store) -> None:
    bank = Bank()
    graph = graph_of(bank.tools, ("pay", {"to": "A", "amount": 5}))
    graph.run("go", store=store, run_id="r", human="park")
    for answer in ("yes", True, {"approve": True}, {"refuse": 1}):
        with pytest.raises(AnswerError):
            graph.resume("r", store=store, answers={"approve-pay-1": answer})
    assert bank.done == []


def test_several_questions_are_put_at_once_and_each_only_once(store: Store) -> None:
    bank = Bank()
    graph = graph_of(bank.tools, *(("pay", {"to": to, "amount": 1}) for to in "ABC"))
    first = graph.run("go", store=store, run_id="r", human="park")
    a, b, c = (question.id for question in first.questions)
    assert ['"A"' in first.questions[0].prompt, '"C"' in first.questions[2].prompt] == [True, True]

    second = graph.resume("r", store=store, answers={c: "approve"}, human="park")
    assert [question.id for question in second.questions] == [a, b]
    done = graph.resume("r", store=store, answers={a: "approve", b: {"refuse": "no"}})
    assert done.messages[-1].text == "paid 1 | A person refused this call: no | paid 1"
    assert sorted(bank.done) == ["pay A 1", "pay C 1"]
    assert graph.replay("r", store=store).messages == done.messages


def test_a_rule_says_for_which_arguments_a_person_is_asked(store: Store) -> None:
    asked: list[Question] = []

    def dear(arguments: Mapping[str, Any]) -> bool:
        return arguments["amount"] > 10

    def person(question: Question) -> str:
        asked.append(question)
        return "approve"

    bank = Bank(dear)
    graph = graph_of(bank.tools, *(("pay", {"to": "A", "amount": amount}) for amount in (20, 1, 30, 2)))
    done = graph.run("go", store=store, run_id="r", human=person)
    assert done.messages[-1].text == "paid 20 | paid 1 | paid 30 | paid 2"
    assert len(asked) == 2
    assert sorted(bank.done[:2]) == ["pay A 1", "pay A 2"]
    assert graph.replay("r", store=store).messages == done.messages
    assert len(asked) == 2


def test_a_rule_that_fails_or_gives_no_answer_lets_nothing_pass(store: Store) -> None:
    def broken(arguments: Mapping[str, Any]) -> bool:
        raise KeyError("limit")

    for rule, why in ((lambda arguments: "no", "True or False"), (broken, "limit")):
        bank = Bank(rule)
        failed = graph_of(bank.tools, ("look", {"at": "it"}), ("pay", {"to": "A", "amount": 5})).run("go")
        assert (failed.status, bank.done) == ("failed", [])
        assert why in failed.stop_reason


def test_bad_arguments_are_told_to_the_model_before_anybody_is_asked() -> None:
    bank = Bank()
    done = graph_of(bank.tools, ("pay", {"to": "A"})).run("go", human="park")
    assert (done.status, done.messages[-1].text) == ("finished", "Error: the arguments do not fit: amount: is required")


async def test_a_run_stopped_between_the_answer_and_the_call_asks_nobody_again(store: Store) -> None:
    asked: list[str] = []
    hanging = asyncio.Event()

    def person(question: Question) -> str:
        asked.append(question.id)
        return "approve"

    @tool(approval=True, idempotent=True)
    async def pay(to: str) -> str:
        """Pay."""
        if not hanging.is_set():
            hanging.set()
            await asyncio.sleep(30)
        return f"paid {to}"

    graph = graph_of([pay], ("pay", {"to": "A"}))
    running = asyncio.create_task(graph.arun("go", store=store, run_id="r", human=person))
    await hanging.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    done = await graph.aresume("r", store=store, human=person)
    assert (done.messages[-1].text, asked) == ("paid A", ["approve-pay-1"])


ELSEWHERE = """
    import sys
    from pathlib import Path
    sys.path.insert(0, {here!r})
    from test_tool_approval import Bank, graph_of
    from convgraph import open_store

    bank = Bank()
    graph = graph_of(bank.tools, ("look", {{"at": "it"}}), ("pay", {{"to": "A", "amount": 5}}))
    store = open_store({store!r})
    answers = {{"approve-pay-1": "approve"}}
    if store.runs():
        result = graph.resume("r", store=store, answers=answers)
    else:
        result = graph.run("go", store=store, run_id="r", human="park")
    print(result.status, bank.done, result.messages[-1].text)
"""


def test_one_process_asks_and_another_is_answered(tmp_path: Path) -> None:
    code = textwrap.dedent(ELSEWHERE.format(here=str(Path(__file__).parent), store=str(tmp_path / "runs.db")))
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True) for _ in range(2)]
    asking, answered = (run.stdout.strip() for run in runs)
    assert asking == "waiting ['look it'] go"
    assert answered == "finished ['pay A 5'] saw it | paid 5"
