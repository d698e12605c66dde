"""An agent as a tool: another's model calls it with a message, and it replies in a conversation inside that call."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, cast

from convgraph.tools import Tool, tool

if TYPE_CHECKING:
    from convgraph.agents.conversable import ConversableAgent


def agent_as_tool(agent: ConversableAgent, name: str | None, description: str | None) -> Tool:
    """The tool that an agent makes. Its name and what the calling model is told of it are the agent's own, unless they are given.

    A call does nothing but have that conversation, so one that was cut short is simply gone on with. Raises `DefinitionError`
    for an agent without a description.
    """

    async def ask(message: str) -> str:
        return _text(await agent.a_generate_reply([{"role": "user", "content": message}]))

    return tool(
        ask,
        name=name or re.sub(r"[^a-zA-Z0-9_-]", "_", agent.name)[:64],
        description=agent.description if description is None else description,
        idempotent=True,
    )


def _text(reply: Any) -> str:
    """A reply as the calling model is told it."""
    if isinstance(reply, str):
        return reply
    content: Any = cast("dict[str, Any]", reply).get("content") if isinstance(reply, dict) else None
    return str(content) if content else "(no reply)"
