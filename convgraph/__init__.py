"""convgraph: conversations between agents as directed graphs that can be drawn, resumed, forked, replayed and explained.

Names are loaded when they are first used, so that importing the package costs nothing that is not needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_WHERE = {
    "Collection": "convgraph.knowledge.collection",
    "LocalEmbedder": "convgraph.models.local_embedder",
    "OpenAIEmbedder": "convgraph.models.openai_embedder",
    "read_documents": "convgraph.knowledge.documents",
    "END": "convgraph.graph.definition",
    "START": "convgraph.graph.definition",
    "Limits": "convgraph.graph.definition",
    "Retry": "convgraph.graph.definition",
    "Reducer": "convgraph.graph.schema",
    "Finding": "convgraph.graph.checks",
    "Message": "convgraph.messages",
    "Reply": "convgraph.messages",
    "ToolCall": "convgraph.messages",
    "Usage": "convgraph.messages",
    "Parallel": "convgraph.conversation",
    "ForEach": "convgraph.conversation",
    "ConversationGraph": "convgraph.conversation",
    "Context": "convgraph.runtime.context",
    "RunResult": "convgraph.runtime.result",
    "Question": "convgraph.journal.events",
    "Keyring": "convgraph.journal.keyring",
    "open_store": "convgraph.journal.store_url",
    "export_run": "convgraph.journal.records",
    "import_run": "convgraph.journal.records",
    "ReplayDivergence": "convgraph.errors",
    "RunBusy": "convgraph.errors",
    "Agent": "convgraph.agents.agent",
    "ConversableAgent": "convgraph.agents.conversable",
    "AssistantAgent": "convgraph.agents.assistant",
    "OpenAIChatModel": "convgraph.models.openai_chat",
    "ScriptedModel": "convgraph.models.scripted",
    "config_list_from_json": "convgraph.models.config_lists",
    "filter_config": "convgraph.models.config_lists",
    "UserProxyAgent": "convgraph.agents.user_proxy",
    "RetrieveAssistantAgent": "convgraph.agents.retrieval",
    "RetrieveUserProxyAgent": "convgraph.agents.retrieval",
    "GroupChat": "convgraph.agents.group_chat",
    "GroupChatManager": "convgraph.agents.group_chat_manager",
    "ChatResult": "convgraph.chat.result",
    "Nested": "convgraph.conversation",
    "GPTAssistantAgent": "convgraph.agents.gpt_assistant",
    "SocietyOfMindAgent": "convgraph.agents.society_of_mind",
    "web_tools": "convgraph.tools.web",
    "MessageHistoryLimiter": "convgraph.agents.transforms",
    "MessageTokenLimiter": "convgraph.agents.transforms",
    "TransformMessages": "convgraph.agents.transforms",
    "Begins": "convgraph.runtime.nested",
    "SelectorPrompt": "convgraph.runtime.selector_prompt",
    "initiate_chats": "convgraph.agents.sequential",
    "a_initiate_chats": "convgraph.agents.sequential",
    "chats_graph": "convgraph.agents.sequential",
    "register_function": "convgraph.agents.register",
    "gather_usage_summary": "convgraph.agents.usage",
    "MultimodalConversableAgent": "convgraph.agents.multimodal",
    "VisionCapability": "convgraph.agents.vision",
    "image": "convgraph.content_parts",
    "message_parts": "convgraph.content_parts",
    "Handoff": "convgraph.tools.results",
    "McpServer": "convgraph.tools.mcp_server",
    "amcp_tools": "convgraph.tools.mcp",
    "langchain_tool": "convgraph.tools.langchain",
    "mcp_tools": "convgraph.tools.mcp",
    "tool": "convgraph.tools.definition",
    "watch": "convgraph.drawing.watching",
    "Cache": "convgraph.models.cache",
    "Case": "convgraph.evaluation.cases",
    "Variant": "convgraph.evaluation.variants",
    "compare": "convgraph.evaluation.comparing",
    "evaluate": "convgraph.evaluation.evaluating",
    "read_cases": "convgraph.evaluation.reading",
    "config_list_from_models": "convgraph.models.config_lists",
    "config_list_from_dotenv": "convgraph.models.config_lists",
    "get_config_list": "convgraph.models.config_lists",
    "OpenAIResponsesModel": "convgraph.models.openai_responses",
    "RateLimit": "convgraph.models.rate_limit",
    "SharedRateLimit": "convgraph.models.shared_rate_limit",
    "SimilarityModel": "convgraph.models.similarity",
    "OpenAIDecisionsModel": "convgraph.models.decisions",
    "AfterWork": "convgraph.agents.handoffs",
    "AfterWorkOption": "convgraph.agents.handoffs",
    "OnCondition": "convgraph.agents.handoffs",
    "SwarmResult": "convgraph.agents.handoffs",
    "a_initiate_swarm_chat": "convgraph.agents.handoffs",
    "initiate_swarm_chat": "convgraph.agents.handoffs",
    "swarm_graph": "convgraph.agents.handoffs",
    "View": "convgraph.graph.views",
    "visualize_speaker_transitions_dict": "convgraph.agents.transitions_drawn",
    "Fact": "convgraph.knowledge.fact",
    "FactStore": "convgraph.knowledge.facts",
    "open_facts": "convgraph.knowledge.facts",
    "Teachability": "convgraph.agents.teachability",
    "TeachableAgent": "convgraph.agents.teachability",
}

__all__ = [
    "END",
    "START",
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

if TYPE_CHECKING:
    from convgraph.agents.agent import Agent
    from convgraph.agents.assistant import AssistantAgent
    from convgraph.agents.conversable import ConversableAgent
    from convgraph.agents.gpt_assistant import GPTAssistantAgent
    from convgraph.agents.group_chat import GroupChat
    from convgraph.agents.group_chat_manager import GroupChatManager
    from convgraph.agents.handoffs import (
        AfterWork,
        AfterWorkOption,
        OnCondition,
        SwarmResult,
        a_initiate_swarm_chat,
        initiate_swarm_chat,
        swarm_graph,
    )
    from convgraph.agents.multimodal import MultimodalConversableAgent
    from convgraph.agents.register import register_function
    from convgraph.agents.retrieval import RetrieveAssistantAgent, RetrieveUserProxyAgent
    from convgraph.agents.sequential import a_initiate_chats, chats_graph, initiate_chats
    from convgraph.agents.society_of_mind import SocietyOfMindAgent
    from convgraph.agents.teachability import Teachability, TeachableAgent
    from convgraph.agents.transforms import MessageHistoryLimiter, MessageTokenLimiter, TransformMessages
    from convgraph.agents.transitions_drawn import visualize_speaker_transitions_dict
    from convgraph.agents.usage import gather_usage_summary
    from convgraph.agents.user_proxy import UserProxyAgent
    from convgraph.agents.vision import VisionCapability
    from convgraph.chat.result import ChatResult
    from convgraph.content_parts import image, message_parts
    from convgraph.conversation import ConversationGraph, ForEach, Nested, Parallel
    from convgraph.drawing.watching import watch
    from convgraph.errors import ReplayDivergence, RunBusy
    from convgraph.evaluation.cases import Case
    from convgraph.evaluation.comparing import compare
    from convgraph.evaluation.evaluating import evaluate
    from convgraph.evaluation.reading import read_cases
    from convgraph.evaluation.variants import Variant
    from convgraph.graph.checks import Finding
    from convgraph.graph.definition import END, START, Limits, Retry
    from convgraph.graph.schema import Reducer
    from convgraph.graph.views import View
    from convgraph.journal.events import Question
    from convgraph.journal.keyring import Keyring
    from convgraph.journal.records import export_run, import_run
    from convgraph.journal.store_url import open_store
    from convgraph.knowledge.collection import Collection
    from convgraph.knowledge.documents import read_documents
    from convgraph.knowledge.fact import Fact
    from convgraph.knowledge.facts import FactStore, open_facts
    from convgraph.messages import Message, Reply, ToolCall, Usage
    from convgraph.models.cache import Cache
    from convgraph.models.config_lists import (
        config_list_from_dotenv,
        config_list_from_json,
        config_list_from_models,
        filter_config,
        get_config_list,
    )
    from convgraph.models.decisions import OpenAIDecisionsModel
    from convgraph.models.local_embedder import LocalEmbedder
    from convgraph.models.openai_chat import OpenAIChatModel
    from convgraph.models.openai_embedder import OpenAIEmbedder
    from convgraph.models.openai_responses import OpenAIResponsesModel
    from convgraph.models.rate_limit import RateLimit
    from convgraph.models.scripted import ScriptedModel
    from convgraph.models.shared_rate_limit import SharedRateLimit
    from convgraph.models.similarity import SimilarityModel
    from convgraph.runtime.context import Context
    from convgraph.runtime.nested import Begins
    from convgraph.runtime.result import RunResult
    from convgraph.runtime.selector_prompt import SelectorPrompt
    from convgraph.tools.definition import tool
    from convgraph.tools.langchain import langchain_tool
    from convgraph.tools.mcp import amcp_tools, mcp_tools
    from convgraph.tools.mcp_server import McpServer
    from convgraph.tools.results import Handoff
    from convgraph.tools.web import web_tools


def __getattr__(name: str) -> Any:
    module = _WHERE.get(name)
    if module is None:
        raise AttributeError(f"module 'convgraph' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(module), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
