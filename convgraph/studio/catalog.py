"""The graphs that the studio knows: those that it was given, those saved in its folder, and those of the gallery.

Python is imported once, when the studio starts, and only what it was given: a run's record may name any file, and whoever can write to
a store must not choose what is imported here. Documents are read again when their file has changed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Literal, TypeAlias

from convgraph.conversation import ConversationGraph
from convgraph.errors import ConvgraphError, InputError
from convgraph.journal.runs import RunInfo
from convgraph.loading import absolute, from_yaml, load_target
from convgraph.loading.documents import DOCUMENTS
from convgraph.studio.files import looks_like_a_graph, said_at_the_top

MOST_DRAFTS = 50
"""How many texts that are in no file are kept in mind, the latest."""

Kind: TypeAlias = Literal["python", "document", "gallery"]


@dataclass(frozen=True, slots=True)
class Known:
    """A graph that the studio knows, or why it cannot be had (`problem`). `editable`: it is a document in the studio's folder.

    `description` is what its file says of it at the top: a comment, or a docstring.
    """

    id: str
    target: str
    kind: Kind
    editable: bool
    graph: ConversationGraph | None
    problem: str = ""
    description: str = ""

    @property
    def name(self) -> str:
        """What it is called: the graph's name, or that of the file which holds none."""
        return self.graph.definition.name if self.graph is not None else Path(self.target).stem


class Catalog:
    """Finds graphs by id, and the graph of a run. `allow` are the modules from which documents may import.

    Raises `InputError` for a target that names no graph. A document with errors in it is one that can be mended, and is listed with them.
    """

    def __init__(
        self, targets: Sequence[str] = (), *, folder: Path | None = None, gallery: Path | None = None, allow: Collection[str] = ()
    ) -> None:
        self.folder = folder
        self.allow = tuple(allow)
        self._gallery = gallery
        self._given = {known.id: known for known in map(self._named, targets)}
        self._documents: dict[Path, tuple[int, Known]] = {}
        self._drafts: dict[str, Known] = {}

    def __iter__(self) -> Iterator[Known]:
        seen = set[str]()
        for known in self._all():
            if known.id not in seen:
                seen.add(known.id)
                yield known

    def find(self, graph_id: str) -> Known:
        """The graph of this id. Raises `InputError` where there is none."""
        for known in chain(self, self._drafts.values()):
            if known.id == graph_id:
                return known
        raise InputError(f"the studio knows no graph {graph_id!r}; GET /api/graphs lists those that it knows")

    def at(self, path: Path) -> Known:
        """The document at a path in the studio's folder, as it is now."""
        self._documents.pop(path, None)
        return self._current(path, None)

    def draft(self, text: str) -> ConversationGraph:
        """The graph of a text that is in no file: kept in mind, so that a run of it can be gone on with as long as this studio is open.

        Raises `DefinitionError` for a text that is no graph.
        """
        graph = graph_of(text, self.allow)
        self._drafts.pop(draft := _id_of(text), None)
        self._drafts[draft] = Known(draft, f"a draft of {graph.definition.name}", "document", False, graph)
        for oldest in list(self._drafts)[:-MOST_DRAFTS]:
            del self._drafts[oldest]
        return graph

    def live(self, graph_id: str) -> ConversationGraph:
        """The graph itself, a document's made anew: scripted replies begin at their beginning.

        Raises `InputError` where there is none, or it cannot be loaded.
        """
        known = self.find(graph_id)
        if known.graph is None:
            raise InputError(f"the graph at {known.target} cannot be used: {known.problem}")
        kept = known.kind == "python" or known.id in self._drafts
        return known.graph if kept else load_target(known.target, allow=self.allow)

    def of_run(self, info: RunInfo) -> Known | None:
        """The known graph that a run is of: the one it was started with, else one of the same definition, else one of its name."""
        usable = [(known, known.graph) for known in chain(self, reversed(self._drafts.values())) if known.graph is not None]
        by_target = (known for known, _ in usable if info.target and known.target == info.target)
        by_definition = (known for known, graph in usable if graph.fingerprint == info.fingerprint)
        by_name = (known for known, _ in usable if known.name == info.graph)
        return next(chain(by_target, by_definition, by_name), None)

    def _all(self) -> Iterator[Known]:
        for known in self._given.values():
            yield self._current(Path(known.target), known) if known.kind == "document" else known
        places: Sequence[tuple[Path | None, Kind]] = ((self.folder, "document"), (self._gallery, "gallery"))
        for folder, kind in places:
            if folder is not None and folder.is_dir():
                for path in sorted(path for path in folder.iterdir() if path.suffix in DOCUMENTS and path.is_file()):
                    known = self._current(path, None, kind)
                    if known.graph is not None or looks_like_a_graph(path):
                        yield known

    def _current(self, path: Path, known: Known | None, kind: Kind = "document") -> Known:
        """The document at a path, read again where the file has changed."""
        try:
            changed = path.stat().st_mtime_ns
        except OSError as error:
            return Known(_id_of(str(path)), str(path), kind, False, None, f"the file cannot be read: {error}")
        if path not in self._documents or self._documents[path][0] != changed:
            self._documents[path] = changed, self._loaded(str(path), known.kind if known is not None else kind)
        return self._documents[path][1]

    def _named(self, target: str) -> Known:
        """A graph that was named when the studio was started. Raises `InputError`, unless it is a document: that can be mended here."""
        known = self._loaded(absolute(target), _kind(target))
        if known.graph is None and (known.kind != "document" or not Path(known.target).is_file()):
            raise InputError(known.problem)
        return known

    def _loaded(self, target: str, kind: Kind) -> Known:
        editable = (
            kind == "document" and self.folder is not None and Path(target).parent == self.folder and target.endswith((".yaml", ".yml"))
        )
        try:
            graph, problem = load_target(target, allow=self.allow), ""
        except ConvgraphError as error:
            graph, problem = None, str(error)
        return Known(_id_of(target), target, kind, editable, graph, problem, said_at_the_top(target))


def graph_of(text: str, allow: Collection[str]) -> ConversationGraph:
    """The graph that a text defines, never a file that it names. Raises `DefinitionError`."""
    return from_yaml(f"{text}\n", allow=allow)


def _id_of(target: str) -> str:
    return hashlib.sha256(target.encode()).hexdigest()[:12]


def _kind(target: str) -> Kind:
    return "document" if target.lower().endswith(DOCUMENTS) else "python"
