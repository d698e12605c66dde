"""An answer that does not fit comes from outside: a replay takes the attempt that it ended from the record."""

from __future__ import annotations

from typing import Any

from convgraph import END, ConversationGraph, Question, open_store
from convgraph.journal.store import Store


def asking(select: str = "first") -> ConversationGraph:
    graph = ConversationGraph("asking", select=select)

    async def ask(ctx: Any) -> str:
        return f"{await ctx.ask('How many?', schema=int)} of them"

    async def note(_: Any) -> str:
        return "noted"

    graph.add_node(ask)
    graph.add_node(note)
    graph.add_edge("ask", "note")
    graph.add_edge("ask", END, when="last.content == 'none'")
    graph.add_edge("note", END)
    graph.set_start("ask")
    return graph


def test_a_run_that_failed_with_an_unfit_answer_and_went_on_is_replayed(tmp_path: Any) -> None:
    store: Store = open_store(tmp_path / "runs.db")
    graph = asking("random")
    given: list[Any] = ["many", 3]

    def person(_: Question) -> Any:
        return given.pop(0)

    failed = graph.run("hi", store=store, run_id="r", human=person)
    assert failed.status == "failed"
    done = graph.resume("r", store=store, human=person)
    assert [message.text for message in done.messages] == ["hi", "3 of them", "noted"]
    assert graph.replay("r", store=store).messages == done.messages
    store.close()
