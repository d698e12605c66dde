"""AutoGen's `llm_config`: which models there are, in which order they are tried, and with which settings."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, cast

from pydantic import BaseModel

from convgraph.errors import ModelConfigError
from convgraph.models.cache import Cache
from convgraph.models.cached import with_cache
from convgraph.models.client_model import UnregisteredClient
from convgraph.models.config_lists import Entry
from convgraph.models.fallback import FallbackModel
from convgraph.models.openai_chat import OpenAIChatModel
from convgraph.models.openai_model import OpenAIModel
from convgraph.models.openai_responses import OpenAIResponsesModel
from convgraph.models.rate_limit import RateLimit
from convgraph.models.structured_model import StructuredModel
from convgraph.protocols import Model

_NOT_FOR_THE_MODEL = frozenset("config_list tags cache_seed cache api_type api_style filter_func allow_format_str_template context".split())
"""Keys that choose, group or cache configurations, and those of AutoGen that mean nothing where they are off."""

_STYLES: Mapping[str, type[OpenAIModel]] = {"chat": OpenAIChatModel, "responses": OpenAIResponsesModel}
_API_TYPES: Mapping[Any, str] = {None: "", "openai": "", "open_ai": "", "chat": "chat", "responses": "responses", "azure": ""}
"""What an `api_type` says of the interface; Azure has both, and `api_style` chooses."""

_ANOTHER_WAY: Mapping[str, str] = {
    "filter_func": "give the answer's schema as response_format; an answer that does not fit it is refused",
    "allow_format_str_template": "put the values into the texts yourself; braces in a conversation are no templates",
    "context": "put the values into the texts yourself",
}


def model_from_config(llm_config: Any) -> Model:
    """The model that an AutoGen `llm_config` describes.

    `llm_config` is `{"config_list": [entry, …], …}`, one entry, a list of entries, or a `Model`, which is returned
    as it is. Settings beside the `config_list` hold for all its entries; an entry's own win. The entries are
    tried in order, each with its own of these:

    - `model`, `api_key`, `base_url`, `price`, `timeout`, `max_retries`, `stream`, `http_client`, `organization`,
      `default_headers` and `extra_headers`, as `OpenAIModel` takes them; keys of other names are sent to the model;
    - `api_type`: `openai` (chat completions, the default), `responses`, or `azure`, which needs an `azure_endpoint` (or
      `base_url`) and an `api_version`, and may have an `azure_deployment`; `api_style` is `chat` or `responses` there too;
    - `response_format`: a pydantic class that answers fit, or what is sent under that name;
    - `cache_seed`, or a `cache`, which is a `Cache`: answers are kept and given again;
    - `api_rate_limit` (requests in a second) and `tokens_per_minute`: requests wait for their turn;
    - `model_client_cls`, the name of a class: the entry is asked through a client of that class, once that is there
      (see `register_model_client`); or `model_client`, a `Model`.

    Raises `ModelConfigError`.
    """
    if isinstance(llm_config, Model):
        return llm_config
    entries = _entries(llm_config)
    models = [_model_of(entry, where) for where, entry in entries.items()]
    return models[0] if len(models) == 1 else FallbackModel(models)


def _model_of(entry: Entry, where: str) -> Model:
    try:
        format_ = entry.get("response_format")
        if not isinstance(format_, type):
            return _with_its_cache(_client(entry, where), entry)
        if not issubclass(format_, BaseModel):
            raise ModelConfigError(f"response_format= is a pydantic model class, or a mapping to be sent, not {format_!r:.100}")
        plain = {key: value for key, value in entry.items() if key != "response_format"}
        return _with_its_cache(StructuredModel(_client(plain, where), format_.model_json_schema(), format_.__name__), entry)
    except ModelConfigError as error:
        raise ModelConfigError(f"{where}: {error}") from error


def _entries(llm_config: Any) -> dict[str, Entry]:
    """The entries with what they share, each under the name of its place."""
    if isinstance(llm_config, Mapping):
        config = cast("Entry", llm_config)
        if not config:
            raise ModelConfigError(
                "llm_config is empty: name a model, as in {'config_list': [{'model': …, 'api_key': …}]}, or pass False for none"
            )
        shared = {key: value for key, value in config.items() if key != "config_list"}
        listed = config.get("config_list", [{}])
    elif isinstance(llm_config, list | tuple):
        shared, listed = cast("dict[str, Any]", {}), cast("Any", llm_config)
    else:
        raise ModelConfigError(f"llm_config is a mapping with 'config_list' or 'model', not {type(llm_config).__name__}")
    if not isinstance(listed, list | tuple) or not listed:
        raise ModelConfigError(
            "llm_config's 'config_list' is to be a list of at least one {'model': …, 'api_key': …}; did a filter leave none?"
        )
    entries: dict[str, Entry] = {}
    for index, entry in enumerate(cast("Sequence[Any]", listed)):
        if not isinstance(entry, Mapping):
            raise ModelConfigError(f"config_list[{index}] is to be a mapping like {{'model': …, 'api_key': …}}, not {type(entry).__name__}")
        entries[f"config_list[{index}]"] = {**shared, **cast("Entry", entry)}
    return entries


def _client(entry: Entry, where: str) -> Model:
    client = entry.get("model_client")
    if client is not None:
        if not isinstance(client, Model):
            raise ModelConfigError(f"model_client has the methods of convgraph.protocols.Model; {type(client).__name__} has not")
        return client
    kind = _interface(entry)
    settings = {key: value for key, value in entry.items() if key not in _NOT_FOR_THE_MODEL}
    requests, tokens = settings.pop("api_rate_limit", None), settings.pop("tokens_per_minute", None)
    if requests is not None or tokens is not None:
        settings["rate_limit"] = RateLimit(requests, tokens)
    if entry.get("model_client_cls") is not None:
        return UnregisteredClient(settings, where)
    if entry.get("api_type") == "azure" and not settings.get("azure_endpoint"):
        settings["azure_endpoint"] = settings.pop("base_url", None) or os.environ.get("AZURE_OPENAI_ENDPOINT")
        if not settings["azure_endpoint"]:
            raise ModelConfigError("api_type 'azure' needs an azure_endpoint (or base_url), such as https://name.openai.azure.com")
    return kind(**settings)


def _interface(entry: Entry) -> type[OpenAIModel]:
    if not entry.get("model"):
        raise ModelConfigError("it names no model: add 'model' (or 'model_client')")
    client = entry.get("model_client_cls")
    if client is not None and (not isinstance(client, str) or not client):
        raise ModelConfigError(f"model_client_cls is the name of a class, as text; the class itself is registered, not {client!r:.100}")
    for key, advice in _ANOTHER_WAY.items():
        if entry.get(key):
            raise ModelConfigError(f"{key} is not supported: {advice}")
    api_type, style = entry.get("api_type"), entry.get("api_style")
    if client is None and (not isinstance(api_type, str | None) or api_type not in _API_TYPES):
        raise ModelConfigError(
            f"api_type {api_type!r} is not supported; supported are 'openai', 'responses' and 'azure'. Most other providers have an "
            "OpenAI-compatible address: give that as base_url and leave api_type out"
        )
    if style is not None and (not isinstance(style, str) or style not in _STYLES):
        raise ModelConfigError(f"api_style is 'chat' or 'responses', not {style!r:.100}")
    return _STYLES[style or _API_TYPES.get(api_type) or "chat"]


def _with_its_cache(model: Model, entry: Entry) -> Model:
    cache, seed = entry.get("cache"), entry.get("cache_seed")
    if cache is not None and not isinstance(cache, Cache):
        raise ModelConfigError(f"cache is a Cache, such as Cache.disk(cache_seed=42), not {type(cache).__name__}")
    if cache is None and seed is None:
        return model
    return with_cache(model, cache or Cache.disk(cast("int | str", seed)))
