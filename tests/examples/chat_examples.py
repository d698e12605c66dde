"""The examples that are chats rather than graphs, seen from their tests, and processes that die in the middle of them.

Such an example has `chat(**options)`, which has the chat (or chats: then it returns a list) and takes the options of `initiate_chat`;
`achat(**options)`, the same asynchronously; `graph`, what the chat is when it is drawn; `PARTS`, as every example; and, where people
are asked, `person`: the people that it plays, by name.

Run as a program (`python -m tests.examples.chat_examples`) it is a worker that has imported everything. Each line on standard input,
a JSON list `[name, store, base_url]`, has a child of it go on with the chat "killed" until one step more is recorded, and die then, by
its own SIGKILL. It answers with the signal, 0 where the chat came to its end first.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from convgraph import ChatResult, ConversationGraph
from convgraph.journal.events import Event, Moved, Stepped
from convgraph.journal.runs import Claim
from convgraph.journal.sqlite import SqliteStore
from convgraph.journal.store import Store
from convgraph.testing import ScriptedServer

CHATS = ("code_and_fix", "research_team", "sequential_and_nested", "student_and_expert", "three_teams", "two_comedians")
APPLICATIONS: tuple[str, ...] = (
    "conversational_chess",
    "data_visualisation",
    "figure_critic",
    "foreign_tools",
    "retrieval_chat",
    "teaching",
    "web_information",
)
"""Chats with a folder of their own, `examples/NAME/NAME.py`, and a README there that draws the graph."""

GRAPHS = ("critics_and_judge", "optiguide")
"""Examples that are run as graphs, for which the worker does the same."""

FOLDER = Path(__file__).parents[2] / "examples"


def script_of(name: str) -> Path:
    """Where an example is."""
    return FOLDER / name / f"{name}.py" if name in APPLICATIONS else FOLDER / f"{name}.py"


KILLED = "killed"


@dataclass(frozen=True)
class ChatExample:
    """An example that is a chat, and the endpoint that it is set to talk to."""

    module: ModuleType
    server: ScriptedServer

    @property
    def graph(self) -> ConversationGraph:
        return self.module.graph

    def have(self, **options: Any) -> list[ChatResult]:
        """Have its chats, or go on with them; its people are played, unless told otherwise."""
        return as_list(self.module.chat(**{"human": person_of(self.module), **options}))

    def have_async(self, **options: Any) -> list[ChatResult]:
        """The same with its asynchronous form."""
        return as_list(asyncio.run(self.module.achat(**{"human": person_of(self.module), **options})))


def as_list(result: ChatResult | list[ChatResult]) -> list[ChatResult]:
    """One chat's result, or several, as a list."""
    return result if isinstance(result, list) else [result]


def person_of(module: ModuleType) -> Any:
    """The people that an example plays; where it has none, nobody is asked."""
    return getattr(module, "person", "park")


def transcripts(results: list[ChatResult]) -> list[Any]:
    """What was said in each chat, why it stopped, what it amounts to and what it has cost."""
    return [(each.chat_history, each.status, each.stop_reason, each.summary, each.usage, each.cost) for each in results]


def runs_of(results: list[ChatResult]) -> list[str]:
    """The runs that chats are in: most examples have all of theirs in one, those about what outlives a run have several."""
    return list(dict.fromkeys(each.run_id for each in results))


def steps_in(store: Store, run_id: str) -> int:
    """How many steps a run has recorded, those of conversations inside it among them."""
    return sum(isinstance(recorded.event, Stepped | Moved) for recorded in store.events(run_id))


class OneStepStore(SqliteStore):
    """A store whose process dies once a step is safely in it."""

    async def append(self, claim: Claim, events: Sequence[Event], contents: Mapping[str, str] | None = None) -> None:
        await super().append(claim, events, contents)
        if any(isinstance(event, Stepped | Moved) for event in events):
            os.kill(os.getpid(), signal.SIGKILL)


class Dying:
    """The worker, seen from the test."""

    def __init__(self) -> None:
        self._worker = subprocess.Popen(
            [sys.executable, "-m", "tests.examples.chat_examples"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=FOLDER.parent,
        )

    def go_on_for_one_step(self, name: str, base_url: str, store: Path) -> int:
        """Have a process begin the example, or go on with it, for one step. Returns the signal that it died by, 0 at its end."""
        assert self._worker.stdin is not None
        assert self._worker.stdout is not None
        self._worker.stdin.write(json.dumps([name, str(store), base_url]) + "\n")
        self._worker.stdin.flush()
        answer = json.loads(self._worker.stdout.readline())
        assert isinstance(answer, int), answer
        return answer

    def close(self) -> None:
        """End the worker."""
        assert self._worker.stdin is not None
        assert self._worker.stdout is not None
        self._worker.stdin.close()
        self._worker.wait(30)
        self._worker.stdout.close()


@contextmanager
def dying() -> Iterator[Dying]:
    """A worker for as long as the block lasts."""
    worker = Dying()
    try:
        yield worker
    finally:
        worker.close()


def _serve() -> None:
    import openai  # noqa: F401  # so that children need not

    sys.path[:0] = [str(FOLDER), *(str(script_of(name).parent) for name in APPLICATIONS)]
    modules = {name: importlib.import_module(name) for name in (*CHATS, *APPLICATIONS, *GRAPHS)}
    for module in modules.values():
        module.graph.check()
    for line in sys.stdin:
        name, store, base_url = json.loads(line)
        print(json.dumps(_fate_of_a_child(modules[name], store, base_url)), flush=True)


def _fate_of_a_child(module: ModuleType, path: str, base_url: str) -> int | str:
    pid = os.fork()
    if not pid:
        os.environ["OPENAI_BASE_URL"] = base_url
        with Path(f"{path}.log").open("a", encoding="utf-8") as log, redirect_stdout(log), redirect_stderr(log):
            os._exit(_have(module, path))
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        return os.WTERMSIG(status)
    return Path(f"{path}.log").read_text() if os.WEXITSTATUS(status) else 0


def _have(module: ModuleType, path: str) -> int:
    """Have the conversation, or go on with it, until it ends. Returns 0, or 1 where it fails."""
    try:
        with OneStepStore(path, synchronous="NORMAL") as store:  # kill -9 is not loss of power
            if module.__name__ in (*CHATS, *APPLICATIONS):
                module.chat(store=store, run_id=KILLED, human=person_of(module))
            elif store.runs():
                module.graph.resume(KILLED, store=store)
            else:
                module.graph.run(module.INPUT, store=store, run_id=KILLED)
    except BaseException:  # noqa: BLE001  # told to the test, whatever it is
        traceback.print_exc()
        sys.stderr.flush()
        return 1
    return 0


if __name__ == "__main__":
    _serve()
