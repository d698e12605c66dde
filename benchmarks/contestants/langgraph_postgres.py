"""LangGraph's PostgresSaver at the workload of `benchmarks.distributed`: run in the peers' environment, prints seconds a step.

python -m benchmarks.contestants.langgraph_postgres URL STEPS
"""

# pyright: reportMissingImports=false
from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver

from benchmarks.contestants.langgraph import config, pair
from benchmarks.measure import Task, must


async def main(url: str, steps: int) -> None:
    """A conversation of two, every step of it durable before the next begins."""
    async with AsyncPostgresSaver.from_conn_string(url) as saver:
        await saver.setup()
        for turns in (2, steps):
            with tempfile.TemporaryDirectory() as folder:
                task = Task(turns, Path(folder))
                app = pair(task, turns, "messages").compile(checkpointer=saver)
                state = await task.timed(app.ainvoke({"messages": []}, config(turns + 10, f"bench-{turns}"), durability="sync"))
                must(len(state["messages"]) == turns, "turns")
    print((task.ended - task.began) / steps)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
