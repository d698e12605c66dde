"""A scripted answer in the words of OpenAI's Responses interface: as one body, and as the events of a stream."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from convgraph.testing.answers import Answer, pieces

_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}


def response_body(answer: Answer, model: str, usage: Mapping[str, Any] | None) -> dict[str, Any]:
    """The whole response."""
    reason = _INCOMPLETE.get(answer.ending)
    return {
        **_envelope(model, "incomplete" if reason else "completed"),
        "incomplete_details": {"reason": reason} if reason else None,
        "output": _items(answer),
        "usage": usage,
    }


def response_events(answer: Answer, model: str, usage: Mapping[str, Any] | None) -> Iterator[dict[str, Any]]:
    """The events of the stream, each with its place in it."""
    events = [*opening(model), *_item_events(answer)]
    body = response_body(answer, model, usage)
    for number, event in enumerate([*events, {"type": f"response.{body['status']}", "response": body}]):
        yield {**event, "sequence_number": number}


def opening(model: str) -> list[dict[str, Any]]:
    """How each stream begins."""
    begun: dict[str, Any] = {**_envelope(model, "in_progress"), "output": [], "usage": None}
    return [{"type": "response.created", "response": begun}, {"type": "response.in_progress", "response": begun}]


def text_events(text: str, place: int = 0) -> Iterator[dict[str, Any]]:
    """A message's text as it comes, word by word."""
    around = {"item_id": f"msg_{place}", "output_index": place, "content_index": 0}
    for piece in pieces(text):
        yield {"type": "response.output_text.delta", **around, "delta": piece, "logprobs": []}


def _item_events(answer: Answer) -> Iterator[dict[str, Any]]:
    for place, item in enumerate(_items(answer)):
        empty: dict[str, Any] = {"content": []} if item["type"] == "message" else {"arguments": ""}
        yield {"type": "response.output_item.added", "output_index": place, "item": {**item, **empty, "status": "in_progress"}}
        if item["type"] == "message":
            yield from text_events(answer.content, place)
        else:
            arguments, around = item["arguments"], {"item_id": item["id"], "output_index": place}
            for start in range(0, len(arguments), 12):
                yield {"type": "response.function_call_arguments.delta", **around, "delta": arguments[start : start + 12]}
            yield {"type": "response.function_call_arguments.done", **around, "arguments": arguments}
        yield {"type": "response.output_item.done", "output_index": place, "item": item}


def _items(answer: Answer) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = [{"type": "output_text", "text": answer.content, "annotations": []}] if answer.content else []
    if "refusal" in answer.extra:
        parts.append({"type": "refusal", "refusal": answer.extra["refusal"]})
    message = {"type": "message", "id": "msg_0", "role": "assistant", "status": "completed", "content": parts}
    calls = [
        {"type": "function_call", "id": f"fc_{number}", "call_id": call["id"], "status": "completed", **call["function"]}
        for number, call in enumerate(answer.calls)
    ]
    return [message, *calls] if parts or not calls else calls


def _envelope(model: str, status: str) -> dict[str, Any]:
    return {"id": "resp_scripted", "object": "response", "created_at": 0, "status": status, "error": None, "model": model}
