"""Items of a `ForEach` that are runs of their own, which any worker of the store goes on with.

The parent waits for them as a run waits for a person: it parks on a question, which is answered by whoever sees that they have
all ended, or that one has failed. Should that process die before it says so, the clock answers: the parent looks again by itself.
Ids of children are made of the parent's and of where in it they belong, so whoever enters the turn again finds the same ones.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from convgraph.errors import AnswerError, InternalError, NodeFailed, RunBusy, RunExists
from convgraph.graph.definition import Node
from convgraph.graph.state import ErrorInfo
from convgraph.journal.events import EffectFinished, EffectStarted, Ended, JsonObject, Question, RunStarted
from convgraph.journal.runs import NewRun, RunInfo, RunStatus
from convgraph.journal.store import Store
from convgraph.messages import Message
from convgraph.runtime.effects import known
from convgraph.runtime.fold import fold, limits_document
from convgraph.runtime.scope import Scope, Turning
from convgraph.runtime.signals import Parked

if TYPE_CHECKING:
    from convgraph.runtime.program import Program

log = logging.getLogger("convgraph.worker")

CHILDREN = "(children)"
"""Whose question it is."""
OVER: frozenset[RunStatus] = frozenset({"finished", "stuck", "failed", "limited", "cancelled"})
"""How a child ends. One that waits, or was interrupted, goes on."""
LOOKS_AGAIN, SELDOM = 5.0, 60.0
"""After how many seconds a parent that nobody tells looks for its children at first, and in the end."""


@dataclass(frozen=True, slots=True)
class Children:
    """How a run has children: in which store, and as which graph of a worker's it is listed itself. `wanted`: new ones are made."""

    store: Store
    graph: str
    queue: str
    priority: int
    wanted: bool


@dataclass(frozen=True, slots=True)
class Item:
    """An item of a `ForEach`: the turn that its branch is, and what the child begins with."""

    turning: Turning
    messages: tuple[Message, ...]


def child_programs(name: str, program: Program) -> Iterator[tuple[str, Program]]:
    """What may become a run of its own in a run of `program`, and what such a run is listed as, where that is listed as `name`."""
    spread = {f"{node.name}/{node.branches[0].name}" for node in program.definition.nodes.values() if node.distributed and node.branches}
    for key, inner in program.inner.items():
        child = f"{name}/{key}"
        if key in spread:
            yield child, inner
        yield from child_programs(child, inner)


def have_runs_of_their_own(scope: Scope, node: Node, turning: Turning) -> bool:
    """Whether the group's items are runs: where workers go on with them, or have begun to, and where a record says so."""
    run = scope.run
    if not node.distributed:
        return False
    if run.ledger and run.ledger.begun(turning.path, "child", node.name, 0) is not None:
        return True
    return run.children is not None and run.children.wanted and _listed_as(scope) is not None


async def what_children_say(scope: Scope, node: Node, turning: Turning, items: Sequence[Item]) -> list[Message | None]:
    """The last message of each child, in the order of the items. Raises `Parked` while some go on, `NodeFailed` where one has failed."""
    run, body = scope.run, node.branches[0].name
    if run.replaying is None:
        await _see_to_children(scope, node, turning, items)
    known(run, turning, "child", node.name, 0, "")
    failure = _recorded_failure(scope, node, items)
    if failure is not None:
        run.ledger.used.add((failure.path, "child", body, 0))
        raise NodeFailed(failure.error.message if failure.error is not None else "")
    said: list[Message | None] = []
    for item in items:
        found = known(run, item.turning, "child", body, 0, "")
        result: JsonObject = {} if found is None else found.result
        item.turning.count_turns(result.get("turns", 0))
        said.append(Message(body, result["content"], data=result.get("data")) if "content" in result else None)
    return said


def _recorded(scope: Scope, node: Node, item: Item) -> EffectFinished | None:
    """What the record says has come of an item."""
    return scope.run.ledger.finished.get((item.turning.path, "child", node.branches[0].name, 0))


