# pyright: reportUnnecessaryIsInstance=false
# What callers really pass is checked, whether their code is typed or not.
"""How a conversable agent replies: the chain of functions that are asked for a reply, hooks, and the person."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from convgraph.agents import built_in_replies as built_in
from convgraph.agents import hooks
from convgraph.agents.agent import Agent
from convgraph.agents.definition import DefinedAgent
from convgraph.agents.exchange import Exchange
from convgraph.agents.reply_functions import BuiltIn, ReplyFunction, name_of, same_function
from convgraph.agents.triggers import ANYONE, check_trigger, matches
from convgraph.errors import DefinitionError
from convgraph.messages import Message, Reply, ReplyLike, as_messages
from convgraph.protocols import Model, ModelReply
from convgraph.runtime.context import Context, entered
from convgraph.runtime.threads import in_thread

if TYPE_CHECKING:
    from convgraph.agents.vision import VisionCapability

_CHAIN: tuple[tuple[str, BuiltIn | None], ...] = (
    ("check_termination_and_human_reply", built_in.termination_and_human),
    ("generate_function_call_reply", None),  # a call of a function is a tool call here
    ("generate_tool_calls_reply", built_in.tool_calls),
    ("generate_code_execution_reply", built_in.code_execution),
    ("generate_oai_reply", built_in.model_reply),
)
"""An agent's own reply functions, in AutoGen's order."""


class ReplyingAgent(DefinedAgent):
    """An agent that replies: the chain of functions that are asked for a reply, the hooks around it, and the person."""

    vision: VisionCapability | None = None
    """Who tells the agent in words what pictures show, where its own model cannot see."""

    @cached_property
    def _reply_functions(self) -> tuple[ReplyFunction, ...]:
        return self._own_reply_functions()

    @cached_property
    def _asked_functions(self) -> tuple[ReplyFunction, ...]:
        return _asked(self._reply_functions)

    @cached_property
    def _hooks(self) -> dict[str, list[hooks.Hook]]:
        return {}

    @cached_property
    def _asks_itself(self) -> bool:
        return _overrides(self, "get_human_input") or _overrides(self, "a_get_human_input")

    def describe(self) -> Mapping[str, Any]:
        """The agent's definition as plain JSON, without secrets."""
        described = dict(super().describe())
        if self._asked_names(self._reply_functions) != self._asked_names(self._own_reply_functions()):
            described["reply_functions"] = self._asked_names(self._reply_functions)
        if self._hooks:
            described["hooks"] = {method: [name_of(hook) for hook in known] for method, known in self._hooks.items()}
        if self.vision is not None:
            described["vision"] = dict(self.vision.describe())
        return described

    @property
    def models(self) -> tuple[Model, ...]:
        """The models whose calls this agent causes."""
        return super().models if self.vision is None else (*super().models, *self.vision.models)

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

    @property
    def looks_at_pictures(self) -> bool:
        """Whether `<img …>` in the message that opens a chat with it is a picture: see `MultimodalConversableAgent`."""
        return self.vision is not None

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
        seen = ctx.messages if ctx.view is None else await ctx.shown(self._model)
        if self.vision is not None:
            seen = await self.vision.told(ctx, seen, self._name)
        if self._hooks:
            with entered(ctx):
                seen = await hooks.seen(self._hooks, self._name, seen)
        exchange = Exchange(self._name, ctx, hears, limit, since, seen)
        for function in self._asked_functions:
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

    def ask_model(self, ctx: Context, model: Model, messages: Sequence[Message]) -> Coroutine[Any, Any, ModelReply]:
        """What the agent's model says to the messages. For subclasses that ask in another way."""
        return ctx.call_model(model, self.request(messages))

    def answer_of_model(self, reply: ModelReply, messages: Sequence[Message]) -> Message:  # noqa: ARG002  # subclasses note what was answered
        """What the agent says, where its model has said this to the messages."""
        return Message(self.name, reply.content, tool_calls=reply.tool_calls, data=reply.data)

    def why_it_ends(self, exchange: Exchange, incoming: Message) -> str:  # noqa: ARG002  # subclasses look at who is spoken to
        """Why what the agent was sent ends the chat for it; empty where it does not."""
        return "termination message" if self.is_termination(incoming) else ""

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
        self._go_by(_inserted(() if remove_other_reply_funcs else self._reply_functions, position, function))

    def add_reply(self, trigger: Any, made: BuiltIn, position: int) -> None:
        """Have a reply made by what has effects and conversations of its own, rather than being one effect as a whole."""
        function = ReplyFunction(check_trigger(trigger, f"agent {self.name!r}"), made, made=made)
        self._go_by(_inserted(self._reply_functions, position, function))

    def add_before_model(self, made: BuiltIn) -> None:
        """Have something done when the agent's model is about to answer: it says that its own answer is not final.

        Raises `DefinitionError` where it is done already.
        """
        asked = [function.made for function in self._reply_functions]
        if made in asked:
            raise DefinitionError(f"agent {self.name!r}: {name_of(made)!r} is asked before its model already")
        place = asked.index(built_in.model_reply) if built_in.model_reply in asked else len(asked)
        self.add_reply(ANYONE, made, place)

    def replace_reply_func(self, old_reply_func: Callable[..., Any], new_reply_func: Callable[..., Any]) -> None:
        """Ask another function in place of one that is asked now. Raises `DefinitionError` where that is not asked."""
        if not any(same_function(function.fn, old_reply_func) for function in self._reply_functions):
            raise DefinitionError(f"agent {self.name!r}: {old_reply_func!r:.100} is none of its reply functions")
        self._go_by(
            tuple(
                ReplyFunction(function.trigger, new_reply_func, function.config) if same_function(function.fn, old_reply_func) else function
                for function in self._reply_functions
            )
        )

    def register_hook(self, hookable_method: str, hook: Callable[..., Any]) -> None:
        """Have a function change what the agent goes by, or what it says: see `convgraph.agents.hooks`. Stored messages stay."""
        name = hookable_method.removeprefix("a_")
        known = self._hooks.get(name, [])
        self._hooks[hooks.check_hook(hookable_method, hook, known)] = [*known, hook]

    def _go_by(self, functions: tuple[ReplyFunction, ...]) -> None:
        self._reply_functions = functions
        self._asked_functions = _asked(functions)

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


def _asked(functions: Sequence[ReplyFunction]) -> tuple[ReplyFunction, ...]:
    return tuple(function for function in functions if not function.silent)


def _inserted(functions: Sequence[ReplyFunction], position: int, function: ReplyFunction) -> tuple[ReplyFunction, ...]:
    changed = list(functions)
    changed.insert(position, function)
    return tuple(changed)


def _overrides(agent: ReplyingAgent, method: str) -> bool:
    return getattr(type(agent), method) is not getattr(ReplyingAgent, method)
