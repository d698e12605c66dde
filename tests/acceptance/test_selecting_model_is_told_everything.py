"""A model that chooses the next speaker is told who said what; when it cannot be asked, the run says why."""

from __future__ import annotations

from convgraph import END, ConversationGraph, OpenAIChatModel, ScriptedModel, open_store
from convgraph.testing import HttpError, ScriptedServer


def _newsroom(model, **options):
    graph = ConversationGraph("newsroom", select="auto", selector_model=model, **options)
    for name in ("writer", "select", "critic"):
        graph.add_node(lambda ctx, name=name: f"{name} speaks", name=name)
    graph.add_edge("writer", "select", priority=1)
    graph.add_edge("select", "writer", when="turn > 9")
    graph.add_edge("select", "critic")
    graph.add_edge("select", END)
    graph.add_edge("critic", END)
    graph.set_start("writer")
    return graph


def test_every_message_reaches_the_selecting_model_with_its_sender():
    """None of them is its own, whatever the nodes are called."""
    with ScriptedServer(["nobody", "critic"]) as server:
        result = _newsroom(OpenAIChatModel("any", base_url=server.base_url, api_key="none")).run("go")
        said = [exchange.request["messages"] for exchange in server.log]

    assert result.messages[-1].content == "critic speaks"
    told = [(message["role"], message.get("name"), message["content"]) for message in said[0][1:]]
    assert told == [("user", None, "go"), ("user", "writer", "writer speaks"), ("user", "select", "select speaks")]
    assert [message["role"] for message in said[1][-2:]] == ["assistant", "user"]


def test_a_selecting_model_that_cannot_be_asked_is_the_reason_that_is_given():
    """Not that it chose nothing: it never heard the question."""
    with ScriptedServer([HttpError(401, "no such key")]) as server:
        store = open_store(":memory:")
        graph = _newsroom(OpenAIChatModel("any", base_url=server.base_url, api_key="none"))
        result = graph.run("go", store=store)

    assert result.status == "failed"
    assert "no such key" in result.stop_reason
    assert "no such key" in graph.replay(result.run_id, store=store).stop_reason


def test_the_last_answer_of_a_selecting_model_is_the_reason_that_is_given():
    """A reader of the run sees what the model said instead of a name."""
    result = _newsroom(ScriptedModel(["I would rather not"] * 3)).run("go")

    assert result.status == "failed"
    assert "I would rather not" in result.stop_reason
