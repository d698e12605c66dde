"""Files of cases: YAML, JSON or CSV, read strictly, with the line of what is wrong."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from convgraph.errors import DefinitionError, InputError
from convgraph.evaluation.cases import Case, checked_cases
from convgraph.evaluation.cases_schema import json_schema
from convgraph.graph.definition import Limits
from convgraph.json_schema import Fault, faults

if TYPE_CHECKING:
    from yaml import Node

KINDS = (".yaml", ".yml", ".json", ".csv")
_TARGET_FILE = re.compile(r".+\.(?:py(?::[^:]*)?|ya?ml|json)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class CaseFile:
    """A file of cases: the cases, and the graph, the judge and the number of repetitions where it names them.

    `graph` is a target, with a file's name made to lead there from the current directory; `judge` describes a model.
    """

    path: Path
    cases: tuple[Case, ...]
    graph: str | None = None
    judge: Any = None
    repeat: int | None = None


def read_cases(path: str | Path) -> CaseFile:
    """The cases in a file. Raises `InputError` with file and line for what cannot be read, is not known, or is not of its kind."""
    path = Path(path)
    if path.suffix.lower() not in KINDS:
        raise InputError(f"{str(path)!r}: a file of cases is one of {', '.join(KINDS)}")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{str(path)!r} cannot be read: {error}") from error
    return from_text(text, path)


def from_text(text: str, path: Path) -> CaseFile:
    """The cases in the text of a file of that name."""
    if path.suffix.lower() == ".csv":
        return _from_csv(text, path)
    document, places = _parsed(text, path)
    found = faults(document, json_schema())
    if found:
        lines = [f"{path}:{places.line(fault.path)}: {_worded(fault, document)}" for fault in found[:10]]
        more = [f"… and {len(found) - 10} more"] if len(found) > 10 else []
        raise InputError("\n".join([*lines, *more]))
    cases = [_case(each, f"{path}:{places.line(f'.cases[{number}]')}") for number, each in enumerate(document["cases"])]
    return CaseFile(path, tuple(checked_cases(cases)), _target(document.get("graph"), path), document.get("judge"), document.get("repeat"))


def _case(document: Mapping[str, Any], where: str) -> Case:
    given = dict(document)
    try:
        limits = Limits(**given.pop("limits")) if "limits" in given else None
    except DefinitionError as error:
        raise InputError(f"{where}: {error}") from error
    fields: dict[str, Any] = {**given, "tags": tuple(given.get("tags", ())), "limits": limits, "where": where}
    return Case(**fields)


def _target(target: str | None, path: Path) -> str | None:
    """The target as it is found from the current directory: the file of cases says where a file lies from its own."""
    if target is None or _TARGET_FILE.fullmatch(target) is None or Path(target).is_absolute():
        return target
    return str(path.parent / target)


@dataclass(frozen=True, slots=True)
class _Places:
    """Where in a text things stand, by their path in the document."""

    root: Node | None

    def line(self, path: str) -> int:
        """The line of what is at `path`, or of the nearest thing around it."""
        from yaml import MappingNode, SequenceNode

        node, line = self.root, 1
        for name, index in re.findall(r"\.([^.\[]+)|\[(\d+)\]", path):
            if isinstance(node, SequenceNode) and index and int(index) < len(node.value):
                node = node.value[int(index)]
                line = node.start_mark.line + 1
                continue
            pairs = cast("list[tuple[Any, Node]]", node.value) if isinstance(node, MappingNode) else []
            entry = next(((key, value) for key, value in pairs if key.value == name), None)
            if entry is None:
                break
            line, node = entry[0].start_mark.line + 1, entry[1]
        return line


def _parsed(text: str, path: Path) -> tuple[Any, _Places]:
    import yaml

    from convgraph.graph.documents import yaml_text

    if path.suffix.lower() == ".json":
        try:
            document: Any = json.loads(text, object_pairs_hook=_without_repeats)
        except json.JSONDecodeError as error:
            raise InputError(f"{path}:{error.lineno}: this is not JSON: {error.msg}") from error
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path}: this is not JSON: {error}") from error
        text = text.replace("\t", " ")  # which YAML, by which lines are found, has no room for
    else:
        try:
            document = yaml_text.loads(text, str(path))
        except DefinitionError as error:
            raise InputError(_as_place(str(error), path)) from error
    return document, _Places(yaml.compose(text, Loader=yaml.SafeLoader))


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read: dict[str, Any] = {}
    for key, value in pairs:
        if key in read:
            raise ValueError(f"the key {key!r} is there twice")
        read[key] = value
    return read


def _as_place(message: str, path: Path) -> str:
    """The reader's message, with the line as everywhere else here; what it says of graphs is said of cases."""
    if "a graph is a mapping" in message:
        return f"{path}:1: a file of cases is a mapping with 'cases' (and 'graph', 'judge', 'repeat'), not a list or a text"
    return re.sub(rf"^{re.escape(str(path))}, line (\d+), column \d+", rf"{path}:\1", message)


def _worded(fault: Fault, document: Any) -> str:
    """The fault with the name of its case, where it has one."""
    found = re.match(r"\.cases\[(\d+)\]", fault.path)
    if found is None:
        return f"{fault.path.lstrip('.')} {fault.what}".strip()
    case: Any = document["cases"][int(found[1])]
    name: Any = cast("Mapping[str, Any]", case).get("name") if isinstance(case, Mapping) else None
    rest = fault.path[found.end() :].lstrip(".")
    return f"case {name!r}: {f'{rest}: ' if rest else ''}{fault.what}" if name else f"case {int(found[1]) + 1}: {rest} {fault.what}"


# CSV: a row a case; the columns are the case's fields, and what is expected

_PLAIN = ("contains", "lacks", "equals", "matches", "status", "stop_reason", "holds", "judge", "call")
_LISTED = ("edges", "not_edges")
_JSON = ("state", "schema")


def _from_csv(text: str, path: Path) -> CaseFile:
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
    return CaseFile(path, tuple(checked_cases([_row(head, row, f"{path}:{line}") for line, row in rows[1:]])))


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
        raise InputError("\n".join(f"{where}: {_worded(fault, {'cases': [whole]})}" for fault in found))
    return _case(whole, where)


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
