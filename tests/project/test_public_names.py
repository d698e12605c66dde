"""`convgraph` is one flat list of public names, and importing it costs nothing but pydantic and msgspec."""

from __future__ import annotations

import subprocess
import sys

import pytest

import convgraph

PUBLIC = [
    "AfterWork",
    "AfterWorkOption",
    "Agent",
    "AssistantAgent",
    "Begins",
    "Cache",
    "Case",
    "ChatResult",
    "Collection",
    "Context",
    "ConversableAgent",
    "ConversationGraph",
    "END",
    "Fact",
    "FactStore",
    "Finding",
    "ForEach",
    "GPTAssistantAgent",
    "GroupChat",
    "GroupChatManager",
    "Handoff",
    "Keyring",
    "Limits",
    "LocalEmbedder",
    "McpServer",
    "Message",
    "MessageHistoryLimiter",
    "MessageTokenLimiter",
    "MultimodalConversableAgent",
    "Nested",
    "OnCondition",
    "OpenAIChatModel",
    "OpenAIDecisionsModel",
    "OpenAIEmbedder",
    "OpenAIResponsesModel",
    "Parallel",
    "Question",
    "RateLimit",
    "Reducer",
    "ReplayDivergence",
    "Reply",
    "RetrieveAssistantAgent",
    "RetrieveUserProxyAgent",
    "Retry",
    "RunBusy",
    "RunResult",
    "START",
    "ScriptedModel",
    "SelectorPrompt",
    "SharedRateLimit",
    "SimilarityModel",
    "SocietyOfMindAgent",
    "SwarmResult",
    "Teachability",
    "TeachableAgent",
    "ToolCall",
    "TransformMessages",
    "Usage",
    "UserProxyAgent",
    "Variant",
    "View",
    "VisionCapability",
    "a_initiate_chats",
    "a_initiate_swarm_chat",
    "amcp_tools",
    "chats_graph",
    "compare",
    "config_list_from_dotenv",
    "config_list_from_json",
    "config_list_from_models",
    "evaluate",
    "export_run",
    "filter_config",
    "gather_usage_summary",
    "get_config_list",
    "image",
    "import_run",
    "initiate_chats",
    "initiate_swarm_chat",
    "langchain_tool",
    "mcp_tools",
    "message_parts",
    "open_facts",
    "open_store",
    "read_cases",
    "read_documents",
    "register_function",
    "swarm_graph",
    "tool",
    "visualize_speaker_transitions_dict",
    "watch",
    "web_tools",
]
HEAVY = {"cel", "dbos", "docker", "fastapi", "graphviz", "mcp", "networkx", "openai", "psycopg", "rich", "starlette", "typer", "yaml"}


def test_the_public_names_are_exactly_these() -> None:
    """A name is added or removed on purpose, here and in the changelog, never by accident."""
    assert sorted(convgraph.__all__) == PUBLIC


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(convgraph, name) is not None


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = convgraph.no_such_name  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]


def test_completion_shows_the_public_names() -> None:
    """Lazy names must still turn up where a person looks for them."""
    assert set(PUBLIC) <= set(dir(convgraph))


def test_importing_convgraph_loads_no_heavy_library() -> None:
    assert _modules_loaded_by("import convgraph") & HEAVY == set()


def test_making_a_graph_loads_no_model_client_and_no_renderer() -> None:
    """What a guardless graph of functions does not use, it does not pay for."""
    loaded = _modules_loaded_by("import convgraph; convgraph.ConversationGraph('g').add_node(lambda ctx: 'x', name='a')")
    assert loaded & {"dbos", "docker", "fastapi", "graphviz", "mcp", "openai", "psycopg", "starlette", "typer"} == set()


def _modules_loaded_by(code: str) -> set[str]:
    shown = subprocess.run([sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules)"], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in shown.stdout.split()}
