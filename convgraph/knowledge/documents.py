"""Documents to search: files of many kinds, each read as a text that knows where it comes from."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from convgraph.errors import InputError
from convgraph.knowledge.file_kinds import KINDS, SUFFIXES, Text, Unreadable

Unread = Callable[[str, str], None]
"""Is told the source of a file that cannot be read, and why."""


@dataclass(frozen=True, slots=True)
class Document:
    """A text and where it comes from.

    `source` is what it is known by: a collection holds one document of a source. `kind` says what its text looks like:
    "text", "markdown" or "rst" (which have headings). `pages` are the places in the text where its pages begin.
    """

    source: str
    text: str
    title: str = ""
    kind: str = "text"
    pages: tuple[int, ...] = ()


def read_documents(
    paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    *,
    recursive: bool = True,
    root: str | os.PathLike[str] | None = None,
    on_unreadable: Unread | None = None,
) -> list[Document]:
    """The documents in files and folders, in the order of their paths.

    Of a folder, the files of known kinds are read (`SUFFIXES`: text, Markdown, reStructuredText, HTML, PDF, CSV, JSON,
    source code), those in folders below it too unless `recursive` is off; hidden ones are passed over. A file that is
    named itself is read whatever its suffix. A document's `source` is its path below the folder given, for a file its
    name; with a `root`, its path below that.

    A file that cannot be read is told to `on_unreadable(source, reason)`, and the others are read. Without it, `InputError`
    is raised for all of them together; so too for paths that do not exist, a folder without documents, and two files with one
    source.
    """
    documents: dict[str, Document] = {}
    unreadable: list[str] = []
    for path, source in _files(paths, recursive, Path(root) if root is not None else None):
        if source in documents:
            raise InputError(
                f"two documents would be called {source!r}: read them in two calls, or say with root= what their paths go from"
            )
        try:
            found = read_file(path)
        except Unreadable as error:
            if on_unreadable is None:
                unreadable.append(f"{source}: {error}")
            else:
                on_unreadable(source, str(error))
        else:
            documents[source] = Document(source, found.text, found.title or Path(source).name, found.kind, found.pages)
    if unreadable:
        raise InputError(f"{'; '.join(unreadable)}. To go on without them, pass on_unreadable=")
    return list(documents.values())


def read_file(path: Path) -> Text:
    """What the file says. Raises `Unreadable`."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Unreadable(error.strerror or str(error)) from error
    return KINDS.get(path.suffix.lower(), KINDS[".txt"])(data)


def _files(
    paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]], recursive: bool, root: Path | None
) -> Iterator[tuple[Path, str]]:
    given = list(paths) if isinstance(paths, Iterable) and not isinstance(paths, str) else [paths]
    wrong = [path for path in given if not isinstance(path, str | os.PathLike)]  # pyright: ignore[reportUnnecessaryIsInstance]
    if wrong:
        raise InputError(f"documents are read from the paths of files and folders, not from {wrong[0]!r:.100}")
    missing = [str(path) for path in given if not Path(path).exists()]
    if missing:
        raise InputError(f"there is no {', '.join(missing)} (in {Path.cwd()})")
    for each in given:
        path = Path(each)
        files = _in_folder(path, recursive) if path.is_dir() else [path]
        if not files:
            raise InputError(f"there is no document in {path}; read are files with the suffixes {' '.join(sorted(SUFFIXES))}")
        for file in files:
            yield file, _source(file, root or (path if path.is_dir() else path.parent))


def _in_folder(folder: Path, recursive: bool) -> list[Path]:
    found = folder.rglob("*") if recursive else folder.glob("*")
    shown = (path for path in found if not any(part.startswith(".") for part in path.relative_to(folder).parts))
    return sorted(path for path in shown if path.suffix.lower() in SUFFIXES and path.is_file())


def _source(path: Path, root: Path) -> str:
    try:
        return _absolute(path).relative_to(_absolute(root)).as_posix()
    except ValueError:
        raise InputError(f"{path} is not below root={str(root)!r}") from None


def _absolute(path: Path) -> Path:
    # Not `resolve`: a link is known by where it is, not by where it leads to.
    return Path(os.path.normpath(path.absolute()))
