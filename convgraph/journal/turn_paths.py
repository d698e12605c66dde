"""Where in a run something belongs: the paths of turns, spelled and read in this one place.

::

    12        the run's twelfth turn
    12~2      the second attempt at it
    12>       the choice of who comes after it (12~2>: its second attempt)
    0         the choice of who has the first turn (0>: its effects), where a graph leaves that to be chosen
    12+1      the same choice, made again when a conversation that had ended after its twelfth turn was continued
    12/3      the third turn of the conversation nested in it (12/0: the choice of who begins it)
    12/legal  a branch of a parallel group
    12/#0     the first item of a `ForEach`
    12/@tool:ask.0
              the first tool effect called `ask` in it, as far as that has effects of its own
    12/@conversation:chess.0/3
              the third turn of the first conversation called `chess` that the turn's code has opened
"""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

_ATTEMPT = re.compile(r"~\d+")


def attempt_path(path: str, number: int) -> str:
    """The path of an attempt at a turn. The first is the turn's own, so that a turn that succeeds at once has one path."""
    return path if number == 1 else f"{path}~{number}"


def choice_path(path: str, number: int = 1) -> str:
    """The path of the choice that follows the turn at `path`."""
    return f"{attempt_path(path, number)}>"


def beginning_path(turn: int, begun: int) -> str:
    """The path of the choice of who begins, made after `turn` turns and `begun` such choices."""
    return f"{turn}+{begun}" if begun else str(turn)


def inner_path(path: str, name: str | int) -> str:
    """The path of a nested turn (its number) or of a branch (its name) inside the turn at `path`."""
    return f"{path}/{name}"


def opened_path(path: str, kind: str, name: str, ordinal: int) -> str:
    """The path of what an effect, or a conversation that code has opened, does itself inside the turn at `path`."""
    return f"{path}/@{kind}:{quote(name, safe='').replace('~', '%7E')}.{ordinal}"


def is_inner(path: str) -> bool:
    """Whether a path lies inside a turn (a nested conversation, a branch) rather than being a turn of the run itself."""
    return "/" in path


def is_frame(path: str) -> bool:
    """Whether a path is that of what an effect, or a conversation that code has opened, does itself, and not of a turn in it."""
    return last_part(path).startswith("@")


def conversation_name(path: str) -> str | None:
    """The name of the opened conversation that a path is that of; None for any other path."""
    kind, _, rest = last_part(path).partition(":")
    return unquote(rest.rpartition(".")[0]) if kind == "@conversation" else None


def opener_path(path: str) -> str:
    """The path of the turn whose code has opened what lies at `path`; of a turn, the path itself."""
    while is_frame(path):
        path = around(path)
    return path


def is_opened(path: str) -> bool:
    """Whether a path lies in something that the code of a turn has opened, at any depth."""
    return "/@" in path


def is_within(path: str, outer: str) -> bool:
    """Whether a path is `outer` or lies inside it, whichever attempts they are."""
    return f"{without_attempts(path)}/".startswith(f"{outer}/")


def is_choice(path: str) -> bool:
    """Whether a path is that of a choice between turns."""
    return path.endswith(">")


def without_attempts(path: str) -> str:
    """The path without its attempt numbers: the same for every attempt at a turn."""
    return _ATTEMPT.sub("", path) if "~" in path else path


def turn_path(path: str) -> str:
    """The turn that an attempt, or the choice after it, belongs to."""
    return without_attempts(path).removesuffix(">")


def around(path: str) -> str:
    """The path of what a turn or branch is nested in; empty for a turn of the run itself."""
    return path.rpartition("/")[0]


def last_part(path: str) -> str:
    """The turn's number, or the branch's name, within what it is nested in."""
    return path.rpartition("/")[2]


def is_numbered(part: str) -> bool:
    """Whether the last part of a path is a turn's number or a choice of who begins, rather than a branch's name."""
    return part.replace("+", "").isdigit()


def turn_number(path: str) -> int:
    """How many turns the run has made where something belongs that lies at `path`; of a turn, its own number."""
    return int(outermost(path).partition("+")[0])


def outermost(path: str) -> str:
    """The number of the run's turn that something belongs to, whatever it is nested in and whichever attempt it is."""
    return turn_path(path.partition("/")[0])