def _recorded_failure(scope: Scope, node: Node, items: Sequence[Item]) -> EffectFinished | None:
    """What the record says of the item that has failed, if one has."""
    found = (_recorded(scope, node, item) for item in items)
    return next((one for one in found if one is not None and one.error is not None), None)


async def _see_to_children(scope: Scope, node: Node, turning: Turning, items: Sequence[Item]) -> None:
    """Make the children that are not there, and record what has become of them once all have ended, or one has failed."""
    run = scope.run
    left = [item for item in items if _recorded(scope, node, item) is None]
    if left and _recorded_failure(scope, node, items) is None:
        begun = _begun(scope, node, turning)
        if begun is None:
            await asyncio.gather(*(_make(scope, node, item) for item in left))
        ended = await _ended(scope, left)
        if ended is None:
            question = await _wait_for_them(scope, node, turning, begun)
            ended = await _ended(scope, left)  # one may have ended just before there was something to answer
            if ended is None:
                raise Parked(question.id, f"{len(items)} runs of {node.branches[0].name!r}, each with an item")
        await _record(scope, node, left, ended)
    if (turning.path, "child", node.name, 0) not in run.ledger.finished:
        await _no_longer_waiting(scope, node, turning)


def _begun(scope: Scope, node: Node, turning: Turning) -> EffectStarted | None:
    """The record that this attempt has begun to wait."""
    begun = scope.run.ledger.begun(turning.path, "child", node.name, 0)
    return begun if begun is not None and begun.path == turning.path else None


async def _record(scope: Scope, node: Node, items: Sequence[Item], ended: Mapping[str, RunInfo]) -> None:
    """Record the first failure, and cancel what nobody has begun; where there is none, what all of them have said."""
    body = node.branches[0].name
    for item in items:
        child = ended[_child_id(scope, item)]
        if child.status not in OVER - {"finished"}:
            continue
        await _cancel_those_not_begun(scope, ended, f"run {child.run_id!r} beside it has failed")
        reason = f"run {child.run_id!r}, with an item of node {node.name!r}, ended {child.status}: {child.reason}"
        failure = ErrorInfo("NodeFailed", reason, body)
        await scope.run.keep(EffectFinished(item.turning.path, "child", body, 0, "", error=failure))
        return
    for item in items:
        await _take_down(scope, node, item)


async def _make(scope: Scope, node: Node, item: Item) -> None:
    """Make the run of an item, for any worker. It may be there: whoever had the turn before has made it."""
    run, children, body = scope.run, _own(scope), node.branches[0].name
    key = f"{node.name}/{body}"
    program = scope.program.inner[key]
    messages = item.messages if run.secrets is None else run.secrets.in_messages(item.messages)
    name, limits = program.definition.name, limits_document(program.definition.limits)
    started = RunStarted(name, program.fingerprint, program.document_digest, messages, None, limits)
    new = NewRun(
        _child_id(scope, item),
        f"{_listed_as(scope)}/{key}",
        program.fingerprint,
        parent=run.run_id,
        parent_seq=-1,  # it shares no events with it
        parent_step=int(turn_number(item.turning.path)),
        queue=children.queue,
        priority=children.priority,
    )
    try:
        await children.store.create(new, [started], {program.document_digest: program.document_text}, claim=False)
    except RunExists:
        log.debug("run %s: %s has been made before", run.run_id, new.run_id, extra={"run_id": run.run_id})


async def _ended(scope: Scope, items: Sequence[Item]) -> Mapping[str, RunInfo] | None:
    """The children, once all have ended or one has failed; None before."""
    children = _own(scope)
    wanted = {_child_id(scope, item) for item in items}
    found = {info.run_id: info for info in await children.store.aruns(parent=scope.run.run_id) if info.run_id in wanted}
    return found if are_decided(list(found.values())) and len(found) == len(wanted) else None


def are_decided(runs: Sequence[RunInfo]) -> bool:
    """Whether a parent has nothing to wait for: all have ended, or one has failed."""
    return all(info.status in OVER for info in runs) or any(info.status in OVER - {"finished"} for info in runs)


