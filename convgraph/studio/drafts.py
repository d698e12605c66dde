"""Graphs that are being written in the page: looked at as they stand, and saved as YAML into the studio's folder."""

from __future__ import annotations

import difflib
import json
import os
import re
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from convgraph.errors import ConvgraphError, InputError
from convgraph.graph.documents import dumps_yaml, from_document, loads_yaml, to_document
from convgraph.graph.documents.json_values import plain
from convgraph.graph.documents.yaml_edits import place_of, rewritten
from convgraph.journal.values import digest_text
from convgraph.studio.catalog import Known, graph_of
from convgraph.studio.pictures import closable, findings_out, picture_out
from convgraph.studio.schemas.drafts import DraftOut, ProblemAt, SourceOut

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,79}")
_WHERE = "graph document"
_LINE = re.compile(r"line (\d+), column (\d+)")
_PATH = re.compile(r"(?:version|name|start|state|select|fallback|limits|detail|nodes|edges)\b[\w.\[\]*-]*")


class Stale(InputError):
    """The file is not what it was when it was opened: `difference` says in which lines."""

    def __init__(self, message: str, difference: str) -> None:
        super().__init__(message)
        self.difference = difference


def checked(text: str, document: Mapping[str, Any] | None, allow: Collection[str], collapse: Collection[str] = ()) -> DraftOut:
    """What can be told of a draft. With `document`, the text is first changed to hold that. `collapse`: what is drawn closed.

    Takes as long as Graphviz does: call it in a thread. Raises `InputError` or `DefinitionError` for a document that no text can hold,
    and nothing for a draft that is wrong: that is what it tells.
    """
    if document is not None:
        _check_writable(plain(document, _WHERE))
    text = text if document is None else rewritten(text, document)
    read = _read(text)
    if isinstance(read, str):
        return DraftOut(ok=False, problems=[_problem(read, text)], yaml=text)
    try:
        graph = graph_of(text, allow)
        definition = graph.definition
        findings = findings_out(definition, graph.check())
        schema = definition.state.model.model_json_schema() if definition.state is not None else None
    except ConvgraphError as error:
        return DraftOut(ok=False, problems=[_problem(line, text) for line in _lines(str(error))], yaml=text, document=read)
    return DraftOut(
        ok=not any(finding.severity == "error" for finding in findings),
        problems=[],
        yaml=text,
        canonical=dumps_yaml(to_document(from_document(read, allow=allow))),
        document=read,
        findings=findings,
        picture=picture_out(definition, collapse=closable(definition).intersection(collapse)),
        state_schema=schema,
    )


def source_of(known: Known, allow: Collection[str]) -> SourceOut:
    """The text with which somebody begins who edits a graph, or a copy of it.

    A file that holds no graph at the moment is opened as well: to mend it. Raises `InputError` where there is no text.
    """
    if known.kind != "python" and known.target.endswith((".yaml", ".yml")):
        text = _text_at(Path(known.target))
        return SourceOut(
            name=Path(known.target).stem, yaml=text, base=digest_text(text) if known.editable else None, editable=known.editable
        )
    if known.graph is None:
        raise InputError(f"the graph at {known.target} cannot be used: {known.problem}")
    text, problem = known.graph.to_yaml(), ""
    try:
        graph_of(text, allow)
    except ConvgraphError as error:
        problem = str(error)
    return SourceOut(name=known.name, yaml=text, base=None, editable=False, problem=problem)


def save(folder: Path | None, name: str, text: str, base: str | None, allow: Collection[str]) -> Path:
    """Write a draft to `name`.yaml in the folder, in one go, and return its path.

    `base` is the digest of the file as it was opened, None for a new one. Raises `Stale` where the file is another by now, `InputError`
    for a name that is none or where there is no folder, `DefinitionError` for a text that is no graph: nothing is written then.
    """
    path = _place(folder, name)
    graph_of(text, allow)
    _check_writable(loads_yaml(text, _WHERE))
    there = _text_at(path) if path.is_file() else None
    if there is not None and base is None:
        raise Stale(f"there is a file {path.name} already; give this graph another name, or open that one", _difference(there, text))
    if base is not None and (there is None or digest_text(there) != base):
        was = "is gone" if there is None else "has been changed by somebody else"
        raise Stale(f"{path.name} {was} since it was opened here", _difference(there or "", text))
    _write(path, text if text.endswith("\n") else f"{text}\n", new=there is None)
    return path


def _place(folder: Path | None, name: str) -> Path:
    if folder is None:
        raise InputError("the studio has no folder to save graphs in; start it with --folder DIR")
    stem = name.removesuffix(".yaml").removesuffix(".yml")
    if NAME.fullmatch(stem) is None:
        raise InputError(f"{name!r} is no name for a file here; use letters, digits, '_' and '-', up to 80 of them")
    path = folder / (name if name.endswith((".yaml", ".yml")) else f"{name}.yaml")
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise InputError(f"{path.name} in the studio's folder is no plain file, so nothing is written to it")
    return path


def _text_at(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error


def _write(path: Path, text: str, *, new: bool) -> None:
    """The whole text or nothing, even if the machine stops half-way; a new file replaces none that has come meanwhile."""
    handle, made = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(made).chmod(0o644 if new else path.stat().st_mode & 0o777)
        if new:
            os.link(made, path)
        else:
            Path(made).replace(path)
            return
    except FileExistsError as error:
        raise Stale(f"there is a file {path.name} already; give this graph another name", "") from error
    except OSError as error:
        raise InputError(f"{path.name} cannot be written: {error}") from error
    finally:
        Path(made).unlink(missing_ok=True)


def _difference(before: str, after: str) -> str:
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), "on disk", "here", lineterm="")
    return "\n".join(lines)


def _read(text: str) -> dict[str, Any] | str:
    """The document, or what is wrong with the text."""
    try:
        read = loads_yaml(text, _WHERE)
        _check_writable(read)
    except ConvgraphError as error:
        return str(error)
    return read


def _check_writable(value: Any) -> None:
    """Raise `InputError` for a text that is none: half of a pair of surrogates, which an escape can name and no file hold."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise InputError(f"{_WHERE}: it has a character that is none ({error.reason}): {error.object[error.start]!a}") from error


def _lines(message: str) -> list[str]:
    """The faults of a message: each on a line of its own, where they are faults of the document's form."""
    first, *more = message.split("\n  ")
    return [first, *more] if first.startswith(f"{_WHERE}: ") else [message]


def _problem(message: str, text: str) -> ProblemAt:
    """A message without what the page says anyway, and where in the text it applies."""
    said = message.removeprefix(_WHERE).lstrip(":, ")
    if (line := _LINE.match(said)) is not None:
        told = said[line.end() :].lstrip(": ")
        return ProblemAt(message=told, line=int(line[1]), column=int(line[2]))
    inside = re.search(rf"{_WHERE}, ([\w.\[\]]+)\)", said)
    path = _PATH.match(said)
    found = path[0] if path is not None else inside[1] if inside is not None else ""
    place = place_of(text, found) if found else None
    return ProblemAt(
        message=said[path.end() :].lstrip(": ") if path is not None else said,
        path=found,
        line=place[0] if place is not None else None,
        column=place[1] if place is not None else None,
    )
