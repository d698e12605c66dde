"""The face: `ConversationGraph` joins definition, speakers, runtime, stores and drawing; `Parallel` and `ForEach` are its groups."""

from __future__ import annotations

from convgraph.conversation.conversation_graph import ConversationGraph
from convgraph.conversation.groups import ForEach, Parallel

__all__ = ["ConversationGraph", "ForEach", "Parallel"]
