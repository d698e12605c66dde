"""Every kind of model says of itself what it can be made of again, and where it is served is no part of what it is."""

from typing import Any

import pytest
from pydantic import BaseModel

from convgraph import AssistantAgent, ConversationGraph
from convgraph.errors import DefinitionError
from convgraph.loading import from_yaml
from convgraph.models.cache import Cache
from convgraph.models.config import model_from_config


class Score(BaseModel):
    score: int


def graph_of(model: Any) -> ConversationGraph:
    graph = ConversationGraph("one")
    graph.add_node(AssistantAgent("agent", "You answer.", model=model))
    graph.add_edge("agent", "END")
    graph.set_start("agent")
    return graph


AZURE = {
    "model": "m",
    "api_type": "azure",
    "azure_endpoint": "https://a.openai.azure.com",
    "azure_deployment": "d",
    "api_version": "2024-10-21",
}
CONFIGS: list[Any] = [
    {"model": "m", "api_type": "responses", "reasoning_effort": "low", "base_url": "http://localhost:1/v1"},
    AZURE,
    {**AZURE, "api_style": "responses"},
    {"model": "m", "cache_seed": 7},
    {"model": "m", "cache": Cache.memory()},
    {"model": "m", "response_format": Score, "cache_seed": 7},
    {"model": "m", "model_client_cls": "Mine"},
    [{"model": "a", "cache_seed": 1}, {"model": "b", "model_client_cls": "Mine"}],
]


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_a_model_comes_back_from_its_document(config: Any) -> None:
    graph = graph_of(model_from_config(config))
    read = from_yaml(graph.to_yaml())

    assert read.to_yaml() == graph.to_yaml()
    assert read.fingerprint == graph.fingerprint


def test_a_move_to_azure_leaves_the_fingerprint_as_it_was() -> None:
    assert graph_of(model_from_config(AZURE)).fingerprint == graph_of(model_from_config({"model": "m"})).fingerprint


@pytest.mark.parametrize(
    ("described", "told"),
    [
        ({"type": "cached", "model": "m"}, r"model\.cache: it is"),
        ({"type": "cached", "model": "m", "cache": {"type": "redis"}}, r"model\.cache: it is"),
        ({"type": "cached", "model": "m", "cache": {"type": "disk", "seed": "../x"}}, "cache_seed"),
        ({"type": "structured", "model": "m", "schema": 7}, r"model\.schema: it is a JSON schema"),
        ({"type": "client", "model": "m"}, r"model\.client: None is not a text"),
    ],
)
def test_a_described_model_that_cannot_be_made_says_where(described: dict[str, Any], told: str) -> None:
    from convgraph.loading.models import model_of

    with pytest.raises(DefinitionError, match=told):
        model_of(described, "nodes[0].detail.model")
