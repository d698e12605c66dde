"""Arguments that a verb cannot use are refused with an error of convgraph, and change nothing."""

from __future__ import annotations

import pytest

from convgraph import END, ConversationGraph, open_store
from convgraph.errors import AnswerError, InputError


@pytest.fixture
def waiting():
    """A graph, a store, and a run of it that waits for an answer."""

    async def ask(ctx):
        return await ctx.ask("How many?", id="n")

    graph = ConversationGraph("asking")
    graph.add_node(lambda ctx: "hello", name="greet")
    graph.add_node(ask)
    graph.add_edge("greet", "ask")
    graph.add_edge("ask", END)
    graph.set_start("greet")
    store = open_store(":memory:")
    return graph, store, graph.run("go", store=store, human="park").run_id


@pytest.mark.parametrize("step", [0, -1, True, "1", 1.0, None, 99])
def test_a_step_that_is_none_is_refused(waiting, step):
    """`fork` and `explain` count from 1."""
    graph, store, run_id = waiting
    with pytest.raises(InputError):
        graph.explain(run_id, store=store, step=step)
    with pytest.raises(InputError):
        graph.fork(run_id, store=store, at=step)


@pytest.mark.parametrize("answers", [[("n", "3")], "n", 3])
def test_answers_that_are_no_mapping_are_refused(waiting, answers):
    """The run still waits."""
    graph, store, run_id = waiting
    with pytest.raises(AnswerError, match="mapping"):
        graph.resume(run_id, store=store, answers=answers)

    assert graph.resume(run_id, store=store, answers={"n": "3"}).messages[-1].content == "3"
