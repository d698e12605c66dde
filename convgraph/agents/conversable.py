# pyright: reportUnnecessaryIsInstance=false
# What callers really pass is checked, whether their code is typed or not.
"""AutoGen's ConversableAgent, as a definition: a name, a prompt, and the model that answers in its name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias, cast

from convgraph.agents.agent import Agent
from convgraph.errors import DefinitionError, ModelOutputError
from convgraph.messages import Joined, Message, ReplyLike
from convgraph.protocols import Model, ModelReply, ModelRequest
from convgraph.runtime.context import Context

LlmConfig: TypeAlias = Mapping[str, Any] | Literal[False] | None
CORRECTIONS = 2
"""How often a model is shown that its answer does not fit the schema, before the turn fails."""
DEFAULT_SYSTEM_MESSAGE = "You are a helpful AI Assistant."


class ConversableAgent(Agent):
    """An agent that answers with a model, or with a fixed reply where it has none.

    `system_message` is the model's instruction. The model is `model`, or what `llm_config` describes: AutoGen's
    `{"config_list": [{"model": …, "base_url": …, "api_key": …}, …], "temperature": …}`, whose entries are tried in
    order. `llm_config=False` (or None) means no model: the agent says `default_auto_reply`, or nothing where that
    is empty. `tools` are function schemas in OpenAI's form, passed through to the model; `response_format` is a
    pydantic model class or a JSON schema that the answer must fit (it is found parsed at `Message.data`).
    `description` is what a selecting model is told; it defaults to the system message, as in AutoGen.
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
        self.system_message = system_message or ""
        super().__init__(name, self.system_message if description is None else description)
        self._model = _model_of(name, llm_config, model)
        self._default_auto_reply = default_auto_reply
        self._tools = tuple(tools)
        self._schema, self._schema_name = _response_schema(response_format, name)
        self._params: Mapping[str, Any] = {}

    @property
    def model(self) -> Model | None:
        """The model that answers in the agent's name."""
        return self._model

    @property
    def models(self) -> tuple[Model, ...]:
        """The models whose calls this agent causes."""
        return () if self._model is None else (self._model,)

    def describe(self) -> Mapping[str, Any]:
        """The agent's definition as plain JSON, without secrets."""
        described: dict[str, Any] = {"type": type(self).__name__, "system_message": self.system_message}
        if self._model is not None:
            described["model"] = dict(self._model.describe())
        if self._default_auto_reply:
            described["default_auto_reply"] = self._default_auto_reply
        if self._tools:
            described["tools"] = [dict(tool) for tool in self._tools]
        if self._schema is not None:
            described["response_format"] = {"name": self._schema_name, "schema": dict(self._schema)}
        return described

    async def speak(self, ctx: Context) -> ReplyLike:
        """Answer with the model, or with the default reply. Raises `EffectFailed` where the model fails."""
        if self._model is None:
            return self._default_auto_reply or None
        reply = await self._answer(ctx, self._model)
        return Message(self.name, reply.content, tool_calls=reply.tool_calls, data=reply.data)

    async def _answer(self, ctx: Context, model: Model) -> ModelReply:
        """The model's answer. One that does not fit the schema is shown to the model with what is wrong, a bounded number of times."""
        reply = await ctx.call_model(model, self._request(ctx.messages))
        for _ in range(CORRECTIONS):
            if not reply.misfit:
                return reply
            said = (Message(self.name, reply.content), Message("user", f"That does not fit: {reply.misfit}. Answer again.", "user"))
            reply = await ctx.call_model(model, self._request(Joined(ctx.messages, said)))
        if not reply.misfit:
            return reply
        raise ModelOutputError(f"agent {self.name!r}: no answer fits {self._schema_name!r} after {1 + CORRECTIONS} tries: {reply.misfit}")

    def _request(self, messages: Sequence[Message]) -> ModelRequest:
        return ModelRequest(messages, self.name, self.system_message, self._tools, self._schema, self._schema_name, self._params)


def _model_of(name: str, llm_config: LlmConfig, model: Model | None) -> Model | None:
    if model is not None and llm_config:
        raise DefinitionError(f"agent {name!r}: give it model= or llm_config=, not both")
    if model is not None:
        if not isinstance(model, Model):
            raise DefinitionError(
                f"agent {name!r}: model= takes a model (OpenAIChatModel, ScriptedModel, or one's own), not {model!r:.100}"
            )
        return model
    if llm_config is None or llm_config is False:
        return None
    from convgraph.models.config import model_from_config

    return model_from_config(llm_config)


def _response_schema(response_format: Any, name: str) -> tuple[Mapping[str, Any] | None, str]:
    if response_format is None:
        return None, "answer"
    if isinstance(response_format, Mapping):
        given: dict[str, Any] = dict(cast("Mapping[str, Any]", response_format))
        return given, str(given.get("title", "answer"))
    schema = getattr(response_format, "model_json_schema", None)
    if schema is None:
        raise DefinitionError(
            f"agent {name!r}: response_format= takes a pydantic model class or a JSON schema, not {response_format!r:.100}"
        )
    return schema(), response_format.__name__
