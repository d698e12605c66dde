"""Coverage counts what recorded runs have exercised, and names what they never have."""

from typing import Any

from convgraph import END, ConversationGraph
from convgraph.graph.coverage import Coverage, Taken, coverage


def speak(ctx: Any) -> str:
    return "x"


def review() -> ConversationGraph:
    inner = ConversationGraph("inner")
    inner.add_node(speak, name="judge")
    inner.add_edge("judge", END, when="turn > 1")
    inner.add_edge("judge", "judge")
    inner.set_start("judge")
    made = ConversationGraph("review")
    made.add_node(speak, name="writer")
    made.add_node(inner, name="critic")
    made.add_edge("writer", "critic")
    made.add_edge("critic", END, when='last.content.contains("A")', label="good")
    made.add_edge("critic", END, when='last.content.contains("F")')
    made.add_edge("critic", "writer")
    made.add_edge("writer", END, on="error")
    made.set_start("writer")
    return made


def covered(*runs: list[Taken]) -> Coverage:
    return coverage(review().definition, runs)


def test_nothing_recorded_is_nothing_covered() -> None:
    found = covered()
    assert (found.runs, found.node_share, found.edge_share, found.guard_share) == (0, 0, 0, 0)
    assert found.missing_nodes == ["writer", "critic", "critic/judge"]
    assert len(found.missing_edges) == 7


def test_nodes_and_transitions_are_counted_in_every_graph() -> None:
    inside = [Taken("judge", 1, ("critic",)), Taken("judge", 0, ("critic",))]
    found = covered([Taken("writer", 0), *inside, Taken("critic", 3), Taken("writer", 0), *inside, Taken("critic", 1)])
    assert found.nodes == {((), "writer"): 2, ((), "critic"): 2, (("critic",), "judge"): 4}
    assert found.edges[(), 3] == 1
    assert found.edges[("critic",), 0] == 2
    assert found.missing_edges == ['critic -> END when last.content.contains("F")', "writer -> END on error"]
    assert found.node_share == 1
    assert found.edge_share == 5 / 7


def test_the_outcomes_of_guards_follow_from_the_order_of_the_transitions() -> None:
    """A transition that was taken had a true guard; those considered before it had a false one."""
    found = covered([Taken("critic", 2)])
    assert found.guards[((), 2), True] == 1
    assert found.guards[((), 1), False] == 1
    assert found.guards[((), 1), True] == 0
    assert found.guards[((), 2), False] == 0


def test_a_handoff_shows_nothing_about_other_guards() -> None:
    found = covered([Taken("critic", 3, handed_over=True)])
    assert sum(found.guards.values()) == 0


def test_recorded_values_of_guards_count() -> None:
    found = covered([Taken("critic", None, guards={1: False, 2: False})])
    assert found.guards[((), 1), False] == 1
    assert found.missing_outcomes == [
        'critic -> END when last.content.contains("A") (good) is never true',
        'critic -> END when last.content.contains("F") is never true',
        "critic/judge -> END when turn > 1 is never true",
        "critic/judge -> END when turn > 1 is never false",
    ]


def test_steps_of_another_graph_are_named_and_not_counted() -> None:
    found = covered([Taken("reviewer", 0), Taken("writer", 99), Taken("writer", 1), Taken("x", None, ("nowhere",)), Taken("writer", -1)])
    assert found.strange == ("reviewer, edge 0", "writer, edge 99", "writer, edge 1", "nowhere/x", "writer, edge -1")
    assert sum(found.nodes.values()) == 0


def test_scripted_paths_cover_what_they_say_they_cover() -> None:
    """The paths' own transitions, fed back as runs, leave nothing out."""
    made = review()
    runs = [[Taken(turn.node, turn.edge, path.graph, handed_over=turn.goto is not None) for turn in path.turns] for path in made.paths()]
    found = coverage(made.definition, runs)
    assert found.edge_share == 1
    assert found.missing_edges == []


def test_the_table_names_what_is_missing() -> None:
    text = str(covered([Taken("writer", 0), Taken("critic", 1)]))
    for words in ("1 runs", "nodes", "67%", "never: node critic/judge", "never: edge writer -> END on error", "is never false"):
        assert words in text
