"""A run's life: it starts, stops, is resumed, forked, continued. Each verb ends in the one interpreter."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from convgraph.errors import ConvgraphError, InputError, InternalError, RunBusy, StoreError
from convgraph.graph.definition import START, Limits
from convgraph.graph.machine import advance, resumed
from convgraph.graph.state import End, ErrorInfo, State
from convgraph.journal.events import Edited, Ended, Resumed, RunStarted, Stepped
from convgraph.journal.naming import check_priority, check_queue, check_run_id
from convgraph.journal.runs import ENDED, Claim, NewRun
from convgraph.journal.store import Store
from convgraph.journal.writer import Journal
from convgraph.messages import as_message
from convgraph.runtime.children import Children
from convgraph.runtime.divergence import as_error
from convgraph.runtime.fold import Standing, as_edit, limits_document
from convgraph.runtime.inputs import (
    Beginning,
    Options,
    check_answers,
    check_no_secrets,
    check_options,
    check_prices,
    check_step,
    said_to,
    secrets_of,
)
from convgraph.runtime.interpreter import converse, path_of_next
from convgraph.runtime.observing import Watch, Watched, listening, trace_here, trace_of, watching
from convgraph.runtime.people import People
from convgraph.runtime.program import Program
from convgraph.runtime.result import RunResult, result_of
from convgraph.runtime.run import Run
from convgraph.runtime.scope import Scope
from convgraph.runtime.secrets import secrets_in
from convgraph.runtime.seen import Seen, checked_standing, given_answers, look, nothing_new, stored_document
from convgraph.runtime.signals import Diverged, HandedOver, Parked, Stop

log = logging.getLogger("convgraph.run")


async def start(program: Program, beginning: Beginning, store: Store, options: Options) -> RunResult:
    """Start a run and go on until it stops. Raises `RunExists` and `StoreError` before anything is written."""
    name, first = beginning.run_id, beginning.state
    with watching(Watched(name, program.definition.name, program.fingerprint)) as watch:
        started = _started(program, beginning, options.target, trace_of(watch))
        claim = await store.create(
            _new_run(program, beginning, options.target), [started], {program.document_digest: program.document_text}
        )
        run = _run(program, name, store, claim, options, {}, watch)
        if (listener := listening(options.listener, watch)) is not None:
            listener(started)
        return await execute(Scope(run, program, first, limits=beginning.limits), store, claim, options.stop)


async def submit(program: Program, beginning: Beginning, store: Store, target: str, queue: str, priority: int) -> str:
    """Make a run that somebody else begins: its status is `ready`. Returns its id. Raises as `start` does."""
    check_queue(queue)
    check_priority(priority)
    started = _started(program, beginning, target, trace_here())
    new = replace(_new_run(program, beginning, target), queue=queue, priority=priority)
    await store.create(new, [started], {program.document_digest: program.document_text}, claim=False)
    return beginning.run_id


def _started(program: Program, beginning: Beginning, target: str, trace: str) -> RunStarted:
    first = beginning.state
    values = first.dump_data() if first.data is not None else None
    name, limits = program.definition.name, limits_document(beginning.limits)
    return RunStarted(name, program.fingerprint, program.document_digest, beginning.messages, values, limits, target, trace)


def _new_run(program: Program, beginning: Beginning, target: str) -> NewRun:
    return NewRun(beginning.run_id, program.definition.name, program.fingerprint, target, labels=beginning.labels)


async def resume(
    program: Program,
    run_id: str,
    store: Store,
    answers: Mapping[str, Any] | None,
    limits: Limits | None,
    redo_turn: bool,
    options: Options,
) -> RunResult:
    """Go on with a run from its last complete step. A run that is finished or stuck is given back as it is stored."""
    check_options(options)
    secrets_of(program, options)
    seen = await look(program, run_id, store)
    standing, questions = seen.standing, seen.questions
    check_answers(run_id, answers or {}, questions, standing)
    if standing.state.status in ENDED:
        await _set_right(program, seen, store)
        return result_of(run_id, standing.state, store)
    if limits is not None:
        check_prices(program, limits)
    given = given_answers(questions, answers)
    if await nothing_new(standing, options, given, store, run_id):
        await _set_right(program, seen, store)
        return result_of(run_id, standing.state, store, tuple(questions))
    claim = await store.claim(run_id)
    try:
        if claim.next_seq != seen.next_seq:
            # Somebody else ran it between the look and the claim: look again, now that nobody else can write.
            seen = await look(program, run_id, store)
            standing, given = seen.standing, given_answers(seen.questions, answers)
            try:
                check_answers(run_id, answers or {}, seen.questions, standing)
            except ConvgraphError:
                await _give_back(store, claim, seen.standing)
                raise
            if standing.state.status in ENDED:
                await _give_back(store, claim, standing)
                return result_of(run_id, standing.state, store)
        with watching(Watched(run_id, program.definition.name, program.fingerprint, True, standing.trace)) as watch:
            run = _run(program, run_id, store, claim, options, given, watch)
            run.ledger = standing.unfinished
            run.children = Children(store, seen.info.graph, seen.info.queue, seen.info.priority, options.children)
            _record_return(run, program, standing, limits, redo_turn)
            if options.announced:
                await run.journal.commit()
            scope = Scope(run, program, resumed(standing.state), limits=limits or standing.limits)
            return await execute(scope, store, claim, options.stop, standing.state)
    except BaseException:
        await _release(store, claim)  # or nobody could go on with it for as long as this process lives
        raise


async def fork(
    program: Program,
    run_id: str,
    store: Store,
    at: int,
    message: Any,
    update: Mapping[str, Any] | None,
    new_id: str | None,
    *,
    changed: bool = False,
) -> str:
    """Make a run that shares steps 1 to `at` with another and may differ from there. Returns its id; `resume` runs it.

    With `changed`, the fork goes on with this graph even where it differs from the one the run was made with.
    """
    check_step(at, "fork(at=…)")
    info = await store.info(run_id)
    events = await store.load(run_id, upto_step=at)
    document = None if changed else await stored_document(store, program, events)
    standing = checked_standing(program, events, info, document)
    last = events[-1].event
    if not isinstance(last, Stepped):
        raise InternalError(f"run {run_id!r}: step {at} is not a step")
    edited = message is not None or update is not None
    definition = program.definition
    if update is not None:
        if definition.state is None:
            raise InputError(f"fork(state=…): graph {definition.name!r} has no state")
        update = definition.state.to_json(definition.state.check_update(update, "fork(state=…)"), "fork(state=…)")
    mark = Edited(
        "forked",
        node=last.node if edited else None,
        last=as_message(message, standing.state.history[-1].sender) if message is not None else None,
        update=dict(update) if update is not None else None,
        choosing=True if edited else None,
        parent=run_id,
        step=at,
        fingerprint=program.fingerprint if changed else "",
        definition=program.document_digest if changed else "",
    )
    advance(definition, standing.state, as_edit(mark))
    name = check_run_id(new_id) if new_id is not None else uuid.uuid4().hex
    new = NewRun(name, info.graph, info.fingerprint, info.target, run_id, events[-1].seq, at, info.queue, info.priority)
    await store.create(new, [mark], {program.document_digest: program.document_text} if changed else None, claim=False)
    return name


async def carry_on(
    program: Program, run_id: str, said: Any, store: Store, state: Mapping[str, Any] | None, limits: Limits | None, options: Options
) -> RunResult:
    """Go on with an ended conversation: the next message of its user, answered from where the graph begins."""
    secrets = secrets_of(program, options)
    messages = said_to(secrets, said)
    if not messages:
        raise InputError("continue_ needs the next message of the user")
    check_options(options)
    update = _checked_update(program, state)
    check_no_secrets(secrets, update, "continue_(state=…)")
    seen = await look(program, run_id, store)
    standing = seen.standing
    if standing.state.status not in ("finished", "stuck", "limited"):
        raise InputError(f"run {run_id!r} is {seen.info.status}, not ended; resume it before continuing the conversation")
    claim = await store.claim(run_id)
    if claim.next_seq != seen.next_seq:
        await _give_back(store, claim, (await look(program, run_id, store)).standing)
        raise RunBusy(f"run {run_id!r} was continued by somebody else at the same moment; read what was said, then try again", run_id)
    with watching(Watched(run_id, program.definition.name, program.fingerprint, True, standing.trace)) as watch:
        run = _run(program, run_id, store, claim, options, {}, watch)
        beginning = program.definition.beginning
        mark = Edited("continued", beginning, messages=messages, update=update, choosing=beginning == START, trace=trace_of(watch))
        run.journal.record(mark)
        if limits is not None:
            run.journal.record(Resumed(limits_document(limits)))
        scope = Scope(run, program, advance(program.definition, standing.state, as_edit(mark)), limits=limits or standing.limits)
        return await execute(scope, store, claim, options.stop)


def _checked_update(program: Program, state: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Changes to the state, in JSON. Raises `InputError` for what does not fit."""
    if not state:
        return None
    schema, where = program.definition.state, f"graph {program.definition.name!r}, the state to go on with"
    if schema is None:
        raise InputError(f"{where}: the graph has no state; give it one with ConversationGraph(state=…)")
    return schema.to_json(schema.check_update(state, where), where)


