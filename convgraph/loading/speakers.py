"""From what a document says of speakers (`type: AssistantAgent`, a prompt, a model) to the speakers themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from convgraph.errors import ConvgraphError, DefinitionError
from convgraph.graph.definition import Node
from convgraph.graph.schema import load_object
from convgraph.loading.agents import agent_options
from convgraph.loading.allowed import callable_at
from convgraph.protocols import Speaker
from convgraph.runtime.functions import FunctionSpeaker

AGENTS: Mapping[str, str] = {
    "AssistantAgent": "convgraph.agents.assistant:AssistantAgent",
    "ConversableAgent": "convgraph.agents.conversable:ConversableAgent",
    "GPTAssistantAgent": "convgraph.agents.gpt_assistant:GPTAssistantAgent",
    "MultimodalConversableAgent": "convgraph.agents.multimodal:MultimodalConversableAgent",
    "RetrieveAssistantAgent": "convgraph.agents.retrieval:RetrieveAssistantAgent",
    "UserProxyAgent": "convgraph.agents.user_proxy:UserProxyAgent",
}
"""The agents that documents know, by where they are: agents stand on graphs, so what reads graphs finds them by name only."""


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
    kind = str(node.detail.get("type"))
    if kind not in AGENTS:
        raise DefinitionError(
            f"{place}.type: {node.detail.get('type')!r} is no agent that can be made from a document ({', '.join(AGENTS)}); "
            f"for one of your own, pass it: from_yaml(…, speakers={{{node.name!r}: agent}})"
        )
    make: Any = load_object(AGENTS[kind], frozenset(["convgraph.agents"]), place)
    options = agent_options(node.detail, allowed, place)
    try:
        return make(node.name, description=node.description or None, **options)
    except ConvgraphError as error:
        raise DefinitionError(f"{place}: {error}") from error
