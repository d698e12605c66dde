"""A chat on the console, as AutoGen prints it. It listens to the run: what it shows is what happens."""

from __future__ import annotations

import sys
from collections.abc import Collection, Sequence
from typing import Any

from convgraph.graph.definition import END
from convgraph.journal.events import EffectFinished, Ended, Moved, Said, Stepped
from convgraph.journal.turn_paths import is_choice, is_inner
from convgraph.messages import Message

_LINE = "-" * 80


class Console:
    """Prints what is said to whom.

    `silent` are those who are not shown, `announces` says whether the next speaker is named (in groups), `tells_choices` whether
    what a selecting model answers is shown.
    """

    deltas = False  # what a model says is shown when it has said it

    def __init__(self, silent: Collection[str] = (), *, announces: bool = False, tells_choices: bool = False) -> None:
        self._silent = silent
        self._announces = announces
        self._tells_choices = tells_choices

    def __call__(self, event: Any) -> None:
        if isinstance(event, Said):
            self.show(event.messages, event.to)
        elif isinstance(event, Stepped | Moved) and self._announces and not is_inner(event.path):
            if event.target not in (None, END):
                print_line(f"\nNext speaker: {event.target}\n")
        elif isinstance(event, EffectFinished) and event.effect == "human" and event.result == "":
            print_line("\n>>>>>>>> NO HUMAN INPUT RECEIVED.")
        elif isinstance(event, EffectFinished) and event.effect == "model" and self._tells_choices and is_choice(event.path):
            print_line(f"\n>>>>>>>> Who is next? {event.error.message if event.error is not None else event.result['content']}")
        elif isinstance(event, Ended) and event.status != "finished":
            print_line(f"\n>>>>>>>> The chat has stopped: {event.status}: {event.reason}")

    def show(self, messages: Sequence[Message], to: str) -> None:
        """Print messages that one agent says to another."""
        if messages and messages[0].sender not in self._silent:
            print_line(f"{messages[0].sender} (to {to}):\n\n" + "\n".join(map(_shown, messages)) + f"\n\n{_LINE}")


def print_line(text: str) -> None:
    """Print to whatever standard output is at this moment."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _shown(message: Message) -> str:
    if message.role == "tool":
        return f"***** Response from calling tool ({message.tool_call_id}) *****\n{message.text}\n{'*' * 40}"
    calls = [
        f"***** Suggested tool call ({call.id}): {call.name} *****\nArguments: \n{call.arguments}\n{'*' * 40}"
        for call in message.tool_calls
    ]
    return "\n".join(filter(None, [message.text, *calls]))
