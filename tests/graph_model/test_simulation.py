"""A simulation says what a graph may cost: reproducible, quick, and right where the right answer is known."""

import math
import time
from typing import Any

import pytest
from pydantic import BaseModel

from convgraph import END, START, ConversationGraph, Limits
from convgraph.errors import DefinitionError, InputError
from convgraph.graph.simulation import Distribution, Simulation, simulate


def speak(ctx: Any) -> str:
    raise AssertionError("nobody speaks in a simulation")


def graph(*edges: tuple[Any, ...], **options: Any) -> ConversationGraph:
    made = ConversationGraph("sample", **options)
    for name in dict.fromkeys(end for edge in edges for end in edge[:2] if end not in (START, END)):
        made.add_node(speak, name=name)
    for source, target, *rest in edges:
        made.add_edge(source, target, rest[0] if rest else None, **(rest[1] if len(rest) > 1 else {}))
    if edges[0][0] != START:
        made.set_start(edges[0][0])
    return made


APPROVED = 'last.content.contains("APPROVED")'
REVIEW = (("writer", "critic"), ("critic", END, APPROVED, {"label": "approved"}), ("critic", "writer"))


def test_a_drawn_guard_gives_the_distribution_that_it_should() -> None:
    """Rounds until the first success are geometric: mean 1/p, median at 1 - (1-p)^n >= 1/2."""
    found = graph(*REVIEW).simulate(runs=20_000, weights={"approved": 0.25})
    rounds = [turns / 2 for turns in found.samples["turns"]]
    assert math.isclose(sum(rounds) / len(rounds), 4.0, rel_tol=0.03)
    assert found.turns.p50 == 2 * math.ceil(math.log(0.5) / math.log(0.75))
    assert found.turns.p99 == pytest.approx(2 * math.ceil(math.log(0.01) / math.log(0.75)), abs=2)
    assert found.endings == {f"finished: critic -> END when {APPROVED} (approved)": 20_000}


def test_who_begins_is_drawn_or_decided_like_all_that_follows() -> None:
    made = graph((START, "a", 'last.content.contains("x")'), (START, END, "turn > 0"), (START, "b"), ("a", END), ("b", END))
    found = made.simulate(4_000, weights={"START->a": 0.25})
    assert found.edges["START->END#1"] == 0, "before the first turn no turn has been made"
    assert found.edges["START->a#0"] + found.edges["START->b#2"] == 4_000
    assert found.nodes["a"] == found.edges["START->a#0"] == pytest.approx(1_000, rel=0.1)
    nobody = graph((START, END, "turn == 0"), (START, "a"), ("a", END)).simulate(10)
    assert (nobody.turns.max, nobody.endings) == (0, {"finished: START -> END when turn == 0": 10})
    lost = graph((START, "a", "turn > 0"), ("a", END)).simulate(10)
    assert lost.share("stuck") == 1.0


def test_the_same_seed_gives_the_same_simulation_and_another_seed_another() -> None:
    made = graph(*REVIEW, limits=Limits(turns=9))
    assert made.simulate(300, seed=5) == made.simulate(300, seed=5)
    assert made.simulate(300, seed=5).samples != made.simulate(300, seed=6).samples


def test_costs_add_up_by_the_virtual_clock() -> None:
    profile = {"writer": {"seconds": 3, "tokens": 1_000, "usd": 0.02}, "critic": {"seconds": 0.5, "tokens": 100}}
    started = time.monotonic()
    found = graph(*REVIEW).simulate(runs=500, profile=profile)
    assert time.monotonic() - started < 5 < sum(found.samples["seconds"])
    for turns, seconds, tokens, usd in zip(*(found.samples[name] for name in ("turns", "seconds", "tokens", "usd")), strict=True):
        assert (seconds, tokens, usd) == pytest.approx((turns / 2 * 3.5, turns / 2 * 1_100, turns / 2 * 0.02))


def test_structural_guards_are_evaluated_for_real() -> None:
    for guard in ("turn >= 6", "visits.b >= 3", 'sender == "b" && turn > 5', "usage.tokens >= 60", "usage.calls == 6"):
        found = graph(("a", "b"), ("b", END, guard), ("b", "a")).simulate(50, profile={"a": {"tokens": 10}, "b": {"tokens": 10}})
        assert found.turns == Distribution(6, 6, 6, 6, 6), guard


def test_silence_is_drawn_where_the_profile_has_it() -> None:
    made = graph(("a", END, "declined"), ("a", "a"), limits=Limits(turns=100))
    assert made.simulate(100).share("limited") == 1
    assert made.simulate(5_000, profile={"a": {"declined": 0.5}}).turns.mean == pytest.approx(2, rel=0.06)


def test_state_needs_no_values_in_a_simulation() -> None:
    class Needed(BaseModel):
        score: int

    found = graph(("a", END, "state.score > 3"), ("a", "a"), state=Needed).simulate(2_000, weights={"a->END": 0.8})
    assert found.turns.mean == pytest.approx(1.25, rel=0.05)


