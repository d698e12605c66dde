"""AutoGen's UserProxyAgent: a person's stand-in, which asks the person and runs code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, Unpack

from convgraph.agents.conversable import ConversableAgent
from convgraph.agents.definition import AgentOptions
from convgraph.agents.llm_config import LlmConfig
from convgraph.agents.termination import HumanInputMode

_DESCRIPTIONS: Mapping[str, str] = {
    "ALWAYS": "A person, who can answer questions, judge results, run code and call tools.",
    "TERMINATE": "A person's stand-in: it runs code and calls tools, and asks the person when the work is done or goes on for long.",
    "NEVER": "A computer that runs code in Python and shell, and calls tools. It does nothing else.",
}


class UserProxyAgent(ConversableAgent):
    """A person's stand-in. It asks its person before each reply (`human_input_mode`), runs code that it is sent, and has no model.

    Takes what `ConversableAgent` takes. Code runs in a container where a Docker engine answers; where none does, the agent
    can be made all the same, and running code fails and says what to install, or to give `use_docker=False`.
    """

    DEFAULT_USER_PROXY_AGENT_DESCRIPTIONS = _DESCRIPTIONS

    default_human_input_mode = "ALWAYS"

    def __init__(
        self,
        name: str,
        is_termination_msg: Callable[[dict[str, Any]], Any] | None = None,
        max_consecutive_auto_reply: int | None = None,
        human_input_mode: HumanInputMode = "ALWAYS",
        function_map: Mapping[str, Callable[..., Any]] | None = None,
        code_execution_config: Mapping[str, Any] | Literal[False] | None = None,
        default_auto_reply: str | None = "",
        llm_config: LlmConfig = False,
        system_message: str | None = "",
        description: str | None = None,
        **options: Unpack[AgentOptions],
    ) -> None:
        super().__init__(
            name,
            system_message,
            is_termination_msg,
            max_consecutive_auto_reply,
            human_input_mode,
            function_map,
            {} if code_execution_config is None else code_execution_config,
            llm_config,
            default_auto_reply,
            _DESCRIPTIONS.get(human_input_mode) if description is None else description,
            **options,
        )

    def describe(self) -> Mapping[str, Any]:
        """The agent's definition as plain JSON; that it runs no code is said, since a user proxy does by default."""
        described = super().describe()
        return described if self.code_execution is not None else {**described, "code_execution": None}
