"""Options that several commands share, and the values behind them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, cast

import typer

from convgraph.errors import InputError

if TYPE_CHECKING:
    from convgraph.graph.definition import Limits

DEFAULT_STORE = "runs.db"

Target: TypeAlias = Annotated[str, typer.Argument(help="The graph: file.py:name, package.module:name or graph.yaml.", metavar="TARGET")]
RunId: TypeAlias = Annotated[str, typer.Argument(help="The run's id.", metavar="RUN_ID")]
StoreUrl: TypeAlias = Annotated[
    str, typer.Option("--store", envvar="CONVGRAPH_STORE", metavar="URL", help="Where runs are kept: a file or sqlite:///file.")
]
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line, and nothing else.")]
Graph: TypeAlias = Annotated[str | None, typer.Option("--graph", metavar="TARGET", help="The graph, where it is not the recorded one.")]
Allow: TypeAlias = Annotated[
    list[str] | None, typer.Option("--allow", metavar="MODULE", help="A module from which a YAML graph may import (repeatable).")
]
Labels: TypeAlias = Annotated[list[str] | None, typer.Option("--label", metavar="LABEL", help="Label the run, to find it by (repeatable).")]
NoInput: TypeAlias = Annotated[bool, typer.Option("--no-input", help="Ask nobody at the terminal: a question lets the run wait.")]
MaxTurns: TypeAlias = Annotated[int | None, typer.Option("--max-turns", metavar="N", help="Limit: turns.")]
MaxSeconds: TypeAlias = Annotated[float | None, typer.Option("--max-seconds", metavar="S", help="Limit: seconds of running.")]
MaxTokens: TypeAlias = Annotated[int | None, typer.Option("--max-tokens", metavar="N", help="Limit: tokens of all model calls.")]
MaxUsd: TypeAlias = Annotated[float | None, typer.Option("--max-usd", metavar="USD", help="Limit: US dollars.")]


def limits_with(base: Limits, turns: int | None, seconds: float | None, tokens: int | None, usd: float | None) -> Limits | None:
    """The limits `base` with what was asked for instead; None where nothing was. Raises `DefinitionError` for a bad number."""
    from dataclasses import replace

    wanted = {"turns": turns, "seconds": seconds, "tokens": tokens, "usd": usd}
    changes: dict[str, Any] = {name: value for name, value in wanted.items() if value is not None}
    return replace(base, **changes) if changes else None


def json_object(text: str | None, option: str) -> dict[str, Any] | None:
    """The JSON object in an option's text, or in the file that `@file` names."""
    if text is None:
        return None
    try:
        value: Any = json.loads(Path(text[1:]).read_text(encoding="utf-8") if text.startswith("@") else text)
    except OSError as error:
        raise InputError(f"{option} {text!r}: the file cannot be read: {error}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{option} {text!r:.80}: this is not JSON: {error}") from error
    if isinstance(value, dict):
        return cast(dict[str, Any], value)
    raise InputError(f"{option} takes a JSON object such as '{{\"score\": 1}}', not {text!r:.80}")


def pairs(texts: list[str] | None, option: str) -> Mapping[str, str]:
    """`NAME=VALUE` options as a mapping. Raises `InputError` for one without a name, or for a name that is there twice."""
    found: dict[str, str] = {}
    for text in texts or ():
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise InputError(f"{option} takes NAME=VALUE, not {text!r}")
        if name in found:
            raise InputError(f"{option} names {name!r} twice")
        found[name] = value
    return found


def numbers(texts: list[str] | None, option: str) -> Mapping[str, float]:
    """`NAME=NUMBER` options as a mapping. A name may itself hold `=`."""
    found: dict[str, float] = {}
    for text in texts or ():
        name, _, value = text.rpartition("=")
        try:
            found[name] = float(value)
        except ValueError:
            name = ""
        if not name:
            raise InputError(f"{option} takes NAME=NUMBER, not {text!r}")
    return found


def truths(texts: list[str] | None, option: str) -> Mapping[str, bool]:
    """`NAME=true` and `NAME=false` options as a mapping. A name may itself hold `=`."""
    found: dict[str, bool] = {}
    for text in texts or ():
        name, _, value = text.rpartition("=")
        if not name or value not in ("true", "false"):
            raise InputError(f"{option} takes NAME=true or NAME=false, not {text!r}")
        found[name] = value == "true"
    return found


def seconds(text: str | None, option: str) -> float | None:
    """A span of time such as `90s`, `30m`, `12h` or `7d`, in seconds."""
    if text is None:
        return None
    unit = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}.get(text[-1:])
    try:
        span = float(text[:-1]) * unit if unit else -1.0
    except ValueError:
        span = -1.0
    if span < 0 or span == float("inf") or span != span:
        raise InputError(f"{option} takes a span such as 90s, 30m, 12h, 7d or 2w, not {text!r}")
    return span
