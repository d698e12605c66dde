"""From what a document says of speakers (`type: AssistantAgent`, a prompt, a model) to the speakers themselves.

Secrets are in no document: a model's key comes from the environment, when it is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import SimpleNamespace
from typing import Any, cast

from convgraph.errors import ConvgraphError, DefinitionError, ModelConfigError
from convgraph.graph.definition import Node
from convgraph.graph.schema import load_object
from convgraph.protocols import Model, Speaker
from convgraph.runtime.functions import FunctionSpeaker

_KINDS: Mapping[str, str] = {
    "AssistantAgent": "convgraph.agents.assistant:AssistantAgent",
    "ConversableAgent": "convgraph.agents.conversable:ConversableAgent",
    "UserProxyAgent": "convgraph.agents.user_proxy:UserProxyAgent",
}
"""The agents that documents know, by where they are: agents stand on graphs, so what reads graphs finds them by name only."""

_OF_AN_AGENT = ("type", "system_message", "model", "default_auto_reply", "tools", "response_format")
_OF_AN_ENDPOINT = tuple(
    "type model name params base_url azure_endpoint azure_deployment api_version price timeout max_retries stream".split()
)
_OF_A_MODEL: Mapping[str, Sequence[str]] = {
    "openai_chat": _OF_AN_ENDPOINT,
    "openai_responses": _OF_AN_ENDPOINT,
    "fallback": ("type", "models"),
    "cached": ("type", "model", "cache"),
    "structured": ("type", "model", "schema", "schema_name"),
    "client": ("type", "client", "model"),
    "scripted": ("type", "name", "replies", "repeat"),
}


def speaker_of(node: Node, allowed: frozenset[str], place: str) -> Speaker:
    """The speaker that a node's `detail` describes. Functions are imported from modules in `allowed` only.

    Raises `DefinitionError` that begins with `place`: where in the document the node stands.
    """
    place = f"{place}.detail"
    if node.kind == "function":
        path = node.detail.get("call")
        if node.detail.get("type", "function") != "function" or not isinstance(path, str):
            raise DefinitionError(f"{place}: a function node says which: {{type: function, call: 'package.module:name'}}")
        return FunctionSpeaker(callable_at(path, allowed, f"{place}.call"), node.name, node.description)
    kind = node.detail.get("type")
    make = _agents().get(str(kind))
    if make is None:
        raise DefinitionError(
            f"{place}.type: {kind!r} is no agent that can be made from a document ({', '.join(_agents())}); "
            f"for one of your own, pass it: from_yaml(…, speakers={{{node.name!r}: agent}})"
        )
    return make(node, place)


def callable_at(path: str, allowed: frozenset[str], place: str) -> Callable[..., Any]:
    """The function at `package.module:name`."""
    found = object_at(path, allowed, place)
    if callable(found) and not isinstance(found, type):
        return cast(Callable[..., Any], found)
    raise DefinitionError(f"{place}: {path!r} is {'a class' if isinstance(found, type) else f'{found!r:.80}'}, not a function")


def object_at(path: str, allowed: frozenset[str], place: str) -> Any:
    """What is at `package.module:name`. Raises `DefinitionError` for what no import gives."""
    if "<" in path or "(" in path:
        raise DefinitionError(
            f"{place}: {path!r} cannot be imported, because it was made inside a function or is a lambda; "
            "define it at the top level of a module"
        )
    return load_object(path, allowed, place)


def model_of(described: Any, place: str) -> Model:
    """The model that a document describes: a name, or a mapping with `type` (`openai_chat`, `fallback`, …) and its settings."""
    if isinstance(described, str):
        described = {"model": described}
    if not isinstance(described, Mapping):
        raise DefinitionError(
            f"{place}: a model is a name, or a mapping like {{model: …, base_url: …, params: {{…}}}}, not {described!r:.80}"
        )
    settings = dict(cast(Mapping[str, Any], described))
    kind = settings.get("type", "openai_chat")
    if kind not in _OF_A_MODEL:
        raise DefinitionError(
            f"{place}.type: {kind!r} is none of {', '.join(_OF_A_MODEL)}; "
            "pass an agent that has your own model as speakers=, or the model that selects as selector_model="
        )
    _check_keys(settings, _OF_A_MODEL[kind], place)
    settings.pop("type", None)
    try:
        return _MODELS[kind](settings, place)
    except (ModelConfigError, TypeError) as error:
        raise DefinitionError(f"{place}: {error}") from error


def _agents() -> Mapping[str, Callable[[Node, str], Speaker]]:
    return {kind: partial(_conversable, path) for kind, path in _KINDS.items()}


def _conversable(path: str, node: Node, place: str) -> Speaker:
    kind: Any = load_object(path, frozenset(["convgraph.agents"]), place)
    detail = dict(node.detail)
    _check_keys(detail, _OF_AN_AGENT, place)
    options: dict[str, Any] = {}
    if "model" in detail:
        options |= {"llm_config": False} if detail["model"] is None else {"model": model_of(detail["model"], f"{place}.model")}
    if "system_message" in detail:
        options["system_message"] = _text(detail["system_message"], f"{place}.system_message")
    if "default_auto_reply" in detail:
        options["default_auto_reply"] = _text(detail["default_auto_reply"], f"{place}.default_auto_reply")
    if "tools" in detail:
        options["tools"] = _mappings(detail["tools"], f"{place}.tools")
    if "response_format" in detail:
        options["response_format"] = _response_format(detail["response_format"], f"{place}.response_format")
    try:
        return kind(node.name, description=node.description or None, **options)
    except ConvgraphError as error:
        raise DefinitionError(f"{place}: {error}") from error


def _response_format(described: Any, place: str) -> Any:
    """The schema under its name, in the shape that an agent takes from a pydantic class."""
    if isinstance(described, Mapping) and "type" not in described:
        named = cast(Mapping[str, Any], described)
        if isinstance(named.get("name"), str) and isinstance(named.get("schema"), Mapping):
            return SimpleNamespace(__name__=named["name"], model_json_schema=lambda: dict(named["schema"]))
    raise DefinitionError(f"{place}: it is {{name: …, schema: a JSON schema}}, not {described!r:.80}")


def _openai(kind: str, settings: dict[str, Any], place: str) -> Model:
    from convgraph.models.openai_chat import OpenAIChatModel
    from convgraph.models.openai_responses import OpenAIResponsesModel

    name = settings.pop("model", None)
    params = settings.pop("params", {})
    if not isinstance(params, Mapping):
        raise DefinitionError(f"{place}.params: they are a mapping, such as {{temperature: 0}}, not {params!r:.80}")
    make = OpenAIResponsesModel if kind == "openai_responses" else OpenAIChatModel
    return make(name, **settings, **cast(Mapping[str, Any], params))


def _fallback(settings: dict[str, Any], place: str) -> Model:
    from convgraph.models.fallback import FallbackModel

    listed = settings.get("models")
    if not isinstance(listed, list) or not listed:
        raise DefinitionError(f"{place}.models: it is a list of at least one model, not {listed!r:.80}")
    return FallbackModel([model_of(each, f"{place}.models[{index}]") for index, each in enumerate(cast(list[Any], listed))])


def _cached(settings: dict[str, Any], place: str) -> Model:
    from convgraph.models.cache import Cache
    from convgraph.models.cached import with_cache

    described: Any = settings.get("cache")
    kept: Mapping[str, Any] = cast(Mapping[str, Any], described) if isinstance(described, Mapping) else {}
    if kept.get("type") not in ("disk", "memory"):
        raise DefinitionError(f"{place}.cache: it is {{type: disk, seed: 42}} or {{type: memory}}, not {described!r:.80}")
    cache = Cache.memory() if kept["type"] == "memory" else Cache.disk(kept.get("seed", 42))
    return with_cache(model_of(settings.get("model"), f"{place}.model"), cache)


def _structured(settings: dict[str, Any], place: str) -> Model:
    from convgraph.models.structured_model import StructuredModel

    schema = settings.get("schema")
    if not isinstance(schema, Mapping):
        raise DefinitionError(f"{place}.schema: it is a JSON schema, not {schema!r:.80}")
    name = _text(settings.get("schema_name", "answer"), f"{place}.schema_name")
    return StructuredModel(model_of(settings.get("model"), f"{place}.model"), cast(Mapping[str, Any], schema), name)


def _of_a_client(settings: dict[str, Any], place: str) -> Model:
    """The place of a client of one's own: its class is code and in no document, and is registered afterwards."""
    from convgraph.models.client_model import UnregisteredClient

    client = _text(settings.get("client"), f"{place}.client")
    return UnregisteredClient({"model": settings.get("model"), "model_client_cls": client}, place)


