"""Parameters that are known by a JSON Schema alone: those of tools that were not written in this program."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from convgraph.errors import DefinitionError, InputError
from convgraph.json_schema import check_schema, faults
from convgraph.tools.parameters import Parameters


@dataclass(frozen=True, eq=False, slots=True)
class SchemaParameters(Parameters):
    """What a tool takes by its schema. Arguments are checked against that, and handed on as they are."""

    def check(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments. Raises `InputError` that says everything that does not fit."""
        found = [f"{fault.path.lstrip('.') or 'they'}: {fault.what}" for fault in faults(dict(arguments), self.schema)]
        if found:
            raise InputError(f"the arguments do not fit: {'; '.join(found)}")
        return dict(arguments)


def schema_parameters(schema: Any, where: str) -> SchemaParameters:
    """The parameters that a schema describes. `where` names the tool in the `DefinitionError` for what is no schema of an object."""
    if not isinstance(schema, Mapping):
        raise DefinitionError(f"{where}: its parameters are described by a JSON schema, not by {schema!r:.100}")
    try:
        plain: dict[str, Any] = json.loads(json.dumps(schema))
        check_schema(plain)
    except (TypeError, ValueError, RecursionError, InputError) as error:
        raise DefinitionError(f"{where}: its parameters are described by no JSON schema that could be used: {error}") from error
    if plain.setdefault("type", "object") != "object":
        raise DefinitionError(f"{where}: a tool takes an object, and its schema describes {plain['type']!r:.100}")
    plain.setdefault("properties", {})
    required = cast("list[str]", plain.get("required", []))
    return SchemaParameters({}, tuple(required), plain, frozenset(), {})
