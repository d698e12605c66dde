"""The lines of a script: as a file of cases has them, as a scripted model takes them, and as a journal's record gives them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

from convgraph import errors
from convgraph.errors import InputError, ModelError
from convgraph.messages import ToolCall, Usage
from convgraph.models.scripted import Line
from convgraph.protocols import ModelReply


def as_line(line: Any, place: str) -> Line:
    """A script's line as a scripted model takes it. Raises `InputError`."""
    if isinstance(line, str | ModelReply | Exception):
        return line
    if not isinstance(line, Mapping):
        raise InputError(f"{place}: a line is a text, or a mapping with content, json, tool_calls, usage or error, not {line!r:.80}")
    given = cast("Mapping[str, Any]", line)
    unknown = sorted(set(given) - {"content", "json", "tool_calls", "usage", "error"})
    if unknown or not given:
        raise InputError(f"{place}: {unknown or 'an empty mapping'} is no line; a line has content, json, tool_calls, usage or error")
    if "error" in given:
        return _error(given["error"], place)
    if "json" in given and "content" in given:
        raise InputError(f"{place}: a line has content or json, not both")
    content = json.dumps(given["json"], ensure_ascii=False) if "json" in given else given.get("content", "")
    calls = tuple(_call(call, number, place) for number, call in enumerate(cast("Sequence[Any]", given.get("tool_calls", ()))))
    usage = _usage(given["usage"], place) if "usage" in given else Usage(calls=1)
    return ModelReply(content, calls, usage, finish_reason="tool_calls" if calls else "stop")


def line_document(result: Mapping[str, Any], usage: Usage) -> Any:
    """A recorded model's answer as a script's line."""
    document: dict[str, Any] = {}
    if result.get("content"):
        document["content"] = result["content"]
    if result.get("tool_calls"):
        document["tool_calls"] = [{"id": call, "name": name, "arguments": _arguments(text)} for call, name, text in result["tool_calls"]]
    if usage.tokens or usage.usd:
        spent = {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens, "usd": usage.usd}
        document["usage"] = {key: value for key, value in spent.items() if value}
    return document.get("content", "") if set(document) <= {"content"} else document


def _arguments(text: str) -> Any:
    """A call's arguments as a value, where that says the same as their text; else the text."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if _as_text(value) == text else text


def _as_text(arguments: Any) -> str:
    return arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)


def _call(call: Any, number: int, place: str) -> ToolCall:
    if not isinstance(call, Mapping) or not isinstance(cast("Mapping[str, Any]", call).get("name"), str):
        raise InputError(f"{place}: a tool call is {{name: …, arguments: {{…}}}}, not {call!r:.80}")
    given = cast("Mapping[str, Any]", call)
    return ToolCall(str(given.get("id", f"call_{number + 1}")), given["name"], _as_text(given.get("arguments", {})))


def _usage(given: Any, place: str) -> Usage:
    try:
        return Usage(1, **given)
    except TypeError as error:
        raise InputError(f"{place}: usage is {{input_tokens: …, output_tokens: …, usd: …}}, not {given!r:.80}") from error


def _error(given: Any, place: str) -> ModelError:
    if not isinstance(given, Mapping):
        raise InputError(f"{place}: an error is {{type: ModelUnavailable, message: …}}, not {given!r:.80}")
    named = cast("Mapping[str, Any]", given)
    kind: Any = getattr(errors, str(named.get("type", "ModelError")), None)
    if not isinstance(kind, type) or not issubclass(kind, ModelError):
        raise InputError(
            f"{place}: {named.get('type')!r} is no error of a model; there are ModelError, ModelUnavailable, ModelOutputError …"
        )
    return kind(str(named.get("message", "")))
