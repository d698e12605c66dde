"""Replay makes no call and gives identical events; a changed prompt, guard, name, tool or order is named with its step and a diff."""

from __future__ import annotations

from typing import Any

import pytest

from convgraph import END, AssistantAgent, ConversationGraph, Parallel, ReplayDivergence, ScriptedModel
from convgraph.journal.store import Store


class Shop:
    """A conversation with a model, two tools and a person, whose parts can be changed one at a time."""

    def __init__(self, **changes: Any) -> None:
        self.calls: list[str] = []
        self.changes = changes
        self.model = ScriptedModel(self._answer)

    def _answer(self, request: Any) -> str:
        self.calls.append("model")
        return f"answer {len(self.calls)}"

    def graph(self) -> ConversationGraph:
        change = self.changes.get
        tools = ["search", "fetch"]
        if change("order"):
            tools.reverse()

        async def gather(ctx: Any) -> str:
            found = [await ctx.effect(name, self._tool, change("argument", "tea")) for name in tools]
            if change("extra"):
                found.append(await ctx.effect("extra", self._tool, "x"))
            return change("said", ", ".join(found))

        async def sign(ctx: Any) -> str:
            return await ctx.ask(change("question", "Sign?"), id="sign")

        graph = ConversationGraph("shop")
        graph.add_node(gather, name=change("name", "gather"))
        graph.add_node(AssistantAgent("writer", change("prompt", "Write well.\nBe brief."), model=self.model))
        graph.add_node(sign)
        graph.add_edge(change("name", "gather"), "writer")
        graph.add_edge("writer", END, when=change("guard", "turn > 5"))
        graph.add_edge("writer", "sign")
        graph.add_edge("sign", END)
        graph.set_start(change("name", "gather"))
        return graph

    def _tool(self, what: str) -> str:
        self.calls.append("tool")
        return f"{what} {len(self.calls)}"


@pytest.fixture
def recorded(store: Store) -> Store:
    graph = Shop().graph()
    graph.run("go", store=store, run_id="r")
    assert graph.resume("r", store=store, answers={"sign": "Ann"}).status == "finished"
    return store


def test_replay_makes_no_call_and_writes_nothing(recorded: Store) -> None:
    before = recorded.events("r")
    shop = Shop()
    result = shop.graph().replay("r", store=recorded)

    assert [message.text for message in result.messages] == ["go", "tea 1, tea 2", "answer 3", "Ann"]
    assert (result.status, shop.calls) == ("finished", [])
    assert recorded.events("r") == before


