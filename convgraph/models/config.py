"""AutoGen's `llm_config`: which models there are, in which order they are tried, and with which settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from convgraph.errors import ModelConfigError
from convgraph.models.cache import Cache
from convgraph.models.cached import with_cache
from convgraph.models.client_model import UnregisteredClient
from convgraph.models.config_lists import Entry
from convgraph.models.fallback import FallbackModel
from convgraph.models.openai_chat import OpenAIChatModel
from convgraph.models.rate_limit import RateLimit
from convgraph.protocols import Model

_NOT_FOR_THE_MODEL = frozenset({"config_list", "tags", "cache_seed", "cache", "api_type"})
"""Keys that choose, group or cache configurations."""

_ANOTHER_WAY: Mapping[str, str] = {
    "api_version": "it belongs to Azure's own interface; give Azure's OpenAI-compatible address (…/openai/v1/) as base_url",
    "filter_func": "give the answer's schema to the agent; an answer that does not fit it is refused",
}


def model_from_config(llm_config: Any) -> Model:
    """The model that an AutoGen `llm_config` describes.

    `llm_config` is `{"config_list": [entry, …], …}`, one entry, a list of entries, or a `Model`, which is returned
    as it is. Settings beside the `config_list` hold for all its entries; an entry's own win. The entries are
    tried in order. An entry has `model`, `api_key`, `base_url`, `price`, `timeout`, `max_retries`, `stream`, or
    a `model_client` (a `Model`) instead; keys of other names are sent to the model. With a `cache_seed` (or a `cache`,
    which is a `Cache`) its answers are kept and given again. With an `api_rate_limit` (requests in a second) or
    `tokens_per_minute` its requests wait for their turn. With a `model_client_cls`, the name of a class, it is asked
    through a client of that class, once that is there (see `register_model_client`). Raises `ModelConfigError`.
    """
    if isinstance(llm_config, Model):
        return llm_config
    entries = _entries(llm_config)
    models = [_with_its_cache(_model(entry, where), entry, where) for where, entry in entries.items()]
    return models[0] if len(models) == 1 else FallbackModel(models)


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


def _model(entry: Entry, where: str) -> Model:
    client = entry.get("model_client")
    if client is not None:
        if not isinstance(client, Model):
            raise ModelConfigError(f"{where}: model_client has the methods of convgraph.protocols.Model; {type(client).__name__} has not")
        return client
    _check_keys(entry, where)
    settings = {key: value for key, value in entry.items() if key not in _NOT_FOR_THE_MODEL}
    requests, tokens = settings.pop("api_rate_limit", None), settings.pop("tokens_per_minute", None)
    try:
        if requests is not None or tokens is not None:
            settings["rate_limit"] = RateLimit(requests, tokens)
        if settings.get("model_client_cls") is not None:
            return UnregisteredClient(settings, where)
        return OpenAIChatModel(**settings)
    except ModelConfigError as error:
        raise ModelConfigError(f"{where}: {error}") from error


def _with_its_cache(model: Model, entry: Entry, where: str) -> Model:
    cache, seed = entry.get("cache"), entry.get("cache_seed")
    if cache is None and seed is None:
        return model
    if cache is not None and not isinstance(cache, Cache):
        raise ModelConfigError(f"{where}: cache is a Cache, such as Cache.disk(cache_seed=42), not {type(cache).__name__}")
    try:
        return with_cache(model, cache or Cache.disk(cast("int | str", seed)))
    except ModelConfigError as error:
        raise ModelConfigError(f"{where}: {error}") from error


def _check_keys(entry: Entry, where: str) -> None:
    if not entry.get("model"):
        raise ModelConfigError(f"{where} names no model: add 'model' (or 'model_client')")
    client = entry.get("model_client_cls")
    if client is not None and (not isinstance(client, str) or not client):
        raise ModelConfigError(
            f"{where}: model_client_cls is the name of a class, as text; the class itself is registered, not {client!r:.100}"
        )
    if entry.get("api_type") not in (None, "openai", "open_ai"):
        raise ModelConfigError(
            f"{where}: api_type {entry['api_type']!r} is not supported; most providers have an OpenAI-compatible address: "
            "give that as base_url and leave api_type out"
        )
    for key, advice in _ANOTHER_WAY.items():
        if entry.get(key) is not None:
            raise ModelConfigError(f"{where}: {key} is not supported: {advice}")
