"""Waiting for a time: a question that the clock answers. Recorded when the wait begins, so that a resumed run waits for what is left.

The clock is the store's, by which others see that a timer is due: that of the host may be wrong.
"""

from __future__ import annotations

import datetime

from convgraph.journal.events import EffectFinished, EffectStarted, Question
from convgraph.journal.turn_paths import without_attempts
from convgraph.journal.values import digest_text
from convgraph.runtime.effects import known
from convgraph.runtime.run import Run
from convgraph.runtime.scope import Turning
from convgraph.runtime.signals import Parked

CLOCK = "(clock)"
"""Whose question it is."""


async def sleep(run: Run, turning: Turning, seconds: float) -> None:
    """Wait until `seconds` after the wait began, once. Raises `Parked` where that is longer than the run stays for."""
    digest = digest_text(f"{seconds!r}")
    ordinal = turning.ordinal("timer", CLOCK)
    if known(run, turning, "timer", CLOCK, ordinal, digest) is not None:
        return
    intent = run.ledger.doubtful(turning.path, "timer", CLOCK, ordinal) if run.ledger else None
    if intent is not None and intent.digest == digest and intent.question is not None:
        question = intent.question
    else:
        name = f"timer-{without_attempts(turning.path).replace('/', '.')}-{ordinal}"
        question = Question(name, f"{seconds:g} s", {"type": "null"}, CLOCK, due=await run.journal.now() + seconds)
        await run.keep(EffectStarted(turning.path, "timer", CLOCK, ordinal, digest, question=question))
    due = question.due or 0.0
    left = due - await run.journal.now()
    if left > run.longest_wait:
        raise Parked(question.id, f"{datetime.datetime.fromtimestamp(due, datetime.UTC):%Y-%m-%d %H:%M:%S} UTC")
    if left > 0:
        await run.sleep(left)
    await run.keep(EffectFinished(turning.path, "timer", CLOCK, ordinal, digest, question=question.id))
