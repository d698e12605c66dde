"""The drawing of a group chat shows who may follow whom; the ways in which it ends do not hide that."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

import convgraph as autogen
from convgraph import visualize_speaker_transitions_dict
from convgraph.drawing.picture import Picture, picture_of
from convgraph.errors import DefinitionError
from tests.chat.conftest import Chooser, Member, group, speaker, talk

SEVEN = ("Admin", "Planner", "Engineer", "Scientist", "Executor", "Critic", "ResearchWriter")


def picture(chat: autogen.GroupChat) -> Picture:
    return picture_of(chat.to_graph().definition)


def test_a_group_of_seven_is_a_hub_with_one_way_in_and_one_way_out() -> None:
    drawn = picture(autogen.GroupChat([speaker(name) for name in SEVEN]))
    hub = next(node.id for node in drawn.nodes if node.shape == "hub")
    arrows = [(edge.source, edge.target) for edge in drawn.edges if not edge.both]
    assert sorted(arrows) == sorted([("START", "END"), ("START", hub), (hub, "END")])
    (end,) = [edge for edge in drawn.edges if (edge.source, edge.target) == (hub, "END")]
    assert [way.label for way in end.ways] == ["no reply", "termination message", "max_round"]


def test_every_edge_of_the_graph_is_in_one_arrow() -> None:
    agents = [speaker(name) for name in SEVEN]
    agents[4].register_function({"run": lambda: "ran"})
    chat = autogen.GroupChat(agents)
    drawn = Counter(index for edge in picture(chat).edges for index in edge.stands_for)
    assert drawn == Counter(range(len(chat.to_graph().definition.edges)))


def test_several_ways_from_one_to_another_are_one_arrow_that_says_them_once(members: list[Member]) -> None:
    """In full at the first member, by their labels at the others."""
    drawn = picture(autogen.GroupChat(members))
    ends = [edge for edge in drawn.edges if edge.target == "END" and edge.ways]
    assert [(edge.source, edge.in_short) for edge in ends] == [("anna", False), ("ben", True), ("cleo", True)]
    text = autogen.GroupChat(members).to_graph().to_mermaid()
    assert text.count("no reply / termination message / max_round") == 2
    assert text.count("state.turns_before") == 1


def test_a_run_shows_which_of_the_ways_it_took(members: list[Member], tmp_path: Path) -> None:
    manager, store = group(members, Chooser("ben").model, max_round=3), f"{tmp_path}/runs.db"
    result = talk(members[0], manager, store=store)
    svg = manager.groupchat.to_graph(members[0], manager).draw(run=result.run_id, store=store)
    assert isinstance(svg, bytes)
    assert "1× max_round" in svg.decode()


def test_a_group_is_drawn_to_a_file(members: list[Member], tmp_path: Path) -> None:
    assert autogen.GroupChat(members).draw(tmp_path / "group.svg") == tmp_path / "group.svg"
    assert "anna" in (tmp_path / "group.svg").read_text()


def test_transitions_are_drawn_without_a_chat(members: list[Member], tmp_path: Path) -> None:
    anna, ben, cleo = members
    visualize_speaker_transitions_dict({anna: [ben], ben: [cleo]}, members, export_path=tmp_path / "who.mmd")
    text = (tmp_path / "who.mmd").read_text()
    assert "n_anna --> n_ben" in text
    assert "n_ben --> n_anna" not in text
    with pytest.raises(DefinitionError):
        visualize_speaker_transitions_dict({anna: [speaker("stranger")]}, members)
