"""What the floors expect of one another: a model, a speaker, and the request and reply that pass between them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from math import isfinite
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, runtime_checkable

from convgraph.errors import ModelOutputError
from convgraph.messages import NO_USAGE, Message, ReplyLike, ToolCall, Usage
from convgraph.plain_data import PlainData

if TYPE_CHECKING:
    from convgraph.runtime.context import Context

Basis: TypeAlias = Literal["decision", "similarity", "logprobs", "votes", "stated"]
"""Where a distribution comes from: a model's own verdict, how near meanings are, the probabilities of the tokens that were
written, several answers to one question, or a single answer, which says nothing of what else it might have been."""

_ROUNDING = 0.02
"""By how much probabilities may miss 1: providers round them."""


class Choices(PlainData, frozen=True):
    """A closed choice, for models that choose rather than write.

    `described` are the choices' names with what is said of each, `question` is what is to be chosen, and `messages` the
    conversation to choose by. A model that writes finds the same in the request's own fields. Digests are taken over those
    alone: what is chosen from is no part of what makes one request another.
    """

    described: Mapping[str, str]
    question: str = ""
    messages: Sequence[Message] = ()


class Distribution(PlainData, frozen=True):
    """How probable each choice was, by name. The probabilities add up to 1.

    Raises `ModelOutputError` for numbers that are no probabilities, or miss 1 by more than providers round.
    """

    of: Mapping[str, float]
    by: Basis

    def __post_init__(self) -> None:
        numbers = list(self.of.values())
        total = sum(numbers)
        if not numbers or not all(isfinite(number) and number >= 0 for number in numbers) or abs(total - 1) > _ROUNDING:
            raise ModelOutputError(f"these are no probabilities of choices, which are from 0 and add up to 1: {dict(self.of)!r:.200}")

    def __str__(self) -> str:
        ranked = sorted(self.of.items(), key=lambda pair: -pair[1])
        return ", ".join(f"{name} {probability:.2f}" for name, probability in ranked)


class Remembered(PlainData, frozen=True):
    """How much of a request's conversation the endpoint knows already: the first `messages`, under the id of its own answer."""

    response_id: str
    messages: int


class ModelRequest(PlainData, frozen=True):
    """What a model is asked.

    `messages` is the conversation as it stands, said by whoever said it; `speaker` is the one who asks, so
    that its own messages are the assistant's and all others the user's. The conversion to a provider's wire
    format is the client's, and happens only when a request is really sent: a request costs nothing to make,
    however long the conversation. `tools` are function schemas in OpenAI's form, `schema` a JSON schema that
    the answer must fit, `params` what the caller set (temperature, seed …): nothing else is sent. With `checked`
    off, the schema is sent all the same, but the answer comes back as it is: the asker judges its text. `choices` are there
    where one of several names is to be chosen. With `remembered`, the endpoint is told only what comes after that; a model
    whose endpoint remembers nothing refuses it, and one whose endpoint has forgotten raises `ResponseForgotten`.
    """

    messages: Sequence[Message]
    speaker: str = ""
    system: str = ""
    tools: tuple[Mapping[str, Any], ...] = ()
    schema: Mapping[str, Any] | None = None
    schema_name: str = "answer"
    params: Mapping[str, Any] = {}
    checked: bool = True
    choices: Choices | None = None
    remembered: Remembered | None = None


class TokenOdds(PlainData, frozen=True):
    """A token that a model wrote, and the logarithms of the probabilities of what might have stood there, itself included."""

    text: str
    logprobs: Mapping[str, float]


class ModelReply(PlainData, frozen=True):
    """What a model answered.

    `data` is the parsed answer where the request had a schema, and `misfit` says why there is none: the answer
    does not fit it. Such an answer is paid for all the same; whoever asked decides what becomes of it. Where a cache
    gave the answer, `usage` is nothing, and `saved` what the answer had cost when the model gave it. `distribution` says how
    probable each of the request's choices was, where the model knows; `odds`, where they were asked for, what each token of
    the answer might have been (they are not recorded: the distribution that follows from them is).
    `response_id` is under which name the endpoint remembers the answer, if it does, and `items` are what it tells besides in
    its own words: searches, code that it has run, what it quotes from where.
    """

    content: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    usage: Usage = NO_USAGE
    model: str = ""
    finish_reason: str = "stop"
    data: Any = None
    misfit: str = ""
    saved: Usage = NO_USAGE
    distribution: Distribution | None = None
    odds: tuple[TokenOdds, ...] = ()
    response_id: str = ""
    items: tuple[Mapping[str, Any], ...] = ()


@runtime_checkable
class Model(Protocol):
    """A language model. Stateless: two runs may use one at the same time."""

    @property
    def name(self) -> str:
        """What it is called in journals and drawings."""
        ...

    @property
    def priced(self) -> bool:
        """Whether `Usage.usd` of its replies can be trusted; a run with a limit in US dollars needs that."""
        ...

    def describe(self) -> Mapping[str, Any]:
        """Its identity as plain JSON, for documents, fingerprints and request digests. Never holds a secret.

        A `base_url` (or an `azure_endpoint`, `azure_deployment`, `api_version`) says where it is served: documents hold
        it, fingerprints and digests pass over it.
        """
        ...

    async def respond(self, request: ModelRequest, on_delta: Callable[[str], None] | None = None) -> ModelReply:
        """Answer `request`; with `on_delta`, hand over the text piece by piece as it comes. Raises `ModelError`."""
        ...


@runtime_checkable
class Embedder(Protocol):
    """Turns texts into vectors, so that texts of similar meaning are near each other. Stateless, and may be used by several threads."""

    @property
    def name(self) -> str:
        """Which model it is: vectors of two names cannot be compared."""
        ...

    @property
    def dimensions(self) -> int:
        """How many numbers a vector has."""
        ...

    def describe(self) -> Mapping[str, Any]:
        """Its identity as plain JSON. Never holds a secret."""
        ...

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """A vector of length 1 for each text, in order. Raises `ModelError` where they cannot be had."""
        ...


@runtime_checkable
class Speaker(Protocol):
    """Something that can be a node: it is given the turn's context and says something, or declines (None)."""

    @property
    def name(self) -> str: ...

    @property
    def description(self) -> str:
        """What others (a selecting model, a drawing) are told about it."""
        ...

    def describe(self) -> Mapping[str, Any]:
        """Its definition as plain JSON: `{"type": …, …}`. What a fingerprint and a YAML file hold. No secrets."""
        ...

    def speak(self, ctx: Context) -> Awaitable[ReplyLike]:
        """Have the turn. Everything that is not a function of the conversation goes through `ctx`."""
        ...