async def execute(scope: Scope, store: Store, claim: Claim, stop: Stop, before: State | None = None) -> RunResult:
    """Run the conversation until it stops, write why, and give the run back whatever happens.

    `before` is where the run stood when it was resumed: a resume that is refused on the way leaves it there.
    """
    run = scope.run
    journal = run.journal
    if not isinstance(journal, Journal):
        raise InternalError("execute() is for runs with a store")
    try:
        try:
            await settle(scope)
        except asyncio.CancelledError:
            if stop.hand_over:
                raise HandedOver from None
            scope.state = advance(
                scope.program.definition, scope.state, End("cancelled", "cancelled; resume goes on with the unfinished turn")
            )
            await _write_end(scope, journal)
            if not stop.requested:
                raise
            _uncancel()
        else:
            await _write_end(scope, journal)
    except Diverged as diverged:
        if before is not None and before.status is not None:
            journal.record(Ended(before.status, before.reason))
            await journal.flush()
        raise await as_error(diverged, store, run.run_id) from None
    finally:
        try:
            await run.let_go()
        finally:
            await _release(store, claim)
    questions = await store.aquestions(run.run_id) if scope.state.status == "waiting" else []
    return result_of(run.run_id, scope.state, store, tuple(questions), tuple(run.warnings), run.failure)


