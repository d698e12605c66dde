# pyright: reportUnnecessaryIsInstance=false
# What callers really pass is checked, whether their code is typed or not.
"""AutoGen's SocietyOfMindAgent: a conversation of others that answers as one agent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Literal, TypeAlias, cast

from convgraph.agents import built_in_replies as built_in
from convgraph.agents.conversable import ConversableAgent
from convgraph.agents.group_chat_manager import GroupChatManager
from convgraph.agents.inner_conversation import Compose, InnerConversation
from convgraph.agents.llm_config import LlmConfig
from convgraph.agents.message_mappings import from_mapping, to_mappings
from convgraph.agents.reply_functions import ReplyFunction, name_of
from convgraph.agents.termination import HumanInputMode
from convgraph.conversation import ConversationGraph
from convgraph.errors import DefinitionError
from convgraph.graph.import_paths import called_at
from convgraph.messages import Message, Reply, ReplyLike, digest_of
from convgraph.protocols import Model, ModelRequest
from convgraph.runtime.context import Context
from convgraph.runtime.threads import called

ResponsePreparer: TypeAlias = str | Callable[[Any, list[dict[str, Any]]], Any] | None
"""What is made of the inner conversation: see `SocietyOfMindAgent`."""

INSTRUCTION = (
    "Below is what you and your colleagues have said among yourselves about the request that you were given. Whoever gave it has seen "
    "none of this, and reads only what you say now."
)
_OVER = "TERMINATE"


class SocietyOfMindAgent(ConversableAgent):
    """An agent that has others talk about what it is to reply to, and says in one message what came of it.

    `chat_manager` is the `GroupChatManager` of those who talk, or a `ConversationGraph`. Their conversation begins with that around
    the agent as it stands, and is part of the agent's turn: in the same journal, resumed where it stood, counted, drawn with the
    agent. It leaves nothing behind in those who talk: the next one begins with what was said around the agent alone. One that does
    not come to its end is an error of the agent's turn.

    `response_preparer` makes the reply: a text is what the agent's own model is asked, under the inner conversation; a function
    `(agent, messages)`, sync or async, is given the messages that were said in it as mappings, and returns a text, a mapping, or
    None to say nothing; without one it is the last thing that was said, without the word TERMINATE.

    All else is as with a `ConversableAgent`, whose person, tool calls and code come before the inner conversation.
    """

    def __init__(
        self,
        name: str,
        chat_manager: GroupChatManager | ConversationGraph,
        response_preparer: ResponsePreparer = None,
        is_termination_msg: Callable[[dict[str, Any]], Any] | None = None,
        max_consecutive_auto_reply: int | None = None,
        human_input_mode: HumanInputMode = "TERMINATE",
        function_map: Mapping[str, Callable[..., Any]] | None = None,
        code_execution_config: Mapping[str, Any] | Literal[False] | None = False,
        llm_config: LlmConfig = False,
        default_auto_reply: str | None = "",
        description: str | None = None,
        *,
        model: Model | None = None,
        silent: bool = False,
    ) -> None:
        where = f"agent {name!r}"
        if not isinstance(chat_manager, GroupChatManager | ConversationGraph):
            raise DefinitionError(f"{where}: chat_manager= is a GroupChatManager or a ConversationGraph, not {chat_manager!r:.100}")
        if not (response_preparer is None or isinstance(response_preparer, str) or callable(response_preparer)):
            raise DefinitionError(
                f"{where}: response_preparer= is a text, a function (agent, messages) or None, not {response_preparer!r:.100}"
            )
        super().__init__(
            name,
            "",
            is_termination_msg,
            max_consecutive_auto_reply,
            human_input_mode,
            function_map,
            code_execution_config,
            llm_config,
            default_auto_reply,
            "Several colleagues who discuss a request among themselves, and answer as one." if description is None else description,
            model=model,
            silent=silent,
        )
        if isinstance(response_preparer, str) and self.model is None:
            raise DefinitionError(f"{where}: a response_preparer= that is a text is for a model to answer: give llm_config= or model=")
        self.chat_manager = chat_manager
        self.response_preparer = response_preparer
        self._talk = InnerConversation(name, chat_manager, self._composer())

    @property
    def models(self) -> tuple[Model, ...]:
        """The models whose calls this agent causes: its own, and those of who talk."""
        return (*super().models, *self._talk.models)

    def describe(self) -> Mapping[str, Any]:
        """The agent's definition as plain JSON, without secrets; who talks is the graph inside its node."""
        described = super().describe()
        if self.response_preparer is None:
            return described
        preparer = self.response_preparer
        return {**described, "response_preparer": preparer if isinstance(preparer, str) else called_at(preparer)}

    def _own_reply_functions(self) -> tuple[ReplyFunction, ...]:
        """Those of every agent, but for that which asks the model: in its place the others talk."""
        return tuple(
            replace(function, made=self._talk) if function.made is built_in.model_reply else function
            for function in super()._own_reply_functions()
        )

    def _composer(self) -> Compose:
        preparer = self.response_preparer
        if preparer is None:
            return _last_words
        if isinstance(preparer, str):
            return _ByModel(self, preparer)
        return _ByFunction(self, preparer)


async def _last_words(ctx: Context, said: list[Message]) -> ReplyLike:  # noqa: ARG001  # nothing is to be done for it
    """The last thing that was said, without the word that ends the conversation; None where nothing was."""
    for message in reversed(said):
        content = message.content.replace(_OVER, "").strip() if isinstance(message.content, str) else message.content
        if content and message.role != "tool":
            return Message(content=content)
    return None


class _ByModel:
    """The reply that the agent's model gives to a question under what was said."""

    def __init__(self, agent: SocietyOfMindAgent, question: str) -> None:
        self._agent = agent
        self._question = question

    async def __call__(self, ctx: Context, said: list[Message]) -> ReplyLike:
        question = Message("user", self._question, "user")
        model = cast(Model, self._agent.model)
        return (await ctx.call_model(model, ModelRequest([*said, question], self._agent.name, INSTRUCTION))).content


class _ByFunction:
    """The reply that a user's function makes of what was said; called once, and read back from then on."""

    def __init__(self, agent: SocietyOfMindAgent, function: Callable[[Any, list[dict[str, Any]]], Any]) -> None:
        self._agent = agent
        self._function = function

    async def __call__(self, ctx: Context, said: list[Message]) -> ReplyLike:
        name = self._agent.name

        async def call() -> Any:
            made = await called(self._function, self._agent, to_mappings(said, name))
            if made is None or isinstance(made, str):
                return made
            if isinstance(made, Mapping):
                return dict(cast("Mapping[str, Any]", made))
            raise DefinitionError(f"agent {name!r}: response_preparer= returns a text, a mapping or None, not {made!r:.100}")

        made = await ctx.effect(name_of(self._function), call, kind="reply", about=digest_of(said).hex())
        return made if made is None or isinstance(made, str) else Reply(from_mapping(made, name))
