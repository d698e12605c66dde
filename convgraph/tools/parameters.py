"""A function's parameters as a model sees them: a JSON schema, and the check of what it sends."""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Annotated, Any, cast, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticSerializationError, to_jsonable_python

from convgraph.errors import DefinitionError, InputError
from convgraph.tools.docstrings import read_docstring

GIVEN = ("ctx", "deps", "idempotency_key")
"""Parameters that the turn fills, by their names; the model never sees them."""


@dataclass(frozen=True, slots=True)
class Injected:
    """Marks a parameter that is taken from `run(deps=…)`: `db: Annotated[Database, Injected()]` is given `deps.db` (or `deps["db"]`).

    `name` is what it is called there, where that is not the parameter's name.
    """

    name: str = ""


@dataclass(frozen=True, eq=False, slots=True)
class Parameters:
    """What a tool takes: from the model (`adapters` check it, `schema` tells it), from the turn (`given`) and from deps (`injected`).

    With `takes_any`, arguments of other names are handed on as they are.
    """

    adapters: Mapping[str, TypeAdapter[Any]]
    required: tuple[str, ...]
    schema: Mapping[str, Any]
    given: frozenset[str]
    injected: Mapping[str, str]
    takes_any: bool = False

    def parse(self, text: str) -> dict[str, Any]:
        """The arguments in a model's JSON text, not yet checked. Raises `InputError` for what is no JSON object.

        Line breaks and tabs inside strings are taken as they are, though JSON forbids them; no text at all is no argument.
        """
        try:
            arguments = json.loads(text or "{}", strict=False)
        except (ValueError, RecursionError) as error:
            raise InputError(f"the arguments are not valid JSON: {error}") from error
        if arguments is None:
            return {}
        if not isinstance(arguments, dict):
            raise InputError(f"the arguments are to be a JSON object, not {text:.100}")
        return cast("dict[str, Any]", arguments)

    def check(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The values that the function is called with. Raises `InputError` that says everything that does not fit."""
        values: dict[str, Any] = {}
        faults = [f"{name}: is required" for name in self.required if name not in arguments]
        for name, argument in arguments.items():
            adapter = self.adapters.get(name)
            if adapter is None and self.takes_any:
                values[name] = argument
                continue
            if adapter is None:
                faults.append(f"{name}: there is no such parameter (there are: {', '.join(self.adapters) or 'none'})")
                continue
            try:
                values[name] = adapter.validate_json(json.dumps(argument))
            except ValidationError as error:
                faults += [": ".join([_place(name, fault["loc"]), fault["msg"]]) for fault in error.errors(include_url=False)]
            except Exception as error:  # noqa: BLE001  # a validator of the caller's own type may raise anything
                faults.append(f"{name}: {type(error).__name__}: {error}")
        if faults:
            raise InputError(f"the arguments do not fit: {'; '.join(faults)}")
        return values


def read_parameters(fn: Callable[..., Any], where: str) -> Parameters:
    """The parameters of `fn`. `where` names it in errors. Raises `DefinitionError` for one that cannot be told to a model."""
    signature = _signature(fn, where)
    fixed = _set_by_partial(fn)
    visible = [parameter for parameter in signature.parameters.values() if parameter.name not in GIVEN and parameter.name not in fixed]
    hints = _hints(fn, visible, where)
    injected = {name: marker.name or name for name, hint in hints.items() if (marker := _injected(hint)) is not None}
    visible = [parameter for parameter in visible if parameter.name not in injected]
    texts = read_docstring(docstring_of(fn)).parameters
    adapters = {parameter.name: _adapter(parameter, hints[parameter.name], where) for parameter in visible}
    required = tuple(parameter.name for parameter in visible if parameter.default is inspect.Parameter.empty)
    schema = _schema(visible, hints, adapters, texts, required, where)
    return Parameters(adapters, required, schema, frozenset(signature.parameters) & frozenset(GIVEN) - fixed, injected)


def _signature(fn: Callable[..., Any], where: str) -> inspect.Signature:
    try:
        signature = inspect.signature(fn)
    except (TypeError, ValueError) as error:
        raise DefinitionError(f"{where}: it has no signature that could be read: {error}; wrap it in a function of your own") from error
    for parameter in signature.parameters.values():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise DefinitionError(f"{where}: parameter '{parameter}' cannot be given by name, and a model gives arguments by name only")
        if isinstance(parameter.default, FieldInfo):
            raise DefinitionError(
                f"{where}: parameter {parameter.name!r} has a Field as its default; write Annotated[T, Field(…)] = default"
            )
    return signature


def _hints(fn: Callable[..., Any], parameters: list[inspect.Parameter], where: str) -> dict[str, Any]:
    """The annotations as types. Only those of the parameters asked for are looked at: others may be there for type checkers alone."""
    for parameter in parameters:
        if parameter.annotation is inspect.Parameter.empty:
            raise DefinitionError(f"{where}: parameter {parameter.name!r} has no annotation; a model has to be told what it takes")
    annotations = {parameter.name: parameter.annotation for parameter in parameters}
    try:
        return get_type_hints(
            cast(Any, SimpleNamespace(__annotations__=annotations)), globalns=getattr(plain(fn), "__globals__", {}), include_extras=True
        )
    except Exception as error:  # an annotation is an expression and may raise anything
        raise DefinitionError(
            f"{where}: its annotations cannot be read: {type(error).__name__}: {error}; the types are to be there when the tool is made"
        ) from error


def plain(fn: Callable[..., Any]) -> Callable[..., Any]:
    """The function that is in the end called: inside a partial, a decorator, a method, or an object's `__call__`."""
    while isinstance(fn, functools.partial):
        fn = cast("functools.partial[Any]", fn).func
    fn = inspect.unwrap(fn)
    fn = getattr(fn, "__func__", fn)
    return fn if inspect.isroutine(fn) or inspect.isclass(fn) else getattr(type(fn), "__call__", fn)  # noqa: B004


def docstring_of(fn: Callable[..., Any]) -> str | None:
    """The docstring of `fn`; of what is called inside it where it has none of its own."""
    inner = inspect.getdoc(plain(fn))
    return inner if isinstance(fn, functools.partial) else inspect.getdoc(fn) or inner


def _set_by_partial(fn: Any) -> frozenset[str]:
    """The parameters that a partial has set: they are not the model's to set."""
    return frozenset(fn.keywords) if isinstance(fn, functools.partial) else frozenset()


def _injected(hint: Any) -> Injected | None:
    if get_origin(hint) is not Annotated:
        return None
    for marker in get_args(hint)[1:]:
        if isinstance(marker, Injected):
            return marker
        if marker is Injected:
            return Injected()
    return None


def _adapter(parameter: inspect.Parameter, hint: Any, where: str) -> TypeAdapter[Any]:
    try:
        return TypeAdapter(hint)
    except Exception as error:  # pydantic raises several kinds for a type it cannot check
        raise DefinitionError(f"{where}: parameter {parameter.name!r} has a type that cannot be checked: {error}") from error


def _schema(
    parameters: list[inspect.Parameter],
    hints: Mapping[str, Any],
    adapters: Mapping[str, TypeAdapter[Any]],
    texts: Mapping[str, str],
    required: tuple[str, ...],
    where: str,
) -> dict[str, Any]:
    try:
        found, shared = TypeAdapter.json_schemas([(name, "validation", adapter) for name, adapter in adapters.items()])
    except Exception as error:  # pydantic raises several kinds for a type it cannot describe
        raise DefinitionError(f"{where}: a parameter has no JSON schema: {error}") from error
    properties: dict[str, Any] = {}
    for parameter in parameters:
        name = parameter.name
        described: dict[str, Any] = dict(found[name, "validation"])
        text = _text(hints[name]) or texts.get(name)
        if text and "description" not in described:
            described["description"] = text
        if parameter.default is not inspect.Parameter.empty:
            described.update(_default(parameter.default))
        properties[name] = described
    schema: dict[str, Any] = {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}
    return {**schema, "$defs": shared["$defs"]} if "$defs" in shared else schema


def _text(hint: Any) -> str:
    """The text in `Annotated[T, "text"]`."""
    if get_origin(hint) is not Annotated:
        return ""
    return next((marker for marker in get_args(hint)[1:] if isinstance(marker, str)), "")


def _default(value: Any) -> dict[str, Any]:
    """The default, where JSON can say it."""
    try:
        return {"default": json.loads(json.dumps(to_jsonable_python(value), allow_nan=False))}
    except (PydanticSerializationError, TypeError, ValueError, RecursionError):
        return {}


def _place(name: str, location: tuple[int | str, ...]) -> str:
    return name + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
