"""Telling a divergence: where the code first does something else than the record says, and the difference between the two."""

from __future__ import annotations

import json
import re
from typing import Any

from convgraph.content_parts import abbreviated
from convgraph.errors import ReplayDivergence
from convgraph.journal.events import EffectFinished
from convgraph.journal.store import Store
from convgraph.runtime.run import Run
from convgraph.runtime.scope import Turning
from convgraph.runtime.signals import Diverged

_TURN = re.compile(r"\d+")


def different_request(run: Run, turning: Turning, found: EffectFinished, digest: str) -> Diverged:
    """The record has an effect at this place, but with another request."""
    where = f"turn {turning.path}"
    what = f"the request of {found.effect} effect {found.name!r} (number {found.ordinal + 1}) is not the recorded one"
    if found.effect != "model":
        return Diverged(where, what, f"{found.name} with request {found.digest}", f"{found.name} with request {digest}")
    old_setup, _, _ = found.digest.partition(".")
    new_setup, _, _ = digest.partition(".")
    if old_setup == new_setup:
        return Diverged(where, f"{what}: the messages before it differ", f"messages {found.digest}", f"messages {digest}")
    return Diverged(where, what, old_setup, run.setups.text(new_setup), stored=True)


async def as_error(diverged: Diverged, store: Store, run_id: str) -> ReplayDivergence:
    """The error to raise, with a diff of the two sides; what the record names by digest is fetched from the store."""
    old = diverged.old
    if diverged.stored:
        old = await store.content(old) or old
    turn = _TURN.search(diverged.where)
    return ReplayDivergence(
        f"run {run_id!r}, {diverged.where}: {diverged.what}",
        step=int(turn.group()) if turn else 0,
        where=diverged.where,
        expected=old,
        actual=diverged.new,
        diff=unified(old, diverged.new),
    )


def unified(old: str, new: str) -> str:
    """A unified diff of two texts; JSON is laid out first, and pictures are told by their digests."""
    import difflib

    return "\n".join(difflib.unified_diff(_lines(abbreviated(old)), _lines(abbreviated(new)), "recorded", "now", lineterm="", n=2))


def _lines(text: str) -> list[str]:
    try:
        value: Any = json.loads(text)
    except (json.JSONDecodeError, RecursionError):
        return text.splitlines()
    lines: list[str] = []
    for line in json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True).splitlines():
        lines.extend(line.replace("\\n", "\n").splitlines())
    return lines
