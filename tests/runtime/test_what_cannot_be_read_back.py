"""Nothing is written that could not be read back: it would cost the run all that it holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from convgraph import END, Context, ConversationGraph, open_store
from convgraph.errors import InputError, NotEncodable
from convgraph.journal.codec import encode_event
from convgraph.journal.events import AttemptFailed, EffectFinished, EffectStarted, Ended, Event, Moved, Question, RunStarted


def asking(**options: Any) -> ConversationGraph:
    async def ask(ctx: Context) -> str:
        return await ctx.ask(**options)

    graph = ConversationGraph("asking")
    graph.add_node(ask)
    graph.add_edge("ask", END)
    graph.set_start("ask")
    return graph


@pytest.mark.parametrize("options", [{"prompt": 5}, {"prompt": "Sure?", "id": 5}, {"prompt": "Sure?", "to": 7}])
def test_a_question_that_is_no_text_is_not_put(options: dict[str, Any], tmp_path: Path) -> None:
    store = str(tmp_path / "runs.db")
    failed = asking(**options).run("go", store=store, human="park")
    assert failed.status == "failed"
    assert "are texts" in failed.stop_reason
    assert asking(prompt="Sure?").resume(failed.run_id, store=store, human=lambda _: "yes").status == "finished"


def test_a_target_that_is_no_text_begins_nothing(tmp_path: Path) -> None:
    with open_store(tmp_path / "runs.db") as store:
        for begin in (asking(prompt="Sure?").run, asking(prompt="Sure?").submit):
            with pytest.raises(InputError, match="target=5 is no text"):
                begin("go", store=store, target=5)
        assert store.runs() == []


@pytest.mark.parametrize(
    "event",
    [
        RunStarted("g", "f", "d", target=cast("Any", 5)),
        EffectStarted("1", "human", "ask", 0, "d", question=Question(cast("Any", 5), "Sure?")),
        EffectStarted("1", cast("Any", "magic"), "ask", 0, "d"),
        AttemptFailed("1", cast("Any", "first"), cast("Any", ("E", "m", "n"))),
        Moved("1", "a", cast("Any", None)),
        Ended(cast("Any", "over"), ""),
    ],
)
def test_an_event_that_does_not_fit_its_type_is_refused_with_its_place(event: Event) -> None:
    with pytest.raises(NotEncodable, match=r"cannot be written to the journal: .* - at `\$\."):
        encode_event(event)


def test_a_value_that_is_no_json_is_refused() -> None:
    with pytest.raises(NotEncodable, match=r"builtins\.object cannot be journaled"):
        encode_event(EffectFinished("1", "tool", "look", 0, "d", object()))
