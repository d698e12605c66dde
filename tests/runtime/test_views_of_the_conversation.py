"""What a node is shown of a long conversation, by node and by edge: nothing stored changes, and tools keep their results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convgraph import (
    END,
    AssistantAgent,
    Context,
    ConversationGraph,
    Limits,
    Message,
    Parallel,
    Reply,
    ScriptedModel,
    ToolCall,
    View,
    open_store,
)
from convgraph.errors import CheckFailed, DefinitionError
from convgraph.graph.documents import difference, from_document, to_document
from convgraph.graph.views import message_tokens


def count(name: str) -> Any:
    """A node that says a number, one more each time."""

    def speak(ctx: Context) -> str:
        return f"{name} {ctx.visits.get(name, 0) + 1}"

    speak.__name__ = name
    return speak


class Heard(list[list[str]]):
    """A node that notes what it is shown."""

    async def speak(self, ctx: Context) -> str:
        self.append([message.text for message in await ctx.shown()])
        return f"heard {len(self)}"


def talk(own: View | None, heard: Heard, rounds: int = 4, **edge: Any) -> ConversationGraph:
    graph = ConversationGraph("talk", limits=Limits(turns=40))
    graph.add_node(count("talker"))
    graph.add_node(heard.speak, "listener", view=own)
    graph.add_edge("talker", "listener", **edge)
    graph.add_edge("listener", END, when=f'visits["listener"] >= {rounds}')
    graph.add_edge("listener", "talker")
    graph.set_start("talker")
    return graph


def test_a_node_is_shown_the_end_of_the_conversation_and_all_of_it_is_stored() -> None:
    heard = Heard()
    result = talk(View(last=3), heard).run("begin")

    assert heard[0] == ["begin", "talker 1"]
    assert heard[-1] == ["talker 3", "heard 3", "talker 4"]
    assert [message.text for message in result.messages][:3] == ["begin", "talker 1", "heard 1"]
    assert len(result.messages) == 9


def test_the_first_message_may_stay_in_sight() -> None:
    heard = Heard()
    talk(View(last=1, keep_first=True), heard).run("the task")

    assert heard == [["the task", f"talker {number}"] for number in range(1, 5)]


def test_the_view_of_the_edge_counts_before_that_of_the_node() -> None:
    """Who comes over the other edge is shown what the node's own view leaves."""
    heard = Heard()
    graph = talk(View(last=2), heard, 3, view=View(last=1), when="turn <= 3")
    graph.add_edge("talker", "listener", label="later")
    graph.run("begin")

    assert heard == [["talker 1"], ["talker 2"], ["heard 2", "talker 3"]]


def test_a_view_by_tokens_shows_the_newest_even_where_that_is_more() -> None:
    heard = Heard()
    talk(View(tokens=1), heard, 2).run("begin")

    assert heard == [["talker 1"], ["talker 2"]]


@given(st.lists(st.sampled_from(["said", "call", "result"]), max_size=20), st.integers(1, 8), st.one_of(st.none(), st.integers(1, 30)))
def test_no_view_parts_a_call_from_its_results(kinds: Sequence[str], last: int, tokens: int | None) -> None:
    messages = [
        Message("a", f"message {number}", "tool" if kind == "result" else "assistant", tool_calls=(ToolCall("1", "t"),) * (kind == "call"))
        for number, kind in enumerate(kinds)
    ]
    start = View(last=last, tokens=tokens).begins(messages)
    shown = messages[start:]

    assert bool(shown) == bool(messages)
    assert start == 0 or messages[start].role != "tool"
    newest = max((number for number, one in enumerate(messages) if one.role != "tool"), default=0)
    if start < newest:  # more than the newest unit is shown only as far as there is room
        assert len(shown) <= last
        assert tokens is None or sum(map(message_tokens, shown)) <= tokens


def writer_and_critic(view: View, model: ScriptedModel) -> ConversationGraph:
    graph = ConversationGraph("essay", state={"so_far": {"type": "object", "default": {}}}, limits=Limits(turns=40))
    graph.add_node(AssistantAgent("writer", "You write.", model=model), view=view)
    graph.add_node(count("critic"))
    graph.add_edge("writer", END, when='visits["writer"] == 6')
    graph.add_edge("writer", "critic")
    graph.add_edge("critic", "writer")
    graph.set_start("writer")
    return graph


class Noting(ScriptedModel):
    """A model that sums up when asked to, and notes what it was shown otherwise."""

    def __init__(self) -> None:
        super().__init__([])
        self.shown: list[list[str]] = []
        self.summed_up: list[str] = []

    async def respond(self, request: Any, on_delta: Any = None) -> Any:
        from convgraph.messages import Usage
        from convgraph.protocols import ModelReply

        if request.speaker == "summary":
            self.summed_up.append(request.messages[0].text)
            return ModelReply(f"summary {len(self.summed_up)}", usage=Usage(1, 10, 2))
        self.shown.append([message.text for message in request.messages])
        return ModelReply(f"draft {len(self.shown)}", usage=Usage(1, 5, 3))


