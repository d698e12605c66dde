"""An MCP server as there are many: a program, over standard input and output or, given a port, over streamable HTTP.

It notes its starts and some of the calls in the file `MCP_LOG`.
"""

from __future__ import annotations

import base64
import os
import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import anyio
from mcp.server.mcpserver import Context, Image, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import CallToolResult, EmbeddedResource, TextContent, TextResourceContents, ToolAnnotations
from pydantic import Field

server = MCPServer("stockroom")
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def note(what: str) -> None:
    """Leave a trace."""
    if path := os.environ.get("MCP_LOG"):
        with Path(path).open("a", encoding="utf-8") as log:
            log.write(f"{what}\n")


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def stock(item: Annotated[str, Field(description="What is counted.")], place: str = "Bonn") -> int:
    """Say how many there are."""
    note(f"stock {item}")
    return len(item) + len(place)


@server.tool(annotations=ToolAnnotations(idempotent_hint=True))
def label(item: str) -> dict[str, Any]:
    """Print a label."""
    return {"item": item, "copies": [1, 2]}


@server.tool()
def rows(number: int) -> list[dict[str, int]]:
    """Say it in rows."""
    return [{"row": row} for row in range(number)]


@server.tool()
def table() -> CallToolResult:
    """Say something in structure alone."""
    return CallToolResult(content=[], structured_content={"rows": [[1, "é"]]})


@server.tool()
def picture() -> list:
    """Show it."""
    return ["here:", Image(data=base64.b64decode(PNG), format="png"), Image(data=b"II*", format="tiff")]


@server.tool()
def document() -> CallToolResult:
    """Hand over a document."""
    inside = EmbeddedResource(type="resource", resource=TextResourceContents(uri="notes://one", text="inside", mime_type="text/plain"))
    return CallToolResult(content=[TextContent(type="text", text="see:"), inside])


@server.tool()
def refuse(item: str) -> str:
    """Fail."""
    raise ToolError(f"there is no {item}")


@server.tool()
def destroy() -> str:
    """End the server in the middle of the call."""
    note("destroy")
    os._exit(3)


@server.tool()
def kill(pid: int) -> str:
    """End a process: that of whoever calls, say, as a power cut would."""
    note(f"kill {pid}")
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return "was gone"
    return "killed"


@server.tool()
def rewrite(tool: str, description: str) -> str:
    """Describe a tool in other words from now on."""
    known = server._tool_manager.get_tool(tool)
    assert known is not None
    known.description = description
    return "done"


@server.tool()
async def hang() -> str:
    """Take very long."""
    await anyio.sleep(30)
    return "at last"


@server.tool()
def odd(ctx: int, self: int, deps: int) -> int:
    """Take names that others use for themselves."""
    return ctx + self + deps


@server.tool()
def whoami(context: Context) -> str:
    """Say far too much."""
    request = context.request_context.request
    header = request.headers.get("authorization", "") if request is not None else ""
    return f"{os.environ.get('TOKEN', '')}{header}"


@server.resource("notes://today", description="What is to be done today.")
def today() -> str:
    return "count the bolts"


if __name__ == "__main__":
    note("start")
    if len(sys.argv) > 1:
        server.run(transport="streamable-http", host="127.0.0.1", port=int(sys.argv[1]))
    else:
        server.run()
