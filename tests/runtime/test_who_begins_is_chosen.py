"""Where edges leave START, the first speaker is chosen like every other: by guards, in turn, by a model, by a person."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from convgraph import END, START, AssistantAgent, ConversationGraph, Limits, Parallel, ScriptedModel, Usage, open_store
from convgraph.errors import DefinitionError, GraphChanged, InputError, ReplayDivergence
from convgraph.journal.events import EffectFinished, Moved
from convgraph.journal.store import Store
from convgraph.journal.turn_paths import is_numbered, turn_number
from convgraph.protocols import ModelReply, ModelRequest

from .conftest import saying


def desk(*beginnings: tuple[Any, ...], names: str = "ab", **options: Any) -> ConversationGraph:
    """Each node speaks once and the conversation ends; `beginnings` are (target, guard) pairs that leave START."""
    graph = ConversationGraph(options.pop("name", "desk"), **options)
    for name in names:
        graph.add_node(saying(name))
        graph.add_edge(name, END)
    for target, *guard in beginnings or [(name,) for name in names]:
        graph.add_edge(START, target, *guard)
    return graph


def said(result: Any) -> list[str]:
    return [message.text for message in result.messages]


def moves(store: Store, run_id: str) -> list[tuple[str, str, str]]:
    return [(event.path, event.target, event.chosen_by) for event in map(_event, store.events(run_id)) if isinstance(event, Moved)]


def choices(store: Store, run_id: str) -> list[str]:
    return [event.path for event in map(_event, store.events(run_id)) if isinstance(event, EffectFinished)]


def _event(recorded: Any) -> Any:
    return recorded.event


def test_guards_see_what_the_user_said(store: Store) -> None:
    graph = desk(("a", 'last.content.endsWith(" a")'), ("b",))
    assert graph.check() == []
    assert said(graph.run("I want a", store=store, run_id="one")) == ["I want a", "a"]
    assert said(graph.run("I want it")) == ["I want it", "b"]
    assert moves(store, "one") == [("0", "a", "first")]
    assert said(graph.replay("one", store=store)) == ["I want a", "a"]


@pytest.mark.parametrize(
    "guard",
    [
        'turn == 0 && sender == "START" && !declined && error.type == ""',
        "size(messages) == 1 && visits.a == 0 && usage.calls == 0",
        "state.score > 3.0",
        lambda view: (view.turn, view.sender, view.declined, view.last.text, view.state.score) == (0, START, False, "hello", 5.0),
    ],
    ids=["the place", "what was said", "the state", "a callable"],
)
def test_guards_see_a_conversation_in_which_nobody_has_spoken(guard: Any) -> None:
    graph = desk(("a", guard), ("b",), state={"score": {"type": "number", "default": 0}})
    assert said(graph.run("hello", state={"score": 5})) == ["hello", "a"]


def test_a_conversation_may_end_before_anybody_speaks(store: Store) -> None:
    graph = desk((END, "size(messages) == 0"), ("a",), names="a")
    result = graph.run(store=store, run_id="r")
    assert (result.status, result.steps, result.messages) == ("finished", 0, [])
    assert graph.replay("r", store=store).status == "finished"
    assert said(graph.continue_("r", "hello", store=store)) == ["hello", "a"]
    assert moves(store, "r") == [("0", END, "first"), ("0+1", "a", "first")]
    assert said(graph.replay("r", store=store)) == ["hello", "a"]


def test_where_no_guard_holds_the_run_is_stuck_and_says_why(store: Store) -> None:
    graph = desk(("a", 'last.content == "a"'), ("b", lambda view: False))
    result = graph.run("x", store=store, run_id="r")
    assert (result.status, result.steps) == ("stuck", 0)
    assert result.stop_reason.startswith('nobody may begin: START -> a: last.content == "a" = false; START -> b: ')
    assert graph.replay("r", store=store).stop_reason == result.stop_reason
    explained = graph.explain("r", store=store, step=0)
    assert [guard.value for guard in explained.guards] == [False, False]
    assert (explained.target, explained.reason) == (None, f"stuck: {result.stop_reason}")


def test_round_robin_begins_with_who_has_waited_longest(store: Store) -> None:
    graph = desk(names="abc", select="round_robin")
    graph.run("1", store=store, run_id="r")
    for number in "234":
        result = graph.continue_("r", number, store=store)
    assert said(result) == ["1", "a", "2", "b", "3", "c", "4", "a"]
    assert graph.replay("r", store=store).messages == result.messages


def test_a_random_beginning_varies_and_replays_the_same(store: Store) -> None:
    graph = desk(names="ab", select="random")
    first = [said(graph.run("x", store=store, run_id=str(number)))[1] for number in range(20)]
    assert set(first) == {"a", "b"}
    assert [said(graph.replay(str(number), store=store))[1] for number in range(20)] == first


def test_a_model_chooses_who_begins_and_is_not_asked_again(store: Store) -> None:
    model = ScriptedModel(["nobody", '{"next": "b"}'], usage=Usage(1, 10))
    graph = desk(select="auto", selector_model=model)
    result = graph.run("who?", store=store, run_id="r")
    assert said(result) == ["who?", "b"]
    assert result.usage == Usage(2, 20)
    assert choices(store, "r") == ["0>", "0>"]
    assert moves(store, "r") == [("0", "b", "auto")]
    assert graph.replay("r", store=store).usage == result.usage
    explained = graph.explain("r", store=store, step=0)
    assert (explained.node, explained.target, explained.chosen_by) == (START, "b", "auto")
    assert explained.answers == ("nobody", '{"next": "b"}')
    assert "step 0: START" in str(explained)
    assert model.calls == 2


def test_the_fallback_of_the_graph_begins_where_the_model_does_not_choose() -> None:
    graph = desk(select="auto", fallback="b", selector_model=ScriptedModel(["nobody"], repeat=True))
    assert said(graph.run("who?")) == ["who?", "b"]


def test_a_callable_chooses_among_those_who_may_begin() -> None:
    def second(view: Any, targets: tuple[str, ...]) -> str:
        assert (view.turn, view.last.text) == (0, "x")
        return targets[1]

    assert said(desk(("a",), ("b", "turn > 0"), ("c",), names="abc", select=second).run("x")) == ["x", "c"]


def test_a_person_chooses_who_begins_in_another_process(store: Store) -> None:
    graph = desk(select="manual")
    waiting = graph.run("x", store=store, run_id="r", human="park")
    assert waiting.status == "waiting"
    (question,) = waiting.questions
    assert question.id == "select-0"
    assert question.prompt == "Who begins?"
    assert graph.explain("r", store=store, step=0).target is None
    assert said(graph.resume("r", store=store, answers={question.id: "b"})) == ["x", "b"]
    assert moves(store, "r") == [("0", "b", "manual")]


class Counting:
    """The model that a killed process was about to ask a second time."""

    name, priced = "counted", True

    def __init__(self, dies_at: int = 0) -> None:
        self.asked = 0
        self.dies_at = dies_at

    def describe(self) -> dict[str, Any]:
        return {"type": "counted"}

    async def respond(self, request: ModelRequest, on_delta: Any = None) -> ModelReply:
        self.asked += 1
        if self.asked == self.dies_at:
            await asyncio.sleep(0.05)  # what was recorded before is on its way to the disk
            os.kill(os.getpid(), signal.SIGKILL)
        return ModelReply("neither" if self.dies_at else '{"next": "b"}')


def test_what_the_model_answered_before_a_kill_is_read_back(tmp_path: Path) -> None:
    """The process is killed while the model is asked a second time who begins: the first answer is not asked for again."""
    store = tmp_path / "runs.db"
    child = multiprocessing.get_context("spawn").Process(target=_run_until_killed, args=(str(store),))
    child.start()
    child.join(20)
    assert child.exitcode == -signal.SIGKILL
    model = Counting()
    graph = desk(select="auto", selector_model=model)
    assert said(graph.resume("r", store=store)) == ["who?", "b"]
    assert model.asked == 1
    with open_store(store) as opened:
        assert choices(opened, "r") == ["0>", "0>"]
        assert said(graph.replay("r", store=opened)) == ["who?", "b"]


def _run_until_killed(store: str) -> None:
    desk(select="auto", selector_model=Counting(dies_at=2)).run("who?", store=store, run_id="r")


def test_a_budget_that_runs_out_while_it_is_chosen_leaves_the_run_resumable(store: Store) -> None:
    model = ScriptedModel(["neither", "b"], usage=Usage(1, 10))
    graph = desk(select="auto", selector_model=model, limits=Limits(tokens=5))
    limited = graph.run("who?", store=store, run_id="r")
    assert (limited.status, limited.steps, model.calls) == ("limited", 0, 1)
    assert graph.replay("r", store=store).status == "limited"
    result = graph.resume("r", store=store, limits=Limits(tokens=50))
    assert (said(result), result.usage, model.calls) == (["who?", "b"], Usage(2, 20), 2)
    assert said(graph.replay("r", store=store)) == said(result)


def test_a_choice_that_failed_is_made_anew(store: Store) -> None:
    model = ScriptedModel(["x", "x", "x", "a"])
    graph = desk(select="auto", selector_model=model)
    failed = graph.run("who?", store=store, run_id="r")
    assert failed.status == "failed"
    assert "START" in failed.stop_reason
    assert said(graph.resume("r", store=store)) == ["who?", "a"]
    assert choices(store, "r") == ["0>", "0>", "0>", "0~2>"]
    assert said(graph.replay("r", store=store)) == ["who?", "a"]


def test_a_replay_tells_that_another_would_begin(store: Store) -> None:
    desk(("a", 'last.content == "x"'), ("b",)).run("x", store=store, run_id="r")
    with pytest.raises(ReplayDivergence, match="turn 0") as diverged:
        desk(("a", 'last.content == "y"'), ("b",)).replay("r", store=store)
    assert '"target": "b"' in diverged.value.diff


def test_a_replay_tells_that_the_choice_asks_something_else(store: Store) -> None:
    def graph(description: str) -> ConversationGraph:
        made = ConversationGraph("g", select="auto", selector_model=ScriptedModel(["a"], repeat=True))
        for name in "ab":
            made.add_node(saying(name), description=description)
            made.add_edge(START, name)
            made.add_edge(name, END)
        return made

    graph("one").run("x", store=store, run_id="r")
    with pytest.raises(ReplayDivergence, match="turn 0>"):
        graph("another").replay("r", store=store)


def test_an_ended_conversation_chooses_anew_who_answers_its_user(store: Store) -> None:
    """Each time with what is said then, at a place of its own, and under the limits given then."""
    model = ScriptedModel(["a", "b", "a"], usage=Usage(1, 10))
    graph = desk(select="auto", selector_model=model, limits=Limits(tokens=15))
    graph.run("1", store=store, run_id="r")
    assert said(graph.continue_("r", "2", store=store)) == ["1", "a", "2", "b"]
    assert graph.continue_("r", "3", store=store).status == "limited"
    result = graph.resume("r", store=store, limits=Limits(tokens=100))
    assert said(result) == ["1", "a", "2", "b", "3", "a"]
    assert choices(store, "r") == ["0>", "1+1>", "2+2>"]
    assert graph.replay("r", store=store).messages == result.messages


def test_words_of_a_choice_are_told_with_the_turns_made_before_it() -> None:
    assert [turn_number(path) for path in ("0>", "0~2>", "12+1>", "12+1", "12", "12/0", "12~2/3>")] == [0, 0, 12, 12, 12, 12, 12]
    assert [is_numbered(part) for part in ("0", "12+1", "12", "legal", "#0", "@tool:a.0", "")] == [
        True,
        True,
        True,
        False,
        False,
        False,
        False,
    ]


def test_what_the_last_turn_left_behind_does_not_choose_who_begins_again(store: Store) -> None:
    """Neither the error that led to the end nor the silence of who spoke last is anything that START asks about."""

    def fails(ctx: Any) -> str:
        raise ValueError(ctx.last.text)

    graph = ConversationGraph("g")
    graph.add_node(fails)
    graph.add_node(lambda ctx: None, name="silent")
    graph.add_edge(START, "silent", when='error.type == "" && !declined && last.content == "2"')
    graph.add_edge(START, "fails", when='error.type == "" && !declined')
    graph.add_edge("fails", END, on="error")
    graph.add_edge("fails", END)
    graph.add_edge("silent", END)
    for number in "1234":
        result = graph.run("1", store=store, run_id="r") if number == "1" else graph.continue_("r", number, store=store)
        assert result.status == "finished"
    assert [target for _, target, _ in moves(store, "r")] == ["fails", "silent", "fails", "fails"]


def test_a_fork_goes_on_after_the_choice_that_it_shares(store: Store) -> None:
    model = ScriptedModel(["b"])
    graph = desk(select="auto", selector_model=model)
    graph.run("x", store=store, run_id="r")
    forked = graph.fork("r", store=store, at=1, message="edited")
    assert said(graph.resume(forked, store=store)) == ["x", "edited"]
    assert said(graph.replay(forked, store=store)) == ["x", "edited"]
    assert graph.explain(forked, store=store, step=0).answers == ("b",)


def nesting(inner: ConversationGraph) -> ConversationGraph:
    graph = ConversationGraph("outer")
    graph.add_node(saying("opener"))
    graph.add_node(inner, name="inner")
    graph.add_edge("opener", "inner")
    graph.add_edge("inner", END)
    graph.set_start("opener")
    return graph


def test_a_nested_conversation_begins_by_choice(store: Store) -> None:
    model = ScriptedModel(["nobody", "b"], usage=Usage(1, 10))
    graph = nesting(desk(select="auto", selector_model=model))
    result = graph.run("x", store=store, run_id="r")
    assert said(result) == ["x", "opener", "b"]
    assert (choices(store, "r"), moves(store, "r")) == (["2/0>", "2/0>"], [("2/0", "b", "auto")])
    assert (result.usage, model.calls) == (Usage(2, 20), 2)
    assert graph.replay("r", store=store).messages == result.messages


def test_a_nested_conversation_that_ends_before_anybody_speaks_says_nothing(store: Store) -> None:
    graph = nesting(desk((END, 'last.content == "opener"'), ("a",), names="a"))
    assert said(graph.run("x", store=store, run_id="r")) == ["x", "opener"]
    assert said(graph.replay("r", store=store)) == ["x", "opener"]


def test_a_nested_conversation_goes_on_after_the_choice_of_who_begins(store: Store) -> None:
    """A person is asked after it was chosen who begins; the model that chose is not asked again, nor is the choice made again."""
    model = ScriptedModel(["ask", "b"])
    inner = ConversationGraph("inner", select="auto", selector_model=model)

    async def ask(ctx: Any) -> str:
        answer: str = await ctx.ask("well?", id="q")
        return answer

    inner.add_node(ask)
    inner.add_node(saying("b"))
    for name in ("ask", "b"):
        inner.add_edge(START, name)
        inner.add_edge(name, END)
    graph = nesting(inner)
    assert graph.run("x", store=store, run_id="r", human="park").status == "waiting"
    result = graph.resume("r", store=store, answers={"q": "yes"})
    assert (said(result), model.calls) == (["x", "opener", "yes"], 1)
    assert moves(store, "r") == [("2/0", "ask", "auto")]
    assert graph.replay("r", store=store).messages == result.messages


def test_branches_begin_by_choice_each_at_a_place_of_its_own(store: Store) -> None:
    graph = ConversationGraph("outer")
    branches = [desk(("a", 'last.content == "x"'), ("b",), name="one"), desk(("a", 'last.content == "y"'), ("b",), name="two")]
    graph.add_node(Parallel(*branches), name="panel")
    graph.add_edge("panel", END)
    graph.set_start("panel")
    result = graph.run("x", store=store, run_id="r")
    assert said(result) == ["x", "a", "b"]
    assert sorted(moves(store, "r")) == [("1/one/0", "a", "first"), ("1/two/0", "b", "first")]
    assert graph.replay("r", store=store).messages == result.messages


def test_a_graph_has_one_way_to_say_who_begins() -> None:
    graph = desk()
    with pytest.raises(DefinitionError, match=r"set_start\('a'\): the edge START -> a .*either set_start or edges that leave START"):
        graph.set_start("a")
    other = ConversationGraph("other")
    other.add_node(saying("a"))
    other.set_start("a")
    with pytest.raises(DefinitionError, match=r"edge START -> a .*set_start\('a'\) says who begins already"):
        other.add_edge(START, "a")


@pytest.mark.parametrize(
    ("source", "target", "options", "words"),
    [
        ("a", START, {}, "no edge can lead to START"),
        (END, "a", {}, "no edge can leave END"),
        (START, "a", {"on": "error"}, "before anybody has spoken"),
        (START, "a", {"on": "limit"}, "before anybody has spoken"),
    ],
)
def test_an_edge_that_makes_no_sense_is_refused(source: str, target: str, options: Any, words: str) -> None:
    graph = ConversationGraph("g")
    graph.add_node(saying("a"))
    with pytest.raises(DefinitionError, match=words):
        graph.add_edge(source, target, **options)
    with pytest.raises(DefinitionError, match="START is no node"):
        graph.set_start(START)


def test_nothing_is_explained_where_nothing_was_chosen(store: Store) -> None:
    graph = nesting(desk())
    graph.run("x", store=store, run_id="r")
    with pytest.raises(InputError, match="began with 'opener'"):
        graph.explain("r", store=store, step=0)


def test_who_may_begin_is_part_of_what_a_graph_is(store: Store) -> None:
    old = desk(select="manual")
    old.run("x", store=store, run_id="w", human="park")
    new = desk(("a",), names="ab", select="manual")
    with pytest.raises(GraphChanged, match="START -> b"):
        new.resume("w", store=store)
    new.add_migration(old.fingerprint, lambda standing: standing)
    assert said(new.resume("w", store=store)) == ["x", "a"]


def test_a_migration_may_say_who_begins_in_a_graph_that_does_not_choose(store: Store) -> None:
    old = desk(select="manual")
    old.run("x", store=store, run_id="r", human="park")
    new = ConversationGraph("desk", select="manual")
    new.add_node(AssistantAgent("only", model=ScriptedModel(["hi"])))
    new.add_edge("only", END)
    new.set_start("only")
    new.add_migration(old.fingerprint, lambda standing: {"node": "only"})
    assert said(new.resume("r", store=store)) == ["x", "hi"]
