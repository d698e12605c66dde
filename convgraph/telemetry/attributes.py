"""What spans say of choices, answers and tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from convgraph.journal.events import EffectFinished, JsonObject, Moved, Stepped
from convgraph.messages import Usage
from convgraph.protocols import Distribution
from convgraph.runtime.distributions import weighed
from convgraph.telemetry import content
from convgraph.telemetry import conventions as c


@dataclass(slots=True)
class Choice:
    """A choice that is being made: among what, since when, and what models have answered so far."""

    targets: Sequence[str]
    began: int
    answers: list[tuple[str, Distribution | None]] = field(default_factory=list[tuple[str, Distribution | None]])


def selection(event: Stepped | Moved, choice: Choice | None) -> dict[str, Any]:
    """Where the conversation goes, and who chose that; `choice` is there where there was something to choose from."""
    about: dict[str, Any] = {c.CHOSEN: event.target, c.CHOSEN_BY: event.chosen_by}
    if event.edge is not None:
        about[c.CHOSEN_EDGE] = event.edge
    if choice is not None:
        about[c.CANDIDATES] = choice.targets
        distribution = weighed(choice.answers, choice.targets) if choice.answers else None
        if distribution is not None:
            about[c.DISTRIBUTION] = content.as_text(dict(distribution.of))
            about[c.DISTRIBUTION_BY] = distribution.by
    return about


def answer(event: EffectFinished, *, said: bool) -> dict[str, Any]:
    """A model's recorded answer; with `said`, its words as well."""
    about, result = tokens(event.usage), cast("JsonObject", event.result or {})
    if event.error is None:
        about[c.FINISH_REASONS] = (result.get("finish_reason", "stop"),)
        about[c.RESPONSE_MODEL] = result.get("model") or event.name
        if "saved" in result:
            about[c.FROM_CACHE] = True
        if result.get("response_id"):
            about[c.RESPONSE_ID] = result["response_id"]
        if said:
            about[c.OUTPUT_MESSAGES] = content.answered(result)
    return about


def tokens(usage: Usage) -> dict[str, Any]:
    """What was used, and what that cost."""
    about: dict[str, Any] = {c.INPUT_TOKENS: usage.input_tokens, c.OUTPUT_TOKENS: usage.output_tokens}
    if usage.cached_tokens:
        about[c.CACHED_TOKENS] = usage.cached_tokens
    if usage.usd:
        about[c.COST] = usage.usd
    return about
