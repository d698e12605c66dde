"""A spare-parts shop whose tools were written by others: two MCP servers, and a tool of LangChain's.

Shows: a server that is a program and one that listens to HTTP, a person's consent for one tool, a token that is in no journal.
"""

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import SecretStr

import convgraph as autogen

try:
    from langchain_core.tools import tool as langchain_style
except ImportError as error:
    raise ImportError("this example has a tool of LangChain's: pip install langchain-core") from error

from carrier_server import carrier_at_work

STORE = "foreign_tools.db"
INPUT = "Please offer Ada Weaver in Austria 12 gaskets M8, delivered. If she can have them, put them aside for order 4711."


# What the tools need is given to each run: where the carrier is, and who we are to it; where the warehouse keeps its stock.


@contextmanager
def surroundings(stock: str | os.PathLike[str] | None = None) -> Iterator[dict[str, Any]]:
    """The carrier at work, and a warehouse: the one whose stock is in a file, or a new one."""
    with carrier_at_work() as url, tempfile.TemporaryDirectory() as folder:
        token = SecretStr(os.environ.get("CARRIER_TOKEN", "demo-token-of-the-shop"))
        yield {"carrier": url, "token": token, "stock": os.fspath(stock or Path(folder, "stock.db"))}


# The tools. Where a server is, and what it is told, may be a function of what the run is given: then no definition knows of it.

warehouse = autogen.McpServer.stdio(
    sys.executable, [Path(__file__).with_name("warehouse_server.py")], name="warehouse", env=lambda given: {"STOCK": given["stock"]}
)
carrier = autogen.McpServer.http(
    lambda given: given["carrier"],
    name="carrier",
    headers=lambda given: {"Authorization": f"Bearer {given['token'].get_secret_value()}"},
)


@langchain_style
def gross_price(net_eur: float, country: str) -> float:
    """What a customer in a country (two letters) pays for what costs this much net: with the value-added tax of that country."""
    return round(net_eur * {"DE": 1.19, "AT": 1.2, "FR": 1.2}[country], 2)


with surroundings() as here:  # each server is asked once what it offers: from here on that is part of the agents
    tools = [
        *autogen.mcp_tools(warehouse, approval=["reserve"], trust_annotations=True, deps=here),
        *autogen.mcp_tools(carrier, prefix="carrier_", timeout=20, deps=here),
        autogen.langchain_tool(gross_price, idempotent=True),
    ]


# The two: a clerk who wishes for calls, and a desk that makes them, with a person at it.


clerk = autogen.AssistantAgent(
    "clerk",
    "You are the clerk of a spare-parts shop. Look up what is asked for, have the delivery quoted, add up the net prices, and give the "
    "gross price. Put nothing aside before you know that there is enough of it. Close your offer with TERMINATE.",
    model=autogen.OpenAIChatModel(),
)
desk = autogen.UserProxyAgent(
    "desk",
    human_input_mode="NEVER",
    is_termination_msg=lambda message: str(message["content"]).endswith("TERMINATE"),
    code_execution_config=False,
    description="Makes the calls. Whoever sits here is asked before anything is put aside.",
)
for one in tools:
    autogen.register_function(one, caller=clerk, executor=desk)

graph = clerk.chat_graph(desk)


def chat(stock: str | os.PathLike[str] | None = None, **options: Any) -> autogen.ChatResult:
    """Have the chat, with the warehouse whose stock is in a file; the options (`store=`, `run_id=` …) are those of `initiate_chat`."""
    with surroundings(stock) as given:
        return desk.initiate_chat(clerk, message=INPUT, max_turns=8, deps=given, **options)


async def achat(stock: str | os.PathLike[str] | None = None, **options: Any) -> autogen.ChatResult:
    """The same for those who await it."""
    with surroundings(stock) as given:
        return await desk.a_initiate_chat(clerk, message=INPUT, max_turns=8, deps=given, **options)


# What the stand-in says: it knows nothing but what the tools have told it. And the person, who is played where no model is configured.


def work(request: dict[str, Any]) -> Any:
    """Looks the part up; has it quoted and priced; has it put aside; makes the offer."""
    from convgraph.testing import Answer

    told = [str(message["content"]) for message in request["messages"] if message["role"] == "tool"]
    if not told:
        return Answer(tool_calls=[{"name": "find_parts", "arguments": {"words": "gasket m8"}}])
    [part], pieces = json.loads(told[0]), 12
    if len(told) == 1:
        return Answer(tool_calls=[{"name": "carrier_quote", "arguments": {"country": "AT", "grams": pieces * part["grams"]}}])
    if told[1].startswith("Error"):
        return f"I am sorry, I cannot say what the delivery costs ({told[1]}). TERMINATE"
    delivery = json.loads(told[1])
    net = round(pieces * part["eur"] + delivery["eur"], 2)
    if len(told) == 2:
        if part["free"] < pieces:
            return f"I am sorry: only {part['free']} of {part['name']} are left. TERMINATE"
        priced = {"name": "gross_price", "arguments": {"net_eur": net, "country": "AT"}}
        reserved = {"name": "reserve", "arguments": {"order_number": "4711", "part": part["part"], "pieces": pieces}}
        return Answer(tool_calls=[priced, reserved])
    return f"{pieces} x {part['name']}, delivered within {delivery['days']} days: {told[2]} EUR gross. {told[3]}. TERMINATE"


PARTS = {"You are the clerk of a spare-parts shop": work}


def allow(question: autogen.Question) -> Any:
    """Whoever sits at the desk: lets things be put aside for the order that is asked about, and for no other."""
    return "approve" if '"order_number": "4711"' in question.prompt else {"refuse": "that is not the order"}


person = {"desk": allow}


if __name__ == "__main__":
    sys.path.append(str(Path(__file__).parents[1]))
    from stage import endpoint

    with endpoint(PARTS) as stand_in:
        print("Drawn to", graph.draw("foreign_tools.svg"), end="\n\n")
        result = chat(store=STORE, human=person if stand_in else "console")
        print(f"\n{result.status}: {result.stop_reason} (run {result.run_id}, {result.usage.calls} model calls)")
