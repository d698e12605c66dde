"""Stores with keys, for tests: a conversation with a secret in every place that a store has, and what is in a store's files."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from convgraph import END, Context, ConversationGraph, Reply, open_store
from convgraph.journal.keyring import Keyring

SECRET = "Rumpelstilzchen"
OLD = Keyring({"2026-05": b"o" * 32})
NEW = Keyring({"2026-11": b"n" * 32, "2026-05": b"o" * 32})


def whispering(turns: int = 3) -> ConversationGraph:
    """A graph that says, keeps and asks the secret."""

    async def whisper(ctx: Context) -> Reply:
        told = await ctx.effect("look", lambda: {SECRET: [SECRET]})
        return Reply(f"my name is {SECRET}", {"name": next(iter(told))})

    async def ask(ctx: Context) -> str:
        return await ctx.ask(f"is it {SECRET}?", schema={"type": "string", "description": SECRET})

    graph = ConversationGraph("whispering", state={"name": {"type": "string", "default": SECRET}})
    graph.add_node(whisper, description=f"knows {SECRET}")
    graph.add_node(ask)
    graph.add_edge("whisper", "ask", when=f"turn >= {turns}")
    graph.add_edge("whisper", "whisper")
    graph.add_edge("ask", END)
    graph.set_start("whisper")
    return graph


def had(url: Any, keys: Keyring | None, run_id: str = "r", answer: str | None = None, **options: Any) -> None:
    """A run that waits for an answer; with `answer`, one that has been given it and has not gone on yet."""
    with open_store(url, keys=keys, **options) as store:
        result = whispering().run(f"who is {SECRET}?", store=store, run_id=run_id, human="park")
        assert result.status == "waiting"
        if answer is not None:
            store.answer(run_id, store.questions(run_id)[0].id, answer)


def files_of(path: Path) -> bytes:
    """The bytes of a SQLite store's files, its log among them."""
    return b"".join(file.read_bytes() for file in sorted(path.parent.glob(f"{path.name}*")))


def dump_of(url: str) -> bytes:
    """A PostgreSQL database as its own tool writes it out."""
    return subprocess.run(["/usr/lib/postgresql/15/bin/pg_dump", url], check=True, capture_output=True).stdout


class Place(NamedTuple):
    """A database that a test changes behind the store's back."""

    url: str

    def do(self, statement: str, values: Sequence[Any] = ()) -> list[Any]:
        """Do one statement, with `?` for each value."""
        if self.url.startswith("postgresql"):
            import psycopg

            with psycopg.connect(self.url, autocommit=True) as connection:
                connection.execute("SET search_path TO convgraph")
                cursor = connection.execute(statement.replace("?", "%s").encode(), values)
                return cursor.fetchall() if cursor.description is not None else []
        import sqlite3

        db = sqlite3.connect(self.url, isolation_level=None)
        try:
            return db.execute(statement, values).fetchall()
        finally:
            db.close()
