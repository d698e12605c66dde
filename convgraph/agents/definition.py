# pyright: reportUnnecessaryIsInstance=false
# What callers really pass is checked, whether their code is typed or not.
"""What a conversable agent is: a prompt, a model, tools, a code executor and a person, each there or not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypedDict, cast

from convgraph.agents.agent import Agent
from convgraph.agents.agent_tools import AgentTools, named_tool
from convgraph.agents.code_execution import CodeExecution, code_execution_from
from convgraph.agents.latest import earlier_chats
from convgraph.agents.llm_config import LlmConfig, llm_tools, model_of, response_schema
from convgraph.agents.message_mappings import to_mapping
from convgraph.agents.termination import HumanInputMode, check_mode
from convgraph.errors import DefinitionError
from convgraph.graph.import_paths import called_at
from convgraph.messages import Message
from convgraph.protocols import Model, ModelRequest

if TYPE_CHECKING:
    from convgraph.tools import Tool, ToolSet
    from convgraph.tools.definition import ToolLike

DEFAULT_SYSTEM_MESSAGE = "You are a helpful AI Assistant."
MAX_CONSECUTIVE_AUTO_REPLY = 100
"""How many replies in a row an agent makes by itself in a chat, unless it is told otherwise."""


class AgentOptions(TypedDict, total=False):
    """What the kinds of agents pass on to `ConversableAgent`."""

    chat_messages: Mapping[Agent, Sequence[Any]] | None
    silent: bool
    model: Model | None
    tools: Iterable[Mapping[str, Any] | ToolLike]
    response_format: Any


class DefinedAgent(Agent):
    """An agent as a definition. `ReplyingAgent` makes replies of it, `ConversableAgent` chats."""

    default_human_input_mode: ClassVar[HumanInputMode] = "TERMINATE"

    def __init__(
        self,
        name: str,
        system_message: str | None = DEFAULT_SYSTEM_MESSAGE,
        is_termination_msg: Callable[[dict[str, Any]], Any] | None = None,
        max_consecutive_auto_reply: int | None = None,
        human_input_mode: HumanInputMode = "TERMINATE",
        function_map: Mapping[str, Callable[..., Any]] | None = None,
        code_execution_config: Mapping[str, Any] | Literal[False] | None = False,
        llm_config: LlmConfig = None,
        default_auto_reply: str | None = "",
        description: str | None = None,
        chat_messages: Mapping[Agent, Sequence[Any]] | None = None,
        silent: bool = False,
        *,
        model: Model | None = None,
        tools: Iterable[Mapping[str, Any] | ToolLike] = (),
        response_format: Any = None,
    ) -> None:
        super().__init__(name, "")
        where = f"agent {name!r}"
        self._system_message = system_message or ""
        self._own_description = description
        self._mode: HumanInputMode = check_mode(human_input_mode, where)
        if is_termination_msg is not None and not callable(is_termination_msg):
            raise DefinitionError(f"{where}: is_termination_msg= is a function of a message, not {is_termination_msg!r:.100}")
        self._is_termination_msg = is_termination_msg
        self._limit = _checked_limit(max_consecutive_auto_reply, where)
        self._limits: dict[str, int] = {}
        self._default_auto_reply = default_auto_reply
        self._llm_config = llm_config
        schemas = llm_tools(llm_config)
        self._model = model_of(name, llm_config, model)
        self._tools = AgentTools(name, [*schemas, *tools], function_map)
        self._schema, self.schema_name = response_schema(response_format, name)
        self._code = code_execution_from(code_execution_config, name)
        self.silent = silent
        self._latest = earlier_chats(name, chat_messages)

    # What it is

    @property
    def system_message(self) -> str:
        """The model's instruction."""
        return self._system_message

    def update_system_message(self, system_message: str) -> None:
        """Give the model another instruction, from its next call on."""
        self._system_message = system_message

    @property
    def description(self) -> str:
        """What others (a selecting model, a drawing) are told about the agent; the system message, unless it is given."""
        return self._system_message if self._own_description is None else self._own_description

    @description.setter
    def description(self, description: str) -> None:
        self._own_description = description

    @property
    def model(self) -> Model | None:
        """The model that answers in the agent's name."""
        return self._model

    @property
    def llm_config(self) -> dict[str, Any] | Literal[False]:
        """What the agent was given as its `llm_config`, with the tools that its model is told of. A copy; False without one."""
        if not isinstance(self._llm_config, Mapping):
            return False
        given = {key: value for key, value in self._llm_config.items() if key != "functions"}
        return {**given, "tools": [dict(schema) for schema in self._tools.schemas]} if self._tools.schemas else given

    @property
    def models(self) -> tuple[Model, ...]:
        """The models whose calls this agent causes."""
        return () if self._model is None else (self._model,)

    @property
    def human_input_mode(self) -> HumanInputMode:
        """When the agent asks its person: ALWAYS, at the end (TERMINATE), or NEVER."""
        return self._mode

    @property
    def executable_tools(self) -> ToolSet:
        """The tools that the agent can carry out."""
        return self._tools.executable

    @property
    def function_map(self) -> dict[str, Callable[..., Any]]:
        """The functions that the agent can carry out, by name."""
        return self._tools.function_map

    @property
    def code_execution(self) -> CodeExecution | None:
        """How the agent runs code; None where it does not."""
        return self._code

    def can_execute(self, name: str) -> bool:
        """Whether the agent can carry out the tool of this name."""
        return self._tools.can_execute(name)

    def leaves_to_others(self, name: str) -> bool:
        """Whether a call of the tool of this name is for somebody else to carry out."""
        return self._tools.leaves_to_others(name)

    def is_termination(self, message: Message) -> bool:
        """Whether the message ends a chat: `is_termination_msg` says so, or, without one, it is exactly `TERMINATE`."""
        if self._is_termination_msg is None:
            return message.content == "TERMINATE"
        return bool(self._is_termination_msg(to_mapping(message, self.name)))

    def max_consecutive_auto_reply(self, sender: Agent | None = None) -> int:
        """How many replies in a row the agent makes to `sender` by itself."""
        default = MAX_CONSECUTIVE_AUTO_REPLY if self._limit is None else self._limit
        return default if sender is None else self._limits.get(sender.name, default)

    def can_execute_function(self, name: str | Sequence[str]) -> bool:
        """Whether the agent can carry out the tool of this name, or all of these."""
        return all(map(self.can_execute, [name] if isinstance(name, str) else name))

    def update_max_consecutive_auto_reply(self, value: int, sender: Agent | None = None) -> None:
        """Change how many replies in a row the agent makes by itself: to everybody, or to `sender`."""
        checked = _checked_limit(value, f"agent {self.name!r}")
        if checked is None:
            raise DefinitionError(f"agent {self.name!r}: max_consecutive_auto_reply is a whole number, not None")
        if sender is None:
            self._limit = checked
            self._limits.clear()
        else:
            self._limits[sender.name] = checked

    def describe(self) -> Mapping[str, Any]:
        """The agent's definition as plain JSON, without secrets."""
        described: dict[str, Any] = {"type": type(self).__name__, "system_message": self._system_message}
        if self._model is not None:
            described["model"] = dict(self._model.describe())
        if self._default_auto_reply != "":
            described["default_auto_reply"] = self._default_auto_reply
        if self._tools.schemas:
            described["tools"] = self._tools.describe()
        if executes := self._tools.describe_executable():
            described["executes"] = executes
        if self._schema is not None:
            described["response_format"] = {"name": self.schema_name, "schema": dict(self._schema)}
        if self._code is not None:
            described["code_execution"] = dict(self._code.describe())
        if self._limit is not None:
            described["max_consecutive_auto_reply"] = self._limit
        if self._mode != self.default_human_input_mode:
            described["human_input_mode"] = self._mode
        if self._is_termination_msg is not None:
            described["is_termination_msg"] = called_at(self._is_termination_msg)
        return described

    def request(self, messages: Sequence[Message]) -> ModelRequest:
        """What the agent's model is asked."""
        return ModelRequest(messages, self.name, self._system_message, self._tools.schemas, self._schema, self.schema_name)

    # What a user adds to it

    def register_model_client(self, model_client_cls: Any, **kwargs: Any) -> None:
        """Ask the entries of the `config_list` that name this class (`"model_client_cls": "Mine"`) through a client of it.

        The client is `model_client_cls(entry, **kwargs)`; `convgraph.models.client_model.ModelClient` says what it has to have.
        Raises `ModelConfigError` where no entry waits for the class, `DefinitionError` where the agent has no model.
        """
        from convgraph.models.client_model import register_model_client

        if self._model is None:
            raise DefinitionError(f"agent {self.name!r} has no model; give it an llm_config= whose config_list names {model_client_cls!r}")
        self._model = register_model_client(self._model, model_client_cls, **kwargs)

    def add_tools(self, *tools: Tool) -> None:
        """Let the agent's model call tools that the agent carries out itself. Those of the same names are replaced."""
        for one in tools:
            self._tools.add(one)

    def register_for_llm(
        self, *, name: str | None = None, description: str | None = None, api_style: Literal["function", "tool"] = "tool"
    ) -> Callable[[Any], Tool]:
        """A decorator: the agent's model is told of the function. Returns a `Tool`, which can be called as the function is."""
        if api_style not in ("function", "tool"):
            raise DefinitionError(f"agent {self.name!r}: api_style= is 'tool' or 'function', not {api_style!r}")

        def register(fn: Any) -> Tool:
            if self._model is None:
                raise DefinitionError(f"agent {self.name!r} has no model that could be told of a tool; give it llm_config= or model=")
            made = named_tool(fn, name, description)
            self._tools.tell(made.schema())
            return made

        return register

    def register_for_execution(self, name: str | None = None, **_autogen: Any) -> Callable[[Any], Any]:
        """A decorator: the agent carries out the function when another's model has called it. Returns what it is given."""

        def register(fn: Any) -> Any:
            from convgraph.tools import Tool

            if isinstance(fn, Tool):
                self._tools.carry_out(named_tool(fn, name, None))
            else:
                self._tools.map({name or fn.__name__: fn})
            return fn

        return register

    def register_function(self, function_map: Mapping[str, Callable[..., Any] | None]) -> None:
        """Carry out these functions; None takes one away."""
        self._tools.map(function_map)

    def update_tool_signature(self, tool_sig: str | Mapping[str, Any], is_remove: bool = False) -> None:
        """Tell the agent's model of a tool in OpenAI's form, or no more of one (by its name or its form)."""
        if not is_remove:
            self._tools.tell(cast("Mapping[str, Any]", tool_sig))
            return
        self._tools.untell(tool_sig if isinstance(tool_sig, str) else cast("Any", tool_sig).get("function", tool_sig)["name"])

    update_function_signature = update_tool_signature


def _checked_limit(value: Any, where: str) -> int | None:
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 0):
        return value
    raise DefinitionError(f"{where}: max_consecutive_auto_reply= is a whole number, 0 or more, not {value!r}")
