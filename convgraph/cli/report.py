"""What a run came to: as lines with the commands that go on with it, and as an object for programs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from convgraph.cli.output import Output
from convgraph.cli.session import UNKNOWN, Place
from convgraph.content_parts import brief_content
from convgraph.messages import Message, Usage
from convgraph.wording import counted, money

if TYPE_CHECKING:
    from convgraph.journal.runs import OpenQuestion, RunInfo
    from convgraph.runtime.result import RunResult

RESUMABLE = ("waiting", "limited", "failed", "cancelled", "interrupted", "ready")


def report(output: Output, result: RunResult, place: Place) -> None:
    """Say how a run stands and what can be done next."""
    output.line(f"run {result.run_id} {result.status}: {result.stop_reason}")
    output.line(f"{counted(result.steps, 'turn')}, {spent(result.usage)}")
    for warning in result.warnings:
        output.line(f"warning: {warning}")
    for line in next_steps(result.run_id, result.status, result.questions, place):
        output.line(line)
    output.result(as_document(result, place))


def next_steps(run_id: str, status: str, questions: Iterable[OpenQuestion], place: Place) -> Iterable[str]:
    """The exact commands that answer what is open and go on with the run."""
    for question in questions:
        if question.answered:
            yield f"question {question.id} is answered: {question.prompt}"
            continue
        yield f"question {question.id}: {question.prompt}"
        yield f"answer it (VALUE is {_kind(question.schema)}):"
        yield f"  {place.command('answer', run_id, question.id, 'VALUE')}"
    if status in RESUMABLE:
        more = ["--max-turns", "N"] if status == "limited" else []
        yield "resume it (with a limit that leaves room, --max-turns or another):" if more else "resume it:"
        yield f"  {place.command('resume', run_id, *more)}"
        if place.graph == UNKNOWN:
            yield f"  or run the program that started it again, with its store= and run_id={run_id!r}"


def as_document(result: RunResult, place: Place) -> dict[str, Any]:
    """The result as JSON values."""
    return {
        "run_id": result.run_id,
        "status": result.status,
        "reason": result.stop_reason,
        "steps": result.steps,
        "usage": usage_document(result.usage),
        "last": None if result.last is None else message_document(result.last),
        "state": None if result.state is None else result.state.model_dump(mode="json"),
        "questions": [question_document(question) for question in result.questions],
        "warnings": list(result.warnings),
        "store": place.store,
        "resume": place.command("resume", result.run_id) if result.status in RESUMABLE else None,
    }


def usage_document(usage: Usage) -> dict[str, Any]:
    """Calls, tokens and US dollars."""
    return usage._asdict()


def message_document(message: Message) -> dict[str, Any]:
    """A message as JSON values; what is not there is left out, and of a picture there is its kind and size."""
    document: dict[str, Any] = {"sender": message.sender, "role": message.role, "content": brief_content(message.content)}
    if message.tool_calls:
        document["tool_calls"] = [{"id": call.id, "name": call.name, "arguments": call.arguments} for call in message.tool_calls]
    if message.tool_call_id:
        document["tool_call_id"] = message.tool_call_id
    return document if message.data is None else {**document, "data": message.data}


def question_document(question: OpenQuestion) -> dict[str, Any]:
    """A question as JSON values."""
    return {
        "id": question.id,
        "prompt": question.prompt,
        "schema": dict(question.schema),
        "node": question.node,
        "answered": question.answered,
    }


def run_document(info: RunInfo) -> dict[str, Any]:
    """A run as a store lists it, as JSON values. Times are seconds since 1970."""
    names = ("run_id", "status", "graph", "reason", "created", "updated", "target", "fingerprint", "parent", "parent_step")
    return {**{name: getattr(info, name) for name in names}, "labels": list(info.labels)}


def spent(usage: Usage) -> str:
    """What was spent, in words."""
    words = [counted(usage.calls, "model call")]
    words += [counted(usage.tokens, "token")] if usage.tokens else []
    words += [money(usage.usd)] if usage.usd else []
    return ", ".join(words)


def _kind(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return f"one of {', '.join(map(str, schema['enum']))}"
    kinds = {"string": "a text", "boolean": "yes or no", "integer": "a whole number", "number": "a number"}
    return kinds.get(str(schema.get("type")), "JSON that fits the question's schema; `show` prints it")
