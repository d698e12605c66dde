"""Files of cases: YAML, JSON or CSV, read strictly, with the line of what is wrong."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from convgraph.errors import DefinitionError, InputError
from convgraph.evaluation.case_documents import case_from, worded
from convgraph.evaluation.cases import Case, checked_cases
from convgraph.evaluation.cases_schema import json_schema
from convgraph.evaluation.csv_cases import from_csv
from convgraph.json_schema import faults

if TYPE_CHECKING:
    from yaml import Node

KINDS = (".yaml", ".yml", ".json", ".csv")
_WHAT = "a file of cases is a mapping with 'cases' (and 'graph', 'judge', 'repeat')"
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
        return CaseFile(path, from_csv(text, path))
    document, places = _parsed(text, path)
    found = faults(document, json_schema())
    if found:
        lines = [f"{path}:{places.line(fault.path)}: {worded(fault, document)}" for fault in found[:10]]
        more = [f"… and {len(found) - 10} more"] if len(found) > 10 else []
        raise InputError("\n".join([*lines, *more]))
    cases = [case_from(each, f"{path}:{places.line(f'.cases[{number}]')}") for number, each in enumerate(document["cases"])]
    return CaseFile(path, tuple(checked_cases(cases)), _target(document.get("graph"), path), document.get("judge"), document.get("repeat"))


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
            document = yaml_text.loads(text, str(path), _WHAT)
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
    """The reader's message, with the line as everywhere else here."""
    return re.sub(rf"^{re.escape(str(path))}(?:, line (\d+), column \d+)?: ", lambda found: f"{path}:{found[1] or 1}: ", message)
