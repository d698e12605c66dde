"""Cases that are run live, two models and a judge, against servers that nobody here wrote."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from convgraph import END, AssistantAgent, Case, ConversationGraph, OpenAIChatModel, Variant, compare, evaluate, open_store
from convgraph.evaluation import read_cases
from tests.examples.test_examples_on_foreign_servers import LLAMA, LLAMA_SERVER, aimock, running, said_by

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_the_examples_cases_are_judged_on_aimock(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    from router import graph  # type: ignore[import-not-found]  # pyright: ignore[reportMissingImports]

    fixtures = [
        *said_by("You choose who speaks next", [json.dumps({"next": "technical"})]),
        *said_by("You solve technical", ["Please look up: stuck", "SOLVED: open the burrs by two notches."]),
        *said_by("You judge conversations", [json.dumps({"reason": "It helps.", "score": 0.75})]),
    ]
    (case,) = [case for case in read_cases(EXAMPLES / "cases.yaml").cases if case.name == "stuck crank"]
    live = Case(case.name, case.input, {**case.expect, "judge": {"rubric": "Does it help?", "pass": 0.7}})
    with aimock(fixtures, project) as url, open_store(":memory:") as store:
        monkeypatch.setenv("OPENAI_BASE_URL", url)
        monkeypatch.setenv("OPENAI_API_KEY", "none")
        evaluation = evaluate(graph, [live], store=store, judge=OpenAIChatModel("judge"))
        replayed = graph.replay(evaluation.attempts[0].run_id, store=store)

    assert evaluation.passed, str(evaluation)
    assert (evaluation.usage.calls, evaluation.judge_usage.calls) == (3, 1)
    assert replayed.usage == evaluation.usage


def test_two_models_are_compared_on_a_real_one(project: Path) -> None:
    """llama.cpp's model says the same under either name, so nothing differs; what it costs is what it has counted."""
    graph = ConversationGraph("talk")
    graph.add_node(AssistantAgent("talker", "You talk.", model=OpenAIChatModel("own")))
    graph.add_edge("talker", END)
    graph.set_start("talker")
    with running([str(LLAMA), str(LLAMA_SERVER), str(project)]) as url:
        small, large = (OpenAIChatModel(name, base_url=url, api_key="none", price=(0.001, 0.002)) for name in ("small", "large"))
        cases = [Case("talks", "Hello.", {"contains": "tiny models talk"})]
        comparison = compare(Variant(graph, small), Variant(graph, large), cases, repeat=2)

    assert comparison.passed, str(comparison)
    assert str(comparison.score) == "no difference"
    assert comparison.before.usage.tokens == comparison.after.usage.tokens
    assert comparison.before.usage.calls == 2
    assert comparison.before.usage.usd > 0
