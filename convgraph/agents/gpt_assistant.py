"""AutoGen's GPTAssistantAgent, on what has come after OpenAI's Assistants: responses that the endpoint remembers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeGuard, cast

from convgraph.agents.agent import Agent
from convgraph.agents.conversable import ConversableAgent
from convgraph.agents.llm_config import LlmConfig
from convgraph.agents.remembered_answers import answer_data, remembered_by
from convgraph.agents.termination import HumanInputMode
from convgraph.errors import DefinitionError, EffectFailed, ResponseForgotten
from convgraph.messages import Message, check_json
from convgraph.plain_data import replaced
from convgraph.protocols import Model, ModelReply, ModelRequest
from convgraph.runtime.context import Context

if TYPE_CHECKING:
    from convgraph.tools.definition import ToolLike

DEFAULT_INSTRUCTIONS = "You are a helpful assistant. Say plainly what you do not know."

_FUNCTION = "function"
_CREDENTIALS = frozenset({"authorization", "headers"})
_GONE = {
    "assistant_id": "assistants are no more: instructions= and tools= say the same",
    "tool_resources": "give vector_store_ids to the file_search tool, and file_ids to the container of the code_interpreter",
    "file_ids": "give vector_store_ids to the file_search tool, and file_ids to the container of the code_interpreter",
}


class GPTAssistantAgent(ConversableAgent):
    """An agent whose conversation is remembered by the model's endpoint (OpenAI's Responses interface, or another's).

    It tells the endpoint only what was said since its own last answer, and which answer that was. That it knows from the
    conversation: what it says carries, as `Message.data`, `response_id`, and `seen`, a digest of what the endpoint had been told
    and has answered. So a run is resumed, replayed and forked like any other, and what the endpoint knows is never something else
    than what the conversation says: where a fork, a view or a hook has changed an answer or what came before it, it goes on from
    an earlier one, or tells the whole. So it does where the endpoint has forgotten; the journal then has the call that failed
    with `ResponseForgotten`, and the one that told the whole.

    `instructions` are told anew each time. `tools` (also in `llm_config` or `assistant_config`, AutoGen's places) are functions,
    which the agent carries out itself, schemas of functions, and the endpoint's own: `{"type": "web_search"}`,
    `{"type": "code_interpreter"}`, `{"type": "file_search", "vector_store_ids": […]}`. What the endpoint tells of its own
    tools' work, and what it quotes, is `Message.data["items"]`; a parsed answer (`response_format`) is `Message.data["answer"]`.

    Each call costs what the endpoint reports: it counts what it remembers as input too. Raises `DefinitionError` for a model
    that is asked for chat completions, which remember nothing.
    """

    default_human_input_mode = "NEVER"

    def __init__(
        self,
        name: str,
        instructions: str | None = None,
        llm_config: LlmConfig = None,
        assistant_config: Mapping[str, Any] | None = None,
        *,
        is_termination_msg: Callable[[dict[str, Any]], Any] | None = None,
        max_consecutive_auto_reply: int | None = None,
        human_input_mode: HumanInputMode = "NEVER",
        default_auto_reply: str | None = "",
        description: str | None = None,
        chat_messages: Mapping[Agent, Sequence[Any]] | None = None,
        silent: bool = False,
        model: Model | None = None,
        tools: Iterable[Mapping[str, Any] | ToolLike] = (),
        response_format: Any = None,
    ) -> None:
        where = f"agent {name!r}"
        given = [*_listed(tools, where), *_of_assistant(assistant_config, where), *_of_config(llm_config, where)]
        self._hosted = tuple(_checked(tool, where) for tool in given if _is_hosted(tool))
        if not llm_config and model is None:
            from convgraph.models.openai_responses import OpenAIResponsesModel

            llm_config, model = None, OpenAIResponsesModel()
        super().__init__(
            name,
            DEFAULT_INSTRUCTIONS if instructions is None else instructions,
            is_termination_msg,
            max_consecutive_auto_reply,
            human_input_mode,
            llm_config=_by_responses(llm_config),
            default_auto_reply=default_auto_reply,
            description=description,
            chat_messages=chat_messages,
            silent=silent,
            model=model,
            tools=[tool for tool in given if not _is_hosted(tool)],
            response_format=response_format,
        )
        if self.model is not None and _asks_for_completions(self.model.describe()):
            raise DefinitionError(f"{where}: its model is asked for chat completions, which remember nothing; give an OpenAIResponsesModel")

    def describe(self) -> Mapping[str, Any]:
        """The agent's definition as plain JSON, without secrets."""
        described = super().describe()
        tools = [*described.get("tools", ()), *map(dict, self._hosted)]
        return {**described, "tools": tools} if tools else described

    def request(self, messages: Sequence[Message]) -> ModelRequest:
        """What the agent's model is asked: all of it, with how much of that the endpoint knows."""
        params: dict[str, Any] = {"store": True, "tools": list(self._hosted)} if self._hosted else {"store": True}
        return replaced(super().request(messages), params=params, remembered=remembered_by(self.name, messages))

    async def ask_model(self, ctx: Context, model: Model, messages: Sequence[Message]) -> ModelReply:
        """What the model says to what is new; where the endpoint has forgotten the rest, to the whole."""
        request = self.request(messages)
        try:
            return await ctx.call_model(model, request)
        except EffectFailed as error:
            if request.remembered is None or error.error_type != ResponseForgotten.__name__:
                raise
        return await ctx.call_model(model, replaced(request, remembered=None))

    def answer_of_model(self, reply: ModelReply, messages: Sequence[Message]) -> Message:
        """What the agent says, with what it takes to go on from it."""
        answer = super().answer_of_model(reply, messages)
        return replaced(answer, data=answer_data(reply, messages, answer))


def _of_assistant(config: Mapping[str, Any] | None, where: str) -> list[Any]:
    """The tools in AutoGen's `assistant_config`. Raises `DefinitionError` for what has no meaning any more."""
    if config is not None and not isinstance(config, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise DefinitionError(f"{where}: assistant_config= is a mapping such as {{'tools': […]}}, not {config!r:.100}")
    given = dict(config or {})
    tools = _listed(given.pop("tools", None), where)
    for key in given:
        raise DefinitionError(f"{where}: assistant_config has {key!r}; {_GONE.get(key, 'it holds tools and nothing else')}")
    return tools


def _listed(tools: Any, where: str) -> list[Any]:
    if tools is None or isinstance(tools, list | tuple):
        return list(cast("Sequence[Any]", tools or ()))
    raise DefinitionError(f"{where}: tools are a list of functions and schemas, not {tools!r:.100}")


def _of_config(llm_config: LlmConfig, where: str) -> list[Any]:
    """The endpoint's own tools in an `llm_config`; its functions are found by who reads the rest."""
    if not isinstance(llm_config, Mapping):
        return []
    return [tool for tool in _listed(llm_config.get("tools"), where) if _is_hosted(tool)]


def _by_responses(llm_config: Any) -> Any:
    """The configuration with the Responses interface wherever none is named, and without the endpoint's own tools."""
    if isinstance(llm_config, list | tuple):
        return {"config_list": [_entry(entry) if isinstance(entry, Mapping) else entry for entry in cast("Sequence[Any]", llm_config)]}
    if not isinstance(llm_config, Mapping):
        return llm_config
    config = _entry(cast("Mapping[str, Any]", llm_config))
    if "tools" in config:
        config["tools"] = [tool for tool in config["tools"] or () if not _is_hosted(tool)]
    if isinstance(config.get("config_list"), list | tuple):
        listed = cast("Sequence[Any]", config["config_list"])
        config["config_list"] = [_entry(entry) if isinstance(entry, Mapping) else entry for entry in listed]
    return config


def _entry(entry: Any) -> dict[str, Any]:
    return {**entry} if entry.get("api_style") else {**entry, "api_style": "responses"}


def _is_hosted(tool: Any) -> TypeGuard[Mapping[str, Any]]:
    return isinstance(tool, Mapping) and cast("Mapping[str, Any]", tool).get("type", _FUNCTION) != _FUNCTION


def _checked(tool: Mapping[str, Any], where: str) -> dict[str, Any]:
    """One of the endpoint's own tools as it is told of it. Raises `DefinitionError` for what would put a secret into journals."""
    if not isinstance(tool["type"], str):
        raise DefinitionError(f"{where}: a tool's type is a text such as 'web_search', not {tool['type']!r:.100}")
    if secret := sorted(_CREDENTIALS & set(tool)):
        raise DefinitionError(
            f"{where}: the tool {tool['type']!r} has {', '.join(secret)}, which would be stored with each run; "
            "connect to such a server with tools of the agent's own"
        )
    check_json(dict(tool), f"{where}: the tool {tool['type']!r:.50}")
    if tool["type"] == "retrieval":
        raise DefinitionError(f"{where}: the tool 'retrieval' is called 'file_search' now, and takes vector_store_ids")
    return {"container": {"type": "auto"}, **tool} if tool["type"] == "code_interpreter" else dict(tool)


def _asks_for_completions(described: Any) -> bool:
    """Whether a model, or one of those that it is made of, is asked for chat completions."""
    if isinstance(described, Mapping):
        model = cast("Mapping[str, Any]", described)
        parts: list[Any] = [model.get("model"), *(model.get("models") or ())]
        return model.get("type") == "openai_chat" or any(map(_asks_for_completions, parts))
    return False
