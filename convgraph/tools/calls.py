"""A reply's tool calls, carried out: together, each once, and with every failure told to the model.

Effects are numbered as they start. So that the numbers are the same when a turn is entered again, calls start in
the order in which the model made them, and those that a person has to approve start together, after all others,
once every answer is there.
"""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar, cast

from convgraph.content_parts import Content, Part
from convgraph.errors import DefinitionError, EffectFailed, InputError, NotEncodable
from convgraph.messages import Message, ToolCall
from convgraph.plain_data import replaced
from convgraph.runtime.approval import refusal
from convgraph.runtime.context import Context, current_turn
from convgraph.runtime.threads import in_thread
from convgraph.tools.definition import Tool, ToolLike, ToolSet
from convgraph.tools.results import Handoff, from_journal, journaled

T = TypeVar("T")
_Result: TypeAlias = str | list[Part] | Handoff

_FAILS_THE_TURN = frozenset({"InDoubt", "DefinitionError"})
"""Failures that are no business of the model's: a person let the turn fail, or the tool is written wrongly."""


@dataclass(frozen=True, slots=True)
class ToolOutcome:
    """What became of a reply's tool calls.

    `calls` are the calls, each with an id of its own (what the message that makes them has to carry), `messages`
    their results in the same order, `handoff` the first handoff among them, and `update` what they change in the state:
    return `Reply(…, update, goto=handoff.target)`.
    """

    calls: tuple[ToolCall, ...]
    messages: tuple[Message, ...]
    handoff: Handoff | None = None
    update: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class _Ready:
    """A call that can be made: its tool, its arguments as the model gave them, and as the function takes them."""

    tool: Tool
    arguments: dict[str, Any]
    values: dict[str, Any]


async def run_tool_calls(ctx: Context, calls: Sequence[ToolCall], tools: ToolSet | Iterable[ToolLike]) -> ToolOutcome:
    """Carry out a reply's tool calls, at the same time, each as an effect of the turn.

    What the model can do something about is a result that says so: an unknown tool, arguments that do not fit, an
    error, a timeout, a person's refusal. The run parks where a person's answer has to be waited for; by then all
    calls that need none are done.

    Raises `NotEncodable` for a result that has no text; `EffectFailed` where a person lets a call in doubt fail, where
    `run(deps=…)` lacks what a tool is to be given; and what an `approval=`
    rule raises.
    """
    known = tools if isinstance(tools, ToolSet) else ToolSet(tools)
    calls = with_distinct_ids(calls)
    prepared = [_prepare(call, known) for call in calls]
    results: dict[int, _Result] = {number: item for number, item in enumerate(prepared) if isinstance(item, str)}
    ready = {number: item for number, item in enumerate(prepared) if isinstance(item, _Ready)}
    guarded = {number: item for number, item in ready.items() if item.tool.needs_approval(item.values)}
    free = {number: item for number, item in ready.items() if number not in guarded}

    first = await _together([*(_perform(ctx, item) for item in free.values()), *(_refusal(ctx, item) for item in guarded.values())])
    answers = dict(zip([*free, *guarded], first, strict=True))
    results |= {number: answer for number, answer in answers.items() if answer is not None}
    approved = {number: item for number, item in guarded.items() if answers[number] is None}
    results |= dict(zip(approved, await _together([_perform(ctx, item) for item in approved.values()]), strict=True))
    return _outcome(ctx.node, calls, [results[number] for number in range(len(calls))])


def with_distinct_ids(calls: Sequence[ToolCall]) -> tuple[ToolCall, ...]:
    """The calls, with an id for each that has none, and another for each that has one used before it."""
    taken = {call.id for call in calls}
    seen: set[str] = {""}
    distinct: list[ToolCall] = []
    for call in calls:
        if call.id in seen:
            number = 1
            while f"{call.id or 'call'}_{number}" in taken:
                number += 1
            call = replaced(call, id=f"{call.id or 'call'}_{number}")
            taken.add(call.id)
        seen.add(call.id)
        distinct.append(call)
    return tuple(distinct)


def _prepare(call: ToolCall, tools: ToolSet) -> _Ready | str:
    """The call made ready, or what the model is told instead."""
    found = tools.get(call.name)
    if found is None:
        return _error(f"there is no tool {call.name!r}; there are: {', '.join(tools.names) or 'none'}")
    try:
        arguments = found.parameters.parse(call.arguments)
        values = found.parameters.check(arguments)
    except InputError as error:
        return _error(str(error))
    return _Ready(found, arguments, values)


