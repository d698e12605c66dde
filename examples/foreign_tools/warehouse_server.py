"""The warehouse: an MCP server as a program, which owns its stock, in the SQLite file that `STOCK` names.

It knows nothing of the shop that uses it, and would serve any other MCP client as well.
"""

import os
import sqlite3
from contextlib import closing

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ToolAnnotations

PARTS = [("G-M8", "gasket M8", 40, 2.0, 3.2), ("G-M10", "gasket M10", 3, 2.5, 3.9), ("B-M8", "bolt M8 x 40", 500, 18.0, 0.35)]

server = MCPServer("warehouse", log_level="WARNING")
file = os.environ.get("STOCK", ":memory:")


def opened() -> sqlite3.Connection:
    """The stock, as it was when the warehouse was built, or as it has become."""
    stock = sqlite3.connect(file)
    with stock:
        stock.execute("CREATE TABLE IF NOT EXISTS parts (number TEXT PRIMARY KEY, name TEXT, pieces INTEGER, grams REAL, eur REAL)")
        stock.execute("CREATE TABLE IF NOT EXISTS reservations (order_number TEXT, part TEXT, pieces INTEGER, UNIQUE (order_number, part))")
        stock.executemany("INSERT OR IGNORE INTO parts VALUES (?, ?, ?, ?, ?)", PARTS)
    return stock


def free(stock: sqlite3.Connection, part: str, order_number: str = "") -> int:
    """How many pieces nobody else has put aside."""
    found = stock.execute("SELECT pieces FROM parts WHERE number = ?", (part,)).fetchone()
    if found is None:
        raise ToolError(f"there is no part {part!r}")
    taken = stock.execute("SELECT sum(pieces) FROM reservations WHERE part = ? AND order_number != ?", (part, order_number)).fetchone()
    return found[0] - (taken[0] or 0)


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def find_parts(words: str) -> list[dict[str, object]]:
    """Find parts by words of their names: number, name, pieces that are free, weight in grams, net price in EUR, each for one piece."""
    with closing(opened()) as stock:
        rows = stock.execute("SELECT number, name, grams, eur FROM parts ORDER BY number").fetchall()
        found = [row for row in rows if all(word.lower() in row[1].lower() for word in words.split())]
        return [{"part": part, "name": name, "free": free(stock, part), "grams": grams, "eur": eur} for part, name, grams, eur in found]


@server.tool(annotations=ToolAnnotations(idempotent_hint=True))
def reserve(order_number: str, part: str, pieces: int) -> str:
    """Put pieces of a part aside for an order. Said twice for one order, it is done once."""
    with closing(opened()) as stock:
        left = free(stock, part, order_number)
        if pieces > left:
            raise ToolError(f"only {left} of {part} are free")
        with stock:
            stock.execute("INSERT OR REPLACE INTO reservations VALUES (?, ?, ?)", (order_number, part, pieces))
        return f"{pieces} of {part} are put aside for order {order_number}"


if __name__ == "__main__":
    server.run()
