"""A run's conversation as its journal tells it, without the graph."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from convgraph.journal.events import Edited, Moved, Recorded, RunStarted, Stepped
from convgraph.journal.turn_paths import is_inner
from convgraph.messages import NO_USAGE, Message, Usage


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was said, each message with the path of its turn (`0`: the input), and what it cost."""

    messages: tuple[tuple[str, Message], ...]
    usage: Usage
    steps: int


def transcript(events: Iterable[Recorded], *, inside: bool = False) -> Transcript:
    """The conversation of the run itself; with `inside`, also what was said in those that are nested in it or opened by its turns."""
    messages: list[tuple[str, Message]] = []
    usage, steps = NO_USAGE, 0
    for recorded in events:
        event = recorded.event
        if isinstance(event, RunStarted):
            messages += [("0", message) for message in event.messages]
        elif isinstance(event, Stepped) and not is_inner(event.path):
            messages += [(event.path, message) for message in event.messages]
            usage, steps = usage + event.usage + event.move_usage, steps + 1
        elif isinstance(event, Stepped) and inside:
            messages += [(event.path, message) for message in event.messages]
        elif isinstance(event, Moved) and not is_inner(event.path):
            usage = usage + event.usage
        elif isinstance(event, Edited):
            if event.last is not None and messages:
                messages[-1] = (messages[-1][0], event.last)
            messages += [(str(steps), message) for message in event.messages]
    return Transcript(tuple(messages), usage, steps)
