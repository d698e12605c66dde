"""Finished effects are read back, never repeated; what is in doubt is named; time and chance are recorded."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
from pydantic import BaseModel

from convgraph import Retry
from convgraph.errors import EffectFailed
from convgraph.journal.store import Store

from .conftest import alone


class Quote(BaseModel):
    price: float


@dataclass
class Line:
    text: str


def last(result: Any) -> str:
    return result.messages[-1].text


def test_a_tool_is_called_once_over_pause_resume_and_replay(store: Store) -> None:
    paid: list[str] = []

    def pay(amount: int, idempotency_key: str) -> dict[str, int]:
        paid.append(idempotency_key)
        return {"paid": amount}

    async def cashier(ctx: Any) -> str:
        receipt = await ctx.effect("pay", pay, 5)
        agreed = await ctx.ask("Is that right?", id="right", schema=bool)
        return f"{receipt['paid']} {agreed}"

    graph = alone(cashier)
    waiting = graph.run("go", store=store, run_id="r")
    assert waiting.status == "waiting"

    done = graph.resume("r", store=store, answers={"right": True})
    assert (done.status, last(done)) == ("finished", "5 True")
    assert graph.replay("r", store=store).messages == done.messages
    assert paid == ["r:1:tool:pay:0"]


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        7,
        2.5,
        "text",
        "ünïcödé",
        [1, [2]],
        {"a": {"b": None}},
        (1, (2, "x")),
        {1, 2},
        frozenset({"a"}),
        b"\x00\xff",
        Decimal("1.10"),
        datetime.datetime(2026, 1, 2, 3, 4, tzinfo=datetime.UTC),
        datetime.timedelta(seconds=90),
        {(1, 2): "tuple key"},
        {"$type": "not a tag"},
        Quote(price=1.5),
        Line("x"),
        [Quote(price=2), {"deep": (Line("y"),)}],
    ],
    ids=repr,
)
def test_results_come_back_as_they_were(store: Store, value: Any) -> None:
    seen: list[Any] = []

    async def node(ctx: Any) -> str:
        seen.append(await ctx.effect("make", lambda: value))
        await ctx.ask("go on?", id="go")
        return "done"

    graph = alone(node, types=[Quote, Line])
    graph.run(store=store, run_id="r")
    graph.resume("r", store=store, answers={"go": "yes"})
    assert seen == [value, value]
    assert type(seen[0]) is type(seen[1])


def test_a_result_that_cannot_be_journaled_fails_the_turn_with_its_path_and_is_never_asked_for_again(store: Store) -> None:
    calls: list[int] = []

    def connect() -> Any:
        calls.append(1)
        return {"rows": [1, object()]}

    async def node(ctx: Any) -> str:
        return str(await ctx.effect("connect", connect))

    graph = alone(node, retry=Retry(attempts=3, wait=0))
    failed = graph.run(store=store, run_id="r")
    assert failed.status == "failed"
    assert "$.connect.rows[1]" in failed.stop_reason
    graph.resume("r", store=store)
    assert len(calls) == 1


def test_a_failing_effect_raises_the_same_error_from_the_record(store: Store) -> None:
    caught: list[EffectFailed] = []

    def explode() -> None:
        raise ZeroDivisionError("by zero")

    async def node(ctx: Any) -> str:
        try:
            await ctx.effect("explode", explode)
        except EffectFailed as error:
            caught.append(error)
        await ctx.ask("go on?", id="go")
        return "survived"

    graph = alone(node)
    graph.run(store=store, run_id="r")
    graph.resume("r", store=store, answers={"go": "y"})
    assert [(error.error_type, error.message) for error in caught] == [("ZeroDivisionError", "by zero")] * 2


def test_a_retried_turn_reads_back_finished_tools_and_repeats_failed_ones(store: Store) -> None:
    calls: dict[str, int] = {"good": 0, "bad": 0}

    def good() -> int:
        calls["good"] += 1
        return calls["good"]

    def bad() -> str:
        calls["bad"] += 1
        if calls["bad"] < 3:
            raise OSError("down")
        return "up"

    async def node(ctx: Any) -> str:
        return f"{await ctx.effect('good', good)} {await ctx.effect('bad', bad)}"

    graph = alone(node, retry=Retry(attempts=3, wait=0))
    result = graph.run(store=store, run_id="r")
    assert last(result) == "1 up"
    assert calls == {"good": 1, "bad": 3}
    assert graph.replay("r", store=store).messages == result.messages
    assert calls == {"good": 1, "bad": 3}


def test_time_chance_and_ids_are_the_same_on_resume_and_replay(store: Store) -> None:
    seen: list[tuple[Any, ...]] = []

    async def node(ctx: Any) -> str:
        seen.append((ctx.now(), ctx.random(), ctx.random(), ctx.uuid()))
        await ctx.ask("go on?", id="go")
        return str(ctx.uuid())

    graph = alone(node)
    graph.run(store=store, run_id="r")
    result = graph.resume("r", store=store, answers={"go": "y"})
    assert graph.replay("r", store=store).messages == result.messages
    assert seen[0] == seen[1] == seen[2]
    assert seen[0][1] != seen[0][2]


def test_plain_nodes_reach_the_effects_from_their_thread(store: Store) -> None:
    calls: list[int] = []

    def node(ctx: Any) -> str:
        when = ctx.now()
        number = ctx.sync.effect("count", lambda: calls.append(1) or len(calls))
        name = ctx.sync.ask("Your name?", id="name")
        return f"{number} {name} {when.tzinfo}"

    graph = alone(node)
    assert graph.run(store=store, run_id="r").status == "waiting"
    assert last(graph.resume("r", store=store, answers={"name": "Ann"})) == "1 Ann UTC"
    assert len(calls) == 1


def _interrupted(store: Store, effect: Callable[..., Any], **options: Any) -> tuple[Any, list[str]]:
    """A graph whose run was cancelled while its effect was being done, so that nobody knows whether it happened."""
    keys: list[str] = []
    begun = asyncio.Event()

    async def charge(idempotency_key: str) -> str:
        keys.append(idempotency_key)
        if len(keys) == 1:
            begun.set()
            await asyncio.sleep(30)
        return f"charged {len(keys)}"

    async def node(ctx: Any) -> str:
        return await ctx.effect("charge", charge, **options)

    graph = alone(node)

    async def main() -> None:
        run = asyncio.create_task(graph.arun(store=store, run_id="r"))
        await begun.wait()
        graph.cancel("r")
        assert (await run).status == "cancelled"

    asyncio.run(main())
    return graph, keys


def test_an_idempotent_effect_in_doubt_is_done_again_with_the_same_key(store: Store) -> None:
    graph, keys = _interrupted(store, lambda: None, idempotent=True)

    assert last(graph.resume("r", store=store)) == "charged 2"
    assert keys == ["r:1:tool:charge:0"] * 2


@pytest.mark.parametrize(
    ("decision", "outcome", "calls"),
    [("retry", "charged 2", 2), ({"result": "charged by hand"}, "charged by hand", 1), ("fail", "InDoubt", 1)],
)
def test_another_effect_in_doubt_waits_for_a_person_to_decide(store: Store, decision: Any, outcome: str, calls: int) -> None:
    graph, keys = _interrupted(store, lambda: None)

    waiting = graph.resume("r", store=store)
    assert waiting.status == "waiting"
    question = waiting.questions[0]
    assert "charge" in question.prompt
    assert graph.resume("r", store=store).status == "waiting"
    result = graph.resume("r", store=store, answers={question.id: decision})
    assert outcome in (last(result) if result.status == "finished" else result.stop_reason)
    assert len(keys) == calls
    assert graph.replay("r", store=store).status == result.status


def test_effects_in_doubt_of_one_name_and_two_kinds_are_two_questions(store: Store) -> None:
    done: list[str] = []
    begun = asyncio.Event()

    async def charge(kind: str) -> str:
        done.append(kind)
        if len(done) == 2:
            begun.set()
        if len(done) <= 2:
            await asyncio.sleep(30)
        return f"{kind} again"

    async def node(ctx: Any) -> str:
        both = (ctx.effect("charge", charge, kind, kind=kind) for kind in ("tool", "code"))
        return ", ".join(await asyncio.gather(*both))

    graph = alone(node)

    async def main() -> None:
        run = asyncio.create_task(graph.arun(store=store, run_id="r"))
        await begun.wait()
        graph.cancel("r")
        await run

    asyncio.run(main())
    answers = {"doubt-1-tool-charge-0": "retry", "doubt-1-code-charge-0": {"result": "code by hand"}}
    assert {question.id for question in graph.resume("r", store=store).questions} == set(answers)
    result = graph.resume("r", store=store, answers=answers)
    assert last(result) == "tool again, code by hand"
    assert done == ["tool", "code", "tool"]
    assert last(graph.replay("r", store=store)) == last(result)


def test_arguments_that_cannot_be_journaled_are_told_apart_by_their_type(store: Store) -> None:
    async def node(ctx: Any) -> str:
        return await ctx.effect("use", lambda client: type(client).__name__, object())

    assert last(alone(node).run(store=store)) == "object"
