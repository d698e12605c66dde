"""A scripted answer in the words of OpenAI's Responses interface: as one body, and as the events of a stream."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from convgraph.testing.answers import Answer, pieces


@dataclass(frozen=True, slots=True)
class Told:
    """What a response says besides its output: the model's name, its own id, whether it is remembered under that, and its usage."""

    model: str
    response_id: str = "resp_scripted"
    stored: bool = False
    usage: Mapping[str, Any] | None = None


_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}


def response_body(answer: Answer, told: Told) -> dict[str, Any]:
    """The whole response."""
    reason = _INCOMPLETE.get(answer.ending)
    return {
        **_envelope(told, "incomplete" if reason else "completed"),
        "incomplete_details": {"reason": reason} if reason else None,
        "output": output_items(answer),
        "usage": told.usage,
    }


def response_events(answer: Answer, told: Told) -> Iterator[dict[str, Any]]:
    """The events of the stream, each with its place in it."""
    events = [*opening(told), *_item_events(answer)]
    body = response_body(answer, told)
    for number, event in enumerate([*events, {"type": f"response.{body['status']}", "response": body}]):
        yield {**event, "sequence_number": number}


def opening(told: Told) -> list[dict[str, Any]]:
    """How each stream begins."""
    begun: dict[str, Any] = {**_envelope(told, "in_progress"), "output": [], "usage": None}
    return [{"type": "response.created", "response": begun}, {"type": "response.in_progress", "response": begun}]


def text_events(text: str, place: int = 0) -> Iterator[dict[str, Any]]:
    """A message's text as it comes, word by word."""
    around = {"item_id": f"msg_{place}", "output_index": place, "content_index": 0}
    for piece in pieces(text):
        yield {"type": "response.output_text.delta", **around, "delta": piece, "logprobs": []}


def _item_events(answer: Answer) -> Iterator[dict[str, Any]]:
    for place, item in enumerate(output_items(answer)):
        empty: dict[str, Any] = {key: type(item[key])() for key in ("content", "arguments") if key in item}
        yield {"type": "response.output_item.added", "output_index": place, "item": {**item, **empty, "status": "in_progress"}}
        if item["type"] == "message":
            yield from text_events(answer.content, place)
        elif item["type"] == "function_call":
            arguments, around = item["arguments"], {"item_id": item["id"], "output_index": place}
            for start in range(0, len(arguments), 12):
                yield {"type": "response.function_call_arguments.delta", **around, "delta": arguments[start : start + 12]}
            yield {"type": "response.function_call_arguments.done", **around, "arguments": arguments}
        yield {"type": "response.output_item.done", "output_index": place, "item": item}


def output_items(answer: Answer) -> list[dict[str, Any]]:
    """The items of the answer: what it says of the endpoint's own tools, its text, and its calls of functions."""
    text = {"type": "output_text", "text": answer.content, "annotations": list(answer.extra.get("annotations", ()))}
    parts: list[dict[str, Any]] = [text] if answer.content else []
    if "refusal" in answer.extra:
        parts.append({"type": "refusal", "refusal": answer.extra["refusal"]})
    message = {"type": "message", "id": "msg_0", "role": "assistant", "status": "completed", "content": parts}
    calls = [
        {"type": "function_call", "id": f"fc_{number}", "call_id": call["id"], "status": "completed", **call["function"]}
        for number, call in enumerate(answer.calls)
    ]
    return [*answer.extra.get("output", ()), *([message] if parts or not calls else []), *calls]


def _envelope(told: Told, status: str) -> dict[str, Any]:
    said = {"created_at": 0, "status": status, "error": None, "model": told.model, "store": told.stored}
    return {"id": told.response_id, "object": "response", **said}
