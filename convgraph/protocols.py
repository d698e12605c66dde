"""What the floors expect of one another: a model, a speaker, and the request and reply that pass between them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from convgraph.messages import NO_USAGE, Message, ReplyLike, ToolCall, Usage

if TYPE_CHECKING:
    from convgraph.runtime.context import Context


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """What a model is asked.

    `messages` is the conversation as it stands, said by whoever said it; `speaker` is the one who asks, so
    that its own messages are the assistant's and all others the user's. The conversion to a provider's wire
    format is the client's, and happens only when a request is really sent: a request costs nothing to make,
    however long the conversation. `tools` are function schemas in OpenAI's form, `schema` a JSON schema that
    the answer must fit, `params` what the caller set (temperature, seed …): nothing else is sent. With `checked`
    off, the schema is sent all the same, but the answer comes back as it is: the asker judges its text.
    """

    messages: Sequence[Message]
    speaker: str = ""
    system: str = ""
    tools: tuple[Mapping[str, Any], ...] = ()
    schema: Mapping[str, Any] | None = None
    schema_name: str = "answer"
    params: Mapping[str, Any] = field(default_factory=dict[str, Any])
    checked: bool = True


@dataclass(frozen=True, slots=True)
class ModelReply:
    """What a model answered.

    `data` is the parsed answer where the request had a schema, and `misfit` says why there is none: the answer
    does not fit it. Such an answer is paid for all the same; whoever asked decides what becomes of it. Where a cache
    gave the answer, `usage` is nothing, and `saved` what the answer had cost when the model gave it.
    """

    content: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    usage: Usage = NO_USAGE
    model: str = ""
    finish_reason: str = "stop"
    data: Any = None
    misfit: str = ""
    saved: Usage = NO_USAGE


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
