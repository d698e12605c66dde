"""A fork whose last message is edited chooses anew after it; its replay reads that choice, not the one that it replaces."""

from __future__ import annotations

from typing import Any

import pytest

from convgraph import END, ConversationGraph, ScriptedModel
from convgraph.errors import ReplayDivergence
from convgraph.journal.store import Store
from tests.runtime.conftest import saying


def two_ways(choices: list[str], **options: Any) -> ConversationGraph:
    """A node after which a model chooses one of two."""
    graph = ConversationGraph("ways", **{"selector_model": ScriptedModel(choices), **options})
    graph.add_node(saying("start"), select="auto")
    graph.add_node(saying("left"))
    graph.add_node(saying("right"))
    graph.add_edge("start", "left")
    graph.add_edge("start", "right")
    graph.add_edge("left", "start", when="turn < 4")
    graph.add_edge("left", END)
    graph.add_edge("right", END)
    graph.set_start("start")
    return graph


def test_a_choice_made_again_after_an_edit_is_replayed_as_it_was_made(store: Store) -> None:
    graph = two_ways(["left", "right", "right"])
    graph.run("go", store=store, run_id="run")
    fork = graph.fork("run", store=store, at=1, message="something else")
    resumed = graph.resume(fork, store=store)

    assert [message.text for message in resumed.messages] == ["go", "something else", "right"]
    assert graph.replay(fork, store=store).messages == resumed.messages
    assert graph.replay("run", store=store).steps == 4


def test_a_fork_of_an_edited_fork_is_replayed_too(store: Store) -> None:
    """Each edit has made the choice at its own turn again; the others stand as they were."""
    graph = two_ways(["left", "right", "left", "right"])
    graph.run("go", store=store, run_id="run")
    once = graph.fork("run", store=store, at=3, message="edited")
    assert [message.text for message in graph.resume(once, store=store).messages][-2:] == ["edited", "left"]
    twice = graph.fork(once, store=store, at=1, message="edited as well")
    last = graph.resume(twice, store=store)

    assert [message.text for message in last.messages] == ["go", "edited as well", "right"]
    assert graph.replay(once, store=store).status == graph.replay(twice, store=store).status == "finished"


def test_a_changed_edit_still_diverges(store: Store) -> None:
    """What the replay compares with is the record of the choice that was made again."""
    graph = two_ways(["left", "right", "right"])
    graph.run("go", store=store, run_id="run")
    fork = graph.fork("run", store=store, at=1, message="something else")
    graph.resume(fork, store=store)

    changed = two_ways([], selector_model=ScriptedModel([], name="another"))
    with pytest.raises(ReplayDivergence, match="1>"):
        changed.replay(fork, store=store)
