"""Runs are found by what is listed of them and by what was said, the same in every store, and never by how it is stored."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from convgraph import Message
from convgraph.errors import InputError
from convgraph.graph.state import ErrorInfo
from convgraph.journal import searching
from convgraph.journal.events import (
    AttemptFailed,
    BranchFinished,
    Edited,
    EffectFinished,
    EffectStarted,
    Ended,
    Event,
    Question,
    RunStarted,
    Stepped,
)
from convgraph.journal.runs import NewRun
from convgraph.journal.store import Store
from convgraph.messages import ToolCall

STARTED = RunStarted("chat", "print", "d1e2a3d4", (Message("user", "hello"),))
AWKWARD = [
    "50% off",
    "a_b",
    "back\\slash",
    'say "hi"',
    "it's; DROP TABLE runs; --",
    "two\nlines",
    "tab\there",
    "Ünïcode Straße",
    "ключ",
    "名前",
    "\N{PILE OF POO}",
    "ﬁ",
    "\x01",
    "?1 :name %s",
]


async def made(
    store: Store, run_id: str, *events: Event, graph: str = "chat", reason: str = "because", labels: tuple[str, ...] = ()
) -> None:
    claim = await store.create(NewRun(run_id, graph, "print", labels=labels), [STARTED, *events])
    await store.append(claim, [Ended("finished", reason)])
    await store.release(claim)


def said(*texts: str) -> Stepped:
    return Stepped("1", "speaker", tuple(Message("speaker", text) for text in texts), target="END", edge=0)


async def ids(store: Store, text: str, **filters: Any) -> list[str]:
    return [run.run_id for run in await store.aruns(text=text, **filters)]


async def test_runs_are_found_by_what_is_listed_of_them(store: Store) -> None:
    await made(store, "Order-17")
    await made(store, "two", graph="ordering")
    await made(store, "three", reason="the ORDER was refused")
    await made(store, "four", labels=("reordered", "eu"))
    await made(store, "five")
    for journals in (True, False):
        assert await ids(store, "order", journals=journals) == ["four", "three", "two", "Order-17"]
        assert await ids(store, "ORDER-1", journals=journals) == ["Order-17"]
        assert await ids(store, "reordered eu", journals=journals) == []
        assert await ids(store, "disorder", journals=journals) == []


EVENTS: list[Event] = [
    said("nothing", "we FOUND it"),
    Stepped("1", "n", (Message("n", [{"type": "text", "text": "found"}]),), target="END", edge=0),
    Stepped("1", "n", (Message("n", "", tool_calls=(ToolCall("1", "dig", '{"what": "found"}'),)),), target="END", edge=0),
    Stepped("1", "n", updates=({"place": ["deep", {"in": "found it"}]},), target="END", edge=0),
    Stepped("1", "n", target="END", edge=0, reason="nothing found"),
    Edited("continued", messages=(Message("user", "found?"),)),
    Edited("forked", last=Message("user", "found?")),
    EffectStarted("1", "human", "ada", 0, "digest", question=Question("q", "Who found it?")),
    EffectFinished("1", "tool", "dig", 0, "digest", {"result": ["found"]}),
    EffectFinished("1", "tool", "dig", 0, "digest", error=ErrorInfo("ValueError", "not found", "n")),
    AttemptFailed("1", 1, ErrorInfo("ValueError", "not found", "n")),
    BranchFinished("1/a", "a", (Message("a", "found"),)),
]


async def test_runs_are_found_by_what_was_said_asked_answered_or_reported(store: Store) -> None:
    for number, event in enumerate(EVENTS):
        await made(store, f"run-{number}", event)
        await made(store, f"other-{number}", said("nothing"))
    assert await ids(store, "found") == [f"run-{number}" for number in reversed(range(len(EVENTS)))]
    assert await ids(store, "found", journals=False) == []


async def test_how_it_is_stored_is_not_what_was_said(store: Store) -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,Zm91bmQ"}}
    effect = EffectFinished("7", "tool", "tool-name", 0, "deadbeef", {"field": [picture, 1234.5, True, None]})
    await made(store, "run", effect, Stepped("7", "speaker", (Message("speaker", [picture]),), target="target", edge=0))
    for text in (
        "sender",
        "content",
        "digest",
        "deadbeef",
        "d1e2a3d4",
        "field",
        "role",
        "Zm91bmQ",
        "null",
        "true",
        "{",
        '"',
        "speaker",
        "target",
    ):
        assert await ids(store, text) == [], text
    assert await ids(store, "1234.5") == ["run"]


async def test_a_text_is_only_ever_data(store: Store) -> None:
    await made(store, "other", said("5000 offers, aXb, backXslash, say hi, lines two"))
    for number, text in enumerate(AWKWARD):
        await made(store, f"said-{number}", said(f"… {text} …"))
        await made(store, f"listed-{number}", graph=text, reason=f"<{text}>")
    for number, text in enumerate(AWKWARD):
        assert await ids(store, text, graph="chat") == [f"said-{number}"], text
        assert await ids(store, text, journals=False) == [f"listed-{number}"], text


async def test_the_case_of_all_letters_is_alike(store: Store) -> None:
    await made(store, "run", said("ÄRGER mit Ключи"), graph="ÖL")
    for text in ("ärger", "Ärger MIT", "КЛЮЧИ", "ключ", "öl"):
        assert await ids(store, text) == ["run"], text
    assert await ids(store, "öl", journals=False) == ["run"]
    assert await ids(store, "arger") == []


async def test_a_search_goes_together_with_filters_limits_and_pages(store: Store) -> None:
    for number in range(12):
        words = "frost" if number % 2 else "foxes"
        await made(store, f"run-{number}", said(words), graph="a" if number < 8 else "b", labels=("low",) if number < 4 else ())
    await store.release(await store.claim("run-9"))
    wanted = ["run-11", "run-9", "run-7", "run-5", "run-3", "run-1"]
    assert await ids(store, "FROST") == wanted
    assert await ids(store, "frost", limit=2) == wanted[:2]
    assert await ids(store, "frost", limit=2, before="run-9") == wanted[2:4]
    assert await ids(store, "frost", graph="b") == wanted[:2]
    assert await ids(store, "frost", label="low") == wanted[-2:]
    assert await ids(store, "frost", status="interrupted") == ["run-9"]
    assert await ids(store, "frost", limit=0) == []
    seen: list[str] = []
    while page := await ids(store, "frost", limit=1, **({"before": seen[-1]} if seen else {})):
        seen += page
    assert seen == wanted


async def test_the_oldest_of_many_runs_is_found(store: Store) -> None:
    await made(store, "oldest", said("frost"), labels=("rare",))
    await asyncio.gather(*(store.create(NewRun(f"run-{n}", "chat", "print"), [STARTED], claim=False) for n in range(450)))
    for limit in (None, 1, 2):
        assert await ids(store, "frost", limit=limit) == ["oldest"]
        assert await ids(store, "oldest", limit=limit, journals=False) == ["oldest"]
        assert [run.run_id for run in await store.aruns(label="rare", limit=limit)] == ["oldest"]
    assert len(await ids(store, "hello")) == 451


async def test_a_fork_is_found_by_what_it_shares_and_by_nothing_else(store: Store) -> None:
    await made(store, "one", said("frost"), said("foxes"))
    fork = NewRun("two", "chat", "print", parent="one", parent_seq=1, parent_step=1)
    await store.create(fork, [Edited("forked"), said("fires")], claim=False)
    await store.create(NewRun("three", "chat", "print", parent="two", parent_seq=2, parent_step=1), [Edited("forked")], claim=False)
    await store.create(NewRun("child", "chat", "print", parent="one", parent_seq=-1), [STARTED], claim=False)
    assert await ids(store, "frost") == ["three", "two", "one"]
    assert await ids(store, "foxes") == ["one"]
    assert await ids(store, "fires") == ["two"]
    assert await ids(store, "hello") == ["child", "three", "two", "one"]


@pytest.mark.parametrize("text", ["", " ", "x" * 1001, "a\0b", "\ud800", 7], ids=["empty", "blank", "long", "nul", "surrogate", "number"])
async def test_what_cannot_be_searched_for_is_refused(store: Store, text: Any) -> None:
    with pytest.raises(InputError, match="text="):
        await store.aruns(text=text)


def test_a_pattern_lets_through_whatever_holds_the_text() -> None:
    """Letters whose case databases may not know become wildcards; those without case stay."""
    assert searching.pattern("50%_a\\") == "%50\\%\\_a\\\\%"
    assert searching.pattern("Öl 名") == "%%l 名%"
    assert searching.body_pattern('"\n') == '%\\\\"\\\\n%'
