"""What a caller gives as the initial state is used, all of it, or refused before anything is written."""

from __future__ import annotations

import pytest
from pydantic import BaseModel, Field

from convgraph import END, ConversationGraph, Reply, open_store
from convgraph.errors import InputError


class Score(BaseModel):
    points: int = 0
    best: str = Field("", alias="bestName")


def _graph(state=None):
    graph = ConversationGraph("scored", state=state)
    graph.add_node(lambda ctx: Reply("done", update={"best": "ann"} if state else None), name="judge")
    graph.add_edge("judge", END)
    graph.set_start("judge")
    return graph


def test_a_field_that_the_state_does_not_have_is_refused():
    """A misspelt field would otherwise be passed over in silence."""
    store = open_store(":memory:")
    with pytest.raises(InputError, match="pionts"):
        _graph(Score).run("go", state={"pionts": 3}, store=store)

    assert list(store.runs()) == []


def test_a_graph_without_a_state_takes_none():
    """The caller believes that it is used."""
    store = open_store(":memory:")
    with pytest.raises(InputError, match="no state"):
        _graph().run("go", state={"points": 3}, store=store)

    assert list(store.runs()) == []


@pytest.mark.parametrize("key", ["best", "bestName"])
def test_a_field_with_an_alias_is_known_by_both_names(key):
    """An initial value counts under either, and an update, which names the field, is not lost."""
    store = open_store(":memory:")
    graph = _graph(Score)
    result = graph.run("go", state={key: "bob", "points": 2}, store=store)

    assert (result.state.points, result.state.best) == (2, "ann")
    assert graph.replay(result.run_id, store=store).state == result.state
