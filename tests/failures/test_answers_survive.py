"""A model's answer is paid for: it is in the journal as soon as it is there, however long the turn goes on after it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from convgraph import END, Context, ConversationGraph, ScriptedModel, open_store
from convgraph.errors import EffectFailed, InputError
from convgraph.journal.events import EffectFinished
from convgraph.journal.store import Store
from convgraph.protocols import ModelRequest


async def answers_in_the_middle_of(
    graph: ConversationGraph, store: Store, thinking: asyncio.Event, *, resume: bool = False
) -> list[object]:
    """What the journal holds of model calls while the turn is still going on; the run is cancelled then."""
    work = graph.aresume("run", store=store) if resume else graph.arun("hello", store=store, run_id="run")
    task = asyncio.create_task(work)
    await asyncio.wait_for(thinking.wait(), 10)
    for _ in range(5):
        await asyncio.sleep(0)
    events = [recorded.event for recorded in await store.load("run")]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return [event.result["content"] if event.error is None else event.error.type for event in events if isinstance(event, EffectFinished)]


def thinker(thinking: asyncio.Event, *said: str | Exception) -> ConversationGraph:
    """One node that asks a model several times, then thinks for ever."""
    model = ScriptedModel([*said, *said], name="oracle")

    async def think(ctx: Context) -> str:
        for _ in said:
            try:
                await ctx.call_model(model, ModelRequest(ctx.messages, "think"))
            except EffectFailed:
                continue
        thinking.set()
        await asyncio.sleep(3600)
        return "never"

    graph = ConversationGraph("thinker")
    graph.add_node(think)
    graph.add_edge("think", END)
    graph.set_start("think")
    return graph


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        (("one",), ["one"]),
        (("one", "two"), ["one", "two"]),
        ((OSError("no line"), "two"), ["OSError", "two"]),
        ((OSError("no"),), ["OSError"]),
    ],
    ids=["one answer", "two answers", "an answer after an error", "an error"],
)
async def test_an_answer_is_kept_while_its_turn_goes_on(tmp_path: Path, said: tuple[str | Exception, ...], kept: list[object]) -> None:
    thinking = asyncio.Event()
    with open_store(tmp_path / "runs.db") as store:
        assert await answers_in_the_middle_of(thinker(thinking, *said), store, thinking) == kept


async def test_the_first_answer_after_a_resume_is_kept_while_its_turn_goes_on(tmp_path: Path) -> None:
    thinking = asyncio.Event()
    graph = thinker(thinking, "an answer")
    hurried = graph.substitute({"think": _fail})
    with open_store(tmp_path / "runs.db") as store:
        assert (await hurried.arun("hello", store=store, run_id="run")).status == "failed"
        assert await answers_in_the_middle_of(graph, store, thinking, resume=True) == ["an answer"]


@pytest.mark.parametrize("option", [{"human": "nobody"}, {"durability": "sometimes"}])
def test_an_option_that_cannot_be_is_refused_before_anything_is_written(tmp_path: Path, option: dict[str, str]) -> None:
    graph = thinker(asyncio.Event(), "an answer").substitute({"think": _fail})
    with open_store(tmp_path / "runs.db") as store:
        with pytest.raises(InputError, match=next(iter(option))):
            graph.run("hello", store=store, run_id="run", **option)
        assert store.runs() == []
        graph.run("hello", store=store, run_id="run")
        before = store.events("run")
        with pytest.raises(InputError, match=next(iter(option))):
            graph.resume("run", store=store, **option)
        assert store.events("run") == before
        assert store.runs()[0].status == "failed"


async def _fail(ctx: Context) -> str:
    raise RuntimeError("not now")
