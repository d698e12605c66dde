"""What runs have cost, model by model: the sums of their journals, the endpoint's own count, and AutoGen's documents."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from convgraph import END, AssistantAgent, ConversationGraph, Limits, OpenAIChatModel, Retry, ScriptedModel, open_store
from convgraph.errors import InputError
from convgraph.journal.events import BranchFinished, EffectFinished, Recorded, Stepped
from convgraph.messages import NO_USAGE, Usage
from convgraph.models.cache import Cache
from convgraph.models.cached import with_cache
from convgraph.models.config import model_from_config
from convgraph.models.costs import added, cost_document, model_calls, usage_by_model, usage_by_node, usage_document, usage_summary
from convgraph.protocols import Model
from convgraph.testing import Answer, HttpError, ScriptedServer


def events_of(graph: ConversationGraph, store: str, run_id: str = "r") -> tuple[Any, list[Recorded]]:
    """The result of a run, and its journal."""
    result = graph.run("hello", store=store, run_id=run_id)

    async def load() -> list[Recorded]:
        return await open_store(store).load(run_id)

    return result, asyncio.run(load())


def greeter(model: Model) -> ConversationGraph:
    graph = ConversationGraph("greeter")
    graph.add_node(AssistantAgent("agent", "You greet.", model=model))
    graph.add_edge("agent", END)
    graph.set_start("agent")
    return graph


def test_a_runs_ledger_is_what_the_endpoint_has_counted_with_choices_nesting_and_failures(tmp_path: Path) -> None:
    def script(request: dict[str, Any]) -> Any:
        if "response_format" in request:
            return Answer('{"next": "inner"}', usage=(7, 3), cached=4)
        flaky = request["model"] == "small" and len(server.log) == 2
        return HttpError(503) if flaky else Answer("fine", usage=(1000, 500))

    with ScriptedServer(script) as server:
        settings: dict[str, Any] = {"base_url": server.base_url, "max_retries": 0}
        inner = ConversationGraph("inner")
        inner.add_node(AssistantAgent("nested", "You dig.", model=OpenAIChatModel("small", price=1, **settings)), retry=Retry(attempts=2))
        inner.add_edge("nested", END)
        inner.set_start("nested")
        graph = ConversationGraph(
            "outer", limits=Limits(turns=5), select="auto", selector_model=OpenAIChatModel("selector", price=[1, 2], **settings)
        )
        graph.add_node(AssistantAgent("first", "You begin.", model=OpenAIChatModel("big", price=2, **settings)))
        graph.add_node(inner)
        graph.add_node(AssistantAgent("other", "You wait.", model=OpenAIChatModel("big", **settings)))
        graph.add_edge("first", "inner")
        graph.add_edge("first", "other")
        graph.add_edge("inner", END)
        graph.add_edge("other", END)
        graph.set_start("first")
        result, events = events_of(graph, str(tmp_path / "runs.db"))

    by_model = usage_by_model(events)
    assert added([by_model]) == by_model
    assert sum(by_model.values(), NO_USAGE) == result.usage
    assert result.usage[:3] == server.usage[:3]
    assert sum(usage.usd for usage in by_model.values()) == pytest.approx(0.013 + 1.5 + 3)
    by_node = usage_by_node(events)
    assert {node: sum(models.values(), NO_USAGE).tokens for node, models in by_node.items()} == {"first": 1500, "": 10, "nested": 1500}


class Score(BaseModel):
    score: int


@pytest.mark.parametrize(
    "second", ["no JSON either", HttpError(400)], ids=["two that do not fit", "one that does not fit and one that fails"]
)
@pytest.mark.parametrize("asker", ["the agent", "the configuration"])
def test_answers_that_are_none_are_paid_for_as_well(second: Any, asker: str, tmp_path: Path) -> None:
    with ScriptedServer(["no JSON"], repeat=True) as one, ScriptedServer([second], repeat=True) as two:
        config: dict[str, Any] = {"config_list": [{"model": "m", "base_url": server.base_url, "max_retries": 0} for server in (one, two)]}
        of_the_agent = asker == "the agent"
        model = model_from_config(config if of_the_agent else {**config, "response_format": Score})
        graph = ConversationGraph("judge")
        graph.add_node(AssistantAgent("judge", "You judge.", model=model, response_format=Score if of_the_agent else None))
        graph.add_edge("judge", END)
        graph.set_start("judge")
        result, events = events_of(graph, str(tmp_path / "runs.db"))

    assert result.status == "failed"
    assert one.usage.calls > 0
    assert sum(usage_by_model(events).values(), NO_USAGE) == one.usage + two.usage


def test_a_call_counts_for_the_innermost_turn_that_it_belongs_to_and_a_choice_for_nobody() -> None:
    paths = ["1~2", "2/1", "2/1/@tool:ask.0", "2/legal/@conversation:x.0/1", "2/1>", "1>", "3"]
    turns = [Stepped("1", "first"), Stepped("2/1", "nested"), BranchFinished("2/legal", "legal"), Stepped("2", "outer")]
    asked = [EffectFinished(path, "model", "m", 0, "", {"content": ""}, usage=Usage(1)) for path in paths]

    assert [call.node for call in model_calls([*asked, *turns])] == ["first", "nested", "nested", "legal", "", "", ""]


def test_the_documents_have_autogens_form(tmp_path: Path) -> None:
    model = ScriptedModel(["hi"], name="gpt", usage=Usage(1, 10, 5, 0.25))
    _, events = events_of(greeter(model), str(tmp_path / "runs.db"))
    expected = {"total_cost": 0.25, "gpt": {"cost": 0.25, "prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}}

    assert usage_document(usage_by_model(events)) == expected
    assert cost_document(events) == {"usage_including_cached_inference": expected, "usage_excluding_cached_inference": expected}
    assert cost_document(event.event for event in events) == cost_document(events)
    assert cost_document([]) == {
        "usage_including_cached_inference": {"total_cost": 0},
        "usage_excluding_cached_inference": {"total_cost": 0},
    }


def test_answers_from_a_cache_are_in_the_total_and_not_in_what_was_paid(tmp_path: Path) -> None:
    graph = greeter(with_cache(ScriptedModel(["hi"], name="gpt", usage=Usage(1, 10, 5, 0.25)), Cache.memory()))
    store = str(tmp_path / "runs.db")
    _, paid = events_of(graph, store, "first")
    _, cached = events_of(graph, store, "second")

    document = cost_document(cached)
    assert document["usage_including_cached_inference"]["total_cost"] == 0.25
    assert document["usage_excluding_cached_inference"] == {"total_cost": 0}
    both = cost_document([*paid, *cached])
    assert both["usage_including_cached_inference"]["gpt"]["total_tokens"] == 30
    assert both["usage_excluding_cached_inference"]["gpt"]["total_tokens"] == 15


def test_a_summary_says_what_was_paid_and_what_was_saved() -> None:
    paid, total = {"gpt": Usage(1, 1000, 5, 0.25)}, {"gpt": Usage(3, 3000, 15, 1.5)}

    assert (
        usage_summary(paid, paid)
        == "Usage: $0.2500\n  gpt: $0.2500, 1 call, 1,000 input tokens, 5 output tokens\nNothing came from a cache."
    )
    assert usage_summary(total, paid, "both") == (
        "Usage, as paid: $0.2500\n  gpt: $0.2500, 1 call, 1,000 input tokens, 5 output tokens\n"
        "Usage, had nothing come from a cache: $1.50\n  gpt: $1.50, 3 calls, 3,000 input tokens, 15 output tokens"
    )
    assert usage_summary(total, {}, "actual") == "Usage, as paid: $0.00"
    assert usage_summary(total, paid, ["total"]).startswith("Usage, had nothing come")
    assert usage_summary({}, {}) == "No model was asked."


@pytest.mark.parametrize("mode", ["everything", [], ["actual", "nothing"]])
def test_another_mode_is_refused(mode: Any) -> None:
    with pytest.raises(InputError, match="mode is"):
        usage_summary({}, {}, mode)
