"""What was looked up in a conversation, as its messages tell: which passages, for which question, and how they are shown to a model.

A message that shows passages says in its `data`, under `retrieved`, for which `problem` and `query` they were found, at the
how manieth `look`, and their `sources`. Nothing else keeps account of it: whoever reads the messages knows what was shown already.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias, cast

from convgraph.messages import Message

Passage: TypeAlias = dict[str, Any]
"""A passage as it is journaled: `id`, `source`, `place` (for people: the source with its lines), `score` and `text`."""

RETRIEVED = "retrieved"
"""The key in a message's `data` under which it says what it shows."""

NOTHING = "(No passage of the documents fits.)"

_PLACEHOLDER = re.compile(r"\{(input_question|input_context)\}")


def shown_by(messages: Sequence[Message], name: str) -> Iterator[Mapping[str, Any]]:
    """What the messages of `name` say that they have shown, newest first."""
    for position in range(len(messages) - 1, -1, -1):
        message = messages[position]
        data: Any = message.data if message.sender == name else None
        shown: Any = cast("Mapping[str, Any]", data).get(RETRIEVED) if isinstance(data, Mapping) else None
        if isinstance(shown, Mapping):
            yield cast("Mapping[str, Any]", shown)


def passages_shown(messages: Sequence[Message], name: str) -> list[str]:
    """The ids of all passages that `name` has shown, oldest first."""
    ids = [source["id"] for shown in shown_by(messages, name) for source in reversed(shown["sources"])]
    return list(reversed(ids))


def showing(name: str, text: str, problem: str, query: str, look: int, passages: Iterable[Passage]) -> Message:
    """The message that shows passages: `text`, and what it shows as data, without the passages' own texts.

    `look` is how often something was looked up for the problem, this time included.
    """
    sources = [{key: value for key, value in passage.items() if key != "text"} for passage in passages]
    return Message(name, text, data={RETRIEVED: {"problem": problem, "query": query, "look": look, "sources": sources}})


def quoted(passages: Sequence[Passage]) -> str:
    """The passages for a model: above each where it stands, and each of its lines quoted.

    A quoted line is no fence and no heading. So what a passage says is never taken for the message's own words, whatever it
    says, nor a block of code in it for one to run.
    """
    if not passages:
        return NOTHING
    numbered = enumerate(passages, start=1)
    return "\n\n".join(f"[{number}] {_in_a_line(passage['place'])}\n{_quoted(passage['text'])}" for number, passage in numbered)


def filled(prompt: str, problem: str, passages: Sequence[Passage]) -> str:
    """The prompt with the question and the passages in their places. What they say is not looked at for further places."""
    parts = {"input_question": problem, "input_context": quoted(passages)}
    return _PLACEHOLDER.sub(lambda place: parts[place[1]], prompt)


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in text.strip().splitlines())


def _in_a_line(place: str) -> str:
    """A place in one line: a file's name may have line breaks in it."""
    return " ".join(place.split())