def test_every_way_to_end_is_told_apart() -> None:
    made = graph(
        ("a", "b"),
        ("a", END, None, {"on": "error"}),
        ("b", "c", 'last.content == "go"'),
        ("b", "a", 'last.content == "again"'),
        ("c", END),
        limits=Limits(turns=10),
    )
    found = made.simulate(3_000, profile={"a": {"error": 0.1}, "c": {"error": 0.5}})
    kinds = {ending.partition(":")[0] for ending in found.endings}
    assert kinds == {"finished", "stuck", "limited", "failed"}
    assert sum(found.endings.values()) == 3_000
    assert sum(found.share(kind) for kind in kinds) == pytest.approx(1)
    stuck = next(ending for ending in found.endings if ending.startswith("stuck"))
    assert "'b'" in stuck
    assert 'last.content == "again" = false' in stuck
    assert "limited: turns" in found.endings
    assert "finished: a -> END on error" in found.endings


def test_limit_transitions_are_taken_at_limits_also_at_others_than_the_graphs() -> None:
    made = graph(("a", "a"), ("a", "sum", None, {"on": "limit"}), ("sum", END))
    found = made.simulate(20, limits=Limits(seconds=10), profile={"a": {"seconds": 2.5}})
    assert found.turns.max == 5
    assert found.edges["a->sum#1"] == 20


def test_a_conversation_without_end_is_given_up() -> None:
    found = graph(("a", "b"), ("b", "a")).simulate(3, horizon=40)
    assert found.endings == {"endless: still going after 40 turns": 3}


def test_selectors_choose_by_weight_and_round_robin_goes_around() -> None:
    choice = (("a", "b"), ("a", "c"), ("b", END), ("c", END))
    drawn = graph(*choice, select="auto").simulate(8_000, weights={"a->b": 3})
    assert drawn.nodes["b"] / drawn.nodes["c"] == pytest.approx(3, rel=0.1)
    assert graph(*choice, select="random").simulate(50, weights={"a->b": 0}).nodes["b"] == 0
    members = "abc"
    pairs = [(one, other) for one in members for other in members if one != other]
    around = graph(*pairs, select="round_robin").simulate(1, limits=Limits(turns=9))
    assert set(around.nodes.values()) == {3}


def test_handoffs_are_drawn_where_the_profile_has_them() -> None:
    made = graph(("a", "b"), ("a", "c"), ("b", END), ("c", END))
    assert made.simulate(50).nodes["c"] == 0
    assert made.simulate(4_000, profile={"a": {"handoff": 1.0}}).nodes["c"] == pytest.approx(2_000, rel=0.1)


def test_a_group_counts_the_visits_of_its_branches() -> None:
    from convgraph import Parallel

    def legal(ctx: Any) -> str:
        return ""

    made = ConversationGraph("panel")
    made.add_node(Parallel(speak, legal), name="panel")
    made.add_edge("panel", END, when="visits.legal >= 3")
    made.add_edge("panel", "panel")
    made.set_start("panel")
    assert made.simulate(5).turns.max == 3


def test_ten_thousand_runs_of_a_six_node_graph_take_seconds() -> None:
    names = "abcdef"
    rows = [(one, other) for one, other in zip(names, names[1:] + "a", strict=True)]
    made = graph(
        rows[0],
        *(("c", END, APPROVED), ("f", END, "turn > 12"), ("e", "b", "state.again")),
        *rows[1:],
        state={"again": {"type": "boolean"}},
    )
    started = time.process_time()
    found = made.simulate(10_000)
    assert time.process_time() - started < 6
    assert sum(found.samples["turns"]) > 50_000


def test_the_table_shows_everything_and_the_histogram_counts_every_run() -> None:
    found = graph(*REVIEW).simulate(1_000, profile={"writer": {"usd": 0.01}})
    text = str(found)
    for word in ("1,000 simulated runs", "p50", "p99", "usd", "approved", "writer", "critic->END#1"):
        assert word in text
    bars = found.histogram("turns", bins=7)
    assert len(bars) == 7
    assert sum(count for _, _, count in bars) == 1_000
    assert (bars[0][0], bars[-1][1]) == (min(found.samples["turns"]), pytest.approx(found.turns.max))
    assert found.histogram("tokens") == [(0, 0, 1_000)]


def test_quantiles_are_samples() -> None:
    assert Distribution.of([4, 1, 3, 2]) == Distribution(2.5, 2, 4, 4, 4)
    assert Distribution.of([7]) == Distribution(7, 7, 7, 7, 7)
    assert Distribution.of(range(1, 101)) == Distribution(50.5, 50, 90, 99, 100)


@pytest.mark.parametrize(
    "options",
    [
        {"runs": 0},
        {"horizon": 0},
        {"weights": {"nobody->END": 0.5}},
        {"weights": {"approved": 1.5}},
        {"weights": {"approved": -1}},
        {"weights": {"approved": "often"}},
        {"weights": {"approved": float("nan")}},
        {"profile": {"nobody": {"seconds": 1}}},
        {"profile": {"writer": {"second": 1}}},
        {"profile": {"writer": {"seconds": -1}}},
        {"profile": {"writer": {"error": 2}}},
        {"profile": {"writer": {"usd": True}}},
    ],
)
def test_what_does_not_fit_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        simulate(graph(*REVIEW).definition, **options)


def test_histograms_of_nothing_are_refused() -> None:
    found: Simulation = graph(*REVIEW).simulate(5)
    with pytest.raises(InputError, match="histogram"):
        found.histogram("dollars")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="histogram"):
        found.histogram(bins=0)


def test_a_graph_without_a_start_is_refused() -> None:
    made = ConversationGraph("sample")
    made.add_node(speak, name="a")
    with pytest.raises(DefinitionError, match="no start"):
        made.simulate(1)
