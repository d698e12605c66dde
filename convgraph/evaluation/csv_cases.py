"""Cases as CSV: a row a case; the columns are the case's fields, and what is expected."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from convgraph.errors import InputError
from convgraph.evaluation.case_documents import case_from, worded
from convgraph.evaluation.cases import Case, checked_cases
from convgraph.evaluation.cases_schema import json_schema
from convgraph.json_schema import faults

_PLAIN = ("contains", "lacks", "equals", "matches", "status", "stop_reason", "holds", "judge", "call")
_LISTED = ("edges", "not_edges")
_JSON = ("state", "schema")


def from_csv(text: str, path: Path) -> tuple[Case, ...]:
    """The cases in the text of a CSV file. Raises `InputError` with file and line."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[tuple[int, list[str]]] = []
    try:
        line = 1
        for row in reader:
            rows.append((line, row))
            line = reader.line_num + 1
    except csv.Error as error:
        raise InputError(f"{path}:{reader.line_num}: this is not CSV: {error}") from error
    rows = [(line, row) for line, row in rows if any(cell.strip() for cell in row)]
    if not rows:
        raise InputError(f"{path}: the file is empty; its first row names the columns: name, input, contains …")
    head = [column.strip() for column in rows[0][1]]
    _check_head(head, path)
    return tuple(checked_cases([_row(head, row, f"{path}:{line}") for line, row in rows[1:]]))


def _check_head(head: Sequence[str], path: Path) -> None:
    known = ("name", "input", "weight", "repeat", "tags", *_PLAIN, "path", *_LISTED, "expect.state", *_JSON)
    for column in head:
        if column not in known:
            raise InputError(f"{path}:1: the column {column!r} is not known; known are {', '.join(known)}")
        if head.count(column) > 1:
            raise InputError(f"{path}:1: the column {column!r} is there twice")
    if "name" not in head:
        raise InputError(f"{path}:1: there is no column 'name'")


def _row(head: Sequence[str], row: Sequence[str], where: str) -> Case:
    if len(row) > len(head):
        raise InputError(
            f"{where}: the row has {len(row)} cells, and there are {len(head)} columns; put a text that holds commas in quotes"
        )
    cells = {column: cell for column, cell in zip(head, row, strict=False) if cell != ""}
    document: dict[str, Any] = {key: cells[key] for key in ("name", "input") if key in cells}
    document |= {key: _number(cells[key], f"{where}: {key}") for key in ("weight", "repeat") if key in cells}
    expect: dict[str, Any] = {key: cells[key] for key in _PLAIN if key in cells}
    expect |= {key: [part.strip() for part in cells[key].split(";")] for key in _LISTED if key in cells}
    if "path" in cells:
        expect["path"] = [part.strip() for part in cells["path"].split("->")]
    if "schema" in cells:
        expect["schema"] = _value(cells["schema"], f"{where}: schema")
    if "expect.state" in cells:
        expect["state"] = _value(cells["expect.state"], f"{where}: expect.state")
    if "state" in cells:
        document["state"] = _value(cells["state"], f"{where}: state")
    if "tags" in cells:
        document["tags"] = cells["tags"].split()
    whole = {**document, "expect": expect}
    found = faults({"cases": [whole]}, json_schema())
    if found:
        raise InputError("\n".join(f"{where}: {worded(fault, {'cases': [whole]})}" for fault in found))
    return case_from(whole, where)


def _number(cell: str, where: str) -> float:
    try:
        value = float(cell)
    except ValueError as error:
        raise InputError(f"{where} is a number, not {cell!r:.80}") from error
    return int(value) if value.is_integer() else value


def _value(cell: str, where: str) -> Any:
    try:
        return json.loads(cell)
    except (ValueError, RecursionError) as error:
        raise InputError(f'{where} is JSON such as {{"order": "1042"}}, not {cell!r:.80}') from error
