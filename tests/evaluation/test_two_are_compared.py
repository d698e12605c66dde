"""Two graphs, or two models, over the same cases: what differs, at which price, and whether chance alone would do."""

from __future__ import annotations

import filecmp
import json
from pathlib import Path
from typing import Any

import pytest

from convgraph import Case, ScriptedModel, Usage, Variant, compare, evaluate, open_store
from convgraph.errors import InputError
from convgraph.evaluation import noise

SCRIPT = {"writer": ["one", "two"], "critic": ["again", "APPROVED"]}
CASES = [
    Case("loops", "x", {"equals": "APPROVED"}, script=SCRIPT),
    Case("at once", "x", script={"writer": ["one"], "critic": ["APPROVED"]}),
]


def test_two_graphs_are_held_against_each_other(graphs: Any) -> None:
    with open_store(":memory:") as store:
        comparison = compare(graphs.essay, graphs.hasty, CASES, store=store, name="pr")
        kept = sorted(run.run_id for run in store.runs())

    assert [(each.case.name, each.score, each.change) for each in comparison.differences] == [
        ("loops", -0.5, "broken"),
        ("at once", 0.0, ""),
    ]
    assert [each.case.name for each in comparison.changed] == ["loops"]
    assert not comparison.passed
    assert kept == ["pr-a.at-once.1", "pr-a.loops.1", "pr-b.at-once.1", "pr-b.loops.1"]
    text = str(comparison)
    assert "A: essay: 2 of 2 cases passed, score 1.000" in text
    assert "may be noise (-0.250" in text
    assert "broken: loops (equals: the last message is not 'APPROVED': 'again')" in text


def test_two_models_are_held_against_each_other_with_their_cost(graphs: Any) -> None:
    dear = ScriptedModel(["APPROVED"], repeat=True, name="dear", usage=Usage(1, 10, 0, 0.25))
    cheap = ScriptedModel(["no"], repeat=True, name="cheap", usage=Usage(1, 10, 0, 0.01))
    cases = [Case(f"c{number}", "x", {"equals": "APPROVED"}) for number in range(7)]
    comparison = compare(Variant(graphs.essay, dear), Variant(graphs.essay, cheap), cases)

    assert (comparison.before.score, comparison.after.score) == (1.0, 0.0)
    assert comparison.score.p == 2 / 2**7, "every sign the same way, or every sign the other"
    assert not comparison.score.is_noise
    assert comparison.usd.difference == pytest.approx(12 * 0.01 - 2 * 0.25)
    document = json.loads(json.dumps(comparison.as_document()))
    assert document["score"]["noise"] is False
    assert [change["change"] for change in document["changed"]] == ["broken"] * 7
    assert "| c0 | 1.00 | 0.00 | -1.00 | $0.5000 | $0.1200 |" in comparison.to_markdown()


def test_cases_that_do_not_suit_the_second_are_refused_before_the_first_is_run(graphs: Any) -> None:
    with open_store(":memory:") as store:
        with pytest.raises(InputError, match="no transition 'writer -> critic'"):
            compare(graphs.essay, graphs.notes, [Case("c", "x", {"edges": "writer -> critic"}, script=SCRIPT)], store=store)
        with pytest.raises(InputError, match="takes a ConversationGraph"):
            compare(graphs.essay, CASES, CASES, store=store)  # type: ignore[arg-type]
        assert store.runs() == []


def test_no_difference_is_no_difference(graphs: Any) -> None:
    comparison = compare(graphs.essay, graphs.essay, CASES)

    assert str(comparison.score) == "no difference"
    assert comparison.changed == []


@pytest.mark.parametrize(
    ("differences", "p"),
    [([1.0], 1.0), ([1.0, 1.0], 0.5), ([1.0] * 6, 2 / 64), ([1.0, -1.0], 1.0), ([0.0, 0.0, 1.0, 1.0], 0.5), ([], 1.0), ([0.0], 1.0)],
)
def test_few_pairs_prove_little(differences: list[float], p: float) -> None:
    """Checked by hand: the share of the ways of turning signs that give a sum as far from zero."""
    assert noise(differences).p == pytest.approx(p)


def test_many_pairs_are_sampled_and_give_the_same_numbers_each_time() -> None:
    clear = noise([0.1] * 40 + [-0.1] * 2)
    chance = noise([0.1, -0.1] * 20)

    assert clear == noise([0.1] * 40 + [-0.1] * 2)
    assert (clear.p < 0.001, clear.low > 0) == (True, True)
    assert (chance.p, chance.low < 0 < chance.high) == (1.0, True)


def test_false_alarms_are_as_rare_as_said() -> None:
    """Of differences that are pure chance, about one in twenty is taken for more."""
    import random

    source = random.Random(7)
    alarms = sum(not noise([source.gauss(0, 1) for _ in range(10)]).is_noise for _ in range(120))
    assert alarms <= 13


@pytest.mark.parametrize("suffix", ["svg", "png"])
def test_the_picture_shows_both_and_is_the_same_each_time(project: Path, graphs: Any, suffix: str) -> None:
    comparison = compare(graphs.essay, graphs.hasty, CASES)
    for name in ("one", "two"):
        comparison.plot(f"{name}.{suffix}")

    assert filecmp.cmp(f"one.{suffix}", f"two.{suffix}", shallow=False)
    if suffix == "svg":
        text = Path("one.svg").read_text()
        assert all(
            f">{shown}<" in text for shown in ("A: essay", "B: hasty", "loops", "at once", "writer -&gt; critic", "score", "model calls")
        )


def test_a_picture_of_names_with_meaning_to_a_renderer(project: Path, graphs: Any) -> None:
    """A dollar sign would begin a formula, and a long name push the bars out."""
    evaluation = evaluate(graphs.notes, [Case("$x_1^ costs $5 " + "very " * 15 + "much", "x")])
    assert r">$x_1^ costs $5" in evaluation.plot("dollar.svg").read_text()


def test_pictures_that_cannot_be_drawn_are_refused(project: Path, graphs: Any) -> None:
    evaluation = evaluate(graphs.notes, [Case("c", "x")])
    for path, said in (("a.pdf", "suffix .svg or .png"), ("nowhere/a.svg", "no folder"), ("graphs.py", "suffix")):
        with pytest.raises(InputError, match=said):
            evaluation.plot(path)
