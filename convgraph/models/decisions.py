"""OpenAI's decisions endpoint: a question with given choices, answered with a choice and how probable each of them was."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, cast

from convgraph.errors import ModelConfigError, ModelOutputError
from convgraph.models.choosing import checked_confidence, choices_of, settled
from convgraph.models.dialect import Dialect
from convgraph.models.json_fields import count_in, items_in, mapping_in, number_in, text_in
from convgraph.models.openai_model import OpenAIModel
from convgraph.models.prices import Counted, Price, usage_of
from convgraph.models.responses_wire import responses_body
from convgraph.models.text import sound
from convgraph.plain_data import replaced
from convgraph.protocols import Distribution, ModelReply, ModelRequest

DECIDING_MODEL = "gpt-6-luna"
"""The model that OpenAI serves there."""


def decision_body(request: ModelRequest, model: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON body that asks `model` for one of the request's choices. Raises `ModelConfigError` where it has none."""
    choices = choices_of(request, model)
    conversation = responses_body(ModelRequest(choices.messages, request.speaker), model, {})
    question = {
        "type": "choice",
        "name": "next",
        "instructions": sound(choices.question),
        "choices": [{"value": name, "description": sound(said)} for name, said in choices.described.items()],
    }
    return {"model": model, "input": conversation["input"], "questions": [question], **params, **request.params}


def read_decision(body: Any, model: str, price: Price | None) -> ModelReply:
    """The answer to the one question as the reply's `data`, not yet judged. Raises `ModelOutputError` when there is none."""
    if not isinstance(body, Mapping):
        raise ModelOutputError(f"{model!r} answered with something other than a JSON object: {body!r:.200}. Is base_url right?")
    answer = cast("Mapping[str, Any]", body)
    usage = mapping_in(answer, "usage")
    details = mapping_in(usage, "input_tokens_details")
    counted = Counted(
        count_in(usage, "input_tokens"),
        count_in(usage, "output_tokens"),
        count_in(details, "cached_tokens"),
        count_in(details, "cache_write_tokens"),
    )
    named = text_in(answer, "model") or model
    return ModelReply(model=named, usage=usage_of(counted if usage else None, price, named), data=items_in(answer, "answers"))


def _not_streamed(model: str, on_text: Callable[[str], None]) -> Any:  # noqa: ARG001  # the parameters of a dialect
    raise ModelConfigError(f"{model!r} decides in one piece: leave out stream=")


DECISIONS = Dialect(kind="openai_decisions", path="/decisions", write=decision_body, read=read_decision, collect=_not_streamed)


class OpenAIDecisionsModel(OpenAIModel):
    """A model that chooses, and says how probable each choice was: a `selector_model=`. It cannot write.

    Its settings are those of `OpenAIModel`, but for `stream`. Where it refuses, answers with anything that is not a choice
    among those given, with its probability, or is less confident than `unsure_below`, nothing is chosen: it raises
    `ModelOutputError`, after which the next model of a `FallbackModel` is asked, or a graph tries again and then takes its fallback.
    """

    dialect: ClassVar[Dialect] = DECISIONS

    def __init__(self, model: str | None = DECIDING_MODEL, *, unsure_below: float = 0.0, **settings: Any) -> None:
        if settings.get("stream") is not None:
            raise ModelConfigError("stream= is not for a model that decides: its answer comes in one piece")
        super().__init__(model or DECIDING_MODEL, **settings, stream=False)
        self._unsure_below = checked_confidence(unsure_below)

    def describe(self) -> Mapping[str, Any]:
        """What `OpenAIModel` describes, and below which confidence nothing is chosen."""
        return {**super().describe(), "unsure_below": self._unsure_below}

    async def respond(self, request: ModelRequest, on_delta: Callable[[str], None] | None = None) -> ModelReply:
        """Have one of the request's choices made. Raises `ModelConfigError`, `ModelUnavailable` or `ModelOutputError`."""
        names = choices_of(request, self.name).described
        reply = await self._ask(request)
        answers, reply = cast("list[Mapping[str, Any]]", reply.data), replaced(reply, data=None)
        if len(answers) != 1:
            raise ModelOutputError(f"{reply.model!r} was asked one question and gave {len(answers)} answers", reply)
        reply = _judged(answers[0], reply, names, self._unsure_below)
        if on_delta is not None:
            on_delta(reply.content)
        return reply


def _judged(answer: Mapping[str, Any], reply: ModelReply, names: Mapping[str, str], unsure_below: float) -> ModelReply:
    """The choice, if the answer is one. The choice and its probabilities count together, or not at all."""
    if answer.get("type") == "refusal":
        raise ModelOutputError(f"{reply.model!r} refuses to choose", replaced(reply, finish_reason="refusal"))
    picked, confidence = answer.get("choice"), number_in(answer, "confidence")
    weights = {text_in(each, "value"): number_in(each, "probability") for each in items_in(answer, "probabilities")}
    if not isinstance(picked, str) or picked not in weights or not weights.keys() <= names.keys():
        raise ModelOutputError(f"{reply.model!r} answered with something that was not to be chosen: {dict(answer)!r:.200}", reply)
    if confidence is None or not 0 <= confidence <= 1 or None in weights.values():
        raise ModelOutputError(f"{reply.model!r} gave probabilities that are none: {dict(answer)!r:.200}", reply)
    of = cast("dict[str, float]", weights)
    if of[picked] < max(of.values()):
        raise ModelOutputError(f"{reply.model!r} chose what it says is not the most probable: {dict(answer)!r:.200}", reply)
    try:
        distribution = Distribution(of, "decision")
    except ModelOutputError as error:
        raise ModelOutputError(f"{reply.model!r}: {error}", reply) from error
    return settled(reply, picked, distribution, confidence=confidence, unsure_below=unsure_below)
