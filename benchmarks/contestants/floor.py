"""The bare work: what Python, asyncio and SQLite cost with no framework around them."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from benchmarks.measure import AGENTS, CONVERSATION, LATENCY, MEMBERS, Task, Workload, must, payload


@dataclass(frozen=True, slots=True)
class Said:
    """A message."""

    sender: str
    content: str
    role: str = "assistant"


Agent = Callable[[list[Said]], Awaitable[str]]


def _agent(task: Task) -> Agent:
    async def speak(messages: list[Said]) -> str:
        task.tick()
        return payload(len(messages))

    return speak


async def _converse(agents: dict[str, Agent], turns: int, keep: Callable[[int, Said], None] | None = None) -> list[Said]:
    messages: list[Said] = []
    names = tuple(agents)
    while len(messages) < turns:
        name = names[len(messages) % len(names)]
        said = Said(name, await agents[name](messages))
        messages.append(said)
        if keep is not None:
            keep(len(messages), said)
    return messages


async def b1(task: Task) -> None:
    """Two agents take turns."""
    messages = await task.timed(_converse({name: _agent(task) for name in AGENTS}, task.n))
    must(len(messages) == task.n, "turns")


def _connect(task: Task) -> sqlite3.Connection:
    connection = sqlite3.connect(task.database, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute(f"PRAGMA synchronous={task.synchronous}")
    connection.execute(
        "CREATE TABLE IF NOT EXISTS steps (run TEXT, seq INTEGER, message TEXT NOT NULL, PRIMARY KEY (run, seq)) STRICT, WITHOUT ROWID"
    )
    return connection


def _row(run: str, seq: int, said: Said) -> tuple[str, int, str]:
    return run, seq, json.dumps({"sender": said.sender, "content": said.content, "role": said.role})


async def b2(task: Task) -> None:
    """The same; each message is a row of its own, committed before the next turn."""
    connection = _connect(task)

    def keep(seq: int, said: Said) -> None:
        connection.execute("INSERT INTO steps VALUES (?, ?, ?)", _row("run", seq, said))

    await task.timed(_converse({name: _agent(task) for name in AGENTS}, task.n, keep))
    must(connection.execute("SELECT count(*) FROM steps").fetchone() == (task.n,), "rows")
    connection.close()


async def b4_prepare(task: Task) -> None:
    """Leave a conversation of n messages behind."""
    await b2(task)


async def b4(task: Task) -> None:
    """Read it in a new process and add one durable step."""

    async def resume() -> None:
        connection = _connect(task)
        rows = connection.execute("SELECT message FROM steps WHERE run = 'run' ORDER BY seq")
        messages = [Said(**json.loads(text)) for (text,) in rows]
        must(len(messages) == task.n, "messages read")
        said = Said(AGENTS[0], await _agent(task)(messages))
        connection.execute("INSERT INTO steps VALUES (?, ?, ?)", _row("run", task.n + 1, said))
        connection.close()

    await task.timed(resume())


async def b5(task: Task) -> None:
    """n conversations at once; whoever finishes a turn waits for the next commit, which takes everyone's."""
    connection = _connect(task)
    waiting: list[tuple[tuple[str, int, str], asyncio.Future[None]]] = []

    def commit() -> None:
        batch = waiting.copy()
        waiting.clear()
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO steps VALUES (?, ?, ?)", [row for row, _ in batch])
        connection.execute("COMMIT")
        for _, done in batch:
            done.set_result(None)

    async def conversation(run: str) -> None:
        loop = asyncio.get_running_loop()
        for turn in range(1, CONVERSATION + 1):
            await asyncio.sleep(LATENCY)
            task.tick()
            done: asyncio.Future[None] = loop.create_future()
            if not waiting:
                loop.call_soon(commit)
            waiting.append((_row(run, turn, Said(AGENTS[turn % 2], payload(turn))), done))
            await done

    async def everyone() -> None:
        await asyncio.gather(*(conversation(f"run-{number}") for number in range(task.n)))

    await task.timed(everyone())
    must(connection.execute("SELECT count(*) FROM steps").fetchone() == (task.n * CONVERSATION,), "rows")
    connection.close()


async def b7(task: Task) -> None:
    """Six members; a function that answers at once names the next speaker."""

    async def choose(messages: list[Said]) -> str:
        return MEMBERS[len(messages) % len(MEMBERS)]

    async def chat() -> list[Said]:
        members = {name: _agent(task) for name in MEMBERS}
        messages: list[Said] = []
        while len(messages) < task.n:
            name = await choose(messages)
            messages.append(Said(name, await members[name](messages)))
        return messages

    must(len(await task.timed(chat())) == task.n, "rounds")


WORKLOADS: dict[str, Workload] = {"b1": b1, "b2": b2, "b4_prepare": b4_prepare, "b4": b4, "b5": b5, "b7": b7}
