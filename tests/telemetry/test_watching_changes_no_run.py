"""Whoever watches a run changes nothing about it: the same calls, the same messages, the same streaming, and no cost when nobody does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from convgraph import END, ConversationGraph, OpenAIChatModel, telemetry
from convgraph.journal.events import Delta
from convgraph.testing import ScriptedServer
from tests.telemetry.conftest import Collected
from tests.telemetry.test_spans_follow_the_conventions import asking, line

ROOT = Path(__file__).parents[2]


def told_to_listener(*, watched: bool, listens: bool) -> tuple[list[Any], list[bool]]:
    """What a listener hears of a run, and whether the endpoint was asked to stream."""
    made = Collected()
    if watched:
        made.enable()
    heard: list[Any] = []
    with ScriptedServer(["Once upon a time."]) as server:
        graph = line(asking(OpenAIChatModel("gpt-x", base_url=server.base_url, api_key="k")))
        graph.run("go", run_id="r", listener=heard.append if listens else None)
        streamed = [bool(request.get("stream")) for request in server.requests]
    telemetry.disable()
    return heard, streamed


def test_being_watched_does_not_make_a_model_stream() -> None:
    """Deltas are made for listeners, not for watchers; a listener hears the same with and without them."""
    assert told_to_listener(watched=True, listens=False)[1] == [False]
    watched, streamed = told_to_listener(watched=True, listens=True)
    plain, _ = told_to_listener(watched=False, listens=True)
    assert streamed == [True]
    assert [type(event) for event in watched] == [type(event) for event in plain]
    assert any(isinstance(event, Delta) for event in watched)


def test_a_streamed_answer_says_when_its_first_piece_came(collected: Collected) -> None:
    """Where somebody listens to the pieces, the time to the first is known."""
    with ScriptedServer(["Once upon a time."]) as server:
        graph = line(asking(OpenAIChatModel("gpt-x", base_url=server.base_url, api_key="k")))
        graph.run("go", listener=lambda _: None)
    seconds = (collected.one("chat gpt-x").attributes or {})["gen_ai.response.time_to_first_chunk"]
    assert isinstance(seconds, float)
    assert 0 < seconds < 5


def test_off_nothing_of_opentelemetry_is_imported() -> None:
    """A program that does not enable it does not load it, though it is installed."""
    code = (
        "import sys, convgraph\n"
        "graph = convgraph.ConversationGraph('g')\n"
        "graph.add_node(lambda ctx: 'said', name='say'); graph.add_edge('say', convgraph.END); graph.set_start('say')\n"
        "assert graph.run('go').status == 'finished'\n"
        "assert not [name for name in sys.modules if name.startswith(('opentelemetry', 'starlette', 'uvicorn', 'convgraph.telemetry'))]\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_without_the_package_enabling_says_which_extra_brings_it() -> None:
    """An import that fails is a clear error, and nothing is enabled by half."""
    code = (
        "import sys; sys.modules['opentelemetry'] = None\n"
        "from convgraph import telemetry\n"
        "from convgraph.errors import MissingDependency\n"
        "try:\n    telemetry.enable()\n"
        "except MissingDependency as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)
    assert done.stdout == "traces and metrics need opentelemetry-api: pip install 'convgraph[otel]'\n"


def test_enabling_twice_is_telling_once(collected: Collected) -> None:
    """What is enabled again replaces what was; no span is told twice."""
    collected.enable()
    graph = ConversationGraph("g")
    graph.add_node(lambda _: "said", name="say")
    graph.add_edge("say", END)
    graph.set_start("say")
    graph.run("go")
    assert len(collected.named("invoke_workflow g")) == 1
