"""A step writes what the step added: a journal's size grows with the work, not with its square, nor with the cast."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from convgraph import END, AssistantAgent, ConversationGraph, ScriptedModel, open_store
from convgraph.journal.codec import encode_event
from convgraph.journal.events import EffectFinished, RunStarted
from convgraph.journal.store import Store
from convgraph.sync import run_sync

PAYLOAD = "a sentence of some length, as agents write them. " * 4


def group(agents: int, turns: int) -> ConversationGraph:
    """Agents who speak in turn, each seeing all that was said."""
    model = ScriptedModel(lambda _: PAYLOAD)
    graph = ConversationGraph("group", select="round_robin")
    names = [f"agent-{number:03}" for number in range(agents)]
    for name in names:
        graph.add_node(AssistantAgent(name, "You speak.", model=model))
    for source in names:
        graph.add_edge(source, END, when=f"turn >= {turns}", priority=1)
        for offset in (1, 2):
            graph.add_edge(source, names[(names.index(source) + offset) % agents])
    graph.set_start(names[0])
    return graph


def kept(path: Path, agents: int, turns: int) -> tuple[int, int]:
    """A run of so many turns: the bytes of its events, and those of the store's file."""
    with open_store(path, synchronous="NORMAL") as store:
        result = group(agents, turns).run("hello", store=store)
        assert result.steps == turns
        events = sum(len(encode_event(recorded.event)) for recorded in store.events(result.run_id))
    return events, sum(file.stat().st_size for file in path.parent.glob(f"{path.name}*"))


def test_a_thousand_steps_take_ten_times_as_much_as_a_hundred(tmp_path: Path) -> None:
    _, hundred = kept(tmp_path / "100.db", 5, 100)
    _, thousand = kept(tmp_path / "1000.db", 5, 1000)
    assert thousand / hundred <= 11
    assert thousand / 1000 <= len(PAYLOAD) * 2 + 1000  # said once by the model, and once by the agent


def test_a_step_among_a_hundred_agents_takes_what_it_takes_among_five(tmp_path: Path) -> None:
    """The graph and its prompts are kept once. Files are packed first: how full pages are when rows are added is chance."""
    few, _ = kept(tmp_path / "5.db", 5, 1000)
    many, _ = kept(tmp_path / "100.db", 100, 1000)
    few_in_file, many_in_file = packed(tmp_path / "5.db"), packed(tmp_path / "100.db")
    with open_store(tmp_path / "100.db") as store:
        once = sum(len(text) for text in _contents(store))
    assert abs(many - few) / few <= 0.01
    assert abs(many_in_file - once - few_in_file) / few_in_file <= 0.05


def packed(path: Path) -> int:
    """The size of the store's file without the room that is left in its pages."""
    with closing(sqlite3.connect(path)) as db:
        db.execute("VACUUM INTO ?", (f"{path}.packed",))
    return Path(f"{path}.packed").stat().st_size


def _contents(store: Store) -> set[str]:
    """The graph's document and the agents' prompts, as the events of the one run refer to them."""
    digests: set[str] = set()
    for recorded in store.events(store.runs()[0].run_id):
        event = recorded.event
        if isinstance(event, RunStarted):
            digests.add(event.definition)
        elif isinstance(event, EffectFinished) and event.request is not None:
            digests.add(event.digest.partition(".")[0])
    return {text for digest in digests if (text := run_sync(store.content(digest))) is not None}
