"""Progress of a run as plain lines: for pipes, logs and simple terminals."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Protocol

from convgraph.journal.events import (
    AttemptFailed,
    BranchFinished,
    Delta,
    Edited,
    EffectFinished,
    EffectStarted,
    Event,
    Moved,
    Resumed,
    Stepped,
)
from convgraph.journal.turn_paths import is_inner
from convgraph.messages import Message

if TYPE_CHECKING:
    from convgraph.cli.output import Output
    from convgraph.graph.definition import Definition


class Progress(Protocol):
    """Shows a run's events as they happen. A context manager: what it shows is closed with it."""

    def __call__(self, event: Event | Delta) -> None: ...

    def pause(self) -> AbstractContextManager[None]:
        """Leave the terminal to somebody else for a while."""
        ...

    def __enter__(self) -> Progress: ...

    def __exit__(self, *_: object) -> None: ...


class PlainProgress:
    """A line (or as many as the text has) for each thing that happens."""

    def __init__(self, output: Output, definition: Definition) -> None:
        self._output = output
        self._definition = definition

    def __call__(self, event: Event | Delta) -> None:
        for line in told(event, self._definition):
            self._output.line(line)

    def pause(self) -> AbstractContextManager[None]:
        return nullcontext()

    def __enter__(self) -> PlainProgress:
        return self

    def __exit__(self, *_: object) -> None:
        return


def told(event: Event | Delta, definition: Definition) -> Iterator[str]:
    """The event in lines."""
    if isinstance(event, Stepped):
        yield from _step(event, definition)
    elif isinstance(event, BranchFinished):
        for message in event.messages:
            yield said(event.path, message)
    elif isinstance(event, AttemptFailed):
        yield f"[{event.path}] attempt {event.attempt} failed: {event.error.type}: {event.error.message}"
    elif isinstance(event, EffectStarted) and event.question is not None:
        yield f"[{event.path}] question {event.question.id}: {event.question.prompt}"
    elif isinstance(event, EffectFinished) and event.effect in ("tool", "code"):
        outcome = f"failed: {event.error.type}: {event.error.message}" if event.error else f"done in {event.seconds:.1f} s"
        yield f"[{event.path}] {event.effect} {event.name} {outcome}"
    elif isinstance(event, Resumed):
        yield "resumed"
    elif isinstance(event, Edited):
        yield event.why
    elif isinstance(event, Moved):
        yield f"[{event.path}] {way(event, definition)}"


def said(path: str, message: Message) -> str:
    """A message under the number of its turn; further lines are set in."""
    calls = "".join(f"\n(calls {call.name} {call.arguments})" for call in message.tool_calls)
    return f"[{path}] {message.sender}: " + f"{message.text}{calls}".replace("\n", "\n    ")


def way(event: Stepped | Moved, definition: Definition) -> str:
    """Where the conversation goes, and why: `-> critic (approved)`."""
    if event.target is None:
        return ""
    reasons: list[str] = []
    if event.edge is not None and not is_inner(event.path) and event.edge < len(definition.edges):
        edge = definition.edges[event.edge]
        reasons += [f"on {edge.on}"] if edge.on != "reply" else []
        guard = f"when {edge.guard.text}" if edge.guard is not None else ""
        reasons += [edge.label or guard] if edge.label or guard else []
    if event.chosen_by not in ("", "first", "only", "limit"):
        reasons.append(f"chosen by {event.chosen_by}")
    return f"-> {event.target}" + (f" ({', '.join(reasons)})" if reasons else "")


def _step(event: Stepped, definition: Definition) -> Iterator[str]:
    if event.visits is None:  # what a group says was told as its branches said it
        for message in event.messages:
            yield said(event.path, message)
    if not event.messages and event.error is None:
        yield f"[{event.path}] {event.node} says nothing"
    after = way(event, definition)
    if after:
        yield f"[{event.path}] {after}"
