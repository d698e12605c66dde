"""One's own client as a model: AutoGen's protocol (`create`, `message_retrieval`, `cost`, `get_usage`) behind ours.

A configuration names the class of the client, `{"model": …, "model_client_cls": "Mine"}`; the class itself is registered
afterwards. Until then an `UnregisteredClient` holds its place, and says so when it is asked.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, cast, runtime_checkable

from convgraph.errors import ModelConfigError, ModelError, ModelOutputError, ModelUnavailable
from convgraph.messages import ToolCall, Usage
from convgraph.models.cached import CachedModel
from convgraph.models.fallback import FallbackModel
from convgraph.models.prices import Counted, as_price, usage_of
from convgraph.models.rate_limit import RateLimit
from convgraph.models.settings import checked
from convgraph.models.structured import with_data
from convgraph.models.structured_model import StructuredModel
from convgraph.models.text import sound, sound_json
from convgraph.models.wire import chat_body
from convgraph.protocols import Model, ModelReply, ModelRequest
from convgraph.runtime.threads import in_thread

_NOT_FOR_CREATE = frozenset(
    "api_key api_version azure_ad_token azure_ad_token_provider azure_deployment azure_endpoint base_url default_headers "
    "http_client max_retries organization price rate_limit timeout".split()
)
"""Keys of an entry that the client's constructor sees, and no request."""


@runtime_checkable
class ModelClient(Protocol):
    """What a client has: its constructor is given the entry of the configuration, and what was passed when it was registered."""

    def create(self, params: dict[str, Any]) -> Any:
        """Ask the model; may be async. `params` has `model`, `messages`, `tools` and the entry's other keys."""
        ...

    def message_retrieval(self, response: Any) -> Sequence[Any]:
        """The answers in the response: texts, or messages with `content` and `tool_calls`."""
        ...

    def cost(self, response: Any) -> float:
        """What the response cost, in US dollars."""
        ...

    def get_usage(self, response: Any) -> Mapping[str, Any] | None:
        """`prompt_tokens`, `completion_tokens` and the name of the `model`, as far as they are known."""
        ...


