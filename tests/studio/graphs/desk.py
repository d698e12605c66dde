"""Graphs that ask people: for a form, for their consent to a tool and to code, and whom to believe."""

from __future__ import annotations

import json
import os
from typing import Any

from convgraph import END, AssistantAgent, ConversationGraph, ScriptedModel, ToolCall, UserProxyAgent
from convgraph.runtime.context import Context
from convgraph.tools import run_tool_calls, tool

FENCE = "`" * 3
FORM: dict[str, Any] = {
    "type": "object",
    "title": "Booking",
    "description": "What the traveller wants.",
    "properties": {
        "name": {"type": "string", "minLength": 2, "description": "As in the passport."},
        "nights": {"type": "integer", "minimum": 1, "maximum": 30, "default": 2},
        "price": {"type": "number", "exclusiveMinimum": 0},
        "breakfast": {"type": "boolean", "default": True},
        "room": {"enum": ["single", "double", "suite"]},
        "email": {"type": "string", "format": "email"},
        "arrival": {"type": "string", "format": "date"},
        "notes": {"type": "string", "maxLength": 2000},
        "guests": {"type": "array", "items": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}},
        "pays": {
            "oneOf": [
                {"type": "object", "title": "Card", "properties": {"card": {"type": "string"}}, "required": ["card"]},
                {"type": "object", "title": "Invoice", "properties": {"company": {"type": "string"}}, "required": ["company"]},
            ]
        },
        "floor": {"type": ["integer", "null"]},
        "kind": {"const": "booking"},
    },
    "required": ["name", "nights", "room", "pays", "kind"],
    "additionalProperties": False,
}


def one(name: str, speaks: Any) -> ConversationGraph:
    """A graph of one node."""
    graph = ConversationGraph(name)
    graph.add_node(speaks, name="clerk")
    graph.add_edge("clerk", END)
    graph.set_start("clerk")
    return graph


async def booking(ctx: Context) -> str:
    """Ask for a form."""
    return json.dumps(await ctx.ask("Please fill in the booking.", id="booking", schema=FORM), ensure_ascii=False)


async def counting(ctx: Context) -> str:
    """Count up to five, and then ask how to go on."""
    return f"number {ctx.turn}" if ctx.turn <= 5 else f"You said: {await ctx.ask('And now?', id='now')}"


async def asking(ctx: Context) -> str:
    """Ask for a text."""
    return f"You said: {await ctx.ask('What is your name?', id='name')}"


@tool(approval=True)
def pay(to: str, amount: int) -> str:
    """Pay an amount."""
    return f"paid {amount} to {to}"


async def paying(ctx: Context) -> str:
    """Call a tool that needs consent."""
    outcome = await run_tool_calls(ctx, [ToolCall("a", "pay", '{"to": "Ada", "amount": 20}')], [pay])
    return outcome.messages[0].text


def echo(ctx: Context) -> str:
    """Say what was said."""
    return f"You said: {ctx.last.text if ctx.last is not None else 'nothing'}"


def send() -> str:
    """Send a mail; the process dies over it where that is wanted."""
    if os.environ.get("DIES"):
        os._exit(9)
    return "sent again"


async def mailing(ctx: Context) -> str:
    """Do something whose end is not known when the process dies."""
    return f"The mail: {await ctx.effect('mail', send)}"


form = one("form", booking)
mail = one("mail", mailing)
named = one("named", asking)
till = one("till", paying)
parrot = one("parrot", echo)

writer = AssistantAgent("writer", model=ScriptedModel([f"{FENCE}python\nprint(6 * 7)\n{FENCE}"], repeat=True))
runner = UserProxyAgent("runner", human_input_mode="NEVER", code_execution_config={"use_docker": False, "approve": True})
code = ConversationGraph("code")
code.add_node(writer)
code.add_node(runner)
code.add_edge("writer", "runner")
code.add_edge("runner", END)
code.set_start("writer")

counted = ConversationGraph("counted")
counted.add_node(counting, name="clerk")
counted.add_edge("clerk", END, when="turn > 5")
counted.add_edge("clerk", "clerk")
counted.set_start("clerk")
