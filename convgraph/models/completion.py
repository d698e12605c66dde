"""From what an OpenAI-compatible endpoint sends back to a `ModelReply`; what is not an answer is said to be none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from convgraph.errors import ModelOutputError
from convgraph.messages import ToolCall
from convgraph.models.prices import Counted, Price, usage_of
from convgraph.models.text import held_back, sound, sound_json
from convgraph.protocols import ModelReply


def read_completion(body: Any, model: str, price: Price | None) -> ModelReply:
    """The reply in the JSON body of a chat completion. Raises `ModelOutputError` when there is none.

    Servers of many makes answer in this format, so nothing is taken for granted: not even that it is JSON.
    """
    if not isinstance(body, Mapping):
        raise ModelOutputError(f"{model!r} answered with something other than a JSON object: {body!r:.200}. Is base_url right?")
    answer = cast("Mapping[str, Any]", body)
    collected = Collected(model)
    collected.add_envelope(answer)
    choice = _first_choice(answer)
    message = choice.get("message")
    if not isinstance(message, Mapping):
        raise ModelOutputError(f"{model!r} answered without a message: {answer!r:.200}", collected.reply(price))
    collected.add_message(cast("Mapping[str, Any]", message))
    # The body came whole, so an endpoint that does not say why it ended has simply ended.
    collected.finish_reason = _text(choice.get("finish_reason")) or "stop"
    return collected.reply(price)


@dataclass(slots=True)
class Collected:
    """What has come of an answer so far: all at once, or chunk by chunk."""

    model: str
    on_text: Callable[[str], None] | None = None
    finish_reason: str = ""
    _text: list[str] = field(default_factory=list[str])
    _refusal: list[str] = field(default_factory=list[str])
    _calls: dict[int, dict[str, str]] = field(default_factory=dict[int, dict[str, str]])
    _counted: Counted | None = None
    _pending: str = ""

    def add_chunk(self, chunk: Any) -> None:
        """Take in one chunk of a stream. Raises `ModelOutputError` when it is none."""
        if not isinstance(chunk, Mapping):
            raise ModelOutputError(f"{self.model!r} streamed something other than a JSON object: {chunk!r:.200}")
        event = cast("Mapping[str, Any]", chunk)
        self.add_envelope(event)
        choice = _first_choice(event)
        delta = choice.get("delta")
        if isinstance(delta, Mapping):
            self.add_message(cast("Mapping[str, Any]", delta))
        self.finish_reason = _text(choice.get("finish_reason")) or self.finish_reason

    def add_envelope(self, body: Mapping[str, Any]) -> None:
        self.model = _text(body.get("model")) or self.model
        usage = body.get("usage")
        if isinstance(usage, Mapping):
            self._counted = _counted(cast("Mapping[str, Any]", usage))

    def add_message(self, message: Mapping[str, Any]) -> None:
        text = _content(message.get("content"))
        if text:
            self._text.append(text)
            self._hand_over(text)
        self._refusal.append(_text(message.get("refusal")))
        calls = message.get("tool_calls")
        for position, call in enumerate(cast("list[Any]", calls) if isinstance(calls, list) else []):
            if isinstance(call, Mapping):
                self._add_call(cast("Mapping[str, Any]", call), position)

    def _add_call(self, call: Mapping[str, Any], position: int) -> None:
        index = call.get("index")
        known = self._calls.setdefault(index if isinstance(index, int) else position, {"id": "", "name": "", "arguments": ""})
        function = cast("Mapping[str, Any]", call.get("function") if isinstance(call.get("function"), Mapping) else {})
        # Some servers repeat the id and the name in every chunk; only the arguments grow.
        known["id"] = known["id"] or _text(call.get("id"))
        known["name"] = known["name"] or _text(function.get("name"))
        known["arguments"] += _text(function.get("arguments"))

    def _hand_over(self, text: str) -> None:
        if self.on_text is None:
            return
        text = self._pending + text
        waits = held_back(text)
        self._pending = text[len(text) - waits :]
        if len(text) > waits:
            self.on_text(sound(text[: len(text) - waits]))

    def reply(self, price: Price | None) -> ModelReply:
        """The whole reply. A refusal takes the place of the text that the model declined to write."""
        refusal = "".join(self._refusal)
        calls = tuple(
            ToolCall(sound(call["id"]) or f"call_{index}", sound(call["name"]), sound_json(call["arguments"]) or "{}")
            for index, call in sorted(self._calls.items())
        )
        if any(not call.name for call in calls):
            raise ModelOutputError(f"{self.model!r} calls a tool without a name: {calls!r:.200}")
        return ModelReply(
            content=sound("".join(self._text) or refusal),
            tool_calls=calls,
            usage=usage_of(self._counted, price, self.model),
            model=self.model,
            finish_reason="refusal" if refusal else self.finish_reason,
        )


def _counted(usage: Mapping[str, Any]) -> Counted:
    details = usage.get("prompt_tokens_details")
    parts = cast("Mapping[str, Any]", details if isinstance(details, Mapping) else {})
    return Counted(
        _count(usage.get("prompt_tokens")),
        _count(usage.get("completion_tokens")),
        _count(parts.get("cached_tokens")),
        _count(parts.get("cache_write_tokens")),
    )


def _first_choice(body: Mapping[str, Any]) -> Mapping[str, Any]:
    choices = body.get("choices")
    first = cast("list[Any]", choices)[0] if isinstance(choices, list) and choices else None
    return cast("Mapping[str, Any]", first) if isinstance(first, Mapping) else {}


def _content(content: Any) -> str:
    """The text of a content, which some servers send as a list of parts."""
    if isinstance(content, list):
        parts = cast("list[Any]", content)
        return "".join(_text(cast("Mapping[str, Any]", part).get("text")) for part in parts if isinstance(part, Mapping))
    return _text(content)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _count(value: Any) -> int:
    return value if isinstance(value, int) and value >= 0 else 0
