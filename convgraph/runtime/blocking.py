"""Asynchronous work for callers that are not asynchronous, wherever they are."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

from convgraph.errors import InputError
from convgraph.runtime.context import current_turn
from convgraph.sync import run_sync

T = TypeVar("T")


def from_sync(work: Coroutine[Any, Any, T]) -> T:
    """Do what is asynchronous for a caller that is not: on its own, or, inside a turn, in the event loop of the run.

    Raises `InputError` for asynchronous code inside a turn: it would wait for the event loop that it holds up.
    """
    turn = current_turn()
    if turn is None:
        return run_sync(work)
    try:
        effects = turn.sync
    except InputError:
        work.close()
        raise InputError(
            f"node {turn.node!r}: asynchronous code inside a conversation awaits the asynchronous method (a_initiate_chat, "
            "a_generate_reply, arecall …); the synchronous one would wait for the event loop that it holds up"
        ) from None
    return effects.wait(work)