async def _perform(ctx: Context, ready: _Ready) -> _Result:
    """Make the call, as an effect."""
    tool = ready.tool

    async def call(_arguments: dict[str, Any], idempotency_key: str) -> Any:
        values = {**ready.values, **_given(ctx, tool, idempotency_key)}
        return journaled(await _in_time(tool, values), tool.name)

    try:
        return from_journal(await ctx.effect(tool.name, call, ready.arguments, idempotent=tool.idempotent))
    except EffectFailed as error:
        if error.error_type == "NotEncodable":
            raise NotEncodable(error.message, tool.name) from error
        if error.error_type in _FAILS_THE_TURN:
            raise
        return _error(f"{error.error_type}: {error.message}")


def _error(text: str) -> str:
    """What the model is told of a failure. It quotes whatever was there, so what no message can hold (half a character) is replaced."""
    return f"Error: {text}".encode("utf-8", "replace").decode()


def _given(ctx: Context, tool: Tool, idempotency_key: str) -> dict[str, Any]:
    """What the model does not give: from the turn, and from `run(deps=…)`, which a replay does not have and a call that is made needs."""
    deps = ctx.deps
    offered = {"ctx": current_turn() or ctx, "deps": deps, "idempotency_key": idempotency_key}
    values = {name: value for name, value in offered.items() if name in tool.parameters.given}
    for parameter, name in tool.parameters.injected.items():
        try:
            values[parameter] = _from(deps, name)
        except (KeyError, AttributeError):
            raise DefinitionError(
                f"node {ctx.node!r}: tool {tool.name!r} ({tool.origin}) is to be given {name!r}, "
                f"which run(deps=…), a {type(deps).__name__}, does not have"
            ) from None
    return values


def _from(deps: Any, name: str) -> Any:
    return cast("Mapping[str, Any]", deps)[name] if isinstance(deps, Mapping) else getattr(deps, name)


async def _in_time(tool: Tool, values: dict[str, Any]) -> Any:
    deadline = asyncio.timeout(tool.timeout)
    try:
        async with deadline:
            if inspect.iscoroutinefunction(tool.fn) or inspect.iscoroutinefunction(getattr(type(tool.fn), "__call__", None)):  # noqa: B004
                return await tool.fn(**values)
            result = await in_thread(tool.fn, **values)
            return await result if inspect.isawaitable(result) else result
    except TimeoutError as error:
        if not deadline.expired():
            raise
        raise TimeoutError(f"no result within {tool.timeout:g} s; whether it took effect is not known") from error


async def _refusal(ctx: Context, ready: _Ready) -> str | None:
    """Ask a person about the call. None if it is approved, else what the model is told."""
    name = ready.tool.name
    prompt = f"May {ctx.node} call {name}({json.dumps(ready.arguments, ensure_ascii=False)})?"
    subject = {"tool": name, "arguments": ready.arguments}
    reason = await refusal(ctx, prompt, id=f"approve-{name}-{ctx.turn}", kind="tool", subject=subject)
    if reason is None:
        return None
    return f"A person refused this call: {reason}" if reason else "A person refused this call."


async def _together(work: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """Do all of it at the same time, starting in order. One that fails or parks lets the others finish: none is left in doubt for it."""
    ended = await asyncio.gather(*(asyncio.create_task(item) for item in work), return_exceptions=True)
    for end in ended:
        if isinstance(end, BaseException):
            raise end
    return cast("list[T]", ended)


def _outcome(sender: str, calls: tuple[ToolCall, ...], results: Sequence[_Result]) -> ToolOutcome:
    handoff = next((result for result in results if isinstance(result, Handoff) and result.target), None)
    update: dict[str, Any] = {}
    for result in results:
        update = joined_updates(update, result.update if isinstance(result, Handoff) else None)
    messages = tuple(
        Message(sender, _told(result, handoff), "tool", call.name, tool_call_id=call.id)
        for call, result in zip(calls, results, strict=True)
    )
    return ToolOutcome(calls, messages, handoff, update or None)


def joined_updates(one: Mapping[str, Any], other: Mapping[str, Any] | None) -> dict[str, Any]:
    """Both updates of a state; what both set to mappings, key by key."""
    both = dict(one)
    for key, value in (other or {}).items():
        both[key] = {**both[key], **value} if isinstance(value, Mapping) and isinstance(both.get(key), Mapping) else value
    return both


def _told(result: _Result, handoff: Handoff | None) -> Content:
    if not isinstance(result, Handoff):
        return result
    if result is handoff or handoff is None or not result.target:
        return result.text
    return f"Not handed over to {result.target}: another call of this reply hands over to {handoff.target}."
