"""A run walks the graph, gives every stop a reason, and hands back what was said."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pydantic import BaseModel

from convgraph import END, ConversationGraph, Message, Reply, Retry, RunResult
from convgraph.errors import CheckFailed, InputError, RunExists
from convgraph.journal.events import AttemptFailed
from convgraph.journal.store import Store

from .conftest import alone, chain, saying


class Essay(BaseModel):
    drafts: int = 0
    title: str = "untitled"


def texts(result: RunResult) -> list[str]:
    return [message.text for message in result.messages]


def test_messages_come_in_order_with_their_senders() -> None:
    result = chain(saying("writer"), saying("critic")).run("write")

    assert [(message.sender, message.role, message.text) for message in result.messages] == [
        ("user", "user", "write"),
        ("writer", "assistant", "writer"),
        ("critic", "assistant", "critic"),
    ]
    assert (result.status, result.stop_reason, result.steps) == ("finished", "reached END", 2)


def test_input_may_be_nothing_a_text_a_message_or_several() -> None:
    graph = alone(saying("a"))

    assert texts(graph.run()) == ["a"]
    assert texts(graph.run("x")) == ["x", "a"]
    assert texts(graph.run(Message("ann", "x"))) == ["x", "a"]
    assert texts(graph.run(["x", {"content": "y", "role": "user"}])) == ["x", "y", "a"]
    assert graph.run(Message("ann", "x")).messages[0].sender == "ann"


@pytest.mark.parametrize("bad", [5, object(), {"text": "x"}, [["x"]], {"content": 7}])
def test_input_that_is_no_message_is_refused_before_anything_is_written(bad: Any, store: Store) -> None:
    with pytest.raises(InputError):
        alone(saying("a")).run(bad, store=store)
    assert store.runs() == []


def test_a_graph_with_errors_does_not_run(store: Store) -> None:
    graph = ConversationGraph("dead")
    graph.add_node(saying("a"))
    graph.set_start("a")

    with pytest.raises(CheckFailed, match="dead-end") as refused:
        graph.run("x", store=store)
    assert [finding.code for finding in refused.value.findings] == ["dead-end"]
    assert store.runs() == []


def test_plain_functions_run_beside_async_ones() -> None:
    def plain(ctx: Any) -> str:
        return f"{ctx.last.text}, in a thread"

    assert texts(chain(saying("a"), plain).run())[-1] == "a, in a thread"


def test_state_updates_are_validated_before_they_count(store: Store) -> None:
    async def writer(ctx: Any) -> Reply:
        return Reply("draft", update={"drafts": ctx.state.drafts + 1})

    async def vandal(ctx: Any) -> Reply:
        return Reply("oops", update={"drafts": "many"})

    assert alone(writer, state=Essay).run(state={"title": "t"}, store=store).state == Essay(drafts=1, title="t")
    failed = alone(vandal, state=Essay).run(store=store)
    assert failed.status == "failed"
    assert "drafts" in failed.stop_reason
    assert failed.state == Essay()
    assert texts(failed) == []


@pytest.mark.parametrize("update", [{"drafs": 1}, ["drafts"], {"drafts": object()}])
def test_a_misspelt_or_shapeless_update_is_the_nodes_error(update: Any) -> None:
    async def node(ctx: Any) -> Reply:
        return Reply("x", update=update)

    result = alone(node, state=Essay).run()
    assert result.status == "failed"
    assert "node" in result.stop_reason


def test_changing_the_state_in_place_changes_nothing() -> None:
    async def sneaky(ctx: Any) -> str:
        ctx.state.drafts = 99
        return "done"

    assert alone(sneaky, state=Essay).run().state.drafts == 0


def test_an_initial_state_that_does_not_fit_is_refused() -> None:
    with pytest.raises(InputError, match="drafts"):
        alone(saying("a"), state=Essay).run(state={"drafts": "x"})


def test_a_node_that_returns_nothing_declines_and_counts_as_a_turn() -> None:
    async def shy(ctx: Any) -> None:
        return None

    graph = ConversationGraph("quiet")
    graph.add_node(shy)
    graph.add_node(saying("other"))
    graph.add_edge(shy, "other", when="declined && sender == 'shy'")
    graph.add_edge(shy, END)
    graph.add_edge("other", END)
    graph.set_start(shy)

    result = graph.run()
    assert texts(result) == ["other"]
    assert result.steps == 2


@pytest.mark.parametrize("value", [5, b"x", {"text": "x"}, object()])
def test_a_reply_that_is_none_is_the_nodes_error(value: Any) -> None:
    async def odd(ctx: Any) -> Any:
        return value

    result = alone(odd).run()
    assert result.status == "failed"
    assert "odd" in result.stop_reason


def test_no_enabled_transition_is_stuck_and_names_each_guard_with_its_value() -> None:
    graph = ConversationGraph("stuck")
    graph.add_node(saying("a"))
    graph.add_edge("a", END, when='last.content == "b"', label="hoped")
    graph.add_edge("a", "a", when="turn > 5")
    graph.set_start("a")

    result = graph.run()
    assert result.status == "stuck"
    assert 'last.content == "b" = false' in result.stop_reason
    assert "turn > 5 = false" in result.stop_reason


def test_the_run_works_inside_a_running_event_loop() -> None:
    async def notebook() -> RunResult:
        return alone(saying("a")).run("x")

    assert asyncio.run(notebook()).status == "finished"


def test_a_run_id_is_taken_once(store: Store) -> None:
    graph = alone(saying("a"))
    graph.run(store=store, run_id="mine")

    with pytest.raises(RunExists, match="mine"):
        graph.run(store=store, run_id="mine")
    with pytest.raises(InputError):
        graph.run(store=store, run_id="")


def test_deps_are_live_and_never_journaled(store: Store) -> None:
    async def user(ctx: Any) -> str:
        return ctx.deps["secret"]

    async def quiet(ctx: Any) -> str:
        return str(len(ctx.deps["secret"]))

    assert texts(alone(user).run(deps={"secret": "s3cr3t"}))[-1] == "s3cr3t"
    alone(quiet).run(deps={"secret": "s3cr3t"}, store=store, run_id="r")
    assert "s3cr3t" not in repr(store.events("r"))


def test_a_failing_node_fails_the_run_with_its_place_and_keeps_the_exception(store: Store) -> None:
    async def broken(ctx: Any) -> str:
        raise KeyError("nope")

    result = chain(saying("a"), broken).run("x", store=store, run_id="r")
    assert result.status == "failed"
    assert "'broken' (test_a_conversation_runs.py:" not in result.stop_reason or "KeyError" in result.stop_reason
    assert "KeyError" in result.stop_reason
    assert isinstance(result.exception, KeyError)
    assert texts(result) == ["x", "a"]
    assert store.runs()[0].status == "failed"


def test_an_error_edge_takes_the_conversation_on() -> None:
    async def broken(ctx: Any) -> str:
        raise ValueError("bad luck")

    async def rescuer(ctx: Any) -> str:
        return f"{ctx.error.type}: {ctx.error.message} in {ctx.error.node}"

    graph = ConversationGraph("rescue")
    graph.add_node(broken)
    graph.add_node(rescuer)
    graph.add_edge(broken, END)
    graph.add_edge(broken, rescuer, on="error", when='error.type == "ValueError"')
    graph.add_edge(rescuer, END)
    graph.set_start(broken)

    assert texts(graph.run()) == ["ValueError: bad luck in broken"]


def test_retries_are_bounded_counted_and_choosy(store: Store) -> None:
    calls: list[str] = []

    async def flaky(ctx: Any) -> str:
        calls.append("flaky")
        if len(calls) < 3:
            raise ConnectionError("again")
        return "at last"

    assert alone(flaky, retry=Retry(attempts=3, wait=0)).run(store=store, run_id="r").status == "finished"
    assert len(calls) == 3
    assert [recorded.event.kind for recorded in store.events("r")].count("attempt_failed") == 2

    calls.clear()
    assert alone(flaky, retry=Retry(attempts=2, wait=0)).run().status == "failed"
    calls.clear()
    assert alone(flaky, retry=Retry(attempts=5, wait=0, on=("TimeoutError",))).run().status == "failed"
    assert len(calls) == 1


def test_a_timeout_ends_the_turn_of_async_and_plain_nodes() -> None:
    async def slow(ctx: Any) -> str:
        await asyncio.sleep(30)
        return "never"

    result = alone(slow, timeout=0.02).run()
    assert result.status == "failed"
    assert "TimeoutError" in result.stop_reason


def test_what_a_timed_out_thread_does_later_counts_for_nothing(store: Store) -> None:
    import threading

    released = threading.Event()
    late: list[str] = []

    def slow(ctx: Any) -> str:
        released.wait(5)
        try:
            ctx.sync.effect("late", lambda: late.append("done"))
        except InputError as error:
            late.append(str(error))
        return "too late"

    async def main() -> RunResult:
        result = await alone(slow, timeout=0.05).arun(store=store)
        released.set()
        for _ in range(100):
            if late:
                break
            await asyncio.sleep(0.01)
        return result

    result = asyncio.run(main())
    assert result.status == "failed"
    assert texts(result) == []
    assert late
    assert "is over" in late[0]


def test_two_runs_may_share_one_graph_at_the_same_time() -> None:
    async def echo(ctx: Any) -> str:
        await asyncio.sleep(0)
        return f"echo {ctx.messages[0].text}"

    graph = chain(echo, saying("b"))

    async def both() -> list[RunResult]:
        return list(await asyncio.gather(*(graph.arun(f"n{number}") for number in range(20))))

    results = asyncio.run(both())
    assert [texts(result)[1] for result in results] == [f"echo n{number}" for number in range(20)]


@pytest.mark.parametrize("data", [float("nan"), {1: "x"}, (1, 2), {"deep": [object()]}], ids=["nan", "key", "tuple", "object"])
def test_data_that_a_journal_would_give_back_as_something_else_is_the_nodes_error(data: Any) -> None:
    async def node(ctx: Any) -> Message:
        return Message("node", "x", data=data)

    result = alone(node).run()
    assert result.status == "failed"
    assert "JSON" in result.stop_reason


@pytest.mark.parametrize("timeout", [None, 5.0])
def test_a_timeout_error_of_the_nodes_own_is_an_error_like_any_other(timeout: float | None, store: Store) -> None:
    async def node(ctx: Any) -> str:
        raise TimeoutError

    result = alone(node, timeout=timeout).run(store=store, run_id="r")
    assert result.status == "failed"
    assert isinstance(result.exception, TimeoutError)
    assert [recorded.event.cause for recorded in store.events("r") if isinstance(recorded.event, AttemptFailed)] == ["error"]