@pytest.mark.parametrize(
    ("change", "step", "shown"),
    [
        ({"prompt": "Write well.\nBe long."}, 2, "+Be long."),
        ({"guard": "turn > 1"}, 2, '+  "target": "END"'),
        ({"name": "collect"}, 1, '+  "node": "collect"'),
        ({"argument": "coffee"}, 1, "search"),
        ({"order": True}, 1, "tea 2, tea 1"),
        ({"said": "something else"}, 1, "something else"),
        ({"extra": True}, 1, "extra"),
        ({"question": "Sign here?"}, 3, "human"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_each_change_is_a_divergence_that_names_the_step_and_shows_a_diff(recorded: Store, change: Any, step: int, shown: str) -> None:
    shop = Shop(**change)
    with pytest.raises(ReplayDivergence) as diverged:
        shop.graph().replay("r", store=recorded)
    assert diverged.value.step == step
    assert shown in str(diverged.value)
    assert f"turn {step}" in diverged.value.where
    assert shop.calls == []


def test_a_call_that_the_code_no_longer_makes_is_a_divergence(store: Store) -> None:
    Shop(extra=True, said="x").graph().run("go", store=store, run_id="r")
    with pytest.raises(ReplayDivergence, match="no longer asks for"):
        Shop(said="x").graph().replay("r", store=store)


def test_a_changed_guard_with_the_same_outcome_replays_with_a_warning(recorded: Store) -> None:
    result = Shop(guard="turn > 6").graph().replay("r", store=recorded)
    assert result.status == "finished"
    assert result.warnings


def test_a_changed_graph_may_go_live_at_the_first_difference(recorded: Store) -> None:
    shop = Shop(prompt="Write at length.")
    result = shop.graph().replay("r", store=recorded, live=True)

    assert result.run_id != "r"
    assert result.status == "waiting"
    assert shop.calls == ["model"]
    assert [message.text for message in result.messages] == ["go", "tea 1, tea 2", "answer 1"]
    assert any("went live at step 2" in warning for warning in result.warnings)
    done = shop.graph().resume(result.run_id, store=recorded, answers={result.questions[0].id: "Ben"})
    assert done.messages[-1].text == "Ben"
    assert shop.graph().replay(result.run_id, store=recorded).messages == done.messages


def test_an_unfinished_record_is_replayed_as_far_as_it_goes(store: Store) -> None:
    graph = Shop().graph()
    graph.run("go", store=store, run_id="r")
    result = Shop().graph().replay("r", store=store)
    assert (result.status, result.steps) == ("waiting", 2)


def test_a_failed_run_replays_to_its_failure(store: Store) -> None:
    async def broken(ctx: Any) -> str:
        raise ValueError("no")

    graph = ConversationGraph("broken")
    graph.add_node(broken)
    graph.add_edge(broken, END)
    graph.set_start(broken)
    failed = graph.run(store=store, run_id="r")
    graph.resume("r", store=store)
    replayed = graph.replay("r", store=store)
    assert (replayed.status, replayed.stop_reason) == (failed.status, failed.stop_reason)


def test_parallel_branches_replay_whatever_order_they_finished_in(store: Store) -> None:
    import asyncio

    def branch(name: str, delay: float) -> Any:
        async def fetch() -> str:
            await asyncio.sleep(delay)
            return name

        async def node(ctx: Any) -> str:
            return await ctx.effect("fetch", fetch) + await ctx.effect("fetch", fetch)

        node.__name__ = name
        return node

    def graph(slow: float, fast: float) -> ConversationGraph:
        made = ConversationGraph("race")
        made.add_node(Parallel(branch("a", slow), branch("b", fast)), name="race")
        made.add_edge("race", END)
        made.set_start("race")
        return made

    first = graph(0.02, 0.0).run(store=store, run_id="r")
    assert graph(0.0, 0.02).replay("r", store=store).messages == first.messages


def test_plain_code_that_depends_on_the_moment_is_found_out(store: Store) -> None:
    numbers = iter(range(100))

    async def impure(ctx: Any) -> str:
        return f"number {next(numbers)}"

    graph = ConversationGraph("impure")
    graph.add_node(impure)
    graph.add_edge(impure, END)
    graph.set_start(impure)
    graph.run(store=store, run_id="r")
    with pytest.raises(ReplayDivergence, match="number 1"):
        graph.replay("r", store=store)


def test_gathered_effects_in_one_turn_replay(store: Store) -> None:
    import asyncio

    async def slow(name: str, delay: float) -> str:
        await asyncio.sleep(delay)
        return name

    async def node(ctx: Any) -> str:
        return ",".join(await asyncio.gather(ctx.effect("a", slow, "a", 0.02), ctx.effect("b", slow, "b", 0.0)))

    graph = ConversationGraph("gather")
    graph.add_node(node)
    graph.add_edge(node, END)
    graph.set_start(node)
    assert graph.run(store=store, run_id="r").messages[-1].text == "a,b"
    assert graph.replay("r", store=store).messages[-1].text == "a,b"


def test_a_turn_that_was_made_anew_on_request_replays(store: Store) -> None:
    model = ScriptedModel(["one", "two"])

    class Asker(AssistantAgent):
        async def speak(self, ctx: Any) -> Any:
            draft: Any = await super().speak(ctx)
            return f"{draft.content} {await ctx.ask('ok?', id='ok')}"

    graph = ConversationGraph("redo")
    graph.add_node(Asker("a", model=model))
    graph.add_edge("a", END)
    graph.set_start("a")
    graph.run("go", store=store, run_id="r")
    result = graph.resume("r", store=store, redo_turn=True, human=lambda question: "yes")
    assert result.messages[-1].text == "two yes"
    assert graph.replay("r", store=store).messages == result.messages
    assert model.calls == 2


def failing(text: str, origin: str) -> ConversationGraph:
    def fail(ctx: Any) -> str:
        raise RuntimeError(text)

    inner = ConversationGraph("inner")
    inner.add_node(fail, origin=origin)
    inner.add_edge("fail", END)
    inner.set_start("fail")
    graph = ConversationGraph("failing")
    graph.add_node(inner, origin=origin)
    graph.add_edge("inner", END)
    graph.set_start("inner")
    return graph


def test_a_node_that_is_defined_on_another_line_fails_as_it_did(store: Store) -> None:
    """A failure names where its node is defined. That the line has moved is no difference; what failed, is."""
    run = failing("no (at all)", "graphs.py:3").run("go", store=store)
    assert run.status == "failed"
    assert "(graphs.py:3) failed with" in run.stop_reason

    assert failing("no (at all)", "my graphs.py:40").replay(run.run_id, store=store).status == "failed"
    with pytest.raises(ReplayDivergence):
        failing("yes", "graphs.py:3").replay(run.run_id, store=store)
