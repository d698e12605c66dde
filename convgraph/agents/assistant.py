"""AutoGen's AssistantAgent: an agent that answers with a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from convgraph.agents.conversable import ConversableAgent, LlmConfig
from convgraph.protocols import Model

DEFAULT_SYSTEM_MESSAGE = (
    "You are a helpful assistant. Work on the task step by step, say plainly what you do not know, and keep to what was asked."
)


class AssistantAgent(ConversableAgent):
    """An assistant. With no model given, it takes the environment's (`OPENAI_API_KEY`, `OPENAI_BASE_URL`, `CONVGRAPH_MODEL`).

    Takes what `ConversableAgent` takes; `llm_config=False` means no model.
    """

    def __init__(
        self,
        name: str,
        system_message: str | None = DEFAULT_SYSTEM_MESSAGE,
        *,
        llm_config: LlmConfig = None,
        model: Model | None = None,
        description: str | None = None,
        default_auto_reply: str = "",
        tools: Sequence[Mapping[str, Any]] = (),
        response_format: Any = None,
    ) -> None:
        if model is None and llm_config is None:
            from convgraph.models.openai_chat import OpenAIChatModel

            model = OpenAIChatModel()
        super().__init__(
            name,
            system_message,
            llm_config=llm_config,
            model=model,
            description=description,
            default_auto_reply=default_auto_reply,
            tools=tools,
            response_format=response_format,
        )

    def describe(self) -> Mapping[str, Any]:
        """The agent's definition as plain JSON; that it has no model is said, since an assistant has one by default."""
        described = super().describe()
        return described if self.model is not None else {**described, "model": None}
