"""The conversation's typed state: its schema, how an update is validated, and how shared keys are merged."""

from __future__ import annotations

import copy
import importlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

from pydantic import BaseModel, ValidationError

from convgraph.errors import DefinitionError, InputError
from convgraph.messages import check_json

Reduce: TypeAlias = Callable[[Any, Any], Any]

_TYPES: Mapping[str, type] = {
    "string": str,
    "integer": int,
    "number": float,
    "boolean": bool,
    "array": list,
    "object": dict,
}


@dataclass(frozen=True, slots=True)
class Reducer:
    """Marks a state field that several writers share: `Annotated[list[str], Reducer(operator.add)]`.

    `merge(old, new)` gives the field's new value. Without one, the last write wins, and two branches of a
    parallel group that write the same field are an error.
    """

    merge: Reduce


class StateSchema:
    """What a conversation's state looks like, and the one way in which it changes.

    Built from a pydantic model class, or from a mapping of field names to small JSON schemas
    (`{"score": {"type": "number", "default": 0}}`), which is how a YAML definition declares it.
    """

    __slots__ = ("fields", "model", "reducers", "source")

    def __init__(self, model: type[BaseModel], source: Mapping[str, Any] | None = None) -> None:
        self.model = model
        self.source = source
        self.fields = frozenset(model.model_fields)
        self.reducers: Mapping[str, Reduce] = {
            name: reduce for name, field in model.model_fields.items() if (reduce := _reducer(field.metadata)) is not None
        }

    @classmethod
    def of(cls, declared: Any, where: str) -> StateSchema:
        """The schema for what a user declared: a model class, a mapping of fields, or a schema."""
        if isinstance(declared, StateSchema):
            return declared
        if inspect.isclass(declared) and issubclass(declared, BaseModel):
            return cls(declared)
        if isinstance(declared, Mapping):
            return cls(_model_from_fields(cast("Mapping[str, Any]", declared), where), source=dict(cast("Mapping[str, Any]", declared)))
        raise DefinitionError(
            f"{where}: state= takes a pydantic model class or a mapping of field names to JSON schemas, not {declared!r:.100}"
        )

    def initial(self, values: Any = None) -> BaseModel:
        """The state that a run starts with. Raises `InputError` naming each field that does not fit."""
        if isinstance(values, self.model):
            return values.model_copy(deep=True)
        if isinstance(values, BaseModel):
            values = values.model_dump()
        if values is not None and not isinstance(values, Mapping):
            raise InputError(f"state= takes a {self.model.__name__} or a mapping of its fields, not {values!r:.100}")
        return self._validated(dict(cast("Mapping[str, Any]", values or {})), "the initial state")

    def check_fields(self, values: Mapping[str, Any]) -> None:
        """Raise `InputError` for a field that the state does not have; validation alone would pass over it."""
        aliases = {alias for info in self.model.model_fields.values() if isinstance(alias := info.validation_alias, str)}
        unknown = sorted(str(key) for key in values if key not in self.fields and key not in aliases)
        if unknown and self.model.model_config.get("extra") != "allow":
            raise InputError(f"the initial state has {unknown}, but the state has only {sorted(self.fields)}")

    def check_update(self, update: Any, where: str) -> dict[str, Any]:
        """The update as a plain dict, if each of its keys is a field. Raises `InputError` otherwise."""
        if not isinstance(update, Mapping):
            raise InputError(f"{where}: an update is a mapping of state fields to values, not {update!r:.100}")
        update = cast("Mapping[str, Any]", update)
        unknown = sorted(str(key) for key in update if key not in self.fields)
        if unknown:
            raise InputError(f"{where}: the update writes {unknown}, but the state has only {sorted(self.fields)}")
        return dict(update)

    def to_json(self, update: dict[str, Any], where: str) -> dict[str, Any]:
        """The update as JSON values: what is journaled, and what is applied. Raises `InputError` for what has no JSON form."""
        from pydantic_core import PydanticSerializationError, to_jsonable_python

        try:
            values = to_jsonable_python(update)
        except (PydanticSerializationError, ValueError) as error:
            raise InputError(f"{where}: the update has no JSON form: {error}") from error
        check_json(values, f"{where}: the update")
        return values

    def apply(self, state: BaseModel, update: Mapping[str, Any], where: str) -> BaseModel:
        """The state after `update`: reducers merge shared fields, and the whole is validated."""
        changed = {
            key: reduce(getattr(state, key), value) if (reduce := self.reducers.get(key)) else value for key, value in update.items()
        }
        current = {name: getattr(state, name) for name in self.fields}
        return self._validated({**current, **changed}, where)

    def dump(self, state: BaseModel, fields: frozenset[str] | None = None) -> dict[str, Any]:
        """The state (or just `fields` of it) as plain JSON values, which is what guards see."""
        return state.model_dump(mode="json", include=set(fields) if fields is not None else None)

    def document(self) -> dict[str, Any]:
        """The state's schema as JSON, for the canonical definition."""
        if self.source is not None:
            return {"fields": dict(self.source)}
        return {"python": f"{self.model.__module__}:{self.model.__qualname__}", "schema": self.model.model_json_schema()}

    def _validated(self, values: dict[str, Any], where: str) -> BaseModel:
        try:
            return self.model.model_validate(values, by_alias=True, by_name=True)
        except ValidationError as error:
            problems = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'state'}: {e['msg']}" for e in error.errors())
            raise InputError(f"{where} does not fit {self.model.__name__}: {problems}") from error


