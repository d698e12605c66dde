"""A nested graph is the graph as it stands when a run starts, however the whole was put together; it never nests itself."""

from __future__ import annotations

import pytest

from convgraph import END, ConversationGraph, Parallel
from convgraph.errors import DefinitionError


def _says(name):
    async def speak(ctx):
        return name

    speak.__name__ = name
    return speak


def _outer(inner):
    graph = ConversationGraph("outer")
    graph.add_node(inner, name="nested")
    graph.add_edge("nested", END)
    graph.set_start("nested")
    return graph


def _finish(graph, *names):
    for name in names:
        graph.add_node(_says(name))
    for source, target in zip(names, (*names[1:], END), strict=True):
        graph.add_edge(source, target)
    graph.set_start(names[0])


@pytest.mark.parametrize("within", [lambda graph: graph, Parallel], ids=["node", "branch"])
def test_a_nested_graph_may_be_finished_after_it_was_added(within):
    """The order of building does not matter: what is checked, drawn and run is one and the same."""
    inner = ConversationGraph("inner")
    graph = _outer(within(inner))
    _finish(inner, "one", "two")

    assert [finding for finding in graph.check() if finding.severity == "error"] == []
    assert "two" in graph.to_mermaid()
    assert graph.run("go").messages[-1].content == "two"


def test_a_change_of_a_nested_graph_is_a_change_of_the_graph_around_it():
    """At any depth: the next run, and the fingerprint, see it."""
    inner = ConversationGraph("inner")
    _finish(inner, "one")
    graph = _outer(_outer(inner))
    before = graph.fingerprint
    assert graph.run("go").messages[-1].content == "one"

    inner.add_node(_says("two"))
    inner.add_edge("one", "two", priority=1)
    inner.add_edge("two", END)

    assert graph.fingerprint != before
    assert graph.run("go").messages[-1].content == "two"


def test_a_graph_cannot_be_nested_in_itself():
    """Neither directly nor through another graph: such a conversation could never be checked or drawn."""
    outer, inner = ConversationGraph("outer"), ConversationGraph("inner")
    outer.add_node(inner)

    with pytest.raises(DefinitionError, match="itself"):
        outer.add_node(outer, name="again")
    with pytest.raises(DefinitionError, match="itself"):
        inner.add_node(Parallel(outer), name="group")