async def _wait_for_them(scope: Scope, node: Node, turning: Turning, begun: EffectStarted | None) -> Question:
    """Put the question that the last of the children answers; the clock does so as well, later each time."""
    run = scope.run
    times = int(begun.key) + 1 if begun is not None else 0
    due = await run.journal.now() + min(LOOKS_AGAIN * 2**times, SELDOM)
    question = Question(question_of(turning.path), f"the runs of {node.name}", {"type": "null"}, CHILDREN, due=due)
    await run.keep(EffectStarted(turning.path, "child", node.name, 0, "", str(times), question))
    return question


async def _no_longer_waiting(scope: Scope, node: Node, turning: Turning) -> None:
    """Take the question back. There is a record of it even if all have ended before there was one: it says that they were runs."""
    if _begun(scope, node, turning) is None:
        await scope.run.keep(EffectStarted(turning.path, "child", node.name, 0, ""))
    await scope.run.keep(EffectFinished(turning.path, "child", node.name, 0, "", question=question_of(turning.path)))


async def _take_down(scope: Scope, node: Node, item: Item) -> None:
    """Record what a child has said and what it has cost: a replay needs nothing else of it."""
    run, children, body = scope.run, _own(scope), node.branches[0].name
    run_id = _child_id(scope, item)
    state = fold(scope.program.inner[f"{node.name}/{body}"].definition, await children.store.load(run_id, steps_only=True), run_id).state
    result: JsonObject = {"run": run_id, "turns": state.turn + state.inner_turns}
    if len(state.history) > len(item.messages):
        last = state.history[-1]
        result["content"] = last.content
        if last.data is not None:
            result["data"] = last.data
    if run.secrets is not None:
        result = run.secrets.in_json(result)
    item.turning.spend(state.usage)
    await run.keep(EffectFinished(item.turning.path, "child", body, 0, "", result, None, state.usage, state.seconds))


async def _cancel_those_not_begun(scope: Scope, children: Mapping[str, RunInfo], reason: str) -> None:
    own = _own(scope)
    for info in children.values():
        if info.status != "ready":
            continue
        try:
            claim = await own.store.claim(info.run_id)
        except RunBusy:
            continue  # a worker has just begun it
        try:
            if claim.epoch == info.epoch + 1:
                await own.store.append(claim, [Ended("cancelled", reason)])
        finally:
            await own.store.release(claim)


async def tell_parent(store: Store, child: RunInfo) -> None:
    """Have the parent of a child that has ended gone on with, if it has nothing else to wait for."""
    path = child.run_id.removeprefix(f"{child.parent}.").rpartition("/")[0]
    group = f"{child.parent}.{path}/"
    if are_decided([info for info in await store.aruns(parent=child.parent) if info.run_id.startswith(group)]):
        try:
            await store.deliver(child.parent, question_of(path), None)
        except AnswerError:
            log.debug("run %s: its parent does not wait for it any more, or not yet", child.run_id, extra={"run_id": child.run_id})


def question_of(path: str) -> str:
    """The id of the question by which the group at `path` waits for its children."""
    return f"children-{path.replace('/', '.')}"


def turn_number(path: str) -> str:
    """The number of the run's turn in which the path lies."""
    return path.partition("/")[0].partition("~")[0]


def _own(scope: Scope) -> Children:
    if scope.run.children is None:
        raise InternalError(f"run {scope.run.run_id!r} has begun runs of its items, and cannot get at them")
    return scope.run.children


def _child_id(scope: Scope, item: Item) -> str:
    return f"{scope.run.run_id}.{item.turning.path}"


def _listed_as(scope: Scope) -> str | None:
    """What a run of this conversation would be listed as; None for one that code has opened, which no worker could find."""
    if scope.outer is None:
        return scope.run.children.graph if scope.run.children is not None else None
    around = scope.outer.scope
    key = next((key for key, program in around.program.inner.items() if program is scope.program), None)
    outer = _listed_as(around)
    return None if key is None or outer is None else f"{outer}/{key}"
