"""`python -m convgraph.testing`: a scripted endpoint to try things with, run by hand until Ctrl-C."""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from convgraph.testing.server import ScriptedServer


def main(arguments: list[str] | None = None) -> int:
    """Serve until interrupted. Returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m convgraph.testing", description="An OpenAI-compatible endpoint that answers from a script."
    )
    parser.add_argument("--port", type=int, default=8642, help="the port to listen on (0: a free one)")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")
    parser.add_argument(
        "--replies", type=Path, help="a JSON list of answers, given in order and then again from the start; without it: an echo"
    )
    options = parser.parse_args(arguments)
    script = echo if options.replies is None else _in_turn(json.loads(options.replies.read_text(encoding="utf-8")))
    with ScriptedServer(script, latency=options.latency, port=options.port) as server:
        sys.stdout.write(f"OPENAI_BASE_URL={server.base_url}\n")
        sys.stdout.flush()
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            return 0
    return 0


def echo(request: dict[str, Any]) -> str:
    """Say the last message again; to a schema with choices (as a selector sends), take the first."""
    text: Any = request.get("text") or {}
    format_: Any = request.get("response_format") or text.get("format") or {}
    if format_.get("type") == "json_schema":
        return json.dumps(smallest((format_.get("json_schema") or format_)["schema"]))
    said: Any = request.get("messages") or request.get("input") or ""
    last: Any = said if isinstance(said, str) else said[-1]
    content = last if isinstance(last, str) else last.get("content")
    return f"You said: {content if isinstance(content, str) else json.dumps(content)}"


def smallest(schema: dict[str, Any]) -> Any:
    """A small value that fits a plain JSON schema."""
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    if "anyOf" in schema:
        return smallest(schema["anyOf"][0])
    if schema.get("type") == "object":
        return {name: smallest(schema["properties"][name]) for name in schema.get("required", ())}
    blank: dict[str, Any] = {"string": "text", "integer": 1, "number": 1.0, "boolean": True, "array": []}
    return blank.get(schema.get("type", "null"))


def _in_turn(lines: list[Any]) -> Callable[[dict[str, Any]], Any]:
    turns = itertools.cycle(lines)

    def next_line(_request: dict[str, Any]) -> Any:
        return next(turns)

    return next_line


if __name__ == "__main__":
    sys.exit(main())
