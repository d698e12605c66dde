"""Limits hold across resume, are measured over everything, fire their edge once, and then let the run end but not circle."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from convgraph import END, AssistantAgent, ConversationGraph, Limits, ScriptedModel, Usage
from convgraph.errors import DefinitionError, InputError
from convgraph.journal.store import Store

from .conftest import alone, chain, paths, saying


def pair(limits: Limits | None = None, *, to_summary: bool = False) -> ConversationGraph:
    graph = ConversationGraph("pair", limits=limits)
    graph.add_node(saying("a"))
    graph.add_node(saying("b"))
    graph.add_edge("a", "b")
    graph.add_edge("b", END, when="turn > 100")
    graph.add_edge("b", "a")
    if to_summary:
        graph.add_node(saying("sum"))
        graph.add_node(saying("edit"))
        graph.add_edge("a", "sum", on="limit")
        graph.add_edge("b", "sum", on="limit")
        graph.add_edge("sum", "edit")
        graph.add_edge("edit", END, when="turn > 100")
        graph.add_edge("edit", "sum")
    graph.set_start("a")
    return graph


def costly(usd: float = 0.5, tokens: int = 10) -> AssistantAgent:
    model = ScriptedModel(["hm"], repeat=True, usage=Usage(1, tokens, tokens, usd))
    return AssistantAgent("costly", model=model)


def spender(limits: Limits) -> ConversationGraph:
    graph = ConversationGraph("spender", limits=limits)
    graph.add_node(costly())
    graph.add_edge("costly", END, when="turn > 100")
    graph.add_edge("costly", "costly")
    graph.set_start("costly")
    return graph


@pytest.mark.parametrize(
    ("limits", "steps", "reason"),
    [
        (Limits(turns=5), 5, "turns (5 of 5)"),
        (Limits(visits=2), 3, "visits of a (2 of 2)"),
        (Limits(visits={"b": 3}), 6, "visits of b (3 of 3)"),
    ],
)
def test_a_reached_limit_ends_the_run_and_says_so(limits: Limits, steps: int, reason: str) -> None:
    result = pair(limits).run()
    assert (result.status, result.steps) == ("limited", steps)
    assert reason in result.stop_reason


@pytest.mark.parametrize(("limits", "steps"), [(Limits(usd=1.2), 3), (Limits(tokens=41), 3), (Limits(usd=1.0), 2)])
def test_money_and_tokens_are_limits_too(limits: Limits, steps: int) -> None:
    result = spender(limits).run()
    assert (result.status, result.steps) == ("limited", steps)


def test_limits_hold_across_resume_and_can_be_raised(store: Store) -> None:
    graph = pair(Limits(turns=5))
    assert graph.run(store=store, run_id="r").status == "limited"

    assert graph.resume("r", store=store).steps == 5
    raised = graph.resume("r", store=store, limits=Limits(turns=8))
    assert (raised.status, raised.steps) == ("limited", 8)
    assert graph.replay("r", store=store).messages == raised.messages


def test_the_last_turn_may_end_the_conversation_at_its_limit() -> None:
    graph = chain(saying("a"), saying("b"), limits=Limits(turns=2))
    assert graph.run().status == "finished"


def test_the_limit_edge_fires_once_and_the_run_may_end_but_not_circle() -> None:
    result = pair(Limits(turns=3), to_summary=True).run()
    assert [message.text for message in result.messages] == ["a", "b", "a", "sum", "edit"]
    assert result.status == "limited"


def test_a_turn_that_is_over_its_budget_makes_no_further_call(store: Store) -> None:
    model = ScriptedModel(["x"], repeat=True, usage=Usage(1, 5, 5, 0.1))

    class Eager(AssistantAgent):
        async def speak(self, ctx: Any) -> Any:
            for _ in range(10):
                reply = await ctx.call_model(model, self.request(ctx.messages))
            return reply.content

    graph = alone(Eager("eager", model=model), limits=Limits(usd=0.35))
    result = graph.run(store=store, run_id="r")
    assert result.status == "limited"
    assert model.calls == 4

    again = graph.resume("r", store=store, limits=Limits(usd=5))
    assert again.status == "finished"
    assert model.calls == 10
    assert again.usage == pytest.approx(Usage(10, 50, 50, 1.0))


def test_a_turn_cut_short_takes_the_limit_edge(store: Store) -> None:
    model = ScriptedModel(["x"], repeat=True, usage=Usage(1, 5, 5, 0.1))

    class Eager(AssistantAgent):
        async def speak(self, ctx: Any) -> Any:
            while True:
                await ctx.call_model(model, self.request(ctx.messages))

    graph = ConversationGraph("cut", limits=Limits(usd=0.35))
    graph.add_node(Eager("eager", model=model))
    graph.add_node(saying("sum"))
    graph.add_edge("eager", END)
    graph.add_edge("eager", "sum", on="limit")
    graph.add_edge("sum", END)
    graph.set_start("eager")

    result = graph.run(store=store, run_id="r")
    assert ([message.text for message in result.messages], result.status) == (["sum"], "finished")
    assert result.usage.calls == 4
    assert graph.replay("r", store=store).usage == result.usage
    assert model.calls == 4


def test_nested_turns_and_costs_count_against_both_limits(store: Store) -> None:
    inner = pair()
    graph = chain(saying("first"), inner, limits=Limits(turns=4))
    result = graph.run(store=store, run_id="r")

    assert result.status == "limited"
    assert "turns" in result.stop_reason
    more = graph.resume("r", store=store, limits=Limits(turns=6))
    assert more.status == "limited"
    assert paths(store, "r") == [
        "1",
        "2/1",
        "2/2",
        "2/3",
        "2/4",
        "2/5",
    ]


def test_a_nested_conversation_at_its_own_limit_is_its_nodes_error() -> None:
    result = chain(saying("first"), pair(Limits(turns=3))).run()
    assert result.status == "failed"
    assert "limited" in result.stop_reason


def test_time_spent_waiting_for_a_person_does_not_count(store: Store) -> None:
    async def patient(ctx: Any) -> str:
        return await ctx.ask("ok?", id="ok")

    async def busy(ctx: Any) -> str:
        await asyncio.sleep(0.03)
        return "done"

    graph = chain(patient, busy, saying("end"), limits=Limits(seconds=0.02))
    graph.run(store=store, run_id="r")
    import time

    time.sleep(0.05)
    result = graph.resume("r", store=store, answers={"ok": "y"})
    assert (result.status, result.steps) == ("limited", 2)
    assert graph.replay("r", store=store).steps == 2


def test_a_limit_in_dollars_needs_priced_models() -> None:
    class Unpriced(ScriptedModel):
        priced = False

    graph = alone(AssistantAgent("a", model=Unpriced(["x"])), limits=Limits(usd=1))
    with pytest.raises(InputError, match="price"):
        graph.run()


@pytest.mark.parametrize("bad", [{"turns": 0}, {"usd": -1}, {"turns": True}, {"visits": {"a": 0}}, {"tokens": "many"}])
def test_a_limit_that_is_no_positive_number_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(DefinitionError):
        Limits(**bad)


def test_usage_counts_every_call_once_over_selection_nesting_and_retries(store: Store) -> None:
    from convgraph import Retry

    each = Usage(1, 10, 1, 0.01)
    model = ScriptedModel(["said"], repeat=True, usage=each)
    selector = ScriptedModel(['{"next": "b"}', "nonsense", "END"], usage=each)
    published: list[int] = []

    def publish() -> None:
        published.append(1)
        if len(published) == 1:
            raise ConnectionError("after the call")

    class Flaky(AssistantAgent):
        async def speak(self, ctx: Any) -> Any:
            reply = await super().speak(ctx)
            await ctx.effect("publish", publish)
            return reply

    inner = alone(AssistantAgent("inner", model=model))
    graph = ConversationGraph("sum", select="auto", selector_model=selector)
    graph.add_node(Flaky("a", model=model), retry=Retry(attempts=2, wait=0))
    graph.add_node(inner, name="b")
    for source in "ab":
        for target in ("a", "b", END):
            graph.add_edge(source, target)
    graph.set_start("a")

    result = graph.run(store=store, run_id="r")
    assert result.status == "finished"
    assert result.usage == pytest.approx(tuple(6 * part for part in each))
    assert model.calls + selector.calls == 6
    assert graph.replay("r", store=store).usage == pytest.approx(result.usage)


@pytest.mark.parametrize("to_summary", [False, True])
def test_a_budget_that_runs_out_while_the_next_speaker_is_chosen_stops_the_choosing(store: Store, to_summary: bool) -> None:
    selector = ScriptedModel(["no"] * 9, usage=Usage(1, 5, 5, 0.3))
    graph = ConversationGraph("choosing", select="auto", selector_model=selector, limits=Limits(usd=0.5), fallback="b")
    for name in ("a", "b", "sum"):
        graph.add_node(saying(name))
        graph.add_edge(name, END)
    graph.add_edge("a", "b")
    if to_summary:
        graph.add_edge("a", "sum", on="limit")
    graph.set_start("a")

    result = graph.run(store=store, run_id="r")
    assert selector.calls == 2
    if to_summary:
        assert ([message.text for message in result.messages], result.status) == (["a", "sum"], "finished")
        assert result.usage.calls == 2
        assert graph.replay("r", store=store).messages == result.messages
    else:
        assert result.status == "limited"
        assert graph.resume("r", store=store, limits=Limits(usd=9)).status == "finished"
        assert selector.calls == 3
        assert graph.replay("r", store=store).status == "finished"
