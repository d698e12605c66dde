"""AutoGen's retrieving agents: one that looks things up in documents and shows what it finds, and one that answers."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from convgraph.agents import standalone
from convgraph.agents.agent import Agent
from convgraph.agents.assistant import AssistantAgent
from convgraph.agents.built_in_replies import Answer
from convgraph.agents.conversable import ConversableAgent
from convgraph.agents.exchange import Exchange
from convgraph.agents.library import Wanted
from convgraph.agents.looked_up import Passage, filled, passages_shown, showing, shown_by
from convgraph.agents.reply_functions import ReplyFunction
from convgraph.agents.replying import ReplyingAgent
from convgraph.agents.retrieval_prompts import further_prompt
from convgraph.agents.retrieve_config import RetrieveConfig, config_of
from convgraph.agents.standalone import from_sync
from convgraph.agents.termination import HumanInputMode
from convgraph.agents.triggers import ANYONE
from convgraph.agents.user_proxy import UserProxyAgent
from convgraph.chat.retrieval import asks_for_more, what_is_missing
from convgraph.errors import InputError
from convgraph.messages import Message, Reply
from convgraph.runtime.context import Context, current_turn

if TYPE_CHECKING:
    from convgraph.knowledge.collection import Collection

RETRIEVE = "retrieve"
"""What looking something up is called in the journal."""

_AFTER_THE_PERSON = 2
"""The position of looking things up among an agent's own reply functions: after its person, before tools and code."""

_SUCCEEDED = "exitcode: 0 (execution succeeded)"


@dataclass(frozen=True, slots=True)
class Need:
    """What is to be looked up: for which question, with which words, and how often that makes it."""

    problem: str
    query: str
    look: int