class ClientModel:
    """A client of one's own as a `Model`. Only the first of several answers is used.

    A plain `create` runs in a thread, so that the event loop goes on meanwhile; several may run at once. Whatever the
    client raises is a `ModelUnavailable`, after which the next model of a configuration is asked. Its `cost` is
    trusted, unless the entry has a `price`.
    """

    def __init__(self, client: ModelClient, entry: Mapping[str, Any]) -> None:
        missing = [name for name in ("create", "message_retrieval", "cost", "get_usage") if not callable(getattr(client, name, None))]
        if missing:
            raise ModelConfigError(f"{type(client).__name__} is no model client: it has no {', '.join(missing)}")
        self.client = client
        self.name = str(entry.get("model") or type(client).__name__)
        self._params = {key: value for key, value in entry.items() if key not in _NOT_FOR_CREATE and key != "model"}
        self._place = entry.get("base_url")
        self._price = as_price(checked("price", entry.get("price")))
        self._limit: RateLimit | None = checked("rate_limit", entry.get("rate_limit"))
        self._secret = entry.get("api_key")

    def __repr__(self) -> str:
        return f"ClientModel({type(self.client).__name__}, {self.name!r})"

    @property
    def priced(self) -> bool:
        return True

    def describe(self) -> Mapping[str, Any]:
        """The client's class and the model's name; other settings may hold secrets, and are its own affair."""
        return {"type": "client", "client": type(self.client).__name__, "model": self.name}

    def sends(self, request: ModelRequest) -> Mapping[str, Any]:
        """What `create` is given, and the entry's address."""
        return {"client": type(self.client).__name__, "endpoint": self._place, "body": chat_body(request, self.name, self._params)}

    async def respond(self, request: ModelRequest, on_delta: Callable[[str], None] | None = None) -> ModelReply:
        """Ask the client. A listener is given the answer in one piece. Raises `ModelUnavailable` or `ModelOutputError`."""
        params = chat_body(request, self.name, self._params)
        admission = None if self._limit is None else await self._limit.admit(len(repr(params["messages"])) // 4)
        try:
            response = await self._create(params)
            reply = self._reply(response)
        except ModelError:
            raise
        except Exception as error:
            said = str(error).replace(self._secret, "***") if self._secret else str(error)
            raise ModelUnavailable(f"the client of {self.name!r} failed with {type(error).__name__}: {said:.500}") from error
        if admission is not None and reply.usage.tokens:
            admission.settle(reply.usage.tokens)
        if on_delta is not None and reply.content:
            on_delta(reply.content)
        return with_data(reply, request)

    async def _create(self, params: dict[str, Any]) -> Any:
        create: Callable[[dict[str, Any]], Any] = self.client.create
        response = create(params) if inspect.iscoroutinefunction(create) else await in_thread(create, params)
        return await response if inspect.isawaitable(response) else response

    def _reply(self, response: Any) -> ModelReply:
        answers = self.client.message_retrieval(response)
        if not answers:
            raise ModelOutputError(f"the client of {self.name!r} found no answer in {response!r:.200}")
        usage = self.client.get_usage(response) or {}
        message = answers[0]
        calls = () if isinstance(message, str) else tuple(map(_tool_call, _field(message, "tool_calls") or ()))
        content = message if isinstance(message, str) else _field(message, "content") or ""
        if not isinstance(content, str):
            raise ModelOutputError(f"the client of {self.name!r} gave an answer that is no text: {content!r:.200}")
        return ModelReply(
            content=sound(content),
            tool_calls=calls,
            usage=self._usage(usage, response),
            model=str(usage.get("model") or _field(response, "model") or self.name),
            finish_reason="tool_calls" if calls else "stop",
        )

    def _usage(self, usage: Mapping[str, Any], response: Any) -> Usage:
        counted = Counted(int(usage.get("prompt_tokens") or 0), int(usage.get("completion_tokens") or 0))
        if self._price is not None:
            return usage_of(counted, self._price, self.name)
        return Usage(1, counted.input, counted.output, float(self.client.cost(response) or 0.0))


class UnregisteredClient:
    """The place of a client whose class is known by name only: raises `ModelConfigError` when it is asked."""

    priced = False

    def __init__(self, entry: Mapping[str, Any], where: str) -> None:
        self.entry = dict(entry)
        self.wanted = str(entry["model_client_cls"])
        self.name = str(entry.get("model") or self.wanted)
        self._where = where

    def __repr__(self) -> str:
        return f"UnregisteredClient({self.wanted!r})"

    def describe(self) -> Mapping[str, Any]:
        """The same as when the class is there: registering it changes no graph's identity."""
        return {"type": "client", "client": self.wanted, "model": self.name}

    def sends(self, request: ModelRequest) -> Mapping[str, Any]:
        """Nothing. Raises `ModelConfigError`."""
        raise self._unregistered(request)

    async def respond(self, request: ModelRequest, on_delta: Callable[[str], None] | None = None) -> ModelReply:  # noqa: ARG002
        """Raises `ModelConfigError`."""
        raise self._unregistered(request)

    def _unregistered(self, request: ModelRequest) -> ModelConfigError:
        return ModelConfigError(
            f"{self._where} wants the client class {self.wanted!r}, which is not registered: "
            f"call register_model_client({self.wanted}) on {request.speaker or 'the agent'!r}"
        )


def register_model_client(model: Model, model_client_cls: type[ModelClient], **kwargs: Any) -> Model:
    """`model` with a client of this class wherever its configuration names the class.

    Each client is made by `model_client_cls(entry, **kwargs)`. Raises `ModelConfigError` where no entry waits for a class
    of this name.
    """
    made: list[ClientModel] = []

    def made_for(place: UnregisteredClient) -> Model:
        if place.wanted != model_client_cls.__name__:
            return place
        build = cast("Callable[..., ModelClient]", model_client_cls)
        made.append(ClientModel(build(dict(place.entry), **kwargs), place.entry))
        return made[-1]

    registered = _with_places_filled(model, made_for)
    if not made:
        raise ModelConfigError(
            f"no entry of the config_list waits for the client class {model_client_cls.__name__!r}: "
            f"add 'model_client_cls': {model_client_cls.__name__!r} to one that is to be asked through it"
        )
    return registered


def _with_places_filled(model: Model, made_for: Callable[[UnregisteredClient], Model]) -> Model:
    if isinstance(model, FallbackModel):
        return FallbackModel([_with_places_filled(each, made_for) for each in model.models])
    if isinstance(model, CachedModel):
        return CachedModel(_with_places_filled(model.model, made_for), model.cache)
    if isinstance(model, StructuredModel):
        return model.with_model(_with_places_filled(model.model, made_for))
    return made_for(model) if isinstance(model, UnregisteredClient) else model


def _tool_call(call: Any) -> ToolCall:
    function = _field(call, "function")
    return ToolCall(
        str(_field(call, "id") or "call_0"), str(_field(function, "name")), sound_json(str(_field(function, "arguments") or "{}"))
    )


def _field(holder: Any, name: str) -> Any:
    return cast("Mapping[str, Any]", holder).get(name) if isinstance(holder, Mapping) else getattr(holder, name, None)
