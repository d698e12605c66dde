"""The examples as modules, each beside the endpoint that stands in for its model."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from convgraph import ConversationGraph, RunResult
from convgraph.journal.store import Store
from convgraph.testing import ScriptedServer
from tests.examples.chat_examples import APPLICATIONS, CHATS, FOLDER, Dying, dying, script_of

NAMES = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem not in ("stage", *CHATS))


@dataclass(frozen=True)
class Example:
    """An example, and the endpoint that it is set to talk to."""

    module: ModuleType
    server: ScriptedServer

    @property
    def name(self) -> str:
        return self.module.__name__

    @property
    def graph(self) -> ConversationGraph:
        return self.module.graph

    @property
    def person(self) -> Any:
        """Who is asked: the person that the example plays, or nobody, so that the run parks and is given `ANSWERS`."""
        return getattr(self.module, "person", "park")

    def run(self, store: Store) -> RunResult:
        """Run it with its input, and answer what it asks of people."""
        return self.answered(self.graph.run(self.module.INPUT, store=store, human=self.person), store)

    def resume(self, run_id: str, store: Store) -> RunResult:
        """Go on, and answer what it asks of people."""
        return self.answered(self.graph.resume(run_id, store=store, human=self.person), store)

    def answered(self, result: RunResult, store: Store) -> RunResult:
        if result.status != "waiting":
            return result
        return self.graph.resume(result.run_id, store=store, answers=self.module.ANSWERS)

    def said(self, result: RunResult) -> list[Any]:
        """What was said, apart from the numbers that a booking service gives to each new run."""
        if self.name == "booking":
            return [message.sender for message in result.messages]
        return result.messages


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Imports an example by its name; what it writes goes into a directory of the test's own."""
    for folder in (FOLDER, *(script_of(name).parent for name in APPLICATIONS)):
        monkeypatch.syspath_prepend(str(folder))
    monkeypatch.chdir(tmp_path)
    return importlib.import_module


@pytest.fixture
def served(load: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Imports an example and serves its stand-in; all servers stop after the test."""
    servers: list[ScriptedServer] = []

    def serve(name: str) -> Example:
        module = load(name)
        server = ScriptedServer(load("stage").played(module.PARTS))
        server.start()
        servers.append(server)
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        return Example(module, server)

    yield serve
    for server in servers:
        server.stop()


@pytest.fixture(scope="session")
def worker() -> Iterator[Dying]:
    """Has examples go on for one step each time, in processes that die after it."""
    with dying() as worker:
        yield worker


@pytest.fixture(params=NAMES)
def example(served: Any, request: pytest.FixtureRequest) -> Iterator[Example]:
    """Each example in turn."""
    return served(request.param)
