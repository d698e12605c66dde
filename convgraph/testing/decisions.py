"""A scripted answer in the words of OpenAI's decisions endpoint: a choice, and how probable each was.

The answer's text is the choice, which then is certain, or a JSON object of choices and their probabilities, of which the
most probable is chosen. Its `extra` goes over what follows from that, for refusals (`{"type": "refusal"}`) and worse.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

from convgraph.testing.answers import Answer

MOST_CHOICES = 255


def wrong_with(request: Mapping[str, Any]) -> str:
    """What is wrong with a request, in words; empty where nothing is."""
    asked = _objects(request.get("questions"))
    if len(asked) != 1:
        return "the body is to have one question in 'questions': this server's scripts answer one at a time"
    [question] = asked
    if question.get("type") != "choice" or not isinstance(question.get("instructions"), str):
        return "this server answers questions of type 'choice', with 'instructions'"
    values = [choice.get("value") for choice in _objects(question.get("choices"))]
    if not 2 <= len(values) <= MOST_CHOICES or len(set(map(repr, values))) != len(values):
        return f"a question has 2 to {MOST_CHOICES} choices, each with a 'value' of its own"
    return ""


def decision_body(request: Mapping[str, Any], answer: Answer, model: str, usage: Mapping[str, Any] | None) -> dict[str, Any]:
    """The whole response."""
    question = request["questions"][0]
    of = _probabilities(answer.content)
    chosen = max(of, key=of.__getitem__)
    told = {
        "type": "choice",
        "name": question.get("name"),
        "choice": chosen,
        "confidence": of[chosen],
        "probabilities": [{"value": value, "probability": probability} for value, probability in of.items()],
        **answer.extra,
    }
    return {"answers": [told], "model": model, "usage": usage}


def _probabilities(text: str) -> dict[str, float]:
    try:
        value: Any = json.loads(text)
    except ValueError:
        return {text: 1.0}
    return cast("dict[str, float]", value) if isinstance(value, dict) and value else {text: 1.0}


def _objects(value: Any) -> list[Mapping[str, Any]]:
    listed = cast("list[Any]", value) if isinstance(value, list) else []
    return [cast("Mapping[str, Any]", item) for item in listed if isinstance(item, Mapping)]
