"""From what a document says of an agent (a prompt, a model, tools, code, a person) to what its class is called with."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, TypeAlias, cast

from convgraph.content_parts import names_images
from convgraph.errors import DefinitionError
from convgraph.loading.allowed import callable_at, function_in
from convgraph.loading.keys import check_keys, checked_text
from convgraph.loading.models import model_of

_CODE = ("reply_functions", "hooks", "vision", "pictures")
_OPTIONS_OF_A_TOOL = ("idempotent", "timeout", "approval")


def agent_options(detail: Mapping[str, Any], allowed: frozenset[str], place: str) -> dict[str, Any]:
    """What the agent's class is called with. Functions are imported from modules in `allowed` only.

    Raises `DefinitionError` naming the place in the document, also for what was registered on an agent: that is in none.
    """
    for key in _CODE:
        if key in detail:
            raise DefinitionError(
                f"{place}.{key}: what was added to an agent ({detail[key]!r:.200}) is in no document; pass the agent as speakers="
            )
    check_keys(detail, ("type", *PARTS), place)
    if detail["type"] == "MultimodalConversableAgent" and names_images(str(detail.get("system_message", ""))):
        raise DefinitionError(f"{place}.system_message: it names a picture, and a document has no file read; pass the agent as speakers=")
    options: dict[str, Any] = {}
    for key, value in detail.items():
        if key != "type":
            options |= PARTS[key](value, allowed, f"{place}.{key}")
    return _of_assistant(options, place) if detail["type"] == "GPTAssistantAgent" else options


def _of_assistant(options: dict[str, Any], place: str) -> dict[str, Any]:
    """The options as a `GPTAssistantAgent` takes them: it has instructions, and runs nothing for others."""
    for key, part in (("function_map", "executes"), ("code_execution_config", "code_execution")):
        if key in options:
            raise DefinitionError(f"{place}.{part}: a GPTAssistantAgent has no such thing; give it to another agent")
    return {"instructions" if key == "system_message" else key: value for key, value in options.items()}


_Part: TypeAlias = Callable[[Any, frozenset[str], str], dict[str, Any]]


def _as_it_is(name: str) -> _Part:
    """What the agent checks itself."""
    return lambda value, _, __: {name: value}


def _system_message(value: Any, _: frozenset[str], place: str) -> dict[str, Any]:
    return {"system_message": checked_text(value, place)}


def _model(value: Any, _: frozenset[str], place: str) -> dict[str, Any]:
    return {"llm_config": False} if value is None else {"model": model_of(value, place)}


def _default_auto_reply(value: Any, _: frozenset[str], place: str) -> dict[str, Any]:
    return {"default_auto_reply": None if value is None else checked_text(value, place)}


def _is_termination_msg(value: Any, allowed: frozenset[str], place: str) -> dict[str, Any]:
    return {"is_termination_msg": function_in(value, allowed, place)}


def _response_format(value: Any, _: frozenset[str], place: str) -> dict[str, Any]:
    """The schema under its name, in the shape that an agent takes from a pydantic class."""
    if isinstance(value, Mapping) and "type" not in value:
        named = cast(Mapping[str, Any], value)
        if isinstance(named.get("name"), str) and isinstance(named.get("schema"), Mapping):
            return {"response_format": SimpleNamespace(__name__=named["name"], model_json_schema=lambda: dict(named["schema"]))}
    raise DefinitionError(f"{place}: it is {{name: …, schema: a JSON schema}}, not {value!r:.80}")


def _code_execution(value: Any, _: frozenset[str], place: str) -> dict[str, Any]:
    if value is None:
        return {"code_execution_config": False}
    if not isinstance(value, Mapping):
        raise DefinitionError(f"{place}: it is an executor, such as {{type: LocalCommandLineCodeExecutor, timeout: 60}}, not {value!r:.80}")
    from convgraph.coding.choice import executor_described

    described = dict(cast("Mapping[str, Any]", value))
    ours = {key: described.pop(key) for key in ("last_n_messages", "pictures", "approve") if key in described}
    try:
        executor = executor_described(described)
    except DefinitionError as error:
        raise DefinitionError(f"{place}: {error}") from error
    return {"code_execution_config": {"executor": executor, **ours}}


def _tools(value: Any, allowed: frozenset[str], place: str) -> dict[str, Any]:
    """Tools with a `call` are the agent's own; of the others its model is told, and somebody else carries them out."""
    listed = _mappings(value, place)
    _check_none_from_elsewhere(listed, place)
    return {"tools": [_tool(one, allowed, f"{place}[{index}]") if "call" in one else one for index, one in enumerate(listed)]}


