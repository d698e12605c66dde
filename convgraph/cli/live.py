"""Progress of a run on a terminal: the conversation scrolls by; below it stand the words as they come, who speaks, and the cost."""

from __future__ import annotations

import sys
import time
from collections.abc import Generator
from contextlib import contextmanager

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from convgraph.cli.output import printable
from convgraph.cli.progress import told, way
from convgraph.graph.definition import END, Definition
from convgraph.journal.events import BranchFinished, Delta, EffectFinished, EffectStarted, Event, Moved, Stepped
from convgraph.journal.turn_paths import is_inner, turn_number
from convgraph.messages import NO_USAGE, Message
from convgraph.wording import counted, money

TAIL = 600
"""How many characters of what is being said stay in view."""


class LiveProgress:
    """A display that is redrawn a few times a second while the run goes on."""

    def __init__(self, definition: Definition) -> None:
        self._definition = definition
        self._node = definition.beginning or ""
        self._turn = 1
        self._usage = NO_USAGE
        self._speaking: dict[str, tuple[str, str]] = {}
        self._began = time.monotonic()
        self._console = Console(file=sys.stdout, highlight=False, markup=False, emoji=False)
        self._live = self._new_live()

    def __enter__(self) -> LiveProgress:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    @contextmanager
    def pause(self) -> Generator[None]:
        """Leave the terminal to a question."""
        self._live.stop()
        try:
            yield
        finally:
            self._live = self._new_live()
            self._live.start()

    def __call__(self, event: Event | Delta) -> None:
        if isinstance(event, Delta):
            if not is_inner(event.path):
                self._node, self._turn = event.node, turn_number(event.path)
            self._speaking[event.path] = event.node, (self._speaking.get(event.path, ("", ""))[1] + event.text)[-TAIL:]
            return
        if isinstance(event, EffectFinished):
            self._usage = self._usage + event.usage
            self._speaking.pop(event.path, None)
        if not (isinstance(event, EffectStarted) and event.question is not None):  # a question is shown where it is asked
            self._live.refresh()
            self._print(event)

    def _print(self, event: Event) -> None:
        if isinstance(event, BranchFinished):
            self._say(event.path, event.messages)
        elif isinstance(event, Stepped):
            if event.visits is None:
                self._say(event.path, event.messages)
            onward = way(event, self._definition)
            if onward:
                self._console.print(Text(f"    {printable(onward)}", "dim"))
        else:
            for line in told(event, self._definition):
                self._console.print(Text(printable(line), "dim"))
        if isinstance(event, Stepped | Moved) and not is_inner(event.path) and event.target not in (None, END):
            self._node, self._turn = event.target or self._node, turn_number(event.path) + 1

    def _say(self, path: str, messages: tuple[Message, ...]) -> None:
        for message in messages:
            calls = "".join(f"\n(calls {call.name} {call.arguments})" for call in message.tool_calls)
            self._console.print(
                Text.assemble((f"[{path}] ", "dim"), (f"{message.sender}: ", "bold cyan"), printable(f"{message.text}{calls}"))
            )

    def _new_live(self) -> Live:
        return Live(get_renderable=self._below, console=self._console, refresh_per_second=10, transient=True)

    def _below(self) -> Group:
        """What stands below the conversation at this moment."""
        spent = [f"{self._node}", f"turn {self._turn}", f"{time.monotonic() - self._began:.1f} s"]
        spent += [counted(self._usage.tokens, "token")] if self._usage.tokens else []
        spent += [money(self._usage.usd)] if self._usage.usd else []
        words = [Text.assemble((f"{node}: ", "cyan"), printable(text)) for node, text in list(self._speaking.values())]
        return Group(*words, Text(f"● {' · '.join(spent)}", "green"))
