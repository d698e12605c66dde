"""What a command works on: a store, a run in it, and the graph that the run belongs to."""

from __future__ import annotations

import shlex
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convgraph.cli.options import DEFAULT_STORE
from convgraph.errors import InputError

if TYPE_CHECKING:
    from convgraph.conversation import ConversationGraph
    from convgraph.journal.runs import RunInfo
    from convgraph.journal.store import Store

UNKNOWN = "TARGET"
"""What stands for the graph of a run that a program has started: only that program knows it."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run is found again: what has to be said on the command line besides its id."""

    store: str
    graph: str | None = None
    allow: tuple[str, ...] = ()

    def command(self, verb: str, *arguments: str) -> str:
        """A command line for this place, quoted for a shell."""
        words = ["convgraph", verb, *arguments]
        words += ["--store", self.store] if self.store != DEFAULT_STORE else []
        if verb != "answer":
            words += ["--graph", self.graph] if self.graph else []
            words += [word for module in self.allow for word in ("--allow", module)]
        return shlex.join(words)


def place_of(info: RunInfo, store: str) -> Place:
    """Where a stored run is found again; one that a program has started needs its graph named."""
    return Place(store, None if info.target else UNKNOWN)


@contextmanager
def opened(url: str, **options: Any) -> Generator[Store]:
    """The store at `url`, made if there is none."""
    from convgraph.journal.store_url import open_store

    with open_store(url, **options) as store:
        yield store


@contextmanager
def existing(url: str) -> Generator[Store]:
    """The store at `url`. Raises `InputError` where there is none: a command that reads must not make one."""
    file = file_of(url)
    if file is not None and not file.exists():
        raise InputError(f"there is no store {url!r} (in {Path.cwd()}); `convgraph run` makes one, --store URL names another")
    with opened(url) as store:
        yield store


def graph_of(info: RunInfo, target: str | None, allow: Sequence[str] | None) -> ConversationGraph:
    """The graph of a run: the one named now, or the one recorded when it was started."""
    from convgraph.loading import load_target

    named = target or info.target
    if not named:
        raise InputError(
            f"run {info.run_id!r} was not started from the command line: run the program that started it again, with its store= "
            f"and run_id={info.run_id!r}, or name its graph with --graph TARGET "
            "(for a chat, a function that returns agent.chat_graph(initiator))"
        )
    try:
        return load_target(named, allow=allow or ())
    except InputError as error:
        if target:
            raise
        raise InputError(f"run {info.run_id!r} was started with the graph {named!r}; --graph TARGET names another: {error}") from error


def file_of(url: str) -> Path | None:
    """The file behind a store's URL, as far as there is one."""
    if url == ":memory:" or url == "sqlite:///:memory:":
        return None
    scheme, separator, rest = url.partition("://")
    if not separator:
        return Path(url)
    return Path(rest.removeprefix("/")) if scheme == "sqlite" else None
