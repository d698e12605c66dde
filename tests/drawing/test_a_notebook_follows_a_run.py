"""In a real Jupyter kernel: a graph shows itself, a run is followed while it goes on, and its result is the graph with the run on it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from jupyter_client.manager import KernelManager

from convgraph import END, AssistantAgent, ConversationGraph, ScriptedModel, watch
from convgraph.sync import run_sync

BEFORE = """
import asyncio
from convgraph import END, AssistantAgent, ConversationGraph, Limits, ScriptedModel, watch

async def slowly(request):
    await asyncio.sleep(0.05)
    return "<b>bold</b> & <script>alert(1)</script>" if request.speaker == "writer" else "APPROVED"

model = ScriptedModel(slowly)
graph = ConversationGraph("essay", limits=Limits(turns=10))
for name in ("writer", "critic"):
    graph.add_node(AssistantAgent(name, "You work.", model=model))
graph.add_edge("writer", "critic")
graph.add_edge("critic", END)
graph.set_start("writer")
"""


class Notebook:
    """A kernel that executes cells, one after the other, as Jupyter has it do."""

    def __init__(self, client: Any) -> None:
        self.client = client

    def cell(self, code: str) -> list[tuple[str, dict[str, Any]]]:
        """What a cell puts out: the kind of message and its content. Raises `AssertionError` for a cell that fails."""
        asked = self.client.execute(code)
        put_out: list[tuple[str, dict[str, Any]]] = []
        while True:
            message = self.client.get_iopub_msg(timeout=60)
            if message["parent_header"].get("msg_id") != asked:
                continue
            kind, content = message["msg_type"], message["content"]
            assert kind != "error", "\n".join(content["traceback"])
            if kind == "status" and content["execution_state"] == "idle":
                return put_out
            put_out.append((kind, content))


@pytest.fixture(scope="module")
def notebook() -> Iterator[Notebook]:
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel()
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=60)
        opened = Notebook(client)
        opened.cell(BEFORE)
        yield opened
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def shown(put_out: list[tuple[str, dict[str, Any]]], kind: str, mime: str) -> list[str]:
    return [content["data"][mime] for name, content in put_out if name == kind and mime in content["data"]]


def test_a_graph_shows_itself(notebook: Notebook) -> None:
    pictures = shown(notebook.cell("graph"), "execute_result", "image/svg+xml")

    assert len(pictures) == 1
    assert "writer" in pictures[0]


def test_a_run_is_followed_in_place_while_it_goes_on(notebook: Notebook) -> None:
    put_out = notebook.cell('result = await watch(graph.astream("Write."))')

    first = shown(put_out, "display_data", "image/svg+xml")
    later = shown(put_out, "update_display_data", "image/svg+xml")
    assert len(first) == 1  # one picture, which is updated
    assert later
    assert "finished" in later[-1]
    assert "finished" not in first[0]
    places = {content["transient"]["display_id"] for kind, content in put_out if kind in ("display_data", "update_display_data")}
    assert len(places) == 2  # the picture and the transcript


def test_what_a_model_says_is_text_and_never_markup(notebook: Notebook) -> None:
    put_out = notebook.cell('result = await watch(graph.astream("Write."))')

    words = shown(put_out, "update_display_data", "text/html")[-1]
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in words
    assert "<script" not in words
    assert "finished: reached END" in words
    assert "<script" not in "".join(shown(put_out, "update_display_data", "image/svg+xml"))


def test_a_result_shows_the_graph_with_the_run_on_it(notebook: Notebook) -> None:
    pictures = shown(notebook.cell('graph.run("Write.")'), "execute_result", "image/svg+xml")

    assert "finished" in pictures[0]


def test_a_run_that_cannot_start_says_so_in_the_cell(notebook: Notebook) -> None:
    with pytest.raises(AssertionError, match="CheckFailed"):
        notebook.cell('await watch(ConversationGraph("empty").astream("hello"))')


def test_outside_of_a_notebook_the_run_is_followed_all_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    graph = ConversationGraph("short")
    graph.add_node(AssistantAgent("writer", "You write.", model=ScriptedModel(["Done."])))
    graph.add_edge("writer", END)
    graph.set_start("writer")

    result = run_sync(watch(graph.astream("Write.")))

    assert (result.status, result.messages[-1].text) == ("finished", "Done.")
    assert capsys.readouterr().out == ""