def _uncancel() -> None:
    """Take back the cancellation by which the run was stopped: the task that ran it goes on, with the run's result."""
    task = asyncio.current_task()
    if task is not None:
        task.uncancel()


async def settle(scope: Scope) -> None:
    """Converse until the conversation stops, and turn what stopped it into its state. A failing run is not an exception."""
    run, definition = scope.run, scope.program.definition
    try:
        await converse(scope)
    except Parked as parked:
        scope.state = advance(definition, scope.state, End("waiting", f"waiting for {parked.what}"))
    except (StoreError, InternalError):
        raise
    except Exception as error:
        log.debug("run %s failed outside a node", run.run_id, exc_info=error)
        run.failure = error
        state = scope.state
        path = path_of_next(scope)
        attempt = len(run.attempts(path)) + 1
        text = str(error) if run.secrets is None else run.secrets.in_text(str(error))
        run.attempt_failed(path, attempt, ErrorInfo(type(error).__name__, text, state.node), "error", 0.0)
        scope.state = advance(definition, state, End("failed", text))


def _run(program: Program, run_id: str, store: Store, claim: Claim, options: Options, answers: dict[str, Any], watch: Watch | None) -> Run:
    journal = Journal(store, claim, options.durability, listening(options.listener, watch))
    people = People(run_id, options.human, answers)
    run = Run(run_id, journal, program.codec, people, deps=options.deps, setups=program.setups, through=options.through)
    run.instead = options.instead
    run.secrets = secrets_in(options.deps, program.redactions)
    run.longest_wait = options.longest_wait
    run.stop = options.stop
    run.watch = watch
    return run


def _record_return(run: Run, program: Program, standing: Standing, limits: Limits | None, redo_turn: bool) -> None:
    changed = standing.fingerprint != program.fingerprint
    digest = program.document_digest if changed else ""
    if changed:
        run.journal.content(digest, program.document_text)
    run.journal.record(
        Resumed(
            limits_document(limits) if limits is not None else None,
            redo_turn,
            program.fingerprint if changed else "",
            digest,
            trace_of(run.watch),
        )
    )
    for event in standing.pending:
        run.journal.record(event)
    if redo_turn and not standing.state.choosing:
        path = str(standing.state.turn + 1)
        run.attempt_failed(path, len(run.attempts(path)) + 1, ErrorInfo("Redo", "a new attempt was asked for"), "redo", 0.0)


async def _write_end(scope: Scope, journal: Journal) -> None:
    state = scope.state
    if state.status is None:
        raise InternalError("a conversation stopped without a status")
    journal.record(Ended(state.status, state.reason))
    await journal.flush()


async def _give_back(store: Store, claim: Claim, standing: Standing) -> None:
    """Undo a claim of a run that is not to go on: the status that it had stopped with, if it had, is written again."""
    try:
        if standing.state.status is not None:
            await store.append(claim, [Ended(standing.state.status, standing.state.reason)])
    finally:
        await _release(store, claim)


async def _set_right(program: Program, seen: Seen, store: Store) -> None:
    """Have a run that has stopped listed as its journal says, where somebody has claimed it and died before anything came of it."""
    if seen.info.status != "interrupted":
        return
    try:
        claim = await store.claim(seen.info.run_id)
    except RunBusy:
        return  # it is being gone on with
    try:
        if claim.next_seq != seen.next_seq:
            seen = await look(program, seen.info.run_id, store)
    except BaseException:
        await _release(store, claim)
        raise
    await _give_back(store, claim, seen.standing)


async def _release(store: Store, claim: Claim) -> None:
    try:
        await store.release(claim)
    except StoreError as error:  # the lease runs out by itself; the error that matters is already on its way
        log.debug("run %s: the claim could not be released: %s", claim.run_id, error)