def _scripted(settings: dict[str, Any], place: str) -> Model:
    from convgraph.models.scripted import ScriptedModel

    name = settings.get("name", "scripted")
    if "replies" not in settings:
        # The graph can be looked at, checked and compared all the same: only speaking fails.
        missing = ModelConfigError(
            f"{place}: the script of {name!r} is code and in no document; add 'replies', or pass the agent as speakers="
        )
        return ScriptedModel(lambda _: missing, name=name)
    return ScriptedModel(settings["replies"], name=name, repeat=bool(settings.get("repeat", False)))


_MODELS: Mapping[str, Callable[[dict[str, Any], str], Model]] = {
    "openai_chat": partial(_openai, "openai_chat"),
    "openai_responses": partial(_openai, "openai_responses"),
    "fallback": _fallback,
    "cached": _cached,
    "structured": _structured,
    "client": _of_a_client,
    "scripted": _scripted,
}


def _check_keys(described: Mapping[str, Any], known: Sequence[str], place: str) -> None:
    for key in described:
        if key not in known:
            raise DefinitionError(f"{place}: {key!r} is not known here; known are {', '.join(known)}")


def _text(value: Any, place: str) -> str:
    if isinstance(value, str):
        return value
    raise DefinitionError(f"{place}: {value!r:.80} is not a text")


def _mappings(value: Any, place: str) -> list[Mapping[str, Any]]:
    if isinstance(value, list) and all(isinstance(item, Mapping) for item in cast(list[Any], value)):
        return cast(list[Mapping[str, Any]], value)
    raise DefinitionError(f"{place}: {value!r:.80} is not a list of function schemas")
