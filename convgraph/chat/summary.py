"""What a chat amounts to: its last message, what a model makes of it, or what a function of a user's own says."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from convgraph.chat.seat import Replier
from convgraph.chat.state import ChatState
from convgraph.errors import DefinitionError
from convgraph.messages import Joined, Message, Reply
from convgraph.protocols import Model, ModelRequest
from convgraph.runtime.context import Context
from convgraph.runtime.threads import called

SummaryMethod: TypeAlias = Literal["last_msg", "reflection_with_llm"] | Callable[..., Any] | None

PROMPT = "Sum up what came of this conversation. Say only that, without an introduction."
_TERMINATE = re.compile(r"^\s*TERMINATE\b[.!]?|\bTERMINATE[.!]?\s*$")


@dataclass(frozen=True)
class Summary:
    """How a chat between two agents is summed up. A model's or a function's summary is a turn of the chat's graph."""

    method: SummaryMethod
    sender: Replier
    recipient: Replier
    model: Model | None = None
    args: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def is_a_turn(self) -> bool:
        """Whether the summary is made by a node of its own."""
        return self.method is not None and self.method != "last_msg"

    def found(self, messages: Sequence[Message], state: Any) -> str:
        """The summary of a chat that has stopped."""
        if self.is_a_turn:
            return state.summary if isinstance(state, ChatState) else ""
        return "" if self.method is None else last_words(messages)

    async def make(self, ctx: Context) -> Reply:
        """The summarizing node's turn: it says nothing, and leaves the summary in the chat's state."""
        text = await self._by_model(ctx) if self.method == "reflection_with_llm" else await self._by_function(ctx)
        return Reply(update={"summary": text}, reason=ctx.why_here)

    async def _by_model(self, ctx: Context) -> str:
        if self.model is None:
            raise DefinitionError("a summary with a model needs one: give the recipient, or the sender, an llm_config")
        prompt = Message("user", str(self.args.get("summary_prompt") or PROMPT), self.args.get("summary_role") or "system")
        reply = await ctx.call_model(self.model, ModelRequest(Joined(ctx.messages, (prompt,)), "(summary)"))
        return reply.content

    async def _by_function(self, ctx: Context) -> str:
        method: Any = self.method

        async def call() -> str:
            made = await called(method, self.sender, self.recipient, dict(self.args))
            return str(made["content"] if isinstance(made, Mapping) else made)  # pyright: ignore[reportUnknownArgumentType]

        return await ctx.effect("summary", call, kind="reply", about=str(len(ctx.messages)))


def check_method(method: Any) -> SummaryMethod:
    """The method. Raises `DefinitionError` for an unknown one."""
    if method is None or method in ("last_msg", "reflection_with_llm") or callable(method):
        return method
    raise DefinitionError(f"summary_method= is 'last_msg', 'reflection_with_llm', a function or None, not {method!r:.100}")


def last_words(messages: Sequence[Message]) -> str:
    """The last message's text, without a TERMINATE that it begins or ends with."""
    return _TERMINATE.sub("", messages[-1].text).strip() if len(messages) else ""
