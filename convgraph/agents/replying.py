# pyright: reportUnnecessaryIsInstance=false
# What callers really pass is checked, whether their code is typed or not.
"""The half of a conversable agent that makes replies: its definition, and the chain of functions that are asked for a reply."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypedDict, cast

from convgraph.agents import built_in_replies as built_in
from convgraph.agents import hooks
from convgraph.agents.agent import Agent
from convgraph.agents.agent_tools import AgentTools, named_tool
from convgraph.agents.code_execution import CodeExecution, code_execution_from
from convgraph.agents.exchange import Exchange
from convgraph.agents.latest import earlier_chats
from convgraph.agents.llm_config import LlmConfig, llm_tools, model_of, response_schema
from convgraph.agents.message_mappings import to_mapping
from convgraph.agents.reply_functions import BuiltIn, ReplyFunction, name_of, same_function
from convgraph.agents.termination import HumanInputMode, check_mode
from convgraph.agents.triggers import ANYONE, check_trigger, matches
from convgraph.errors import DefinitionError
from convgraph.graph.import_paths import called_at
from convgraph.messages import Message, Reply, ReplyLike, as_messages
from convgraph.protocols import Model, ModelRequest
from convgraph.runtime.context import Context, entered
from convgraph.runtime.threads import in_thread

if TYPE_CHECKING:
    from convgraph.tools import Tool, ToolSet

DEFAULT_SYSTEM_MESSAGE = "You are a helpful AI Assistant."
_CHAIN: tuple[tuple[str, BuiltIn | None], ...] = (
    ("check_termination_and_human_reply", built_in.termination_and_human),
    ("generate_function_call_reply", None),  # a call of a function is a tool call here
    ("generate_tool_calls_reply", built_in.tool_calls),
    ("generate_code_execution_reply", built_in.code_execution),
    ("generate_oai_reply", built_in.model_reply),
)
"""An agent's own reply functions, in AutoGen's order."""

MAX_CONSECUTIVE_AUTO_REPLY = 100
"""How many replies in a row an agent makes by itself in a chat, unless it is told otherwise."""


class AgentOptions(TypedDict, total=False):
    """What the kinds of agents pass on to `ConversableAgent`."""

    chat_messages: Mapping[Agent, Sequence[Any]] | None
    silent: bool
    model: Model | None
    tools: Sequence[Mapping[str, Any] | Tool | Callable[..., Any]]
    response_format: Any


class ReplyingAgent(Agent):
    """An agent as a definition: its prompt, its model, its tools, its code executor and its person, each there or not.

    See `ConversableAgent`, which adds the chats.
    """

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
        tools: Sequence[Mapping[str, Any] | Tool | Callable[..., Any]] = (),
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
        self._hooks: dict[str, list[hooks.Hook]] = {}
        self._reply_functions = self._own_reply_functions()
        self.silent = silent
        self._latest = earlier_chats(name, chat_messages)
        self._asks_itself = _overrides(self, "get_human_input") or _overrides(self, "a_get_human_input")

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

    @property
    def inner(self) -> Any:
        """The graph of the chats that it has before it replies (`register_nested_chats`), to be drawn; None where it has none."""
        return self.chats_before_reply(None)

    def chats_before_reply(self, hears: Agent | None) -> Any:
        """The graph of the chats that it has before it replies to `hears` (None: to anybody); None where it has none.

        Of several that are registered, it is the one that is asked first.
        """
        for function in self._reply_functions:
            picture = getattr(function.made, "picture", None)
            if picture is not None and (hears is None or matches(function.trigger, hears)):
                return picture()
        return None

    def can_execute(self, name: str) -> bool:
        """Whether the agent can carry out the tool of this name."""
        return self._tools.can_execute(name)

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
        if self._asked_names(self._reply_functions) != self._asked_names(self._own_reply_functions()):
            described["reply_functions"] = self._asked_names(self._reply_functions)
        if self._hooks:
            described["hooks"] = {method: [name_of(hook) for hook in known] for method, known in self._hooks.items()}
        return described

    # How it replies

    def speak(self, ctx: Context) -> Awaitable[ReplyLike]:
        """Have the turn in a graph. How often it may reply by itself is then the graph's to say, unless the agent was told."""
        return self.reply(ctx, None, limit=self._limit)

    async def reply(
        self,
        ctx: Context,
        hears: Agent | None,
        *,
        limit: int | None,
        since: int = 0,
        exclude: Collection[Any] = (),
        said_to: Agent | None = None,
        silent: bool = False,
    ) -> ReplyLike:
        """The reply to the conversation as it stands; None, or one with a `reason`, where the agent says nothing.

        `hears` is whom it replies to (None: whoever spoke last), `limit` how many replies in a row it may make by itself,
        `since` where the present chat begins among the messages. `said_to`: hooks see the reply before it is sent there.
        """
        seen = ctx.messages
        if self._hooks:
            with entered(ctx):
                seen = await hooks.seen(self._hooks, self._name, seen)
        exchange = Exchange(self._name, ctx, hears, limit, since, seen)
        for function in self._reply_functions:
            pending = function.asked(self, exchange, exclude)
            if pending is None:
                continue
            final, reply = await pending
            if final:
                break
        else:
            reply = self._default_auto_reply
        if reply is None:
            return Reply(reason=f"{self.name} has no reply")
        if self._hooks:
            with entered(ctx):
                return await self._hooked_reply(reply, said_to or exchange.sender, silent)
        return reply

    def request(self, messages: Sequence[Message]) -> ModelRequest:
        """What the agent's model is asked."""
        return ModelRequest(messages, self.name, self._system_message, self._tools.schemas, self._schema, self.schema_name)

    async def ask_person(self, ctx: Context, prompt: str) -> str:
        """Ask the agent's person: with `get_human_input`, where a subclass has its own, else as the run asks people."""
        if not self._asks_itself:
            return await ctx.ask(prompt, to=self.name)
        if _overrides(self, "a_get_human_input"):
            return await ctx.effect("get_human_input", self.a_get_human_input, prompt, kind="human", idempotent=True)
        return await ctx.effect("get_human_input", self.get_human_input, prompt, kind="human", idempotent=True)

    def get_human_input(self, prompt: str) -> str:
        """Ask the person at the console. For subclasses to override: what it returns is recorded, and not asked for again."""
        return input(prompt)

    async def a_get_human_input(self, prompt: str) -> str:
        """`get_human_input`, for subclasses that ask asynchronously."""
        return await in_thread(self.get_human_input, prompt)

    async def hooked(self, message: Message, recipient: Agent | None, silent: bool = False) -> Message:
        """The message as the agent's hooks leave it before it is said."""
        return await hooks.sent(self._hooks, self, recipient, message, silent)

    async def _hooked_reply(self, reply: ReplyLike, recipient: Agent | None, silent: bool) -> ReplyLike:
        if not self._hooks.get(hooks.BEFORE_SEND):
            return reply
        whole = reply if isinstance(reply, Reply) else Reply(reply)
        messages = [await self.hooked(message, recipient, silent) for message in as_messages(whole.content, self.name)]
        return Reply(messages or None, whole.update, whole.goto, whole.reason)

    # What a user adds to it

    def register_reply(
        self,
        trigger: Any,
        reply_func: Callable[..., Any],
        position: int = 0,
        config: Any = None,
        *,
        idempotent: bool = False,
        remove_other_reply_funcs: bool = False,
        **_autogen: Any,
    ) -> None:
        """Ask `reply_func(recipient, messages, sender, config)`, sync or async, for a reply when `trigger` fits the sender.

        It returns `(final, reply)`: the first final reply is the agent's; None as a final reply means that it says nothing.
        Functions registered later are asked earlier, unless `position` says otherwise. A call is recorded and never made
        twice; `idempotent` says that it may be made again when the process died in it.
        """
        where = f"agent {self.name!r}"
        if not callable(reply_func):
            raise DefinitionError(f"{where}: a reply function is a function, not {reply_func!r:.100}")
        unknown = sorted(set(_autogen) - {"reset_config", "ignore_async_in_sync_chat"})
        if unknown:
            raise DefinitionError(f"{where}: register_reply() takes no {', '.join(unknown)}")
        function = ReplyFunction(check_trigger(trigger, where), reply_func, config, idempotent=idempotent)
        self._reply_functions = _inserted(() if remove_other_reply_funcs else self._reply_functions, position, function)

    def add_reply(self, trigger: Any, made: BuiltIn, position: int) -> None:
        """Have a reply made by what has effects and conversations of its own, rather than being one effect as a whole."""
        function = ReplyFunction(check_trigger(trigger, f"agent {self.name!r}"), made, made=made)
        self._reply_functions = _inserted(self._reply_functions, position, function)

    def replace_reply_func(self, old_reply_func: Callable[..., Any], new_reply_func: Callable[..., Any]) -> None:
        """Ask another function in place of one that is asked now. Raises `DefinitionError` where that is not asked."""
        if not any(same_function(function.fn, old_reply_func) for function in self._reply_functions):
            raise DefinitionError(f"agent {self.name!r}: {old_reply_func!r:.100} is none of its reply functions")
        self._reply_functions = tuple(
            ReplyFunction(function.trigger, new_reply_func, function.config) if same_function(function.fn, old_reply_func) else function
            for function in self._reply_functions
        )

    def register_model_client(self, model_client_cls: Any, **kwargs: Any) -> None:
        """Ask the entries of the `config_list` that name this class (`"model_client_cls": "Mine"`) through a client of it.

        The client is `model_client_cls(entry, **kwargs)`; `convgraph.models.client_model.ModelClient` says what it has to have.
        Raises `ModelConfigError` where no entry waits for the class, `DefinitionError` where the agent has no model.
        """
        from convgraph.models.client_model import register_model_client

        if self._model is None:
            raise DefinitionError(f"agent {self.name!r} has no model; give it an llm_config= whose config_list names {model_client_cls!r}")
        self._model = register_model_client(self._model, model_client_cls, **kwargs)

    def register_hook(self, hookable_method: str, hook: Callable[..., Any]) -> None:
        """Have a function change what the agent goes by, or what it says: see `convgraph.agents.hooks`. Stored messages stay."""
        name = hookable_method.removeprefix("a_")
        known = self._hooks.get(name, [])
        self._hooks[hooks.check_hook(hookable_method, hook, known)] = [*known, hook]

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

    def _asked_names(self, functions: Sequence[ReplyFunction]) -> list[str]:
        return [function.name for function in functions if not function.silent]

    def _own_reply_functions(self) -> tuple[ReplyFunction, ...]:
        """The agent's own reply functions, in AutoGen's order: each counts twice in positions, since AutoGen has twins for async."""
        own: list[ReplyFunction] = []
        for name, made in _CHAIN:
            if made is not built_in.code_execution:
                own.append(ReplyFunction(ANYONE, getattr(self, f"a_{name}"), silent=True))
            elif self._code is None:
                continue
            own.append(ReplyFunction(ANYONE, getattr(self, name), made=made, silent=made is None))
        return tuple(own)


def _inserted(functions: Sequence[ReplyFunction], position: int, function: ReplyFunction) -> tuple[ReplyFunction, ...]:
    changed = list(functions)
    changed.insert(position, function)
    return tuple(changed)


def _checked_limit(value: Any, where: str) -> int | None:
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 0):
        return value
    raise DefinitionError(f"{where}: max_consecutive_auto_reply= is a whole number, 0 or more, not {value!r}")


def _overrides(agent: ReplyingAgent, method: str) -> bool:
    return getattr(type(agent), method) is not getattr(ReplyingAgent, method)
