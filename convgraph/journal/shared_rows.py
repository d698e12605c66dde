"""Events as rows of a database, and back: effects that are written together with a step share its row.

The usual turn is one model call and the step that it makes, written in one append: one row, whose text has a line for each of them.
Its number and its kind are those of the step, on the last line; what stands before are `effect_finished`, numbered downwards from there.
What a model said and the step says is kept once: an answer without `content`, which each has, says what the step's last message does.
JSON text has no line breaks of its own, so a line's end is where an event ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeAlias, cast

from convgraph.errors import StoreCorrupt
from convgraph.journal.codec import decode_event, encode_event, row_kind
from convgraph.journal.events import EffectFinished, Event, Recorded, Stepped
from convgraph.journal.sealing import RunSeal
from convgraph.plain_data import replaced

EventRow: TypeAlias = tuple[int, str, str]
"""The number, the kind and the text of a row."""
StoredRow: TypeAlias = tuple[int, int, float, str, str | bytes]
"""What is read of a row: its number, its owner's epoch, when it was written, its kind, and its text."""

_EFFECT = EffectFinished.kind


def rows_of(first: int, events: Sequence[Event]) -> list[EventRow]:
    """The rows of events that are written together, the first of which has the number `first`. Raises `NotEncodable`."""
    rows: list[EventRow] = []
    effects: list[EffectFinished] = []
    for seq, event in enumerate(events, first):
        if type(event) is EffectFinished:
            effects.append(event)
            continue
        text = encode_event(event)
        if effects:
            if type(event) is Stepped:
                lines = [*map(encode_event, effects[:-1]), encode_event(_without_said(effects[-1], event)), text]
                text = "\n".join(lines)
            else:
                rows += rows_apart(seq - len(effects), effects)
            effects = []
        rows.append((seq, row_kind(event), text))
    if effects:
        rows += rows_apart(first + len(events) - len(effects), effects)
    return rows


def rows_apart(first: int, events: Iterable[Event]) -> list[EventRow]:
    """The same with a row for each event: where they have not one time in common. Raises `NotEncodable`."""
    return [(seq, row_kind(event), encode_event(event)) for seq, event in enumerate(events, first)]


def events_in(kind: str, text: str | bytes, run_id: str, seq: int, *, effects: bool = True) -> Iterator[tuple[int, Event]]:
    """The events in a row, with their numbers; without those before the last line, unless these are wanted.

    Raises `StoreFormat` for an unknown kind, `StoreCorrupt` for a text that does not fit.
    """
    *before, last = text.split("\n") if isinstance(text, str) else text.split(b"\n")
    event = decode_event(kind, last, run_id, seq)
    if effects:
        for number, line in enumerate(before, seq - len(before)):
            yield number, _with_said(decode_event(_EFFECT, line, run_id, number), event, run_id, number)
    yield seq, event


def recorded_in(rows: Iterable[StoredRow], seal: RunSeal, run_id: str, after: int, entered: int = -1) -> list[Recorded]:
    """What a run's rows hold, from the number behind `after`. Effects up to the number `entered` are left out where they share a row.

    Raises what `events_in` does, and `StoreCorrupt` where a row is not as it was sealed.
    """
    recorded: list[Recorded] = []
    for seq, epoch, at, kind, body in rows:
        text = seal.opened_event(seq, epoch, kind, body) if seal.encrypted else body
        if (b"\n" in text) if isinstance(text, bytes) else ("\n" in text):
            found = events_in(kind, text, run_id, seq, effects=seq > entered)
            recorded += [Recorded(number, at, event) for number, event in found if number > after]
        else:
            recorded.append(Recorded(seq, at, decode_event(kind, text, run_id, seq)))
    return recorded


def _without_said(effect: EffectFinished, step: Stepped) -> EffectFinished:
    """The effect without the text that the step repeats."""
    result: Any = effect.result
    if effect.effect != "model" or type(result) is not dict or not step.messages:
        return effect
    result = cast("dict[str, Any]", result)
    if "content" not in result or result["content"] != step.messages[-1].content:
        return effect
    return replaced(effect, result={key: value for key, value in result.items() if key != "content"})


def _with_said(effect: Event, step: Event, run_id: str, number: int) -> Event:
    """The effect as it was before `_without_said`."""
    result: Any = effect.result if isinstance(effect, EffectFinished) and effect.effect == "model" else None
    if not isinstance(result, dict):
        return effect
    result = cast("dict[str, Any]", result)
    if "content" in result:
        return effect
    if not isinstance(step, Stepped) or not step.messages:
        raise StoreCorrupt(f"run {run_id!r}, event {number} cannot be read: the step after it says nothing", run_id, number)
    return replaced(effect, result={"content": step.messages[-1].content, **result})
