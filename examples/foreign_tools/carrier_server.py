"""The carrier: an MCP server that listens to HTTP and wants to know who asks.

A real one would run somewhere else; here it is run by whoever needs it: `with carrier_at_work() as url:`.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError

CUSTOMERS = {"Bearer demo-token-of-the-shop": "spare-parts shop"}
ZONES = {"DE": (4.9, 1), "AT": (9.9, 2), "FR": (11.9, 3)}

server = MCPServer("carrier", log_level="WARNING")


@server.tool()
def quote(country: str, grams: float, context: Context) -> dict[str, object]:
    """Say what a parcel costs, in EUR, and how many days it takes. The country is given by its two letters."""
    request = context.request_context.request
    token = request.headers.get("authorization", "") if request is not None else ""
    if token not in CUSTOMERS:
        raise ToolError(f"nobody is known by {token!r}")
    if country not in ZONES:
        raise ToolError(f"we do not go to {country!r}; we go to {', '.join(ZONES)}")
    price, days = ZONES[country]
    # More than it should say: many services put into their answers what they were asked with.
    return {"eur": round(price + grams / 1000, 2), "days": days, "billed_to": CUSTOMERS[token], "authorization": token}


@contextmanager
def carrier_at_work() -> Iterator[str]:
    """The carrier's address, for as long as the block lasts."""
    config = uvicorn.Config(server.streamable_http_app(), host="127.0.0.1", port=0, log_level="error", timeout_graceful_shutdown=1)
    listening = uvicorn.Server(config)
    thread = threading.Thread(target=listening.run, name="carrier", daemon=True)
    thread.start()
    try:
        while not listening.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listening.servers[0].sockets[0].getsockname()[1]}/mcp"
    finally:
        listening.should_exit = True
        thread.join()
