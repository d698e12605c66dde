"""Any model behind an OpenAI-compatible chat completions endpoint: the interface that servers of all makes have."""

from __future__ import annotations

from typing import ClassVar

from convgraph.models.completion import Collected, read_completion
from convgraph.models.dialect import Dialect
from convgraph.models.openai_model import OpenAIModel
from convgraph.models.wire import chat_body

CHAT = Dialect(
    kind="openai_chat",
    path="/chat/completions",
    write=chat_body,
    read=read_completion,
    collect=Collected,
    streamed={"stream_options": {"include_usage": True}},
)


class OpenAIChatModel(OpenAIModel):
    """A model that is asked for chat completions. Its settings are those of `OpenAIModel`."""

    dialect: ClassVar[Dialect] = CHAT
