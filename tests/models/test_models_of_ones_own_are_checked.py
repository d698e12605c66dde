"""What a model of somebody's own gives that could be written and not be read back is told before it is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from convgraph import END, ConversableAgent, ConversationGraph
from convgraph.messages import Usage
from convgraph.protocols import ModelReply, ModelRequest


class Own:
    name = "own"
    priced = True

    def __init__(self, reply: Any) -> None:
        self.reply = reply

    def describe(self) -> Mapping[str, Any]:
        return {"type": "own"}

    def sends(self, request: ModelRequest) -> Mapping[str, Any]:
        return {"speaker": request.speaker}

    async def respond(self, request: ModelRequest, on_delta: Callable[[str], None] | None = None) -> ModelReply:
        return self.reply


def asking(reply: Any) -> ConversationGraph:
    graph = ConversationGraph("asking")
    graph.add_node(ConversableAgent("agent", model=Own(reply)))
    graph.add_edge("agent", END)
    graph.set_start("agent")
    return graph


COUNTED_ODDLY: list[tuple[Any, ...]] = [("1",), (1, 2.5), (1, 0, 0, Decimal("0.1")), (1, 0, 0, float("nan"))]


@pytest.mark.parametrize("usage", [None, {"calls": 1}, (1, 2, 3, 0.0, 0), *(Usage(*each) for each in COUNTED_ODDLY)])
def test_a_usage_that_is_none_fails_the_turn_and_the_run_goes_on_with_another_answer(usage: Any, tmp_path: Path) -> None:
    store = str(tmp_path / "runs.db")
    failed = asking(ModelReply("Hello.", usage=usage)).run("go", store=store)
    assert failed.status == "failed"
    assert "model 'own' answered with usage=" in failed.stop_reason
    result = asking(ModelReply("Hello.", usage=Usage(1, 2, 3, 0.5))).resume(failed.run_id, store=store, redo_turn=True)
    assert (result.status, result.usage) == ("finished", Usage(1, 2, 3, 0.5))


@pytest.mark.parametrize("reply", ["Hello.", None, {"content": "Hello."}])
def test_what_is_no_reply_fails_the_turn(reply: Any) -> None:
    failed = asking(reply).run("go")
    assert (failed.status, "a model answers with a ModelReply" in failed.stop_reason) == ("failed", True)