def _tool(described: Mapping[str, Any], allowed: frozenset[str], place: str) -> Any:
    from convgraph.tools import tool

    check_keys(described, ("type", "function", "call", *_OPTIONS_OF_A_TOOL), place)
    function = described.get("function")
    told: Mapping[str, Any] = cast("Mapping[str, Any]", function) if isinstance(function, Mapping) else {}
    named: dict[str, Any] = {key: told[key] for key in ("name", "description") if key in told}
    fn = _unwrapped(callable_at(checked_text(described["call"], f"{place}.call"), allowed, f"{place}.call"))
    made = tool(fn, **named, **_options(described, allowed, place))
    if function is not None and made.schema()["function"] != function:
        raise DefinitionError(
            f"{place}: {described['call']!r} is not what the document tells a model of it; leave 'function' out, or mend it"
        )
    return made


def _executes(value: Any, allowed: frozenset[str], place: str) -> dict[str, Any]:
    from convgraph.tools.untyped import untyped_tool

    functions: dict[str, Any] = {}
    listed = _mappings(value, place)
    _check_none_from_elsewhere(listed, place)
    for index, one in enumerate(listed):
        where = f"{place}[{index}]"
        check_keys(one, ("type", "name", "call", *_OPTIONS_OF_A_TOOL), where)
        name = checked_text(one.get("name"), f"{where}.name")
        made = untyped_tool(_unwrapped(function_in(one, allowed, where)), name)
        functions[name] = dataclasses.replace(made, **_options(one, allowed, where))
    return {"function_map": functions}


def _check_none_from_elsewhere(listed: Sequence[Mapping[str, Any]], place: str) -> None:
    """Raise `DefinitionError` for a tool of a server, or of another library: loading a document connects to nothing."""
    for index, one in enumerate(listed):
        if "source" in one:
            raise DefinitionError(
                f"{place}[{index}]: the tool comes from {one['source']!r:.100}, which is in no document; pass the agent as speakers="
            )


def _options(described: Mapping[str, Any], allowed: frozenset[str], place: str) -> dict[str, Any]:
    options: dict[str, Any] = {key: described[key] for key in _OPTIONS_OF_A_TOOL if key in described}
    if isinstance(options.get("approval"), Mapping):
        options["approval"] = function_in(options["approval"], allowed, f"{place}.approval")
    return options


def _unwrapped(found: Any) -> Callable[..., Any]:
    """The function; where `@tool` stands above it, what is found is the tool."""
    from convgraph.tools import Tool

    return found.fn if isinstance(found, Tool) else found


def _mappings(value: Any, place: str) -> list[Mapping[str, Any]]:
    if isinstance(value, list) and all(isinstance(item, Mapping) for item in cast(list[Any], value)):
        return cast(list[Mapping[str, Any]], value)
    raise DefinitionError(f"{place}: {value!r:.80} is not a list of functions")


PARTS: Mapping[str, _Part] = {
    "system_message": _system_message,
    "model": _model,
    "default_auto_reply": _default_auto_reply,
    "tools": _tools,
    "executes": _executes,
    "response_format": _response_format,
    "code_execution": _code_execution,
    "max_consecutive_auto_reply": _as_it_is("max_consecutive_auto_reply"),
    "human_input_mode": _as_it_is("human_input_mode"),
    "is_termination_msg": _is_termination_msg,
}
"""What a document may say of an agent, and what the agent's class is given for it."""
