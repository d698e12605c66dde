"""The replies that every conversable agent knows, in AutoGen's order: person, tool calls, code, model.

Each takes the agent and the exchange, and says at once whether there is something for it to do: None, or the work of
making the reply, which tells whether that is final.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, TypeAlias

from convgraph.agents import termination
from convgraph.agents.exchange import Exchange
from convgraph.agents.termination import Asks, Ends
from convgraph.errors import ModelOutputError
from convgraph.messages import Joined, Message, Reply, ReplyLike, ToolCall
from convgraph.plain_data import replaced
from convgraph.protocols import Model, ModelReply
from convgraph.runtime.context import entered

if TYPE_CHECKING:
    from convgraph.agents.code_execution import CodeExecution
    from convgraph.agents.replying import ReplyingAgent
    from convgraph.coding import CodeBlock

Answer: TypeAlias = tuple[bool, ReplyLike]
"""Whether the reply is final, and the reply."""

CORRECTIONS = 2
"""How often a model is shown that its answer does not fit the schema, before the turn fails."""

TOOL_ROUNDS = 25
"""How often in one turn a model may call tools and be told their results."""


def termination_and_human(agent: ReplyingAgent, exchange: Exchange) -> Awaitable[Answer] | None:
    """End the chat, ask the person, or leave the reply to what comes next."""
    incoming = exchange.incoming
    if incoming is None:
        return None
    mode, limit = agent.human_input_mode, exchange.limit
    with entered(exchange.ctx):
        ends = agent.why_it_ends(exchange, incoming)
    verdict = termination.judged(
        mode,
        ends=ends,
        replies=0 if limit is None or mode == "ALWAYS" else exchange.replies_in_a_row(limit),
        limit=limit,
    )
    return None if isinstance(verdict, termination.GoOn) else _ended_or_asked(agent, exchange, incoming, verdict)


def tool_calls(agent: ReplyingAgent, exchange: Exchange) -> Awaitable[Answer] | None:
    """Carry out the tool calls of the message that is replied to."""
    incoming = exchange.incoming
    if incoming is None or not incoming.tool_calls or (not agent.executable_tools and agent.model is not None):
        return None
    return _results_of(agent, exchange, incoming.tool_calls)


def code_execution(agent: ReplyingAgent, exchange: Exchange, execution: CodeExecution | None = None) -> Awaitable[Answer] | None:
    """Run the code blocks of the newest message that has any, among those that the agent looks at."""
    execution = execution or agent.code_execution
    if execution is None:
        return None
    from convgraph.coding import extract_code_blocks

    heard = exchange.heard_since_last_reply() if execution.last_n_messages == "auto" else _last(exchange, execution.last_n_messages)
    for message in heard:
        blocks = extract_code_blocks(message.text) if message.role != "tool" else []
        if blocks:
            return _run(exchange, execution, blocks)
    return None


def model_reply(agent: ReplyingAgent, exchange: Exchange) -> Awaitable[Answer] | None:
    """Answer with the model. Calls of tools that the agent can carry out itself are carried out in the same turn."""
    return None if agent.model is None else _by_model(agent, exchange, agent.model)


async def _ended_or_asked(agent: ReplyingAgent, exchange: Exchange, incoming: Message, verdict: Ends | Asks) -> Answer:
    if isinstance(verdict, Ends):
        return True, Reply(reason=f"{agent.name}: {verdict.reason}")
    said = await agent.ask_person(exchange.ctx, termination.question(agent.name, exchange.sender_name, verdict))
    if said == termination.EXIT or (not said and verdict.empty_ends):
        return True, Reply(reason=f"{agent.name}: a person ended the chat")
    if not said and exchange.limit != 0:
        return False, None
    interrupted = tuple(Message(agent.name, "USER INTERRUPTED", "tool", call.name, tool_call_id=call.id) for call in incoming.tool_calls)
    return True, Reply((*interrupted, Message(agent.name, said, "user")))


async def _results_of(agent: ReplyingAgent, exchange: Exchange, calls: tuple[ToolCall, ...]) -> Answer:
    from convgraph.tools import run_tool_calls

    outcome = await run_tool_calls(exchange.ctx, calls, agent.executable_tools)
    results = [_answering(result, call) for result, call in zip(outcome.messages, calls, strict=True)]
    return True, Reply(results, outcome.update, goto=outcome.handoff.target if outcome.handoff is not None else None)


async def _run(exchange: Exchange, execution: CodeExecution, blocks: list[CodeBlock]) -> Answer:
    return True, Message(exchange.name, await execution.run(exchange.ctx, blocks))


async def _by_model(agent: ReplyingAgent, exchange: Exchange, model: Model) -> Answer:
    said: tuple[Message, ...] = ()
    update: dict[str, Any] = {}
    for _ in range(TOOL_ROUNDS):
        messages = Joined(exchange.messages, said) if said else exchange.messages
        reply = await agent.ask_model(exchange.ctx, model, messages)
        if reply.misfit:
            reply = await _corrected(agent, exchange, model, said, reply)
        message = agent.answer_of_model(reply, messages)
        if not reply.tool_calls or _for_others(agent, reply.tool_calls):
            return True, message if not said else Reply([*said, message], update or None)
        from convgraph.tools import run_tool_calls
        from convgraph.tools.calls import joined_updates

        outcome = await run_tool_calls(exchange.ctx, reply.tool_calls, agent.executable_tools)
        said += (replaced(message, tool_calls=outcome.calls), *outcome.messages)
        update = joined_updates(update, outcome.update)
        if outcome.handoff is not None:
            return True, Reply(said, update or None, goto=outcome.handoff.target)
    raise ModelOutputError(f"agent {agent.name!r}: the model still calls tools after {TOOL_ROUNDS} rounds in one turn")


def _for_others(agent: ReplyingAgent, calls: tuple[ToolCall, ...]) -> bool:
    return any(agent.leaves_to_others(call.name) for call in calls)


async def _corrected(agent: ReplyingAgent, exchange: Exchange, model: Model, said: tuple[Message, ...], reply: ModelReply) -> ModelReply:
    """An answer that fits the schema: the model is shown its own with what is wrong, a bounded number of times."""
    for _ in range(CORRECTIONS):
        wrong = Message("user", f"That does not fit: {reply.misfit}. Answer again.", "user")
        shown = Joined(exchange.messages, (*said, Message(agent.name, reply.content), wrong))
        reply = await agent.ask_model(exchange.ctx, model, shown)
        if not reply.misfit:
            return replaced(reply, response_id="")  # the endpoint remembers what was wrong as well, and the conversation does not
    raise ModelOutputError(f"agent {agent.name!r}: no answer fits {agent.schema_name!r} after {1 + CORRECTIONS} tries: {reply.misfit}")


def _answering(result: Message, call: ToolCall) -> Message:
    """The result under the id that the call has in the conversation: that is what it is paired by."""
    return result if not call.id or result.tool_call_id == call.id else replaced(result, tool_call_id=call.id)


def _last(exchange: Exchange, number: int) -> list[Message]:
    return [message for message in reversed(exchange.messages[-number:] if number else []) if message.sender != exchange.name]
