"""Looking for a text in runs: in what is listed of them, and in what was said. Upper and lower case are alike.

A database is asked for what may hold the text, by a pattern; whether it does is seen from what was read. So it is the same in every
store, whatever its database knows of letters.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, cast

from convgraph.errors import InputError
from convgraph.journal.events import (
    AttemptFailed,
    BranchFinished,
    Edited,
    EffectFinished,
    EffectStarted,
    Ended,
    Event,
    RunStarted,
    Stepped,
)
from convgraph.messages import Message

if TYPE_CHECKING:
    from convgraph.journal.runs import RunInfo

LONGEST_TEXT = 1000

_BEYOND_LATIN = re.compile(r"[^\x00-\x7f]")


def check_text(text: str) -> None:
    """Raise `InputError` for what nothing can be searched for."""
    if not isinstance(text, str) or not text.strip() or len(text) > LONGEST_TEXT or "\0" in text:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InputError(f"text={text!r:.100} cannot be searched for; use 1 to {LONGEST_TEXT} characters")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InputError(f"text={text!r:.100} cannot be searched for: it holds half a character") from None


def lists(run: RunInfo, text: str) -> bool:
    """Whether the text is in what is listed of a run: its id, its graph, its reason, its labels."""
    return any(_holds(field, text.lower()) for field in (run.run_id, run.graph, run.reason, *run.labels))


def says(event: Event, text: str) -> bool:
    """Whether the text is in what was said, asked, answered, found, remembered or reported here, rather than in how it is stored."""
    return any(_holds(said, text.lower()) for value in _values(event) for said in _texts(value))


def saying_of(rows: Iterable[tuple[str, int, str, str | bytes]], text: str) -> set[str]:
    """The runs whose journals have the text in one of these events: of each its run, its number, its kind and its body.

    Raises `StoreCorrupt` for an event that cannot be read.
    """
    from convgraph.journal.shared_rows import events_in  # the readers of events are built when they are loaded, and every store knows this

    found: set[str] = set()
    for run_id, seq, kind, body in rows:
        if run_id not in found and any(says(event, text) for _, event in events_in(kind, body, run_id, seq)):
            found.add(run_id)
    return found


def pattern(text: str) -> str:
    """For `LIKE`, with a backslash to escape: fits all that holds the text, and maybe more, for databases know but the case of a to z."""
    escaped = re.sub(r"([\\%_])", r"\\\1", text)
    return f"%{_BEYOND_LATIN.sub(_either_case, escaped)}%"


def body_pattern(text: str) -> str:
    """The same for a text that stands in JSON."""
    return pattern(json.dumps(text, ensure_ascii=False)[1:-1])


def _either_case(letter: re.Match[str]) -> str:
    return letter[0] if letter[0].lower() == letter[0].upper() else "%"


def _holds(field: str, lowered: str) -> bool:
    return lowered in field.lower()


def _values(event: Event) -> Iterator[Any]:
    """The values in an event that somebody has given; what is nobody's word (a digest, a path) is left out."""
    match event:
        case RunStarted():
            yield from _said(event.messages)
            yield event.state
        case Edited():
            yield from _said((*event.messages, *([event.last] if event.last is not None else [])))
            yield from (event.update, event.data)
        case EffectStarted(question=question) if question is not None:
            yield question.prompt
        case EffectFinished():
            yield from (event.result, event.error and event.error.message)
        case AttemptFailed():
            yield event.error.message
        case Stepped():
            yield from _said(event.messages)
            yield from event.updates
            yield from (event.error and event.error.message, event.reason)
        case BranchFinished():
            yield from _said(event.messages)
            yield event.update
        case Ended():
            yield event.reason
        case _:
            return


def _said(messages: tuple[Message, ...]) -> Iterator[Any]:
    for message in messages:
        yield from (message.text, message.data)
        for call in message.tool_calls:
            yield from (call.name, call.arguments)


def _texts(value: Any) -> Iterator[str]:
    """The texts and numbers in a JSON value. Names of fields are none, nor is a picture, which is a long text of no words."""
    if isinstance(value, str):
        if not value.startswith("data:"):
            yield value
    elif isinstance(value, dict):
        for item in cast("dict[str, Any]", value).values():
            yield from _texts(item)
    elif isinstance(value, list | tuple):
        for item in cast("list[Any]", value):
            yield from _texts(item)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield str(value)