def _reducer(metadata: list[Any]) -> Reduce | None:
    """The reducer among an `Annotated` field's metadata: a `Reducer`, or a bare two-argument callable as LangGraph has it."""
    for item in metadata:
        if isinstance(item, Reducer):
            return item.merge
        if callable(item) and not inspect.isclass(item) and not hasattr(item, "__get_pydantic_core_schema__"):
            return item
    return None


def _model_from_fields(fields: Mapping[str, Any], where: str) -> type[BaseModel]:
    from pydantic import ConfigDict, Field, create_model  # most graphs have no such state, and need not load what makes models

    definitions: dict[str, Any] = {}
    for name, given in fields.items():
        schema: Mapping[str, Any] = cast("Mapping[str, Any]", given) if isinstance(given, Mapping) else {}
        kind = schema.get("type")
        if kind not in _TYPES:
            raise DefinitionError(f"{where}: state field {name!r} needs a 'type' out of {sorted(_TYPES)}, not {given!r:.100}")
        reduce = schema.get("reduce")
        if reduce not in (None, "append", "sum", "merge"):
            raise DefinitionError(f"{where}: state field {name!r}: 'reduce' is append, sum or merge, not {reduce!r}")
        python: Any = _TYPES[str(kind)]
        merge = {"append": _append, "sum": _sum, "merge": _merge}.get(reduce or "")
        if merge is not None:
            from typing import Annotated

            python = Annotated[python, Reducer(merge)]
        if "default" in schema:
            default = schema["default"]
            definitions[name] = (python, Field(default_factory=lambda value=default: _copied(value)))
        else:
            definitions[name] = (python, ...)
    return create_model("State", __config__=ConfigDict(extra="forbid"), **definitions)


def _append(old: Any, new: Any) -> Any:
    return [*old, *(new if isinstance(new, list) else [new])]


def _sum(old: Any, new: Any) -> Any:
    return old + new


def _merge(old: Any, new: Any) -> Any:
    return {**old, **new}


def _copied(value: Any) -> Any:
    return copy.copy(value)


def load_model(path: str, allowed: frozenset[str], where: str) -> type[BaseModel]:
    """The pydantic class at `module:Name`, imported only from modules in `allowed`."""
    found = load_object(path, allowed, where)
    if not (inspect.isclass(found) and issubclass(found, BaseModel)):
        raise DefinitionError(f"{where}: {path!r} is not a pydantic model class")
    return found


def load_object(path: str, allowed: frozenset[str], where: str) -> Any:
    """The object at `module:name`, imported only when the caller has allowed the module (or a parent package)."""
    module, _, name = path.partition(":")
    if not name:
        raise DefinitionError(f"{where}: {path!r} is not of the form 'package.module:name'")
    if not any(module == root or module.startswith(f"{root}.") for root in allowed):
        raise DefinitionError(
            f"{where}: {path!r} may not be imported; pass allow=[{module!r}] if you trust it (allowed now: {sorted(allowed) or 'nothing'})"
        )
    try:
        found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except Exception as error:  # whatever the module does when it is imported
        raise DefinitionError(f"{where}: {path!r} cannot be imported: {type(error).__name__}: {error}") from error
    return found
