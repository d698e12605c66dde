"""What can be seen of a graph without running it: its findings, its differences, pictures, scripted paths, simulations."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Generator, Iterable
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from convgraph.errors import InputError
from convgraph.graph.definition import Definition
from convgraph.journal.events import Recorded
from convgraph.journal.store import Store
from convgraph.journal.store_url import StoreLike, as_store
from convgraph.runtime.program import Program
from convgraph.runtime.result import RunResult
from convgraph.sync import run_sync

if TYPE_CHECKING:
    from convgraph.graph.checks import Finding
    from convgraph.graph.coverage import Coverage
    from convgraph.graph.documents import Change
    from convgraph.graph.paths import Paths
    from convgraph.graph.simulation import Simulation


class GraphViews(ABC):
    """The verbs that look at a graph. `program()` is all they need to know of it."""

    @abstractmethod
    def program(self) -> Program:
        """The graph ready to run: its definition and the live objects behind it."""

    @property
    def definition(self) -> Definition:
        """The graph as plain data. Made anew after each change."""
        return self.program().definition

    @property
    def fingerprint(self) -> str:
        """A hash of the canonical definition: equal for equal graphs, in every process."""
        return self.program().fingerprint

    def check(self) -> list[Finding]:
        """What is wrong with the graph, or likely to be: errors (they stop `run`) and warnings. A clean graph gives `[]`."""
        return list(self.program().findings)

    def diff(self, other: GraphViews) -> list[Change]:
        """How `other` differs from this graph, in terms of nodes, transitions and prompts rather than lines."""
        from convgraph.graph.documents import difference

        return difference(self.program().document, other.program().document)

    def draw(
        self,
        path: str | Path | None = None,
        *,
        format: Literal["svg", "png", "pdf", "dot", "mermaid"] | None = None,
        run: Any = None,
        store: StoreLike | None = None,
        depth: int | None = None,
        collapse: Collection[str] = (),
    ) -> bytes | Path:
        """Draw the graph; with `run` (a `RunResult`, or a run's id and `store`) with that run on it.

        With `path` the picture is written there and the path returned; without, its bytes. `format` defaults to
        the path's suffix, else svg. `depth` and `collapse` close sub-graphs. Raises `DrawingError` where the `dot`
        program is missing; `to_mermaid` needs none.
        """
        from convgraph.drawing import draw

        return draw(self.definition, format=format, path=path, overlay=self._overlay(run, store), depth=depth, collapse=collapse)

    def to_dot(self, *, run: Any = None, store: StoreLike | None = None) -> str:
        """The picture in the DOT language."""
        from convgraph.drawing.dot import to_dot
        from convgraph.drawing.picture import picture_of

        return to_dot(picture_of(self.definition, overlay=self._overlay(run, store)))

    def to_mermaid(self, *, run: Any = None, store: StoreLike | None = None) -> str:
        """The picture in the mermaid language, which Markdown renderers draw. Needs no other program."""
        from convgraph.drawing.mermaid import to_mermaid
        from convgraph.drawing.picture import picture_of

        return to_mermaid(picture_of(self.definition, overlay=self._overlay(run, store)))

    def draw_sequence(
        self, run: Any, path: str | Path | None = None, *, format: Literal["svg", "mermaid"] = "svg", store: StoreLike | None = None
    ) -> bytes | Path:
        """Draw a run as a sequence diagram: who said what to whom, in order, nested conversations boxed.

        `run` is a `RunResult`, or a run's id and `store`. Needs no other program. Returns the picture's bytes, or
        the path that it was written to.
        """
        from convgraph.drawing.opened_graphs import opened_graphs
        from convgraph.drawing.sequence_mermaid import sequence_mermaid
        from convgraph.drawing.sequence_svg import sequence_svg

        if format not in ("svg", "mermaid"):
            raise InputError(f"draw_sequence(format={format!r}): the formats are 'svg' and 'mermaid'")
        with self._kept(run, store) as (kept, run_id):
            events = kept.events(run_id)
            inside = run_sync(opened_graphs(kept, events))
        draw = sequence_svg if format == "svg" else sequence_mermaid
        drawn = draw(events, self.definition, inside)
        picture = drawn.encode() if isinstance(drawn, str) else drawn
        if path is None:
            return picture
        Path(path).write_bytes(picture)
        return Path(path)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        from convgraph.drawing import mimebundle

        return mimebundle(self.definition)

    def _repr_svg_(self) -> str | None:
        return self._repr_mimebundle_().get("image/svg+xml")

    def _with_picture(self, result: RunResult) -> RunResult:
        """The result, able to show itself in a notebook: as this graph, as it is now, with the run on it."""
        definition = self.definition

        def picture() -> dict[str, str]:
            from convgraph.drawing import mimebundle
            from convgraph.drawing.overlay import overlay

            return mimebundle(definition, overlay=overlay(definition, self._events(result, None), run_id=result.run_id))

        return replace(result, picture=picture)

    def to_yaml(self) -> str:
        """The definition as YAML. Python callables stand in it by their import path; secrets never do."""
        from convgraph.graph.documents import dumps_yaml

        return dumps_yaml(self.program().document)

    def paths(self, cover: Literal["edges", "nodes"] = "edges", **options: Any) -> Paths:
        """A small set of scripted conversations that together take every transition. See `convgraph.graph.paths.paths`."""
        from convgraph.graph.paths import paths

        return paths(self.definition, cover, **options)

    def simulate(self, runs: int = 1_000, seed: int = 0, **options: Any) -> Simulation:
        """The distribution of length, cost and ends over random runs. See `convgraph.graph.simulation.simulate`."""
        from convgraph.graph.simulation import simulate

        return simulate(self.definition, runs, seed, **options)

    def coverage(self, store: StoreLike, runs: Iterable[str] | None = None) -> Coverage:
        """Which nodes, transitions and guard outcomes the stored runs of this graph (or those named) have exercised."""
        from convgraph.graph.coverage import coverage
        from convgraph.journal.steps_taken import steps_taken

        with as_store(store) as opened:
            names = [info.run_id for info in opened.runs(graph=self.definition.name)] if runs is None else list(runs)
            return coverage(self.definition, [steps_taken(self.definition, opened.events(name)) for name in names])

    def _overlay(self, run: Any, store: StoreLike | None) -> Any:
        if run is None:
            return None
        from convgraph.drawing.overlay import overlay

        return overlay(self.definition, self._events(run, store), run_id=run.run_id if isinstance(run, RunResult) else run)

    def _events(self, run: Any, store: StoreLike | None) -> list[Recorded]:
        """What the journal holds of a run, given as a `RunResult` or as an id and a store."""
        with self._kept(run, store) as (kept, run_id):
            return kept.events(run_id)

    @contextmanager
    def _kept(self, run: Any, store: StoreLike | None) -> Generator[tuple[Store, str]]:
        """The store that holds a run, and the run's id."""
        if isinstance(run, RunResult):
            # A store that `run` opened by its name was closed by it too; a file can be opened again, memory cannot.
            kept = run.store.url if run.store is not None and run.store.url != ":memory:" else run.store
            run, store = run.run_id, kept if store is None else store
        if store is None:
            raise InputError("a run given by its id needs store= to read it from")
        with as_store(store) as opened:
            yield opened, run
