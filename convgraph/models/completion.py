"""From what an OpenAI-compatible endpoint sends back to a `ModelReply`; what is not an answer is said to be none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from convgraph.errors import ModelOutputError
from convgraph.messages import ToolCall
from convgraph.models.json_fields import count_in, items_in, mapping_in, text_in
from convgraph.models.prices import Counted, Price, usage_of
from convgraph.models.text import Pieces, sound, sound_json
from convgraph.models.token_distribution import odds_in
from convgraph.protocols import ModelReply, TokenOdds


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
    collected.add_odds(choice)
    # The body came whole, so an endpoint that does not say why it ended has simply ended.
    collected.finish_reason = text_in(choice, "finish_reason") or "stop"
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
    _odds: list[TokenOdds] = field(default_factory=list[TokenOdds])
    _counted: Counted | None = None
    _pieces: Pieces = field(init=False)

    def __post_init__(self) -> None:
        self._pieces = Pieces(self.on_text)

    def add_chunk(self, chunk: Any) -> None:
        """Take in one chunk of a stream. Raises `ModelOutputError` when it is none."""
        if not isinstance(chunk, Mapping):
            raise ModelOutputError(f"{self.model!r} streamed something other than a JSON object: {chunk!r:.200}")
        event = cast("Mapping[str, Any]", chunk)
        self.add_envelope(event)
        choice = _first_choice(event)
        self.add_message(mapping_in(choice, "delta"))
        self.add_odds(choice)
        self.finish_reason = text_in(choice, "finish_reason") or self.finish_reason

    def add_envelope(self, body: Mapping[str, Any]) -> None:
        self.model = text_in(body, "model") or self.model
        if usage := mapping_in(body, "usage"):
            self._counted = _counted(usage)

    def add_message(self, message: Mapping[str, Any]) -> None:
        text = _content(message)
        self._text.append(text)
        self._pieces.add(text)
        self._refusal.append(text_in(message, "refusal"))
        for position, call in enumerate(items_in(message, "tool_calls")):
            self._add_call(call, position)

    def add_odds(self, choice: Mapping[str, Any]) -> None:
        self._odds.extend(odds_in(mapping_in(choice, "logprobs"), "content"))

    def _add_call(self, call: Mapping[str, Any], position: int) -> None:
        index, function = call.get("index"), mapping_in(call, "function")
        known = self._calls.setdefault(index if isinstance(index, int) else position, {"id": "", "name": "", "arguments": ""})
        # Some servers repeat the id and the name in every chunk; only the arguments grow.
        known["id"] = known["id"] or text_in(call, "id")
        known["name"] = known["name"] or text_in(function, "name")
        known["arguments"] += text_in(function, "arguments")

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
            odds=tuple(self._odds),
        )


def _counted(usage: Mapping[str, Any]) -> Counted:
    details = mapping_in(usage, "prompt_tokens_details")
    return Counted(
        count_in(usage, "prompt_tokens"),
        count_in(usage, "completion_tokens"),
        count_in(details, "cached_tokens"),
        count_in(details, "cache_write_tokens"),
    )


def _first_choice(body: Mapping[str, Any]) -> Mapping[str, Any]:
    choices = items_in(body, "choices")
    return choices[0] if choices else {}


def _content(message: Mapping[str, Any]) -> str:
    """The text of a content, which some servers send as a list of parts."""
    return text_in(message, "content") or "".join(text_in(part, "text") for part in items_in(message, "content"))
