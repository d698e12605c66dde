"""A run's record as a small file of plain JSON, and its replay against the graph as it is now: what generated tests stand on.

The file holds the journal's events and the setups of the model calls (a prompt, tools), so that a difference can be shown.
It does not hold the graph, nor where that lies: the test says which graph it is for.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

from convgraph.errors import InputError
from convgraph.journal.events import EffectFinished, Event
from convgraph.journal.memory import MemoryStore
from convgraph.journal.record_text import Record, contents_of, from_text, path_of, to_text, without_place
from convgraph.journal.records import kept
from convgraph.journal.store import Store
from convgraph.runtime.inputs import Options
from convgraph.runtime.program import Program
from convgraph.runtime.replay import replay
from convgraph.runtime.result import RunResult
from convgraph.sync import run_sync

__all__ = ["STOPPED", "Record", "areplay_record", "from_text", "kept", "path_of", "record_of", "replay_record", "to_text"]

STOPPED = ("finished", "stuck", "waiting", "limited", "failed", "cancelled")
"""What a run is whose record can be kept: one that goes on would be another one by the time it is replayed."""


class HasProgram(Protocol):
    """A graph that can be run: a `ConversationGraph`."""

    def program(self) -> Program: ...


async def record_of(store: Store, run_id: str) -> Record:
    """The record of a stored run. Raises `RunNotFound`, and `InputError` for a run that has not stopped yet."""
    info = await store.info(run_id)
    if info.status not in STOPPED:
        raise InputError(f"run {run_id!r} is {info.status}; a record is kept of a run that has stopped, so resume it first")
    events = [recorded.event for recorded in await store.load(run_id)]
    contents = {digest: text for digest in _setups(events) if (text := await store.content(digest)) is not None}
    return Record(run_id, info.graph, info.fingerprint, tuple(without_place(event) for event in events), contents)


def replay_record(graph: HasProgram, file: str | Path, *, deps: Any = None) -> RunResult:
    """Re-execute a recorded run against `graph` as it is now: no model, tool or person is asked, and nothing is written.

    `file` is what `convgraph testcase` has written beside the test. `deps` are the live objects that the nodes' code expects.
    Returns the result. Raises `ReplayDivergence`, with the step and a diff, at the first difference between what the graph
    does now and what the record says, `InputError` for a file that is no record.
    """
    try:
        text = Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{str(file)!r} cannot be read: {error}") from error
    return run_sync(areplay_record(graph, from_text(text, str(file)), deps=deps))


async def areplay_record(graph: HasProgram, record: Record, *, deps: Any = None) -> RunResult:
    """Re-execute a record against `graph` as it is now. See `replay_record`."""
    program = graph.program()
    program.require_sound()
    store = MemoryStore()
    await kept(record, store)
    return await replay(program, record.run_id, store, Options(deps))


def _setups(events: Iterable[Event]) -> list[str]:
    """The digests of the setups of the model calls, each once: what is needed of an event's contents to show a difference."""
    return contents_of(event for event in events if isinstance(event, EffectFinished))
