"""A run's record as a small file of plain JSON, and its replay against the graph as it is now: what generated tests stand on.

The file holds the journal's events and the setups of the model calls (a prompt, tools), so that a difference can be shown.
It does not hold the graph, nor where that lies: the test says which graph it is for.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, cast

from convgraph.errors import InputError
from convgraph.journal.codec import decode_event, encode_event
from convgraph.journal.events import EffectFinished, Event, RunStarted, Stepped
from convgraph.journal.memory import MemoryStore
from convgraph.journal.store import NewRun, RunInfo, Store
from convgraph.journal.turn_paths import is_inner
from convgraph.runtime.inputs import Options
from convgraph.runtime.program import Program
from convgraph.runtime.replay import replay
from convgraph.runtime.result import RunResult
from convgraph.sync import run_sync

FORMAT = 1
STOPPED = ("finished", "stuck", "waiting", "limited", "failed", "cancelled")
"""What a run is whose record can be kept: one that goes on would be another one by the time it is replayed."""


class HasProgram(Protocol):
    """A graph that can be run: a `ConversationGraph`."""

    def program(self) -> Program: ...


@dataclass(frozen=True, slots=True)
class Record:
    """What a run's journal holds, whichever runs it shares its steps with, and the contents that its model calls refer to."""

    run_id: str
    graph: str
    fingerprint: str
    events: tuple[Event, ...]
    contents: Mapping[str, str]

    @property
    def path(self) -> list[str]:
        """The nodes that had the turn, in order; those of nested conversations are left out."""
        return path_of(self.events)


def path_of(events: Iterable[Event]) -> list[str]:
    """The nodes that had the turn in these events, in order; those of nested conversations are left out."""
    return [event.node for event in events if isinstance(event, Stepped) and not is_inner(event.path)]


async def record_of(store: Store, run_id: str) -> Record:
    """The record of a stored run. Raises `RunNotFound`, and `InputError` for a run that has not stopped yet."""
    info = await store.info(run_id)
    if info.status not in STOPPED:
        raise InputError(f"run {run_id!r} is {info.status}; a record is kept of a run that has stopped, so resume it first")
    events = [recorded.event for recorded in await store.load(run_id)]
    contents = {digest: text for digest in _setups(events) if (text := await store.content(digest)) is not None}
    return Record(run_id, info.graph, info.fingerprint, tuple(_without_place(event) for event in events), contents)


def to_text(record: Record) -> str:
    """The record as JSON text, an event a line, so that a change of one shows as a change of one."""
    head = {"convgraph_record": FORMAT, "run_id": record.run_id, "graph": record.graph, "fingerprint": record.fingerprint}
    lines = [f"  {_json(key)}: {_json(value)}," for key, value in head.items()]
    events = ",\n".join(f"    [{_json(event.kind)}, {encode_event(event)}]" for event in record.events)
    contents = ",\n".join(f"    {_json(digest)}: {_json(text)}" for digest, text in sorted(record.contents.items()))
    return "\n".join(
        ["{", *lines, '  "events": [', f"{events}\n  ],", '  "contents": {', f"{contents}\n  }}" if contents else "  }", "}", ""]
    )


def from_text(text: str, where: str) -> Record:
    """The record in a text that `to_text` has made. Raises `InputError`, and `StoreCorrupt` or `StoreFormat` for its events."""
    try:
        found: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: this is not JSON: {error}") from error
    document = cast("dict[str, Any]", found) if isinstance(found, dict) else {}
    version = document.get("convgraph_record")
    if version != FORMAT:
        what = "no record of a run" if version is None else f"a record of format {version!r}, and this convgraph reads {FORMAT}"
        raise InputError(f"{where}: this is {what}; make it with `convgraph testcase`")
    try:
        run_id, graph, fingerprint = (str(document[key]) for key in ("run_id", "graph", "fingerprint"))
        events = [(str(kind), json.dumps(body)) for kind, body in document["events"]]
        contents = {str(digest): str(content) for digest, content in document["contents"].items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"{where}: the record is damaged ({type(error).__name__}: {error}); make it anew with `convgraph testcase`"
        ) from error
    read = tuple(decode_event(kind, body, run_id, number) for number, (kind, body) in enumerate(events))
    return Record(run_id, graph, fingerprint, read, contents)


async def kept(record: Record, store: Store) -> RunInfo:
    """Put the record into a store, as a run of its own. Raises `RunExists`."""
    claim = await store.create(NewRun(record.run_id, record.graph, record.fingerprint), record.events, record.contents)
    await store.release(claim)
    return await store.info(record.run_id)


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
    """The digests of the setups of the model calls, each once."""
    calls = (event for event in events if isinstance(event, EffectFinished) and event.effect == "model")
    return list(dict.fromkeys(event.digest.partition(".")[0] for event in calls))


def _without_place(event: Event) -> Event:
    """The event without the file that the run was started with, which is another one on another machine."""
    return replace(event, target="") if isinstance(event, RunStarted) else event


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
