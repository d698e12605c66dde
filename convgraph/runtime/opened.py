"""Conversations that code opens inside a turn: part of the same journal, found again and gone on with after a crash."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from convgraph.errors import InputError
from convgraph.graph.machine import advance, begin
from convgraph.graph.state import End, State
from convgraph.journal.events import EffectFinished, EffectStarted
from convgraph.journal.turn_paths import is_frame
from convgraph.journal.values import canonical, digest_text
from convgraph.messages import Message, digest_of
from convgraph.runtime.nested import steps_so_far
from convgraph.runtime.program import Program
from convgraph.runtime.run import Run
from convgraph.runtime.scope import Scope, Turning
from convgraph.runtime.signals import Diverged

DEEPEST = 20
"""How many conversations may be open inside one another."""


async def converse_inside(run: Run, turning: Turning, program: Program, messages: Sequence[Message], state: Any) -> State:
    """Run (or go on with) a conversation as part of the turn. Returns the state in which it stopped.

    Its steps lie inside the turn by their paths. What it begins with has to be the same when the turn is entered again;
    `Diverged` is raised where it is not.
    """
    from convgraph.runtime.interpreter import converse

    name = program.definition.name
    if turning.path.count("/@conversation:") >= DEEPEST:
        raise InputError(
            f"turn {turning.path:.60}…: conversation {name!r} would lie {DEEPEST} conversations deep; does one of them open itself?"
        )
    known = () if run.secrets is None else run.secrets.redactions
    if any(redact not in known for redact in program.redactions):
        raise InputError(f"conversation {name!r} has redact=, and the run that it is part of has not: give it to that run's graph")
    ordinal = turning.ordinal("conversation", name)
    if run.secrets is not None:
        run.secrets.check_description(name, program.document_text)
        messages = run.secrets.in_messages(messages)
    first = begin(program.definition, messages, state)
    digest = digest_text(canonical([program.fingerprint, digest_of(first.history).hex(), first.dump_data()]))
    ended = await _recorded(run, turning, program, ordinal, digest)
    own = turning.opened("conversation", name, ordinal)
    inner = Scope(run, program, first, prefix=f"{own.path}/", outer=own)
    if run.replaying is None and run.ledger:
        inner.state = steps_so_far(run, program, first, own)
        if ended is not None:  # however it has ended: one that has failed is not tried again
            turning.asked = (*turning.asked, *run.ledger.asked_under(own.path))
            return inner.state if inner.state.status is not None else advance(program.definition, inner.state, End(**ended.result))
    last = await converse(inner)
    turning.asked = (*turning.asked, *own.asked, *last.asked)
    if ended is None:
        result = {"status": last.status, "reason": last.reason}
        await _note(run, turning, EffectFinished(turning.path, "conversation", name, ordinal, digest, result))
    return last


async def _recorded(run: Run, turning: Turning, program: Program, ordinal: int, digest: str) -> EffectFinished | None:
    """How the conversation is known to have ended. That it begins is recorded, if it is not."""
    name = program.definition.name
    finished = run.ledger.find(turning.path, "conversation", name, ordinal, digest) if run.ledger else None
    known = finished or (run.ledger.doubtful(turning.path, "conversation", name, ordinal) if run.ledger else None)
    if known is not None and known.path == turning.path:
        if known.digest != digest:
            raise _another(run, turning, program, ordinal)
        return finished
    run.journal.content(program.document_digest, program.document_text)
    begun = EffectStarted(turning.path, "conversation", name, ordinal, digest, definition=program.document_digest)
    await _note(run, turning, begun)
    return None


def _another(run: Run, turning: Turning, program: Program, ordinal: int) -> Diverged:
    """The conversation here is not the one that was begun: how its graph differs, if that does."""
    where, name = f"turn {turning.path}", program.definition.name
    begun = run.ledger.begun(turning.path, "conversation", name, ordinal)
    if begun is None or begun.definition == program.document_digest:
        return Diverged(where, f"the conversation {name!r} begins with other messages, or another state, than it did")
    return Diverged(where, f"the conversation {name!r} has another graph than it had", begun.definition, program.document_text, stored=True)


async def _note(run: Run, turning: Turning, event: EffectStarted | EffectFinished) -> None:
    """Record that the conversation begins, or has ended; the next commit takes that along.

    Inside an effect that may leave traces outside it is durable at once: whether the effect had stopped in the conversation
    or outside it decides whether it is entered again or in doubt.
    """
    run.journal.record(event)
    if is_frame(turning.path):
        await run.journal.commit()