def test_a_summary_is_made_by_the_agents_model_grows_and_is_counted() -> None:
    """Each summary is asked to add to the one before: what is paid for it grows with the conversation, not with its square."""
    model = Noting()
    result = writer_and_critic(View(last=2, summary="so_far", every=3), model).run("Write.")

    assert result.status == "finished"
    assert model.shown[0] == ["Write."]
    assert model.shown[1] == ["Write.", "draft 1", "critic 1"]  # one message has left the view: not worth a summary yet
    assert model.shown[2] == ["Summary of what was said before:\nsummary 1", "draft 2", "critic 2"]
    assert model.shown[3] == ["Summary of what was said before:\nsummary 1", "draft 2", "critic 2", "draft 3", "critic 3"]
    assert model.shown[4] == ["Summary of what was said before:\nsummary 2", "draft 4", "critic 4"]
    assert len(model.summed_up) == 2
    assert "summary 1" in model.summed_up[1]
    assert "Write." not in model.summed_up[1]
    assert result.usage.calls == 8
    assert result.state.so_far == {"upto": 7, "text": "summary 2"}


def test_a_summary_is_kept_over_resume_and_replay() -> None:
    model = Noting()
    graph = writer_and_critic(View(last=2, summary="so_far"), model)
    with open_store(":memory:") as store:
        whole = graph.run("Write.", store=store)
        asked = len(model.summed_up)
        again = graph.fork(whole.run_id, store=store, at=6)
        resumed = graph.resume(again, store=store)
        after = len(model.summed_up)
        replayed = graph.replay(whole.run_id, store=store)

    assert [message.sender for message in resumed.messages] == [message.sender for message in whole.messages]
    assert after - asked < asked, "what was summed up before the fork is not summed up again"
    assert replayed.messages == whole.messages
    assert len(model.summed_up) == after


def test_views_stand_in_documents_differences_and_drawings() -> None:
    graph = talk(View(last=3, keep_first=True), Heard(), view=View(tokens=500), label="tell")
    document = to_document(graph.definition)
    twin = from_document(document)
    other = to_document(talk(View(last=4), Heard(), view=View(tokens=500), label="tell").definition)

    assert document["nodes"][1]["view"] == {"last": 3, "keep_first": True}
    assert document["edges"][0]["view"] == {"tokens": 500}
    assert twin.nodes["listener"].view == View(last=3, keep_first=True)
    assert twin.edges[0].view == View(tokens=500)
    assert [(change.kind, change.compatible) for change in difference(document, other)] == [("view", True)]
    drawn = graph.to_mermaid()
    assert "shown: last 3, the first" in drawn
    assert "tell · shown: 500 tokens" in drawn


@pytest.mark.parametrize("values", [{}, {"last": 0}, {"last": True}, {"tokens": "many"}, {"last": 2, "every": 3}, {"keep_first": True}])
def test_views_that_make_no_sense_are_refused(values: Any) -> None:
    with pytest.raises(DefinitionError, match="View"):
        View(**values)


def test_what_is_no_view_is_refused_where_it_is_given() -> None:
    graph = ConversationGraph("talk")
    with pytest.raises(DefinitionError, match=r"view= takes a View, such as View\(last=10\), not 10"):
        graph.add_node(count("talker"), view=10)  # type: ignore[arg-type]  # what a user might try
    with pytest.raises(DefinitionError, match=r"edge a -> b: view= takes a View"):
        graph.add_edge("a", "b", view={"last": 1})  # type: ignore[arg-type]  # what a user might try


def inner() -> ConversationGraph:
    graph = ConversationGraph("inner")
    graph.add_node(count("one"))
    graph.add_edge("one", END)
    graph.set_start("one")
    return graph


@pytest.mark.parametrize(
    ("speaker", "view", "state", "said"),
    [
        (inner(), View(last=1), None, "a conversation of its own"),
        (
            Parallel(count("a"), count("b")),
            View(last=1, summary="so_far"),
            {"so_far": {"type": "object", "default": {}}},
            "cannot keep a summary",
        ),
        (AssistantAgent("agent", model=ScriptedModel(["x"])), View(last=1, summary="so_far"), None, "no field of the state"),
        (AssistantAgent("agent", llm_config=False), View(last=1, summary="s"), {"s": {"type": "object", "default": {}}}, "has no model"),
    ],
)
def test_views_that_nobody_can_be_shown_are_found_before_a_run(speaker: Any, view: View, state: Any, said: str) -> None:
    graph = ConversationGraph("g", state=state)
    graph.add_node(speaker, "node", view=view)
    graph.add_edge("node", END)
    graph.set_start("node")
    found = [finding for finding in graph.check() if finding.code == "unfit-view"]

    assert len(found) == 1
    assert said in str(found[0])
    with pytest.raises(CheckFailed, match="unfit-view"):
        graph.run("hello")


def test_a_function_without_a_model_is_told_what_a_summary_needs() -> None:
    async def lost(ctx: Context) -> Reply:
        await ctx.shown()
        return Reply("never")

    graph = ConversationGraph("g", state={"s": {"type": "object", "default": {}}})
    graph.add_node(lost, view=View(last=1, summary="s", every=1))
    graph.add_edge("lost", END)
    graph.set_start("lost")
    result = graph.run([Message("user", "one"), Message("user", "two")])

    assert result.status == "failed"
    assert "await ctx.shown(model)" in result.stop_reason


def test_plain_functions_and_branches_are_shown_the_view_too() -> None:
    heard: list[list[str]] = []

    def plain(ctx: Context) -> str:
        heard.append([message.text for message in ctx.sync.shown()])
        return "plain"

    graph = ConversationGraph("g")
    graph.add_node(Parallel(plain, count("other")), "group", view=View(last=1))
    graph.add_edge("group", END)
    graph.set_start("group")
    graph.run(["one", "two"])

    assert heard == [["two"]]
