"""A run's record as plain JSON text, and back: all that its journal holds, whichever runs it shares its steps with.

It says nothing of where the graph lies: what was a file on one machine is another's on the next, and a text from elsewhere is not to
say what is imported. What is read is checked in full before anybody gets it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from convgraph.errors import ConvgraphError, InputError, StoreCorrupt, StoreFormat
from convgraph.journal.answers import check_answer
from convgraph.journal.codec import decode_event, encode_event
from convgraph.journal.events import Edited, EffectFinished, EffectStarted, Ended, Event, Question, Resumed, RunStarted, Stepped
from convgraph.journal.labels import checked_labels
from convgraph.journal.naming import check_priority, check_queue, check_run_id
from convgraph.journal.rows import open_questions
from convgraph.journal.runs import DEFAULT_QUEUE, RunStatus
from convgraph.journal.turn_paths import is_inner
from convgraph.journal.values import digest_text
from convgraph.plain_data import replaced

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Record:
    """What a run's journal holds, whichever runs it shares its steps with, and the contents that its events refer to.

    `status` is that of a run that had not stopped: `ready` where it was made and not begun, `interrupted`; empty for any other.
    `times` are when the events were written, `answers` those that wait for the run to use them, by their questions' ids.
    """

    run_id: str
    graph: str
    fingerprint: str
    events: tuple[Event, ...]
    contents: Mapping[str, str]
    status: RunStatus | None = None
    times: tuple[float, ...] = ()
    labels: tuple[str, ...] = ()
    queue: str = DEFAULT_QUEUE
    priority: int = 0
    answers: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def path(self) -> list[str]:
        """The nodes that had the turn, in order; those of nested conversations are left out."""
        return path_of(self.events)


def path_of(events: Iterable[Event]) -> list[str]:
    """The nodes that had the turn in these events, in order; those of nested conversations are left out."""
    return [event.node for event in events if isinstance(event, Stepped) and not is_inner(event.path)]


def without_place(event: Event) -> Event:
    """The event without the file that the run was started with, which is another one on another machine."""
    return replaced(event, target="") if isinstance(event, RunStarted) else event


def contents_of(events: Iterable[Event]) -> list[str]:
    """The digests of the contents that events refer to, each once: graphs' documents, and the setups of model calls."""
    return list(dict.fromkeys(digest for event in events if (digest := _content_of(event))))


def to_text(record: Record) -> str:
    """The record as JSON text, an event a line, so that a change of one shows as a change of one."""
    head: dict[str, Any] = {"convgraph_record": FORMAT, "run_id": record.run_id, "graph": record.graph, "fingerprint": record.fingerprint}
    more: dict[str, Any] = {"status": record.status, "labels": list(record.labels), "times": list(record.times)}
    more |= {"queue": "" if record.queue == DEFAULT_QUEUE else record.queue, "priority": record.priority, "answers": dict(record.answers)}
    lines = [f"  {_json(key)}: {_json(value)}," for key, value in {**head, **{key: value for key, value in more.items() if value}}.items()]
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
    if type(version) is not int or version != FORMAT:
        what = "no record of a run" if version is None else f"a record of format {version!r:.100}, and this convgraph reads {FORMAT}"
        raise InputError(f"{where}: this is {what}; make it with `convgraph export RUN_ID --record` or `convgraph testcase`")
    try:
        return _read(document, where)
    except (StoreCorrupt, StoreFormat, InputError):
        raise
    except (ConvgraphError, KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise InputError(f"{where}: the record is damaged ({type(error).__name__}: {error}); make it anew") from error


def _read(document: Mapping[str, Any], where: str) -> Record:
    run_id = _checked(check_run_id, document["run_id"], where)
    graph, fingerprint = (_text(document[key], key) for key in ("graph", "fingerprint"))
    events = tuple(_event(pair, run_id, number, where) for number, pair in enumerate(document["events"]))
    _check_events(events, where)
    record = Record(
        run_id,
        graph,
        fingerprint,
        events,
        {digest: _content(digest, content, where) for digest, content in document["contents"].items()},
        _status(document.get("status"), events, where),
        _times(document.get("times", ()), events, where),
        _checked(checked_labels, document.get("labels", ()), where),
        _checked(check_queue, document.get("queue", DEFAULT_QUEUE), where),
        _checked(check_priority, document.get("priority", 0), where),
        dict(document.get("answers", {})),
    )
    open_ones = open_questions(events)
    for name, answer in record.answers.items():
        if name not in open_ones:
            raise InputError(f"{where}: the record answers {name!r:.100}, which is no open question of the run")
        _checked(lambda given, asked=open_ones[name]: _check_answer(asked, given, run_id), answer, where)
    return record


def _check_answer(asked: EffectStarted, value: Any, run_id: str) -> None:
    check_answer(cast("Question", asked.question), value, run_id)


def _event(pair: Any, run_id: str, number: int, where: str) -> Event:
    kind, body = pair
    try:
        return without_place(decode_event(_text(kind, "kind"), json.dumps(body), run_id, number))
    except StoreFormat as error:
        raise StoreFormat(f"{where}: {error}") from error
    except StoreCorrupt as error:
        raise StoreCorrupt(f"{where}: {error}", run_id, number) from error


def _check_events(events: Sequence[Event], where: str) -> None:
    if not events or not isinstance(events[0], RunStarted) or any(isinstance(event, RunStarted) for event in events[1:]):
        raise InputError(f"{where}: the record does not begin with the start of a run, once; it is damaged, make it anew")
    for number, event in enumerate(events):
        try:
            encode_event(event)
        except ConvgraphError as error:
            raise InputError(f"{where}: event {number} cannot be kept: {error}") from error


def _content(digest: str, text: Any, where: str) -> str:
    """A content, which goes by the digest of its text alone: others in the store may have the same."""
    if digest_text(_text(text, "contents")) != digest:
        raise InputError(f"{where}: the text kept as {digest!r:.100} has another digest; somebody has changed it")
    return text


def _status(status: Any, events: Sequence[Event], where: str) -> RunStatus | None:
    ended = isinstance(events[-1], Ended)
    if status is None and ended:
        return None
    if status in ("ready", "interrupted") and not ended:
        return status
    if status is None:
        return "interrupted"
    raise InputError(f"{where}: status {status!r:.100} does not fit how the record ends; it is damaged, make it anew")


def _times(times: Any, events: Sequence[Event], where: str) -> tuple[float, ...]:
    if not times:
        return ()
    fits = all(isinstance(at, int | float) and not isinstance(at, bool) and math.isfinite(at) and at >= 0 for at in times)
    if not fits or len(times) != len(events):
        raise InputError(f"{where}: the record's times are not one for each event; it is damaged, make it anew")
    return tuple(float(at) for at in times)


def _checked(check: Callable[[Any], Any], value: Any, where: str) -> Any:
    try:
        return check(value)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{name} is a text")
    if "\0" in value:
        raise ValueError(f"{name} holds a NUL character")
    value.encode()
    return value


def _content_of(event: Event) -> str:
    match event:
        case RunStarted() | Resumed() | Edited() | EffectStarted():
            return event.definition
        case EffectFinished(effect="model"):
            return event.digest.partition(".")[0]
        case _:
            return ""


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