class RetrieveUserProxyAgent(UserProxyAgent):
    """A user proxy that looks things up in documents and shows what it finds, with its sources.

    `agent.initiate_chat(assistant, message=agent.message_generator, problem="…")` opens a chat with a question and the passages that
    fit it. In a group, or as a node of a graph, the agent looks up what it is asked when it first has the turn. An answer
    with a line that begins with UPDATE CONTEXT (what is missing may stand behind it), or one that lacks the
    `customized_answer_prefix`, is replied to with further passages: never one that the conversation has shown already, and at
    most `looks` times for one question. A chat of two ends when there is nothing more to show, and says so; a group is told.

    `collection` is what is searched, or `retrieve_config` says it, in AutoGen's words:

    - `docs_path` (files and folders), `recursive`, `new_docs`, `overwrite`, `get_or_create`; `collection_name` and `db_config`
      (`{"path": "handbook.db"}`; in memory without it): the documents, and where they are kept. They are read before the first search.
    - `chunk_token_size`, `must_break_at_empty_line`, `custom_text_split_function`, `embedding_model`, `embedding_function`
    - `n_results`, `context_max_tokens`, `custom_token_count_function`, `distance_threshold`, `search_by` (meaning, words, both)
    - `task` (default, qa, code), `customized_prompt` (with `{input_question}` and `{input_context}`), `customized_answer_prefix`
    - `update_context` (False: never more passages), `looks`

    What is found is recorded as an effect, and what a message shows is in its `data["retrieved"]`: `problem`, `query`, `sources`. In
    a chat of two, an answer with no code to run, and without a wish for more, ends the chat, unless `is_termination_msg` says
    otherwise. Raises `DefinitionError` for a `retrieve_config` that makes no sense.
    """

    DEFAULT_DESCRIPTION = (
        "Finds passages in documents that answer a question, with their sources, and further ones where they are not enough."
    )

    def __init__(
        self,
        name: str = "RetrieveChatAgent",
        human_input_mode: HumanInputMode = "ALWAYS",
        is_termination_msg: Any = None,
        retrieve_config: Mapping[str, Any] | None = None,
        *,
        collection: Collection | None = None,
        description: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(
            name,
            is_termination_msg,
            human_input_mode=human_input_mode,
            description=self.DEFAULT_DESCRIPTION if description is None else description,
            **options,
        )
        self._retrieve: RetrieveConfig = config_of(name, retrieve_config, collection)

    @property
    def collection(self) -> Collection:
        """What is searched. The documents of `docs_path` are in it from the first search on."""
        return self._retrieve.library.collection

    @property
    def update_context(self) -> bool:
        """Whether further passages are shown where those that were are not enough."""
        return self._retrieve.update_context

    def describe(self) -> Mapping[str, Any]:
        """The agent's definition as plain JSON, without secrets."""
        return {**super().describe(), "retrieve_config": dict(self._retrieve.describe())}

    # How a chat is opened

    @staticmethod
    def message_generator(sender: RetrieveUserProxyAgent, recipient: Agent | None, context: Mapping[str, Any]) -> str:
        """The question with the passages that fit it: `initiate_chat(…, message=agent.message_generator, problem="…")`.

        `context` has the `problem`, and may have `n_results` and `search_string` (only passages that hold this text count). As the
        `message=` of a chat, its sources go along as the message's data; called by hand, it gives the text. Raises
        `InputError` without a problem.
        """
        return from_sync(RetrieveUserProxyAgent.a_message_generator(sender, recipient, context))

    @staticmethod
    async def a_message_generator(sender: RetrieveUserProxyAgent, recipient: Agent | None, context: Mapping[str, Any]) -> str:  # noqa: ARG004  # AutoGen's
        """See `message_generator`."""
        return (await _as_retriever(sender).question_with_passages(context)).text

    async def opening(self, recipient: ConversableAgent, message: Any, context: Mapping[str, Any]) -> tuple[Message, ...]:
        """What the agent says first: see `ConversableAgent.opening`; a question with passages knows their sources."""
        if message not in (RetrieveUserProxyAgent.message_generator, RetrieveUserProxyAgent.a_message_generator):
            return await super().opening(recipient, message, context)
        return (await self.hooked(await self.question_with_passages(context), recipient),)

    async def question_with_passages(self, context: Mapping[str, Any]) -> Message:
        """The message that opens a chat about `context["problem"]`. Inside a turn, the search is an effect of it."""
        config, problem = self._retrieve, context.get("problem")
        if not isinstance(problem, str) or not problem.strip():
            raise InputError(f"agent {self.name!r}: what is to be looked up? give initiate_chat a problem=, a text; not {problem!r:.100}")
        number, containing = context.get("n_results"), context.get("search_string") or ""
        if not isinstance(containing, str):
            raise InputError(f"agent {self.name!r}: search_string= is a text, not {containing!r:.100}")
        if number is not None and (isinstance(number, bool) or not isinstance(number, int) or number < 1):
            raise InputError(f"agent {self.name!r}: n_results= is a whole number, 1 or more, not {number!r}")
        wanted = Wanted(problem, number or config.number, config.tokens, containing=containing)
        passages = await self._looked_up(current_turn(), wanted)
        return self._showing(Need(problem, problem, 1), passages)

    # How it replies

    def generate_retrieve_user_reply(self, messages: Any = None, sender: Agent | None = None, config: Any = None) -> tuple[bool, Any]:  # noqa: ARG002  # AutoGen's
        """Whether there is something to look up for the last message; and the passages."""
        return from_sync(standalone.answer(self, _retrieved, self._given(messages, sender), sender))

    def why_it_ends(self, exchange: Exchange, incoming: Message) -> str:
        """Why the message ends the chat: in one that the agent has opened to another, an answer that needs nothing more does."""
        if why := super().why_it_ends(exchange, incoming):
            return why
        if self._is_termination_msg is not None or not self._has_opened(exchange) or incoming.tool_calls:
            return ""
        has_shown = next(shown_by(exchange.ctx.messages, self.name), None) is not None
        is_answer = has_shown and self.need(exchange) is None and not self._has_code_to_run(incoming)
        return "answered" if is_answer else ""

    def need(self, exchange: Exchange) -> Need | None:
        """What is to be looked up now; None for nothing. It follows from the conversation alone."""
        incoming = exchange.incoming
        if incoming is None or incoming.role == "tool" or incoming.tool_calls:
            return None
        before = next(shown_by(exchange.ctx.messages, self.name), None)
        asks = next((message for message in exchange.heard_since_last_reply() if asks_for_more(message.text)), None)
        if before is None or (asks is None and not self._lacks_prefix(exchange, incoming)):
            question = self._question(exchange, incoming)
            return Need(question, question, 1) if question else None
        if not self.update_context:
            return None
        missing = what_is_missing(asks.text) if asks is not None else ""
        return Need(before["problem"], missing or before["problem"], before["look"] + 1)

    async def look_up(self, exchange: Exchange, need: Need) -> Answer:
        """The reply with passages that the conversation has not shown yet; where there are none, that there are none."""
        config = self._retrieve
        if need.look > config.looks:
            return self._nothing_more(exchange, f"something was looked up {config.looks} times, which is to be enough")
        shown = tuple(passages_shown(exchange.ctx.messages, self.name))
        passages = await self._looked_up(exchange.ctx, Wanted(need.query, config.number, config.tokens, shown))
        if need.look > 1 and not passages:
            return self._nothing_more(exchange, f"nothing more is to be found on {need.query!r}")
        return True, self._showing(need, passages)

    async def _looked_up(self, ctx: Context | None, wanted: Wanted) -> list[Passage]:
        search = partial(self._retrieve.library.passages, wanted)
        return await search() if ctx is None else await ctx.effect(RETRIEVE, search, idempotent=True, about=wanted.about())

    def _showing(self, need: Need, passages: Sequence[Passage]) -> Message:
        own = need.look == 1 or self._retrieve.own_prompt
        prompt = self._retrieve.prompt if own else further_prompt()
        return showing(self.name, filled(prompt, need.problem, passages), need.problem, need.query, need.look, passages)

    def _nothing_more(self, exchange: Exchange, why: str) -> Answer:
        """A group goes on without; a chat of two, or a graph, is told that the agent has nothing to say, and why."""
        if _is_group(exchange):
            return True, Message(self.name, f"There are no further passages: {why}\nGo by those that were shown.")
        return True, Reply(reason=f"{self.name}: {why}")

    def _question(self, exchange: Exchange, incoming: Message) -> str:
        """The question that the agent is asked; empty where it is asked none.

        In a chat that it has opened it asks itself. In a group it is whoever is no member that asks, or, before its own
        first word, whoever spoke last. Elsewhere whoever gives it the turn asks. A participant's code to run is no question.
        """
        if self._has_opened(exchange):
            return ""
        heard = exchange.heard_since_last_reply() if _is_group(exchange) else [incoming]
        outside = next((message for message in heard if exchange.ctx.participant(message.sender) is None), None)
        if outside is not None:
            return outside.text.strip()
        has_spoken = any(message.sender == self.name for message in exchange.ctx.messages)
        if self._has_code_to_run(incoming) or (has_spoken and _is_group(exchange)):
            return ""
        return incoming.text.strip()

    def _has_opened(self, exchange: Exchange) -> bool:
        """Whether this is a chat of two that the agent itself has opened."""
        since = exchange.since
        return exchange.hears is not None and not _is_group(exchange) and since > 0 and exchange.ctx.messages[since - 1].sender == self.name

    def _lacks_prefix(self, exchange: Exchange, incoming: Message) -> bool:
        """Whether an answer in such a chat does not begin as answers are to begin."""
        prefix = self._retrieve.answer_prefix.casefold()
        return self._has_opened(exchange) and not incoming.text.lstrip(" *_#").casefold().startswith(prefix)

    def _has_code_to_run(self, message: Message) -> bool:
        from convgraph.coding import extract_code_blocks

        return self.code_execution is not None and bool(extract_code_blocks(message.text))

    def _own_reply_functions(self) -> tuple[ReplyFunction, ...]:
        own = super()._own_reply_functions()
        looking = ReplyFunction(ANYONE, self.generate_retrieve_user_reply, made=_retrieved)
        return (*own[:_AFTER_THE_PERSON], looking, *own[_AFTER_THE_PERSON:])


def _is_group(exchange: Exchange) -> bool:
    """Whether the agent replies to the manager of a group."""
    return bool(getattr(exchange.hears, "is_manager", False))


def _retrieved(agent: ReplyingAgent, exchange: Exchange) -> Awaitable[Answer] | None:
    """Look up what is asked for."""
    if not isinstance(agent, RetrieveUserProxyAgent):
        return None
    need = agent.need(exchange)
    return None if need is None else agent.look_up(exchange, need)


def _as_retriever(sender: Any) -> RetrieveUserProxyAgent:
    if isinstance(sender, RetrieveUserProxyAgent):
        return sender
    raise InputError(f"message_generator is for a chat that a RetrieveUserProxyAgent opens, not {sender!r:.100}")


class RetrieveAssistantAgent(AssistantAgent):
    """An assistant that answers from passages. It ends the chat, by TERMINATE, when its code has run without an error."""

    def generate_retrieve_assistant_reply(self, messages: Any = None, sender: Agent | None = None, config: Any = None) -> tuple[bool, Any]:  # noqa: ARG002  # AutoGen's
        """Whether the last message says that code has run without an error; and TERMINATE."""
        return from_sync(standalone.answer(self, _done, self._given(messages, sender), sender))

    def _own_reply_functions(self) -> tuple[ReplyFunction, ...]:
        return (ReplyFunction(ANYONE, self.generate_retrieve_assistant_reply, made=_done), *super()._own_reply_functions())


def _done(_: ReplyingAgent, exchange: Exchange) -> Awaitable[Answer] | None:
    """End the chat where the message begins with what an executor says of success; one that quotes it somewhere does not."""
    incoming = exchange.incoming
    return _terminate() if incoming is not None and incoming.text.startswith(_SUCCEEDED) else None


async def _terminate() -> Answer:
    return True, "TERMINATE"
