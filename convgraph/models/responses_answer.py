"""From what OpenAI's Responses interface sends back to a `ModelReply`; what is not an answer is said to be none."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from convgraph.errors import ModelConfigError, ModelOutputError, ModelUnavailable
from convgraph.messages import ToolCall
from convgraph.models.json_fields import count_in, items_in, mapping_in, text_in
from convgraph.models.prices import Counted, Price, usage_of
from convgraph.models.text import Pieces, sound, sound_json
from convgraph.models.token_distribution import odds_in
from convgraph.protocols import ModelReply, TokenOdds

_TRANSIENT = ("server_error", "rate_limit_exceeded", "vector_store_timeout")
_CUT_OFF = {"max_output_tokens": "length", "content_filter": "content_filter"}


def read_response(body: Any, model: str, price: Price | None) -> ModelReply:
    """The reply in the JSON body of a response. Raises `ModelOutputError` when there is none.

    A response that failed raises `ModelUnavailable` where another try may help, else `ModelConfigError`.
    """
    if not isinstance(body, Mapping):
        raise ModelOutputError(f"{model!r} answered with something other than a JSON object: {body!r:.200}. Is base_url right?")
    collected = CollectedResponse(model)
    collected.finish(cast("Mapping[str, Any]", body))
    return collected.reply(price)


@dataclass(slots=True)
class _Item:
    """A message or a function call, as far as it has come."""

    kind: str
    text: str = ""
    refusal: str = ""
    call_id: str = ""
    name: str = ""
    arguments: str = ""
    odds: tuple[TokenOdds, ...] = ()


@dataclass(slots=True)
class CollectedResponse:
    """What has come of a response so far: all at once, or event by event."""

    model: str
    on_text: Callable[[str], None] | None = None
    _items: dict[str, _Item] = field(default_factory=dict[str, _Item])
    _told: dict[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])
    _id: str = ""
    _counted: Counted | None = None
    _finish_reason: str = ""
    _pieces: Pieces = field(init=False)

    def __post_init__(self) -> None:
        self._pieces = Pieces(self.on_text)

    def add_chunk(self, chunk: Any) -> None:
        """Take in one event of a stream. Raises `ModelOutputError` when it is none, and what `read_response` raises."""
        if not isinstance(chunk, Mapping):
            raise ModelOutputError(f"{self.model!r} streamed something other than a JSON object: {chunk!r:.200}")
        event = cast("Mapping[str, Any]", chunk)
        kind = text_in(event, "type")
        if kind == "response.output_text.delta":
            self._item(event, "message").text += text_in(event, "delta")
            self._pieces.add(text_in(event, "delta"))
        elif kind == "response.refusal.delta":
            self._item(event, "message").refusal += text_in(event, "delta")
        elif kind == "response.function_call_arguments.delta":
            self._item(event, "function_call").arguments += text_in(event, "delta")
        elif kind in ("response.output_item.added", "response.output_item.done"):
            self._take(_key(event, mapping_in(event, "item")), mapping_in(event, "item"))
        elif kind in ("response.created", "response.in_progress"):
            self.model = text_in(mapping_in(event, "response"), "model") or self.model
        elif kind in ("response.completed", "response.incomplete", "response.failed"):
            self.finish(mapping_in(event, "response"))
        elif kind == "error":
            raise _failure(self.model, event)

    def finish(self, response: Mapping[str, Any]) -> None:
        """Take in the whole response, as it comes at the end. What it leaves out is as it was streamed."""
        self.model = text_in(response, "model") or self.model
        self._id = "" if response.get("store") is False else text_in(response, "id")
        usage = mapping_in(response, "usage")
        if usage:
            details = mapping_in(usage, "input_tokens_details")
            self._counted = Counted(
                count_in(usage, "input_tokens"),
                count_in(usage, "output_tokens"),
                count_in(details, "cached_tokens"),
                count_in(details, "cache_write_tokens"),
            )
        if text_in(response, "status") in ("failed", "cancelled"):
            raise _failure(self.model, mapping_in(response, "error"))
        whole = CollectedResponse(self.model)
        for position, item in enumerate(items_in(response, "output")):
            whole._take(str(position), item)
        self._items = whole._items or self._items
        self._told = whole._told or self._told
        reason = text_in(mapping_in(response, "incomplete_details"), "reason")
        calls = any(item.kind == "function_call" for item in self._items.values())
        self._finish_reason = _CUT_OFF.get(reason, reason) or ("tool_calls" if calls else "stop")

    def reply(self, price: Price | None) -> ModelReply:
        """The reply so far. A refusal takes the place of the text that the model declined to write.

        Raises `ModelOutputError` when the response is over, and the model has neither said nor called anything.
        """
        items = list(self._items.values())
        refusal = "".join(item.refusal for item in items)
        calls = [item for item in items if item.kind == "function_call"]
        if any(not call.name for call in calls):
            raise ModelOutputError(f"{self.model!r} calls a tool without a name: {calls!r:.200}")
        reply = ModelReply(
            content=sound("".join(item.text for item in items) or refusal),
            tool_calls=tuple(
                ToolCall(sound(call.call_id) or f"call_{number}", sound(call.name), sound_json(call.arguments) or "{}")
                for number, call in enumerate(calls)
            ),
            usage=usage_of(self._counted, price, self.model),
            model=self.model,
            finish_reason="refusal" if refusal else self._finish_reason,
            response_id=self._id,
            items=tuple(self._told.values()),
            odds=tuple(token for item in items for token in item.odds),
        )
        if self._finish_reason == "stop" and not items and not self._told:
            raise ModelOutputError(f"{self.model!r} answered without any output. Does base_url have the Responses interface?", reply)
        return reply

    def _item(self, event: Mapping[str, Any], kind: str) -> _Item:
        return self._items.setdefault(_key(event, {}), _Item(kind))

    def _take(self, key: str, item: Mapping[str, Any]) -> None:
        """An item as it is announced, or as it is when it is done. Reasoning is left out: it is the endpoint's own."""
        kind = text_in(item, "type")
        if kind not in ("function_call", "reasoning", "") and (kind != "message" or _quotes(item)):
            self._told[key] = _sound(item)
        if kind not in ("message", "function_call"):
            return
        known = self._items.setdefault(key, _Item(kind))
        parts = items_in(item, "content")
        known.text = "".join(text_in(part, "text") for part in parts if text_in(part, "type") == "output_text") or known.text
        known.odds = tuple(token for part in parts for token in odds_in(part, "logprobs")) or known.odds
        known.refusal = "".join(text_in(part, "refusal") for part in parts) or known.refusal
        known.call_id = text_in(item, "call_id") or text_in(item, "id") or known.call_id
        known.name = text_in(item, "name") or known.name
        known.arguments = text_in(item, "arguments") or known.arguments


def _key(event: Mapping[str, Any], item: Mapping[str, Any]) -> str:
    """What tells an item from the others: its place in the output, or its id where a server does not number them."""
    index = event.get("output_index")
    return str(index) if isinstance(index, int) else text_in(event, "item_id") or text_in(item, "id")


def _sound(item: Mapping[str, Any]) -> Mapping[str, Any]:
    """The item as JSON that can be written anywhere: without halves of characters, and numbers that are none."""
    return json.loads(sound_json(json.dumps(item)), parse_constant=lambda _: None)


def _quotes(message: Mapping[str, Any]) -> bool:
    """Whether a message says where it has something from."""
    return any(items_in(part, "annotations") for part in items_in(message, "content"))


def _failure(model: str, error: Mapping[str, Any]) -> ModelConfigError | ModelUnavailable:
    code = text_in(error, "code")
    said = f"{model!r} broke off its answer with an error: {text_in(error, 'message') or code or 'it does not say which'}"
    return ModelUnavailable(said) if code in _TRANSIENT or not code else ModelConfigError(f"{said} ({code})")
