"""Resume goes on where the run stopped and never on a graph that differs; forks share their prefix; each step is explained."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pydantic import BaseModel

from convgraph import END, AssistantAgent, ConversationGraph, Limits, Reply, RunBusy, ScriptedModel
from convgraph.errors import GraphChanged, InputError, ReplayDivergence, RunNotFound
from convgraph.journal.store import Store

from .conftest import chain, saying


class Plan(BaseModel):
    score: int = 0


def counting(name: str, log: list[str]) -> Any:
    async def node(ctx: Any) -> Reply:
        log.append(name)
        return Reply(name, update={"score": ctx.state.score + 1})

    node.__name__ = name
    return node


def asking(name: str = "ask") -> Any:
    async def node(ctx: Any) -> str:
        return await ctx.ask("Go on?", id=name)

    node.__name__ = name
    return node


def test_resume_runs_only_what_was_not_finished(store: Store) -> None:
    log: list[str] = []
    graph = chain(counting("a", log), counting("b", log), asking(), counting("c", log), state=Plan)
    graph.run("x", store=store, run_id="r")
    result = graph.resume("r", store=store, answers={"ask": "yes"})

    assert log == ["a", "b", "c"]
    assert result.state.score == 3
    assert [message.text for message in result.messages] == ["x", "a", "b", "yes", "c"]


def test_a_finished_run_is_given_back_as_stored(store: Store) -> None:
    log: list[str] = []
    graph = chain(counting("a", log), state=Plan)
    first = graph.run("x", store=store, run_id="r")
    again = graph.resume("r", store=store)
    assert (again.messages, again.state, again.status, again.steps) == (first.messages, first.state, "finished", 1)
    assert log == ["a"]


def test_resuming_a_run_that_does_not_exist_says_so(store: Store) -> None:
    with pytest.raises(RunNotFound, match="nobody"):
        chain(saying("a")).resume("nobody", store=store)


def test_a_cancelled_run_goes_on(store: Store) -> None:
    reached = asyncio.Event()
    hold = [True]

    async def slow(ctx: Any) -> str:
        reached.set()
        if hold[0]:
            await asyncio.sleep(30)
        return "slow"

    graph = chain(saying("a"), slow, saying("b"))

    async def main() -> Any:
        task = asyncio.create_task(graph.arun("x", store=store, run_id="r"))
        await reached.wait()
        assert graph.cancel("r")
        return await task

    cancelled = asyncio.run(main())
    assert (cancelled.status, cancelled.steps) == ("cancelled", 1)
    assert not graph.cancel("r")
    hold[0] = False
    assert [message.text for message in graph.resume("r", store=store).messages] == ["x", "a", "slow", "b"]


def test_cancelling_the_task_itself_leaves_a_run_that_can_be_resumed(store: Store) -> None:
    reached = asyncio.Event()

    async def slow(ctx: Any) -> str:
        reached.set()
        await asyncio.sleep(30)
        return "never"

    graph = chain(saying("a"), slow)

    async def main() -> None:
        task = asyncio.create_task(graph.arun("x", store=store, run_id="r"))
        await reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert store.runs()[0].status == "cancelled"


def test_a_run_in_progress_is_busy_for_everybody_else(store: Store) -> None:
    reached, release = asyncio.Event(), asyncio.Event()

    async def slow(ctx: Any) -> str:
        reached.set()
        await release.wait()
        return "done"

    graph = chain(slow)

    async def main() -> None:
        task = asyncio.create_task(graph.arun("x", store=store, run_id="r"))
        await reached.wait()
        with pytest.raises(RunBusy, match=r"nothing was done|another task"):
            await graph.aresume("r", store=store)
        release.set()
        assert (await task).status == "finished"

    asyncio.run(main())


def test_a_failed_turn_is_made_anew_on_resume(store: Store) -> None:
    broken = [True]
    paid: list[int] = []

    async def node(ctx: Any) -> str:
        await ctx.effect("pay", lambda: paid.append(1))
        if broken[0]:
            raise RuntimeError("not today")
        return "done"

    graph = chain(node)
    assert graph.run(store=store, run_id="r").status == "failed"
    broken[0] = False
    assert graph.resume("r", store=store).status == "finished"
    assert len(paid) == 1


def agents(prompt: str = "p", name: str = "writer", label: str = "", guard: str = "turn > 9", **options: Any) -> ConversationGraph:
    graph = ConversationGraph("agents", **options)
    graph.add_node(AssistantAgent(name, prompt, model=ScriptedModel(["draft"], repeat=True)))
    graph.add_node(asking())
    graph.add_edge(name, END, when=guard, label=label)
    graph.add_edge(name, "ask")
    graph.add_edge("ask", name, when="turn > 99")
    graph.add_edge("ask", END)
    graph.set_start(name)
    return graph


@pytest.mark.parametrize(
    "change", [{"prompt": "another"}, {"label": "new"}, {"limits": Limits(turns=50)}], ids=["prompt", "label", "limits"]
)
def test_a_compatible_change_goes_on(store: Store, change: Any) -> None:
    agents().run("x", store=store, run_id="r")
    assert agents(**change).resume("r", store=store, answers={"ask": "yes"}).status == "finished"


@pytest.mark.parametrize(("change", "shown"), [({"name": "author"}, "author"), ({"guard": "turn > 8"}, "turn > 8")], ids=["name", "guard"])
def test_any_other_change_is_refused_with_the_difference_and_nothing_is_written(store: Store, change: Any, shown: str) -> None:
    agents().run("x", store=store, run_id="r")
    before = store.events("r")
    with pytest.raises(GraphChanged, match=shown) as refused:
        agents(**change).resume("r", store=store, answers={"ask": "yes"})
    assert refused.value.changes
    assert store.events("r") == before
    assert store.runs()[0].status == "waiting"


def test_a_registered_migration_says_where_the_run_stands_in_the_changed_graph(store: Store) -> None:
    old = agents()
    old.run("x", store=store, run_id="r")
    new = agents(name="author")
    seen: list[Any] = []

    def migrate(standing: dict[str, Any]) -> dict[str, Any]:
        seen.append(standing)
        return {"node": "author", "state": {}}

    new.add_migration(old.fingerprint, migrate)
    waiting = new.resume("r", store=store)
    assert seen[0]["node"] == "ask"
    assert (waiting.status, [message.sender for message in waiting.messages]) == ("waiting", ["user", "writer", "author"])
    assert new.resume("r", store=store, answers={waiting.questions[0].id: "yes"}).status == "finished"


def test_a_prompt_changed_under_a_turn_in_flight_is_refused_unless_the_turn_is_made_anew(store: Store) -> None:
    model = ScriptedModel(["draft"], repeat=True)

    def graph(prompt: str) -> ConversationGraph:
        class Asker(AssistantAgent):
            async def speak(self, ctx: Any) -> Any:
                draft: Any = await super().speak(ctx)
                return f"{draft.content} {await ctx.ask('ok?', id='ok')}"

        return chain(Asker("a", prompt, model=model))

    graph("old").run(store=store, run_id="r")
    with pytest.raises(ReplayDivergence, match="old"):
        graph("new").resume("r", store=store, answers={"ok": "yes"})
    assert store.runs()[0].status == "waiting"
    result = graph("new").resume("r", store=store, redo_turn=True, human=lambda question: "yes")
    assert result.messages[-1].text == "draft yes"
    assert model.calls == 2


def forkable(log: list[str]) -> ConversationGraph:
    graph = ConversationGraph("forkable", state=Plan)
    graph.add_node(counting("a", log))
    graph.add_node(counting("b", log))
    graph.add_node(counting("c", log))
    graph.add_edge("a", "c", when='last.content == "skip" || state.score > 50')
    graph.add_edge("a", "b")
    graph.add_edge("b", "c")
    graph.add_edge("c", END)
    graph.set_start("a")
    return graph


def test_a_fork_shares_the_prefix_and_goes_on_live(store: Store) -> None:
    log: list[str] = []
    graph = forkable(log)
    graph.run("x", store=store, run_id="r")
    log.clear()

    forked = graph.fork("r", store=store, at=2)
    assert store.runs(parent="r")[0].status == "ready"
    result = graph.resume(forked, store=store)
    assert log == ["c"]
    assert [message.text for message in result.messages] == ["x", "a", "b", "c"]
    assert graph.replay(forked, store=store).messages == result.messages
    assert len([r for r in store.events(forked) if r.event.kind == "run_started"]) == 1


def test_a_fork_with_an_edited_message_or_state_chooses_anew(store: Store) -> None:
    log: list[str] = []
    graph = forkable(log)
    graph.run("x", store=store, run_id="r")

    edited = graph.resume(graph.fork("r", store=store, at=1, message="skip"), store=store)
    assert [message.text for message in edited.messages] == ["x", "skip", "c"]
    changed = graph.resume(fork := graph.fork("r", store=store, at=1, state={"score": 99}), store=store)
    assert [message.text for message in changed.messages] == ["x", "a", "c"]
    assert changed.state.score == 100
    assert graph.replay(fork, store=store).messages == changed.messages
    assert [message.text for message in graph.resume("r", store=store).messages] == ["x", "a", "b", "c"]


def test_a_fork_of_a_fork_and_a_fork_of_the_last_step(store: Store) -> None:
    log: list[str] = []
    graph = forkable(log)
    graph.run("x", store=store, run_id="r")
    first = graph.fork("r", store=store, at=1, message="first")
    graph.resume(first, store=store)
    second = graph.fork(first, store=store, at=2, message="second")
    assert [message.text for message in graph.resume(second, store=store).messages] == ["x", "first", "second", "c"]
    assert graph.replay(second, store=store).status == "finished"
    assert graph.resume(graph.fork("r", store=store, at=3), store=store).status == "finished"


@pytest.mark.parametrize(
    "options", [{"at": 0}, {"at": 9}, {"at": True}, {"at": 1, "message": 5}, {"at": 1, "state": {"nope": 1}}], ids=repr
)
def test_a_fork_that_makes_no_sense_is_refused_before_anything_is_written(store: Store, options: Any) -> None:
    graph = forkable([])
    graph.run("x", store=store, run_id="r")
    with pytest.raises(InputError):
        graph.fork("r", store=store, **options)
    assert len(store.runs()) == 1


def test_a_run_whose_events_are_shared_cannot_be_deleted(store: Store) -> None:
    graph = forkable([])
    graph.run("x", store=store, run_id="r")
    forked = graph.fork("r", store=store, at=1)
    with pytest.raises(InputError, match=forked):
        store.delete("r")
    store.delete(forked)
    store.delete("r")
    assert store.runs() == []


def test_a_guard_that_was_not_asked_is_said_to_have_no_value(store: Store) -> None:
    """It is code, and an earlier way out was taken: whether it would have held is not known, and is not made up."""
    graph = ConversationGraph("g")
    graph.add_node(lambda _: "a", name="a")
    graph.set_start("a")
    graph.add_edge("a", END, when=lambda view: view.last.text == "a", label="first")
    graph.add_edge("a", "a", when=lambda view: True, label="second")
    graph.run("x", store=store, run_id="r")

    explained = graph.explain("r", store=store, step=1)
    assert [(guard.value, explained.why(guard)) for guard in explained.guards] == [
        (True, "taken"),
        ("not asked", "an earlier one was taken"),
    ]


def test_explain_shows_every_guard_who_chose_and_why_the_others_lost(store: Store) -> None:
    graph = ConversationGraph("why")
    for name in "abc":
        graph.add_node(saying(name))
    graph.add_edge("a", "c", when='last.content == "z"', label="to c")
    graph.add_edge("a", "b", when=lambda view: view.turn == 1)
    graph.add_edge("a", END)
    graph.add_edge("b", END)
    graph.add_edge("c", END)
    graph.set_start("a")
    graph.run("x", store=store, run_id="r")

    explained = graph.explain("r", store=store, step=1)
    assert [guard.value for guard in explained.guards] == [False, True, True]
    assert (explained.target, explained.chosen_by) == ("b", "first")
    text = str(explained)
    assert 'last.content == "z" = false [not enabled]' in text
    assert "[taken]" in text
    assert "[enabled, not chosen]" in text
    with pytest.raises(InputError):
        graph.explain("r", store=store, step=3)


def test_an_ended_conversation_continues_with_its_users_next_message(store: Store) -> None:
    model = ScriptedModel(["first", "second"])
    graph = chain(AssistantAgent("a", model=model))
    graph.run("hello", store=store, run_id="r")
    result = graph.continue_("r", "and now?", store=store)
    assert [message.text for message in result.messages] == ["hello", "first", "and now?", "second"]
    assert graph.replay("r", store=store).messages == result.messages
    with pytest.raises(InputError):
        graph.continue_("r", None, store=store)


def test_exit_durability_writes_when_the_run_stops(store: Store) -> None:
    counts: list[int] = []

    async def look(ctx: Any) -> str:
        counts.append(len(await store.load("r")))
        return "seen"

    chain(saying("a"), look).run(store=store, run_id="r", durability="exit")
    assert counts == [1]
    assert len(store.events("r")) == 4


def test_a_stream_gives_typed_events_and_the_text_as_it_comes(store: Store) -> None:
    graph = chain(AssistantAgent("a", model=ScriptedModel(["one two three"])))

    async def main() -> tuple[list[Any], Any]:
        stream = graph.astream("x", store=store, run_id="r")
        return [event async for event in stream], stream.result

    events, result = asyncio.run(main())
    assert "".join(event.text for event in events if event.kind == "delta") == "one two three"
    assert [event.kind for event in events if event.kind != "delta"] == ["run_started", "effect_finished", "step", "ended"]
    assert result.status == "finished"
    assert all(recorded.event.kind != "delta" for recorded in store.events("r"))


def test_leaving_a_stream_early_stops_the_run_which_can_be_resumed(store: Store) -> None:
    graph = chain(saying("a"), saying("b"), saying("c"))

    async def main() -> None:
        stream = graph.astream("x", store=store, run_id="r")
        async for event in stream:
            if event.kind == "step":
                break
        await stream.aclose()

    asyncio.run(main())
    assert graph.resume("r", store=store).status == "finished"


def test_a_stream_raises_what_keeps_the_run_from_starting(store: Store) -> None:
    async def main() -> None:
        async for _ in chain(saying("a")).astream(5, store=store):
            pass

    with pytest.raises(InputError):
        asyncio.run(main())
