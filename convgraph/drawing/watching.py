"""A run in a notebook, shown as it goes: its graph with the run on it, and beside it what is said.

Two displays are updated in place, at most a few times a second. What a model says is text to a notebook and never markup.
"""

from __future__ import annotations

import asyncio
import html
import importlib
import sys
import time
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from convgraph.drawing import mimebundle
from convgraph.drawing.overlay import Tracer
from convgraph.graph.definition import Definition
from convgraph.journal.events import Delta, Event, Moved, RunStarted, Said, Stepped
from convgraph.messages import Message
from convgraph.runtime.result import RunResult
from convgraph.runtime.stream import RunStream

PAUSE: Final = 0.2
"""Seconds between two updates: faster than that, a notebook spends its time redrawing."""
MOST: Final = 200
"""Messages that are shown; of a longer run, the last."""

_BOX: Final = "max-height: 30em; overflow: auto; font-family: sans-serif; font-size: 13px; line-height: 1.45"
_TEXT: Final = "white-space: pre-wrap; overflow-wrap: anywhere; margin: 0 0 .6em 0"


async def watch(stream: RunStream) -> RunResult:
    """Show in a notebook how a run goes on, and give its result. The stream is what `graph.astream(…)` gives.

    Outside of a notebook nothing is shown, and the run is followed to its end all the same. Raises what iterating over the stream
    raises: whatever keeps the run from starting.
    """
    display = _display()
    if display is None:
        async for _ in stream:
            pass
        return stream.result
    view = _View(stream.definition, display)
    async with stream:
        async for event in stream:
            view.see(event)
            await view.refresh()
    await view.finish(stream.result)
    return stream.result


class _Handle(Protocol):
    def update(self, obj: Any, **options: Any) -> None: ...


class _Display(Protocol):
    """`IPython.display.display`."""

    def __call__(self, obj: Any, *, raw: bool, display_id: bool) -> _Handle: ...


def _display() -> _Display | None:
    """How this notebook displays something; None where there is none. IPython is there already, or this is no notebook."""
    module: Any = sys.modules.get("IPython")
    if module is None or module.get_ipython() is None:
        return None
    return importlib.import_module("IPython.display").display


@dataclass(slots=True)
class _View:
    """What of a run has been seen, and where it is shown."""

    graph: Definition
    display: _Display
    messages: list[Message] = field(default_factory=list[Message])
    speaking: dict[str, Delta] = field(default_factory=dict[str, Delta])
    picture: _Handle | None = None
    transcript: _Handle | None = None
    moved: bool = True
    at: float = 0.0
    tracer: Tracer = field(init=False)

    def __post_init__(self) -> None:
        self.tracer = Tracer(self.graph)

    def see(self, event: Event | Delta | Said) -> None:
        """Take note of what has happened."""
        if isinstance(event, Said):
            return  # the step says it too
        if isinstance(event, Delta):
            so_far = self.speaking.get(event.path)
            self.speaking[event.path] = Delta(event.path, event.node, (so_far.text if so_far else "") + event.text)
            return
        self.tracer.see(event)
        if isinstance(event, RunStarted):
            self.messages.extend(event.messages)
        elif isinstance(event, Stepped):
            over = (event.path, f"{event.path}/", f"{event.path}~")
            self.speaking = {path: said for path, said in self.speaking.items() if path != over[0] and not path.startswith(over[1:])}
            if "/" not in event.path:
                self.messages.extend(event.messages)
        self.moved = self.moved or isinstance(event, RunStarted | Stepped | Moved)

    async def refresh(self) -> None:
        """Show it, unless it was shown just now: what comes next will be shown with it."""
        if time.monotonic() - self.at >= PAUSE:
            await self.show()

    async def show(self) -> None:
        """Show what has been seen. The picture is drawn beside the loop, which goes on with the run."""
        if self.moved:
            self.moved = False
            bundle = await asyncio.to_thread(mimebundle, self.graph, overlay=self.tracer.overlay(""))
            self.picture = _shown(self.display, self.picture, bundle)
        self.transcript = _shown(self.display, self.transcript, self.said())
        self.at = time.monotonic()

    async def finish(self, result: RunResult) -> None:
        """Show how it ended."""
        self.speaking.clear()
        self.moved = True
        await self.show()
        ending = f"{result.status}: {result.stop_reason}"
        self.transcript = _shown(self.display, self.transcript, self.said(ending))

    def said(self, ending: str = "") -> dict[str, str]:
        """The transcript, for notebooks that show HTML and for those that do not."""
        lines = [(message.sender, message.text) for message in self.messages[-MOST:]]
        lines += [(piece.node, f"{piece.text} …") for piece in self.speaking.values()]
        left = len(self.messages) - MOST
        before = [f"({left} earlier messages)"] if left > 0 else []
        after = [ending] if ending else []
        plain = [*before, *(f"{sender}: {text}" for sender, text in lines), *after]
        marked = (f'<div style="{_TEXT}"><b>{html.escape(sender)}</b>\n{html.escape(text)}</div>' for sender, text in lines)
        notes = [f'<div style="{_TEXT}"><i>{html.escape(note)}</i></div>' for note in (*before, *after)]
        return {
            "text/plain": "\n".join(plain),
            "text/html": f'<div style="{_BOX}">{"".join([*notes[: len(before)], *marked, *notes[len(before) :]])}</div>',
        }


def _shown(display: _Display, handle: _Handle | None, bundle: dict[str, str]) -> _Handle:
    """The place of a display, which holds this from now on."""
    if handle is None:
        return display(bundle, raw=True, display_id=True)
    handle.update(bundle, raw=True)
    return handle
