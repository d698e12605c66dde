"""From what a file says of a case to the case; and what is wrong there, in words that name it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, cast

from convgraph.errors import DefinitionError, InputError
from convgraph.evaluation.cases import Case
from convgraph.graph.definition import Limits
from convgraph.json_schema import Fault


def case_from(document: Mapping[str, Any], where: str) -> Case:
    """The case that a document, which fits the schema, describes. Raises `InputError` that begins with `where`."""
    given = dict(document)
    try:
        limits = Limits(**given.pop("limits")) if "limits" in given else None
    except DefinitionError as error:
        raise InputError(f"{where}: {error}") from error
    fields: dict[str, Any] = {**given, "tags": tuple(given.get("tags", ())), "limits": limits, "where": where}
    return Case(**fields)


def worded(fault: Fault, document: Any) -> str:
    """The fault with the name of its case, where it has one."""
    found = re.match(r"\.cases\[(\d+)\]", fault.path)
    if found is None:
        return f"{fault.path.lstrip('.')} {fault.what}".strip()
    case: Any = document["cases"][int(found[1])]
    name: Any = cast("Mapping[str, Any]", case).get("name") if isinstance(case, Mapping) else None
    rest = fault.path[found.end() :].lstrip(".")
    return f"case {name!r}: {f'{rest}: ' if rest else ''}{fault.what}" if name else f"case {int(found[1]) + 1}: {rest} {fault.what}"
