"""Chat completions as OpenAI's clients send and read them, with one field more: `convgraph`, about the run behind the answer."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from convgraph.messages import Usage
from convgraph.studio.exchange import Outcome
from convgraph.studio.schemas.asked import LimitsIn
from convgraph.studio.schemas.base import In, Json, Out

Finish: TypeAlias = Literal["stop", "length"]


class OpenAIError(Out):
    """Why a request was refused. `code` is the name of a class in `convgraph.errors`, or `run_failed`."""

    message: str
    type: str
    param: None
    code: str


class OpenAIProblem(BaseModel):
    """An error as OpenAI's clients read it."""

    error: OpenAIError


class ChatMessageIn(BaseModel):
    """A message of the conversation so far. Fields that say nothing here are passed over."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[dict[str, Json]] | None = None
    name: Annotated[str | None, Field(max_length=200)] = None


class RunIn(In):
    """About the run: with `run_id` an earlier one is answered or continued, else one is begun with these `limits` and `labels`.

    `nodes` says whose words are the answer; without it, the answer is what was said last.
    """

    run_id: Annotated[str | None, Field(min_length=1, max_length=200)] = None
    nodes: list[str] | None = None
    state: dict[str, Json] | None = None
    limits: LimitsIn | None = None
    labels: list[str] = Field(default_factory=list[str])


class ChatIn(BaseModel):
    """A request for a completion. What concerns the sampling of a model is passed over: the graph's models have their own settings."""

    model_config = ConfigDict(extra="allow")

    model: Annotated[str, Field(max_length=200)]
    messages: Annotated[list[ChatMessageIn], Field(min_length=1)]
    stream: bool = False
    stream_options: dict[str, Json] | None = None
    n: Literal[1] | None = None
    tools: Annotated[list[Json] | None, Field(max_length=0, description="the graph has its own")] = None
    convgraph: RunIn = RunIn()

    @property
    def wants_usage(self) -> bool:
        """Whether a stream is to end with what it has cost."""
        return bool((self.stream_options or {}).get("include_usage"))


def run_field(outcome: Outcome) -> dict[str, Any]:
    """What is said of the run beside its answer."""
    asked = [{"id": each.id, "prompt": each.prompt, "schema": dict(each.schema)} for each in outcome.questions]
    return {"run_id": outcome.info.run_id, "status": outcome.info.status, "reason": outcome.info.reason, "questions": asked}


def finish_of(outcome: Outcome) -> Finish:
    """Why the answer ends: `length` where a limit has cut the conversation short."""
    return "length" if outcome.info.status == "limited" else "stop"


def content_of(outcome: Outcome, said: str) -> str:
    """The answer: what was said, or what the run asks where it waits for a person."""
    return "\n\n".join(each.prompt for each in outcome.questions) if outcome.info.status == "waiting" else said


def completion(model: str, outcome: Outcome, said: str) -> dict[str, Any]:
    """A whole answer."""
    message = {"role": "assistant", "content": content_of(outcome, said), "refusal": None}
    choice = {"index": 0, "message": message, "finish_reason": finish_of(outcome), "logprobs": None}
    return {
        **_head("chat.completion", model, outcome.info.run_id),
        "choices": [choice],
        "usage": usage_of(outcome.usage),
        "convgraph": run_field(outcome),
    }


def chunk(model: str, run_id: str, delta: Mapping[str, Any], finish: Finish | None = None, **more: Any) -> dict[str, Any]:
    """A piece of a streamed answer."""
    choice = {"index": 0, "delta": dict(delta), "finish_reason": finish, "logprobs": None}
    return {**_head("chat.completion.chunk", model, run_id), "choices": [choice], **more}


def usage_chunk(model: str, outcome: Outcome) -> dict[str, Any]:
    """The last piece of a stream that is asked what it has cost."""
    return {**_head("chat.completion.chunk", model, outcome.info.run_id), "choices": [], "usage": usage_of(outcome.usage)}


def usage_of(usage: Usage) -> dict[str, int]:
    """What all models of the run have read and written for the answer."""
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }


def _head(kind: str, model: str, run_id: str) -> dict[str, Any]:
    return {"id": f"chatcmpl-{run_id}", "object": kind, "created": int(time.time()), "model": model}
