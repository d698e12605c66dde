"""Plain data that a journal keeps: what is said, and what happens. Immutable, compared by its fields, cheap to make and to write.

A run makes several of these in every step, and a resume reads them all: as frozen dataclasses they took more time to be made
than the step to be decided. The classes are msgspec's; `replaced` is to them what `dataclasses.replace` is to a dataclass.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import msgspec
from pydantic_core import SchemaSerializer, core_schema

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler

P = TypeVar("P", bound="PlainData")

fresh = msgspec.field
"""A field whose default is made anew each time: `fresh(default_factory=…)`."""


_written = core_schema.plain_serializer_function_ser_schema(msgspec.to_builtins)


class PlainData(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Written without what is at its default. Holds JSON and its like: nothing that leads back to it, so the collector may pass it over."""

    __pydantic_serializer__: ClassVar[SchemaSerializer] = SchemaSerializer(core_schema.any_schema(serialization=_written))
    """So that pydantic writes it wherever it comes across it."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> Any:
        """So that a pydantic model (a conversation's state, say) can have it as a field."""
        return core_schema.no_info_plain_validator_function(lambda value: _read(cls, value), serialization=_written)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "object", "title": cls.__name__}


def replaced(data: P, /, **changes: Any) -> P:
    """The same with other values in some of its fields. Raises `TypeError` for a field that it has not."""
    return msgspec.structs.replace(data, **changes)


def _read(kind: type[P], value: Any) -> P:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from None
