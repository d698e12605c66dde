"""What the examples share: the endpoint that they talk to, and how they tell what happened.

`python examples/stage.py two_agents` serves the stand-in of one example by hand, for trying things at the terminal.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

from convgraph import RunResult
from convgraph.testing import Answer, HttpError, ScriptedServer

Request: TypeAlias = dict[str, Any]
Parts: TypeAlias = Mapping[str, Sequence[Any] | Callable[[Request], Any]]
"""Who says what: a phrase out of an agent's system message, and its lines (or a function of the request)."""


@contextmanager
def endpoint(parts: Parts, *, latency: float = 0.0) -> Iterator[ScriptedServer | None]:
    """The configured model endpoint; where there is none, a scripted one over HTTP that stands in for it, and says so."""
    if os.environ.get("OPENAI_API_KEY") or os.environ.get("OPENAI_BASE_URL"):
        print(f"Model endpoint: {os.environ.get('OPENAI_BASE_URL') or 'api.openai.com'}\n")
        yield None
        return
    with ScriptedServer(played(parts), latency=latency) as server:
        print(f"No OPENAI_API_KEY, no OPENAI_BASE_URL: a scripted endpoint at {server.base_url} stands in for the model.\n")
        os.environ["OPENAI_BASE_URL"] = server.base_url
        try:
            yield server
        finally:
            del os.environ["OPENAI_BASE_URL"]


def played(parts: Parts) -> Callable[[Request], Any]:
    """A server's script in which an agent says its first line, then its second, and so on, and repeats its last.

    Which line it is follows from the request alone (how often the agent has spoken in it), so that the answer is the
    same whenever, and from whichever process, it is asked for.
    """

    def answer(request: Request) -> Any:
        system = " ".join(message["content"] for message in request["messages"] if message["role"] == "system")
        for phrase, part in parts.items():
            if phrase in system:
                return _as_answer(part(request) if callable(part) else part[min(times_spoken(request), len(part) - 1)])
        return HttpError(400, f"the stand-in has no part for the system message {system[:80]!r}")

    return answer


def times_spoken(request: Request) -> int:
    """How often the one who asks has spoken already."""
    return sum(message["role"] == "assistant" for message in request["messages"])


def last_text(request: Request) -> str:
    """What was said last."""
    return str(request["messages"][-1]["content"])


def tell(result: RunResult) -> None:
    """Print a run's messages and how it ended."""
    for message in result.messages:
        print(f"{message.sender:>12}  {message.text}")
    print(f"\n{result.status}: {result.stop_reason} (run {result.run_id}, {result.steps} steps, {result.usage.calls} model calls)\n")


def _as_answer(line: Any) -> Any:
    return line if isinstance(line, str | Answer | HttpError) else json.dumps(line)


def _serve(name: str) -> None:
    parts: Parts = importlib.import_module(name).PARTS
    with ScriptedServer(played(parts)) as server:
        print(f"export OPENAI_BASE_URL={server.base_url}", flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print("bye")


if __name__ == "__main__":
    _serve(sys.argv[1] if len(sys.argv) > 1 else "two_agents")
