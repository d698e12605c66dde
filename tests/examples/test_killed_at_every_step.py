"""An example whose process dies by kill -9 after each of its steps says in a chain of processes what it says in one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from convgraph import open_store
from convgraph.journal.events import Moved, Stepped
from convgraph.journal.turn_paths import is_inner

FOLDER = Path(__file__).parents[2] / "examples"

STEP_BY_STEP = """
import importlib, os, signal, sys
import openai  # what each process would have to load
from convgraph import open_store
from convgraph.journal.events import Moved, Stepped
from convgraph.journal.turn_paths import is_inner

folder, name, path = sys.argv[1:]
sys.path.insert(0, folder)
module = importlib.import_module(name)
module.graph.check()

def one_step():
    with open_store(path) as store:
        append = store.append

        async def append_and_die(claim, events, contents):
            await append(claim, events, contents)
            if any(isinstance(event, Moved | Stepped) and not is_inner(event.path) for event in events):
                os.kill(os.getpid(), signal.SIGKILL)

        store.append = append_and_die
        if hasattr(module, "chat"):
            module.chat(store=store, run_id="killed", human=getattr(module, "person", "park"), silent=True)
        elif store.runs():
            module.graph.resume("killed", store=store)
        else:
            module.graph.run(module.INPUT, store=store, run_id="killed")

for deaths in range(100):
    process = os.fork()
    if process == 0:
        one_step()
        os._exit(0)
    ended = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    if ended != -signal.SIGKILL:
        print(deaths)
        sys.exit(ended)
sys.exit("it does not come forward")
"""
"""Processes of which each begins a run, or goes on with it, and kills itself once a step is committed; prints how many died."""


@pytest.mark.parametrize("name", ["three_teams", "research_team", "optiguide", "critics_and_judge"])
def test_killed_after_each_step_it_says_the_same_and_asks_for_nothing_twice(name: str, served: Any) -> None:
    example = served(name)
    with open_store(":memory:") as store:
        whole = example.have(store)
        boundaries = [event for event in _events(store, whole.run_id) if isinstance(event, Stepped | Moved) and not is_inner(event.path)]
    calls = len(example.server.log)
    example.server.log.clear()

    command = [sys.executable, "-c", STEP_BY_STEP, str(FOLDER), name, "killed.db"]
    chain = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert chain.returncode == 0, chain.stderr

    with open_store("killed.db") as store:
        killed = example.have(store, run_id="killed")
        after = [event for event in _events(store, "killed") if isinstance(event, Stepped | Moved) and not is_inner(event.path)]
    assert int(chain.stdout.split()[-1]) >= len(boundaries) - 1
    assert killed.messages == whole.messages
    assert (killed.status, killed.stop_reason, killed.usage) == (whole.status, whole.stop_reason, whole.usage)
    assert len(after) == len(boundaries)
    assert len(example.server.log) == calls


def _events(store: Any, run_id: str) -> list[Any]:
    return [recorded.event for recorded in store.events(run_id)]
