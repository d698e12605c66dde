"""The face: `ConversationGraph` joins definition, speakers, runtime, stores and drawing; `Parallel`, `ForEach`, `Nested` hold others."""

from __future__ import annotations

from convgraph.conversation.conversation_graph import ConversationGraph
from convgraph.conversation.groups import ForEach, Nested, Parallel

__all__ = ["ConversationGraph", "ForEach", "Nested", "Parallel"]
