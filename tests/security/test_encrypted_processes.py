"""Processes that share an encrypted store take their keys from the environment, and a kill leaves nothing readable behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from convgraph import Keyring, open_store
from tests.security.encrypted_stores import NEW, OLD, SECRET, Place, dump_of, files_of

GRAPH = f"""
import os, signal
from convgraph import END, Context, ConversationGraph

async def whisper(ctx: Context) -> str:
    if ctx.turn == 2 and "DIE" in os.environ:
        await ctx.effect("last", lambda: os.kill(os.getpid(), signal.SIGKILL), idempotent=True)
    await ctx.effect("last", lambda: "{SECRET}", idempotent=True)
    return "my name is {SECRET}"

graph = ConversationGraph("whispers")
graph.add_node(whisper)
graph.add_edge("whisper", END, when="turn >= 4")
graph.add_edge("whisper", "whisper")
graph.set_start("whisper")
"""


def convgraph(folder: Path, keys: Keyring | None, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, **more}
    if keys is not None:
        env["CONVGRAPH_KEYS"] = keys.text().strip().replace("\n", ",")
    return subprocess.run([sys.executable, "-m", "convgraph", *words], check=False, cwd=folder, env=env, capture_output=True, text=True)


def test_a_run_that_is_killed_goes_on_in_another_process_with_a_newer_key(place: Place, tmp_path: Path) -> None:
    (tmp_path / "graph.py").write_text(GRAPH)
    began = convgraph(tmp_path, OLD, "run", "graph.py", f"I am {SECRET}", "--id", "r", "--store", place.url, DIE="1")
    assert began.returncode == -9
    postgres = place.url.startswith("postgresql")
    stored = dump_of(place.url) if postgres else files_of(Path(place.url))
    assert SECRET.encode() not in stored

    locked = convgraph(tmp_path, None, "resume", "r", "--store", place.url)
    assert locked.returncode == 11
    assert "the store is encrypted" in locked.stderr
    assert SECRET not in locked.stdout + locked.stderr

    resumed = convgraph(tmp_path, NEW, "resume", "r", "--store", place.url)
    assert resumed.returncode == 0, resumed.stderr
    assert SECRET in resumed.stdout
    with open_store(place.url, keys=NEW) as store:
        assert [run.status for run in store.runs()] == ["finished"]
        assert store.runs()[0].target.endswith("graph.py"), "the file's path is sealed, and found"
    assert SECRET.encode() not in (dump_of(place.url) if postgres else files_of(Path(place.url)))
