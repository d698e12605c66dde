"""AutoGen's AssistantAgent: an agent that answers with a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, Unpack

from convgraph.agents.conversable import ConversableAgent
from convgraph.agents.definition import AgentOptions
from convgraph.agents.llm_config import LlmConfig
from convgraph.agents.termination import HumanInputMode

DEFAULT_SYSTEM_MESSAGE = (
    "You are a helpful assistant. Work on the task step by step, say plainly what you do not know, and keep to what was asked. "
    "Where code helps, write it whole, in one fenced block that names its language (python or sh); it is run for you, and you are shown "
    "what it printed. Mend what failed. When the task is done and checked, say so, and end with the word TERMINATE on a line of its own."
)


class AssistantAgent(ConversableAgent):
    """An assistant. With no model given, it takes the environment's (`OPENAI_API_KEY`, `OPENAI_BASE_URL`, `CONVGRAPH_MODEL`).

    Takes what `ConversableAgent` takes; `llm_config=False` means no model. It asks no person and runs no code, unless told to.
    """

    DEFAULT_SYSTEM_MESSAGE = DEFAULT_SYSTEM_MESSAGE
    DEFAULT_DESCRIPTION = "An assistant that works on tasks with a language model, and writes code where that helps."

    default_human_input_mode = "NEVER"

    def __init__(
        self,
        name: str,
        system_message: str | None = DEFAULT_SYSTEM_MESSAGE,
        llm_config: LlmConfig = None,
        is_termination_msg: Callable[[dict[str, Any]], Any] | None = None,
        max_consecutive_auto_reply: int | None = None,
        human_input_mode: HumanInputMode = "NEVER",
        description: str | None = None,
        function_map: Mapping[str, Callable[..., Any]] | None = None,
        code_execution_config: Mapping[str, Any] | Literal[False] | None = False,
        default_auto_reply: str | None = "",
        **options: Unpack[AgentOptions],
    ) -> None:
        if llm_config is None and options.get("model") is None:
            from convgraph.models.openai_chat import OpenAIChatModel

            options["model"] = OpenAIChatModel()
        if description is None and system_message == DEFAULT_SYSTEM_MESSAGE:
            description = self.DEFAULT_DESCRIPTION
        super().__init__(
            name,
            system_message,
            is_termination_msg,
            max_consecutive_auto_reply,
            human_input_mode,
            function_map,
            code_execution_config,
            llm_config,
            default_auto_reply,
            description,
            **options,
        )

    def describe(self) -> Mapping[str, Any]:
        """The agent's definition as plain JSON; that it has no model is said, since an assistant has one by default."""
        described = super().describe()
        return described if self.model is not None else {**described, "model": None}
