"""Groups that speak together: branches run at the same time, and are joined in the order in which they were declared.

Each branch sees the conversation as of the fork. A branch that fails cancels its siblings and is the group's
error; one that waits for a person lets the others finish first. A finished branch is recorded at once, so
that it is not run again should the process die while its siblings are still at work.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from convgraph.errors import InputError
from convgraph.graph.definition import Node
from convgraph.graph.state import Turn
from convgraph.journal.events import BranchFinished, JsonObject
from convgraph.journal.turn_paths import inner_path
from convgraph.messages import Message
from convgraph.runtime.children import Item, have_runs_of_their_own, what_children_say
from convgraph.runtime.context import Context
from convgraph.runtime.replies import reply_parts
from convgraph.runtime.scope import Scope, Turning
from convgraph.runtime.signals import LimitStop, Missing, Parked


@dataclass(frozen=True, slots=True)
class _Branch:
    """One branch: who speaks, where its events belong, and what it sees. `item` is a ForEach's."""

    node: Node
    key: str
    turning: Turning
    context: Context


async def speak_together(scope: Scope, node: Node, turning: Turning, context: Context) -> Turn:
    """Run the group's branches and join what they say into one turn."""
    branches = _items(scope, node, turning) if node.kind == "foreach" else _members(scope, node, turning, context)
    elsewhere = have_runs_of_their_own(scope, node, turning)
    done = await _run_elsewhere(scope, node, turning, branches) if elsewhere else await _run_all(scope, branches, node.concurrency)
    _check_shared_keys(scope, node, branches, done)
    visits: dict[str, int] = {}
    for branch in branches:
        visits[branch.node.name] = visits.get(branch.node.name, 0) + 1
        turning.asked = (*turning.asked, *branch.turning.asked)
    return Turn(
        node.name,
        tuple(message for finished in done for message in finished.messages),
        tuple(finished.update for finished in done if finished.update),
        visits=visits,
    )


def _members(scope: Scope, node: Node, turning: Turning, context: Context) -> list[_Branch]:
    branches: list[_Branch] = []
    for member in node.branches:
        inner = _branch_turning(scope, turning, member.name)
        own = Context(scope.run, inner, member.name, scope.state, context.messages)
        branches.append(_Branch(member, f"{node.name}/{member.name}", inner, own))
    return branches


def _items(scope: Scope, node: Node, turning: Turning) -> list[_Branch]:
    """A branch for each item; it sees the item as a last message from the group."""
    body = node.branches[0]
    items = node.over(scope.state) if node.over is not None else None
    if not isinstance(items, list):
        text = node.over.text if node.over is not None else ""
        raise InputError(f"node {node.name!r}: over={text!r} gave {items!r:.100}; a ForEach runs over a list")
    branches: list[_Branch] = []
    for number, item in enumerate(cast("list[Any]", items)):
        inner = _branch_turning(scope, turning, f"#{number}")
        told = Message(node.name, item if isinstance(item, str) else json.dumps(item), "user", data=None if isinstance(item, str) else item)
        own = Context(scope.run, inner, body.name, scope.state, scope.state.history.then((told,)), item)
        branches.append(_Branch(body, f"{node.name}/{body.name}", inner, own))
    return branches


def _branch_turning(scope: Scope, turning: Turning, name: str) -> Turning:
    run = scope.run
    path = inner_path(turning.path, name)
    inner = Turning(scope, path, turning, turning.usage, run.clock())
    inner.usage = run.ledger.usage_under(path) if run.ledger else type(turning.usage)()
    return inner


async def _run_all(scope: Scope, branches: Sequence[_Branch], concurrency: int | None) -> list[BranchFinished]:
    slots = asyncio.Semaphore(concurrency) if concurrency else None
    tasks = [asyncio.create_task(_run_branch(scope, branch, slots), name=branch.turning.path) for branch in branches]
    stopped: BaseException | None = None
    try:
        for finished in asyncio.as_completed(tasks):
            try:
                await finished
            except (Parked, LimitStop, Missing) as stop:
                # Nothing is wrong with the others: what they are at is finished and recorded before the run stops.
                stopped = stopped or stop
    except BaseException:
        await _cancel(tasks)
        raise
    if stopped is not None:
        raise stopped
    return [task.result() for task in tasks]


async def _run_elsewhere(scope: Scope, node: Node, turning: Turning, branches: Sequence[_Branch]) -> list[BranchFinished]:
    """Each item is a run of its own; what they say is joined like what branches say."""
    items = [Item(branch.turning, (branch.context.messages[-1],)) for branch in branches]
    done: list[BranchFinished] = []
    for branch, said in zip(branches, await what_children_say(scope, node, turning, items), strict=True):
        finished = _finished(scope, branch, said)
        if scope.run.replaying is not None or branch.turning.path not in scope.run.ledger.branches:
            scope.run.journal.record(finished)
        done.append(finished)
    return done


async def _cancel(tasks: Sequence[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _run_branch(scope: Scope, branch: _Branch, slots: asyncio.Semaphore | None) -> BranchFinished:
    run, path = scope.run, branch.turning.path
    if run.replaying is None and run.ledger and (known := run.ledger.branches.get(path)) is not None:
        branch.turning.asked = known.asked
        branch.turning.count_turns(run.ledger.turns_inside(path))
        return known
    if slots is None:
        reply = await _speak(scope, branch)
    else:
        async with slots:
            reply = await _speak(scope, branch)
    finished = _finished(scope, branch, reply)
    run.journal.record(finished)
    await run.journal.commit()
    return finished


async def _speak(scope: Scope, branch: _Branch) -> Any:
    if scope.run.watch is not None:
        scope.run.watch.turn_begins(branch.turning.path, branch.node.name, branch.node.kind)
    if branch.node.kind == "graph":
        from convgraph.runtime.nested import speak_nested

        return await speak_nested(scope, branch.node, branch.turning, branch.context, branch.key)
    return await scope.program.speakers[branch.key].speak(branch.context)


def _finished(scope: Scope, branch: _Branch, reply: Any) -> BranchFinished:
    messages, update, goto = reply_parts(scope, branch.node.name, reply, branch.turning.path)
    if goto is not None:
        raise InputError(f"branch {branch.key!r} hands over to {goto!r}; a branch of a group cannot, only the group's transitions can")
    return BranchFinished(branch.turning.path, branch.node.name, messages, update, branch.turning.asked)


def _check_shared_keys(scope: Scope, node: Node, branches: Sequence[_Branch], done: Sequence[BranchFinished]) -> None:
    """Two branches that write one field need a reducer to say how the two are merged."""
    schema = scope.program.definition.state
    writers: dict[str, str] = {}
    for branch, finished in zip(branches, done, strict=True):
        update: Mapping[str, Any] | JsonObject = finished.update or {}
        for key in update:
            if key in writers and (schema is None or key not in schema.reducers):
                raise InputError(
                    f"node {node.name!r}: branches {writers[key]!r} and {branch.turning.path!r} both write the state field {key!r}; "
                    f"give it a reducer: {key}: Annotated[…, Reducer(merge)]"
                )
            writers[key] = branch.turning.path
