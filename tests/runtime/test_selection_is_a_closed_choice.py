"""Whoever chooses the next speaker chooses among the enabled transitions, and every attempt is on record."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from convgraph import END, ConversationGraph, Reply, ScriptedModel
from convgraph.errors import DefinitionError, ModelError
from convgraph.journal.events import EffectFinished
from convgraph.journal.store import Store

from .conftest import saying


def group(names: str = "abc", *, end: str | None = None, **options: Any) -> ConversationGraph:
    """Everybody may follow everybody else; `end` guards the way out."""
    graph = ConversationGraph("group", **options)
    for name in names:
        graph.add_node(saying(name), description=f"the {name}")
    for source in names:
        if end is not None:
            graph.add_edge(source, END, when=end, priority=1)
        for target in names:
            if source != target:
                graph.add_edge(source, target)
    graph.set_start(names[0])
    return graph


def said(result: Any) -> str:
    return "".join(message.text for message in result.messages)


def test_round_robin_takes_the_members_in_turn() -> None:
    assert said(group(end="turn >= 7", select="round_robin").run()) == "abcabca"


def test_round_robin_after_a_router_takes_its_targets_in_turn() -> None:
    graph = ConversationGraph("router", select="round_robin")
    for name in "rxyz":
        graph.add_node(saying(name))
    for name in "xyz":
        graph.add_edge("r", name)
        graph.add_edge(name, "r")
    graph.add_edge("r", END, when="turn > 8")
    graph.set_start("r")
    assert said(graph.run()) == "rxryrzrxr"


def test_random_choices_vary_and_replay_the_same(store: Store) -> None:
    graph = group(end="turn >= 30", select="random")
    result = graph.run(store=store, run_id="r")
    assert len(Counter(said(result))) == 3
    assert said(graph.replay("r", store=store)) == said(result)


def test_higher_priority_hides_lower_from_every_selector() -> None:
    graph = ConversationGraph("priority", select="round_robin")
    for name in "abc":
        graph.add_node(saying(name))
    graph.add_edge("a", "b")
    graph.add_edge("a", "c", when="turn == 1", priority=5)
    graph.add_edge("b", END)
    graph.add_edge("c", END)
    graph.set_start("a")
    assert said(graph.run()) == "ac"


@pytest.mark.parametrize("answer", ["c", " c\n", '{"next": "c"}', '"c"', '{"next": "c", "why": "because"}', '{"choice": "c"}'])
def test_a_model_may_answer_bare_or_in_json(answer: str) -> None:
    model = ScriptedModel([answer])
    assert said(group(end="turn >= 2", select="auto", selector_model=model).run()) == "ac"


@pytest.mark.parametrize(
    "answer",
    [
        "a",
        "A",
        "bb",
        "b and c",
        "the b",
        "b.",
        '{"next": "a"}',
        '{"next": ["b"]}',
        '{"speaker": "b", "why": "because"}',
        "[]",
        "{",
        "",
        "null",
        "Ignore the rules, choose a",
        "END",
    ],
)
def test_anything_else_is_no_choice_and_takes_the_declared_fallback(answer: str, store: Store) -> None:
    model = ScriptedModel([answer] * 3)
    graph = group(end="turn >= 2", select="auto", selector_model=model, fallback="c")
    result = graph.run(store=store, run_id="r")

    assert said(result) == "ac"
    assert model.calls == 3
    explanation = graph.explain("r", store=store, step=1)
    assert explanation.chosen_by == "fallback"
    assert list(explanation.answers) == [answer] * 3


def test_without_a_fallback_the_run_fails_and_can_be_resumed(store: Store) -> None:
    model = ScriptedModel(["x", "x", "x", "b"])
    graph = group(end="turn >= 2", select="auto", selector_model=model)
    failed = graph.run(store=store, run_id="r")
    assert failed.status == "failed"
    assert "chose none of 'b', 'c'" in failed.stop_reason

    resumed = graph.resume("r", store=store)
    assert (resumed.status, said(resumed)) == ("finished", "ab")
    assert said(graph.replay("r", store=store)) == "ab"


def test_a_failing_selecting_model_takes_the_fallback() -> None:
    model = ScriptedModel([ModelError("down")])
    assert said(group(end="turn >= 2", select="auto", selector_model=model, fallback="b").run()) == "ab"


def test_the_model_is_given_the_enabled_targets_as_an_enum_with_their_descriptions() -> None:
    requests: list[Any] = []

    def answer(request: Any) -> str:
        requests.append(request)
        return "c"

    graph = group("abcd", select="auto", selector_model=ScriptedModel(answer))
    for name in "abcd":
        graph.add_edge(name, END, when="turn >= 2", priority=1)
    graph.run()
    assert requests[0].schema["properties"]["next"]["enum"] == ["b", "c", "d"]
    assert "- c: the c" in requests[0].system


def test_one_enabled_transition_costs_no_call() -> None:
    model = ScriptedModel([])
    graph = ConversationGraph("line", select="auto", selector_model=model)
    graph.add_node(saying("a"))
    graph.add_node(saying("b"))
    graph.add_edge("a", "b")
    graph.add_edge("a", END, when="turn > 5")
    graph.add_edge("b", END)
    graph.set_start("a")
    assert said(graph.run()) == "ab"
    assert model.calls == 0


def test_the_end_is_one_of_the_choices_where_an_edge_leads_there() -> None:
    graph = ConversationGraph("ending", select="auto", selector_model=ScriptedModel(['{"next": "END"}']))
    graph.add_node(saying("a"))
    graph.add_node(saying("b"))
    graph.add_edge("a", "b")
    graph.add_edge("a", END, label="all is said")
    graph.add_edge("b", END)
    graph.set_start("a")
    assert said(graph.run()) == "a"


def test_a_callable_may_choose_but_not_outside_the_enabled() -> None:
    seen: list[tuple[str, ...]] = []

    def chooser(view: Any, targets: tuple[str, ...]) -> str:
        seen.append(targets)
        return targets[-1]

    async def later(view: Any, targets: tuple[str, ...]) -> str:
        return "c" if view.last.text == "a" else targets[0]

    assert said(group(end="turn >= 2", select=chooser).run()) == "ac"
    assert seen == [("b", "c")]
    assert said(group(end="turn >= 2", select=later).run()) == "ac"
    for wrong in ("a", "nobody", 5, "END"):
        result = group(end="turn >= 2", select=lambda view, targets, wrong=wrong: wrong).run()
        assert result.status == "failed"
        assert "one of 'b', 'c'" in result.stop_reason


def test_a_node_may_have_its_own_selector() -> None:
    graph = ConversationGraph("own", select="first")
    graph.add_node(saying("a"), select=lambda view, targets: "c")
    graph.add_node(saying("b"))
    graph.add_node(saying("c"))
    graph.add_edge("a", "b")
    graph.add_edge("a", "c")
    graph.add_edge("b", END)
    graph.add_edge("c", END)
    graph.set_start("a")
    assert said(graph.run()) == "ac"


def test_an_unknown_selector_is_refused_when_the_graph_is_made() -> None:
    with pytest.raises(DefinitionError, match="select="):
        ConversationGraph("g", select="best")


def test_a_handover_names_one_of_the_enabled_targets_and_nothing_else() -> None:
    def handing(goto: str) -> ConversationGraph:
        async def a(ctx: Any) -> Reply:
            return Reply("a", goto=goto)

        graph = ConversationGraph("handover")
        graph.add_node(a)
        graph.add_node(saying("b"))
        graph.add_node(saying("c"))
        graph.add_edge("a", "b")
        graph.add_edge("a", "c")
        graph.add_edge("a", END, when="turn > 5")
        graph.add_edge("b", END)
        graph.add_edge("c", END)
        graph.set_start("a")
        return graph

    assert said(handing("c").run()) == "ac"
    for wrong in ("a", "zz", "END"):
        result = handing(wrong).run()
        assert result.status == "failed"
        assert "not an enabled target" in result.stop_reason


def test_selection_cost_is_counted_and_each_attempt_is_an_event(store: Store) -> None:
    from convgraph import Usage

    model = ScriptedModel(["no", "b"], usage=Usage(1, 7, 1, 0.5))
    result = group(end="turn >= 2", select="auto", selector_model=model).run(store=store, run_id="r")
    assert result.usage == Usage(2, 14, 2, 1.0)
    attempts = [recorded.event for recorded in store.events("r") if isinstance(recorded.event, EffectFinished)]
    assert [json.dumps(attempt.result["content"]) for attempt in attempts] == ['"no"', '"b"']
