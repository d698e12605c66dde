"""What cannot be journaled is refused where it comes in, or is the error of the node that said it; it never breaks a run off.

Whatever was accepted comes back as it was, so that no run is left that cannot go on.
"""

from __future__ import annotations

import pytest
from pydantic import BaseModel

from convgraph import END, ConversationGraph, Message, Reply, ToolCall, open_store
from convgraph.errors import InputError

HALF = "half a pair: \ud83d"


class Score(BaseModel):
    points: float = 0.0
    note: str = ""
    raw: bytes = b""


def _graph(node):
    graph = ConversationGraph("said", state=Score)
    graph.add_node(node, name="node")
    graph.add_edge("node", END)
    graph.set_start("node")
    return graph


@pytest.fixture(params=["memory", "sqlite"])
def store(request, tmp_path):
    """Either kind of store: they accept the same."""
    with open_store(":memory:" if request.param == "memory" else tmp_path / "runs.db") as opened:
        yield opened


@pytest.mark.parametrize(
    "reply",
    [
        HALF,
        [{"type": "text", "text": HALF}],
        [{"type": "text", "text": object()}],
        Message(content="x", data={HALF: 1}),
        Message(content="x", sender=HALF),
        Message(content="x", tool_calls=(ToolCall("1", "tool", HALF),)),
        Reply("x", update={"note": HALF}),
        Reply("x", update={"points": float("inf")}),
        Reply("x", update={"points": float("nan")}),
    ],
    ids=["text", "part", "object", "data", "sender", "tool call", "update", "infinite", "not a number"],
)
def test_a_reply_that_cannot_be_kept_is_the_error_of_its_node(store, reply):
    """The run has failed, in the store too, and can be resumed when the node is mended."""
    answers = [reply, "fine"]
    graph = _graph(lambda ctx: answers.pop(0))
    result = graph.run("go", store=store)

    assert result.status == "failed"
    assert [run.status for run in store.runs()] == ["failed"]
    assert graph.resume(result.run_id, store=store).messages[-1].content == "fine"


def test_an_error_that_is_no_valid_text_is_recorded_as_far_as_it_can_be(store):
    """The node's error is its own, not that of writing it down."""

    def node(ctx):
        raise ValueError(HALF)

    result = _graph(node).run("go", store=store)

    assert result.status == "failed"
    assert "half a pair" in result.stop_reason


@pytest.mark.parametrize(
    "options",
    [{"input": HALF}, {"state": {"points": float("inf")}}, {"state": {"note": HALF}}, {"state": {"raw": b"\xff"}}],
    ids=["input", "infinite", "text", "bytes"],
)
def test_an_input_that_cannot_be_kept_is_refused(store, options):
    """Nothing has been written."""
    with pytest.raises(InputError):
        _graph(lambda ctx: "fine").run(**{"input": "go", **options}, store=store)

    assert list(store.runs()) == []


def test_a_type_that_a_nested_graph_registers_is_known_in_its_runs_as_a_node(store):
    """A graph does the same on its own and inside another."""

    async def node(ctx):
        return str((await ctx.effect("score", lambda: Score(points=2))).points)

    inner = ConversationGraph("inner", types=[Score])
    inner.add_node(node)
    inner.add_edge(node, END)
    inner.set_start(node)
    graph = _graph(inner)
    result = graph.run("go", store=store)

    assert result.messages[-1].content == "2.0"
    assert graph.replay(result.run_id, store=store).messages == result.messages
