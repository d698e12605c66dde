# pyright: reportUnnecessaryIsInstance=false
# What callers really pass is checked, whether their code is typed or not.
"""AutoGen's ConversableAgent: an agent that replies with a model, tools, code and a person, and that has chats."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from convgraph.agents import built_in_replies as built_in
from convgraph.agents import standalone
from convgraph.agents.agent import Agent
from convgraph.agents.chatting import Chat, ChatOptions, have, recorded_opening
from convgraph.agents.code_execution import code_execution_from
from convgraph.agents.console import Console
from convgraph.agents.exchange import Exchange
from convgraph.agents.latest import LatestChat
from convgraph.agents.llm_config import LlmConfig
from convgraph.agents.message_mappings import from_mapping
from convgraph.agents.opening_pictures import with_pictures
from convgraph.agents.remembering import RememberingAgent
from convgraph.agents.replying import ReplyingAgent
from convgraph.agents.standalone import from_sync
from convgraph.chat.carryover import with_carryover
from convgraph.chat.result import ChatResult
from convgraph.chat.state import ChatState
from convgraph.chat.summary import Summary, SummaryMethod, check_method
from convgraph.chat.two_agents import two_agents
from convgraph.conversation import ConversationGraph
from convgraph.errors import DefinitionError, InputError
from convgraph.messages import Message
from convgraph.runtime.context import current_turn
from convgraph.runtime.threads import called

if TYPE_CHECKING:
    from convgraph.models.cache import Cache
    from convgraph.tools import Tool

__all__ = ["ConversableAgent", "LlmConfig"]


class ConversableAgent(RememberingAgent):
    """An agent that can be a node of a graph, and have chats of its own; each of these is a graph as well.

    `system_message` is the model's instruction. The model is `model`, or what `llm_config` describes: AutoGen's
    `{"config_list": [{"model": …, "base_url": …, "api_key": …}, …], "temperature": …}`, whose entries are tried in
    order; False or None: the agent has no model. `tools` are functions that the model may call and the agent carries out
    in its own turn, or schemas in OpenAI's form that are passed through; `function_map` are functions that it carries out
    for others. `code_execution_config` says how code in messages is run (False: not at all). `response_format` is a pydantic
    model class or a JSON schema that the model's answer must fit (it is found parsed at `Message.data`).

    To a message it replies with the first of these that has a reply: its person, or the end of the chat (`human_input_mode`,
    `is_termination_msg`, `max_consecutive_auto_reply`), the tools that were called, the code that was sent, its model, and
    `default_auto_reply` (None: nothing). `register_reply` adds to them. `description` is what a selecting model is told; it
    defaults to the system message. `chat_messages` are earlier messages with others, by agent; `silent`: chats do not print it.

    An agent is a definition and holds no messages: two conversations may use one agent at the same time.
    """

    is_manager = False
    tells_choices = False
    hand_offs: tuple[Any, ...] = ()
    """To whom the agent may hand over in a swarm: see `register_hand_off`."""

    # Replies outside a chat

    def generate_reply(
        self,
        messages: Sequence[Any] | None = None,
        sender: Agent | None = None,
        exclude: Collection[Callable[..., Any]] = (),
        **_autogen: Any,
    ) -> Any:
        """The agent's reply to these messages: a text, a mapping, or None where it says nothing. See `a_generate_reply`."""
        return from_sync(self.a_generate_reply(messages, sender, exclude))

    async def a_generate_reply(
        self,
        messages: Sequence[Any] | None = None,
        sender: Agent | None = None,
        exclude: Collection[Callable[..., Any]] = (),
        **_autogen: Any,
    ) -> Any:
        """The agent's reply to these messages (mappings, `Message`s, texts), or, without any, to its latest chat with `sender`.

        `exclude` names reply functions that are not asked. Inside a conversation, what it takes to reply is part of that.
        Raises `InputError` with neither messages nor sender, and what the reply fails with.
        """
        return await standalone.generate_reply(self, self._given(messages, sender), sender, exclude)

    def check_termination_and_human_reply(self, messages: Any = None, sender: Agent | None = None, config: Any = None) -> tuple[bool, Any]:
        """Whether the person, or the end of the chat, settles the reply; and that reply."""
        return from_sync(self.a_check_termination_and_human_reply(messages, sender, config))

    async def a_check_termination_and_human_reply(
        self, messages: Any = None, sender: Agent | None = None, config: Any = None
    ) -> tuple[bool, Any]:
        """See `check_termination_and_human_reply`."""
        return await standalone.answer(self, built_in.termination_and_human, self._given(messages, sender), sender)

    def generate_tool_calls_reply(self, messages: Any = None, sender: Agent | None = None, config: Any = None) -> tuple[bool, Any]:
        """Whether the last message calls tools; and their results."""
        return from_sync(self.a_generate_tool_calls_reply(messages, sender, config))

    async def a_generate_tool_calls_reply(self, messages: Any = None, sender: Agent | None = None, config: Any = None) -> tuple[bool, Any]:
        """See `generate_tool_calls_reply`."""
        return await standalone.answer(self, built_in.tool_calls, self._given(messages, sender), sender)

    generate_function_call_reply = generate_tool_calls_reply
    a_generate_function_call_reply = a_generate_tool_calls_reply

    def generate_code_execution_reply(self, messages: Any = None, sender: Agent | None = None, config: Any = None) -> tuple[bool, Any]:
        """Whether the last messages hold code; and what came of running it. `config`: a `code_execution_config` for this call."""
        return from_sync(self.a_generate_code_execution_reply(messages, sender, config))

    async def a_generate_code_execution_reply(
        self, messages: Any = None, sender: Agent | None = None, config: Any = None
    ) -> tuple[bool, Any]:
        """See `generate_code_execution_reply`."""
        execution = code_execution_from(config, self.name)

        def run(agent: ReplyingAgent, exchange: Exchange) -> Awaitable[built_in.Answer] | None:
            return built_in.code_execution(agent, exchange, execution)

        return await standalone.answer(self, run, self._given(messages, sender), sender)

    def generate_oai_reply(self, messages: Any = None, sender: Agent | None = None, config: Any = None) -> tuple[bool, Any]:
        """Whether the agent has a model; and that model's reply."""
        return from_sync(self.a_generate_oai_reply(messages, sender, config))

    async def a_generate_oai_reply(self, messages: Any = None, sender: Agent | None = None, config: Any = None) -> tuple[bool, Any]:
        """See `generate_oai_reply`."""
        return await standalone.answer(self, built_in.model_reply, self._given(messages, sender), sender)

    def _given(self, messages: Sequence[Any] | None, sender: Agent | None) -> Sequence[Any]:
        if messages is not None:
            return messages
        if sender is None:
            raise InputError(f"agent {self.name!r}: a reply needs messages=, or the sender= of the latest chat")
        return self.messages_with(sender)

    # Chats

    def initiate_chat(
        self, recipient: ConversableAgent, clear_history: bool = True, silent: bool | None = False, **options: Any
    ) -> ChatResult:
        """Say something to another agent, and have the two talk until the chat ends. See `a_initiate_chat`."""
        return from_sync(self.a_initiate_chat(recipient, clear_history, silent, **options))

    async def a_initiate_chat(
        self,
        recipient: ConversableAgent,
        clear_history: bool = True,
        silent: bool | None = False,
        cache: Cache | None = None,
        max_turns: int | None = None,
        summary_method: SummaryMethod = "last_msg",
        summary_args: Mapping[str, Any] | None = None,
        message: Any = None,
        *,
        store: Any = None,
        run_id: str | None = None,
        answers: Mapping[str, Any] | None = None,
        limits: Any = None,
        human: Any = "console",
        deps: Any = None,
        redact: Any = None,
        **context: Any,
    ) -> ChatResult:
        """Say something to another agent, and have the two talk until the chat ends.

        `message`: what is said first: a text, a mapping, a function `(sender, recipient, context)`; None: the person is
        asked. `carryover` (in `context`) is put under it, unless a function made it. `max_turns`: how often the recipient
        replies at most. `summary_method`: `last_msg`, `reflection_with_llm`, or a function `(sender, recipient, args)`.
        `clear_history=False`: the two go on from their latest chat. `silent`: nothing is printed.

        `store`, `run_id`, `limits`, `human`, `deps` and `cache` are those of `ConversationGraph.arun`. With the `run_id` of a chat
        that has stopped before its end, or whose process has died, that chat goes on; `answers` are for what it waits for. `redact`
        is what is never recorded of the chat, nor of those that go on from it: as for a `ConversationGraph`. One
        that has come to its end is given back as stored; with `clear_history=False`, another message is its next one.

        Inside a conversation (in a tool, a reply function, a node) the chat is part of that conversation's run.
        """
        if not isinstance(recipient, ConversableAgent):
            raise InputError(f"agent {self.name!r} can have a chat with an agent, not with {recipient!r:.100}")
        summary = self.summary_of(recipient, summary_method, summary_args)
        if max_turns is not None and (isinstance(max_turns, bool) or not isinstance(max_turns, int) or max_turns < 0):
            raise InputError(f"max_turns= is a whole number, 0 or more, or None, not {max_turns!r}")
        if max_turns == 0:
            return ChatResult(stop_reason="max_turns")
        asked_for = message is None or callable(message)
        opening = await recorded_opening(run_id, store, last=not clear_history) if asked_for else None
        if opening is None:
            opening = await self.opening(recipient, with_pictures(message, (self, recipient)), context)
        chat = Chat(
            recipient.chat_graph(self, summary),
            self,
            recipient,
            opening,
            ChatState(max_turns=max_turns),
            summary,
            recipient.chat_before(self, clear_history=clear_history),
            goes_on=not clear_history,
        )
        return await have(chat, ChatOptions(store, run_id, limits, human, answers, deps, bool(silent), cache, redact))

    def send(self, message: Any, recipient: ConversableAgent, request_reply: bool | None = None, silent: bool | None = False) -> Any:
        """Say something to another agent in the latest chat with it. See `a_send`."""
        return from_sync(self.a_send(message, recipient, request_reply, silent))

    async def a_send(
        self, message: Any, recipient: ConversableAgent, request_reply: bool | None = None, silent: bool | None = False
    ) -> ChatResult | None:
        """Say something to another agent in the latest chat with it.

        With `request_reply`, that chat goes on from there until it ends: it is `a_initiate_chat(…, clear_history=False)`, whose
        result is returned. Without, nobody replies: the message is added to what both refer to as their latest chat, and a chat
        that goes on from it (`clear_history=False`) begins with it; None is returned. None: a reply if the two have chatted.
        """
        latest = self._latest.get(recipient.name)
        if request_reply or (request_reply is None and latest is not None and latest.run_id):
            return await self.a_initiate_chat(recipient, clear_history=False, silent=silent, message=message)
        said = await self.opening(recipient, with_pictures(message, (self, recipient)), {})
        run_id, redact = (latest.run_id, latest.redact) if latest is not None else ("", None)
        self.remember(LatestChat(recipient, (*self.messages_with(recipient), *said), run_id, redact=redact))
        recipient.remember(LatestChat(self, (*recipient.messages_with(self), *said), run_id, redact=redact))
        if not silent:
            Console({self.name} if self.silent else ()).show(said, recipient.name)
        return None

    def receive(self, message: Any, sender: ConversableAgent, request_reply: bool | None = None, silent: bool | None = False) -> Any:
        """Be sent a message: `sender.send(message, self, …)`."""
        return sender.send(message, self, request_reply, silent)

    async def a_receive(
        self, message: Any, sender: ConversableAgent, request_reply: bool | None = None, silent: bool | None = False
    ) -> ChatResult | None:
        """See `receive`."""
        return await sender.a_send(message, self, request_reply, silent)

    def initiate_chats(self, chat_queue: Sequence[Mapping[str, Any]], **options: Any) -> list[ChatResult]:
        """Have chats one after another, each taking over the summaries of those before it: see `convgraph.initiate_chats`."""
        from convgraph.agents.sequential import initiate_chats

        return initiate_chats([{"sender": self, **chat} for chat in chat_queue], **options)

    async def a_initiate_chats(self, chat_queue: Sequence[Mapping[str, Any]], **options: Any) -> dict[Any, ChatResult]:
        """Have chats, each when those that it needs are finished: see `convgraph.a_initiate_chats`."""
        from convgraph.agents.sequential import a_initiate_chats

        return await a_initiate_chats([{"sender": self, **chat} for chat in chat_queue], **options)

    def register_nested_chats(
        self,
        chat_queue: Sequence[Mapping[str, Any]],
        trigger: Any,
        reply_func_from_nested_chats: str | Callable[..., Any] = "summary_from_nested_chats",
        position: int = 2,
        use_async: bool | None = None,  # AutoGen's: here there is one way
        **_autogen: Any,
    ) -> None:
        """Have chats of one's own about a message of those that `trigger` names, and reply with the last one's summary.

        `chat_queue` holds mappings as for `initiate_chats`. A function instead of `summary_from_nested_chats`, called with
        `(chat_queue, recipient, messages, sender, config)`, returns `(final, reply)`; chats that it has are part of the turn.
        """
        if callable(reply_func_from_nested_chats):
            function = partial(_nested_by_function, reply_func_from_nested_chats, list(chat_queue))
            self.register_reply(trigger, function, position, _autogen.get("config"))
            return
        if reply_func_from_nested_chats != "summary_from_nested_chats":
            raise DefinitionError(
                f"reply_func_from_nested_chats= is 'summary_from_nested_chats' or a function, not {reply_func_from_nested_chats!r:.100}"
            )
        from convgraph.agents.nested_chats import NestedChats

        self.add_reply(trigger, NestedChats(self, chat_queue, _autogen.get("config")), position)

    def as_tool(self, name: str | None = None, description: str | None = None) -> Tool:
        """The agent as a tool for the model of another, which calls it with a message: see `agent_as_tool`."""
        from convgraph.agents.agent_as_tool import agent_as_tool

        return agent_as_tool(self, name, description)

    def register_hand_off(self, hand_to: Any) -> None:
        """Let the agent hand over, in a swarm: an `OnCondition`, an `AfterWork`, or a list of them. Its model is told of each.

        Raises `DefinitionError` for what is neither, and for a target that there is a hand-off to already.
        """
        from convgraph.agents.handoffs import checked, transfer_tool

        new = checked(self, hand_to)
        self.hand_offs = (*self.hand_offs, *new)
        for one in new:
            if (given := transfer_tool(one)) is not None:
                self._tools.add(given)

    def chat_graph(self, initiator: ConversableAgent, summary: Summary | None = None) -> ConversationGraph:
        """The graph of a chat that `initiator` opens with this agent."""
        return two_agents(initiator, self, summary)

    def chat_had(self, latest: LatestChat) -> None:
        """Called when a chat that was opened with this agent has stopped."""

    def chat_before(self, initiator: ConversableAgent, *, clear_history: bool) -> LatestChat | None:
        """What a chat that `initiator` opens with this agent goes on from: its latest one, unless that is to be forgotten."""
        return None if clear_history else initiator.latest_with(self)

    def generate_init_message(self, message: Any = None, **context: Any) -> Any:
        """The opening message with the carryover under it."""
        if isinstance(message, Mapping):
            given = cast("Mapping[str, Any]", message)
            if "content" not in given:
                raise InputError(f"agent {self.name!r}: a message given as a mapping has a 'content'; parts of one are a list: message=[…]")
            return {**given, "content": with_carryover(given["content"], context.get("carryover"))}
        return with_carryover(message, context.get("carryover"))

    async def opening(self, recipient: ConversableAgent, message: Any, context: Mapping[str, Any]) -> tuple[Message, ...]:
        """What the agent says first to `recipient`: the message, with its carryover, or what its function or the person says."""
        if callable(message):
            said = await called(message, self, recipient, dict(context))
        elif message is None:
            said = self.generate_init_message(await self._first_words(recipient), **context)
        else:
            said = self.generate_init_message(message, **context)
        if said is None or said == "":
            raise InputError(f"agent {self.name!r} has nothing to say to {recipient.name!r}: give initiate_chat a message=")
        return tuple([await self.hooked(one, recipient) for one in from_mapping(said, self.name)])

    async def _first_words(self, recipient: ConversableAgent) -> str:
        prompt = f"What does {self.name} say to {recipient.name}? "
        turn = current_turn()
        if turn is not None:
            return await self.ask_person(turn, prompt)
        try:
            return await self.a_get_human_input(prompt)
        except EOFError:
            raise InputError(f"agent {self.name!r} has nothing to say to {recipient.name!r}: give initiate_chat a message=") from None

    def summary_of(self, recipient: ConversableAgent, method: SummaryMethod, args: Mapping[str, Any] | None) -> Summary:
        """How a chat with `recipient` is summed up. Raises `DefinitionError` where that cannot be."""
        method = check_method(method)
        model = recipient.model or self.model
        if method == "reflection_with_llm" and model is None:
            raise DefinitionError(
                f"summary_method='reflection_with_llm' needs a model: give {recipient.name!r} or {self.name!r} an llm_config"
            )
        return Summary(method, self, recipient, model, dict(args or {}))


async def _nested_by_function(
    function: Callable[..., Any], chat_queue: Sequence[Any], recipient: Any, messages: Any, sender: Any, config: Any
) -> Any:
    return await called(function, chat_queue, recipient, messages, sender, config)
