"""From what a document says of a model to the model. Secrets are in no document: a key comes from the environment, when it is asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, cast

from convgraph.errors import DefinitionError, ModelConfigError
from convgraph.loading.keys import check_keys, checked_text
from convgraph.protocols import Model

_OF_AN_ENDPOINT = tuple(
    "type model name params base_url azure_endpoint azure_deployment api_version price timeout max_retries stream".split()
)
SETTINGS: Mapping[str, Sequence[str]] = {
    "openai_chat": _OF_AN_ENDPOINT,
    "openai_responses": _OF_AN_ENDPOINT,
    "openai_decisions": (*(key for key in _OF_AN_ENDPOINT if key != "stream"), "unsure_below"),
    "similarity": ("type", "embedder", "temperature", "unsure_below", "messages"),
    "fallback": ("type", "models"),
    "cached": ("type", "model", "cache"),
    "structured": ("type", "model", "schema", "schema_name"),
    "client": ("type", "client", "model"),
    "scripted": ("type", "name", "replies", "repeat"),
}
"""The types of models that a document may describe, and what may be said of each."""


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
    if not isinstance(kind, str) or kind not in SETTINGS:
        raise DefinitionError(
            f"{place}.type: {kind!r} is none of {', '.join(SETTINGS)}; "
            "pass an agent that has your own model as speakers=, or the model that selects as selector_model="
        )
    check_keys(settings, SETTINGS[kind], place)
    settings.pop("type", None)
    try:
        return _MODELS[kind](settings, place)
    except (ModelConfigError, TypeError) as error:
        raise DefinitionError(f"{place}: {error}") from error


def _openai(kind: str, settings: dict[str, Any], place: str) -> Model:
    from convgraph.models.decisions import OpenAIDecisionsModel
    from convgraph.models.openai_chat import OpenAIChatModel
    from convgraph.models.openai_responses import OpenAIResponsesModel

    name = settings.pop("model", None)
    params = settings.pop("params", {})
    if not isinstance(params, Mapping):
        raise DefinitionError(f"{place}.params: they are a mapping, such as {{temperature: 0}}, not {params!r:.80}")
    kinds = {"openai_chat": OpenAIChatModel, "openai_responses": OpenAIResponsesModel, "openai_decisions": OpenAIDecisionsModel}
    return kinds[kind](name, **settings, **cast(Mapping[str, Any], params))


def _similarity(settings: dict[str, Any], place: str) -> Model:
    from convgraph.models.local_embedder import INSTALLED, LocalEmbedder
    from convgraph.models.similarity import SimilarityModel

    embedder = settings.pop("embedder", {"type": "local"})
    if embedder not in ({"type": "local"}, {"type": "local", "model": INSTALLED}):
        raise DefinitionError(
            f"{place}.embedder: a document can name {{type: local, model: {INSTALLED}}}, not {embedder!r:.80}; "
            "pass the model that selects as selector_model="
        )
    return SimilarityModel(LocalEmbedder(), **settings)


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
    name = checked_text(settings.get("schema_name", "answer"), f"{place}.schema_name")
    return StructuredModel(model_of(settings.get("model"), f"{place}.model"), cast(Mapping[str, Any], schema), name)


def _of_a_client(settings: dict[str, Any], place: str) -> Model:
    """The place of a client of one's own: its class is code and in no document, and is registered afterwards."""
    from convgraph.models.client_model import UnregisteredClient

    client = checked_text(settings.get("client"), f"{place}.client")
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
    "openai_decisions": partial(_openai, "openai_decisions"),
    "similarity": _similarity,
    "fallback": _fallback,
    "cached": _cached,
    "structured": _structured,
    "client": _of_a_client,
    "scripted": _scripted,
}
